//! The window of a certificate, each edge met exactly and missed by a second.

use crate::forger::{Forger, Forgery, SKEW, Ticking, inventory, refusal, refusal_of};
use crate::scene::{Inventory, NOW, actor, records, user_key};
use warden_core::certificate::UnixTime;
use warden_core::failure::Failure;
use warden_core::issue::{Issuer, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;

const HOUR: u64 = 3600;

/// How long before the moment of sending a certificate may begin, beyond the skew.
const LONGEST_BACKDATE: u64 = 300;

fn after(moment: u64) -> Option<&'static str> {
    refusal(&Forger::new(move |f: &mut Forgery| {
        f.wire.valid_after = moment;
    }))
}

fn before(moment: u64) -> Option<&'static str> {
    refusal(&Forger::new(move |f: &mut Forgery| {
        f.wire.valid_before = moment;
    }))
}

#[test]
fn it_begins_neither_too_early_nor_too_late() {
    let wrong = Some("valid_after_mismatch");
    let (earliest, latest) = (NOW.0 - LONGEST_BACKDATE - SKEW, NOW.0 + SKEW);
    assert_eq!(after(earliest), None);
    assert_eq!(after(earliest + 1), None);
    assert_eq!(after(earliest - 1), wrong);
    assert_eq!(after(0), wrong);
    assert_eq!(after(NOW.0), None);
    assert_eq!(after(latest), None);
    assert_eq!(after(latest - 1), None);
    assert_eq!(after(latest + 1), wrong);
    assert_eq!(after(u64::MAX), wrong);
}

#[test]
fn it_ends_neither_too_early_nor_too_late() {
    let wrong = Some("valid_before_mismatch");
    let (earliest, latest) = (NOW.0 + HOUR - SKEW, NOW.0 + HOUR + SKEW);
    assert_eq!(before(earliest), None);
    assert_eq!(before(earliest - 1), wrong);
    assert_eq!(before(latest), None);
    assert_eq!(before(latest + 1), wrong);
    assert_eq!(before(NOW.0), wrong);
    assert_eq!(before(0), wrong);
    // Milliseconds instead of seconds.
    assert_eq!(before((NOW.0 + HOUR) * 1000), wrong);
}

#[test]
fn a_certificate_without_an_end_is_refused() {
    let wrong = Some("valid_before_mismatch");
    for endless in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        assert_eq!(before(endless), wrong);
    }
}

#[test]
fn the_time_a_signer_takes_widens_the_later_edges_only() {
    let taken = 20;
    let slow = |alter: &dyn Fn(&mut Forgery)| {
        let clock = Ticking::new(&[NOW, NOW, NOW.plus(taken)]);
        refusal_of(&Forger::new(alter), &inventory(), &clock)
    };
    let after = |moment| slow(&move |f| f.wire.valid_after = moment);
    let before = |moment| slow(&move |f| f.wire.valid_before = moment);
    let earliest = NOW.0 - LONGEST_BACKDATE - SKEW;
    assert_eq!(after(NOW.0 + taken + SKEW), None);
    assert_eq!(
        after(NOW.0 + taken + SKEW + 1),
        Some("valid_after_mismatch")
    );
    assert_eq!(after(earliest), None);
    assert_eq!(after(earliest - 1), Some("valid_after_mismatch"));
    assert_eq!(before(NOW.0 + taken + HOUR + SKEW), None);
    let late = before(NOW.0 + taken + HOUR + SKEW + 1);
    assert_eq!(late, Some("valid_before_mismatch"));
    assert_eq!(before(NOW.0 + HOUR - SKEW), None);
    let early = before(NOW.0 + HOUR - SKEW - 1);
    assert_eq!(early, Some("valid_before_mismatch"));
}

/// An actor that ends at 2026-11-23 00:00 UTC, half an hour after the request.
const END: UnixTime = UnixTime(NOW.0 + 12 * HOUR);

fn near_the_end(valid_before: u64) -> Option<&'static str> {
    let inventory = inventory();
    let content = std::fs::read_to_string(inventory.directory().join("agt/agt-hub.toml")).unwrap();
    inventory.write("agt/agt-hub.toml", content + "expires = 2026-11-23\n");
    let sent = END.minus(HOUR / 2);
    // The signer takes 20 s, which must not carry the certificate beyond the actor's end.
    let clock = Ticking::new(&[sent, sent, sent.plus(20)]);
    let forger = Forger::new(move |f: &mut Forgery| f.wire.valid_before = valid_before);
    refusal_of(&forger, &inventory, &clock)
}

#[test]
fn no_certificate_outlives_its_actor() {
    let wrong = Some("valid_before_mismatch");
    assert_eq!(near_the_end(END.0), None);
    assert_eq!(near_the_end(END.0 - SKEW), None);
    assert_eq!(near_the_end(END.0 - SKEW - 1), wrong);
    assert_eq!(near_the_end(END.0 + 1), wrong);
    assert_eq!(near_the_end(END.0 + SKEW), wrong);
    assert_eq!(near_the_end(END.0 + HOUR / 2), wrong);
}

#[test]
fn an_actor_that_ends_while_the_request_is_under_way_is_given_nothing() {
    let files = "type = \"agt\"\nprincipals = [\"a\"]\nexpires = 2026-11-23\n";
    let inventory = Inventory::of([("agt/agt-hub.toml", files)]);
    let clock = Ticking::new(&[END.minus(1), END]);
    let state = tempfile::tempdir().unwrap();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend: &Forger::new(|_: &mut Forgery| panic!("asked to sign")),
        journal: &FileJournal::open(state.path()).unwrap(),
        clock: &clock,
    };
    let request = CertificateRequest::new(actor("agt-hub"), user_key(1));
    let error = issue(request, &by).unwrap_err();
    assert_eq!(error.reason(), "actor_expired");
    let records = records(state.path());
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].entry.reason.as_deref(), Some("actor_expired"));
}
