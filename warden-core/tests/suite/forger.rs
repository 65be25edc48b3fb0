//! A signer that answers with something other than what it was asked for, and what comes of it.

use crate::scene::{Inventory, NOW, actor, blob_of, line, public_blob, records, string, user_key};
use crate::wire::{Wire, certificate_line, flag, signed_by, valued};
use std::cell::Cell;
use warden_core::authorize::Authorization;
use warden_core::certificate::{CaPublicKey, Fingerprint, Serial, UnixTime};
use warden_core::clock::Clock;
use warden_core::failure::Failure;
use warden_core::issue::{IssueError, Issuer, Outcome, issue};
use warden_core::journal::{self, FileJournal};
use warden_core::request::CertificateRequest;
use warden_core::sign::{BackendError, Reply, SigningBackend, TrustedCa};

/// The seeds of the pinned CA, of another CA, and of the key to be certified.
pub(crate) const CA: u8 = 100;
pub(crate) const OTHER_CA: u8 = 101;
pub(crate) const USER: u8 = 1;

/// How far the forger's clock may differ.
pub(crate) const SKEW: u64 = 5;

/// The label of every certificate here.
pub(crate) const LABEL: &str = "ssh-ed25519-cert-v01@openssh.com";

/// What the forced command of the inventory below is.
pub(crate) const COMMAND: &str = "/usr/bin/rrsync -ro /srv";

pub(crate) fn inventory() -> Inventory {
    Inventory::of([
        (
            "types.toml",
            "[agt]\nextensions = [\"permit-port-forwarding\", \"permit-pty\"]\n",
        ),
        (
            "agt/agt-hub.toml",
            "type = \"agt\"\nprincipals = [\"hub-b\", \"hub-a\"]\nttl = \"1h\"\n\
             force_command = \"/usr/bin/rrsync -ro /srv\"\nsource_address = [\"10.0.0.0/8\"]\n\
             verify_required = true\n",
        ),
    ])
}

/// The answer on its way: first the fields, then the signature, then the bytes, then the line.
pub(crate) struct Forgery {
    pub(crate) wire: Wire,
    pub(crate) sign: fn(&[u8]) -> Vec<u8>,
    pub(crate) blob: fn(&mut Vec<u8>),
    pub(crate) line: fn(String) -> Vec<u8>,
    pub(crate) chosen: Option<Serial>,
}

impl Forgery {
    /// An honest answer.
    fn honest(terms: &Authorization, now: UnixTime) -> Self {
        let user = blob_of(&terms.public_key().to_openssh());
        let listed = terms.principals().iter();
        Self {
            wire: Wire {
                key_type: LABEL.into(),
                nonce: vec![7; 32],
                key_fields: user[string(b"ssh-ed25519").len()..].to_vec(),
                serial: 42,
                cert_type: 1,
                key_id: terms.holder().as_str().into(),
                principals: listed.map(|one| one.as_str().into()).collect(),
                valid_after: now.0 - 30,
                valid_before: now.0 + terms.ttl_at(now).unwrap().seconds(),
                critical_options: vec![
                    valued("force-command", COMMAND),
                    valued("source-address", "10.0.0.0/8"),
                    flag("verify-required"),
                ],
                extensions: vec![flag("permit-port-forwarding"), flag("permit-pty")],
                reserved: Vec::new(),
                ca_key: public_blob(CA),
            },
            sign: |message| signed_by(CA, message),
            blob: |_| {},
            line: String::into_bytes,
            chosen: Some(Serial::new(42).unwrap()),
        }
    }

    fn reply(self) -> Reply {
        let signed = self.wire.to_be_signed();
        let line = certificate_line(LABEL, &signed, &(self.sign)(&signed));
        let mut blob = blob_of(&line);
        (self.blob)(&mut blob);
        Reply {
            certificate: (self.line)(crate::scene::line(LABEL, &blob)),
            serial: self.chosen,
        }
    }
}

/// A signer that alters its honest answer.
pub(crate) struct Forger<F> {
    pub(crate) trusted: CaPublicKey,
    pub(crate) pinned: Option<Fingerprint>,
    pub(crate) alter: F,
}

impl<F: Fn(&mut Forgery)> Forger<F> {
    pub(crate) fn new(alter: F) -> Self {
        Self {
            trusted: ca(&public_blob(CA)),
            pinned: None,
            alter,
        }
    }
}

/// A CA's public key from its wire form.
pub(crate) fn ca(blob: &[u8]) -> CaPublicKey {
    let length = usize::from(blob[3]);
    let label = std::str::from_utf8(&blob[4..4 + length]).unwrap();
    CaPublicKey::from_openssh(line(label, blob).as_bytes()).unwrap()
}

impl<F: Fn(&mut Forgery)> SigningBackend for Forger<F> {
    fn name(&self) -> &'static str {
        "forger"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        Ok(match &self.pinned {
            Some(fingerprint) => TrustedCa::Pinned(fingerprint),
            None => TrustedCa::Key(&self.trusted),
        })
    }

    fn clock_skew(&self) -> u64 {
        SKEW
    }

    fn sign(&self, terms: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        let mut forgery = Forgery::honest(terms, now);
        (self.alter)(&mut forgery);
        Ok(forgery.reply())
    }
}

/// A clock that shows each of these moments once, and then the last for ever. In [`issue`] they are
/// the decision, the sending, the receiving and the recording.
pub(crate) struct Ticking(Vec<UnixTime>, Cell<usize>);

impl Ticking {
    pub(crate) fn new(moments: &[UnixTime]) -> Self {
        Self(moments.to_vec(), Cell::new(0))
    }
}

impl Clock for Ticking {
    fn now(&self) -> UnixTime {
        let at = self.1.replace(self.1.get() + 1);
        self.0[at.min(self.0.len() - 1)]
    }
}

/// The reason the answer is refused for; `None` if it is issued. Either way there must be exactly one
/// record, and it must say the same.
pub(crate) fn refusal(forger: &dyn SigningBackend) -> Option<&'static str> {
    refusal_of(forger, &inventory(), &Ticking::new(&[NOW]))
}

pub(crate) fn refusal_of(
    forger: &dyn SigningBackend,
    inventory: &Inventory,
    clock: &dyn Clock,
) -> Option<&'static str> {
    let state = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend: forger,
        journal: &journal,
        clock,
    };
    let request = CertificateRequest::new(actor("agt-hub"), user_key(USER));
    let outcome = issue(request, &by);
    let [record] = &records(state.path())[..] else {
        panic!("not one record");
    };
    let entry = &record.entry;
    assert_eq!(entry.facts.actor.as_deref(), Some("agt-hub"));
    assert_eq!(entry.facts.backend.as_deref(), Some("forger"));
    match outcome {
        Ok(Outcome::Issued(issued)) => {
            assert_eq!(entry.outcome, journal::Outcome::Issued);
            assert_eq!(entry.reason, None);
            let serial = issued.signed().serial().to_string();
            assert_eq!(entry.facts.serial, Some(serial));
            None
        }
        Err(IssueError::Sign(error)) => {
            assert_eq!(entry.outcome, journal::Outcome::Failed);
            assert_eq!(entry.reason.as_deref(), Some(error.reason()));
            assert_eq!(entry.facts.serial, None);
            assert_eq!(error.class().as_str(), "untrusted");
            Some(error.reason())
        }
        other => panic!("{other:?}"),
    }
}
