//! Other programs that warden asks: git, ssh-keygen, sshd.
//!
//! - Found in the system's own directories, never by `PATH`: a program put in its way is not run.
//! - Run with a bare environment, so that no secret of ours reaches them and no variable changes what
//!   they do, and with a time limit.

use crate::error::CliError;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use warden_core::failure::Class;

/// Where programs are looked for, in this order.
const DIRECTORIES: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/bin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// The longest a program may run.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The most that is read of what a program prints, in bytes.
const MAX_OUTPUT: u64 = 256 * 1024 * 1024;

/// A program of the system.
pub(crate) struct Program(PathBuf);

/// What a program did.
pub(crate) struct Ran {
    /// Whether it ended with status 0.
    pub(crate) success: bool,
    pub(crate) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Program {
    /// The program of this name, if the system has it.
    pub(crate) fn find(name: &str) -> Option<Self> {
        DIRECTORIES
            .iter()
            .map(|directory| Path::new(directory).join(name))
            .find(|path| path.is_file())
            .map(Self)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Runs it with these arguments and variables, and this on its standard input.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        variables: &[(&str, &OsStr)],
        stdin: Vec<u8>,
    ) -> Result<Ran, CliError> {
        let failed = |what: &str, cause: String| {
            let message = format!("{} {what}", self.0.display());
            CliError::new(Class::Failed, "program_failed", message).cause(cause)
        };
        let io = |error: std::io::Error| failed("cannot be run", error.to_string());
        let mut child = Command::new(&self.0)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        let mut input = child.stdin.take();
        // A program that does not read all of it has said what it has to say.
        let feeding = std::thread::spawn(move || input.as_mut().map(|pipe| pipe.write_all(&stdin)));
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().map_err(io)? {
                Some(status) => break status,
                None if begun.elapsed() > TIME_LIMIT => {
                    child.kill().map_err(io)?;
                    child.wait().map_err(io)?;
                    let limit = format!("it took more than {} s", TIME_LIMIT.as_secs());
                    return Err(failed("did not end", limit));
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        drop(feeding.join());
        let read = |thread: std::thread::JoinHandle<std::io::Result<Vec<u8>>>| {
            let bytes = thread
                .join()
                .map_err(|_| "its output was not read".to_owned());
            bytes.and_then(|bytes| bytes.map_err(|error| error.to_string()))
        };
        Ok(Ran {
            success: status.success(),
            stdout: read(stdout).map_err(|cause| failed("cannot be read", cause))?,
            stderr: read(stderr).map_err(|cause| failed("cannot be read", cause))?,
        })
    }
}

impl Ran {
    /// The first line it printed to its standard error.
    pub(crate) fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let first = text.lines().find(|line| !line.trim().is_empty());
        first.unwrap_or("it said nothing").trim().to_owned()
    }
}

fn reader(
    pipe: Option<impl Read + Send + 'static>,
) -> std::thread::JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            pipe.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}
