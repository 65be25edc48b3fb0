mod bundle;
mod desk;
mod drain;
mod evidence;
mod freeze;
mod parity;
mod plan;
mod preflight;
mod prune;
mod retire;
mod rollback;
mod smoke;
mod status;
mod switch;

use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use std::path::Path;

/// Move from one CA to another, and back, with nobody locked out
#[derive(Args)]
pub(crate) struct Cutover {
    #[command(subcommand)]
    command: CutoverCommand,
}

#[derive(Subcommand)]
enum CutoverCommand {
    Status(status::Status),
    Plan(Box<plan::PlanArgs>),
    Preflight(Box<preflight::PreflightArgs>),
    Parity(Box<parity::ParityArgs>),
    Bundle(bundle::Bundle),
    Smoke(smoke::Smoke),
    Switch(switch::Switch),
    Rollback(rollback::Rollback),
    Freeze(freeze::Freeze),
    Drain(drain::Drain),
    Prune(prune::Prune),
    Retire(retire::Retire),
    Evidence(evidence::Evidence),
}

impl Cutover {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        match self.command {
            CutoverCommand::Status(command) => command.run(config),
            CutoverCommand::Plan(command) => command.run(config),
            CutoverCommand::Preflight(command) => command.run(config),
            CutoverCommand::Parity(command) => command.run(config),
            CutoverCommand::Bundle(command) => command.run(config),
            CutoverCommand::Smoke(command) => command.run(config),
            CutoverCommand::Switch(command) => command.run(config),
            CutoverCommand::Rollback(command) => command.run(config),
            CutoverCommand::Freeze(command) => command.run(config),
            CutoverCommand::Drain(command) => command.run(config),
            CutoverCommand::Prune(command) => command.run(config),
            CutoverCommand::Retire(command) => command.run(config),
            CutoverCommand::Evidence(command) => command.run(config),
        }
    }
}
