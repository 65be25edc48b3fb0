//! Has both signers sign now, and compares the certificates.
//!
//! - Both go through the one pipeline: the same bounds and gate, the same check afterwards, a record of
//!   each. What the bounds refuse reaches neither, so decisions are compared from roles, not here.
//! - The key is made in memory and its private half dropped before anything is signed. The
//!   certificates are compared and dropped; nobody could use them.
//! - They live 60 s at most.

use super::{Expected, Known, certificates};
use crate::certificate::{Parsed, PublicKey, UnixTime};
use crate::cutover::check::{Check, Report};
use crate::cutover::trial;
use crate::failure::Failure;
use crate::inventory::ActorName;
use crate::issue::{Issuer, Outcome, issue};

/// How long a certificate of a comparison lives at most, in seconds.
pub const MAX_LIVE_SECONDS: u64 = 60;

/// Signs for `actor` and a key that nobody has, once with each, and compares.
pub fn live(
    actor: &ActorName,
    key: &PublicKey,
    old: &Issuer<'_>,
    new: &Issuer<'_>,
    expected: &Expected,
) -> Report {
    let mut report = Report::default();
    let one = signed("parity_old_signed", actor, key, old, &mut report);
    let other = signed("parity_new_signed", actor, key, new, &mut report);
    if let (Some((one, at_one)), Some((other, at_other))) = (&one, &other) {
        let known = |certificate, at: &(UnixTime, UnixTime)| Known {
            certificate,
            signed: Some(*at),
        };
        let compared = certificates(known(one, at_one), known(other, at_other), expected);
        report.extend(compared.checks().iter().cloned());
    }
    report
}

fn signed(
    code: &'static str,
    actor: &ActorName,
    key: &PublicKey,
    by: &Issuer<'_>,
    report: &mut Report,
) -> Option<(Parsed, (UnixTime, UnixTime))> {
    let request = trial::request(actor, key.clone(), MAX_LIVE_SECONDS, by.inventory);
    let asked = by.clock.now();
    let failed = |reason: &str| {
        Check::fail(code)
            .with("backend", by.backend.name())
            .with("reason", reason)
    };
    let (check, found) = match issue(request, by) {
        Err(error) => (failed(error.reason()), None),
        Ok(Outcome::Denied(denial, _)) => (failed(denial.reason()), None),
        Ok(Outcome::Issued(issued)) => {
            let signed = issued.signed();
            let check = Check::pass(code)
                .with("backend", signed.backend())
                .with("serial", signed.serial())
                .with("ca", signed.ca_fingerprint())
                .with("event", issued.recorded().event_id.as_str());
            match Parsed::from_line(issued.to_openssh().as_bytes()) {
                Ok(parsed) => (check, Some((parsed, (asked, by.clock.now())))),
                Err(error) => (failed(error.reason()), None),
            }
        }
    };
    report.push(check);
    found
}
