mod parity;
mod preflight;

use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use std::path::Path;

/// Move from one CA to another in steps that are each checked
#[derive(Args)]
pub(crate) struct Cutover {
    #[command(subcommand)]
    command: CutoverCommand,
}

#[derive(Subcommand)]
enum CutoverCommand {
    Preflight(preflight::PreflightArgs),
    Parity(parity::ParityArgs),
}

impl Cutover {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        match self.command {
            CutoverCommand::Preflight(args) => args.run(config),
            CutoverCommand::Parity(args) => args.run(config),
        }
    }
}
