use super::desk::{Approval, Desk};
use super::freeze::unprotected;
use crate::commands::ca::shown;
use crate::credential::credential;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::Path;
use warden_core::cutover::check::{self, Check};
use warden_core::cutover::plan::Reason;
use warden_core::cutover::state::{Admission, Seen};
use warden_core::cutover::step::Changed;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::Class;
use warden_core::file::FileError;
use warden_core::sign::local::CaKeyFile;
use warden_core::sign::openbao::issuers::{Engine, issuer_id};
use warden_core::sign::{BackendError, openbao};

/// Destroy the old CA; this cannot be undone
///
/// An engine's issuer is deleted by its id, a local key file is removed. On an engine without issuers
/// nothing is sent: the steps for its operator are printed, and `status` sees when they are done.
#[derive(Args)]
pub(crate) struct Retire {
    #[command(flatten)]
    approval: Approval,
}

/// What is to be destroyed.
enum Destroyed {
    /// A key file of this machine.
    File(CaKeyFile),
    /// One issuer of an engine.
    Issuer(openbao::PathName),
    /// The only CA of an engine without issuers: its operator's affair.
    ByOperator(String),
}

impl Retire {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let (verb, gate) = (Verb::Retire, Some(Gate::Retire));
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        unprotected(&desk)?;
        desk.record_holds()?;
        let proofs = proofs(&desk);
        if !proofs.ready() {
            let shown = shown(&proofs);
            return Err(CliError::new(
                Class::Failed,
                "retire_not_ready",
                "the old CA may not be destroyed yet",
            )
            .hint("each FAIL line names what is missing; nothing was changed, nothing was sent")
            .with_report(shown));
        }
        let what = destroyed(&desk)?;
        let line = match &what {
            Destroyed::File(file) => format!(
                "remove {} and its public half. What a disk or a backup keeps of it is beyond warden",
                file.path.display()
            ),
            Destroyed::Issuer(id) => format!("delete the issuer {} of the engine", id.as_str()),
            Destroyed::ByOperator(_) => {
                "send nothing: the engine has no issuers; its operator does it".to_owned()
            }
        };
        let Some(permit) = permit else {
            return Ok(desk.dry_run(
                verb,
                gate,
                &[line, "there is no way back afterwards".to_owned()],
            ));
        };
        match what {
            Destroyed::File(file) => {
                desk.change(
                    &permit,
                    file.path.display().to_string(),
                    Some(&proofs),
                    || remove(&file),
                )?;
            }
            Destroyed::Issuer(id) => {
                let vault = desk.setup.vault()?;
                let credential = credential(&vault.credential)?;
                desk.change(
                    &permit,
                    format!("issuer {}", id.as_str()),
                    Some(&proofs),
                    || delete(&Engine::new(&vault.settings, Some(&credential))?, &id),
                )?;
            }
            Destroyed::ByOperator(steps) => {
                return Err(CliError::new(
                    Class::Failed,
                    "retire_by_operator",
                    "this engine has one CA and no issuers, so warden deletes nothing",
                )
                .hint(steps)
                .hint("afterwards `warden cutover status` says whether the key is gone"));
            }
        }
        desk.done(verb, &[line])
    }
}

/// Everything the destruction rests on.
fn proofs(desk: &Desk) -> check::Report {
    let (plan, history) = (&desk.plan, &desk.observed.history);
    let mut report = check::Report::default();
    let pruned = desk.observed.trust.iter().all(|one| {
        one.holds
            .as_ref()
            .is_ok_and(|holds| holds.new && (plan.same_key || !holds.old))
    });
    report.push(Check::of(pruned, "trust_pruned"));
    report.push(Check::of(desk.observed.frozen.is_some(), "old_ca_frozen"));
    if plan.reason == Reason::Compromise {
        report.push(Check::skip("drained", "compromise_waits_for_nothing"));
        report.push(Check::skip(
            "rehearsed",
            "nothing_leads_back_to_a_compromised_ca",
        ));
        return report;
    }
    match history.drain(desk.observed.frozen) {
        _ if plan.same_key => report.push(Check::skip("drained", "same_key")),
        None => report.push(
            Check::fail("drained")
                .with("want", "warden-cutover-drain")
                .with("got", "none"),
        ),
        Some(step) => report.push(
            Check::of(step.without_doubt, "drained")
                .with("record", step.seq)
                .with("without_doubt", step.without_doubt),
        ),
    }
    match history.rehearsal(&plan.config.display().to_string()) {
        None => report.push(
            Check::fail("rehearsed")
                .with("want", "a-rollback-by-somebody-who-did-not-switch")
                .with("got", "none"),
        ),
        Some(step) => report.push(
            Check::pass("rehearsed")
                .with("by", &step.operator)
                .with("record", step.seq),
        ),
    }
    let second = desk.scribe().second_operator.map(str::to_owned);
    let watched = second
        .as_deref()
        .is_some_and(|second| second != desk.operator());
    report.push(
        Check::of(watched, "second_operator")
            .with("want", "--second-operator")
            .with("got", second.as_deref().unwrap_or("none")),
    );
    report
}

fn destroyed(desk: &Desk) -> Result<Destroyed, CliError> {
    let plan = &desk.plan;
    if desk.observed.old_signer != Seen::Present {
        return Err(CliError::new(
            Class::Failed,
            "old_signer_missing",
            "what is to be destroyed is not seen, or is another key than the plan's",
        )
        .hint("`warden cutover status` says what is seen of it; nothing was changed"));
    }
    if plan.old.engine.is_none() {
        return Ok(Destroyed::File(desk.with_signer(&plan.old)?.ca_key_file()?));
    }
    let vault = desk.setup.vault()?;
    let credential = credential(&vault.credential)?;
    let engine = Engine::new(&vault.settings, Some(&credential))?;
    let old = plan.old.key()?;
    // A plan made without the right to read issuers does not name it.
    let id = match plan.old.issuer.as_deref() {
        Some(id) => Some(issuer_id(id)?),
        None => engine.default_issuer()?,
    };
    let Some(id) = id else {
        let mount = vault.settings.mount.as_str();
        return Ok(Destroyed::ByOperator(format!(
            "for the engine's operator, once nothing else uses the mount: vault delete {mount}/config/ca"
        )));
    };
    match engine.public_key(Some(&id))? {
        Some(key) if key.fingerprint() == old.fingerprint() => Ok(Destroyed::Issuer(id)),
        _ => Err(CliError::new(
            Class::Failed,
            "old_signer_missing",
            format!("the issuer {} has not the old CA's key", id.as_str()),
        )
        .hint("nothing was sent")),
    }
}

fn remove(file: &CaKeyFile) -> Result<Changed, FileError> {
    for path in [file.path.clone(), file.public_path()] {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::Io {
                    action: "remove",
                    path,
                    source,
                });
            }
            _ => {}
        }
    }
    let directory = file.path.parent().unwrap_or(Path::new("."));
    warden_core::file::sync_directory(directory)?;
    Ok(Changed::default())
}

fn delete(engine: &Engine<'_>, id: &openbao::PathName) -> Result<Changed, BackendError> {
    engine.delete_issuer(id)?;
    match engine.public_key(Some(id))? {
        None => Ok(Changed::default()),
        Some(_) => Err(BackendError::new(
            Class::Untrusted,
            "issuer_still_there",
            "the server said the issuer is deleted, and still serves its key",
        )),
    }
}
