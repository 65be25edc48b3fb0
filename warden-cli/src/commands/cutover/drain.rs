use super::desk::{Approval, Desk, now, words};
use crate::commands::ca::finish;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use warden_core::cutover::Verb;
use warden_core::cutover::drain::{ends, read_log, report};
use warden_core::failure::Class;

/// Show that no certificate of the old CA is in use any more; with --apply, put it on record
///
/// Until the window has ended it says when it will. A login by a certificate of the old CA in a log is
/// a failure; a log that shows too little is a warning, and no proof.
#[derive(Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    approval: Approval,

    /// A log of a host's sshd, oldest line first; may be repeated
    #[arg(long = "sshd-log", value_name = "FILE")]
    logs: Vec<PathBuf>,

    /// For how many hours before now no such login may be there [default: since the window ended, at least 1]
    #[arg(long, value_name = "HOURS")]
    quiet_hours: Option<u32>,
}

impl Drain {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let verb = Verb::Drain;
        desk.admits(verb)?;
        let Some(frozen) = desk.observed.frozen else {
            return Err(CliError::new(
                Class::Failed,
                "cutover_wrong_state",
                "the old CA is not frozen, so its window has not begun",
            )
            .hint("warden cutover freeze"));
        };
        let now = now();
        let end = ends(
            frozen,
            desk.plan.window_seconds,
            desk.observed.history.last_expiry_of_old,
        );
        let since = match self.quiet_hours {
            Some(hours) => now.minus(u64::from(hours) * 3600),
            None => end.min(now.minus(3600)),
        };
        let mut logs = Vec::new();
        for path in &self.logs {
            let unreadable = |error: std::io::Error| {
                CliError::new(
                    Class::Malformed,
                    "sshd_log_not_readable",
                    format!("cannot read {}", path.display()),
                )
                .cause(error.to_string())
            };
            let file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(unreadable)?);
            let seen =
                read_log(file, &desk.plan.old.ca_fingerprint, since, now).map_err(unreadable)?;
            logs.push((path.display().to_string(), seen));
        }
        let checks = report(end, since, now, &logs);
        if self.approval.apply {
            let permit = desk.permit(verb, None, &self.approval)?;
            desk.scribe().shown(
                permit.verb().as_str(),
                desk.state(),
                checks.ready(),
                words(&checks),
            )?;
        }
        let mut shown = finish(
            &checks,
            "not_drained",
            "certificates of the old CA may still be in use",
        )?;
        if self.approval.apply {
            let done = desk.done(verb, &[])?;
            shown.text += &done.text;
        } else {
            shown
                .notes
                .push("nothing was recorded: this was a dry run".to_owned());
        }
        Ok(shown)
    }
}
