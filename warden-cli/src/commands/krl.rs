use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::{Report, on_one_line};
use crate::ssh_keygen::{self, TrialError};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::certificate::{CaPublicKey, Parsed, PublicKey};
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::host::krl::{self, InstallError, KrlError, MAX_KRL_BYTES};
use warden_core::revocation::{self, Revocations};

/// The largest key or certificate file that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// What reading the list may add to a login before it is said aloud, in milliseconds.
const BUDGET_MILLISECONDS: u64 = 50;

/// Write the list of what is revoked for hosts, and ask such a list
#[derive(Args)]
pub(crate) struct Krl {
    #[command(subcommand)]
    command: KrlCommand,
}

#[derive(Subcommand)]
enum KrlCommand {
    /// Write what is revoked as a KRL, for `RevokedKeys` of sshd
    ///
    /// The file is replaced whole, by a higher version, after it was read back and asked, by
    /// `ssh-keygen` too where there is one. The file before it is kept as FILE.prev.
    Build(Build),
    /// Say whether a certificate or key is revoked; exits with 1 if it is
    Check(Check),
}

#[derive(Args)]
struct Build {
    /// Where the list is to be
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Write a list that revokes nothing
    #[arg(long)]
    allow_empty: bool,

    /// The public key of a CA of which certificates are revoked; may be repeated [default: the configured CA]
    #[arg(long, value_name = "FILE")]
    ca_key: Vec<PathBuf>,
}

#[derive(Args)]
struct Check {
    /// A file with one certificate or public key
    certificate: PathBuf,

    /// The list to ask [default: what is revoked in the state directory]
    #[arg(long, value_name = "FILE")]
    krl: Option<PathBuf>,
}

impl Krl {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        match self.command {
            KrlCommand::Build(build) => build.run(&Setup::load(config)?),
            KrlCommand::Check(check) => check.run(config),
        }
    }
}

impl Build {
    fn run(self, setup: &Setup) -> Result<Report, CliError> {
        let revocations = revocation::load_mended(&setup.state_dir)?;
        let now = SystemClock.now();
        let there = krl::read::<TrialError>(&self.out)?;
        let version = match there.as_ref().map(krl::Krl::version) {
            None => now.0,
            // At the very last version `install` says that nothing is newer.
            Some(version) => version.saturating_add(1).max(now.0),
        };
        refuse_older(&self.out, there.as_ref(), &revocations)?;
        let new = revocations.krl(now, version, &self.cas(setup, &revocations)?)?;
        if new.is_empty() && !self.allow_empty {
            return Err(CliError::new(
                Class::Refused,
                "krl_empty",
                "nothing is revoked, so the list would let everything in",
            )
            .hint("if that is meant: --allow-empty"));
        }
        let mut tried_by = "warden";
        let installed = krl::install(&self.out, &new, |file| {
            ssh_keygen::try_krl(file, &new).map(|with| tried_by = with)
        });
        let installed =
            installed.map_err(|error: InstallError<TrialError>| CliError::from(error))?;
        let text = format!(
            "{}: version {version}, {} entries, {} bytes, read back by {tried_by}\n",
            self.out.display(),
            new.entries(),
            installed.bytes
        );
        let mut notes = Vec::new();
        let cost = new.load_milliseconds();
        if cost > BUDGET_MILLISECONDS {
            notes.push(format!(
                "warning: sshd reads the list at every login, which takes about {cost} ms; let certificates live shorter, so that revoked ones leave it sooner"
            ));
        }
        if let Some(previous) = &installed.previous {
            notes.push(format!("the list before it is {}", previous.display()));
        }
        let json = json!({
            "file": self.out.display().to_string(),
            "version": version.to_string(),
            "entries": new.entries(),
            "bytes": installed.bytes,
            "previous": installed.previous.map(|path| path.display().to_string()),
            "read_back_by": tried_by,
            "load_milliseconds": cost,
        });
        Ok(Report { text, json, notes })
    }

    /// The keys of the CAs of which certificates are revoked: those named, else the configured one.
    fn cas(&self, setup: &Setup, revocations: &Revocations) -> Result<Vec<CaPublicKey>, CliError> {
        let named: Result<Vec<_>, _> = self
            .ca_key
            .iter()
            .map(|path| super::revoke::read_ca_key(path))
            .collect();
        let mut cas = named?;
        let wanted = revocations.cas_of_certificates(SystemClock.now());
        if wanted
            .iter()
            .any(|one| cas.iter().all(|ca| ca.fingerprint() != one))
        {
            let configured = setup.ca_public_key();
            cas.push(
                configured
                    .map_err(|error| error.hint("or name the CA's public key: --ca-key FILE"))?,
            );
        }
        Ok(cas)
    }
}

/// A state directory restored from an old copy knows less than the list that hosts have.
fn refuse_older(
    path: &Path,
    there: Option<&krl::Krl>,
    revocations: &Revocations,
) -> Result<(), CliError> {
    match there.and_then(Revocations::through_of) {
        Some(through) if through > revocations.through() => Err(CliError::new(
            Class::Refused,
            "krl_older",
            format!(
                "{} was made from the journal through record {through}; what is revoked here goes through record {}",
                path.display(),
                revocations.through()
            ),
        )
        .hint("if this state directory was restored from a copy: revoke again what was revoked since; then build to another file and compare")),
        _ => Ok(()),
    }
}

impl Check {
    fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let content = file::read_bounded(&self.certificate, MAX_BYTES, Links::Follow)?;
        let name = on_one_line(&self.certificate.display().to_string());
        let subject = Subject::read(&content)
            .map_err(|error| error.cause(format!("in {}", self.certificate.display())))?;
        let (matched, words) = match &self.krl {
            Some(path) => subject.in_list(&read_list(path)?),
            None => {
                let state_dir = Setup::load(config)?.state_dir;
                let revocations = revocation::load_mended(&state_dir)?;
                subject.in_state(&revocations)
            }
        }
        .map_or((None, String::new()), |(matched, words)| {
            (Some(matched), words)
        });
        let json =
            json!({"file": name, "revoked": matched.is_some(), "matched": matched, "entry": words});
        if matched.is_none() {
            return Ok(Report {
                text: format!("{name}: not revoked\n"),
                json,
                ..Report::default()
            });
        }
        let message = format!("{name} is revoked: {words}");
        let report = Report {
            json,
            ..Report::default()
        };
        Err(CliError::new(Class::Failed, "certificate_revoked", message).with_report(report))
    }
}

/// Reads a list of whatever origin.
fn read_list(path: &Path) -> Result<krl::Krl, CliError> {
    let content = file::read_bounded(path, MAX_KRL_BYTES, Links::Follow)?;
    krl::Krl::parse(&content)
        .map_err(|error: KrlError| CliError::from(error).cause(format!("in {}", path.display())))
}

/// What is asked about.
enum Subject {
    Certificate(Box<Parsed>),
    Key(PublicKey),
}

impl Subject {
    fn read(content: &[u8]) -> Result<Self, CliError> {
        match Parsed::from_line(content) {
            Ok(certificate) => {
                certificate.verify()?;
                Ok(Self::Certificate(Box::new(certificate)))
            }
            Err(error) => match PublicKey::from_openssh(content) {
                Ok(key) => Ok(Self::Key(key)),
                Err(_) => Err(error.into()),
            },
        }
    }

    fn in_list(&self, list: &krl::Krl) -> Option<(&'static str, String)> {
        let revoked = match self {
            Self::Certificate(certificate) => list.revokes(certificate),
            Self::Key(key) => list.revokes_key(key),
        }?;
        Some((revoked.matched(), revoked.to_string()))
    }

    fn in_state(&self, revocations: &Revocations) -> Option<(&'static str, String)> {
        let found = match self {
            Self::Certificate(certificate) => revocations.revokes(certificate),
            Self::Key(key) => revocations.revokes_key(key.fingerprint()),
        };
        let (item, noted) = found?;
        let words = format!("{item}, since {}: {}", noted.at, noted.why);
        Some((item.matched(), words))
    }
}
