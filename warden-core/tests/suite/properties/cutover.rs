//! Nothing that a check reads makes it panic, and nothing unread makes it pass.

use proptest::prelude::*;
use warden_core::certificate::CaPublicKey;
use warden_core::cutover::check::{Check, Verdict};
use warden_core::cutover::parity::Role;
use warden_core::cutover::preflight::{Container, sshd_loglevel, sshd_version_at_least};
use warden_core::sign::local::CaKey;
use warden_core::sign::sshsig::{Namespace, sign, verify};

fn ca() -> (CaKey, CaPublicKey) {
    let key = CaKey::from_ed25519_seed(&[7; 32]).unwrap();
    let public = key.public().clone();
    (key, public)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Role::from_json(&bytes).is_err());
        prop_assert!(Container::from_json(&bytes).is_err());
        prop_assert!(verify(&bytes, &ca().1, Namespace::Preflight, &bytes).is_err());
    }

    #[test]
    fn any_text_of_an_sshd_is_judged(text in any::<String>()) {
        prop_assert_eq!(sshd_loglevel(&text).verdict, Verdict::Fail);
        prop_assert_eq!(sshd_version_at_least(&text, (8, 2)).verdict, Verdict::Fail);
    }

    #[test]
    fn any_fact_stays_on_its_line(value in any::<String>()) {
        let line = Check::pass("code").with("key", &value).to_string();
        prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", line);
        prop_assert!(line.starts_with("PASS code key="));
    }

    #[test]
    fn a_signature_holds_for_its_message_alone(message in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
        let (key, public) = ca();
        let armored = sign(&key, Namespace::Evidence, &message).unwrap();
        let holds = |namespace, message: &[u8]| verify(armored.as_bytes(), &public, namespace, message).is_ok();
        prop_assert!(holds(Namespace::Evidence, &message));
        prop_assert!(!holds(Namespace::Preflight, &message));
        prop_assert_eq!(holds(Namespace::Evidence, &other), message == other);
    }
}
