//! What the suites share: real OpenSSH servers and clients, throwaway unix
//! accounts, keys and foreign certificates made by `ssh-keygen`, a software
//! stand-in for FIDO security keys, and a sandbox to run `warden` in.
//!
//! The helpers panic when something they need does not work, and say what they
//! were doing: a suite has no use for an error value it can only unwrap.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness fails loudly, and reports on standard error"
)]

pub mod account;
pub mod bao;
pub mod console;
pub mod desk;
pub mod keygen;
pub mod process;
pub mod proxy;
mod root;
pub mod sandbox;
pub mod sk_agent;
mod sk_key;
pub mod skipped;
pub mod ssh;
pub mod sshd;
pub mod stand_in;
