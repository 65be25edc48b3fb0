//! The harness itself, proved with certificates that `ssh-keygen` signs.

mod agent;
mod environment;
mod logins;
mod sandbox;
mod scene;
mod security_keys;
