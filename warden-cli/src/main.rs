//! The `warden` command.

mod cli;
mod commands;
mod credential;
mod environment;
mod error;
mod output;
mod program;
mod ssh_keygen;
mod sshd;
mod typed;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
