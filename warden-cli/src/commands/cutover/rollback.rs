use super::bundle::{comment, rewrite};
use super::desk::{Approval, Desk, partly};
use super::switch::turn;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::Path;
use warden_core::cutover::frozen::FrozenCas;
use warden_core::cutover::plan::Reason;
use warden_core::cutover::state::{Admission, Pointer, Seen};
use warden_core::cutover::step::Changed;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::Class;
use warden_core::file::FileError;

/// Have the old CA sign again
///
/// Needs no phrase while both CAs are trusted. After `prune` the old CA is trusted again first, which
/// the trust gate opens. Somebody who did not switch does this once before `retire`, to know that it works.
#[derive(Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    approval: Approval,
}

impl Rollback {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let verb = Verb::Rollback;
        let old = desk.plan.old.key()?;
        let untrusting =
            desk.files_where(|one| one.holds.as_ref().map_or(true, |holds| !holds.old));
        let gate = (!untrusting.is_empty()).then_some(Gate::Trust);
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        if desk.plan.reason == Reason::Compromise && gate.is_some() {
            let message = "the old CA is compromised and revoked; nothing leads back to it";
            return Err(CliError::new(Class::Refused, "old_ca_revoked", message)
                .hint("a way forward is a cutover to another CA: warden cutover plan"));
        }
        if desk.observed.old_signer != Seen::Present {
            let message = "the old CA's signer is not there to sign again";
            return Err(CliError::new(Class::Failed, "old_signer_missing", message)
                .hint("`warden cutover status` says what is seen of it; nothing was changed"));
        }
        let (plan, state_dir) = (&desk.plan, &desk.setup.state_dir);
        let mut lines: Vec<String> = untrusting
            .iter()
            .map(|path| format!("add {} to {}", old.fingerprint(), path.display()))
            .collect();
        if desk.observed.frozen.is_some() {
            lines.push(format!("lift the freeze of {}", old.fingerprint()));
        }
        if desk.observed.pointer != Pointer::Old {
            lines.push(format!(
                "have {} sign, by {}",
                old.fingerprint(),
                plan.config.display()
            ));
        }
        let Some(permit) = permit else {
            return Ok(desk.dry_run(verb, gate, &lines));
        };
        let mut done = 0;
        for path in &untrusting {
            let added = desk.change(&permit, path.display().to_string(), None, || {
                rewrite(path, |bundle| bundle.with_added(old.key(), &comment(&desk)))
            });
            added.map_err(|error| partly(error, done, verb))?;
            done += 1;
        }
        if desk.observed.frozen.is_some() {
            let frozen = FrozenCas::read(state_dir)?
                .without(&plan.old.config.backend, &plan.old.ca_fingerprint);
            let target = FrozenCas::path_in(state_dir).display().to_string();
            let lifted = desk.change(&permit, target, None, || {
                frozen
                    .write(state_dir)
                    .map(|()| Changed::default())
                    .map_err(|error: FileError| error)
            });
            lifted.map_err(|error| partly(error, done, verb))?;
            done += 1;
        }
        if desk.observed.pointer != Pointer::Old {
            let turned = desk.change(&permit, plan.config.display().to_string(), None, || {
                turn(&desk, &plan.old)
            });
            turned.map_err(|error| partly(error, done, verb))?;
        }
        desk.done(verb, &lines)
    }
}
