//! Keys and foreign certificates, made by the real `ssh-keygen`.

use crate::process::{Outcome, run};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The slowest thing here is a large RSA key on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs `ssh-keygen` in UTC and the C locale.
#[track_caller]
pub fn ssh_keygen<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Outcome {
    let mut command = Command::new("ssh-keygen");
    command
        .args(args)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        // Nothing here may ask a person or an agent.
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env_remove("SSH_AUTH_SOCK");
    run(command, None, TIMEOUT)
}

/// What `ssh-keygen -L` says about a certificate; the times are in UTC.
#[track_caller]
#[must_use]
pub fn list(certificate: &Path) -> String {
    ssh_keygen([OsStr::new("-L"), OsStr::new("-f"), certificate.as_os_str()])
        .expect_success()
        .stdout
}

/// The fingerprint of a public key or certificate, as `SHA256:...`.
#[track_caller]
#[must_use]
pub fn fingerprint(public: &Path) -> String {
    let listed = ssh_keygen([OsStr::new("-l"), OsStr::new("-f"), public.as_os_str()])
        .expect_success()
        .stdout;
    match listed.split_whitespace().nth(1) {
        Some(fingerprint) => fingerprint.to_owned(),
        None => panic!("ssh-keygen -l wrote {listed:?}"),
    }
}

/// The key types that `ssh-keygen` makes without a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyType {
    /// `ssh-ed25519`.
    Ed25519,
    /// `ecdsa-sha2-nistp256`, `-nistp384` or `-nistp521`.
    Ecdsa(u16),
    /// `ssh-rsa`, with a modulus of this many bits.
    Rsa(u16),
}

impl KeyType {
    /// One of each; the RSA key has 3072 bits.
    pub const ALL: [Self; 5] = [
        Self::Ed25519,
        Self::Ecdsa(256),
        Self::Ecdsa(384),
        Self::Ecdsa(521),
        Self::Rsa(3072),
    ];

    fn arguments(self) -> Vec<String> {
        let (name, bits) = match self {
            Self::Ed25519 => ("ed25519", None),
            Self::Ecdsa(bits) => ("ecdsa", Some(bits)),
            Self::Rsa(bits) => ("rsa", Some(bits)),
        };
        let mut arguments = vec!["-t".to_owned(), name.to_owned()];
        if let Some(bits) = bits {
            arguments.extend(["-b".to_owned(), bits.to_string()]);
        }
        arguments
    }
}

/// A key pair on disk.
#[derive(Clone, Debug)]
pub struct Key {
    path: PathBuf,
}

impl Key {
    /// Makes an unencrypted key pair in a directory.
    #[track_caller]
    #[must_use]
    pub fn make(directory: &Path, name: &str, key_type: KeyType) -> Self {
        Self::make_with(directory, name, key_type, "", &[])
    }

    /// Makes a key pair under a passphrase, encrypted with a cipher that
    /// `ssh-keygen -Z` knows (or its usual one).
    #[track_caller]
    #[must_use]
    pub fn make_encrypted(
        directory: &Path,
        name: &str,
        key_type: KeyType,
        passphrase: &str,
        cipher: Option<&str>,
    ) -> Self {
        // One round: the suites make many keys, and no secret is kept in them.
        let mut args = vec!["-a", "1"];
        if let Some(cipher) = cipher {
            args.extend(["-Z", cipher]);
        }
        Self::make_with(directory, name, key_type, passphrase, &args)
    }

    /// Makes a key pair with further arguments, such as `-m PEM` for the
    /// formats that came before OpenSSH's own.
    #[track_caller]
    #[must_use]
    pub fn make_with(
        directory: &Path,
        name: &str,
        key_type: KeyType,
        passphrase: &str,
        args: &[&str],
    ) -> Self {
        let path = directory.join(name);
        let mut command = vec!["-q".to_owned()];
        command.extend(key_type.arguments());
        command.extend(["-N", passphrase, "-C", name].map(str::to_owned));
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        let mut command: Vec<_> = command.iter().map(OsStr::new).collect();
        command.extend([OsStr::new("-f"), path.as_os_str()]);
        ssh_keygen(command).check();
        Self { path }
    }

    /// The file with the private half.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the public half.
    #[must_use]
    pub fn public_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".pub");
        path.into()
    }

    /// The public half: one line, without its end.
    #[track_caller]
    #[must_use]
    pub fn public_line(&self) -> String {
        read_line(&self.public_path())
    }
}

/// A certificate that `ssh-keygen -s` is to make: for a user, without any
/// principal, valid for ever, with the usual extensions, unless told otherwise.
#[derive(Clone, Debug)]
pub struct Signing {
    ca: PathBuf,
    public: String,
    args: Vec<String>,
    principals: Vec<String>,
}

impl Signing {
    /// Names the CA's private key, the public key line to certify and the key
    /// id.
    #[must_use]
    pub fn new(ca: &Key, public: &str, key_id: &str) -> Self {
        Self {
            ca: ca.path().to_owned(),
            public: public.to_owned(),
            args: vec!["-I".to_owned(), key_id.to_owned()],
            principals: Vec::new(),
        }
    }

    /// Adds a principal. A certificate with none is good for no account of a
    /// server that has an `AuthorizedPrincipalsFile`.
    #[must_use]
    pub fn principal(mut self, name: &str) -> Self {
        self.principals.push(name.to_owned());
        self
    }

    /// Sets the validity as `ssh-keygen -V` takes it: `-1h:+5m`, say.
    #[must_use]
    pub fn validity(self, interval: &str) -> Self {
        self.args(&["-V", interval])
    }

    /// Sets the serial number.
    #[must_use]
    pub fn serial(self, serial: u64) -> Self {
        self.args(&["-z", &serial.to_string()])
    }

    /// Adds a critical option or changes an extension as `ssh-keygen -O`
    /// takes it: `force-command=id`, `clear`, `no-pty`, and so on.
    #[must_use]
    pub fn option(self, option: &str) -> Self {
        self.args(&["-O", option])
    }

    /// Makes a host certificate.
    #[must_use]
    pub fn host(self) -> Self {
        self.args(&["-h"])
    }

    /// Adds arguments as they are, such as `-t rsa-sha2-256`.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Signs, and writes the certificate to a file, which it returns.
    #[track_caller]
    pub fn write(&self, to: &Path) -> PathBuf {
        // ssh-keygen chooses where the certificate goes: beside the public
        // key. In a directory of its own nothing else is overwritten.
        let (directory, public) = match self.stage() {
            Ok(staged) => staged,
            Err(error) => panic!("cannot stage a public key to sign: {error}"),
        };
        let principals = self.principals.join(",");
        let mut command = vec![OsStr::new("-q"), OsStr::new("-s"), self.ca.as_os_str()];
        command.extend(self.args.iter().map(OsStr::new));
        if !principals.is_empty() {
            command.extend([OsStr::new("-n"), OsStr::new(&principals)]);
        }
        command.push(public.as_os_str());
        ssh_keygen(command).check();
        let made = directory.path().join("key-cert.pub");
        if let Err(error) = std::fs::copy(&made, to) {
            panic!("cannot write the certificate {}: {error}", to.display());
        }
        to.to_owned()
    }

    fn stage(&self) -> std::io::Result<(tempfile::TempDir, PathBuf)> {
        let directory = tempfile::tempdir()?;
        let public = directory.path().join("key.pub");
        std::fs::write(&public, format!("{}\n", self.public.trim_end()))?;
        Ok((directory, public))
    }
}

/// Reads a file that holds one line: a public key or a certificate.
#[track_caller]
#[must_use]
pub fn read_line(path: &Path) -> String {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim_end().to_owned(),
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    }
}
