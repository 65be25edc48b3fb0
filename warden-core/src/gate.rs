//! The policy gate: somebody else who may say no before anything is signed.
//!
//! - Asked after the bounds and before the backend: what the inventory denies never reaches it, and
//!   what it denies never reaches a signer.
//! - Only an explicit, well-formed allow for exactly what was asked is an allow. Every other answer
//!   denies, and no answer is an error.
//! - In shadow the gate is asked and recorded, and decides nothing.

pub mod decision_point;
pub mod flex_auth;
mod strict_json;

use crate::authorize::{BoundedRequest, Subject};
use crate::certificate::{Fingerprint, Ttl};
use crate::failure::{Class, Failure};
use crate::inventory::ActorName;

/// What a gate is asked: may this subject have this certificate?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whom the gate judges.
    pub subject: &'a Subject,
    /// Whom the certificate is for.
    pub actor: &'a ActorName,
    /// The principals it would carry; empty only for an actor nobody knows.
    pub principals: &'a [String],
    /// How long it would live.
    pub ttl: Ttl,
    /// The key it would certify.
    pub public_key: &'a Fingerprint,
}

/// What a gate answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it allows.
    pub allows: bool,
    /// The gate's name of this decision; the same decision may be taken many times.
    pub decision_id: Option<String>,
    /// The gate's word for why, 1 to 64 of `a-z 0-9 _`; `None` if it gave none, or another text.
    pub reason: Option<String>,
    /// The gate's own words, cut; for the person who asked, never for the journal.
    pub words: String,
}

/// Something that decides about certificates elsewhere.
///
/// # Laws
/// - Bounded in time, and never prompts.
/// - `Ok` with `allows` only for an answer that names the subject and the actor that were asked.
pub trait PolicyGate {
    /// Asks.
    ///
    /// # Errors
    /// If there is no answer that can be understood.
    fn ask(&self, question: &Question<'_>) -> Result<Answer, GateError>;
}

/// Why a gate gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the policy gate gave no decision: {detail}")]
pub struct GateError {
    reason: &'static str,
    detail: String,
    nothing_sent: bool,
}

impl GateError {
    /// A failure for this stable reason. `nothing_sent` says that the question never left.
    pub fn new(reason: &'static str, detail: impl Into<String>, nothing_sent: bool) -> Self {
        Self {
            reason,
            detail: detail.into(),
            nothing_sent,
        }
    }

    /// Whether the failure came before a byte of the question was sent.
    pub fn nothing_sent(&self) -> bool {
        self.nothing_sent
    }
}

impl Failure for GateError {
    fn class(&self) -> Class {
        Class::Untrusted
    }

    fn reason(&self) -> &'static str {
        self.reason
    }

    fn hints(&self) -> Vec<String> {
        vec!["`warden gate health` shows whether the gate answers; `policy.flex_auth_url` is where it is asked".to_owned()]
    }
}

/// Whether a gate is asked, and what its answer is worth.
#[derive(Clone, Copy, Default)]
pub enum Gating<'a> {
    /// No gate is asked.
    #[default]
    Off,
    /// It is asked and recorded, and decides nothing.
    Shadow(&'a dyn PolicyGate),
    /// What it denies is not signed.
    Enforce {
        /// The gate.
        gate: &'a dyn PolicyGate,
        /// Whether a gate that cannot even be reached denies.
        fail_closed: bool,
    },
}

/// What a gate had to do with an authorization, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRecord {
    /// `shadow` or `enforce`.
    pub mode: &'static str,
    /// Whom it judged.
    pub subject: String,
    /// Its answer, or the stable reason for there being none.
    pub answer: Result<Answer, &'static str>,
}

/// What the gate says about a bounded request.
#[derive(Debug)]
#[must_use = "a gate that nobody listens to lets everything pass"]
pub(crate) enum Passed {
    /// The request may go on.
    Yes(Option<GateRecord>),
    /// An enforcing gate said no.
    Denied(GateRecord),
    /// An enforcing gate gave no answer, and that is a no.
    Failed(GateRecord, GateError),
}

/// Asks the gate, if there is one. Nobody is asked about a host: the registry a gate decides by holds
/// actors alone.
pub(crate) fn pass(request: &BoundedRequest, subject: &Subject, gating: Gating<'_>) -> Passed {
    let Some(actor) = request.holder.actor() else {
        return Passed::Yes(None);
    };
    let (gate, mode) = match gating {
        Gating::Off => return Passed::Yes(None),
        Gating::Shadow(gate) => (gate, "shadow"),
        Gating::Enforce { gate, .. } => (gate, "enforce"),
    };
    let principals = request.principals.to_strings();
    let question = Question {
        subject,
        actor,
        principals: &principals,
        ttl: request.ttl,
        public_key: request.public_key.fingerprint(),
    };
    let record = |answer| GateRecord {
        mode,
        subject: subject.as_str().to_owned(),
        answer,
    };
    match (gate.ask(&question), gating) {
        (Ok(answer), Gating::Enforce { .. }) if !answer.allows => {
            Passed::Denied(record(Ok(answer)))
        }
        (Ok(answer), _) => Passed::Yes(Some(record(Ok(answer)))),
        (Err(error), Gating::Enforce { fail_closed, .. })
            if fail_closed || !error.nothing_sent() =>
        {
            Passed::Failed(record(Err(error.reason())), error)
        }
        (Err(error), _) => Passed::Yes(Some(record(Err(error.reason())))),
    }
}
