use crate::credential::credential;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::sign::openbao::roles::{definitions, sign_policy};
use warden_core::sign::openbao::state::{Finding, Level, check};

/// Check the OpenBao backend, and print the roles it should have
#[derive(Args)]
pub(crate) struct Backend {
    #[command(subcommand)]
    command: BackendCommand,
}

#[derive(Subcommand)]
enum BackendCommand {
    /// Look at the server, its CA, the token and the roles, and say what is wrong
    ///
    /// Reads only, except that a token which can be renewed is renewed.
    Check,
    /// Print the roles and the policy that fit the inventory exactly, as commands for a shell
    Roles,
}

impl Backend {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        let vault = setup.vault()?;
        let inventory = setup.inventory.load()?;
        let now = SystemClock.now();
        match self.command {
            BackendCommand::Check => {
                let (credential, missing) = match credential(&vault.credential) {
                    Ok(credential) => (Some(credential), None),
                    Err(error) => (None, Some(error)),
                };
                report(
                    &check(&vault.settings, credential.as_ref(), &inventory, now),
                    missing,
                )
            }
            BackendCommand::Roles => {
                let roles = definitions(&inventory, &vault.settings.roles, now);
                let policy = sign_policy(&roles, &vault.settings);
                let commands: String = roles
                    .iter()
                    .map(|role| role.to_command(&vault.settings))
                    .collect();
                let text =
                    format!("{commands}bao policy write warden-sign - <<'EOF'\n{policy}EOF\n");
                let list = roles.iter().map(|role| json!({"name": role.name.as_str(), "role": role.to_json(&vault.settings)}));
                let json = json!({"roles": list.collect::<Vec<_>>(), "policy": {"name": "warden-sign", "rules": policy}});
                Ok(Report {
                    text,
                    json,
                    ..Report::default()
                })
            }
        }
    }
}

/// `PASS|WARN|FAIL|SKIP code: text`, then how many of each.
fn report(findings: &[Finding], missing: Option<CliError>) -> Result<Report, CliError> {
    let count = |level| findings.iter().filter(|one| one.level == level).count();
    let mut text = String::new();
    for Finding {
        level,
        code,
        text: what,
        fix,
    } in findings
    {
        text += &format!("{} {code}: {what}\n", level.as_str());
        if let Some(fix) = fix {
            text += &format!("     set: {fix}\n");
        }
    }
    let (pass, warn, fail, skip) = (
        count(Level::Pass),
        count(Level::Warn),
        count(Level::Fail),
        count(Level::Skip),
    );
    text += &format!("RESULT pass={pass} warn={warn} fail={fail} skip={skip}\n");
    let list = findings.iter().map(|one| json!({"level": one.level.as_str(), "code": one.code, "text": one.text, "set": one.fix}));
    let json = json!({"findings": list.collect::<Vec<_>>(), "pass": pass, "warn": warn, "fail": fail, "skip": skip});
    let report = Report {
        text,
        json,
        ..Report::default()
    };
    match (missing, fail) {
        (Some(error), _) => Err(error.with_report(report)),
        (None, 0) => Ok(report),
        (None, fail) => {
            let message = format!("{fail} of the checks did not hold");
            Err(CliError::new(Class::Failed, "backend_check_failed", message).with_report(report))
        }
    }
}
