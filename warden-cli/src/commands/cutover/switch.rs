use super::desk::{Approval, Desk, now};
use crate::commands::ca::{inspected, running, shown};
use crate::commands::gate::key_nobody_has;
use crate::credential::credential;
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::error::Error;
use std::path::{Path, PathBuf};
use warden_core::config::Backend;
use warden_core::cutover::check::{self, Check};
use warden_core::cutover::frozen::FrozenCas;
use warden_core::cutover::observe;
use warden_core::cutover::parity::{self, Expected, MAX_LIVE_SECONDS, Role, decisions, live};
use warden_core::cutover::plan::Signer;
use warden_core::cutover::pointer::PointerError;
use warden_core::cutover::preflight::{OldCa, Owner, Preflight, Service};
use warden_core::cutover::state::{Admission, Seen};
use warden_core::cutover::step::{Changed, with_causes};
use warden_core::cutover::trial;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::{Class, Failure};
use warden_core::issue::{Outcome, issue};
use warden_core::sign::openbao::issuers::{Engine, issuer_id};
use warden_core::sign::openbao::roles::definitions;

/// The owner of a service's key file.
const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// Have the new CA sign
///
/// Beforehand both CAs must be trusted everywhere, and the preflight, the parity of both signers and a
/// recent smoke test must hold. Afterwards a certificate is signed and looked at; if that fails, the
/// old CA signs again.
#[derive(Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    approval: Approval,

    /// Let the new CA, which an earlier cutover froze, sign again
    #[arg(long)]
    lift_freeze: bool,

    /// What `docker inspect` or `podman inspect` wrote about the container of the plan's service
    #[arg(long, value_name = "FILE")]
    inspect: Option<PathBuf>,

    /// Between two issuers of one engine: have the new one sign although it was never tried
    #[arg(long)]
    untried: bool,
}

/// A switch that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SwitchError {
    #[error("{0}")]
    Untouched(String),
    #[error(transparent)]
    Pointer(#[from] PointerError),
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
            Self::Pointer(error) => error.class(),
            Self::Undone { .. } | Self::NotUndone { .. } => Class::Partial,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Untouched(_) => "switch_failed",
            Self::Pointer(error) => error.reason(),
            Self::Undone { .. } => "switch_undone",
            Self::NotUndone { .. } => "switch_not_undone",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Pointer(error) => return error.hints(),
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
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done {
            return Ok(desk.unchanged(verb));
        }
        let proofs = self.proofs(&desk, permit.is_some())?;
        let shown = shown(&proofs);
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
        desk.change(&permit, target, Some(&proofs), || forward(&desk))?;
        desk.done(verb, &[format!("{} signs", desk.plan.new.ca_fingerprint)])
    }

    /// Everything the switch rests on, looked at now.
    fn proofs(&self, desk: &Desk, live_too: bool) -> Result<check::Report, CliError> {
        let mut report = check::Report::default();
        for one in &desk.observed.trust {
            let both = one.holds.as_ref().is_ok_and(|holds| holds.old && holds.new);
            report.push(Check::of(both, "dual_trust").with("file", one.path.display()));
        }
        report.push(self.not_frozen(desk)?);
        report.extend(
            preflight(desk, self.inspect.as_deref())?
                .checks()
                .iter()
                .filter(|one| one.verdict != check::Verdict::Skip)
                .cloned(),
        );
        report.push(smoke_age(desk));
        report.extend(decided_alike(desk)?.checks().iter().cloned());
        match live_too {
            _ if desk.plan.within_one_engine() => report.push(match self.untried {
                true => Check::warn("new_ca_tried").with("untried", "accepted"),
                false => Check::fail("new_ca_tried")
                    .with("why", "only-the-default-issuer-signs")
                    .with("want", "--untried"),
            }),
            false => report.push(Check::skip("parity", "dry_run_signs_nothing")),
            true => report.extend(signed_alike(desk)?.checks().iter().cloned()),
        }
        Ok(report)
    }

    /// What an earlier cutover froze signs again only if that is said.
    fn not_frozen(&self, desk: &Desk) -> Result<Check, CliError> {
        let new = &desk.plan.new;
        let frozen = FrozenCas::read(&desk.setup.state_dir)?;
        let code = "new_ca_not_frozen";
        Ok(
            match frozen.since(&new.config.backend, &new.ca_fingerprint) {
                None => Check::pass(code),
                Some(since) => match self.lift_freeze {
                    true => Check::warn(code)
                        .with("since", since)
                        .with("freeze", "lifted"),
                    false => Check::fail(code)
                        .with("since", since)
                        .with("want", "--lift-freeze"),
                },
            },
        )
    }
}

/// Has the new CA sign; where it was frozen, it is again if that fails.
fn forward(desk: &Desk) -> Result<Changed, SwitchError> {
    let (new, state_dir) = (&desk.plan.new, &desk.setup.state_dir);
    let untouched = |error: &dyn Error| SwitchError::Untouched(with_causes(error));
    let frozen = FrozenCas::read(state_dir).map_err(|error| untouched(&error))?;
    if frozen
        .since(&new.config.backend, &new.ca_fingerprint)
        .is_none()
    {
        return turn(desk, new);
    }
    let lifted = frozen
        .clone()
        .without(&new.config.backend, &new.ca_fingerprint);
    lifted.write(state_dir).map_err(|error| untouched(&error))?;
    turn(desk, new).map_err(|error| match frozen.write(state_dir) {
        Ok(()) => error,
        Err(then) => SwitchError::NotUndone {
            why: error.to_string(),
            then: with_causes(&then),
        },
    })
}

/// Has this signer sign, proves it by a certificate, and goes back to what was if it does not.
pub(super) fn turn(desk: &Desk, to: &Signer) -> Result<Changed, SwitchError> {
    let default_before = set_default_issuer(desk, to)?;
    let why = match desk.setup.write_pointer(&to.config) {
        Err(error @ PointerError::Changed { .. }) if default_before.is_none() => {
            return Err(error.into());
        }
        Err(error) => with_causes(&error),
        Ok(()) => match signs(desk, to) {
            Ok(()) => return Ok(Changed::default()),
            Err(why) => why,
        },
    };
    let restored = desk
        .setup
        .restore_pointer(&to.config)
        .map_err(|error| with_causes(&error));
    undone(
        why,
        restored.and_then(|()| match default_before {
            Some(before) => set_issuer(desk, before),
            None => Ok(()),
        }),
    )
}

/// What to say of a switch that failed, by whether it could be taken back.
fn undone<T>(why: String, taken_back: Result<(), String>) -> Result<T, SwitchError> {
    Err(match taken_back {
        Ok(()) => SwitchError::Undone { why },
        Err(then) => SwitchError::NotUndone { why, then },
    })
}

/// Between two issuers of one engine the default is changed too; gives the signer that was it.
fn set_default_issuer<'a>(desk: &'a Desk, to: &Signer) -> Result<Option<&'a Signer>, SwitchError> {
    let (old, new) = (&desk.plan.old, &desk.plan.new);
    if !desk.plan.within_one_engine() {
        return Ok(None);
    }
    // One of the two is what signs until now: that is what this engine goes back to.
    let before = if to.issuer == new.issuer { old } else { new };
    let Err(why) = set_issuer(desk, to) else {
        return Ok(Some(before));
    };
    // An answer that was lost says nothing about what was done; the engine's key does.
    let served = desk
        .setup
        .vault()
        .map(|vault| observe::engine_key(&vault.settings, None));
    match served {
        Ok(Ok(Some(key))) if key.fingerprint().as_str() != to.ca_fingerprint => {
            Err(SwitchError::Untouched(why))
        }
        _ => undone(why, set_issuer(desk, before)),
    }
}

fn set_issuer(desk: &Desk, signer: &Signer) -> Result<(), String> {
    let change = || -> Result<(), CliError> {
        let id = issuer_id(signer.issuer.as_deref().unwrap_or_default())?;
        let vault = desk.setup.vault()?;
        let credential = credential(&vault.credential)?;
        Ok(Engine::new(&vault.settings, Some(&credential))?.set_default_issuer(&id)?)
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

/// The new CA's preflight.
fn preflight(desk: &Desk, inspection: Option<&Path>) -> Result<check::Report, CliError> {
    let there = desk.with_signer(&desk.plan.new)?;
    if there.backend_kind() == Backend::Vault {
        let check = Check::of(desk.observed.new_signer == Seen::Present, "ca_served")
            .with("want", &desk.plan.new.ca_fingerprint);
        return Ok([check].into_iter().collect());
    }
    let mut key = there.ca_key_file()?;
    key.path = std::path::absolute(&key.path).unwrap_or(key.path);
    let (old, new) = (desk.plan.old.key()?, desk.plan.new.key()?);
    let service = desk.plan.service.as_deref().and_then(Owner::parse);
    let service = service.map(|owner| Service {
        uid: owner.uid,
        groups: vec![owner.gid],
    });
    let container = inspection.map(inspected).transpose()?;
    let preflight = Preflight {
        key: &key,
        owner: match (desk.plan.key_owner.as_deref(), &service) {
            (Some(text), _) => Owner::parse(text).unwrap_or(ROOT),
            (None, Some(_)) => ROOT,
            (None, None) => running(),
        },
        service: service.as_ref(),
        read_only_mount: service.is_some(),
        container: container.as_ref(),
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

/// What each role of the engine decides, against what the inventory gives its actors.
fn decided_alike(desk: &Desk) -> Result<check::Report, CliError> {
    let code = "parity_role";
    let (from_engine, to_engine) = (
        desk.plan.old.engine.is_some(),
        desk.plan.new.engine.is_some(),
    );
    if from_engine == to_engine {
        let check = Check::skip(code, "the_same_decides_for_both");
        return Ok([check].into_iter().collect());
    }
    let vault = desk.setup.vault()?;
    let credential = credential(&vault.credential)?;
    let engine = Engine::new(&vault.settings, Some(&credential))?;
    let inventory = desk.setup.inventory.load()?;
    let mut report = check::Report::default();
    for given in definitions(&inventory, &vault.settings.roles, now()) {
        let name = given.name.as_str().to_owned();
        let read = engine.role(&given.name).map_err(|error| error.reason());
        let role =
            match read.and_then(|role| Role::from_value(role).map_err(|error| error.reason())) {
                Ok(role) => parity::Signer::Role(Box::new(role)),
                Err(reason) => {
                    report.push(Check::fail(code).with("role", name).with("reason", reason));
                    continue;
                }
            };
        let given = parity::Signer::Inventory(given);
        let expected = expected_of(desk, &name);
        let compared = match from_engine {
            true => decisions(&role, &given, &expected),
            false => decisions(&given, &role, &expected),
        };
        report.push(
            Check::of(compared.ready(), code)
                .with("role", &name)
                .with("compared", compared.count(check::Verdict::Pass)),
        );
        let in_doubt = compared
            .checks()
            .iter()
            .filter(|one| matches!(one.verdict, check::Verdict::Fail | check::Verdict::Warn));
        report.extend(in_doubt.map(|one| one.clone().with("role", &name)));
    }
    Ok(report)
}

/// The key ids that the plan expects of a role.
fn expected_of(desk: &Desk, role: &str) -> Expected {
    let format = |signer: &Signer| signer.key_id_formats.get(role).cloned();
    Expected {
        old_key_id: format(&desk.plan.old),
        new_key_id: format(&desk.plan.new),
        ..Expected::default()
    }
}

/// Both signers, side by side, on record.
fn signed_alike(desk: &Desk) -> Result<check::Report, CliError> {
    let (old, new) = (
        desk.with_signer(&desk.plan.old)?.unguarded_backend()?,
        desk.with_signer(&desk.plan.new)?.unguarded_backend()?,
    );
    let (probe, key) = (desk.probe()?, key_nobody_has()?);
    let role = match desk.setup.vault() {
        Ok(vault) => vault.settings.roles.of(&probe).as_str().to_owned(),
        Err(_) => String::new(),
    };
    let expected = Expected {
        old_ca: Some(desk.plan.old.key()?.fingerprint().clone()),
        new_ca: Some(desk.plan.new.key()?.fingerprint().clone()),
        ..expected_of(desk, &role)
    };
    desk.with_issuer(&*old, |old| {
        desk.with_issuer(&*new, |new| live(&probe, &key, old, new, &expected))
    })?
}
