//! The few things that only root may do.

use crate::process::{Outcome, run};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Whether this process is root already.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program to run as root: through `sudo` unless this process is root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = if is_root() {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.arg("-n").arg("--").arg(program);
        command
    };
    // Debian leaves the system directories out of the path of plain users.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.env("LC_ALL", "C");
    command
}

/// Runs a program as root to its end.
#[track_caller]
pub(crate) fn outcome<I: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = I>,
    stdin: Option<Vec<u8>>,
) -> Outcome {
    let mut command = command(program);
    command.args(args);
    run(command, stdin, Duration::from_secs(60))
}

/// Makes a directory that `sshd` accepts under `StrictModes`: root's, written
/// by nobody else, and with no parent that somebody else can write, which
/// leaves out `/tmp`.
#[track_caller]
pub(crate) fn make_directory() -> PathBuf {
    let made = outcome("mktemp", ["-d", "/run/warden-test-XXXXXXXX"], None).expect_success();
    let path = PathBuf::from(made.stdout.trim_end());
    outcome("chmod", [OsStr::new("0755"), path.as_os_str()], None).check();
    path
}

/// Removes a directory that `make_directory` made.
pub(crate) fn remove_directory(path: &Path) {
    let known = path.starts_with("/run")
        && path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("warden-test-"));
    if known {
        drop(outcome("rm", [OsStr::new("-rf"), path.as_os_str()], None));
    }
}

/// Writes a file of root's, replacing it in one step so that no server reads
/// half of it.
#[track_caller]
pub(crate) fn write(path: &Path, contents: &[u8], mode: &str) {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let script = "umask 077 && cat >\"$1\" && chmod \"$3\" \"$1\" && mv -f \"$1\" \"$2\"";
    outcome(
        "sh",
        [
            OsStr::new("-c"),
            OsStr::new(script),
            OsStr::new("sh"),
            &beside,
            path.as_os_str(),
            OsStr::new(mode),
        ],
        Some(contents.to_vec()),
    )
    .check();
}
