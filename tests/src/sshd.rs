//! A real OpenSSH server, configured and running for one test.

mod directory;
mod launch;

use crate::keygen::{Key, KeyType};
use crate::process::free_port;
use crate::root;
use directory::Directory;
use launch::{knows_penalties, launch, stop};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to start, or a line to reach its log.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server is to be like.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    trusted: Vec<String>,
    principals: Vec<(String, Vec<String>)>,
    revoked: Option<Vec<u8>>,
    host_key: Option<(PathBuf, PathBuf)>,
    first: Vec<String>,
    last: Vec<String>,
}

impl Builder {
    /// Trusts a CA, given as its public key line, to certify users.
    #[must_use]
    pub fn trust(mut self, ca: &str) -> Self {
        self.trusted.push(ca.to_owned());
        self
    }

    /// Lets certificates with these principals into an account. The lines may
    /// begin with options, as in any `AuthorizedPrincipalsFile`.
    #[must_use]
    pub fn principals(mut self, account: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.principals.push((account.to_owned(), lines));
        self
    }

    /// Gives the server a `RevokedKeys` file: a list of keys, or a binary KRL.
    /// Without one, [`Sshd::set_revoked`] has no effect.
    #[must_use]
    pub fn revoked(mut self, contents: impl Into<Vec<u8>>) -> Self {
        self.revoked = Some(contents.into());
        self
    }

    /// Uses this host key and host certificate, instead of a new key without.
    #[must_use]
    pub fn host_certificate(mut self, key: &Key, certificate: &Path) -> Self {
        self.host_key = Some((key.path().to_owned(), certificate.to_owned()));
        self
    }

    /// Adds a line of configuration. It comes before the harness's own lines,
    /// and sshd keeps the first value it sees.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.first.push(line.to_owned());
        self
    }

    /// Adds lines to the end of the configuration: the place for a `Match`.
    #[must_use]
    pub fn last_lines(mut self, lines: &str) -> Self {
        self.last.push(lines.to_owned());
        self
    }

    /// Starts the server and waits until it listens.
    #[track_caller]
    #[must_use]
    pub fn start(self) -> Sshd {
        let directory = Directory(root::make_directory());
        let logs = log_directory();
        self.write_files(&directory, logs.path());
        let config = directory.join("sshd_config");
        let text = |port| self.config(&directory, port);
        let (child, port, log) = listening(&config, "0600", logs.path(), text);
        Sshd {
            child,
            port,
            directory,
            log,
            _logs: logs,
        }
    }

    /// Starts a server that has no say of its own in who may log in: beyond its address and its host
    /// key, its configuration is what `render` puts into a tree. That is given the place where the tree
    /// will stand, and gives the directory whose `etc` is copied there. The main file is
    /// `etc/ssh/sshd_config` in that place, with the lines of [`Builder::line`] first and those of
    /// [`Builder::last_lines`] last.
    #[track_caller]
    #[must_use]
    pub fn start_rendered(self, render: impl FnOnce(&Path) -> PathBuf) -> Sshd {
        let directory = Directory(root::make_directory());
        let logs = log_directory();
        directory.install(&render(&directory.0));
        let key = match &self.host_key {
            Some((key, _)) => key.clone(),
            None => Key::make(logs.path(), "host", KeyType::Ed25519)
                .path()
                .to_owned(),
        };
        root::write(&directory.join("host"), &read(&key), "0600");
        let config = directory.join("etc/ssh/sshd_config");
        let place = directory.0.display();
        let text = |port| {
            let mut lines = self.first.clone();
            lines.push(format!(
                "\
Include {place}/etc/ssh/sshd_config.d/*.conf
ListenAddress 127.0.0.1:{port}
HostKey {place}/host
PidFile none
MaxStartups 200
UseDNS no
PrintMotd no
PrintLastLog no"
            ));
            if knows_penalties() {
                lines.push("PerSourcePenalties no".to_owned());
            }
            lines.extend(self.last.iter().cloned());
            lines.push(String::new());
            lines.join("\n")
        };
        let (child, port, log) = listening(&config, "0644", logs.path(), text);
        Sshd {
            child,
            port,
            directory,
            log,
            _logs: logs,
        }
    }

    fn write_files(&self, directory: &Directory, scratch: &Path) {
        directory.make("principals");
        for (account, lines) in &self.principals {
            directory.write_lines(&principals_file(account), lines);
        }
        directory.write_lines("trusted", &self.trusted);
        if let Some(revoked) = &self.revoked {
            root::write(&directory.join("revoked"), revoked, "0644");
        }
        let key = match &self.host_key {
            Some((key, certificate)) => {
                let certificate = read(certificate);
                root::write(&directory.join("host-cert.pub"), &certificate, "0644");
                key.clone()
            }
            None => Key::make(scratch, "host", KeyType::Ed25519)
                .path()
                .to_owned(),
        };
        root::write(&directory.join("host"), &read(&key), "0600");
    }

    fn config(&self, directory: &Directory, port: u16) -> String {
        let place = directory.0.display();
        let mut lines = self.first.clone();
        lines.push(format!(
            "\
ListenAddress 127.0.0.1:{port}
HostKey {place}/host
PidFile none
UsePAM no
StrictModes yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
TrustedUserCAKeys {place}/trusted
AuthorizedPrincipalsFile {place}/principals/%u
LogLevel VERBOSE
MaxStartups 200
UseDNS no
PrintMotd no
PrintLastLog no"
        ));
        if knows_penalties() {
            // A refused login would make the next one wait.
            lines.push("PerSourcePenalties no".to_owned());
        }
        if self.host_key.is_some() {
            lines.push(format!("HostCertificate {place}/host-cert.pub"));
        }
        if self.revoked.is_some() {
            lines.push(format!("RevokedKeys {place}/revoked"));
        }
        lines.extend(self.last.iter().cloned());
        lines.push(String::new());
        lines.join("\n")
    }
}

#[track_caller]
fn log_directory() -> TempDir {
    match tempfile::tempdir() {
        Ok(logs) => logs,
        Err(error) => panic!("cannot make a directory for a log: {error}"),
    }
}

/// Writes a configuration for a free port and starts a server with it; gives the process, the port
/// and the log.
#[track_caller]
fn listening(
    config: &Path,
    mode: &str,
    logs: &Path,
    text: impl Fn(u16) -> String,
) -> (Child, u16, PathBuf) {
    let mut trouble = String::new();
    for attempt in 0..10 {
        let log = logs.join(format!("log-{attempt}"));
        let port = free_port();
        root::write(config, text(port).as_bytes(), mode);
        match launch(config, &log, port) {
            Ok(child) => return (child, port, log),
            // Somebody else got the port in between: try another.
            Err(why) => trouble = why,
        }
        if !trouble.contains("Address already in use") {
            break;
        }
    }
    panic!("sshd does not start:\n{trouble}");
}

/// A running server. Dropping it stops it.
pub struct Sshd {
    child: Child,
    port: u16,
    directory: Directory,
    log: PathBuf,
    _logs: TempDir,
}

impl Sshd {
    /// Begins to describe a server.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory with everything that belongs to the server.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory.0
    }

    /// Everything the server has logged.
    ///
    /// Who looks for a login that succeeded looks for `Accepted publickey`.
    /// `Accepted certificate ID` comes earlier, and the server may still refuse
    /// the signature after it.
    #[track_caller]
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&read(&self.log)).into_owned()
    }

    /// The place the log has reached, for [`Sshd::log_since`].
    #[track_caller]
    #[must_use]
    pub fn mark(&self) -> usize {
        read(&self.log).len()
    }

    /// What the server has logged since a mark was taken.
    #[track_caller]
    #[must_use]
    pub fn log_since(&self, mark: usize) -> String {
        let log = read(&self.log);
        String::from_utf8_lossy(log.get(mark..).unwrap_or_default()).into_owned()
    }

    /// Waits until the log since a mark contains a text, and returns that part
    /// of the log. The server may write a line after the client has gone.
    #[track_caller]
    pub fn wait_for_log(&self, mark: usize, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log_since(mark);
            if log.contains(text) {
                return log;
            }
            assert!(
                Instant::now() < deadline,
                "sshd never logged {text:?}, only:\n{log}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Copies the `etc` of a rendered tree over the server's; the next login sees it.
    #[track_caller]
    pub fn install(&self, tree: &Path) {
        self.directory.install(tree);
    }

    /// Runs a line of `sh` as root in the server's directory, to spoil what is there.
    #[track_caller]
    pub fn meddle(&self, line: &str) {
        let script = format!("cd \"$1\" && {line}");
        let directory = self.directory.0.as_os_str();
        let args = ["-c".as_ref(), script.as_ref(), "sh".as_ref(), directory];
        root::outcome("sh", args, None).check();
    }

    /// Copies everything the server reads, with mode and owner, into a directory that stands for the
    /// root of its host.
    #[track_caller]
    pub fn copy_into(&self, root: &Path) {
        let script = "\
rm -rf \"$2\" && mkdir -p \"$2/etc/ssh\" \"$2$1\" && cp -Rp \"$1/.\" \"$2$1\" && rm -f \"$2$1/host\"
for config in \"$1/sshd_config\" \"$1/etc/ssh/sshd_config\"; do
    if [ -e \"$config\" ]; then cp \"$config\" \"$2/etc/ssh/sshd_config\"; fi
done
chmod -R a+rX \"$2\"";
        let args = [
            "-c".as_ref(),
            script.as_ref(),
            "sh".as_ref(),
            self.directory.0.as_os_str(),
            root.as_os_str(),
        ];
        root::outcome("sh", args, None).check();
    }

    /// Replaces the principals of an account; the next login sees it.
    #[track_caller]
    pub fn set_principals(&self, account: &str, lines: &[&str]) {
        self.directory.write_lines(&principals_file(account), lines);
    }

    /// Replaces the trusted CAs; the next login sees it.
    #[track_caller]
    pub fn set_trusted(&self, cas: &[&str]) {
        self.directory.write_lines("trusted", cas);
    }

    /// Replaces the `RevokedKeys` file; the next login sees it.
    #[track_caller]
    pub fn set_revoked(&self, contents: &[u8]) {
        root::write(&self.directory.join("revoked"), contents, "0644");
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn principals_file(account: &str) -> String {
    format!("principals/{account}")
}

#[track_caller]
fn read(path: &Path) -> Vec<u8> {
    match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    }
}
