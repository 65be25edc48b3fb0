//! The guide, followed against a server that lets nobody in before.

use super::scene::repository;
use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::console::check_page_with;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::skipped;
use warden_tests::sshd::Sshd;

/// A host as somebody else's desk left it: the same configuration, another CA, and nobody's account.
fn render(desk: &Desk, place: &Path) -> PathBuf {
    let krl = desk.sandbox().join("revoked-keys.krl");
    let program = desk.program().args(["krl", "build", "--allow-empty"]);
    program.arg("--out").arg(&krl).run().check();
    let out = desk.sandbox().join("rendered");
    let program = desk.program().args(["host", "render", "hub-1"]);
    let program = program.arg("--certificates-only").arg("--krl").arg(krl);
    let program = program.arg("--out").arg(&out);
    program.arg("--prefix").arg(place).run().check();
    out
}

#[test]
fn the_guide_works_as_written() {
    if !skipped::require("the guide to the lane of the inter-hub", privileged()) {
        return;
    }
    let (before, account) = (Desk::new(), Account::new());
    let host = format!("names = [\"hub-1\"]\n[accounts.{}]\n", account.name());
    before.set_host("hub-1", &host);
    let host_key = Key::make(before.sandbox().path(), "host", KeyType::Ed25519);
    let sshd = Sshd::builder()
        .host_certificate(&host_key, &host_key.public_path())
        .start_rendered(|place| render(&before, place));

    let follower = Desk::without_ca();
    let sandbox = follower.sandbox();
    let is_root = sandbox.run("id", ["-u"]).stdout.trim() == "0";
    let home = account.home();
    let text = |path: &Path| path.display().to_string();
    let variables = [
        ("WARDEN_CONFIG", "demo/warden.toml".to_owned()),
        ("WARDEN_ACTOR", super::scene::ACTOR.to_owned()),
        ("WARDEN_KEY", "key".to_owned()),
        ("ACCOUNT", account.name().to_owned()),
        ("LANE", text(&home.join("lane"))),
        ("STORE", text(&home.join("store"))),
        ("HOST", text(sshd.directory())),
        ("HOST_KEY", text(&host_key.public_path())),
        ("PORT", sshd.port().to_string()),
        ("CONTRIB", text(&repository("contrib"))),
        ("SUDO", if is_root { "" } else { "sudo -n" }.to_owned()),
    ];
    let page = repository("wiki/guides/interhub-bootstrap-lane.md");
    check_page_with(&page, sandbox, &variables);
    let log = sshd.log();
    assert!(!log.contains("example-operator-key"), "{log}");
}
