//! What is revoked while a certificate is being signed: the certificate is not issued, or it is found.

use super::{At, State, later, serial, why};
use crate::forger::{CA, inventory};
use crate::scene::{NOW, actor, records, user_key};
use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use warden_core::authorize::Authorization;
use warden_core::certificate::UnixTime;
use warden_core::clock::{Clock, FixedClock};
use warden_core::failure::{Class, Failure};
use warden_core::gate::Gating;
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::{Entry, FileJournal, Journal};
use warden_core::request::CertificateRequest;
use warden_core::revocation::{Item, Target, load, revoke, undo};
use warden_core::sign::local::{CaKey, LocalCa};
use warden_core::sign::{BackendError, Reply, SigningBackend, TrustedCa};

/// A CA that signs, and then something happens before it answers.
struct Slow<'a>(LocalCa, &'a dyn Fn());

impl SigningBackend for Slow<'_> {
    fn name(&self) -> &'static str {
        "local"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        self.0.trusted_ca()
    }

    fn clock_skew(&self) -> u64 {
        self.0.clock_skew()
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        let signed = self.0.sign(authorization, now);
        (self.1)();
        signed
    }
}

fn ca() -> LocalCa {
    LocalCa::with_key(CaKey::from_ed25519_seed(&[CA; 32]).unwrap())
}

/// What comes of a request for `agt-hub` while something happens: the reason of its failure.
fn signing(state: &State, meanwhile: &dyn Fn()) -> Option<(Class, &'static str)> {
    let inventory = inventory();
    let by = Issuer {
        revocations: &load(&state.path()).unwrap(),
        gating: Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend: &Slow(ca(), meanwhile),
        journal: &state.journal,
        clock: &FixedClock(NOW),
    };
    let request = CertificateRequest::new(actor("agt-hub"), user_key(1));
    match issue(request, &by) {
        Ok(Outcome::Issued(_)) => None,
        Ok(Outcome::Denied(denial, _)) => panic!("{denial}"),
        Err(error) => Some((error.class(), error.reason())),
    }
}

#[test]
fn what_is_revoked_while_it_is_signed_is_recorded_as_failed_and_not_issued() {
    let fingerprint = ca().trusted_ca().unwrap().fingerprint().clone();
    for (target, reason) in [
        (Target::Actor(actor("agt-hub")), "actor_revoked"),
        (
            Target::Key(user_key(1).fingerprint().clone()),
            "key_revoked",
        ),
        (Target::Ca(fingerprint), "ca_revoked"),
    ] {
        for before in [false, true] {
            let state = State::new();
            if before {
                state.revoke(&Target::Actor(actor("agt-other")));
            }
            let revoking = || {
                state.revoke(&target);
            };
            let came = signing(&state, &revoking);
            assert_eq!(came, Some((Class::Refused, reason)));
            let records = records(&state.path());
            let last = &records.last().unwrap().entry;
            let said = serde_json::to_value(last).unwrap();
            assert_eq!(
                (&said["outcome"], &said["reason"]),
                (&"failed".into(), &reason.into())
            );
            assert_eq!(said["serial"], serde_json::Value::Null);
            assert_eq!(records.len(), 2 + usize::from(before));
        }
    }
}

#[test]
fn what_others_lose_meanwhile_is_no_hindrance() {
    let state = State::new();
    let others = || {
        state.revoke(&Target::Actor(actor("agt-other")));
        state.revoke(&Target::Key(user_key(2).fingerprint().clone()));
    };
    assert_eq!(signing(&state, &others), None);
    let back_again = || {
        state.revoke(&Target::Actor(actor("agt-hub")));
        undo(
            &state.journal,
            &[],
            &Target::Actor(actor("agt-hub")),
            &why(),
            &At(NOW),
        )
        .unwrap();
    };
    assert_eq!(signing(&state, &back_again), None);
}

#[test]
fn what_is_no_longer_known_when_it_is_recorded_is_not_issued() {
    let state = State::new();
    state.revoke(&Target::Actor(actor("agt-other")));
    let file = state.path().join("revocations.json");
    let torn = || std::fs::write(&file, "{").unwrap();
    let came = signing(&state, &torn);
    assert_eq!(came, Some((Class::Malformed, "revocations_malformed")));
    std::fs::remove_file(&file).unwrap();
    undo(
        &state.journal,
        &[],
        &Target::Actor(actor("agt-other")),
        &why(),
        &At(NOW),
    )
    .unwrap();
    let gone = || std::fs::remove_file(&file).unwrap();
    let came = signing(&state, &gone);
    assert_eq!(came, Some((Class::Malformed, "revocations_missing")));
}

/// A clock that is asked between the record of a revocation and its file, and does something then.
struct Between<'a> {
    state: &'a Path,
    then: Cell<Option<Box<dyn FnOnce() + 'a>>>,
}

impl Clock for Between<'_> {
    fn now(&self) -> UnixTime {
        let journal = std::fs::read_to_string(self.state.join("journal.jsonl"));
        if journal.is_ok_and(|text| text.contains("\"revocation\""))
            && let Some(then) = self.then.take()
        {
            then();
        }
        NOW
    }
}

#[test]
fn a_certificate_that_is_just_being_recorded_is_found_by_who_revokes_its_actor() {
    let state = State::new();
    // Not of the actor, so that there is a journal.
    state.issued(9, later(1));
    let path = state.path();
    let file = path.join("revocations.json");
    let entry: Entry = serde_json::from_value(serde_json::json!({
        "kind": "certificate", "outcome": "issued", "actor": "agt-b", "serial": "7",
        "valid_before": later(3600).to_string(), "public_key": user_key(2).fingerprint().as_str(),
        "ca_fingerprint": user_key(1).fingerprint().as_str(),
    }))
    .unwrap();
    let (looked, has_looked) = mpsc::channel();
    std::thread::scope(|scope| {
        let clock = Between {
            state: &path,
            then: Cell::new(Some(Box::new(|| {
                scope.spawn(|| {
                    let journal = FileJournal::open(&path).unwrap();
                    let mut entry = || {
                        // The file does not name the actor yet: the certificate is good.
                        assert!(
                            !file.exists()
                                || !std::fs::read_to_string(&file).unwrap().contains("agt-b")
                        );
                        looked.send(()).unwrap();
                        while !std::fs::read_to_string(&file)
                            .unwrap_or_default()
                            .contains("agt-b")
                        {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        std::thread::sleep(Duration::from_millis(100));
                        entry.clone()
                    };
                    journal.append_with(&mut entry, NOW).unwrap();
                });
                has_looked.recv().unwrap();
            }))),
        };
        let done = revoke(
            &state.journal,
            &[],
            &Target::Actor(actor("agt-b")),
            &why(),
            &clock,
        )
        .unwrap();
        let certificate = Item::certificate(
            user_key(1).fingerprint().clone(),
            serial(7),
            later(3600),
            Some(actor("agt-b")),
        );
        assert!(done.items.contains(&certificate), "{:?}", done.items);
        assert_eq!(done.live, 1);
    });
}
