//! The lane of the example inventory that may run one command, from the request to the runtime key:
//! `contrib/interhub-bootstrap` behind a real sshd that `warden host render` configured, and
//! `contrib/ops-ssh-wrapper` before it.

mod asked;
mod commands;
mod files;
mod guide;
mod runs;
mod scene;
mod secrets;
mod wrapper;
