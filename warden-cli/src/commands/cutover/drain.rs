use super::desk::{Approval, Desk, now, words};
use super::plan::window_now;
use crate::commands::ca::finish;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use warden_core::cutover::Verb;
use warden_core::cutover::drain::{Span, ends, read_log, report};
use warden_core::failure::Class;

/// Show that no certificate of the old CA is in use any more; with --apply, put it on record
///
/// Until the window has ended it says when it will. A login by a certificate of the old CA in a log is
/// a failure. No log, or one that shows too little, is no proof, and nothing goes on from there.
#[derive(Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    approval: Approval,

    /// A log of a host's sshd, oldest line first; may be repeated
    #[arg(long = "sshd-log", value_name = "FILE")]
    logs: Vec<PathBuf>,

    /// For at least how many hours before now no such login may be there; never less than since the
    /// window ended, or 1
    #[arg(long, value_name = "HOURS", default_value_t = 1)]
    quiet_hours: u32,

    /// Go on without any log; it is recorded, and `retire` will not take it
    #[arg(long, conflicts_with = "logs")]
    without_logs: bool,
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
        // A role may have been changed since the plan; the longer window counts.
        let now_allowed = match desk.plan.old.engine {
            Some(_) => window_now(&desk.with_signer(&desk.plan.old)?),
            None => None,
        };
        let end = ends(
            frozen,
            desk.plan.window_seconds.max(now_allowed.unwrap_or(0)),
            desk.observed.history.last_expiry_of_old,
        );
        let span = Span::new(frozen, end, now, self.quiet_hours);
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
            let seen = read_log(file, &desk.plan.old.ca_fingerprint, span).map_err(unreadable)?;
            logs.push((path.display().to_string(), seen));
        }
        let checks = report(end, span, &logs, self.without_logs);
        let settled = checks.ready() && checks.without_warnings();
        if self.approval.apply {
            let permit = desk.permit(verb, None, &self.approval)?;
            desk.scribe().shown(
                permit.verb().as_str(),
                desk.state(),
                settled,
                words(&checks),
            )?;
        }
        let mut shown = finish(
            &checks,
            "not_drained",
            "certificates of the old CA may still be in use",
        )?;
        if !settled {
            let message =
                "what there is does not prove that no certificate of the old CA is in use";
            return Err(CliError::new(Class::Failed, "not_drained", message)
                .hint("give a log of every host with --sshd-log that reaches back to the freeze, or say --without-logs")
                .with_report(shown));
        }
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
