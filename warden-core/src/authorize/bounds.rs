//! Holds a request against the inventory's bounds.
//!
//! - Pure: request, standing, what is revoked and the moment in, a decision out. No file, no clock, no
//!   environment.
//! - Absent means deny. Nothing that comes out is wider than what the inventory says.

use super::Decision;
use super::denial::{Denial, DenialReason};
use crate::certificate::{
    CertType, CriticalOptions, Extensions, Principals, PublicKey, Ttl, UnixTime,
};
use crate::gate::GateRecord;
use crate::inventory::{Actor, ActorName, SourceDigest, Standing};
use crate::request::CertificateRequest;
use crate::revocation::Revocations;

/// A request that lies inside what the inventory gives its actor, with every default filled in.
#[derive(Debug)]
pub struct BoundedRequest {
    pub(crate) actor: ActorName,
    pub(crate) cert_type: CertType,
    pub(crate) public_key: PublicKey,
    pub(crate) principals: Principals,
    pub(crate) ttl: Ttl,
    pub(crate) expires: Option<UnixTime>,
    pub(crate) extensions: Extensions,
    pub(crate) critical_options: CriticalOptions,
    pub(crate) source_digest: SourceDigest,
}

impl BoundedRequest {
    /// The denial of this request by a gate.
    pub(super) fn denied(self, record: GateRecord) -> Denial {
        let words = record
            .answer
            .as_ref()
            .map_or_else(|reason| (*reason).to_owned(), |answer| answer.words.clone());
        Denial {
            reason: DenialReason::Gate {
                actor: self.actor.clone(),
                subject: record.subject.clone(),
                words,
            },
            actor: self.actor,
            cert_type: self.cert_type,
            public_key: self.public_key.fingerprint().clone(),
            principals: Some(self.principals),
            ttl: Some(self.ttl),
            source_digest: self.source_digest,
            place: None,
            gate: Some(record),
        }
    }
}

/// Decides whether a request lies inside the bounds of its actor at the moment `now`.
pub(super) fn within(
    request: CertificateRequest,
    standing: &Standing,
    revocations: &Revocations,
    now: UnixTime,
) -> Decision<BoundedRequest> {
    let actor = standing
        .actor
        .as_ref()
        .filter(|actor| actor.name() == request.actor());
    match actor.map(|actor| terms(&request, actor, revocations, now)) {
        Some(Ok((principals, ttl, actor))) => Decision::Allow(BoundedRequest {
            actor: actor.name().clone(),
            cert_type: request.cert_type(),
            public_key: request.public_key().clone(),
            principals,
            ttl,
            expires: actor.expires(),
            extensions: actor.extensions().clone(),
            critical_options: actor.critical_options().clone(),
            source_digest: standing.source_digest,
        }),
        Some(Err(reason)) => deny(&request, standing, reason),
        None => deny(
            &request,
            standing,
            DenialReason::UnknownActor {
                actor: request.actor().clone(),
            },
        ),
    }
}

fn deny(
    request: &CertificateRequest,
    standing: &Standing,
    reason: DenialReason,
) -> Decision<BoundedRequest> {
    Decision::Deny(Box::new(Denial {
        actor: request.actor().clone(),
        cert_type: request.cert_type(),
        public_key: request.public_key().fingerprint().clone(),
        principals: request.principals().cloned(),
        ttl: request.ttl(),
        source_digest: standing.source_digest,
        place: standing.actor.as_ref().map(|actor| actor.place().clone()),
        reason,
        gate: None,
    }))
}

type Terms<'a> = (Principals, Ttl, &'a Actor);

fn terms<'a>(
    request: &CertificateRequest,
    actor: &'a Actor,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<Terms<'a>, DenialReason> {
    let name = || actor.name().clone();
    if let Some(noted) = revocations.actor(actor.name()) {
        return Err(DenialReason::Revoked {
            actor: name(),
            noted: noted.clone(),
        });
    }
    let key = request.public_key().fingerprint();
    if let Some(noted) = revocations.key(key) {
        return Err(DenialReason::KeyRevoked {
            key: key.clone(),
            noted: noted.clone(),
        });
    }
    if actor.disabled() {
        return Err(DenialReason::Disabled { actor: name() });
    }
    if let Some(expired) = actor.expires().filter(|end| *end <= now) {
        return Err(DenialReason::Expired {
            actor: name(),
            expired,
            now,
        });
    }
    if let Some(pinned) = actor.public_keys() {
        let asked = request.public_key().fingerprint();
        if !pinned.contains(asked) {
            return Err(DenialReason::KeyNotPinned {
                actor: name(),
                asked: asked.clone(),
                pinned: pinned.len(),
            });
        }
    }
    Ok((
        principals(request, actor)?,
        ttl(request, actor, now)?,
        actor,
    ))
}

fn principals(request: &CertificateRequest, actor: &Actor) -> Result<Principals, DenialReason> {
    let allowed = actor.principals();
    let Some(asked) = request.principals() else {
        return Ok(allowed.clone());
    };
    allowed
        .narrowed_to(asked)
        .map_err(|one| DenialReason::PrincipalNotAllowed {
            actor: actor.name().clone(),
            asked: one.clone(),
            allowed: allowed.clone(),
        })
}

fn ttl(request: &CertificateRequest, actor: &Actor, now: UnixTime) -> Result<Ttl, DenialReason> {
    let left = actor.expires().map(|end| (end, end.since(now)));
    let Some(asked) = request.ttl() else {
        let shortened = left
            .and_then(|(_, left)| Ttl::from_seconds(left))
            .filter(|left| *left < actor.ttl());
        return Ok(shortened.unwrap_or(actor.ttl()));
    };
    let name = || actor.name().clone();
    if asked > actor.max_ttl() {
        return Err(DenialReason::TtlTooLong {
            actor: name(),
            asked,
            longest: actor.max_ttl(),
        });
    }
    if let Some(shortest) = actor.min_ttl().filter(|shortest| asked < *shortest) {
        return Err(DenialReason::TtlTooShort {
            actor: name(),
            asked,
            shortest,
        });
    }
    match left {
        Some((expires, left)) if asked.seconds() > left => Err(DenialReason::TtlBeyondExpiry {
            actor: name(),
            asked,
            expires,
        }),
        _ => Ok(asked),
    }
}
