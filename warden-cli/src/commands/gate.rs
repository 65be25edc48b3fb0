pub(crate) use check::{Asked, key_nobody_has};

mod check;
mod report;
mod serve;

use crate::environment::Setup;
use crate::error::CliError;
use crate::output::{Output, Report};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use warden_core::config::PolicyMode;
use warden_core::exchange::PlainHttp;

/// Ask the policy gate, and see what it decided
#[derive(Args)]
pub(crate) struct Gate {
    #[command(subcommand)]
    command: GateCommand,
}

#[derive(Subcommand)]
enum GateCommand {
    Check(check::Check),
    /// Ask the gate whether it is well
    Health,
    Report(report::GateReport),
    Serve(serve::Serve),
}

impl Gate {
    pub(crate) fn run(self, config: Option<&Path>, output: &Output) -> Result<Report, CliError> {
        if let GateCommand::Serve(serve) = self.command {
            return serve.run(output);
        }
        let setup = Setup::load(config)?;
        match self.command {
            GateCommand::Check(check) => check.run(&setup),
            GateCommand::Health | GateCommand::Serve(_) => health(&setup),
            GateCommand::Report(report) => report.run(&setup),
        }
    }
}

fn health(setup: &Setup) -> Result<Report, CliError> {
    let gate = setup.gate();
    gate.health()?;
    let address = &gate.settings().address;
    let mode = setup.policy().mode;
    let mut notes = Vec::new();
    if address.plain_http() == PlainHttp::Permitted {
        notes
            .push("warning: the gate is asked over plain http (`dangerous_plain_http`)".to_owned());
    }
    if mode == PolicyMode::Off {
        notes.push("note: signing does not ask it; `mode` under [policy] is `off`".to_owned());
    }
    let text = format!(
        "the gate at {} is well; mode {}\n",
        address.as_str(),
        mode.as_str()
    );
    let json = json!({"address": address.as_str(), "mode": mode.as_str(), "healthy": true});
    Ok(Report { text, json, notes })
}
