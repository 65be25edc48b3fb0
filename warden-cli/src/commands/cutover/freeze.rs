use super::desk::{Approval, Desk, now};
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::Path;
use warden_core::cutover::frozen::FrozenCas;
use warden_core::cutover::state::Admission;
use warden_core::cutover::step::Changed;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::Class;

/// Have warden refuse to sign with the old CA
///
/// From here on the window counts in which its last certificates end. Says which machines will hold no
/// CA key, and what to change at the engine, which others than warden may ask too.
#[derive(Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    approval: Approval,
}

impl Freeze {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let desk = Desk::open(config, &self.approval)?;
        let (verb, gate) = (Verb::Freeze, Some(Gate::Freeze));
        let permit = desk.approved(verb, gate, &self.approval)?;
        if desk.admits(verb)? == Admission::Done || desk.observed.frozen.is_some() {
            return Ok(desk.unchanged(verb));
        }
        unprotected(&desk)?;
        let (plan, state_dir) = (&desk.plan, &desk.setup.state_dir);
        let old = plan.old.key()?;
        let mut lines = vec![format!(
            "refuse to sign with {} ({})",
            old.fingerprint(),
            plan.old.config.backend
        )];
        let machines = match plan.machines_without_ca_key.is_empty() {
            true => "none".to_owned(),
            false => plan.machines_without_ca_key.join(", "),
        };
        lines.push(format!(
            "leave these machines without a CA key to sign with: {machines}"
        ));
        lines.extend(at_the_engine(&desk));
        let Some(permit) = permit else {
            return Ok(desk.dry_run(verb, gate, &lines));
        };
        let frozen =
            FrozenCas::read(state_dir)?.with(&plan.old.config.backend, old.fingerprint(), now());
        let target = FrozenCas::path_in(state_dir).display().to_string();
        desk.change(&permit, target, None, || {
            frozen.write(state_dir).map(|()| Changed::default())
        })?;
        desk.done(verb, &lines)
    }
}

/// What nobody but the engine's operator can do: warden's own refusal stops warden alone.
fn at_the_engine(desk: &Desk) -> Option<String> {
    let vault = desk
        .setup
        .vault()
        .ok()
        .filter(|_| desk.plan.old.engine.is_some())?;
    let mount = vault.settings.mount.as_str();
    Some(format!(
        "leave it to the engine's operator to stop everybody else: path \"{mount}/sign/*\" {{ capabilities = [\"deny\"] }}"
    ))
}

/// A CA that the plan protects is never frozen, removed or destroyed, whatever the phrase.
pub(super) fn unprotected(desk: &Desk) -> Result<(), CliError> {
    let fingerprint = &desk.plan.old.ca_fingerprint;
    match desk.plan.protects(fingerprint) {
        false => Ok(()),
        true => Err(CliError::new(Class::Refused, "ca_protected", format!("the plan protects {fingerprint}"))
            .hint("it is trusted and used as before; a plan without --protect for it is another plan, with other phrases")),
    }
}
