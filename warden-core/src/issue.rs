//! The whole operation, in the order people say it.
//!
//! A request is authorized against the inventory, signed by a backend, recorded in the journal, and
//! given back for delivery. Whatever the outcome, exactly one record is on disk when this returns.

use crate::authorize::{Decision, Denial, Subject, authorize_with_gate};
use crate::clock::Clock;
use crate::failure::{Class, Failure};
use crate::gate::{GateError, Gating};
use crate::inventory::{InventoryError, InventoryPath};
use crate::journal::{self, IssuedCertificate, Journal, JournalError, Recorded};
use crate::request::CertificateRequest;
use crate::revocation::{RevocationSource, Withdrawn};
use crate::sign::{SignError, SigningBackend, sign};

/// What issuing rests on.
#[derive(Clone, Copy)]
pub struct Issuer<'a> {
    /// Who may be given what.
    pub inventory: &'a InventoryPath,
    /// What is revoked, looked at before signing and again when it is recorded.
    pub revocations: &'a dyn RevocationSource,
    /// Whom the gate judges; the actor itself if nobody else is named.
    pub subject: Option<&'a Subject>,
    /// Whether a gate is asked.
    pub gating: Gating<'a>,
    /// Who signs.
    pub backend: &'a dyn SigningBackend,
    /// Where it is recorded.
    pub journal: &'a dyn Journal,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

/// What came of a request.
#[derive(Debug)]
#[must_use = "a denial is an outcome, not an error"]
pub enum Outcome {
    /// A certificate, recorded and ready to be delivered.
    Issued(Box<IssuedCertificate>),
    /// A denial, recorded.
    Denied(Box<Denial>, Recorded),
}

/// Why a request has no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The inventory gave no answer.
    #[error("cannot issue a certificate")]
    Inventory(#[source] InventoryError),
    /// An enforcing gate gave no answer.
    #[error("cannot issue a certificate: {0}")]
    Gate(GateError),
    /// Nothing was signed, or not what was authorized.
    #[error("cannot issue a certificate: {0}")]
    Sign(#[source] SignError),
    /// It was signed, and revoked before it could be recorded.
    #[error("cannot issue a certificate: {0}")]
    Withdrawn(#[source] Box<Withdrawn>),
    /// The outcome could not be recorded, and so nothing was issued.
    #[error("nothing was issued, because {what} could not be recorded")]
    NotRecorded {
        /// What was to be recorded.
        what: String,
        /// Why it could not be.
        #[source]
        source: JournalError,
    },
}

impl Failure for IssueError {
    fn class(&self) -> Class {
        match self {
            Self::Inventory(error) => error.class(),
            Self::Gate(error) => error.class(),
            Self::Sign(error) => error.class(),
            Self::Withdrawn(error) => error.class(),
            Self::NotRecorded { .. } => Class::NotRecorded,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Inventory(error) => error.reason(),
            Self::Gate(error) => error.reason(),
            Self::Sign(error) => error.reason(),
            Self::Withdrawn(error) => error.reason(),
            Self::NotRecorded { source, .. } => source.reason(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Inventory(error) => error.hints(),
            Self::Gate(error) => error.hints(),
            Self::Sign(error) => error.hints(),
            Self::Withdrawn(error) => error.hints(),
            Self::NotRecorded { source, .. } => source.hints(),
        }
    }

    fn excerpt(&self) -> Option<&crate::diagnostic::Problem> {
        match self {
            Self::Inventory(error) => error.excerpt(),
            _ => None,
        }
    }
}

/// Issues one certificate, or says why not.
///
/// # Errors
/// If the inventory gives no answer, the backend does not sign what was authorized, or the outcome
/// cannot be recorded. A denial is not an error.
pub fn issue(request: CertificateRequest, by: &Issuer<'_>) -> Result<Outcome, IssueError> {
    let holder = request.holder().clone();
    let standing = match by.inventory.standing(&holder) {
        Ok(standing) => standing,
        Err(error) => {
            let recorded =
                journal::record_failed(by.journal, &holder, error.reason(), by.clock.now());
            return Err(unless_unrecorded(recorded, IssueError::Inventory(error)));
        }
    };
    let revocations = by.revocations.known();
    let subject = by
        .subject
        .cloned()
        .unwrap_or_else(|| Subject::from(&holder));
    let now = by.clock.now();
    let decision = authorize_with_gate(request, &standing, revocations, now, &subject, by.gating);
    let authorization = match decision {
        Ok(Decision::Allow(authorization)) => authorization,
        Err(ungated) => {
            let recorded = journal::record_not_authorized(by.journal, &ungated, by.clock.now());
            return Err(unless_unrecorded(
                recorded,
                IssueError::Gate(ungated.error().clone()),
            ));
        }
        Ok(Decision::Deny(denial)) => {
            let recorded = journal::record_denied(by.journal, &denial, by.clock.now());
            let recorded = recorded.map_err(not_recorded(format!("the denial ({denial})")))?;
            return Ok(Outcome::Denied(denial, recorded));
        }
    };
    let signed = match sign(authorization, by.backend, revocations, by.clock) {
        Ok(signed) => signed,
        Err((authorization, error)) => {
            let recorded = journal::record_not_signed(
                by.journal,
                &authorization,
                by.backend.name(),
                &error,
                by.clock.now(),
            );
            return Err(unless_unrecorded(recorded, IssueError::Sign(error)));
        }
    };
    journal::record_issued(by.journal, signed, by.revocations, by.clock.now())
        .map_err(not_recorded("the certificate".to_owned()))?
        .map(|issued| Outcome::Issued(Box::new(issued)))
        .map_err(|withdrawn| IssueError::Withdrawn(Box::new(withdrawn)))
}

fn not_recorded(what: String) -> impl FnOnce(JournalError) -> IssueError {
    move |source| IssueError::NotRecorded { what, source }
}

/// The error itself once it is recorded; that it is not recorded otherwise.
fn unless_unrecorded(recorded: Result<Recorded, JournalError>, error: IssueError) -> IssueError {
    match recorded {
        Ok(_) => error,
        Err(source) => not_recorded(format!("the failure ({})", error.reason()))(source),
    }
}
