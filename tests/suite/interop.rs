//! `ssh-keygen` as the oracle: ours read by it, and its own read by us.

mod ca_keys;
mod key_file;
mod listing;
mod refused_ca_keys;
mod sshsig;
mod tampering;
