//! Asks the sshd of this machine about a configuration that is not in place.
//!
//! - By its absolute path, with no environment, no input and a deadline. It only reads, and what it
//!   reads are copies in a directory of its own, with a host key that is thrown away.
//! - Where there is no sshd, or it cannot test anything, that is said and nothing is concluded.

use crate::error::CliError;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use warden_core::failure::Class;
use warden_core::file::{self, FileError};
use warden_core::host::check::Probe;
use warden_core::host::render::SSHD_CONFIG;
use warden_core::host::sshd_config::{ConfigFiles, Effective, Tree};
use warden_core::inventory::AccountName;
use warden_core::sign::local::generate_user_key;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer, in bytes; a real one has 6 KiB.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A configuration, and a directory with copies of it.
pub(crate) struct Trial {
    directory: TempDir,
    program: PathBuf,
    /// The files.
    pub(crate) files: ConfigFiles,
}

/// What sshd said.
pub(crate) enum Verdict {
    /// There is no sshd that could be asked; why.
    NotAsked(String),
    /// It would not start with this configuration; its words.
    Refused(String),
    /// What is in effect, for every account and address.
    InEffect(Vec<Probe>),
}

struct Answer {
    success: bool,
    stdout: String,
    stderr: String,
}

impl Trial {
    /// Copies the configuration of a tree.
    pub(crate) fn prepare(tree: &Tree<'_>, program: &Path) -> Result<Self, CliError> {
        // Whatever the umask is: sshd is root's, and what it reads must be nobody else's.
        let directory = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| no_room(&error))?;
        let files = ConfigFiles::read(tree, SSHD_CONFIG, directory.path())?;
        for (name, text) in files.copies() {
            file::create_new(&directory.path().join(name), text.as_bytes(), 0o600)?;
        }
        Ok(Self {
            directory,
            program: program.to_owned(),
            files,
        })
    }

    /// Asks whether sshd would start, and what would hold for each account from each address.
    pub(crate) fn ask(
        &self,
        accounts: &[&AccountName],
        addresses: &[String],
    ) -> Result<Verdict, CliError> {
        if !self.program.is_absolute() || !self.program.is_file() {
            return Ok(Verdict::NotAsked(format!(
                "there is no {}",
                self.program.display()
            )));
        }
        generate_user_key(&self.directory.path().join("key"), "thrown away")?;
        file::create_new(&self.directory.path().join("empty"), b"", 0o600)?;
        let able = self.run("empty", &["-t"])?;
        if !able.success {
            let why = able.stderr.lines().next().unwrap_or("it does not say why");
            let program = self.program.display();
            return Ok(Verdict::NotAsked(format!(
                "{program} can test nothing here: {why}"
            )));
        }
        let tested = self.run("0", &["-t"])?;
        if !tested.success {
            return Ok(Verdict::Refused(self.said(&tested)));
        }
        let mut probes = Vec::new();
        for account in accounts {
            for address in addresses {
                let connection = format!(
                    "user={account},host={address},addr={address},laddr=127.0.0.1,lport=22,rdomain=none"
                );
                let answer = self.run("0", &["-T", "-C", &connection])?;
                if !answer.success {
                    return Ok(Verdict::Refused(self.said(&answer)));
                }
                probes.push(Probe {
                    account: (*account).clone(),
                    address: address.clone(),
                    effective: Effective::read(&answer.stdout),
                });
            }
        }
        Ok(Verdict::InEffect(probes))
    }

    /// What sshd complained about, with the files' own names.
    fn said(&self, answer: &Answer) -> String {
        let said = self
            .files
            .in_its_own_names(&answer.stderr, self.directory.path());
        let lines: Vec<_> = said.lines().map(str::trim).take(8).collect();
        lines.join("; ")
    }

    fn run(&self, config: &str, args: &[&str]) -> Result<Answer, CliError> {
        let at = |name: &str| self.directory.path().join(name);
        let stream = |name: &str| File::create(at(name)).map_err(|error| no_room(&error));
        let mut child = Command::new(&self.program)
            .env_clear()
            .arg("-f")
            .arg(at(config))
            .arg("-h")
            .arg(at("key"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(stream("stdout")?)
            .stderr(stream("stderr")?)
            .spawn()
            .map_err(|error| failed(&self.program, &error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        let success = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(None) => {
                    // Either fails only if it has ended by itself.
                    drop(child.kill());
                    drop(child.wait());
                    return Err(failed(&self.program, "it has not answered in 10 s"));
                }
                Err(error) => return Err(failed(&self.program, &error.to_string())),
            }
        };
        let read = |name: &str| -> Result<String, FileError> {
            let bytes = file::read_bounded(&at(name), MAX_ANSWER_BYTES, file::Links::Refuse)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Answer {
            success,
            stdout: read("stdout")?,
            stderr: read("stderr")?,
        })
    }
}

fn no_room(error: &std::io::Error) -> CliError {
    CliError::new(
        Class::Failed,
        "sshd_not_asked",
        "no directory can be made in which sshd could be asked",
    )
    .cause(error.to_string())
}

fn failed(program: &Path, why: &str) -> CliError {
    CliError::new(
        Class::Failed,
        "sshd_not_asked",
        format!("{} gave no answer", program.display()),
    )
    .cause(why.to_owned())
    .hint("name another with --sshd, or one that is not there to go on without")
}
