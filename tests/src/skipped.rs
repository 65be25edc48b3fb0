//! Suites that need something the machine may not have.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// What to do about a suite that cannot run.
#[derive(Clone, Debug)]
pub struct Policy {
    /// A skipped suite is a failure: there, every suite is meant to run.
    pub ci: bool,
    /// The file that lists skipped suites, so that a run can show them last.
    pub list: Option<PathBuf>,
}

impl Policy {
    /// Reads `CI` and `WARDEN_TEST_SKIPS`.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            ci: std::env::var_os("CI").is_some_and(|value| value == "true"),
            list: std::env::var_os("WARDEN_TEST_SKIPS").map(PathBuf::from),
        }
    }

    /// As [`require`], under this policy.
    #[track_caller]
    #[must_use = "a suite that ignores this runs without what it needs"]
    pub fn require(&self, what: &str, found: Result<(), String>) -> bool {
        let Err(why) = found else { return true };
        assert!(
            !self.ci,
            "{what} must run in continuous integration, but: {why}"
        );
        let line = format!("SKIPPED: {what}: {why}\n");
        // Straight to the descriptor: `eprint!` inside a passing test is
        // captured, and a suite that did not run would look as if it had.
        drop(std::io::stderr().write_all(line.as_bytes()));
        if let Some(path) = &self.list {
            let added = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes()));
            if let Err(error) = added {
                panic!("cannot note a skipped suite in {}: {error}", path.display());
            }
        }
        false
    }
}

/// Whether a suite can run. When it cannot, says so on standard error and in
/// the file named by `WARDEN_TEST_SKIPS`; under `CI=true` it panics instead.
///
/// ```text
/// if !skipped::require("the sshd suite", account::privileged()) {
///     return;
/// }
/// ```
#[track_caller]
#[must_use = "a suite that ignores this runs without what it needs"]
pub fn require(what: &str, found: Result<(), String>) -> bool {
    Policy::from_environment().require(what, found)
}
