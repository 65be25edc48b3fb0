//! Hosts: what they need, and what they have.

mod check;
mod render;
mod sources;

use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use std::path::Path;

/// Render the files a host needs, and check the ones it has
#[derive(Args)]
pub(crate) struct Host {
    #[command(subcommand)]
    command: HostCommand,
}

#[derive(Subcommand)]
enum HostCommand {
    Render(render::Render),
    Check(check::Check),
}

impl Host {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        match self.command {
            HostCommand::Render(command) => command.run(config),
            HostCommand::Check(command) => command.run(config),
        }
    }
}
