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
use crate::inventory::{Bounds, Holder, SourceDigest, Standing};
use crate::request::CertificateRequest;
use crate::revocation::Revocations;

/// A request that lies inside what the inventory gives its actor, with every default filled in.
#[derive(Debug)]
pub struct BoundedRequest {
    pub(crate) holder: Holder,
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
                holder: self.holder.clone(),
                subject: record.subject.clone(),
                words,
            },
            holder: self.holder,
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

/// Decides whether a request lies inside the bounds of whom it names at the moment `now`.
pub(super) fn within(
    request: CertificateRequest,
    standing: &Standing,
    revocations: &Revocations,
    now: UnixTime,
) -> Decision<BoundedRequest> {
    let holder = request.holder();
    let Some(bounds) = standing.bounds_of(holder) else {
        let holder = holder.clone();
        return deny(&request, standing, DenialReason::Unknown { holder });
    };
    match terms(&request, &bounds, revocations, now) {
        Ok((principals, ttl)) => Decision::Allow(BoundedRequest {
            holder: holder.clone(),
            cert_type: request.cert_type(),
            public_key: request.public_key().clone(),
            principals,
            ttl,
            expires: bounds.expires,
            extensions: bounds.extensions.clone(),
            critical_options: bounds.critical_options.clone(),
            source_digest: standing.source_digest,
        }),
        Err(reason) => deny(&request, standing, reason),
    }
}

fn deny(
    request: &CertificateRequest,
    standing: &Standing,
    reason: DenialReason,
) -> Decision<BoundedRequest> {
    Decision::Deny(Box::new(Denial {
        holder: request.holder().clone(),
        cert_type: request.cert_type(),
        public_key: request.public_key().fingerprint().clone(),
        principals: request.principals().cloned(),
        ttl: request.ttl(),
        source_digest: standing.source_digest,
        place: standing.place().cloned(),
        reason,
        gate: None,
    }))
}

fn terms(
    request: &CertificateRequest,
    bounds: &Bounds<'_>,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<(Principals, Ttl), DenialReason> {
    let holder = || request.holder().clone();
    if let Some(noted) = request
        .holder()
        .actor()
        .and_then(|one| revocations.actor(one))
    {
        return Err(DenialReason::Revoked {
            holder: holder(),
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
    if bounds.disabled {
        return Err(DenialReason::Disabled { holder: holder() });
    }
    if let Some(expired) = bounds.expires.filter(|end| *end <= now) {
        return Err(DenialReason::Expired {
            holder: holder(),
            expired,
            now,
        });
    }
    if let Some(pinned) = bounds.public_keys {
        let asked = request.public_key().fingerprint();
        if !pinned.contains(asked) {
            return Err(DenialReason::KeyNotPinned {
                holder: holder(),
                asked: asked.clone(),
                pinned: pinned.len(),
            });
        }
    }
    Ok((principals(request, bounds)?, ttl(request, bounds, now)?))
}

fn principals(
    request: &CertificateRequest,
    bounds: &Bounds<'_>,
) -> Result<Principals, DenialReason> {
    let allowed = bounds.principals;
    let Some(asked) = request.principals() else {
        return Ok(allowed.clone());
    };
    allowed
        .narrowed_to(asked)
        .map_err(|one| DenialReason::PrincipalNotAllowed {
            holder: request.holder().clone(),
            asked: one.clone(),
            allowed: allowed.clone(),
        })
}

fn ttl(
    request: &CertificateRequest,
    bounds: &Bounds<'_>,
    now: UnixTime,
) -> Result<Ttl, DenialReason> {
    let left = bounds.expires.map(|end| (end, end.since(now)));
    let Some(asked) = request.ttl() else {
        let shortened = left
            .and_then(|(_, left)| Ttl::from_seconds(left))
            .filter(|left| *left < bounds.ttl);
        return Ok(shortened.unwrap_or(bounds.ttl));
    };
    let holder = || request.holder().clone();
    if asked > bounds.max_ttl {
        return Err(DenialReason::TtlTooLong {
            holder: holder(),
            asked,
            longest: bounds.max_ttl,
        });
    }
    if let Some(shortest) = bounds.min_ttl.filter(|shortest| asked < *shortest) {
        return Err(DenialReason::TtlTooShort {
            holder: holder(),
            asked,
            shortest,
        });
    }
    match left {
        Some((expires, left)) if asked.seconds() > left => Err(DenialReason::TtlBeyondExpiry {
            holder: holder(),
            asked,
            expires,
        }),
        _ => Ok(asked),
    }
}
