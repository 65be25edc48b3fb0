//! What the harness takes from the environment of the tests: which suites may
//! be skipped, and where `warden` comes from.
//!
//! No test can change its own environment, as others run in the same process.
//! Each of these runs itself once more, alone, with the environment it is about.

use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, Sandbox, warden_binary};
use warden_tests::skipped;

/// Set where a test runs as its own trial.
const TRIAL: &str = "WARDEN_TEST_TRIAL";

fn is_trial() -> bool {
    std::env::var_os(TRIAL).is_some()
}

/// Prepares the trial of a test of this module, which runs in the sandbox.
fn trial(sandbox: &Sandbox, test: &str) -> Program {
    // Names of tests leave out the crate, which comes first.
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::{test}");
    sandbox
        .program(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(TRIAL, "1")
}

fn try_to_skip() {
    if is_trial() {
        assert!(skipped::require("what is there", Ok(())));
        let missing = Err("it is not there".to_owned());
        assert!(!skipped::require("what is missing", missing));
    }
}

#[test]
fn a_skipped_suite_is_announced_and_listed() {
    const TEST: &str = "a_skipped_suite_is_announced_and_listed";
    const LINE: &str = "SKIPPED: what is missing: it is not there\n";
    if is_trial() {
        return try_to_skip();
    }
    let sandbox = Sandbox::new();
    let unlisted = trial(&sandbox, TEST).run().expect_success();
    assert!(unlisted.stderr.contains(LINE), "{unlisted}");

    let list = sandbox.join("skips");
    for count in 1..=2 {
        let listed = trial(&sandbox, TEST).env("WARDEN_TEST_SKIPS", &list).run();
        assert!(listed.expect_success().stderr.contains(LINE));
        assert_eq!(std::fs::read_to_string(&list).unwrap(), LINE.repeat(count));
    }
}

#[test]
fn a_skipped_suite_is_a_failure_in_continuous_integration() {
    const TEST: &str = "a_skipped_suite_is_a_failure_in_continuous_integration";
    if is_trial() {
        return try_to_skip();
    }
    let outcome = trial(&Sandbox::new(), TEST).env("CI", "true").run();
    assert!(!outcome.succeeded(), "{outcome}");
    let why = "what is missing must run in continuous integration, but: it is not there";
    assert!(outcome.stderr.contains(why), "{outcome}");
}

fn announce_binary() {
    assert_eq!(warden_binary(), warden_binary());
    let line = format!("BINARY {}\n", warden_binary().display());
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}

fn announced(outcome: &Outcome) -> &str {
    let mut lines = outcome.stderr.lines();
    lines.find_map(|line| line.strip_prefix("BINARY ")).unwrap()
}

#[test]
fn the_binary_to_test_can_be_named() {
    const TEST: &str = "the_binary_to_test_can_be_named";
    if is_trial() {
        return announce_binary();
    }
    let sandbox = Sandbox::new();
    let named = trial(&sandbox, TEST)
        .env("WARDEN_TEST_BIN", "some/warden")
        .run();
    let expected = sandbox.join("some/warden");
    assert_eq!(
        announced(&named.expect_success()),
        expected.to_str().unwrap()
    );
}

#[test]
fn the_binary_to_test_is_built_once_in_the_profile_of_the_tests() {
    const TEST: &str = "the_binary_to_test_is_built_once_in_the_profile_of_the_tests";
    if is_trial() {
        return announce_binary();
    }
    let sandbox = Sandbox::new();
    let script = r#"#!/bin/sh
echo "$@" >>"$HOME/asked"
echo 'no message'
echo '{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/other"}'
echo '{"reason":"compiler-artifact","target":{"name":"warden"},"executable":"/built/warden"}'
"#;
    let cargo = sandbox.write("cargo", script, 0o755);
    let built = trial(&sandbox, TEST)
        .env("CARGO", &cargo)
        .run()
        .expect_success();
    assert_eq!(announced(&built), "/built/warden");

    let asked = std::fs::read_to_string(sandbox.join("home/asked")).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    let profile = if cfg!(debug_assertions) {
        "--profile dev "
    } else {
        "--profile release "
    };
    assert!(asked.contains(profile), "{asked}");

    sandbox.write(
        "cargo",
        "#!/bin/sh\necho no compiler >&2\nexit 101\n",
        0o755,
    );
    let failed = trial(&sandbox, TEST).env("CARGO", &cargo).run();
    assert!(
        failed.stderr.contains("there is no warden to test"),
        "{failed}"
    );
    assert!(failed.stderr.contains("no compiler"), "{failed}");
}
