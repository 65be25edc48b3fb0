//! A good answer in which bytes were changed after the signature.

use crate::forger::{Forger, Forgery, LABEL, inventory};
use crate::scene::{NOW, actor, blob_of, line, user_key};
use proptest::prelude::*;
use std::sync::{LazyLock, Mutex};
use warden_core::authorize::{Authorization, Decision, authorize};
use warden_core::certificate::{Serial, UnixTime};
use warden_core::clock::FixedClock;
use warden_core::inventory::Standing;
use warden_core::request::CertificateRequest;
use warden_core::revocation::Revocations;
use warden_core::sign::{BackendError, Reply, SigningBackend, TrustedCa, sign};

/// A signer that answers with these bytes.
struct Replayer {
    inner: Forger<fn(&mut Forgery)>,
    blob: Mutex<Vec<u8>>,
}

impl Replayer {
    fn new() -> Self {
        let inner: Forger<fn(&mut Forgery)> = Forger::new(|_| {});
        let reply = inner.sign(&authorization(), NOW).unwrap();
        let blob = Mutex::new(blob_of(std::str::from_utf8(&reply.certificate).unwrap()));
        Self { inner, blob }
    }

    fn accepts(&self, blob: Vec<u8>) -> bool {
        *self.blob.lock().unwrap() = blob;
        sign(
            authorization(),
            self,
            &Revocations::none(),
            &FixedClock(NOW),
        )
        .is_ok()
    }
}

impl SigningBackend for Replayer {
    fn name(&self) -> &'static str {
        "replayer"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        self.inner.trusted_ca()
    }

    fn clock_skew(&self) -> u64 {
        self.inner.clock_skew()
    }

    fn sign(&self, _: &Authorization, _: UnixTime) -> Result<Reply, BackendError> {
        Ok(Reply {
            certificate: line(LABEL, &self.blob.lock().unwrap()).into_bytes(),
            serial: Serial::new(42),
        })
    }
}

fn authorization() -> Authorization {
    static STANDING: LazyLock<Standing> =
        LazyLock::new(|| inventory().path().standing_of(&actor("agt-hub")).unwrap());
    let request = CertificateRequest::new(actor("agt-hub"), user_key(1));
    match authorize(request, &STANDING, &Revocations::none(), NOW) {
        Decision::Allow(authorization) => authorization,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

#[test]
fn no_single_flipped_bit_is_accepted() {
    let replayer = Replayer::new();
    let good = replayer.blob.lock().unwrap().clone();
    assert!(replayer.accepts(good.clone()));
    for bit in 0..good.len() * 8 {
        let mut blob = good.clone();
        blob[bit / 8] ^= 1 << (bit % 8);
        assert!(!replayer.accepts(blob), "byte {}, bit {}", bit / 8, bit % 8);
    }
}

#[test]
fn no_prefix_of_a_certificate_is_accepted() {
    let replayer = Replayer::new();
    let good = replayer.blob.lock().unwrap().clone();
    for length in 0..good.len() {
        assert!(!replayer.accepts(good[..length].to_vec()), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_splice_is_accepted(
        from in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
        put in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let replayer = Replayer::new();
        let good = replayer.blob.lock().unwrap().clone();
        let (from, to) = (from.index(good.len()), to.index(good.len() + 1));
        let mut blob = good.clone();
        blob.splice(from.min(to)..to.max(from), put);
        prop_assert_eq!(replayer.accepts(blob.clone()), blob == good);
    }
}
