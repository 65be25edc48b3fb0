//! Has a backend sign an authorization, and believes nothing of what comes back.
//!
//! - One [`sign`] for every backend and every build profile; no other way leads to a
//!   [`SignedCertificate`].
//! - The certificate handed on is re-parsed from the returned bytes; what was verified is what is
//!   delivered.
//! - Backends see the [`Authorization`], never the request.

mod check;
pub mod local;
pub mod openbao;
pub mod sshsig;

pub use check::Mismatch;

use crate::authorize::Authorization;
use crate::certificate::{CaPublicKey, Fingerprint, Parsed, Serial, UnixTime, Validity};
use crate::clock::Clock;
use crate::failure::{Class, Failure};
use crate::inventory::Holder;
use crate::revocation::Revocations;

/// How far a local signer's clock may differ from ours, in seconds: the two are one clock, and a
/// second may pass on either side of the signature.
pub const LOCAL_CLOCK_SKEW: u64 = 2;

/// Something that holds a CA private key and signs with it.
///
/// # Laws
/// - A backend signs exactly the authorization, or fails. The check afterwards does not rely on it.
/// - It never prompts and is bounded in time.
/// - Nothing it returns or fails with holds a secret.
pub trait SigningBackend {
    /// The word for this backend in the journal, such as `local`.
    fn name(&self) -> &'static str;

    /// The CA whose certificates are accepted from this backend. For a backend elsewhere it comes
    /// from the configuration, never from the backend's own answer.
    ///
    /// # Errors
    /// If the CA key cannot be had.
    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError>;

    /// How far this backend's clock may differ from ours, in seconds.
    fn clock_skew(&self) -> u64;

    /// Whose key id its certificates carry.
    fn key_id_rule(&self) -> KeyIdRule {
        KeyIdRule::Actor
    }

    /// What to change at the signer when its certificate for `holder` differs for this reason.
    fn mismatch_hint(&self, _holder: &Holder, _reason: &'static str) -> Option<String> {
        None
    }

    /// Signs. `now` is the moment the authorization is sent.
    ///
    /// # Errors
    /// If the backend cannot sign, or will not.
    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError>;
}

/// Which key id is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyIdRule {
    /// The actor's name, and nothing else.
    Actor,
    /// Any printable text of 1 to 256 bytes: the signer's role makes it. For a team whose roles
    /// cannot be changed yet; every record says so.
    AnyPrintable,
}

/// The CA a certificate must come from.
#[derive(Debug, Clone, Copy)]
pub enum TrustedCa<'a> {
    /// This very key.
    Key(&'a CaPublicKey),
    /// The key with this fingerprint.
    Pinned(&'a Fingerprint),
}

impl TrustedCa<'_> {
    /// The fingerprint of the key.
    pub fn fingerprint(&self) -> &Fingerprint {
        match self {
            Self::Key(key) => key.fingerprint(),
            Self::Pinned(fingerprint) => fingerprint,
        }
    }
}

/// What a backend returned.
#[derive(Debug)]
pub struct Reply {
    /// The certificate as one line.
    pub certificate: Vec<u8>,
    /// The serial we chose, if the choice was ours.
    pub serial: Option<Serial>,
}

/// Why a backend did not sign.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    class: Class,
    reason: &'static str,
    message: String,
    hints: Vec<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BackendError {
    /// A failure of this class, for this stable reason.
    pub fn new(class: Class, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    /// Wraps another failure, keeping its class, reason and hints.
    pub fn from_failure(
        message: impl Into<String>,
        cause: impl Failure + Send + Sync + 'static,
    ) -> Self {
        Self {
            class: cause.class(),
            reason: cause.reason(),
            message: message.into(),
            hints: cause.hints(),
            source: Some(Box::new(cause)),
        }
    }

    /// Adds something to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Failure for BackendError {
    fn class(&self) -> Class {
        self.class
    }

    fn reason(&self) -> &'static str {
        self.reason
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

/// Why there is no signed certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The backend did not sign.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// What came back is not what was authorized.
    #[error("{mismatch}")]
    Mismatch {
        /// The difference.
        #[source]
        mismatch: Mismatch,
        /// What to change at the signer.
        hint: Option<String>,
    },
}

impl Failure for SignError {
    fn class(&self) -> Class {
        match self {
            Self::Backend(error) => error.class(),
            Self::Mismatch { mismatch, .. } => mismatch.class(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Backend(error) => error.reason(),
            Self::Mismatch { mismatch, .. } => mismatch.reason(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Backend(error) => error.hints(),
            Self::Mismatch { mismatch, hint } => {
                hint.iter().cloned().chain(mismatch.hints()).collect()
            }
        }
    }
}

/// A certificate that was re-parsed from the returned bytes and equals its authorization.
#[derive(Debug)]
pub struct SignedCertificate {
    authorization: Authorization,
    certificate: Parsed,
    serial: Serial,
    validity: Validity,
    backend: &'static str,
    key_id_rule: KeyIdRule,
}

/// Has `backend` sign, and checks the certificate that comes back.
///
/// # Errors
/// If its CA is revoked, the backend fails, or its certificate differs in anything from the authorization. The
/// authorization comes back with the error, so that the failure can be recorded.
pub fn sign(
    authorization: Authorization,
    backend: &dyn SigningBackend,
    revocations: &Revocations,
    clock: &dyn Clock,
) -> Result<SignedCertificate, (Box<Authorization>, SignError)> {
    match attempt(&authorization, backend, revocations, clock) {
        Ok((certificate, serial, validity)) => Ok(SignedCertificate {
            authorization,
            certificate,
            serial,
            validity,
            backend: backend.name(),
            key_id_rule: backend.key_id_rule(),
        }),
        Err(error) => Err((Box::new(authorization), error)),
    }
}

fn attempt(
    authorization: &Authorization,
    backend: &dyn SigningBackend,
    revocations: &Revocations,
    clock: &dyn Clock,
) -> Result<(Parsed, Serial, Validity), SignError> {
    let ca = backend.trusted_ca()?;
    if let Some(noted) = revocations.ca(ca.fingerprint()) {
        let message = format!(
            "CA {} was revoked at {}: {}",
            ca.fingerprint(),
            noted.at,
            noted.why
        );
        return Err(BackendError::new(Class::Refused, "ca_revoked", message).into());
    }
    let sent = clock.now();
    let Some(ttl) = authorization.ttl_at(sent) else {
        let message = format!(
            "`{}` expired while the request was under way",
            authorization.holder()
        );
        return Err(BackendError::new(Class::Refused, "actor_expired", message).into());
    };
    let reply = backend.sign(authorization, sent)?;
    let expected = check::Expected {
        authorization,
        ttl,
        ca,
        sent,
        received: clock.now(),
        skew: backend.clock_skew(),
        key_id: backend.key_id_rule(),
    };
    expected.certificate(&reply).map_err(|mismatch| {
        let hint = backend.mismatch_hint(authorization.holder(), mismatch.reason());
        SignError::Mismatch { mismatch, hint }
    })
}

impl SignedCertificate {
    /// What was authorized.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// The serial.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// When it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The key id in the certificate: the actor's name, unless the signer's role makes it.
    pub fn key_id(&self) -> String {
        String::from_utf8_lossy(self.certificate.key_id()).into_owned()
    }

    /// Whose key id was accepted.
    pub fn key_id_rule(&self) -> KeyIdRule {
        self.key_id_rule
    }

    /// The CA that signed.
    pub fn ca_fingerprint(&self) -> Fingerprint {
        self.certificate.ca_fingerprint()
    }

    /// The backend that signed.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    pub(crate) fn certificate(&self) -> &Parsed {
        &self.certificate
    }
}
