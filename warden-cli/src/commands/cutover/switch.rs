use super::desk::{Approval, Desk, now};
use crate::commands::gate::key_nobody_has;
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::Path;
use warden_core::config::Backend;
use warden_core::cutover::check::{self, Check};
use warden_core::cutover::parity::{Expected, MAX_LIVE_SECONDS, live};
use warden_core::cutover::plan::Signer;
use warden_core::cutover::pointer;
use warden_core::cutover::preflight::{OldCa, Owner, Preflight};
use warden_core::cutover::state::{Admission, Seen};
use warden_core::cutover::step::{Changed, with_causes};
use warden_core::cutover::trial;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::{Class, Failure};
use warden_core::issue::{Outcome, issue};
use warden_core::sign::openbao::issuers::{Engine, issuer_id};

/// Have the new CA sign
///
/// Beforehand both CAs must be trusted everywhere, and the preflight, the parity of both signers and a
/// recent smoke test must hold. Afterwards a certificate is signed and looked at; if that fails, the
/// old CA signs again.
#[derive(Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    approval: Approval,
}

/// A switch that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwitchError {
    #[error("{0}")]
    Untouched(String),
    #[error(
        "the signer was switched, but does not sign as it must, so it was switched back: {why}"
    )]
    Undone { why: String },
    #[error(
        "the signer was switched, does not sign as it must, and could not be switched back: {why}; {then}"
    )]
    NotUndone { why: String, then: String },
}

impl Failure for SwitchError {
    fn class(&self) -> Class {
        match self {
            Self::Untouched(_) => Class::Failed,
            Self::Undone { .. } | Self::NotUndone { .. } => Class::Partial,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Untouched(_) => "switch_failed",
            Self::Undone { .. } => "switch_undone",
            Self::NotUndone { .. } => "switch_not_undone",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Untouched(_) => {
                "nothing was changed; mend the cause and run the same command again"
            }
            Self::Undone { .. } => {
                "who signed before signs again; mend the cause, see `warden cutover status`, then run the same command again"
            }
            Self::NotUndone { .. } => {
                "hosts trust both CAs, so certificates still let people in; `warden cutover status` says what is written, then run the same command again"
            }
        };
        vec![hint.to_owned()]
    }
}

impl Switch {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let (verb, gate) = (Verb::Switch, Some(Gate::Switch));
        let permit = match self.approval.apply {
            true => Some(desk.permit(verb, gate, &self.approval)?),
            false => None,
        };
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        let proofs = proofs(&desk, permit.is_some())?;
        let shown = Report {
            text: proofs.to_string(),
            json: proofs.to_json(),
            ..Report::default()
        };
        if !proofs.ready() {
            let failed = proofs.count(check::Verdict::Fail);
            let message =
                format!("the new CA may not sign yet: {failed} of the proofs do not hold");
            return Err(CliError::new(Class::Failed, "switch_not_ready", message)
                .hint("each FAIL line names what is missing; nothing was changed")
                .with_report(shown));
        }
        let Some(permit) = permit else {
            let line = format!(
                "have {} sign instead of {}, by {}",
                desk.plan.new.ca_fingerprint,
                desk.plan.old.ca_fingerprint,
                desk.plan.config.display()
            );
            let dry = desk.dry_run(verb, gate, &[line]);
            return Ok(Report {
                text: shown.text + &dry.text,
                ..dry
            });
        };
        let target = desk.plan.config.display().to_string();
        desk.change(&permit, target, Some(&proofs), || {
            turn(&desk, &desk.plan.new)
        })?;
        desk.done(verb, &[format!("{} signs", desk.plan.new.ca_fingerprint)])
    }
}

/// Has this signer sign, proves it by a certificate, and goes back to what was if it does not.
pub(super) fn turn(desk: &Desk, to: &Signer) -> Result<Changed, SwitchError> {
    let before = desk
        .setup
        .pointer()
        .map_err(|error| SwitchError::Untouched(error.reason().to_owned()))?;
    let default_before = set_default_issuer(desk, to).map_err(SwitchError::Untouched)?;
    let written = desk
        .setup
        .write_pointer(&to.config)
        .map_err(|error| with_causes(&error));
    let Err(why) = written.and_then(|()| signs(desk, to)) else {
        return Ok(Changed::default());
    };
    // The very text of before, so that nothing but the attempt itself is undone.
    let restored = pointer::write(&desk.setup.config_path, desk.setup.text(), &before, None)
        .map_err(|error| with_causes(&error));
    let restored = restored.and_then(|()| match &default_before {
        Some(id) => set_issuer(desk, id),
        None => Ok(()),
    });
    match restored {
        Ok(()) => Err(SwitchError::Undone { why }),
        Err(then) => Err(SwitchError::NotUndone { why, then }),
    }
}

/// Between two issuers of one engine the default is changed too; gives the one that was it.
fn set_default_issuer(desk: &Desk, to: &Signer) -> Result<Option<String>, String> {
    let (old, new) = (&desk.plan.old, &desk.plan.new);
    // One of the two is what signs until now: that is what this engine goes back to.
    let (Some(of_old), Some(of_new), Some(id)) = (&old.issuer, &new.issuer, &to.issuer) else {
        return Ok(None);
    };
    set_issuer(desk, id)?;
    Ok(Some(if id == of_new {
        of_old.clone()
    } else {
        of_new.clone()
    }))
}

fn set_issuer(desk: &Desk, id: &str) -> Result<(), String> {
    let change = || -> Result<(), CliError> {
        let vault = desk.setup.vault()?;
        let credential = crate::credential::credential(&vault.credential)?;
        Ok(Engine::new(&vault.settings, Some(&credential))?.set_default_issuer(&issuer_id(id)?)?)
    };
    change().map_err(|error| error.lines().join("; "))
}

/// Reads the configuration again and has it sign a certificate, recorded, for a key that nobody has.
fn signs(desk: &Desk, to: &Signer) -> Result<(), String> {
    let sign = || -> Result<String, CliError> {
        let setup = Setup::load(Some(&desk.setup.config_path))?;
        let backend = setup.backend()?;
        let (probe, key) = (desk.probe()?, key_nobody_has()?);
        let request = trial::request(&probe, key, MAX_LIVE_SECONDS, &setup.inventory);
        match desk.with_issuer(&*backend, |issuer| issue(request, issuer))?? {
            Outcome::Issued(issued) => Ok(issued.signed().ca_fingerprint().to_string()),
            Outcome::Denied(denial, _) => Err((*denial).into()),
        }
    };
    match sign() {
        Ok(found) if found == to.ca_fingerprint => Ok(()),
        Ok(found) => Err(format!("{found} signed; expected {}", to.ca_fingerprint)),
        Err(error) => Err(error.lines().join("; ")),
    }
}

/// Everything the switch rests on, looked at now.
fn proofs(desk: &Desk, live_too: bool) -> Result<check::Report, CliError> {
    let mut report = check::Report::default();
    for one in &desk.observed.trust {
        let both = one.holds.as_ref().is_ok_and(|holds| holds.old && holds.new);
        report.push(Check::of(both, "dual_trust").with("file", one.path.display()));
    }
    report.extend(
        preflight(desk)?
            .checks()
            .iter()
            .filter(|one| one.verdict != check::Verdict::Skip)
            .cloned(),
    );
    report.push(smoke_age(desk));
    match live_too {
        _ if desk.plan.within_one_engine() => {
            report.push(Check::skip("parity", "only_the_default_issuer_signs"))
        }
        false => report.push(Check::skip("parity", "dry_run_signs_nothing")),
        true => report.extend(parity(desk)?.checks().iter().cloned()),
    }
    Ok(report)
}

/// The new CA's preflight.
pub(super) fn preflight(desk: &Desk) -> Result<check::Report, CliError> {
    let there = desk.with_signer(&desk.plan.new)?;
    if there.backend_kind() == Backend::Vault {
        let check = Check::of(desk.observed.new_signer == Seen::Present, "ca_served")
            .with("want", &desk.plan.new.ca_fingerprint);
        return Ok([check].into_iter().collect());
    }
    let mut key = there.ca_key_file()?;
    key.path = std::path::absolute(&key.path).unwrap_or(key.path);
    let (old, new) = (desk.plan.old.key()?, desk.plan.new.key()?);
    let preflight = Preflight {
        key: &key,
        owner: Owner {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        },
        service: None,
        read_only_mount: false,
        container: None,
        fingerprint: Some(new.fingerprint()),
        old: match desk.plan.same_key {
            true => OldCa::Same(old.fingerprint()),
            false => OldCa::Another(old.fingerprint()),
        },
    };
    Ok(preflight.run())
}

fn smoke_age(desk: &Desk) -> Check {
    let limit = desk.plan.smoke_max_age_seconds;
    match desk.observed.history.passed("smoke") {
        None => Check::fail("smoke")
            .with("want", "warden-cutover-smoke")
            .with("got", "none"),
        Some(step) => {
            let age = now().since(step.at);
            Check::of(age <= limit, "smoke")
                .with("age", age)
                .with("limit", limit)
                .with("record", step.seq)
        }
    }
}

/// Both signers, side by side, on record.
fn parity(desk: &Desk) -> Result<check::Report, CliError> {
    let (old, new) = (
        desk.with_signer(&desk.plan.old)?.unguarded_backend()?,
        desk.with_signer(&desk.plan.new)?.unguarded_backend()?,
    );
    let (probe, key) = (desk.probe()?, key_nobody_has()?);
    let expected = Expected {
        old_ca: Some(desk.plan.old.key()?.fingerprint().clone()),
        new_ca: Some(desk.plan.new.key()?.fingerprint().clone()),
        old_key_id: None,
    };
    desk.with_issuer(&*old, |old| {
        desk.with_issuer(&*new, |new| live(&probe, &key, old, new, &expected))
    })?
}
