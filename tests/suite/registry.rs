//! `warden registry`: statuses, streams, and the file that is written.

use std::os::unix::fs::{MetadataExt, symlink};
use warden_tests::desk::Desk;
use warden_tests::process::Outcome;

/// A desk with two actors.
pub(crate) fn desk() -> Desk {
    let desk = Desk::without_ca();
    desk.set_actor("agt-hub", "principals = [\"task\"]\nttl = \"24h\"\n");
    desk.set_actor("adm-alice", "principals = [\"root\"]\nttl = \"8h\"\n");
    desk
}

#[track_caller]
fn refused(outcome: &Outcome, status: i32, reason: &str) {
    assert_eq!(outcome.code, Some(status), "{outcome}");
    assert!(outcome.stderr.contains(&format!("({reason})")), "{outcome}");
}

#[test]
fn stdout_and_the_file_hold_the_same_bytes() {
    let desk = desk();
    let file = desk.sandbox().join("r.json");
    let printed = desk.warden(["registry", "build"]).expect_success();
    assert_eq!(printed.stderr, "");
    let written = desk
        .program()
        .args(["registry", "build", "--out"])
        .arg(&file)
        .run();
    written.check();
    assert_eq!(std::fs::read(&file).unwrap(), printed.stdout_bytes);
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o644);
    let as_json = desk
        .warden(["registry", "build", "--json"])
        .expect_success();
    assert_eq!(as_json.stdout_bytes, printed.stdout_bytes);
    serde_json::from_str::<serde_json::Value>(&as_json.stdout).unwrap();
}

#[test]
fn only_a_regular_file_is_replaced_and_nothing_is_left_behind() {
    let desk = desk();
    let sandbox = desk.sandbox();
    sandbox.directory("out/directory", 0o755);
    sandbox.write("out/target", "old", 0o600);
    symlink("target", sandbox.join("out/link")).unwrap();
    let build = |name: &str| {
        let program = desk.program().args(["registry", "build", "--out"]);
        program.arg(sandbox.join("out").join(name)).run()
    };
    refused(&build("directory"), 2, "file_not_regular");
    refused(&build("link"), 2, "file_is_link");
    refused(&build("nowhere/r.json"), 2, "file_not_found");
    assert_eq!(std::fs::read(sandbox.join("out/target")).unwrap(), b"old");
    desk.set_actor("agt-bad", "principals = []\n");
    refused(&build("target"), 2, "inventory_malformed");
    assert_eq!(std::fs::read(sandbox.join("out/target")).unwrap(), b"old");
    desk.set_actor("agt-bad", "principals = [\"a\"]\n");
    build("target").check();
    let left = std::fs::read_dir(sandbox.join("out")).unwrap();
    let mut left: Vec<_> = left.map(|one| one.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["directory", "link", "target"]);
}

#[test]
fn a_full_stdout_is_told() {
    let desk = desk();
    let outcome = desk
        .sandbox()
        .program("sh")
        .arg("-c")
        .arg("exec \"$@\" >/dev/full")
        .arg("sh")
        .arg(warden_tests::sandbox::warden_binary())
        .arg("--config")
        .arg(desk.config())
        .args(["registry", "build"])
        .run();
    refused(&outcome, 1, "not_delivered");
}

#[test]
fn what_is_asked_is_judged_before_anything_is_read() {
    let desk = desk();
    for at in ["tomorrow", "-1", "2027-02-30"] {
        refused(
            &desk.warden(["registry", "build", "--at", at]),
            2,
            "moment_malformed",
        );
    }
    let missing = desk.warden(["registry", "check", "nowhere.json"]);
    refused(&missing, 2, "file_not_found");
    let secret = desk
        .sandbox()
        .write("token.json", "{\"client_token\": \"hvs.secret\"}\n", 0o600);
    let program = desk.program().args(["registry", "check"]).arg(secret).run();
    refused(&program, 2, "snapshot_malformed");
    assert!(!program.stderr.contains("hvs"), "{program}");
}

#[test]
fn differences_are_a_document_on_stdout_and_an_error_on_stderr() {
    let desk = desk();
    let built = desk.warden(["registry", "build"]).expect_success();
    let file = desk.sandbox().write("r.json", built.stdout_bytes, 0o644);
    desk.set_actor(
        "agt-hub",
        "principals = [\"task\", \"more\"]\nttl = \"24h\"\n",
    );
    let program = desk.program().args(["--json", "registry", "check"]);
    let outcome = program.arg(file).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let said: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let expected = serde_json::json!({"same": false, "digest_differs": true, "differences": [
        {"change": "principals_gained", "actor": "agt-hub", "text": "`agt-hub` gains principal more"},
    ]});
    assert_eq!(said, expected);
    let error: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(error["error"]["reason"], "registry_differs");
}
