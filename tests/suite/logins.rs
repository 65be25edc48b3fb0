//! Certificates that `warden sign` issues, at the door of a real `sshd`.

mod admission;
mod ca_keys;
mod explained;
mod extensions;
mod host_certificates;
mod restraints;
mod security_keys;
pub(crate) mod site;
mod user_keys;
