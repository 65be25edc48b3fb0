//! Any content of a public key file: it is refused, or what was read prints and reads back as itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use warden_core::certificate::PublicKey;

fuzz_target!(|content: &[u8]| {
    if let Ok(key) = PublicKey::from_blob(content) {
        reads_back(&key);
    }
    if let Ok(key) = PublicKey::from_openssh(content) {
        reads_back(&key);
    }
});

fn reads_back(key: &PublicKey) {
    let again = PublicKey::from_openssh(key.to_openssh().as_bytes());
    assert_eq!(again.as_ref(), Ok(key));
}
