//! Files that are no CA key, each refused for its own reason.

use super::key_file::security_key;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, Signing, ssh_keygen};
use warden_tests::sk_agent::{SkAgent, SkKind};

/// A desk with an actor, and a key to certify.
fn desk() -> (Desk, Key) {
    let desk = Desk::without_ca();
    desk.set_actor("agt-visitor", "principals = [\"deploy\"]");
    let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
    (desk, user)
}

/// Expects both `ca check` and `sign` to refuse the CA key for this reason, and nothing to be signed.
#[track_caller]
fn expect_refused(desk: &Desk, user: &Key, reason: &str) {
    let token = format!("({reason})");
    let checked = desk.warden(["ca", "check"]);
    assert_eq!(checked.code, Some(1), "{checked}");
    assert!(checked.stderr.contains(&token), "{reason}: {checked}");
    let signed = desk.ask("agt-visitor", &user.public_path(), &[]);
    assert_eq!(signed.code, Some(2), "{signed}");
    assert!(signed.stderr.contains(&token), "{reason}: {signed}");
    for ran in [checked, signed] {
        assert_eq!(ran.stdout, "", "{ran}");
        assert!(ran.stderr.contains("\nwarden: hint: "), "{ran}");
    }
    assert!(!desk.state().join("agt-visitor-cert.pub").exists());
}

#[test]
fn a_public_half_of_another_key_beside_the_ca_key_is_refused() {
    let (desk, user) = desk();
    for (index, key_type) in [KeyType::Ed25519, KeyType::Rsa(3072), KeyType::Ecdsa(256)]
        .into_iter()
        .enumerate()
    {
        let directory = desk.sandbox().path();
        let ca = Key::make(directory, &format!("ca-{index}"), key_type);
        desk.use_ca(&ca);
        let public = desk.ca_key().with_extension("pub");
        let others = [
            format!("{}\n", user.public_line()),
            "nonsense\n".to_owned(),
            String::new(),
            format!("{}\n{}\n", ca.public_line(), user.public_line()),
        ];
        for other in others {
            desk.sandbox().write("ca/key.pub", other, 0o644);
            expect_refused(&desk, &user, "ca_public_half_differs");
        }
        // Without one there is nothing to compare with.
        std::fs::remove_file(public).unwrap();
        desk.warden(["ca", "check"]).check();
    }
}

#[test]
fn keys_too_weak_or_of_another_type_are_refused() {
    let (desk, user) = desk();
    let directory = desk.sandbox().path();
    for bits in [1024, 2048, 3071] {
        desk.use_ca(&Key::make(
            directory,
            &format!("rsa-{bits}"),
            KeyType::Rsa(bits),
        ));
        expect_refused(&desk, &user, "ca_key_rsa_size");
    }
    let agent = SkAgent::start();
    for kind in SkKind::ALL {
        desk.use_ca_file(security_key(&agent.public_line(kind)));
        let key = desk.ca_key();
        ssh_keygen(["-y".as_ref(), "-f".as_ref(), key.as_os_str()]).check();
        expect_refused(&desk, &user, "ca_key_unsupported");
    }
    let dsa = desk.sandbox().join("dsa");
    let words = ["-q", "-t", "dsa", "-N", "", "-f"].map(std::ffi::OsStr::new);
    let made = ssh_keygen(words.into_iter().chain([dsa.as_os_str()]));
    // OpenSSH 10.1 makes them no more.
    if made.succeeded() {
        desk.use_ca_file(std::fs::read(dsa).unwrap());
        expect_refused(&desk, &user, "ca_key_unsupported");
    }
}

#[test]
fn other_formats_are_refused_until_the_hint_was_followed() {
    let (desk, user) = desk();
    let directory = desk.sandbox().path();
    for format in ["PEM", "PKCS8"] {
        for key_type in [KeyType::Rsa(3072), KeyType::Ecdsa(256)] {
            let name = format!("{format}-{key_type:?}");
            let ca = Key::make_with(directory, &name, key_type, "", &["-m", format]);
            desk.use_ca(&ca);
            expect_refused(&desk, &user, "ca_key_format");
            let words = ["-q", "-p", "-N", "", "-f"].map(std::ffi::OsStr::new);
            ssh_keygen(words.into_iter().chain([desk.ca_key().as_os_str()])).check();
            desk.warden(["ca", "check"]).check();
        }
    }
}

#[test]
fn files_that_hold_no_private_key_are_refused() {
    let (desk, user) = desk();
    let line = user.public_line();
    let certificate = Signing::new(&user, &line, "somebody").principal("deploy");
    let certificate = certificate.write(&desk.sandbox().join("some-cert.pub"));
    let contents = [
        line.into_bytes(),
        std::fs::read(certificate).unwrap(),
        Vec::new(),
        b"nonsense\n".to_vec(),
        vec![0xff; 100],
    ];
    for content in contents {
        desk.use_ca_file(content);
        expect_refused(&desk, &user, "ca_key_format");
    }
}

#[test]
fn a_ca_key_that_is_cut_anywhere_is_refused_as_damaged() {
    let (desk, user) = desk();
    let ca = Key::make(desk.sandbox().path(), "ca-key", KeyType::Ed25519);
    let text = std::fs::read_to_string(ca.path()).unwrap();
    for length in [40, 100, 200, 300, text.len() - 10] {
        desk.use_ca_file(&text[..length]);
        expect_refused(&desk, &user, "ca_key_damaged");
    }
    // Lines that are missing in the middle, and others between.
    let lines: Vec<_> = text.lines().collect();
    for missing in 1..lines.len() - 1 {
        let mut lines = lines.clone();
        lines.remove(missing);
        desk.use_ca_file(lines.join("\n"));
        expect_refused(&desk, &user, "ca_key_damaged");
    }
    desk.use_ca_file(text.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n", 1));
    expect_refused(&desk, &user, "ca_key_damaged");
}

#[test]
fn an_encrypted_ca_key_is_refused_without_its_passphrase() {
    let (desk, user) = desk();
    let directory = desk.sandbox().path();
    for (index, cipher) in [None, Some("aes256-gcm@openssh.com")]
        .into_iter()
        .enumerate()
    {
        let name = format!("ca-{index}");
        let ca = Key::make_encrypted(directory, &name, KeyType::Ed25519, "secret", cipher);
        desk.use_ca(&ca);
        desk.set_config("");
        expect_refused(&desk, &user, "passphrase_required");
        for wrong in ["Secret", "secret ", "secret\n", ""] {
            desk.set_passphrase(wrong);
            expect_refused(&desk, &user, "passphrase_wrong");
        }
        desk.set_passphrase("secret");
        desk.warden(["ca", "check"]).check();
        let file = desk.sandbox().join("ca/passphrase");
        set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        expect_refused(&desk, &user, "passphrase_file_exposed");
        std::fs::remove_file(file).unwrap();
        expect_refused(&desk, &user, "passphrase_file_not_found");
    }
}

#[test]
fn a_ca_key_that_others_could_read_or_that_is_absent_is_refused() {
    let (desk, user) = desk();
    expect_refused(&desk, &user, "ca_key_not_found");
    desk.make_ca("ed25519");
    for mode in [0o644, 0o640, 0o604, 0o660, 0o602] {
        set_permissions(desk.ca_key(), Permissions::from_mode(mode)).unwrap();
        expect_refused(&desk, &user, "ca_key_exposed");
    }
    set_permissions(desk.ca_key(), Permissions::from_mode(0o400)).unwrap();
    desk.warden(["ca", "check"]).check();
}
