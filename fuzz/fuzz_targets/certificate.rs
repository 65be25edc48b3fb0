//! Any line somebody may call a certificate: it is read and verified, or refused, in bounded time.
//!
//! Most inputs would fail in the base64; so the input is also taken for the bytes inside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use warden_core::certificate::{Parsed, option_value};

fuzz_target!(|content: &[u8]| {
    read(content);
    for label in [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "sk-ssh-ed25519",
    ] {
        let line = format!(
            "{label}-cert-v01@openssh.com {}",
            warden_fuzz::base64(content)
        );
        read(line.as_bytes());
    }
});

fn read(line: &[u8]) {
    let Ok(parsed) = Parsed::from_line(line) else {
        return;
    };
    // Verified or not, everything in it can be shown.
    let _verified = parsed.verify().is_ok();
    let options = parsed.critical_options().chain(parsed.extensions());
    let values = options.filter_map(|(_, data)| option_value(data)).count();
    assert!(values <= line.len());
    assert!(parsed.principals().count() <= line.len());
    let _shown = (
        parsed.ca_fingerprint(),
        parsed.public_key_fingerprint(),
        parsed.signature_algorithm(),
        parsed.ca_key_type(),
    );
}
