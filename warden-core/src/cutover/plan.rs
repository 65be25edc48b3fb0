//! The plan: which CA follows which, where it is trusted, and which words open which gate.
//!
//! - The same inputs give the same bytes. The file is exactly what warden writes, its first lines
//!   included: any edit is seen.
//! - Its digest names it. Phrases and records carry the digest, so another plan opens no gate of this
//!   one and is credited with none of its steps.
//! - It holds no secret.

use super::pointer::Pointer;
use super::preflight::Owner;
use super::{Gate, RULES, Verb};
use crate::certificate::{CaPublicKey, Fingerprint};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use crate::host::trust::sha256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The largest plan file, in bytes.
const MAX_PLAN_BYTES: usize = 1024 * 1024;

/// The longest time to live of an engine that sets none: 768 h. Documented as the system's default
/// `max_lease_ttl`, 2764800 s.
pub const SYSTEM_MAX_TTL: u64 = 768 * 3600;

/// Why the CA is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// In good order: both CAs are trusted until the last certificate of the old one has ended.
    Rotation,
    /// Somebody else may have the old CA key: no overlap is waited for, and it is revoked.
    Compromise,
}

/// A cutover from one CA to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of the form.
    pub format: u32,
    /// What people call it.
    pub name: String,
    /// Why.
    pub reason: Reason,
    /// Who answers for it.
    pub owner: String,
    /// The day it was made.
    pub date: String,
    /// The day the CA is to be looked at again.
    pub next_review: String,
    /// The one configuration file that says who signs.
    pub config: PathBuf,
    /// The actor whose certificates try the way.
    pub probe_actor: String,
    /// The trust files of this machine's sshd.
    pub trust_files: Vec<PathBuf>,
    /// The user and the group that sign with the new key, as `UID:GID`, if they are a service's: it is
    /// on a read-only mount then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whose the new key file has to be, as `UID:GID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_owner: Option<String>,
    /// sshd's `RevokedKeys` file, for a compromised CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_keys: Option<PathBuf>,
    /// Machines that sign today and will hold no CA key.
    pub machines_without_ca_key: Vec<String>,
    /// CA keys that are never removed, destroyed or frozen.
    pub protected: BTreeSet<String>,
    /// Whether both signers have the same key, so that no host has anything to change.
    pub same_key: bool,
    /// How long after the freeze a certificate of the old CA may still be valid, in seconds.
    pub window_seconds: u64,
    /// The same in words, and what says so.
    pub window: String,
    /// How old a smoke test may be when the signer is switched, in seconds.
    pub smoke_max_age_seconds: u64,
    /// The CA that signs before.
    pub old: Signer,
    /// The CA that signs afterwards.
    pub new: Signer,
    /// The roles of the old engine, as it described them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// The operator's own words for gates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phrases: BTreeMap<Gate, String>,
    /// What is to be done, in order, and how each is undone.
    pub steps: Vec<Step>,
}

/// One of the two signers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The SHA-256 fingerprint of its CA key.
    pub ca_fingerprint: String,
    /// The public key, one line.
    pub public_key: String,
    /// The key file, if it is on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The engine, if it is one: address and mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The id of its issuer, if the engine has issuers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What the configuration says while it signs.
    pub config: Pointer,
    /// The key id that each of its roles makes, where the configuration leaves that to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_id_formats: BTreeMap<String, String>,
}

/// A role of the old engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its `ttl` in seconds, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// Its `max_ttl` in seconds, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl: Option<u64>,
    /// The longest a certificate of it may live, in seconds.
    pub longest: u64,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The command.
    pub verb: Verb,
    /// What it does.
    pub does: String,
    /// How it is undone.
    pub reversal: String,
}

impl Signer {
    /// A signer with this CA key.
    pub fn new(key: &CaPublicKey, config: Pointer) -> Self {
        Self {
            ca_fingerprint: key.fingerprint().to_string(),
            public_key: key.key().to_openssh(),
            key_file: None,
            engine: None,
            issuer: None,
            config,
            key_id_formats: BTreeMap::new(),
        }
    }

    /// Its CA key.
    ///
    /// # Errors
    /// If the plan's line is no key, or not the one of its fingerprint.
    pub fn key(&self) -> Result<CaPublicKey, PlanError> {
        let key = CaPublicKey::from_openssh(self.public_key.as_bytes())
            .map_err(|error| PlanError::malformed(format!("`public_key`: {error}")))?;
        match key.fingerprint().as_str() == self.ca_fingerprint {
            true => Ok(key),
            false => Err(PlanError::malformed(
                "`ca_fingerprint` is not that of `public_key`",
            )),
        }
    }
}

impl Role {
    /// A role with these limits; `None` for one that could not be read.
    pub fn new(name: String, limits: Option<(u64, u64)>, mount_max: Option<u64>) -> Self {
        let unlimited = mount_max.unwrap_or(SYSTEM_MAX_TTL);
        let longest = match limits {
            Some((ttl, max)) if max > 0 => max.max(ttl),
            Some((ttl, _)) => ttl.max(unlimited),
            None => unlimited,
        };
        Self {
            name,
            ttl: limits.map(|(ttl, _)| ttl),
            max_ttl: limits.map(|(_, max)| max),
            longest,
        }
    }
}

/// The steps that a plan consists of: without those that a same key makes idle.
pub fn steps(same_key: bool) -> Vec<Step> {
    let idle = [Verb::Bundle, Verb::Drain, Verb::Prune];
    RULES
        .iter()
        .filter(|rule| !matches!(rule.verb, Verb::Plan | Verb::Rollback))
        .filter(|rule| !(same_key && idle.contains(&rule.verb)))
        .map(|rule| Step {
            verb: rule.verb,
            does: rule.does.to_owned(),
            reversal: rule.reversal.to_owned(),
        })
        .collect()
}

/// Why a plan is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is none.
    #[error("there is no plan at {}", path.display())]
    Missing {
        /// Where it is looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the plan cannot be read")]
    File(#[source] FileError),
    /// It is not a plan.
    #[error("the plan is malformed: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// It is not what warden wrote.
    #[error(
        "the plan was edited: it is not byte for byte what warden writes, so every gate is closed (its digest would be {digest})"
    )]
    Edited {
        /// The digest of what it says now.
        digest: String,
    },
}

impl PlanError {
    fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed {
            detail: detail.into(),
        }
    }
}

impl Failure for PlanError {
    fn class(&self) -> Class {
        match self {
            Self::Edited { .. } => Class::Refused,
            Self::Missing { .. } | Self::File(_) | Self::Malformed { .. } => Class::Malformed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "plan_missing",
            Self::File(error) => error.reason(),
            Self::Malformed { .. } => "plan_malformed",
            Self::Edited { .. } => "plan_edited",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { .. } => vec!["make one: warden cutover plan --help".to_owned()],
            Self::Edited { .. } => vec![
                "make the plan anew with `warden cutover plan`, which also gives new phrases"
                    .to_owned(),
            ],
            Self::File(error) => error.hints(),
            Self::Malformed { .. } => Vec::new(),
        }
    }
}

impl Plan {
    /// Reads a plan file.
    ///
    /// # Errors
    /// If it is not there, no plan, or not byte for byte what warden writes.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        match file::read_text(path, MAX_PLAN_BYTES, Links::Refuse) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.is_not_found() => Err(PlanError::Missing {
                path: path.to_owned(),
            }),
            Err(error) => Err(PlanError::File(error)),
        }
    }

    /// Reads the text of a plan file.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let plan: Self =
            toml::from_str(text).map_err(|error| PlanError::malformed(error.message()))?;
        plan.check()?;
        match plan.to_text()? == text {
            true => Ok(plan),
            false => Err(PlanError::Edited {
                digest: plan.digest(),
            }),
        }
    }

    /// Whether what it says can be a plan.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), PlanError> {
        let refuse = |detail: String| Err(PlanError::Malformed { detail });
        if self.format != 1 {
            return refuse(format!("`format` is {}; this version knows 1", self.format));
        }
        let (old, new) = (self.old.key()?, self.new.key()?);
        if (old.fingerprint() == new.fingerprint()) != self.same_key {
            return refuse("`same_key` is not what the two fingerprints say".to_owned());
        }
        if self.old.config == self.new.config {
            return refuse(
                "both signers have the same configuration, so nothing would change".to_owned(),
            );
        }
        if self.same_key && self.old.config.backend == self.new.config.backend {
            return refuse(
                "`same_key`: both signers have one key at one backend, so the freeze would stop the new one too, and `retire` destroy it"
                    .to_owned(),
            );
        }
        if self.trust_files.is_empty() || self.trust_files.iter().any(|path| !path.is_absolute()) {
            return refuse(
                "`trust_files` names at least one file, each by its absolute path".to_owned(),
            );
        }
        if self.reason == Reason::Compromise && (self.revoked_keys.is_none() || self.same_key) {
            return refuse(
                "a compromised CA is revoked: name sshd's RevokedKeys file, and another CA"
                    .to_owned(),
            );
        }
        let owners = [&self.service, &self.key_owner];
        if let Some(bad) = owners
            .into_iter()
            .flatten()
            .find(|text| self.new.key_file.is_none() || Owner::parse(text).is_none())
        {
            return refuse(format!(
                "`service` and `key_owner` are UID:GID, and about a new CA in a key file: `{bad}`"
            ));
        }
        if let Some(bad) = self
            .protected
            .iter()
            .find(|text| Fingerprint::parse(text).is_none())
        {
            return refuse(format!("`protected`: `{bad}` is no SHA-256 fingerprint"));
        }
        for (gate, phrase) in &self.phrases {
            let sound = (8..=64).contains(&phrase.len())
                && phrase
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !sound {
                return refuse(format!(
                    "the phrase of {gate} is 8 to 64 of a-z, 0-9 and `-`"
                ));
            }
            if self
                .phrases
                .iter()
                .any(|(other, same)| other != gate && same == phrase)
            {
                return refuse(format!(
                    "`{phrase}` is the phrase of two gates; each has its own"
                ));
            }
        }
        Ok(())
    }

    /// What stands in the file.
    ///
    /// # Errors
    /// If it holds what TOML cannot.
    pub fn to_text(&self) -> Result<String, PlanError> {
        let mut head = format!(
            "# warden cutover plan {}\n# SHA-256 of everything below the next line: {}\n# An edited plan opens no gate; make a new one instead.\n",
            self.id(),
            self.digest(),
        );
        head.push_str(&self.body()?);
        Ok(head)
    }

    fn body(&self) -> Result<String, PlanError> {
        toml::to_string(self).map_err(|error| PlanError::malformed(error.to_string()))
    }

    /// The SHA-256 of everything below the head, in hexadecimal.
    pub fn digest(&self) -> String {
        // What cannot be written has no digest that any record or phrase could carry.
        self.body()
            .map(|body| sha256(body.as_bytes()))
            .unwrap_or_default()
    }

    /// The first 8 digits of the digest.
    pub fn id(&self) -> String {
        self.digest().chars().take(8).collect()
    }

    /// The phrase that opens a gate.
    pub fn phrase(&self, gate: Gate) -> String {
        match self.phrases.get(&gate) {
            Some(own) => own.clone(),
            None => format!("{}-{gate}-approved", self.id()),
        }
    }

    /// Whether both CAs are issuers of one engine. Only its default one signs, so the new one cannot
    /// be tried before the switch.
    pub fn within_one_engine(&self) -> bool {
        self.old.issuer.is_some() && self.new.issuer.is_some()
    }

    /// Whether nothing may be done to this CA key but trusting it.
    pub fn protects(&self, fingerprint: &str) -> bool {
        self.protected.contains(fingerprint)
    }
}

/// That a verb may change something: its gate is open, or it has none.
#[derive(Debug)]
#[must_use = "what opened a gate is handed to the step behind it"]
pub struct Permit {
    verb: Verb,
    digest: String,
}

impl Permit {
    /// For which verb.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// By which plan.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Why a gate stays closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateClosed {
    /// No phrase was given.
    #[error("`{verb}` is behind the gate {gate}, and --confirm is missing")]
    NoPhrase {
        /// The verb.
        verb: Verb,
        /// The gate.
        gate: Gate,
    },
    /// Not the phrase of this gate in this plan.
    #[error("the phrase does not open the gate {gate} of plan {plan_id}")]
    WrongPhrase {
        /// The gate.
        gate: Gate,
        /// The plan.
        plan_id: String,
    },
    /// The plan names its own words, so which plan is meant has to be said too.
    #[error("the words of the gate {gate} are the plan's own, so --plan-id has to name the plan: {}", found.as_deref().map_or("it is missing".to_owned(), |found| format!("found {found}, expected {expected}")))]
    PlanId {
        /// The gate.
        gate: Gate,
        /// What was given.
        found: Option<String>,
        /// The plan's.
        expected: String,
    },
}

impl Failure for GateClosed {
    fn class(&self) -> Class {
        Class::Refused
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoPhrase { .. } => "confirm_missing",
            Self::WrongPhrase { .. } => "confirm_wrong",
            Self::PlanId { .. } => "plan_id_wrong",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec!["run the same command without --apply: it says what it would do and which words open the gate".to_owned()]
    }
}

impl Plan {
    /// Opens the gate of a verb, if it has one.
    ///
    /// # Errors
    /// If the phrase, or the plan it is meant for, is not the right one.
    pub fn permit(
        &self,
        verb: Verb,
        gate: Option<Gate>,
        confirm: Option<&str>,
        plan_id: Option<&str>,
    ) -> Result<Permit, GateClosed> {
        if let Some(gate) = gate {
            let given = confirm.ok_or(GateClosed::NoPhrase { verb, gate })?;
            if given != self.phrase(gate) {
                return Err(GateClosed::WrongPhrase {
                    gate,
                    plan_id: self.id(),
                });
            }
            if self.phrases.contains_key(&gate) && plan_id != Some(self.id().as_str()) {
                let found = plan_id.map(str::to_owned);
                return Err(GateClosed::PlanId {
                    gate,
                    found,
                    expected: self.id(),
                });
            }
        }
        Ok(Permit {
            verb,
            digest: self.digest(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sign::local::CaKey;

    pub(crate) fn signer(seed: u8, backend: &str) -> Signer {
        let ca = CaKey::from_ed25519_seed(&[seed; 32]).unwrap();
        let config = Pointer {
            backend: backend.to_owned(),
            ca_key: None,
            ca_fingerprint: None,
        };
        Signer::new(ca.public(), config)
    }

    pub(crate) fn plan() -> Plan {
        Plan {
            format: 1,
            name: "sunset".to_owned(),
            reason: Reason::Rotation,
            owner: "team:platform".to_owned(),
            date: "2026-11-22".to_owned(),
            next_review: "2027-05-22".to_owned(),
            config: "/etc/warden/warden.toml".into(),
            probe_actor: "agt-probe".to_owned(),
            trust_files: vec!["/etc/ssh/trusted-user-ca-keys.pem".into()],
            service: None,
            key_owner: None,
            revoked_keys: None,
            machines_without_ca_key: vec!["build-1".to_owned()],
            protected: BTreeSet::new(),
            same_key: false,
            window_seconds: 3600,
            window: "1h".to_owned(),
            smoke_max_age_seconds: 3600,
            old: signer(1, "vault"),
            new: signer(2, "local"),
            roles: vec![Role::new("agt-role".to_owned(), Some((0, 0)), None)],
            phrases: BTreeMap::new(),
            steps: steps(false),
        }
    }

    #[test]
    fn a_plan_is_read_back_and_any_edit_is_seen() {
        let text = plan().to_text().unwrap();
        assert_eq!(plan().to_text().unwrap(), text);
        assert_eq!(Plan::parse(&text).unwrap(), plan());
        assert!(text.contains(&plan().digest()) && text.contains("longest = 2764800"));
        let edits = [
            text.replace("team:platform", "team:other"),
            text.replace("# An edited", "# An  edited"),
            text.replace(&plan().digest(), &"0".repeat(64)),
            format!("{text}\n"),
            text.replace("window_seconds = 3600", "window_seconds = 1"),
        ];
        for edited in edits {
            assert_ne!(edited, text);
            assert_eq!(
                Plan::parse(&edited).unwrap_err().reason(),
                "plan_edited",
                "{edited}"
            );
        }
    }

    #[test]
    fn one_phrase_opens_one_gate_of_one_plan() {
        let plan = plan();
        for gate in Gate::ALL {
            let opens = |phrase: &str| plan.permit(Verb::Bundle, Some(gate), Some(phrase), None);
            for other in Gate::ALL {
                assert_eq!(
                    opens(&plan.phrase(other)).is_ok(),
                    other == gate,
                    "{gate} {other}"
                );
            }
            let elsewhere = Plan {
                owner: "team:other".to_owned(),
                ..plan.clone()
            };
            assert_eq!(
                opens(&elsewhere.phrase(gate)).unwrap_err().reason(),
                "confirm_wrong"
            );
            let none = plan.permit(Verb::Bundle, Some(gate), None, None);
            assert_eq!(none.unwrap_err().reason(), "confirm_missing");
        }
        assert!(plan.permit(Verb::Rollback, None, None, None).is_ok());
    }

    #[test]
    fn own_words_also_want_the_plans_id() {
        let word = "m04-vault-runtime-cutover-approved";
        let own = Plan {
            phrases: BTreeMap::from([(Gate::Switch, word.to_owned())]),
            ..plan()
        };
        own.check().unwrap();
        let opens = |id: Option<&str>| own.permit(Verb::Switch, Some(Gate::Switch), Some(word), id);
        assert_eq!(opens(None).unwrap_err().reason(), "plan_id_wrong");
        assert_eq!(
            opens(Some(&plan().id())).unwrap_err().reason(),
            "plan_id_wrong"
        );
        assert!(opens(Some(&own.id())).is_ok());
        let twice = BTreeMap::from([
            (Gate::Switch, word.to_owned()),
            (Gate::Retire, word.to_owned()),
        ]);
        let refused = Plan {
            phrases: twice,
            ..plan()
        }
        .check()
        .unwrap_err();
        assert!(refused.to_string().contains("two gates"), "{refused}");
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_refused() {
        let same = Plan {
            new: Signer {
                config: signer(2, "local").config,
                ..signer(1, "local")
            },
            ..plan()
        };
        let table: [(Plan, &str); 9] = [
            (
                Plan {
                    format: 2,
                    ..plan()
                },
                "format",
            ),
            (same.clone(), "same_key"),
            (
                Plan {
                    same_key: true,
                    old: Signer {
                        config: Pointer {
                            ca_key: Some("ca/old".to_owned()),
                            ..signer(1, "local").config
                        },
                        ..signer(1, "local")
                    },
                    ..same.clone()
                },
                "one key at one backend",
            ),
            (
                Plan {
                    trust_files: vec![],
                    ..plan()
                },
                "trust_files",
            ),
            (
                Plan {
                    trust_files: vec!["a".into()],
                    ..plan()
                },
                "trust_files",
            ),
            (
                Plan {
                    reason: Reason::Compromise,
                    ..plan()
                },
                "RevokedKeys",
            ),
            (
                Plan {
                    protected: BTreeSet::from(["x".to_owned()]),
                    ..plan()
                },
                "protected",
            ),
            (
                Plan {
                    new: signer(2, "vault"),
                    ..plan()
                },
                "nothing would change",
            ),
            (
                Plan {
                    phrases: BTreeMap::from([(Gate::Trust, "short".to_owned())]),
                    ..plan()
                },
                "phrase",
            ),
        ];
        for (bad, word) in table {
            let text = bad.check().unwrap_err().to_string();
            assert!(text.contains(word), "{word}: {text}");
        }
        Plan {
            same_key: true,
            ..same
        }
        .check()
        .unwrap();
    }

    #[test]
    fn a_role_without_a_limit_has_the_systems() {
        let longest = |limits, mount| Role::new("r".to_owned(), limits, mount).longest;
        assert_eq!(longest(Some((0, 0)), None), 2_764_800);
        assert_eq!(longest(Some((3600, 0)), Some(7200)), 7200);
        assert_eq!(longest(Some((60, 3600)), None), 3600);
        assert_eq!(longest(Some((7200, 3600)), None), 7200);
        assert_eq!(longest(None, None), 2_764_800);
    }

    #[test]
    fn a_same_key_has_no_trust_steps() {
        let verbs: Vec<_> = steps(true).iter().map(|step| step.verb).collect();
        assert_eq!(verbs, [Verb::Switch, Verb::Freeze, Verb::Retire]);
        assert_eq!(steps(false).len(), 6);
    }
}
