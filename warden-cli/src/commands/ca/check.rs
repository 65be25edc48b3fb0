use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use std::path::{Path, PathBuf};
use warden_core::certificate::Fingerprint;
use warden_core::config::CaKeyPlace;
use warden_core::cutover::check;
use warden_core::cutover::preflight::{Container, OldCa, Owner, Preflight, Service, id_of};
use warden_core::failure::Class;
use warden_core::file::{self, FileError, Links};
use warden_core::sign::local::CaKeyFile;

/// The largest inspection of a container, in bytes.
const MAX_INSPECT_BYTES: usize = 4 * 1024 * 1024;

/// The largest `/etc/passwd` or `/etc/group`, in bytes.
const MAX_DATABASE_BYTES: usize = 4 * 1024 * 1024;

/// What a key file is held against.
#[derive(Args)]
pub(crate) struct KeyFileArgs {
    /// The key file of a service: owner root:root, read-only mount, readable for the service
    #[arg(long)]
    service: bool,

    /// The CA key file [default: the one of the configuration]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The file with the key's passphrase
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,

    /// Owner and group, as numbers or names [default: root:root of a service, else who signs]
    #[arg(long, value_name = "USER:GROUP")]
    expect_owner: Option<String>,

    /// The user the service runs as, on this host [default: the container's, else who runs this]
    #[arg(long, value_name = "UID")]
    service_uid: Option<u32>,

    /// A group the service runs with
    #[arg(long, value_name = "GID", requires = "service_uid")]
    service_gid: Vec<u32>,

    /// What `docker inspect` or `podman inspect` wrote about the service's container
    #[arg(long, value_name = "FILE")]
    inspect: Option<PathBuf>,

    /// The fingerprint the key must have
    #[arg(long, value_name = "SHA256:...")]
    fingerprint: Option<String>,

    /// The fingerprint of the CA before it, which must be another one
    #[arg(long, value_name = "SHA256:...")]
    old_fingerprint: Option<String>,
}

impl KeyFileArgs {
    /// Whether anything was asked for beyond the plain check.
    pub(crate) fn is_any(&self) -> bool {
        self.service
            || self.key.is_some()
            || self.expect_owner.is_some()
            || self.service_uid.is_some()
            || self.inspect.is_some()
            || self.fingerprint.is_some()
            || self.old_fingerprint.is_some()
    }

    /// Judges the key file.
    pub(crate) fn judge(&self, config: Option<&Path>) -> Result<check::Report, CliError> {
        let owner = self.expected_owner()?;
        let fingerprint = parsed_fingerprint(self.fingerprint.as_deref())?;
        let old = parsed_fingerprint(self.old_fingerprint.as_deref())?;
        let container = self.inspect.as_deref().map(inspected).transpose()?;
        let service = self.consumer(container.as_ref());
        let preflight = Preflight {
            key: &self.key_file(config)?,
            owner,
            service: service.as_ref(),
            read_only_mount: self.service,
            container: container.as_ref(),
            fingerprint: fingerprint.as_ref(),
            old: old.as_ref().map_or(OldCa::Unknown, OldCa::Another),
        };
        Ok(preflight.run())
    }

    fn key_file(&self, config: Option<&Path>) -> Result<CaKeyFile, CliError> {
        if let Some(path) = &self.key {
            return Ok(CaKeyFile {
                path: path.clone(),
                passphrase_file: self.passphrase_file.clone(),
            });
        }
        let setup = Setup::load(config)?;
        let mut key_file = setup.ca_key_file()?;
        // The configuration's own path starts at its file; a variable's is taken as it is.
        if let Some(CaKeyPlace::Path(path)) = setup.ca_key_place() {
            key_file.path = std::path::absolute(path).map_err(|source| FileError::Io {
                action: "resolve",
                path: path.clone(),
                source,
            })?;
        }
        Ok(key_file)
    }

    fn expected_owner(&self) -> Result<Owner, CliError> {
        let Some(text) = &self.expect_owner else {
            return Ok(match self.service {
                true => Owner { uid: 0, gid: 0 },
                false => running(),
            });
        };
        parsed_owner(text)
    }

    fn consumer(&self, container: Option<&Container>) -> Option<Service> {
        if let Some(uid) = self.service_uid {
            return Some(Service {
                uid,
                groups: self.service_gid.clone(),
            });
        }
        let user = container
            .and_then(Container::user)
            .or_else(|| self.service.then(running))?;
        Some(Service {
            uid: user.uid,
            groups: vec![user.gid],
        })
    }
}

pub(crate) fn running() -> Owner {
    Owner {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

fn id(name: &str, database: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = file::read_text(Path::new(database), MAX_DATABASE_BYTES, Links::Follow).ok()?;
    id_of(&text, name)
}

/// The container of a saved inspection.
pub(crate) fn inspected(path: &Path) -> Result<Container, CliError> {
    let text = file::read_bounded(path, MAX_INSPECT_BYTES, Links::Follow)?;
    Ok(Container::from_json(&text)?)
}

/// An owner of the command line: names of this machine, or numbers.
pub(crate) fn parsed_owner(text: &str) -> Result<Owner, CliError> {
    let unknown = |what: &str| {
        CliError::new(
            Class::Malformed,
            "owner_unknown",
            format!("`{text}` is not an owner: {what}"),
        )
        .hint("write user and group, as names of this machine or as numbers: root:root, 0:0")
    };
    let (user, group) = text
        .split_once(':')
        .ok_or_else(|| unknown("there is no colon"))?;
    let uid = id(user, "/etc/passwd").ok_or_else(|| unknown("no such user"))?;
    let gid = id(group, "/etc/group").ok_or_else(|| unknown("no such group"))?;
    Ok(Owner { uid, gid })
}

/// A fingerprint of the command line, if there is one.
pub(crate) fn parsed_fingerprint(text: Option<&str>) -> Result<Option<Fingerprint>, CliError> {
    let Some(text) = text else { return Ok(None) };
    Fingerprint::parse(text).map(Some).ok_or_else(|| {
        CliError::new(
            Class::Malformed,
            "fingerprint_malformed",
            format!("`{text}` is not a fingerprint"),
        )
        .hint("it is SHA256: and 43 characters, as `ssh-keygen -l -f KEY.pub` prints it")
    })
}

/// The lines of checks, as what a command has to say.
pub(crate) fn shown(checks: &check::Report) -> Report {
    Report {
        text: checks.to_string(),
        json: checks.to_json(),
        ..Report::default()
    }
}

/// The report as output: status 0 if it is ready, 1 otherwise.
pub(crate) fn finish(
    checks: &check::Report,
    reason: &'static str,
    message: &'static str,
) -> Result<Report, CliError> {
    let report = shown(checks);
    if checks.ready() {
        return Ok(report);
    }
    let failed = checks.count(check::Verdict::Fail);
    Err(
        CliError::new(Class::Failed, reason, format!("{message}: {failed} failed"))
            .with_report(report),
    )
}
