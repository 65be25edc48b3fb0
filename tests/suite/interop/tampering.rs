//! A certificate that was altered anywhere is refused by both.

use std::path::{Path, PathBuf};
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, list, read_line, ssh_keygen};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;

/// What refuses an altered certificate: what it is not, what is damaged, whose it is not.
const REASONS: [&str; 4] = [
    "(certificate_damaged)",
    "(certificate_signature)",
    "(certificate_signing_key)",
    "(not_a_certificate)",
];

fn show(sandbox: &Sandbox, certificate: &Path) -> Outcome {
    sandbox.warden(["show".as_ref(), certificate.as_os_str()])
}

#[track_caller]
fn expect_both_refuse(sandbox: &Sandbox, line: &str, what: &str) {
    let altered = sandbox.write("altered-cert.pub", format!("{line}\n"), 0o644);
    let listed = ssh_keygen(["-L".as_ref(), "-f".as_ref(), altered.as_os_str()]);
    assert!(!listed.succeeded(), "{what}: {listed}");
    let shown = show(sandbox, &altered);
    assert!(matches!(shown.code, Some(1 | 2)), "{what}: {shown}");
    assert_eq!(shown.stdout, "", "{what}");
    let told = REASONS.iter().any(|reason| shown.stderr.contains(reason));
    assert!(told, "{what}: {shown}");
}

/// A certificate of a CA of this type, as its type and its base64.
fn certificate(desk: &Desk, ca: &str) -> (PathBuf, String, String) {
    desk.make_ca(ca);
    desk.set_actor(
        "agt-visitor",
        "principals = [\"deploy\"]\nforce_command = \"id\"",
    );
    let user = desk.sandbox().join("user.pub");
    if !user.exists() {
        drop(Key::make(desk.sandbox().path(), "user", KeyType::Ed25519));
    }
    let path = desk.sign("agt-visitor", &user);
    let line = read_line(&path);
    let (name, base64) = line.split_once(' ').unwrap();
    (path, name.to_owned(), base64.to_owned())
}

#[test]
fn a_flipped_character_anywhere_is_refused_by_both() {
    let desk = Desk::without_ca();
    for ca in ["ed25519", "ecdsa-p256", "ecdsa-p521", "rsa-3072"] {
        let (path, name, base64) = certificate(&desk, ca);
        assert!(list(&path).contains("user certificate"));
        show(desk.sandbox(), &path).check();
        let last = base64.trim_end_matches('=').len() - 1;
        for at in (0..=last).step_by(last / 30).chain([last]) {
            let flipped = if &base64[at..=at] == "A" { "B" } else { "A" };
            let mut altered = base64.clone();
            altered.replace_range(at..=at, flipped);
            let line = format!("{name} {altered}");
            expect_both_refuse(desk.sandbox(), &line, &format!("{ca}, character {at}"));
        }
    }
}

#[test]
fn a_certificate_that_is_cut_lengthened_or_renamed_is_refused_by_both() {
    let desk = Desk::without_ca();
    let (_, name, base64) = certificate(&desk, "ed25519");
    let whole = base64.trim_end_matches('=');
    for length in [0, 4, 40, 100, 200, 300, whole.len() / 4 * 4 - 4] {
        let line = format!("{name} {}", &whole[..length]);
        expect_both_refuse(desk.sandbox(), &line, &format!("cut at {length}"));
    }
    // The base64 of whole groups takes more bytes at its end without a seam.
    let groups = &whole[..whole.len() / 4 * 4];
    for more in ["AAAA", "AAAAAAAAAAAA"] {
        let line = format!("{name} {groups}{more}");
        expect_both_refuse(desk.sandbox(), &line, &format!("lengthened by {more}"));
    }
    for other in [
        "ssh-rsa-cert-v01@openssh.com",
        "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ssh-ed25519",
        "nonsense",
    ] {
        let line = format!("{other} {base64}");
        expect_both_refuse(desk.sandbox(), &line, other);
    }
}
