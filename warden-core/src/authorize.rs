//! Decides whether a request is signed, and fixes everything a signer may not choose.
//!
//! - A denial is a value, not an error, and is recorded like a certificate.
//! - An [`Authorization`] is built only here, after every bound held. It is moved on and never cloned.
//! - Serial, nonce and the exact window are the signer's; they are checked afterwards.

mod bounds;
mod denial;
mod subject;

pub use bounds::BoundedRequest;
pub use denial::{Denial, DenialReason};
pub use subject::Subject;

use crate::certificate::{
    CertType, CriticalOptions, Extensions, Principals, PublicKey, Ttl, UnixTime,
};
use crate::gate::{self, GateError, GateRecord, Gating, Passed};
use crate::inventory::{Holder, SourceDigest, Standing};
use crate::request::CertificateRequest;
use crate::revocation::Revocations;

/// What was decided about a request.
#[derive(Debug)]
#[must_use = "a decision that nobody looks at lets everything pass"]
pub enum Decision<T = Authorization> {
    /// It may go on, on these terms.
    Allow(T),
    /// It may not, for this reason.
    Deny(Box<Denial>),
}

/// Permission to sign one certificate, and the terms of it.
#[derive(Debug)]
pub struct Authorization {
    terms: BoundedRequest,
    gate: Option<GateRecord>,
}

/// A request inside its bounds about which an enforcing gate gave no answer. It cannot be signed.
#[derive(Debug)]
pub struct Ungated {
    terms: BoundedRequest,
    gate: GateRecord,
    error: GateError,
}

impl Ungated {
    /// What lay inside the bounds.
    pub(crate) fn terms(&self) -> (&BoundedRequest, &GateRecord) {
        (&self.terms, &self.gate)
    }

    /// Why there was no answer.
    pub fn error(&self) -> &GateError {
        &self.error
    }
}

/// Decides about a request by the inventory's bounds alone, without any gate. `now` is the moment of
/// the decision.
pub fn authorize(
    request: CertificateRequest,
    standing: &Standing,
    revocations: &Revocations,
    now: UnixTime,
) -> Decision {
    match bounds::within(request, standing, revocations, now) {
        Decision::Allow(terms) => Decision::Allow(Authorization { terms, gate: None }),
        Decision::Deny(denial) => Decision::Deny(denial),
    }
}

/// Decides about a request: first by the inventory's bounds, then, inside them, by the gate.
///
/// # Errors
/// If an enforcing gate gave no answer. What was bounded comes back, so that the failure can be
/// recorded; it cannot be signed.
pub fn authorize_with_gate(
    request: CertificateRequest,
    standing: &Standing,
    revocations: &Revocations,
    now: UnixTime,
    subject: &Subject,
    gating: Gating<'_>,
) -> Result<Decision, Box<Ungated>> {
    let terms = match bounds::within(request, standing, revocations, now) {
        Decision::Allow(terms) => terms,
        Decision::Deny(denial) => return Ok(Decision::Deny(denial)),
    };
    match gate::pass(&terms, subject, gating) {
        Passed::Yes(gate) => Ok(Decision::Allow(Authorization { terms, gate })),
        Passed::Denied(record) => Ok(Decision::Deny(Box::new(terms.denied(record)))),
        Passed::Failed(gate, error) => Err(Box::new(Ungated { terms, gate, error })),
    }
}

impl Authorization {
    /// The terms, for a record.
    pub(crate) fn terms(&self) -> &BoundedRequest {
        &self.terms
    }

    /// Whom the certificate names. Its key id is this name.
    pub fn holder(&self) -> &Holder {
        &self.terms.holder
    }

    /// User or host.
    pub fn cert_type(&self) -> CertType {
        self.terms.cert_type
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.terms.public_key
    }

    /// Exactly these principals.
    pub fn principals(&self) -> &Principals {
        &self.terms.principals
    }

    /// Exactly this time to live, unless the actor ends sooner; see [`Authorization::ttl_at`].
    pub fn ttl(&self) -> Ttl {
        self.terms.ttl
    }

    /// When the actor itself ends; no certificate outlives it.
    pub fn expires(&self) -> Option<UnixTime> {
        self.terms.expires
    }

    /// The time to live of a certificate signed at `now`; `None` if the actor has ended meanwhile.
    pub fn ttl_at(&self, now: UnixTime) -> Option<Ttl> {
        match self.expires() {
            Some(end) => Ttl::from_seconds(self.ttl().seconds().min(end.since(now))),
            None => Some(self.ttl()),
        }
    }

    /// Exactly these extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.terms.extensions
    }

    /// Exactly these critical options.
    pub fn critical_options(&self) -> &CriticalOptions {
        &self.terms.critical_options
    }

    /// The digest of the inventory files the decision was read from.
    pub fn source_digest(&self) -> SourceDigest {
        self.terms.source_digest
    }

    /// What the gate had to do with it, if one was asked.
    pub fn gate(&self) -> Option<&GateRecord> {
        self.gate.as_ref()
    }
}
