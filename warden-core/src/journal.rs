//! The journal: one record for every decision, on disk before anything is handed out.
//!
//! - An [`IssuedCertificate`] exists only once its record is written and synced; nothing else can be
//!   printed or delivered.
//! - Denials and failures are recorded in the same way.
//! - A record holds typed facts only: never a secret, a certificate's body, or free text of a server.
//! - Records are chained; the form is described in `wiki/reference/journal.md`.

mod chain;
mod file;
mod record;

pub use chain::{ChainError, Head, Verified, read_head, read_records, verify};
pub use file::{FileJournal, JournalError, LOCK_WAIT};
pub use record::{CutoverFacts, Entry, EventId, Facts, Kind, Outcome, Record, Recorded};

use crate::authorize::{Authorization, Denial, Ungated};
use crate::certificate::UnixTime;
use crate::failure::Failure;
use crate::inventory::{ActorName, Holder};
use crate::revocation::{self, RevocationSource, Step, Withdrawn};
use crate::sign::SignedCertificate;
use std::collections::BTreeMap;

/// Somewhere records are kept.
///
/// # Laws
/// - When `append` returns `Ok`, the record survives a crash.
/// - Records are in one order with one chain, whoever appends.
/// - When it fails, no part of the record is left that a later record could be chained onto.
/// - `entry` is asked at most once, while nobody else can add a record.
pub trait Journal {
    /// Adds the record that `entry` gives. `at` is the moment of the decision.
    ///
    /// # Errors
    /// If the record cannot be made durable.
    fn append_with(
        &self,
        entry: &mut dyn FnMut() -> Entry,
        at: UnixTime,
    ) -> Result<Recorded, JournalError>;

    /// Adds one record. `at` is the moment of the decision.
    ///
    /// # Errors
    /// If the record cannot be made durable.
    fn append(&self, entry: &Entry, at: UnixTime) -> Result<Recorded, JournalError> {
        self.append_with(&mut || entry.clone(), at)
    }
}

/// A certificate whose record is on disk: the only kind that can be delivered.
#[derive(Debug)]
pub struct IssuedCertificate {
    signed: SignedCertificate,
    recorded: Recorded,
}

impl IssuedCertificate {
    /// The certificate as one line, `type base64` and a newline.
    pub fn to_openssh(&self) -> String {
        self.signed.certificate().to_line()
    }

    /// What was signed.
    pub fn signed(&self) -> &SignedCertificate {
        &self.signed
    }

    /// Its record.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}

/// Records a signed certificate and thereby issues it, or that it was withdrawn, if what it is made of
/// is revoked by now.
///
/// # Errors
/// If the record cannot be made durable; the certificate is then gone.
pub fn record_issued(
    journal: &dyn Journal,
    signed: SignedCertificate,
    revocations: &dyn RevocationSource,
    at: UnixTime,
) -> Result<Result<IssuedCertificate, Withdrawn>, JournalError> {
    let mut good = Ok(());
    let mut entry = || {
        good = revocation::still_good(&signed, revocations);
        match &good {
            Ok(()) => Entry::issued(&signed),
            Err(error) => Entry::not_signed(signed.authorization(), signed.backend(), error),
        }
    };
    let recorded = journal.append_with(&mut entry, at)?;
    Ok(good.map(|()| IssuedCertificate { signed, recorded }))
}

/// Records a denial.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_denied(
    journal: &dyn Journal,
    denial: &Denial,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::denied(denial), at)
}

/// Records that an authorized request was not signed.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_not_signed(
    journal: &dyn Journal,
    authorization: &Authorization,
    backend: &'static str,
    error: &dyn Failure,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::not_signed(authorization, backend, error), at)
}

/// Records that a request inside its bounds was not authorized, because the gate gave no answer.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_not_authorized(
    journal: &dyn Journal,
    ungated: &Ungated,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::not_authorized(ungated), at)
}

/// Records that a request for `holder` failed before it could be decided.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_failed(
    journal: &dyn Journal,
    holder: &Holder,
    reason: &'static str,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::failed(holder, reason), at)
}

/// Records what a trial of the path to a certificate showed: for each check, what came of it.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_smoke(
    journal: &dyn Journal,
    actor: &ActorName,
    holds: bool,
    checks: BTreeMap<String, String>,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::smoke(actor, holds, checks), at)
}

/// Records that something was revoked, or given back.
///
/// # Errors
/// If the record cannot be made durable.
pub fn record_revocation(
    journal: &dyn Journal,
    step: &Step,
    at: UnixTime,
) -> Result<Recorded, JournalError> {
    journal.append(&Entry::revoked(step), at)
}
