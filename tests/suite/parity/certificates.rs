//! Two certificates, as `ssh-keygen` makes them.

use super::failing;
use warden_tests::keygen::{Key, KeyType, Signing, fingerprint};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;

struct Scene {
    sandbox: Sandbox,
    old: Key,
    new: Key,
    user: Key,
}

impl Scene {
    fn new(ca: KeyType) -> Self {
        let sandbox = Sandbox::new();
        let make = |name, key_type| Key::make(sandbox.path(), name, key_type);
        let (old, new) = (make("old", ca), make("new", ca));
        let user = make("user", KeyType::Ed25519);
        Self {
            sandbox,
            old,
            new,
            user,
        }
    }

    fn signing(&self, ca: &Key, key_id: &str) -> Signing {
        Signing::new(ca, &self.user.public_line(), key_id)
    }

    /// What both signers sign when they are alike.
    fn alike(&self, ca: &Key) -> Signing {
        plain(self.signing(ca, "agt-x").principal("a").principal("b"))
    }

    fn compared(&self, new: &Signing, args: &[&str]) -> Outcome {
        let old = self
            .alike(&self.old)
            .serial(7)
            .write(&self.sandbox.join("old-cert.pub"));
        let new = new.write(&self.sandbox.join("new-cert.pub"));
        let program =
            self.sandbox
                .warden_program()
                .args(["cutover", "parity", "--old-certificate"]);
        program
            .arg(old)
            .arg("--new-certificate")
            .arg(new)
            .args(args)
            .run()
    }
}

fn plain(signing: Signing) -> Signing {
    let signing = signing
        .option("clear")
        .option("permit-pty")
        .option("force-command=/bin/x");
    signing.validity("20300101000000Z:20300101010000Z")
}

#[test]
fn alike_certificates_end_with_0() {
    let scene = Scene::new(KeyType::Ed25519);
    let outcome = scene.compared(&scene.alike(&scene.new).serial(8), &[]);
    assert_eq!(failing(&outcome), Vec::<&str>::new(), "{outcome}");
    // Principals are a set.
    let turned = plain(
        scene
            .signing(&scene.new, "agt-x")
            .principal("b")
            .principal("a"),
    );
    let outcome = scene.compared(&turned.serial(8), &[]);
    assert_eq!(failing(&outcome), Vec::<&str>::new(), "{outcome}");
}

#[test]
fn each_planted_difference_is_one_finding() {
    let scene = Scene::new(KeyType::Ed25519);
    let alike = || scene.alike(&scene.new).serial(8);
    let with = |principals: &[&str], key_id: &str| {
        let signing = scene.signing(&scene.new, key_id).serial(8);
        principals
            .iter()
            .fold(signing, |signing, one| signing.principal(one))
    };
    let table = [
        (alike().option("no-pty"), "parity_extensions"),
        (alike().option("permit-user-rc"), "parity_extensions"),
        (
            alike().validity("20300101000000Z:20300101010001Z"),
            "parity_ttl",
        ),
        (plain(with(&["a", "b"], "agt-y")), "parity_key_id"),
        (scene.alike(&scene.new).serial(0), "parity_serial"),
        (scene.alike(&scene.new).serial(7), "parity_serial"),
        (
            with(&["a", "b"], "agt-x")
                .option("clear")
                .option("permit-pty")
                .validity("20300101000000Z:20300101010000Z"),
            "parity_critical_options",
        ),
        (
            with(&["a", "b"], "agt-x")
                .option("clear")
                .option("permit-pty")
                .option("force-command=/bin/y")
                .validity("20300101000000Z:20300101010000Z"),
            "parity_critical_options",
        ),
        (
            alike().option("source-address=192.0.2.0/24"),
            "parity_critical_options",
        ),
        (plain(with(&[], "agt-x")), "parity_empty_principals"),
        (plain(with(&["a"], "agt-x")), "parity_principals"),
        (plain(with(&["a", "b", "c"], "agt-x")), "parity_principals"),
    ];
    for (new, code) in table {
        let outcome = scene.compared(&new, &[]);
        assert_eq!(failing(&outcome), [code], "{new:?}: {outcome}");
    }
    let host = scene
        .signing(&scene.new, "agt-x")
        .serial(8)
        .principal("a")
        .principal("b")
        .host();
    let outcome = scene.compared(&host.validity("20300101000000Z:20300101010000Z"), &[]);
    assert!(failing(&outcome).contains(&"parity_cert_type"), "{outcome}");
}

#[test]
fn the_ca_is_the_one_the_plan_expects() {
    let scene = Scene::new(KeyType::Ed25519);
    let new = scene.alike(&scene.new).serial(8);
    let of = |key: &Key| fingerprint(&key.public_path());
    let (one, other) = (of(&scene.old), of(&scene.new));
    for (args, expected) in [
        (["--old-ca", &one, "--new-ca", &other], &[][..]),
        (["--old-ca", &other, "--new-ca", &other], &["parity_ca"]),
        (["--old-ca", &one, "--new-ca", &one], &["parity_ca"]),
    ] {
        let outcome = scene.compared(&new, &args);
        assert_eq!(failing(&outcome), expected, "{outcome}");
    }
}

#[test]
fn a_signature_with_sha1_is_a_finding() {
    let scene = Scene::new(KeyType::Rsa(3072));
    let signed = |algorithm: &str| scene.alike(&scene.new).serial(8).args(&["-t", algorithm]);
    let outcome = scene.compared(&signed("rsa-sha2-256"), &[]);
    assert_eq!(failing(&outcome), Vec::<&str>::new(), "{outcome}");
    assert!(
        outcome
            .stdout
            .contains("PASS parity_algorithm old=rsa-sha2-512 new=rsa-sha2-256"),
        "{outcome}"
    );
    // Such a certificate does not even verify.
    let outcome = scene.compared(&signed("ssh-rsa"), &[]);
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(
        outcome.stderr.contains("(certificate_signature)"),
        "{outcome}"
    );
}

#[test]
fn a_key_id_that_the_old_role_makes_is_recognised_by_its_format() {
    let scene = Scene::new(KeyType::Ed25519);
    let key_id = "vault-deploy-HASH";
    let blob = scene.user.public_line();
    let blob = <ssh_encoding::base64::Base64 as ssh_encoding::base64::Encoding>::decode_vec(
        blob.split(' ').nth(1).unwrap(),
    )
    .unwrap();
    let hash: String = <sha2::Sha256 as sha2::Digest>::digest(&blob)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let old = plain(
        scene
            .signing(&scene.old, &key_id.replace("HASH", &hash))
            .principal("a")
            .principal("b"),
    );
    let old = old.serial(7).write(&scene.sandbox.join("old-cert.pub"));
    let new = scene
        .alike(&scene.new)
        .serial(8)
        .write(&scene.sandbox.join("new-cert.pub"));
    let compared = |format: &[&str]| {
        let program =
            scene
                .sandbox
                .warden_program()
                .args(["cutover", "parity", "--old-certificate"]);
        program
            .arg(&old)
            .arg("--new-certificate")
            .arg(&new)
            .args(format)
            .run()
    };
    assert_eq!(failing(&compared(&[])), ["parity_key_id"]);
    for (format, expected) in [
        ("vault-{{token_display_name}}-{{public_key_hash}}", &[][..]),
        (
            "{{role_name}}-{{token_display_name}}-{{public_key_hash}}",
            &[],
        ),
        ("vault-deploy-{{public_key_hash}}", &[]),
        ("vault-{{public_key_hash}}", &["parity_key_id"]),
        ("vault-{{token_display_name}}", &[]),
        ("vault-{{token_display_name}}-x", &["parity_key_id"]),
        (
            "other-{{token_display_name}}-{{public_key_hash}}",
            &["parity_key_id"],
        ),
    ] {
        let outcome = compared(&["--old-key-id", format]);
        assert_eq!(failing(&outcome), expected, "{format}: {outcome}");
    }
}
