//! What a certificate says: `warden show` and `ssh-keygen -L` use the same words.

use std::path::Path;
use warden_tests::desk::{Desk, quoted};
use warden_tests::keygen::{Key, KeyType, Signing, list, ssh_keygen};
use warden_tests::sandbox::Sandbox;
use warden_tests::sk_agent::{SkAgent, SkKind};

/// Expects `warden show` to print what `ssh-keygen -L` does, but for the `Z` of its times.
#[track_caller]
fn expect_same_words(sandbox: &Sandbox, certificate: &Path) -> String {
    let listed = list(certificate);
    let args = ["show".as_ref(), certificate.as_os_str()];
    let shown = sandbox.warden(args).expect_success();
    assert_eq!(shown.stderr, "");
    let without_zone = |line: &str| match line.trim_start().strip_prefix("Valid: ") {
        Some(_) => line.replace('Z', ""),
        None => line.to_owned(),
    };
    let shown: Vec<_> = shown.stdout.lines().map(without_zone).collect();
    assert_eq!(shown, listed.lines().collect::<Vec<_>>());
    listed
}

/// One public line of every type OpenSSH certifies.
fn subjects(directory: &Path, agent: &SkAgent) -> Vec<String> {
    let types = KeyType::ALL.into_iter().chain([KeyType::Rsa(2048)]);
    let plain = types
        .enumerate()
        .map(|(index, key_type)| Key::make(directory, &format!("user-{index}"), key_type))
        .map(|key| key.public_line());
    let sk = SkKind::ALL.map(|kind| agent.public_line(kind));
    plain.chain(sk).collect()
}

#[test]
fn every_certificate_of_wardens_reads_the_same_in_both() {
    let desk = Desk::without_ca();
    let agent = SkAgent::start();
    let subjects = subjects(desk.sandbox().path(), &agent);
    let subjects: Vec<_> = subjects
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let name = format!("subject-{index}.pub");
            desk.sandbox().write(name, format!("{line}\n"), 0o644)
        })
        .collect();
    desk.set_actor(
        "agt-visitor",
        "principals = [\"zulu\", \"alpha\", \"m.i-k_e@x/y+z\"]",
    );
    for ca in [
        "ed25519",
        "ecdsa-p256",
        "ecdsa-p384",
        "ecdsa-p521",
        "rsa-3072",
    ] {
        desk.make_ca(ca);
        for subject in &subjects {
            let listed = expect_same_words(desk.sandbox(), &desk.sign("agt-visitor", subject));
            // In the inventory's order, not sorted.
            let names: Vec<_> = listed
                .lines()
                .skip_while(|line| !line.contains("Principals:"))
                .skip(1)
                .take(3)
                .map(str::trim)
                .collect();
            assert_eq!(names, ["zulu", "alpha", "m.i-k_e@x/y+z"]);
        }
    }
}

#[test]
fn every_bound_of_the_inventory_reads_the_same_in_both() {
    let desk = Desk::new();
    let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
    let command = quoted("echo \"a, b\"  'c' \\ é ✓ # \u{1f511}");
    let everything = format!(
        "force_command = {command}\nverify_required = true\n\
         source_address = [\"10.0.0.0/8\", \"192.0.2.1\", \"2001:DB8::/32\", \"::/0\"]"
    );
    let bounds = [
        "",
        "extensions = []",
        "extensions = [\"permit-pty\"]",
        "extensions = [\"permit-user-rc\", \"permit-X11-forwarding\", \"no-touch-required\"]",
        "verify_required = true",
        "source_address = [\"127.0.0.1\"]",
        &format!("force_command = {command}"),
        &everything,
        &format!("{everything}\nextensions = []"),
    ];
    let mut serials = std::collections::BTreeSet::new();
    for lines in bounds {
        desk.set_actor(
            "atm-visitor",
            &format!("principals = [\"deploy\"]\n{lines}"),
        );
        let certificate = desk.sign("atm-visitor", &user.public_path());
        let listed = expect_same_words(desk.sandbox(), &certificate);
        assert!(listed.contains("Key ID: \"atm-visitor\""), "{listed}");
        let serial = listed.split("Serial: ").nth(1).unwrap();
        let serial: u64 = serial.lines().next().unwrap().parse().unwrap();
        assert!(serial != 0 && serials.insert(serial), "{listed}");
    }
}

#[test]
fn a_certificate_with_256_principals_reads_the_same_in_both() {
    let desk = Desk::new();
    let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
    let names: Vec<_> = (0..256)
        .map(|number| format!("\"role-{number}\""))
        .collect();
    desk.set_actor(
        "agt-visitor",
        &format!("principals = [{}]", names.join(", ")),
    );
    let certificate = desk.sign("agt-visitor", &user.public_path());
    assert!(expect_same_words(desk.sandbox(), &certificate).contains("role-255\n"));
}

#[test]
fn foreign_certificates_of_every_key_and_ca_type_read_the_same_in_both() {
    let sandbox = Sandbox::new();
    let agent = SkAgent::start();
    let subjects = subjects(sandbox.path(), &agent);
    let to = sandbox.join("foreign-cert.pub");
    let cas = KeyType::ALL.into_iter().chain([KeyType::Rsa(2048)]);
    for (index, ca) in cas.enumerate() {
        let ca = Key::make(sandbox.path(), &format!("ca-{index}"), ca);
        for subject in &subjects {
            // Without -V it is valid forever, and without -n it has no principal.
            Signing::new(&ca, subject, "somebody").write(&to);
            assert!(expect_same_words(&sandbox, &to).contains("Valid: forever\n"));
        }
    }
    let ca = Key::make(sandbox.path(), "ca-rsa", KeyType::Rsa(3072));
    let signing = Signing::new(&ca, &subjects[0], "somebody");
    signing.args(&["-t", "rsa-sha2-256"]).write(&to);
    assert!(expect_same_words(&sandbox, &to).contains("(using rsa-sha2-256)"));
}

#[test]
fn foreign_certificates_of_every_content_read_the_same_in_both() {
    let sandbox = Sandbox::new();
    let ca = Key::make(sandbox.path(), "ca", KeyType::Ed25519);
    let user = Key::make(sandbox.path(), "user", KeyType::Ecdsa(384));
    let signing = |key_id: &str| Signing::new(&ca, &user.public_line(), key_id);
    let plain = || signing("somebody").principal("deploy");
    let restrained = plain()
        .option("force-command=echo \"a, b\"  'c' \\ é")
        .option("source-address=10.0.0.0/8,192.0.2.1/32,2001:db8::/32")
        .option("verify-required")
        .option("no-touch-required");
    let cases = [
        plain(),
        plain().serial(0),
        plain().serial(1 << 53 | 1),
        plain().serial(u64::MAX),
        plain().host(),
        plain().option("clear"),
        plain().validity("-5m:+1h"),
        plain().validity("always:20301231235959Z"),
        plain().validity("20200101Z:forever"),
        plain().validity("19700102Z:21060207Z"),
        restrained.clone(),
        restrained.option("clear"),
        plain().option("extension:hello@example.org"),
        plain().option("extension:hello@example.org=world"),
        plain().option("critical:hello@example.org"),
        plain().option("critical:hello@example.org=world"),
        plain().option("extension:force-command=id"),
        plain().option("critical:permit-pty"),
        plain()
            .principal("*")
            .principal("second principal")
            .principal("-x"),
        signing("no principals"),
        signing(""),
        signing("quotes \" and \\ and é and (serial 7)"),
        signing(&"long ".repeat(300)),
    ];
    let to = sandbox.join("foreign-cert.pub");
    for case in cases {
        case.write(&to);
        expect_same_words(&sandbox, &to);
    }
}

#[test]
fn a_certificate_that_a_security_key_signed_reads_the_same_in_both() {
    let sandbox = Sandbox::new();
    let agent = SkAgent::start();
    let user = Key::make(sandbox.path(), "user", KeyType::Ed25519);
    for kind in SkKind::ALL {
        let ca = sandbox.join("ca.pub");
        agent.write_public(kind, &ca);
        let signed = sandbox
            .program("ssh-keygen")
            .env("SSH_AUTH_SOCK", agent.socket())
            .args(["-q", "-I", "somebody", "-n", "deploy", "-U", "-s"])
            .arg(&ca)
            .arg(user.public_path())
            .run();
        signed.check();
        let listed = expect_same_words(&sandbox, &sandbox.join("user-cert.pub"));
        assert!(listed.contains("-SK SHA256:"), "{listed}");
    }
}

#[test]
fn a_sha_1_signature_is_listed_by_ssh_keygen_and_refused_by_warden() {
    let sandbox = Sandbox::new();
    let ca = Key::make(sandbox.path(), "ca", KeyType::Rsa(3072));
    let signing = Signing::new(&ca, &ca.public_line(), "somebody").principal("deploy");
    let certificate = sandbox.join("sha1-cert.pub");
    signing.args(&["-t", "ssh-rsa"]).write(&certificate);
    let listed = ssh_keygen(["-L".as_ref(), "-f".as_ref(), certificate.as_os_str()]);
    assert!(listed.stdout.contains("(using ssh-rsa)"), "{listed}");
    let shown = sandbox.warden(["show".as_ref(), certificate.as_os_str()]);
    assert_eq!(
        (shown.code, shown.stdout.as_str()),
        (Some(1), ""),
        "{shown}"
    );
    assert!(shown.stderr.contains("(certificate_signature)"), "{shown}");
}
