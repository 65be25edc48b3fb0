use crate::commands::ca::{KeyFileArgs, finish};
use crate::credential::credential;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::{Path, PathBuf};
use warden_core::certificate::UnixTime;
use warden_core::clock::Clock;
use warden_core::cutover::check::Check;
use warden_core::cutover::preflight::{
    sshd_loglevel, sshd_version_at_least, target_clock, token_scope,
};
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::sign::openbao::issuers::Engine;
use warden_core::sign::openbao::roles::definitions;

/// The largest output of `sshd -T`, in bytes.
const MAX_SSHD_BYTES: usize = 1024 * 1024;

/// Judge the new CA key file, and what the target's sshd says of itself; changes nothing
///
/// Every check is one line, PASS, FAIL, WARN or SKIP. Nothing is changed.
#[derive(Args)]
pub(crate) struct PreflightArgs {
    #[command(flatten)]
    key_file: KeyFileArgs,

    /// Also look up what the configured token may do at the engine; it is not renewed
    #[arg(long)]
    token: bool,

    /// What `sshd -T` printed on the target
    #[arg(long, value_name = "FILE")]
    sshd_config: Option<PathBuf>,

    /// What `sshd -V` or `ssh -V` printed on the target
    #[arg(long, value_name = "TEXT")]
    sshd_version: Option<String>,

    /// What `date +%s` prints on the target just now
    #[arg(long, value_name = "SECONDS")]
    target_clock: Option<u64>,

    /// The oldest sshd that will do
    #[arg(long, value_name = "MAJOR.MINOR", default_value = "8.2")]
    min_sshd: String,
}

impl PreflightArgs {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Report, CliError> {
        let wanted = self
            .min_sshd
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .ok_or_else(|| {
                let message = format!("`{}` is not a version", self.min_sshd);
                CliError::new(Class::Malformed, "version_malformed", message)
                    .hint("write two numbers, such as 8.2")
            })?;
        let effective = match &self.sshd_config {
            None => None,
            Some(path) => Some(file::read_text(path, MAX_SSHD_BYTES, Links::Follow)?),
        };
        let mut checks = self.key_file.judge(config)?;
        if let Some(theirs) = self.target_clock {
            checks.push(target_clock(SystemClock.now(), UnixTime(theirs)));
        }
        if let Some(text) = &self.sshd_version {
            checks.push(sshd_version_at_least(text, wanted));
        }
        if let Some(text) = &effective {
            checks.push(sshd_loglevel(text));
        }
        if self.token {
            checks.extend(Self::scope(config)?);
        }
        finish(&checks, "preflight_failed", "the preflight does not hold")
    }

    fn scope(config: Option<&Path>) -> Result<Vec<Check>, CliError> {
        let setup = Setup::load(config)?;
        let vault = setup.vault()?;
        let credential = credential(&vault.credential)?;
        let inventory = setup.inventory.load()?;
        let roles = definitions(&inventory, &vault.settings.roles, SystemClock.now());
        let engine = Engine::new(&vault.settings, Some(&credential))?;
        Ok(token_scope(&engine, &roles))
    }
}
