//! What every verb of a cutover begins with: the plan, what is observed, who acts, what was approved.

use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use warden_core::clock::Clock;
use warden_core::config::Backend;
use warden_core::cutover::check;
use warden_core::cutover::frozen::FrozenCas;
use warden_core::cutover::history::History;
use warden_core::cutover::observe::{self, Place};
use warden_core::cutover::plan::{Permit, Plan, PlanError, Signer};
use warden_core::cutover::state::{Admission, Observed, Pointer, Seen, TrustSeen};
use warden_core::cutover::step::{Change, Changed, Scribe, StepError, perform};
use warden_core::cutover::{Gate, State, Verb};
use warden_core::failure::{Class, Failure};
use warden_core::file::{self, Links};
use warden_core::inventory::ActorName;
use warden_core::issue::Issuer;
use warden_core::journal::{FileJournal, verify};
use warden_core::revocation;
use warden_core::sign::SigningBackend;

/// The lock of whoever changes something.
const LOCK: &str = "cutover.lock";

/// Which plan.
#[derive(Args, Clone)]
pub(super) struct PlanFile {
    /// The plan [default: cutover.toml in the state directory]
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// An older journal that was rotated away, oldest first; may be repeated
    #[arg(long, value_name = "FILE")]
    older: Vec<PathBuf>,
}

impl PlanFile {
    pub(super) fn path(&self, setup: &Setup) -> PathBuf {
        self.plan
            .clone()
            .unwrap_or_else(|| setup.state_dir.join("cutover.toml"))
    }

    /// The journals, oldest first.
    pub(super) fn journals(&self, setup: &Setup) -> Vec<PathBuf> {
        let current = FileJournal::path_in(&setup.state_dir);
        self.older.iter().cloned().chain([current]).collect()
    }
}

/// Whether something is to be changed, and who says so.
#[derive(Args)]
pub(super) struct Approval {
    #[command(flatten)]
    pub(super) plan: PlanFile,

    /// Do it; without this it is only said what would be done
    #[arg(long)]
    pub(super) apply: bool,

    /// The words that open the gate; a run without --apply says which
    #[arg(long, value_name = "PHRASE")]
    confirm: Option<String>,

    /// The first 8 digits of the plan's digest, where the plan names its own words
    #[arg(long, value_name = "ID")]
    plan_id: Option<String>,

    /// Who does it [default: $WARDEN_OPERATOR, else $SUDO_USER, else $USER]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,

    /// Who watches
    #[arg(long, value_name = "NAME")]
    pub(super) second_operator: Option<String>,
}

/// A verb at work.
pub(super) struct Desk {
    pub(super) setup: Setup,
    pub(super) plan: Plan,
    pub(super) observed: Observed,
    journal: FileJournal,
    journals: Vec<PathBuf>,
    operator: String,
    second_operator: Option<String>,
    host: String,
    _alone: Option<Alone>,
}

/// That no other step of a cutover is done in this state directory meanwhile.
pub(super) struct Alone(#[expect(dead_code, reason = "held for its lock")] File);

impl Alone {
    /// Whoever is to change something is alone from before the first look until the end.
    pub(super) fn to_apply(setup: &Setup, approval: &Approval) -> Result<Option<Self>, CliError> {
        if !approval.apply {
            return Ok(None);
        }
        match FileJournal::open(&setup.state_dir)?.try_lock_file(LOCK)? {
            Some(lock) => Ok(Some(Self(lock))),
            None => {
                let path = setup.state_dir.join(LOCK);
                let message = "another step of a cutover is being done; nothing was changed";
                Err(
                    CliError::new(Class::Failed, "cutover_busy", message).hint(format!(
                        "wait for its end, then look: warden cutover status; who it is: fuser {}",
                        path.display()
                    )),
                )
            }
        }
    }
}

/// What is observed of a plan, and of none.
pub(super) fn observe(
    setup: &Setup,
    plan: Option<Plan>,
    journals: &[PathBuf],
) -> Result<Observed, CliError> {
    let Some(plan) = plan else {
        return Ok(Observed {
            plan: None,
            trust: Vec::new(),
            pointer: Pointer::Old,
            frozen: None,
            old_signer: Seen::Unknown("no plan".to_owned()),
            new_signer: Seen::Unknown("no plan".to_owned()),
            history: History::default(),
        });
    };
    let (old, new) = (plan.old.key()?, plan.new.key()?);
    let found = setup.pointer()?;
    let mut pointer = match () {
        () if found == plan.old.config => Pointer::Old,
        () if found == plan.new.config => Pointer::New,
        () => Pointer::Other,
    };
    if plan.within_one_engine() {
        // The configuration's pin and the engine's default must agree.
        let served = observe::engine_key(&setup.vault()?.settings, None);
        let expected = match pointer {
            Pointer::Old => &plan.old.ca_fingerprint,
            _ => &plan.new.ca_fingerprint,
        };
        if let Ok(served) = served
            && served.is_none_or(|key| key.fingerprint().as_str() != expected)
        {
            pointer = Pointer::Other;
        }
    }
    let seen = |signer: &Signer| -> Result<Seen, CliError> {
        let there = setup.pointing_at(&signer.config)?;
        Ok(match there.backend_kind() {
            Backend::Vault => observe::signer(&Place::Engine(&there.vault()?.settings), signer),
            _ => match there.ca_key_file() {
                Ok(file) => observe::signer(&Place::Key(file), signer),
                Err(error) => Seen::Unknown(error.reason().to_owned()),
            },
        })
    };
    let frozen = FrozenCas::read(&setup.state_dir)?;
    Ok(Observed {
        trust: observe::trust_files(&plan.trust_files, old.fingerprint(), new.fingerprint()),
        pointer,
        frozen: frozen.since(&plan.old.config.backend, &plan.old.ca_fingerprint),
        old_signer: seen(&plan.old)?,
        new_signer: seen(&plan.new)?,
        history: History::read(journals, &plan.digest(), &plan.old.ca_fingerprint)?,
        plan: Some(plan),
    })
}

impl Desk {
    /// Reads the plan and observes.
    pub(super) fn open(config: Option<&Path>, approval: &Approval) -> Result<Self, CliError> {
        let alone = Alone::to_apply(&Setup::load(config)?, approval)?;
        // Read only now: whoever was here before may have changed it.
        let setup = Setup::load(config)?;
        let plan = Plan::read(&approval.plan.path(&setup))?;
        Self::at(setup, plan, approval, alone)
    }

    pub(super) fn at(
        setup: Setup,
        plan: Plan,
        approval: &Approval,
        alone: Option<Alone>,
    ) -> Result<Self, CliError> {
        let named = |given: &Option<String>| given.as_deref().map(operator_name).transpose();
        let operator = match named(&approval.operator)? {
            Some(name) => name,
            None => surrounding_operator()?,
        };
        let second_operator = named(&approval.second_operator)?;
        let journal = FileJournal::open(&setup.state_dir)?;
        if !same_file(&plan.config, &setup.config_path) {
            let message = format!(
                "the plan is about {}, and this configuration is {}",
                plan.config.display(),
                setup.config_path.display()
            );
            return Err(
                CliError::new(Class::Malformed, "plan_of_another_config", message)
                    .hint(format!("warden --config {}", plan.config.display())),
            );
        }
        let journals = approval.plan.journals(&setup);
        let observed = observe(&setup, Some(plan.clone()), &journals)?;
        let host = file::read_text(Path::new("/proc/sys/kernel/hostname"), 256, Links::Refuse)
            .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned());
        Ok(Self {
            setup,
            plan,
            observed,
            journal,
            journals,
            operator,
            second_operator,
            host,
            _alone: alone,
        })
    }

    pub(super) fn state(&self) -> State {
        self.observed.state()
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    pub(super) fn scribe(&self) -> Scribe<'_> {
        Scribe {
            plan: &self.plan,
            journal: &self.journal,
            clock: &SystemClock,
            operator: &self.operator,
            second_operator: self.second_operator.as_deref(),
            host: &self.host,
        }
    }

    /// Opens the gate of a verb that is to be applied; nothing is opened for a dry run.
    pub(super) fn approved(
        &self,
        verb: Verb,
        gate: Option<Gate>,
        approval: &Approval,
    ) -> Result<Option<Permit>, CliError> {
        match approval.apply {
            true => self.permit(verb, gate, approval).map(Some),
            false => Ok(None),
        }
    }

    /// Opens the gate of a verb; that it stays closed is recorded.
    pub(super) fn permit(
        &self,
        verb: Verb,
        gate: Option<Gate>,
        approval: &Approval,
    ) -> Result<Permit, CliError> {
        let opened = self.plan.permit(
            verb,
            gate,
            approval.confirm.as_deref(),
            approval.plan_id.as_deref(),
        );
        opened.map_err(
            |closed| match self.scribe().refused(verb, self.state(), &closed) {
                Ok(_) => closed.into(),
                Err(error) => CliError::from(closed)
                    .cause(format!("and this refusal could not be recorded: {error}")),
            },
        )
    }

    /// Whether the verb may begin in this state, or is done.
    pub(super) fn admits(&self, verb: Verb) -> Result<Admission, CliError> {
        Ok(self.observed.admits(verb)?)
    }

    /// That nobody changed the records this rests on.
    pub(super) fn record_holds(&self) -> Result<(), CliError> {
        verify(&self.journals, None, None)?;
        Ok(())
    }

    /// One change: intent, act, result.
    pub(super) fn change<E: Failure + 'static>(
        &self,
        permit: &Permit,
        target: impl Into<String>,
        checks: Option<&check::Report>,
        act: impl FnOnce() -> Result<Changed, E>,
    ) -> Result<Changed, StepError<E>> {
        let rule = permit.verb().rule();
        let change = Change {
            from: self.state(),
            target: target.into(),
            reversal: rule.reversal.to_owned(),
            checks: checks.map(words).unwrap_or_default(),
        };
        perform(permit, &change, self.scribe(), act)
    }

    /// What a verb would do, and what opens its gate.
    pub(super) fn dry_run(&self, verb: Verb, gate: Option<Gate>, lines: &[String]) -> Report {
        let mut text = format!("state: {}\n{verb}: {}\n", self.state(), verb.rule().does);
        for line in lines {
            text += &format!("would: {line}\n");
        }
        text += &format!("undone by: {}\n", verb.rule().reversal);
        let mut command = format!("warden cutover {verb} --apply");
        if let Some(gate) = gate {
            command += &format!(" --confirm {}", self.plan.phrase(gate));
            if self.plan.phrases.contains_key(&gate) {
                command += &format!(" --plan-id {}", self.plan.id());
            }
        }
        if let Some(second) = &self.second_operator {
            command += &format!(" --second-operator {second}");
        }
        text += &format!("to do it: {command}\n");
        Report {
            text,
            json: json!({"state": self.state().as_str(), "verb": verb.as_str(), "applied": false, "would": lines, "command": command}),
            notes: vec!["nothing was changed: this was a dry run".to_owned()],
        }
    }

    /// What was done, and the state that is observed afterwards.
    pub(super) fn done(&self, verb: Verb, lines: &[String]) -> Result<Report, CliError> {
        let setup = Setup::load(Some(&self.setup.config_path))?;
        let now = observe(&setup, Some(self.plan.clone()), &self.journals)?;
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let text = format!("{text}state: {}\nnext: {}\n", now.state(), now.next());
        let json = json!({"verb": verb.as_str(), "applied": true, "done": lines, "state": now.state().as_str(), "next": now.next()});
        Ok(Report {
            text,
            json,
            ..Report::default()
        })
    }

    /// Nothing was left to do.
    pub(super) fn unchanged(&self, verb: Verb) -> Report {
        Report {
            text: format!(
                "unchanged\nstate: {}\nnext: {}\n",
                self.state(),
                self.observed.next()
            ),
            json: json!({"verb": verb.as_str(), "applied": false, "unchanged": true, "state": self.state().as_str(), "next": self.observed.next()}),
            ..Report::default()
        }
    }

    /// The configuration with one of the two signers.
    pub(super) fn with_signer(&self, signer: &Signer) -> Result<Setup, CliError> {
        self.setup.pointing_at(&signer.config)
    }

    /// The actor that tries the way.
    pub(super) fn probe(&self) -> Result<ActorName, CliError> {
        actor_name(&self.plan.probe_actor)
    }

    /// Hands the one pipeline, with this backend, to `work`.
    pub(super) fn with_issuer<T>(
        &self,
        backend: &dyn SigningBackend,
        work: impl FnOnce(&Issuer<'_>) -> T,
    ) -> Result<T, CliError> {
        let (subject, gate) = (self.setup.subject()?, self.setup.gate());
        Ok(work(&Issuer {
            inventory: &self.setup.inventory,
            revocations: &revocation::load(&self.setup.state_dir)?,
            gating: self.setup.gating(&gate),
            subject: subject.as_ref(),
            backend,
            journal: &self.journal,
            clock: &SystemClock,
        }))
    }

    /// The trust files that lack one of the plan's CAs.
    pub(super) fn files_where(&self, lacks: impl Fn(&TrustSeen) -> bool) -> Vec<PathBuf> {
        self.observed
            .trust
            .iter()
            .filter(|one| lacks(one))
            .map(|one| one.path.clone())
            .collect()
    }
}

/// What checks found, for a record. Where one was made several times, the later ones are numbered.
pub(super) fn words(checks: &check::Report) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for one in checks.checks() {
        let line = one.to_string();
        let (verdict, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let facts = rest.split_once(' ').map_or("", |(_, facts)| facts);
        let mut name = one.code.to_owned();
        for number in 2.. {
            if !found.contains_key(&name) {
                break;
            }
            name = format!("{}.{number}", one.code);
        }
        found.insert(name, format!("{verdict} {facts}").trim_end().to_owned());
    }
    found
}

/// An error whose earlier steps stand.
pub(super) fn partly(error: impl Into<CliError>, done: usize, verb: Verb) -> CliError {
    let error = error.into();
    match done {
        0 => error,
        _ => error
            .with_class(Class::Partial)
            .hint(format!("{done} of the steps are done and stand; mend the cause and run `warden cutover {verb}` again: it goes on from there")),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

pub(super) fn operator_name(text: &str) -> Result<String, CliError> {
    let sound = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match sound {
        true => Ok(text.to_owned()),
        false => Err(CliError::new(
            Class::Malformed,
            "operator_malformed",
            "an operator's name is 1 to 64 printable characters without a blank",
        )),
    }
}

fn surrounding_operator() -> Result<String, CliError> {
    let named = ["WARDEN_OPERATOR", "SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    match named {
        Some(name) => operator_name(&name),
        None => Err(CliError::new(
            Class::Malformed,
            "operator_missing",
            "nothing says who acts",
        )
        .hint("name yourself: --operator NAME")),
    }
}

/// The plan of a verb that only looks; none if there is none.
pub(super) fn plan_if_any(path: &Path) -> Result<Option<Plan>, CliError> {
    match Plan::read(path) {
        Ok(plan) => Ok(Some(plan)),
        Err(PlanError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The moment.
pub(super) fn now() -> warden_core::certificate::UnixTime {
    SystemClock.now()
}
