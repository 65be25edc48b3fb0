use super::bundle::rewrite;
use super::desk::{Approval, Desk, partly};
use super::freeze::unprotected;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::Path;
use warden_core::cutover::plan::Reason;
use warden_core::cutover::state::Admission;
use warden_core::cutover::{Gate, Verb};

/// Remove the old CA from every trust file
///
/// Only once it is drained. The one key is removed by its fingerprint; a file is never left without the
/// CA that signs. Of a compromised CA nothing is waited for: it is revoked first, then removed.
#[derive(Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    approval: Approval,
}

impl Prune {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let (verb, gate) = (Verb::Prune, Some(Gate::Prune));
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        unprotected(&desk)?;
        desk.record_holds()?;
        let (old, new) = (desk.plan.old.key()?, desk.plan.new.key()?);
        let holding = desk.files_where(|one| one.holds.as_ref().map_or(true, |holds| holds.old));
        let revoked = desk
            .plan
            .revoked_keys
            .as_ref()
            .filter(|_| desk.plan.reason == Reason::Compromise);
        let mut lines: Vec<String> = revoked
            .iter()
            .map(|path| format!("revoke {} in {}", old.fingerprint(), path.display()))
            .collect();
        lines.extend(
            holding
                .iter()
                .map(|path| format!("remove {} from {}", old.fingerprint(), path.display())),
        );
        let Some(permit) = permit else {
            return Ok(desk.dry_run(verb, gate, &lines));
        };
        let mut done = 0;
        if let Some(path) = revoked {
            let added = desk.change(&permit, path.display().to_string(), None, || {
                rewrite(path, |bundle| {
                    bundle.with_added(old.key(), "compromised CA")
                })
            });
            added.map_err(|error| partly(error, done, verb))?;
            done += 1;
        }
        for path in &holding {
            let removed = desk.change(&permit, path.display().to_string(), None, || {
                rewrite(path, |bundle| {
                    bundle.without(old.fingerprint(), new.fingerprint())
                })
            });
            removed.map_err(|error| partly(error, done, verb))?;
            done += 1;
        }
        desk.done(verb, &lines)
    }
}
