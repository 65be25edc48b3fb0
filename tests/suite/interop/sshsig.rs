//! Signatures over messages, ours read by `ssh-keygen -Y` and theirs by us.

use ssh_encoding::base64::{Base64, Encoding};
use std::path::Path;
use warden_core::certificate::{CaPublicKey, CertificateError, Parsed};
use warden_core::failure::Failure;
use warden_core::sign::local::{CaKey, CaKeyFile};
use warden_core::sign::sshsig::{Namespace, SshSigError, sign, verify};
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;

const MESSAGE: &[u8] = b"a message\nof two lines\n";

fn open(key: &Key) -> CaKey {
    let file = CaKeyFile {
        path: key.path().to_owned(),
        passphrase_file: None,
    };
    file.open().unwrap()
}

fn public(key: &Key) -> CaPublicKey {
    CaPublicKey::from_openssh(key.public_line().as_bytes()).unwrap()
}

/// `ssh-keygen -Y verify` of the signature in a file, for this key and namespace.
fn keygen_verifies(sandbox: &Sandbox, key: &Key, namespace: &str, signature: &Path) -> Outcome {
    let signers = format!("ca namespaces=\"*@warden\" {}\n", key.public_line());
    let signers = sandbox.write("signers", signers, 0o600);
    let program = sandbox
        .program("ssh-keygen")
        .args(["-Y", "verify", "-I", "ca", "-n", namespace, "-f"]);
    program
        .arg(signers)
        .arg("-s")
        .arg(signature)
        .stdin(MESSAGE)
        .run()
}

/// What `ssh-keygen -Y sign` makes.
fn keygen_signs(sandbox: &Sandbox, key: &Key, namespace: &str, args: &[&str]) -> Vec<u8> {
    let program = sandbox
        .program("ssh-keygen")
        .args(["-Y", "sign", "-n", namespace])
        .args(args);
    let signed = program.arg("-f").arg(key.path()).stdin(MESSAGE).run();
    signed.expect_success().stdout.into_bytes()
}

#[test]
fn openssh_verifies_our_signatures_of_every_key_type() {
    let sandbox = Sandbox::new();
    for (at, key_type) in KeyType::ALL.into_iter().enumerate() {
        let key = Key::make(sandbox.path(), &format!("ca{at}"), key_type);
        for namespace in [Namespace::Preflight, Namespace::Evidence] {
            let armored = sign(&open(&key), namespace, MESSAGE).unwrap();
            let signature = sandbox.write("sig", &armored, 0o600);
            keygen_verifies(&sandbox, &key, namespace.as_str(), &signature).check();
            let other = keygen_verifies(&sandbox, &key, "file", &signature);
            assert!(!other.succeeded(), "{key_type:?}: {other}");
            let program = sandbox.program("ssh-keygen");
            let program = program.args(["-Y", "check-novalidate", "-n", namespace.as_str(), "-s"]);
            let checked = program
                .arg(&signature)
                .stdin(MESSAGE)
                .run()
                .expect_success();
            assert!(
                checked.stdout.contains(public(&key).fingerprint().as_str()),
                "{checked}"
            );
            verify(armored.as_bytes(), &public(&key), namespace, MESSAGE).unwrap();
        }
    }
}

#[test]
fn we_verify_what_openssh_signs_and_nothing_else() {
    let sandbox = Sandbox::new();
    let other = Key::make(sandbox.path(), "other", KeyType::Ed25519);
    for (at, key_type) in KeyType::ALL.into_iter().enumerate() {
        let key = Key::make(sandbox.path(), &format!("ca{at}"), key_type);
        let name = Namespace::Evidence.as_str();
        let judged = |armored: &[u8], key: &Key, message: &[u8]| {
            verify(armored, &public(key), Namespace::Evidence, message)
        };
        for args in [&[][..], &["-O", "hashalg=sha256"]] {
            let armored = keygen_signs(&sandbox, &key, name, args);
            judged(&armored, &key, MESSAGE).unwrap();
            let differs = judged(&armored, &other, MESSAGE).unwrap_err();
            assert_eq!(differs.reason(), "signature_key_differs");
            let changed = judged(&armored, &key, b"a message\nof two lines").unwrap_err();
            assert_eq!(changed, SshSigError::False);
            assert_eq!(changed.reason(), "signature_false");
        }
        let foreign = keygen_signs(&sandbox, &key, "file", &[]);
        let foreign = judged(&foreign, &key, MESSAGE).unwrap_err();
        assert_eq!(foreign.reason(), "signature_namespace_differs");
    }
}

#[test]
fn a_changed_or_longer_signature_does_not_hold() {
    let sandbox = Sandbox::new();
    let key = Key::make(sandbox.path(), "ca", KeyType::Ed25519);
    let armored = sign(&open(&key), Namespace::Preflight, MESSAGE).unwrap();
    let judged = |text: &[u8]| verify(text, &public(&key), Namespace::Preflight, MESSAGE);
    judged(armored.as_bytes()).unwrap();
    let body: String = armored
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    let blob = Base64::decode_vec(&body).unwrap();
    let wrapped = |blob: &[u8]| {
        let body = Base64::encode_string(blob);
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(70)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
            lines.join("\n")
        )
    };
    judged(wrapped(&blob).as_bytes()).unwrap();
    for at in 0..blob.len() {
        for bit in [0x01, 0x80] {
            let mut changed = blob.clone();
            changed[at] ^= bit;
            assert!(judged(wrapped(&changed).as_bytes()).is_err(), "byte {at}");
        }
    }
    let longer = [blob.as_slice(), &[0]].concat();
    for text in [
        String::new(),
        "signature".to_owned(),
        wrapped(&longer),
        wrapped(&blob[..blob.len() - 1]),
        format!("{armored}{armored}"),
        format!("{armored}more"),
        "x".repeat(1 << 20),
    ] {
        let error = judged(text.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), "signature_malformed", "{text:.80}");
    }
}

#[test]
fn what_is_signed_is_no_certificate() {
    let mut signed = b"SSHSIG".to_vec();
    signed.extend([0, 0, 0, 16]);
    signed.extend(b"preflight@warden");
    signed.extend([0; 300]);
    for label in [
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
    ] {
        let line = format!("{label} {}", Base64::encode_string(&signed));
        let found = Parsed::from_line(line.as_bytes()).unwrap_err();
        assert!(
            matches!(found, CertificateError::Damaged { field: "key type" }),
            "{found:?}"
        );
    }
}
