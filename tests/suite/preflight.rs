//! `ca check --service` and `cutover preflight`: every rule broken once, and nothing changed by asking.

mod rules;
mod secrecy;
mod service;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, Sandbox};

/// A key and its public half in a directory of its own.
struct Scene {
    sandbox: Sandbox,
    key: Key,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let directory = sandbox.directory("ca", 0o700);
        let key = Key::make(&directory, "key", KeyType::Ed25519);
        Self { sandbox, key }
    }

    fn path(&self) -> PathBuf {
        self.key.path().to_owned()
    }

    fn check(&self) -> Program {
        self.check_of(&self.path())
    }

    /// `warden ca check --key PATH`.
    fn check_of(&self, path: &Path) -> Program {
        let program = self.sandbox.warden_program();
        program.args(["ca", "check", "--key"]).arg(path)
    }
}

/// The codes of a report's lines that begin with this verdict. The lines and the counts agree.
#[track_caller]
fn with_verdict(verdict: &str, outcome: &Outcome) -> BTreeSet<String> {
    let lines: Vec<Vec<&str>> = outcome
        .stdout
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    let (result, lines) = lines.split_last().unwrap();
    let count = |verdict: &str| lines.iter().filter(|line| line[0] == verdict).count();
    let counted = ["PASS", "FAIL", "WARN", "SKIP"]
        .map(|verdict| format!("{}={}", verdict.to_lowercase(), count(verdict)));
    assert_eq!(result[0], "RESULT", "{outcome}");
    assert_eq!(result[1..], counted, "{outcome}");
    let code = if count("FAIL") == 0 && count("PASS") > 0 {
        0
    } else {
        1
    };
    assert_eq!(outcome.code, Some(code), "{outcome}");
    let found = lines.iter().filter(|line| line[0] == verdict);
    found.map(|line| line[1].to_owned()).collect()
}

/// What fails beyond the directories, which a sandbox under `/tmp` cannot have right.
#[track_caller]
fn failing(outcome: &Outcome) -> Vec<String> {
    let mut failing = with_verdict("FAIL", outcome);
    failing.remove("ca_key_parents");
    failing.into_iter().collect()
}

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}
