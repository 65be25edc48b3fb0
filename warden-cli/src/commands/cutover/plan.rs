use super::desk::{Alone, Approval, Desk, now, observe, plan_if_any};
use crate::commands::ca::parsed_owner;
use crate::credential::credential;
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::Args;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use warden_core::certificate::{CaPublicKey, Ttl, UnixTime};
use warden_core::config::Backend;
use warden_core::cutover::parity;
use warden_core::cutover::plan::{Plan, Reason, Role, Signer, steps};
use warden_core::cutover::step::Changed;
use warden_core::cutover::{Gate, Verb};
use warden_core::failure::Class;
use warden_core::file::{self, FileError};
use warden_core::host::trust::{self, TrustError};
use warden_core::sign::openbao::PathName;
use warden_core::sign::openbao::issuers::{Engine, issuer_id};
use warden_core::sign::openbao::roles::definitions;
use warden_core::sign::{KeyIdRule, LOCAL_CLOCK_SKEW};

/// How long a CA goes unreviewed unless the plan says otherwise, in days.
const REVIEW_DAYS: u64 = 180;

/// Write down which CA follows which, where it is trusted, and which words open which gate
///
/// Reads what is live: who signs now, the roles' limits, the trust files. The same inputs give the
/// same bytes.
#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    approval: Approval,

    /// Which backend is to sign: local or vault
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,

    /// The new local CA key, as it is to stand in the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "issuer")]
    ca_key: Option<String>,

    /// The engine's issuer that is to sign by default
    #[arg(long, value_name = "ID")]
    issuer: Option<String>,

    /// A trust file of this machine's sshd, by its absolute path; may be repeated
    #[arg(long = "trust-file", value_name = "FILE", required = true)]
    trust_files: Vec<PathBuf>,

    /// Who answers for it
    #[arg(long, value_name = "WHO", required = true)]
    owner: String,

    /// What to call it
    #[arg(long, value_name = "NAME", default_value = "cutover")]
    name: String,

    /// rotation, or compromise: no overlap, and the old CA is revoked
    #[arg(long, value_name = "REASON", default_value = "rotation")]
    reason: String,

    /// The service that is to sign with the new key: it is on a read-only mount, and root's unless
    /// --key-owner says whose
    #[arg(long, value_name = "USER:GROUP")]
    service: Option<String>,

    /// Whose the new key file has to be [default: root:root of a service, else who switches]
    #[arg(long, value_name = "USER:GROUP")]
    key_owner: Option<String>,

    /// sshd's RevokedKeys file, for a compromised CA
    #[arg(long, value_name = "FILE")]
    revoked_keys: Option<PathBuf>,

    /// The actor that tries the way [default: the first that is live]
    #[arg(long, value_name = "ACTOR")]
    probe_actor: Option<String>,

    /// A machine that signs today and will hold no CA key; may be repeated
    #[arg(long = "without-ca-key", value_name = "HOST")]
    machines: Vec<String>,

    /// A CA that is never frozen, removed or destroyed; may be repeated
    #[arg(long = "protect", value_name = "SHA256:...")]
    protected: Vec<String>,

    /// Your own words for a gate (trust, switch, freeze, prune, retire); may be repeated
    #[arg(long = "phrase", value_name = "GATE=WORDS")]
    phrases: Vec<String>,

    /// How old a smoke test may be when the signer is switched
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    smoke_max_age: String,

    /// The day of the plan [default: today, in UTC]
    #[arg(long, value_name = "DAY")]
    date: Option<String>,

    /// The day the CA is to be looked at again [default: 180 days later]
    #[arg(long, value_name = "DAY")]
    next_review: Option<String>,
}

impl PlanArgs {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let alone = Alone::to_apply(&Setup::load(config)?, &self.approval)?;
        let setup = Setup::load(config)?;
        let path = self.approval.plan.path(&setup);
        let plan = self.made(&setup)?;
        let text = plan.to_text()?;
        let before = plan_if_any(&path)?;
        if before.as_ref() == Some(&plan) {
            return Ok(Report {
                text: format!("unchanged: {}\n", path.display()),
                json: json!({"unchanged": true, "plan_id": plan.id()}),
                ..Report::default()
            });
        }
        let observed = observe(&setup, before, &self.approval.plan.journals(&setup))?;
        observed.admits(Verb::Plan)?;
        let gates: BTreeMap<_, _> = Gate::ALL
            .iter()
            .map(|gate| (gate.as_str(), plan.phrase(*gate)))
            .collect();
        let json = json!({"plan_id": plan.id(), "digest": plan.digest(), "path": path.display().to_string(), "applied": self.approval.apply, "gates": gates, "text": text});
        if !self.approval.apply {
            let notes =
                vec!["nothing was written: this was a dry run; --apply writes it".to_owned()];
            return Ok(Report { text, json, notes });
        }
        let mut desk = Desk::at(setup, plan, &self.approval, alone)?;
        // What is on record is where this began, not where the plan leads.
        desk.observed = observed;
        let permit = desk.permit(Verb::Plan, None, &self.approval)?;
        desk.change(&permit, path.display().to_string(), None, || {
            file::replace_regular(&path, 0o644, |file| file.write_all(text.as_bytes()))?;
            Ok::<_, FileError>(Changed::default())
        })?;
        let lines = gates
            .iter()
            .map(|(gate, phrase)| format!("gate {gate}: {phrase}"));
        let lines: Vec<_> = [format!("wrote {}: plan {}", path.display(), desk.plan.id())]
            .into_iter()
            .chain(lines)
            .collect();
        let done = desk.done(Verb::Plan, &lines)?;
        Ok(Report { json, ..done })
    }

    fn made(&self, setup: &Setup) -> Result<Plan, CliError> {
        let (old, roles) = signer(setup, None)?;
        let (new, _) = signer(&self.target(setup)?, self.issuer.as_deref())?;
        let (window_seconds, window) = window(setup, &roles)?;
        let today = now();
        let date = self.date.clone().unwrap_or_else(|| day(today));
        let made_on = UnixTime::parse(&date)
            .filter(|_| date.len() == 10)
            .ok_or_else(|| malformed("--date", &date))?;
        let next_review = self
            .next_review
            .clone()
            .unwrap_or_else(|| day(made_on.plus(REVIEW_DAYS * 86_400)));
        UnixTime::parse(&next_review)
            .filter(|_| next_review.len() == 10)
            .ok_or_else(|| malformed("--next-review", &next_review))?;
        let same_key = old.ca_fingerprint == new.ca_fingerprint;
        let plan = Plan {
            format: 1,
            name: self.name.clone(),
            reason: match self.reason.as_str() {
                "rotation" => Reason::Rotation,
                "compromise" => Reason::Compromise,
                other => return Err(malformed("--reason", other)),
            },
            owner: self.owner.clone(),
            date,
            next_review,
            config: std::path::absolute(&setup.config_path).map_err(|error| {
                CliError::new(Class::Failed, "path_malformed", error.to_string())
            })?,
            probe_actor: self.probe(setup)?,
            trust_files: self.trust_files.clone(),
            service: owner(self.service.as_deref())?,
            key_owner: owner(self.key_owner.as_deref())?,
            revoked_keys: self.revoked_keys.clone(),
            machines_without_ca_key: self.machines.clone(),
            protected: self.protected.iter().cloned().collect::<BTreeSet<_>>(),
            same_key,
            window_seconds,
            window,
            smoke_max_age_seconds: Ttl::parse(&self.smoke_max_age)
                .map_err(|_| malformed("--smoke-max-age", &self.smoke_max_age))?
                .seconds(),
            phrases: self.own_phrases()?,
            steps: steps(same_key),
            roles,
            old,
            new,
        };
        plan.check()?;
        let old = plan.old.key()?;
        for path in &plan.trust_files {
            if !trust::read(path)?.holds(old.fingerprint()) {
                let active = old.fingerprint().clone();
                return Err(
                    CliError::from(TrustError::WithoutActive { active }).hint(format!(
                        "{} is not the file of a host that trusts today's CA",
                        path.display()
                    )),
                );
            }
        }
        Ok(plan)
    }

    /// The configuration as it is to be.
    fn target(&self, setup: &Setup) -> Result<Setup, CliError> {
        let mut pointer = setup.pointer()?;
        match self.to.as_deref() {
            None => {}
            Some(backend @ ("local" | "vault")) => pointer.backend = backend.to_owned(),
            Some(other) => return Err(malformed("--to", other)),
        }
        if let Some(path) = &self.ca_key {
            pointer.ca_key = Some(path.clone());
        }
        if let Some(id) = &self.issuer {
            let settings = &setup.vault()?.settings;
            let key = Engine::new(settings, None)?.public_key(Some(&issuer_id(id)?))?;
            let key = key.ok_or_else(|| {
                CliError::new(
                    Class::Malformed,
                    "issuer_malformed",
                    format!("the engine has no issuer {id}"),
                )
            })?;
            pointer.ca_fingerprint = Some(key.fingerprint().to_string());
        }
        setup.pointing_at(&pointer)
    }

    /// Somebody whose certificates may live for the minute of a trial.
    fn probe(&self, setup: &Setup) -> Result<String, CliError> {
        let inventory = setup.inventory.load()?;
        let fits = |one: &&warden_core::inventory::Actor| {
            !one.disabled()
                && one.expires().is_none_or(|end| end > now())
                && one.public_keys().is_none()
                && one.min_ttl().is_none_or(|least| least.seconds() <= 60)
        };
        let name = self.probe_actor.as_deref().map(actor_name).transpose()?;
        let found = match &name {
            Some(name) => inventory.actor(name).filter(fits),
            None => inventory.actors().find(fits),
        };
        found.map(|one| one.name().to_string()).ok_or_else(|| {
            CliError::new(
                Class::Malformed,
                "probe_actor_unfit",
                "there is no such actor to try the way with",
            )
            .hint("it is live, has no pinned public keys, and may have certificates of 60 s")
        })
    }

    fn own_phrases(&self) -> Result<BTreeMap<Gate, String>, CliError> {
        let mut found = BTreeMap::new();
        for text in &self.phrases {
            let (gate, words) = text
                .split_once('=')
                .ok_or_else(|| malformed("--phrase", text))?;
            let gate = Gate::parse(gate).ok_or_else(|| malformed("--phrase", text))?;
            if found.insert(gate, words.to_owned()).is_some() {
                return Err(malformed("--phrase", text));
            }
        }
        Ok(found)
    }
}

/// Who signs by a configuration, and the limits of its roles. An engine's issuer is the default one
/// unless another is named.
fn signer(setup: &Setup, issuer: Option<&str>) -> Result<(Signer, Vec<Role>), CliError> {
    let pointer = setup.pointer()?;
    if setup.backend_kind() != Backend::Vault {
        let file = setup.ca_key_file()?;
        let key = file.open()?;
        let mut found = Signer::new(key.public(), pointer);
        let path = std::path::absolute(&file.path)
            .map_err(|error| CliError::new(Class::Failed, "path_malformed", error.to_string()))?;
        found.key_file = Some(path);
        return Ok((found, Vec::new()));
    }
    let vault = setup.vault()?;
    let settings = &vault.settings;
    // Roles and issuers need a token; without one the plan assumes the longest there can be.
    let credential = credential(&vault.credential).ok();
    let engine = Engine::new(settings, credential.as_ref())?;
    let pin = settings.ca_fingerprint.clone().ok_or_else(|| {
        CliError::new(
            Class::Malformed,
            "ca_not_pinned",
            "the configuration does not pin the engine's CA (`vault.ca_fingerprint`)",
        )
        .hint("`warden ca pin` prints the line to add")
    })?;
    let named = issuer.map(issuer_id).transpose()?;
    let served = engine.public_key(named.as_ref())?;
    let issuer = named.or_else(|| engine.default_issuer().ok().flatten());
    let key = key_of(served, &pin, setup)?;
    let mut found = Signer::new(&key, pointer);
    found.engine = Some(format!(
        "{} {}",
        settings.address.as_str(),
        settings.mount.as_str()
    ));
    found.issuer = issuer.map(|id| id.as_str().to_owned());
    let inventory = setup.inventory.load()?;
    let own = definitions(&inventory, &settings.roles, now());
    for role in &own {
        if settings.key_id == KeyIdRule::AnyPrintable
            && let Ok(read) = engine.role(&role.name)
            && let Ok(read) = parity::Role::from_value(read)
        {
            let format = read.made_key_id().to_owned();
            found
                .key_id_formats
                .insert(role.name.as_str().to_owned(), format);
        }
    }
    let own = own.into_iter().map(|role| role.name).collect();
    Ok((found, limits(&engine, own)))
}

/// What every role of the mount allows, since each signs with the same CA; of the roles in `own` alone
/// where the others may not be listed.
fn limits(engine: &Engine<'_>, own: Vec<PathName>) -> Vec<Role> {
    let mount_max = engine.mount_max_ttl();
    let mut names = engine.role_names().unwrap_or_default();
    for name in own {
        if names.iter().all(|one| one.as_str() != name.as_str()) {
            names.push(name);
        }
    }
    let limits = |name: PathName| {
        let limits = engine.role_limits(&name).ok();
        Role::new(name.as_str().to_owned(), limits, mount_max)
    };
    names.into_iter().map(limits).collect()
}

/// How long a certificate of the old CA may live by what its roles say now, in seconds; `None` if no role
/// can be read.
pub(super) fn window_now(there: &Setup) -> Option<u64> {
    let vault = there.vault().ok()?;
    let credential = credential(&vault.credential).ok()?;
    let engine = Engine::new(&vault.settings, Some(&credential)).ok()?;
    let mut readable = limits(&engine, Vec::new());
    readable.retain(|role| role.max_ttl.is_some());
    let longest = readable.iter().map(|role| role.longest).max()?;
    Some(longest + vault.settings.clock_skew)
}

/// The key that the engine would sign with, which must be the pinned one.
fn key_of(
    served: Option<CaPublicKey>,
    pin: &warden_core::certificate::Fingerprint,
    setup: &Setup,
) -> Result<CaPublicKey, CliError> {
    match served {
        Some(key) if key.fingerprint() == pin => Ok(key),
        found => {
            let found = found.map_or("no CA".to_owned(), |key| key.fingerprint().to_string());
            Err(CliError::new(
                Class::Untrusted,
                "ca_mismatch",
                format!(
                    "the engine serves {found}, and {} pins {pin}",
                    setup.config_path.display()
                ),
            )
            .hint("find out which is right: `warden ca pin`"))
        }
    }
}

/// How long a certificate of the old CA may live after the freeze.
fn window(setup: &Setup, roles: &[Role]) -> Result<(u64, String), CliError> {
    if let Some(longest) = roles.iter().max_by_key(|role| role.longest) {
        let skew = setup
            .vault()
            .map_or(LOCAL_CLOCK_SKEW, |vault| vault.settings.clock_skew);
        let why = match (longest.ttl, longest.max_ttl) {
            (None, _) | (_, None) => "it could not be read, so the longest there is counts",
            (_, Some(0)) => "its max_ttl is 0, which means the longest of the mount or the system",
            _ => "its max_ttl",
        };
        let seconds = longest.longest + skew;
        return Ok((
            seconds,
            format!(
                "{} of role {}: {why}; and {skew} s for clocks",
                Ttl::from_seconds(longest.longest)
                    .map_or_else(|| format!("{} s", longest.longest), |ttl| ttl.to_string()),
                longest.name
            ),
        ));
    }
    let inventory = setup.inventory.load()?;
    let longest = inventory.actors().max_by_key(|actor| actor.max_ttl());
    let longest = longest.ok_or_else(|| {
        CliError::new(
            Class::Malformed,
            "inventory_empty",
            "the inventory has no actor",
        )
    })?;
    let seconds = longest.max_ttl().seconds() + LOCAL_CLOCK_SKEW;
    Ok((
        seconds,
        format!(
            "{} of {}, the longest of the inventory; and {LOCAL_CLOCK_SKEW} s for clocks",
            longest.max_ttl(),
            longest.name()
        ),
    ))
}

/// An owner of the command line, as the plan has it.
fn owner(text: Option<&str>) -> Result<Option<String>, CliError> {
    let found = text.map(parsed_owner).transpose()?;
    Ok(found.map(|owner| owner.to_string()))
}

fn day(at: UnixTime) -> String {
    at.to_string().chars().take(10).collect()
}

fn malformed(flag: &str, text: &str) -> CliError {
    CliError::new(
        Class::Malformed,
        "usage",
        format!("{flag}: `{text}` is not what it takes"),
    )
    .hint("warden cutover plan --help")
}
