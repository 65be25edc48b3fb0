//! The record, and what is handed over of it.

use super::site::Site;
use warden_tests::keygen::{Key, KeyType};

fn ended() -> Option<Site> {
    let site = Site::open()?;
    site.plan(&[]).check();
    site.gated("bundle", &[]).check();
    Some(site)
}

#[test]
fn what_is_handed_over_is_verified_by_ssh_keygen_and_holds_no_secret() {
    let Some(site) = ended() else { return };
    let key = Key::make(site.path("ca").as_path(), "operator", KeyType::Ed25519);
    let out = site.path("evidence.jsonl");
    let exported = site
        .cutover(&[
            "evidence",
            "export",
            "--key",
            key.path().to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ])
        .expect_success();
    assert!(
        exported.stdout.contains("bundle done") && exported.stdout.contains("owner team:platform"),
        "{exported}"
    );
    let signers = site.write("signers", format!("ada {}\n", key.public_line()), 0o600);
    let verify = |bundle: Vec<u8>| {
        let program = site.sandbox().program("ssh-keygen").args([
            "-Y",
            "verify",
            "-I",
            "ada",
            "-n",
            "evidence@warden",
            "-f",
        ]);
        program
            .arg(&signers)
            .arg("-s")
            .arg(site.path("evidence.jsonl.sig"))
            .stdin(bundle)
            .run()
    };
    let bundle = std::fs::read(&out).unwrap();
    verify(bundle.clone()).check();
    assert!(!verify([&bundle[..], b" "].concat()).succeeded());
    let text = String::from_utf8(bundle).unwrap();
    for secret in ["PRIVATE KEY", "-cert-v01@openssh.com"] {
        assert!(
            !text.contains(secret)
                && !site.journal().contains(secret)
                && !exported.stdout.contains(secret),
            "{secret}"
        );
    }
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        first["plan"].as_str(),
        Some(site.text(&site.path("state/cutover.toml")).as_str())
    );
}

#[test]
fn each_step_is_an_intent_and_a_result_and_a_missing_result_is_named() {
    let Some(site) = ended() else { return };
    let shown = site.cutover(&["evidence", "show"]).expect_success();
    let verbs: Vec<_> = shown
        .stdout
        .lines()
        .map(|line| {
            line.split(' ')
                .skip(2)
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        verbs,
        ["plan intent", "plan done", "bundle intent", "bundle done"],
        "{shown}"
    );
    site.cutover(&["evidence", "verify"]).check();
    let journal = site.journal();
    let last: serde_json::Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    let facts = &last["cutover"];
    for field in [
        "plan",
        "plan_digest",
        "verb",
        "phase_from",
        "phase_to",
        "operator",
        "host",
        "ca_old",
        "ca_new",
        "target",
        "sha256_before",
        "sha256_after",
        "reversal",
        "exit",
    ] {
        assert!(!facts[field].is_null(), "{field}: {facts}");
    }
    // Without its last line the step has no result; the head that is kept says so too.
    let cut = journal.lines().count() - 1;
    let rest: String = journal
        .lines()
        .take(cut)
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(site.path("state/journal.jsonl"), &rest).unwrap();
    let cut = site.cutover(&["evidence", "verify"]);
    assert!(
        cut.code == Some(1) && cut.stderr.contains("journal_ends_early"),
        "{cut}"
    );
    std::fs::remove_file(site.path("state/journal.head")).unwrap();
    let open = site.cutover(&["evidence", "verify"]);
    assert!(
        open.code == Some(1) && open.stderr.contains("(step_without_result)"),
        "{open}"
    );
    let status = site.cutover(&["status"]).expect_success();
    assert!(
        status.stdout.starts_with("state: dual-trust")
            && status.stdout.contains("cut_short: bundle began"),
        "{status}"
    );
    let edited = rest.replace("\"operator\":\"ada\"", "\"operator\":\"eve\"");
    std::fs::write(site.path("state/journal.jsonl"), edited).unwrap();
    let edited = site.cutover(&["evidence", "verify"]);
    assert!(edited.stderr.contains("journal_changed"), "{edited}");
}
