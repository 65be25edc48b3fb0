//! What a record says, and how it is written.
//!
//! - One JSON object on one line. Whatever a value holds, it adds no line: JSON escapes it.
//! - Serials and other 64-bit numbers are decimal strings.
//! - A field that has no value is left out.

use crate::authorize::{Authorization, BoundedRequest, Denial, Ungated};
use crate::certificate::CriticalOptions;
use crate::failure::Failure;
use crate::gate::GateRecord;
use crate::inventory::{ActorName, Holder};
use crate::revocation::Step;
use crate::sign::{KeyIdRule, SignedCertificate};
use rand_core::TryRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A request for a certificate.
    Certificate,
    /// The path to a certificate was tried out.
    Smoke,
    /// Something was revoked, or given back.
    Revocation,
    /// A torn last line was moved aside.
    JournalRepair,
    /// A step of a cutover.
    Cutover,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// A certificate was signed and may be delivered.
    Issued,
    /// The request was refused.
    Denied,
    /// Something failed, and nothing was issued.
    Failed,
    /// It was done.
    Done,
    /// It is about to be done; the next record of the same step says what came of it.
    Intended,
}

/// An identifier of one event, made here: 32 lower-case hexadecimal digits, random.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventId(String);

impl EventId {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0u8; 16];
        getrandom::SysRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its number in the journal, from 1.
    pub seq: u64,
    /// Its event.
    pub event_id: EventId,
}

/// The typed facts of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each field is described once, in wiki/reference/journal.md"
)]
pub struct Facts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principals: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id_rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_options: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_effect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_decision_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<CutoverFacts>,
}

/// The facts of a step of a cutover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each field is described once, in wiki/reference/journal.md"
)]
pub struct CutoverFacts {
    pub plan: String,
    pub plan_digest: String,
    pub verb: String,
    pub phase_from: String,
    pub phase_to: String,
    pub operator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_operator: Option<String>,
    pub host: String,
    pub ca_old: String,
    pub ca_new: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is about.
    pub kind: Kind,
    /// What came of it.
    pub outcome: Outcome,
    /// The stable reason of a denial or failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The facts.
    #[serde(flatten)]
    pub facts: Facts,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the form, 1.
    pub v: u32,
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The SHA-256 of the line before, without its newline; 64 zeros in the first record.
    pub prev: String,
    /// The moment of the decision, RFC 3339 in UTC.
    pub at: String,
    /// Its event.
    pub event_id: EventId,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Entry {
    fn certificate(outcome: Outcome, reason: Option<&'static str>, facts: Facts) -> Self {
        let reason = reason.map(str::to_owned);
        Self {
            kind: Kind::Certificate,
            outcome,
            reason,
            facts,
        }
    }

    pub(super) fn issued(signed: &SignedCertificate) -> Self {
        let validity = signed.validity();
        let facts = Facts {
            serial: Some(signed.serial().to_string()),
            key_id: Some(signed.key_id()),
            key_id_rule: match signed.key_id_rule() {
                KeyIdRule::Actor => None,
                KeyIdRule::AnyPrintable => Some("role".to_owned()),
            },
            valid_after: Some(validity.after().to_string()),
            valid_before: Some(validity.before().to_string()),
            ca_fingerprint: Some(signed.ca_fingerprint().to_string()),
            ..authorized(signed.authorization(), signed.backend())
        };
        Self::certificate(Outcome::Issued, None, facts)
    }

    pub(super) fn denied(denial: &Denial) -> Self {
        let facts = Facts {
            cert_type: Some(denial.cert_type().to_string()),
            public_key: Some(denial.public_key().to_string()),
            principals: denial.principals().map(|list| list.to_strings()),
            ttl_seconds: denial.ttl().map(|ttl| ttl.seconds()),
            source_digest: Some(denial.source_digest().to_string()),
            ..named(denial.holder())
        }
        .with_gate(denial.gate());
        Self::certificate(Outcome::Denied, Some(denial.reason()), facts)
    }

    pub(super) fn not_signed(
        authorization: &Authorization,
        backend: &'static str,
        error: &dyn Failure,
    ) -> Self {
        Self::certificate(
            Outcome::Failed,
            Some(error.reason()),
            authorized(authorization, backend),
        )
    }

    pub(super) fn not_authorized(ungated: &Ungated) -> Self {
        let (terms, gate) = ungated.terms();
        let facts = bounded(terms).with_gate(Some(gate));
        Self::certificate(Outcome::Failed, Some(ungated.error().reason()), facts)
    }

    pub(super) fn smoke(actor: &ActorName, holds: bool, checks: BTreeMap<String, String>) -> Self {
        let outcome = if holds {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        let reason = (!holds).then(|| "smoke_failed".to_owned());
        let facts = Facts {
            checks: Some(checks),
            ..named(&Holder::Actor(actor.clone()))
        };
        Self {
            kind: Kind::Smoke,
            outcome,
            reason,
            facts,
        }
    }

    /// A record about a step of a cutover.
    pub(crate) fn cutover(outcome: Outcome, reason: Option<&'static str>, facts: Facts) -> Self {
        Self {
            kind: Kind::Cutover,
            outcome,
            reason: reason.map(str::to_owned),
            facts,
        }
    }

    pub(super) fn failed(holder: &Holder, reason: &'static str) -> Self {
        Self::certificate(Outcome::Failed, Some(reason), named(holder))
    }

    pub(super) fn revoked(step: &Step) -> Self {
        let facts = Facts {
            revocation: Some(step.clone()),
            ..Facts::default()
        };
        Self {
            kind: Kind::Revocation,
            outcome: Outcome::Done,
            reason: None,
            facts,
        }
    }

    pub(super) fn repaired(torn_file: String, torn_bytes: u64) -> Self {
        let facts = Facts {
            torn_file: Some(torn_file),
            torn_bytes: Some(torn_bytes),
            ..Facts::default()
        };
        Self {
            kind: Kind::JournalRepair,
            outcome: Outcome::Done,
            reason: None,
            facts,
        }
    }
}

impl Facts {
    /// Adds what the gate had to do with it.
    fn with_gate(self, gate: Option<&GateRecord>) -> Self {
        let Some(GateRecord {
            mode,
            subject,
            answer,
        }) = gate
        else {
            return self;
        };
        let effect = match answer {
            Ok(answer) if answer.allows => "allow",
            Ok(_) => "deny",
            Err(_) => "no_answer",
        };
        Self {
            policy_mode: Some((*mode).to_owned()),
            policy_subject: Some(subject.clone()),
            policy_effect: Some(effect.to_owned()),
            policy_decision_id: answer
                .as_ref()
                .ok()
                .and_then(|answer| answer.decision_id.clone()),
            policy_reason: match answer {
                Ok(answer) => answer.reason.clone(),
                Err(reason) => Some((*reason).to_owned()),
            },
            ..self
        }
    }
}

fn named(holder: &Holder) -> Facts {
    match holder {
        Holder::Actor(name) => Facts {
            actor: Some(name.to_string()),
            actor_type: Some(name.actor_type().to_string()),
            ..Facts::default()
        },
        Holder::Host(name) => Facts {
            host: Some(name.to_string()),
            ..Facts::default()
        },
    }
}

fn authorized(authorization: &Authorization, backend: &'static str) -> Facts {
    let facts = bounded(authorization.terms()).with_gate(authorization.gate());
    Facts {
        backend: Some(backend.to_owned()),
        ..facts
    }
}

fn bounded(terms: &BoundedRequest) -> Facts {
    Facts {
        cert_type: Some(terms.cert_type.to_string()),
        public_key: Some(terms.public_key.fingerprint().to_string()),
        principals: Some(terms.principals.to_strings()),
        ttl_seconds: Some(terms.ttl.seconds()),
        critical_options: options(&terms.critical_options),
        extensions: Some(terms.extensions.iter().map(ToString::to_string).collect()),
        source_digest: Some(terms.source_digest.to_string()),
        ..named(&terms.holder)
    }
}

fn options(options: &CriticalOptions) -> Option<BTreeMap<String, String>> {
    let map: BTreeMap<_, _> = options
        .to_map()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    (!map.is_empty()).then_some(map)
}
