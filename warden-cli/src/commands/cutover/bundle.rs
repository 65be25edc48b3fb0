use super::desk::{Approval, Desk, partly};
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::cutover::state::Admission;
use warden_core::cutover::step::Changed;
use warden_core::cutover::{Gate, Verb};
use warden_core::host::trust::{self, TrustBundle, TrustError, Written};

/// Add the new CA to every trust file, beside the old one
///
/// Only ever adds. A file with a line at which sshd would stop is not written. sshd reads the file for
/// each login: nothing has to be reloaded.
#[derive(Args)]
pub(crate) struct Bundle {
    #[command(flatten)]
    approval: Approval,

    /// Only read this trust file as sshd does and list its keys; needs no plan
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    check: Option<PathBuf>,
}

impl Bundle {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        if let Some(path) = &self.check {
            return check(path);
        }
        let desk = Desk::open(config, &self.approval)?;
        let (verb, gate) = (Verb::Bundle, Some(Gate::Trust));
        let new = desk.plan.new.key()?;
        let missing = desk.files_where(|one| one.holds.as_ref().map_or(true, |holds| !holds.new));
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        let Some(permit) = permit else {
            let mut lines = Vec::new();
            for path in &missing {
                trust::read(path)?.with_added(new.key(), &comment(&desk))?;
                lines.push(format!("add {} to {}", new.fingerprint(), path.display()));
            }
            return Ok(desk.dry_run(verb, gate, &lines));
        };
        let mut lines = Vec::new();
        for path in &missing {
            let added = desk.change(&permit, path.display().to_string(), None, || {
                rewrite(path, |bundle| bundle.with_added(new.key(), &comment(&desk)))
            });
            added.map_err(|error| partly(error, lines.len(), verb))?;
            lines.push(format!("added {} to {}", new.fingerprint(), path.display()));
        }
        desk.done(verb, &lines)
    }
}

/// The comment behind a CA key that a cutover adds.
pub(super) fn comment(desk: &Desk) -> String {
    format!("warden cutover {}", desk.plan.id())
}

/// Reads a trust file, changes what it holds, and writes it.
pub(super) fn rewrite(
    path: &Path,
    change: impl FnOnce(&TrustBundle) -> Result<TrustBundle, TrustError>,
) -> Result<Changed, TrustError> {
    let found = trust::read(path)?;
    Ok(match trust::write(path, &found, &change(&found)?)? {
        Written::Unchanged => Changed::default(),
        Written::Replaced { before, after, .. } => Changed {
            sha256_before: Some(before),
            sha256_after: Some(after),
        },
    })
}

fn check(path: &Path) -> Result<Report, CliError> {
    let bundle = trust::read(path)?;
    let mut text = String::new();
    for one in bundle.keys() {
        text += &format!(
            "{}: {} {} {}\n",
            one.line,
            one.key.key_type(),
            one.key.fingerprint(),
            one.comment
        );
    }
    let glued = bundle.glued_lines();
    let notes = glued
        .iter()
        .map(|line| format!("warning: line {line} holds what looks like a second key in its comment; sshd trusts only the first"))
        .collect();
    let keys = bundle.keys().iter().map(|one| json!({"line": one.line, "type": one.key.key_type(), "fingerprint": one.key.fingerprint().as_str(), "comment": one.comment}));
    let json = json!({"path": path.display().to_string(), "sha256": bundle.sha256(), "keys": keys.collect::<Vec<_>>(), "glued_lines": glued});
    Ok(Report { text, json, notes })
}
