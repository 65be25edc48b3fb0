//! Logging in with the real `ssh` client.

use crate::process::{Outcome, Running};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What every login is told, so that nothing of the person who runs the suites
/// has a part in it: no configuration, no other keys, no agent, no question.
const ALWAYS: [&str; 6] = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=no",
    "ControlPath=none",
    "PreferredAuthentications=publickey",
];

/// One run of `ssh` against a server on the loopback interface.
#[derive(Clone, Debug)]
pub struct Login {
    account: String,
    port: u16,
    keys: Vec<OsString>,
    agent: Option<OsString>,
    args: Vec<OsString>,
    command: Option<String>,
    timeout: Duration,
}

impl Login {
    /// Names the account and the port. The command is `true` and the deadline
    /// 20 seconds unless told otherwise.
    #[must_use]
    pub fn new(account: &str, port: u16) -> Self {
        Self {
            account: account.to_owned(),
            port,
            keys: Vec::new(),
            agent: None,
            args: Vec::new(),
            command: Some("true".to_owned()),
            timeout: Duration::from_secs(20),
        }
    }

    /// Adds a private key, or the public half of a key that the agent holds.
    #[must_use]
    pub fn identity(mut self, path: &Path) -> Self {
        self.keys.push("-i".into());
        self.keys.push(path.into());
        self
    }

    /// Adds a certificate for one of the keys.
    #[must_use]
    pub fn certificate(mut self, path: &Path) -> Self {
        let mut option = OsString::from("CertificateFile=");
        option.push(path);
        self.keys.push("-o".into());
        self.keys.push(option);
        self
    }

    /// Lets the client ask the agent at this socket.
    #[must_use]
    pub fn agent(mut self, socket: &Path) -> Self {
        self.agent = Some(socket.into());
        self
    }

    /// Sets the command to run there, as one line for the account's shell.
    #[must_use]
    pub fn command(mut self, line: &str) -> Self {
        self.command = Some(line.to_owned());
        self
    }

    /// Asks for a shell, which ends at once as its input is empty.
    #[must_use]
    pub fn shell(mut self) -> Self {
        self.command = None;
        self
    }

    /// Adds arguments of `ssh`. They come first, and the client keeps the first
    /// value it sees, so these win over the ones every login has.
    #[must_use]
    pub fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets the deadline, after which the client is killed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the client and panics when it is still running at the deadline.
    ///
    /// The status is that of the command, or 255 when the login failed.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        match self.start().finish(self.timeout) {
            Ok(outcome) => outcome,
            Err(why) => panic!("{why}"),
        }
    }

    /// Starts the client and leaves it running, for a session that is to be
    /// looked at while it lasts.
    #[track_caller]
    #[must_use]
    pub fn start(&self) -> Running {
        let mut command = Command::new("ssh");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .args(&self.args)
            .args(["-F", "none"]);
        for option in ALWAYS {
            command.args(["-o", option]);
        }
        let mut agent = OsString::from("IdentityAgent=");
        agent.push(self.agent.as_deref().unwrap_or(OsStr::new("none")));
        command.arg("-o").arg(agent).args(&self.keys);
        if self.keys.is_empty() {
            // Otherwise the client tries the keys in the home directory.
            command.args(["-o", "IdentityFile=none"]);
        }
        command
            .arg("-p")
            .arg(self.port.to_string())
            .arg("-l")
            .arg(&self.account)
            .arg("127.0.0.1");
        if let Some(line) = &self.command {
            command.arg(line);
        }
        Running::start(command, None)
    }
}
