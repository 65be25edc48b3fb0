//! The harness itself, proved with certificates that `ssh-keygen` signs.

mod agent;
mod logins;
mod sandbox;
