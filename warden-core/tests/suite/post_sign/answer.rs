//! An answer that is signed otherwise, or is no certificate.

use super::assert_each;
use crate::forger::{CA, LABEL, OTHER_CA};
use crate::scene::{pair, public_blob};
use crate::wire::{signature, signed_by};
use ed25519_dalek::Signer;

#[test]
fn another_ca_or_signature_is_refused() {
    assert_each(&[
        (
            "another CA, signing for itself",
            |f| {
                f.wire.ca_key = public_blob(OTHER_CA);
                f.sign = |message| signed_by(OTHER_CA, message);
            },
            Some("ca_mismatch"),
        ),
        (
            "another CA's name over the right signature",
            |f| f.wire.ca_key = public_blob(OTHER_CA),
            Some("ca_mismatch"),
        ),
        (
            "the subject as its own CA",
            |f| {
                f.wire.ca_key = public_blob(1);
                f.sign = |message| signed_by(1, message);
            },
            Some("ca_mismatch"),
        ),
        (
            "the right name, signed by another key",
            |f| f.sign = |message| signed_by(OTHER_CA, message),
            Some("signature_mismatch"),
        ),
        (
            "a signature over other bytes",
            |f| f.sign = |message| signed_by(CA, &message[1..]),
            Some("signature_mismatch"),
        ),
        (
            "a signature with one bit flipped",
            |f| {
                f.sign = |message| {
                    let mut bytes = signed_by(CA, message);
                    *bytes.last_mut().unwrap() ^= 0x10;
                    bytes
                }
            },
            Some("signature_mismatch"),
        ),
        (
            "another algorithm's name",
            |f| {
                f.sign = |message| signature("rsa-sha2-512", &pair(CA).sign(message).to_bytes());
            },
            Some("signature_mismatch"),
        ),
        (
            "an empty signature",
            |f| f.sign = |_| Vec::new(),
            Some("signature_mismatch"),
        ),
        (
            "a signature of zeros",
            |f| f.sign = |_| signature("ssh-ed25519", &[0; 64]),
            Some("signature_mismatch"),
        ),
        (
            "bytes behind the signature, inside its field",
            |f| f.sign = |message| [signed_by(CA, message), vec![0]].concat(),
            Some("signature_mismatch"),
        ),
        (
            "a non-empty reserved field",
            |f| f.wire.reserved = b"x".into(),
            Some("not_canonical"),
        ),
    ]);
}

#[test]
fn an_answer_that_is_not_one_certificate_is_refused() {
    const REASON: Option<&str> = Some("answer_not_a_certificate");
    assert_each(&[
        ("nothing", |f| f.line = |_| Vec::new(), REASON),
        ("a newline", |f| f.line = |_| b"\n".into(), REASON),
        (
            "garbage",
            |f| f.line = |_| vec![0xff, 0, 0x1b, b'[', 7],
            REASON,
        ),
        (
            "a web page",
            |f| f.line = |_| b"<html>503</html>".into(),
            REASON,
        ),
        ("the label alone", |f| f.line = |_| LABEL.into(), REASON),
        (
            "two certificates",
            |f| f.line = |line| format!("{line}\n{line}\n").into_bytes(),
            REASON,
        ),
        (
            "an empty line before it",
            |f| f.line = |line| format!("\n{line}\n").into_bytes(),
            REASON,
        ),
        (
            "CRLF",
            |f| f.line = |line| format!("{line}\r\n").into_bytes(),
            REASON,
        ),
        (
            "the label of the plain key",
            |f| f.line = |line| line.replace("-cert-v01@openssh.com", "").into_bytes(),
            REASON,
        ),
        (
            "the label of another type",
            |f| f.line = |line| line.replace("ssh-ed25519-", "ssh-rsa-").into_bytes(),
            REASON,
        ),
        (
            "another type inside",
            |f| f.wire.key_type = b"ssh-rsa-cert-v01@openssh.com".into(),
            REASON,
        ),
        (
            "bytes behind the signature",
            |f| f.blob = |blob| blob.push(0),
            REASON,
        ),
        (
            "a byte missing",
            |f| f.blob = |blob| blob.truncate(blob.len() - 1),
            REASON,
        ),
        (
            "a plain key",
            |f| f.line = |_| crate::scene::user_key(1).to_openssh().into_bytes(),
            REASON,
        ),
        (
            "a comment",
            |f| f.line = |line| format!("{line} me@host\n").into_bytes(),
            Some("answer_trailing_bytes"),
        ),
        (
            "a carriage return as the comment",
            |f| f.line = |line| format!("{line} \r\n").into_bytes(),
            Some("answer_trailing_bytes"),
        ),
        (
            "one newline at the end",
            |f| f.line = |line| format!("{line}\n").into_bytes(),
            None,
        ),
    ]);
}
