//! A compromised CA, pruned as soon as the other one signs: it can still be frozen, and then destroyed.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use warden_tests::account::privileged;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::sshd::Sshd;

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_compromised_ca_that_was_pruned_first_is_frozen_and_retired() {
    let as_root = privileged().and_then(|()| crate::setup::as_root());
    if !skipped::require("a compromised CA at a real sshd", as_root) {
        return;
    }
    let sandbox = Sandbox::new();
    let [old, new] = ["old", "new"].map(|name| Key::make(sandbox.path(), name, KeyType::Ed25519));
    let sshd = Sshd::builder()
        .trust(&old.public_line())
        .revoked("")
        .start();
    let desk = sshd.directory().join("desk");
    let mut private = std::fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(desk.join("inventory/agt")).unwrap();
    for (name, key) in [("old", &old), ("new", &new)] {
        write(&desk.join(name), std::fs::read(key.path()).unwrap(), 0o600);
    }
    let config = "ca_key = \"old\"\nstate_dir = \"state\"\n";
    write(&desk.join("warden.toml"), config, 0o600);
    let actor = "type = \"agt\"\nprincipals = [\"llmops\"]\nmax_ttl = \"12s\"\nttl = \"12s\"\n";
    write(
        &desk.join("inventory/agt/agt-safe-session.toml"),
        actor,
        0o644,
    );
    let cutover = |args: &[&str]| -> Outcome {
        let program = sandbox.warden_program().arg("cutover").args(args);
        let program = program.env("WARDEN_CONFIG", desk.join("warden.toml"));
        program.env("WARDEN_OPERATOR", "ada").run()
    };
    let file = |name: &str| sshd.directory().join(name).display().to_string();
    let (trusted, revoked) = (file("trusted"), file("revoked"));
    let plan = [
        "plan",
        "--apply",
        "--ca-key",
        "new",
        "--owner",
        "team:platform",
    ];
    let about = [
        "--reason",
        "compromise",
        "--trust-file",
        &trusted,
        "--revoked-keys",
        &revoked,
    ];
    cutover(&[&plan[..], &about].concat()).check();
    let text = std::fs::read_to_string(desk.join("state/cutover.toml")).unwrap();
    let id = text.lines().next().unwrap().rsplit(' ').next().unwrap();
    let gated = |verb: &str, gate: &str| {
        let phrase = format!("{id}-{gate}-approved");
        cutover(&[
            verb,
            "--apply",
            "--confirm",
            &phrase,
            "--second-operator",
            "bob",
        ])
    };
    gated("bundle", "trust").check();
    cutover(&["smoke"]).check();
    gated("switch", "switch").check();
    let pruned = gated("prune", "prune").expect_success();
    assert!(
        pruned.stdout.ends_with("next: warden cutover freeze\n"),
        "{pruned}"
    );
    let refused = gated("retire", "retire");
    assert!(
        refused.code == Some(1) && refused.stdout.contains("FAIL old_ca_frozen"),
        "{refused}"
    );
    let frozen = gated("freeze", "freeze").expect_success();
    assert!(frozen.stdout.contains("state: new-only\n"), "{frozen}");
    let again = gated("freeze", "freeze").expect_success();
    assert!(again.stdout.starts_with("unchanged\n"), "{again}");
    let retired = gated("retire", "retire").expect_success();
    assert!(retired.stdout.contains("state: retired\n"), "{retired}");
    assert!(!desk.join("old").exists() && desk.join("new").exists());
}
