//! Every type of CA key, whoever made it and however it is encrypted.

use super::site::Site;
use std::path::Path;
use warden_tests::keygen::{Key, KeyType, list, ssh_keygen};

/// warden's name of a type, `ssh-keygen`'s, and the algorithm the CA must sign with.
const TYPES: [(&str, KeyType, &str); 6] = [
    ("ed25519", KeyType::Ed25519, "ssh-ed25519"),
    ("ecdsa-p256", KeyType::Ecdsa(256), "ecdsa-sha2-nistp256"),
    ("ecdsa-p384", KeyType::Ecdsa(384), "ecdsa-sha2-nistp384"),
    ("ecdsa-p521", KeyType::Ecdsa(521), "ecdsa-sha2-nistp521"),
    ("rsa-3072", KeyType::Rsa(3072), "rsa-sha2-512"),
    ("rsa-4096", KeyType::Rsa(4096), "rsa-sha2-512"),
];

const CIPHERS: [&str; 5] = [
    "aes256-ctr",
    "aes128-cbc",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "3des-cbc",
];

/// Signs with the CA that the desk has, and logs in where only that CA is trusted.
#[track_caller]
fn expect_admission(site: &Site, ca: &str, algorithm: &str) {
    assert_eq!(blob(&site.desk.ca_line()), blob(ca));
    site.sshd.set_trusted(&[ca]);
    let certificate = site.certify();
    let listed = list(&certificate);
    assert!(listed.contains(&format!("(using {algorithm})")), "{listed}");
    site.expect_admission(&certificate);
}

/// The part of a public line that is the key.
fn blob(line: &str) -> Option<&str> {
    line.split(' ').nth(1)
}

#[test]
fn every_type_of_ca_key_that_ssh_keygen_makes_is_trusted() {
    let Some(site) = Site::open() else { return };
    for (name, key_type, algorithm) in TYPES {
        let ca = Key::make(site.desk.sandbox().path(), name, key_type);
        let line = site.desk.use_ca(&ca);
        expect_admission(&site, &line, algorithm);
    }
}

#[test]
fn every_type_of_ca_key_that_warden_makes_is_trusted() {
    let Some(site) = Site::open() else { return };
    for (name, _, algorithm) in TYPES {
        let line = site.desk.make_ca(name);
        expect_admission(&site, &line, algorithm);
        // OpenSSH reads the private half as well, and finds the same public one.
        assert_eq!(blob(&public_half(&site.desk.ca_key(), "")), blob(&line));
    }
}

#[test]
fn every_type_of_ca_key_is_trusted_when_warden_encrypts_it() {
    let Some(site) = Site::open() else { return };
    site.desk.set_passphrase("a passphrase, é");
    // The larger RSA key takes long to make, and differs in nothing but size.
    for (name, _, algorithm) in &TYPES[..5] {
        let line = site.desk.make_ca(name);
        let closed = ssh_keygen([
            "-y".as_ref(),
            "-P".as_ref(),
            "".as_ref(),
            "-f".as_ref(),
            site.desk.ca_key().as_os_str(),
        ]);
        assert!(!closed.succeeded(), "the key is not encrypted");
        let opened = public_half(&site.desk.ca_key(), "a passphrase, é");
        assert_eq!(blob(&opened), blob(&line));
        expect_admission(&site, &line, algorithm);
    }
}

#[test]
fn a_ca_key_is_trusted_under_every_cipher_of_openssh() {
    let Some(site) = Site::open() else { return };
    site.desk.set_passphrase("secret");
    for (index, cipher) in CIPHERS.into_iter().enumerate() {
        let (_, key_type, algorithm) = TYPES[index];
        let name = format!("ca-{index}");
        let directory = site.desk.sandbox().path();
        let ca = Key::make_encrypted(directory, &name, key_type, "secret", Some(cipher));
        let line = site.desk.use_ca(&ca);
        expect_admission(&site, &line, algorithm);
    }
}

/// What OpenSSH says is the public half of a private key file.
#[track_caller]
fn public_half(path: &Path, passphrase: &str) -> String {
    let args = [
        "-y".as_ref(),
        "-P".as_ref(),
        passphrase.as_ref(),
        "-f".as_ref(),
        path.as_os_str(),
    ];
    ssh_keygen(args).expect_success().stdout
}
