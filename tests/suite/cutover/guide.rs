//! The guide, followed from its beginning to its end.

use super::drain::accepted;
use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::bao::Bao;
use warden_tests::console::check_page_with;
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::sshd::Sshd;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_vault_sunset_works_as_written() {
    if !skipped::require(
        "a cutover at a real sshd",
        privileged().and_then(|()| crate::setup::as_root()),
    ) || !skipped::wanted("a cutover from a real engine", Bao::program().map(drop))
    {
        return;
    }
    // Root's alone, all the way up.
    let sandbox = Sandbox::below(Path::new("/run"));
    let (account, bao) = (Account::new(), Bao::start());
    let trusted = sandbox.join("root/etc/ssh/trusted-user-ca-keys.pem");
    let sshd = Sshd::builder().line(&format!("TrustedUserCAKeys {}", trusted.display()));
    let sshd = sshd.principals(account.name(), &["llmops"]).start();
    let log: String = (0..7)
        .rev()
        .map(|tenth| accepted(tenth * 1200, "SHA256:AnotherCA"))
        .collect();
    sandbox.write("sshd.log", log, 0o600);
    let path = |name: &str| sandbox.join(name).display().to_string();
    let variables = [
        ("BAO_ADDR", bao.address()),
        ("BAO_TOKEN", bao.root().to_owned()),
        ("WARDEN_CONFIG", path("warden.toml")),
        (
            "PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE",
            path("rendered/safe-session-ca-key"),
        ),
        (
            "SSH_LOGIN",
            format!("{}@127.0.0.1:{}", account.name(), sshd.port()),
        ),
    ];
    check_page_with(
        &project().join("wiki/guides/vault-sunset.md"),
        &sandbox,
        &variables,
    );
    // Exactly the one principal, ever.
    let journal = std::fs::read_to_string(sandbox.join("state/journal.jsonl")).unwrap();
    let principals: Vec<_> = journal
        .lines()
        .filter_map(|line| line.split("\"principals\":").nth(1))
        .collect();
    assert!(
        principals.len() > 5
            && principals
                .iter()
                .all(|rest| rest.starts_with("[\"llmops\"]")),
        "{principals:?}"
    );
    assert!(!journal.contains("PRIVATE KEY") && !journal.contains(bao.root()));
}

#[test]
fn the_overlay_is_opt_in_mounts_read_only_and_refuses_without_the_variable() {
    let text =
        std::fs::read_to_string(project().join("contrib/safe-session-local-ca.yaml")).unwrap();
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(lines.contains(&"read_only: true") && lines.contains(&"create_host_path: false"));
    let source = lines
        .iter()
        .find_map(|line| line.strip_prefix("source: "))
        .unwrap();
    assert!(
        source.starts_with("${PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE:?"),
        "{source}"
    );
    // Compose and the shell read this form alike: unset and empty are errors.
    let sandbox = Sandbox::new();
    let expanded = |value: Option<&str>| {
        let program = sandbox
            .program("sh")
            .args(["-c", &format!("echo \"{source}\"")]);
        match value {
            Some(value) => program
                .env("PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE", value)
                .run(),
            None => program.run(),
        }
    };
    assert!(!expanded(None).succeeded() && !expanded(Some("")).succeeded());
    assert_eq!(
        expanded(Some("/rendered/key")).expect_success().stdout,
        "/rendered/key\n"
    );
    let mounts = lines
        .iter()
        .filter(|line| line.starts_with("- type:"))
        .count();
    assert_eq!(mounts, 1, "no other mount");
}
