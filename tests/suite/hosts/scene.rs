//! A desk with hosts, and what they are rendered to.

use std::path::{Path, PathBuf};
use warden_tests::desk::Desk;
use warden_tests::process::Outcome;

/// A desk with a CA whose host `hub-1` lets one actor into `deploy`, holds another to a command, and
/// names an account for nobody.
pub(super) fn desk() -> Desk {
    let desk = Desk::new();
    desk.set_actor("agt-task", "principals = [\"task\"]\n");
    desk.set_actor("agt-lane", "principals = [\"lane\"]\n");
    desk.set_host(
        "hub-1",
        "names = [\"hub-1\", \"hub-1.example.org\"]\naddresses = [\"10.0.3.7\"]\n\
         [accounts.deploy]\nprincipals = [\"task\"]\n\
         [accounts.deploy.lanes]\nlane = { force_command = \"/usr/local/bin/lane --once\" }\n\
         [accounts.backup]\n",
    );
    desk
}

/// The first line of an inventory's host with lanes into accounts that are real.
pub(super) fn names(host: &str) -> String {
    format!("names = [\"{host}\", \"localhost\"]\naddresses = [\"127.0.0.1\"]\n")
}

/// Where `warden host render` put `hub-1`.
pub(super) fn out(desk: &Desk) -> PathBuf {
    desk.sandbox().join("out")
}

#[track_caller]
pub(super) fn render(desk: &Desk, args: &[&str]) -> Outcome {
    let program = desk.program().args(["host", "render", "hub-1", "--out"]);
    program.arg(out(desk)).args(args).run()
}

/// Compares a copy that belongs to whoever runs the tests.
#[track_caller]
pub(super) fn check(desk: &Desk, args: &[&str]) -> Outcome {
    let program = desk.program().args(["host", "check", "hub-1"]);
    let program = program.arg("--root").arg(out(desk));
    program.args(["--no-owner"]).args(args).run()
}

#[track_caller]
pub(super) fn refused(outcome: &Outcome, status: i32, reason: &str) {
    assert_eq!(outcome.code, Some(status), "{outcome}");
    assert!(outcome.stderr.contains(&format!("({reason})")), "{outcome}");
}

/// What `host check` says, without its last lines on standard error.
#[track_caller]
pub(super) fn expect_findings(outcome: &Outcome, expected: &[&str]) {
    refused(outcome, 1, "host_differs");
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{outcome}");
    for one in expected {
        assert!(
            lines.iter().any(|line| line.contains(one)),
            "{one}: {outcome}"
        );
    }
}

/// Every file below a directory, by its path from there, with its content.
pub(super) fn content(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => waiting.push(path),
                false => {
                    let name = path.strip_prefix(directory).unwrap().display().to_string();
                    found.push((name, std::fs::read(&path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}
