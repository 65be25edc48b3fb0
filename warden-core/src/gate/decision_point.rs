//! A local decision point: answers `/v1/check` from a registry snapshot, for smoke and development.
//!
//! - It exists so that a workstation can prove the whole path before a production gate is reachable.
//!   It says of itself, in every answer, that it is not one.
//! - [`decide`] is pure: the same question to the same snapshot has the same answer and the same id.
//! - Absent means deny: what the question or the registry does not say allows nothing.
//! - A decision id says *which* decision it is, not which event: no time and no chance is in it.

mod request;
mod server;

pub use request::{CheckRequest, MalformedCheck};
pub use server::{MAX_BODY_BYTES, MAX_CONNECTIONS, serve};

use crate::registry::spelling::{ACTION, RESOURCE_PREFIX, RESOURCE_TYPE};
use crate::registry::{Entry, Snapshot, SubjectId, hours};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Who decided, in the provenance of an answer.
pub const EVALUATOR: &str = "warden-local-decision-point";

/// The policy it stands in for.
const POLICY_PACKAGE: &str = "ops-warden.ssh-certificate.sign";

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionEnvelope {
    id: String,
    effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    resource: request::Resource,
    subject: request::Subject,
    provenance: Provenance,
    reason: Reason,
    obligations: [(); 0],
}

/// What the decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The certificate may be signed.
    Allow,
    /// It may not.
    Deny,
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Provenance {
    evaluator: &'static str,
    mode: &'static str,
    policy_package: &'static str,
    directory_etag: String,
}

/// Why it was decided so. The tokens of the first five are agreed with flex-auth; the others are
/// ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Everything holds.
    SigningPolicyMatched,
    /// The action is not `sign`.
    WrongAction,
    /// The system or the type of the resource is not one the policy is about.
    NoMatchingRule,
    /// The registry has no such actor.
    UnknownActorResource,
    /// The time to live is missing, zero, or over the actor's longest.
    TtlOutOfBounds,
    /// The tenant is not the registry's. Ours.
    TenantMismatch,
    /// The types of subject, context and resource are not all the same. Ours.
    ActorTypeMismatch,
    /// The subject may not ask for this actor. Ours.
    SubjectNotAllowed,
    /// No fingerprint of a public key. Ours.
    PubkeyFingerprintMissing,
    /// A principal the actor does not have, or none. Ours.
    PrincipalNotAllowed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::SigningPolicyMatched,
        Self::WrongAction,
        Self::NoMatchingRule,
        Self::UnknownActorResource,
        Self::TtlOutOfBounds,
        Self::TenantMismatch,
        Self::ActorTypeMismatch,
        Self::SubjectNotAllowed,
        Self::PubkeyFingerprintMissing,
        Self::PrincipalNotAllowed,
    ];

    /// The token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SigningPolicyMatched => "signing_policy_matched",
            Self::WrongAction => "wrong_action",
            Self::NoMatchingRule => "no_matching_rule",
            Self::UnknownActorResource => "unknown_actor_resource",
            Self::TtlOutOfBounds => "ttl_out_of_bounds",
            Self::TenantMismatch => "tenant_mismatch",
            Self::ActorTypeMismatch => "actor_type_mismatch",
            Self::SubjectNotAllowed => "subject_not_allowed",
            Self::PubkeyFingerprintMissing => "pubkey_fingerprint_missing",
            Self::PrincipalNotAllowed => "principal_not_allowed",
        }
    }
}

impl DecisionEnvelope {
    /// `decision:` and 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Allow or deny.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// Answers a question from a snapshot.
pub fn decide(snapshot: &Snapshot<'_>, asked: &CheckRequest) -> DecisionEnvelope {
    let reason = match objection(snapshot, asked) {
        Some(reason) => reason,
        None => Reason::SigningPolicyMatched,
    };
    let effect = match reason {
        Reason::SigningPolicyMatched => Effect::Allow,
        _ => Effect::Deny,
    };
    DecisionEnvelope {
        id: decision_id(asked, reason),
        effect,
        request_id: asked.request_id.clone(),
        resource: asked.resource.clone(),
        subject: asked.subject.clone(),
        provenance: Provenance {
            evaluator: EVALUATOR,
            mode: "local",
            policy_package: POLICY_PACKAGE,
            directory_etag: snapshot.inventory_digest().to_owned(),
        },
        reason,
        obligations: [],
    }
}

/// The first rule that the question breaks.
fn objection(snapshot: &Snapshot<'_>, asked: &CheckRequest) -> Option<Reason> {
    if asked.action != ACTION {
        return Some(Reason::WrongAction);
    }
    if asked.resource.system.as_deref() != Some(snapshot.settings().system())
        || asked.resource.resource_type.as_deref() != Some(RESOURCE_TYPE)
    {
        return Some(Reason::NoMatchingRule);
    }
    // The request's tenant, else the resource's, else the subject's; none may name another.
    let tenants = [&asked.tenant, &asked.resource.tenant, &asked.subject.tenant];
    let mut named = tenants.into_iter().flatten().peekable();
    if named.peek().is_none() || named.any(|one| one != snapshot.settings().tenant()) {
        return Some(Reason::TenantMismatch);
    }
    let name = asked.resource.id.strip_prefix(RESOURCE_PREFIX);
    let Some(entry) = name.and_then(|name| snapshot.entry(name)) else {
        return Some(Reason::UnknownActorResource);
    };
    let actor_type = Some(entry.name().actor_type().as_str());
    if asked.subject.subject_type.as_deref() != actor_type
        || asked.context.actor_type.as_deref() != actor_type
    {
        return Some(Reason::ActorTypeMismatch);
    }
    let subject = SubjectId::read(&asked.subject.id);
    if !entry.allowed_subjects().any(|one| one == subject) {
        return Some(Reason::SubjectNotAllowed);
    }
    if !ttl_is_in_bounds(entry, asked) {
        return Some(Reason::TtlOutOfBounds);
    }
    if asked
        .context
        .pubkey_fingerprint
        .as_deref()
        .is_none_or(str::is_empty)
    {
        return Some(Reason::PubkeyFingerprintMissing);
    }
    let principals = asked.context.principals.as_deref().unwrap_or_default();
    let has = |one: &String| entry.principals().iter().any(|own| own.as_str() == one);
    if principals.is_empty() || !principals.iter().all(has) {
        return Some(Reason::PrincipalNotAllowed);
    }
    None
}

/// Whole hours are always compared; exact seconds too, where the question has them.
fn ttl_is_in_bounds(entry: &Entry<'_>, asked: &CheckRequest) -> bool {
    let Some(asked_hours) = asked.context.ttl_hours else {
        return false;
    };
    // At most 48, and so exact.
    let longest = hours(entry.max_ttl()) as f64;
    let seconds_hold = asked
        .context
        .ttl_seconds
        .is_none_or(|seconds| (1..=entry.max_ttl().seconds()).contains(&seconds));
    asked_hours > 0.0 && asked_hours <= longest && seconds_hold
}

/// The SHA-256 of the question, less what only tells one event from another, and the answer.
fn decision_id(asked: &CheckRequest, reason: Reason) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    part("warden-decision-v1");
    part(reason.as_str());
    asked.parts().for_each(|text| part(&text));
    let digest = hash.finalize();
    let digits: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("decision:{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_as_its_token() {
        for reason in Reason::ALL {
            let written = serde_json::to_string(&reason).unwrap();
            assert_eq!(written, format!("\"{}\"", reason.as_str()));
        }
    }
}
