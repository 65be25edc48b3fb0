//! Whatever a signer alters, nothing is issued, and the record says what was altered.

mod answer;
mod fields;
mod powers;
mod rsa;
mod tampering;
mod window;

use crate::forger::{CA, Forger, Forgery, LABEL, OTHER_CA, Ticking, ca, inventory, refusal};
use crate::scene::{NOW, actor, public_blob, string, user_key};
use crate::wire::signed_by;
use warden_core::certificate::Fingerprint;
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;

/// What is altered, how, and the reason it is refused for; `None` where it does no harm.
type Case = (&'static str, fn(&mut Forgery), Option<&'static str>);

fn assert_each(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (what, alter, expected) in cases {
        let found = refusal(&Forger::new(alter));
        if found != *expected {
            wrong.push(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_honest_answer_is_issued() {
    assert_eq!(refusal(&Forger::new(|_| {})), None);
}

#[test]
fn a_certificate_as_the_ca_key_is_refused() {
    let nested = |f: &mut Forgery| {
        let inner = f.wire.to_be_signed();
        let signature = signed_by(CA, &inner);
        f.wire.ca_key = [inner, string(&signature)].concat();
    };
    let found = refusal(&Forger::new(nested));
    assert_eq!(found, Some("ca_mismatch"));
}

#[test]
fn what_is_delivered_is_the_certificate_that_was_checked() {
    // The line is written anew from the bytes that were checked, whatever stood around them.
    let found = issued_line(|f| f.line = |line| format!("{line} \n").into_bytes());
    assert_eq!(found, issued_line(|_| {}));
    assert!(found.starts_with(LABEL) && found.ends_with('\n'));
}

fn issued_line(alter: fn(&mut Forgery)) -> String {
    let inventory = inventory();
    let state = tempfile::tempdir().unwrap();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend: &Forger::new(alter),
        journal: &FileJournal::open(state.path()).unwrap(),
        clock: &Ticking::new(&[NOW]),
    };
    let request = CertificateRequest::new(actor("agt-hub"), user_key(1));
    match issue(request, &by).unwrap() {
        Outcome::Issued(issued) => issued.to_openssh(),
        Outcome::Denied(denial, _) => panic!("{denial}"),
    }
}

#[test]
fn a_pinned_fingerprint_takes_its_own_key_and_no_other() {
    let pinned = |seed, alter: fn(&mut Forgery)| {
        let mut forger = Forger::new(alter);
        forger.pinned = Some(ca(&public_blob(seed)).fingerprint().clone());
        refusal(&forger)
    };
    assert_eq!(pinned(CA, |_| {}), None);
    assert_eq!(pinned(OTHER_CA, |_| {}), Some("ca_mismatch"));
    assert_eq!(
        pinned(CA, |f| f.sign = |message| signed_by(OTHER_CA, message)),
        Some("signature_mismatch")
    );
    assert_eq!(
        pinned(CA, |f| f.wire.reserved = vec![0]),
        Some("not_canonical")
    );
}

#[test]
fn a_pinned_weak_key_is_refused() {
    // For the point of order 1 anybody can make a signature.
    let mut weak = [0; 32];
    weak[0] = 1;
    let blob = [string(b"ssh-ed25519"), string(&weak)].concat();
    let digest = ssh_key::PublicKey::from_bytes(&blob).unwrap();
    let text = digest.fingerprint(ssh_key::HashAlg::Sha256).to_string();
    let mut forger = Forger::new(move |f: &mut Forgery| f.wire.ca_key = blob.clone());
    forger.pinned = Fingerprint::parse(&text);
    assert!(forger.pinned.is_some());
    assert_eq!(refusal(&forger), Some("ca_mismatch"));
}
