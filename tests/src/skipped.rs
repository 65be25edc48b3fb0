//! Suites that need something the machine may not have.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Whether a suite can run. When it cannot, says so on standard error, and adds
/// the line to the file that `WARDEN_TEST_SKIPS` names, so that a run can show
/// all of them last. Under `CI=true` it panics instead: there, every suite is
/// meant to run.
///
/// ```text
/// if !skipped::require("logging in to a real sshd", account::privileged()) {
///     return;
/// }
/// ```
#[track_caller]
#[must_use = "a suite that ignores this runs without what it needs"]
pub fn require(what: &str, found: Result<(), String>) -> bool {
    if let Err(why) = &found
        && std::env::var_os("CI").is_some_and(|value| value == "true")
    {
        panic!("{what} must run in continuous integration, but: {why}");
    }
    wanted(what, found)
}

/// As [`require`], for a program that no package of the system brings: its suite is skipped, aloud,
/// under `CI=true` as well.
#[track_caller]
#[must_use = "a suite that ignores this runs without what it needs"]
pub fn wanted(what: &str, found: Result<(), String>) -> bool {
    let Err(why) = found else { return true };
    let line = format!("SKIPPED: {what}: {why}\n");
    // Straight to the descriptor: `eprint!` inside a passing test is captured,
    // and a suite that did not run would look as if it had.
    drop(std::io::stderr().write_all(line.as_bytes()));
    if let Some(path) = std::env::var_os("WARDEN_TEST_SKIPS").map(PathBuf::from) {
        let added = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = added {
            panic!("cannot note a skipped suite in {}: {error}", path.display());
        }
    }
    false
}
