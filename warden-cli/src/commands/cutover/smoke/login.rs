//! A trial login with the system's `ssh`. The private key is in memory only: the client reads it from
//! a file without a name, which is its standard input and already at its end.

use crate::error::CliError;
use crate::program::Program;
use rustix::fs::{MemfdFlags, Mode};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use warden_core::failure::Class;
use warden_core::journal::IssuedCertificate;

/// An account on a host.
pub(super) struct Target {
    account: String,
    host: String,
    port: u16,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-:[]".contains(&byte))
        };
        let read = || {
            let (account, place) = text.split_once('@')?;
            let (host, port) = place.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (plain(account) && plain(host)).then_some(())?;
            Some(Self {
                account: account.to_owned(),
                host: host.to_owned(),
                port: port.parse().ok()?,
            })
        };
        read().ok_or_else(|| {
            CliError::new(
                Class::Malformed,
                "login_malformed",
                format!("`{text}` is not USER@HOST:PORT"),
            )
        })
    }

    pub(super) fn account(&self) -> &str {
        &self.account
    }
}

/// A key that certificates are tried with.
pub(super) struct Trial {
    key: File,
    directory: tempfile::TempDir,
}

impl Trial {
    pub(super) fn new(private: &str) -> Result<Self, CliError> {
        let made = || -> std::io::Result<Self> {
            let mut key = File::from(rustix::fs::memfd_create("trial", MemfdFlags::CLOEXEC)?);
            rustix::fs::fchmod(&key, Mode::RUSR | Mode::WUSR)?;
            key.write_all(private.as_bytes())?;
            key.seek(SeekFrom::End(0))?;
            // For the certificates, which are no secret.
            Ok(Self {
                key,
                directory: tempfile::tempdir()?,
            })
        };
        made().map_err(|error| not_started(&error))
    }

    /// Whether the host lets this certificate into the account. That it is not reached is an error.
    pub(super) fn admitted(
        &self,
        target: &Target,
        account: &str,
        certificate: &IssuedCertificate,
    ) -> Result<bool, CliError> {
        let path = self.directory.path().join("trial-cert.pub");
        std::fs::write(&path, certificate.to_openssh()).map_err(|error| not_started(&error))?;
        let mut file = std::ffi::OsString::from("CertificateFile=");
        file.push(&path);
        let ssh = Program::find("ssh").ok_or_else(|| {
            not_started(&std::io::Error::other("the system has no ssh"))
                .hint("install OpenSSH's client")
        })?;
        let mut command = Command::new(ssh.path());
        command.env_clear().env("PATH", "/usr/bin:/bin").args([
            "-F",
            "none",
            "-T",
            "-i",
            "/proc/self/fd/0",
        ]);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PreferredAuthentications=publickey",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=10",
            "ControlPath=none",
            "LogLevel=ERROR",
        ] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(file);
        command.args([
            "-p",
            &target.port.to_string(),
            "-l",
            account,
            "--",
            &target.host,
            "true",
        ]);
        let stdin = self.key.try_clone().map_err(|error| not_started(&error))?;
        let ended = command
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| not_started(&error))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        match ended.status.success() {
            true => Ok(true),
            // Only sshd's own refusal is one; a host that is not reached proves nothing.
            false if said.contains("Permission denied") => Ok(false),
            false => {
                let first = said.lines().next().unwrap_or("ssh did not say why");
                Err(not_started(&std::io::Error::other(first.to_owned())))
            }
        }
    }
}

fn not_started(error: &std::io::Error) -> CliError {
    CliError::new(
        Class::Failed,
        "login_not_tried",
        "the login could not be tried",
    )
    .cause(error.to_string())
}
