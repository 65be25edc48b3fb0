use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::{Output, Report, Stdout};
use crate::typed::actor_name;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::authorize::{Authorization, Decision, authorize};
use warden_core::certificate::{
    BACKDATE_SECONDS, MAX_PUBLIC_KEY_BYTES, Principal, PrincipalError, Principals, PublicKey, Ttl,
    TtlError,
};
use warden_core::clock::Clock;
use warden_core::deliver::{self, CertificateFile};
use warden_core::failure::{Class, Failure};
use warden_core::file::{self, FileError, Links};
use warden_core::gate::GateRecord;
use warden_core::inventory::{ActorName, Holder};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::{FileJournal, IssuedCertificate, record_failed};
use warden_core::request::CertificateRequest;
use warden_core::revocation;

/// Sign a public key for an actor and print the certificate
///
/// Prints exactly one certificate line on stdout, and keeps a copy as
/// ACTOR-cert.pub in the state directory. Never prompts. Safe to run many times at once.
#[derive(Args)]
pub(crate) struct Sign {
    /// Whom the certificate is for, as the inventory names it
    actor: String,

    #[command(flatten)]
    asked: Asked,
}

/// What is asked of a certificate, whoever it names.
#[derive(Args)]
pub(super) struct Asked {
    /// The public key to certify
    #[arg(long, value_name = "FILE")]
    pubkey: PathBuf,

    /// How long it is to be valid: 45s, 30m, 2h, 1h30m; a bare number is hours [default: the inventory's]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    ttl: Option<String>,

    /// Only this one of the principals; may be repeated [default: all of them]
    #[arg(
        long = "principal",
        value_name = "PRINCIPAL",
        allow_hyphen_values = true
    )]
    principals: Vec<String>,

    /// Decide and say what would be signed; ask no backend, record and issue nothing
    #[arg(long)]
    dry_run: bool,
}

/// Why what was asked is no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("--ttl: {0}")]
    Ttl(TtlError),
    #[error("--principal: {0}")]
    Principal(PrincipalError),
    #[error("cannot use the public key")]
    File(#[source] FileError),
    #[error("cannot use the public key {}", path.display())]
    Key {
        path: PathBuf,
        source: warden_core::certificate::PublicKeyError,
    },
}

impl Failure for RequestError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Ttl(_) => "ttl_malformed",
            Self::Principal(_) => "principal_malformed",
            Self::File(error) => error.reason(),
            Self::Key { source, .. } => source.reason(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Ttl(_) => vec!["leave --ttl out for the default".to_owned()],
            Self::Principal(_) => {
                vec!["leave --principal out for all of the principals".to_owned()]
            }
            Self::File(error) if error.is_not_found() => {
                vec![
                    "name an existing public key; `ssh-keygen -t ed25519 -f KEY` makes a pair"
                        .to_owned(),
                ]
            }
            Self::File(error) => error.hints(),
            Self::Key { source, .. } => source.hints(),
        }
    }
}

impl Sign {
    pub(crate) fn run(self, config: Option<&Path>, output: &Output) -> Result<Report, CliError> {
        let actor = actor_name(&self.actor)
            .map_err(|error| error.hint("`warden inventory list` names every actor"))?;
        self.asked.issue(&Holder::Actor(actor), config, output)
    }
}

impl Asked {
    /// Has a certificate issued, and hands it over.
    pub(super) fn issue(
        &self,
        holder: &Holder,
        config: Option<&Path>,
        output: &Output,
    ) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        if self.dry_run {
            return dry_run(self.request(holder)?, &setup);
        }
        let journal = FileJournal::open(&setup.state_dir)?;
        let prepare = || -> Result<_, CliError> {
            let request = self.request(holder)?;
            let place = CertificateFile::prepare(&setup.state_dir, holder)?;
            let revocations = revocation::load(&setup.state_dir)?;
            let (backend, subject) = match holder {
                Holder::Actor(_) => (setup.backend()?, setup.subject()?),
                Holder::Host(_) => (setup.host_backend()?, None),
            };
            Ok((request, place, revocations, backend, subject))
        };
        let (request, place, revocations, backend, subject) =
            prepare().map_err(|error| recorded(error, &journal, holder))?;
        let gate = setup.gate();
        let issuer = Issuer {
            gating: setup.gating(&gate),
            subject: subject.as_ref(),
            inventory: &setup.inventory,
            revocations: &revocations,
            backend: &*backend,
            journal: &journal,
            clock: &SystemClock,
        };
        match issue(request, &issuer)? {
            Outcome::Denied(denial, _) => Err((*denial).into()),
            Outcome::Issued(certificate) => {
                let gate = certificate.signed().authorization().gate();
                if let Some(GateRecord {
                    mode: "enforce",
                    answer: Err(reason),
                    ..
                }) = gate
                {
                    output.notes(&[format!("warning: signed without an answer of the policy gate ({reason}), since `fail_closed` is false")]);
                }
                place
                    .deliver(&certificate)
                    .map_err(|error| not_delivered(error.into(), &certificate))?;
                print(&certificate, output).map_err(|error| {
                    not_delivered(error, &certificate)
                        .hint(format!("it is stored as {}", place.path().display()))
                })
            }
        }
    }

    fn request(&self, holder: &Holder) -> Result<CertificateRequest, RequestError> {
        let ttl = self
            .ttl
            .as_deref()
            .map(Ttl::parse)
            .transpose()
            .map_err(RequestError::Ttl)?;
        let principals: Result<Vec<_>, _> = self
            .principals
            .iter()
            .map(|text| match holder {
                Holder::Actor(_) => Principal::new(text),
                Holder::Host(_) => Principal::host(text),
            })
            .collect();
        let principals = match principals.map_err(RequestError::Principal)? {
            none if none.is_empty() => None,
            some => Some(Principals::new(some).map_err(RequestError::Principal)?),
        };
        let key = read_public_key(&self.pubkey)?;
        let mut request = CertificateRequest::new(holder.clone(), key);
        if let Some(ttl) = ttl {
            request = request.with_ttl(ttl);
        }
        if let Some(principals) = principals {
            request = request.with_principals(principals);
        }
        Ok(request)
    }
}

/// Reads the public key to be certified.
pub(super) fn read_public_key(path: &Path) -> Result<PublicKey, RequestError> {
    let content = file::read_bounded(path, MAX_PUBLIC_KEY_BYTES, Links::Follow)
        .map_err(RequestError::File)?;
    PublicKey::from_openssh(&content).map_err(|source| RequestError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Records a failure before anything could be decided; if that fails too, says so besides.
fn recorded(error: CliError, journal: &FileJournal, holder: &Holder) -> CliError {
    match record_failed(journal, holder, error.reason(), SystemClock.now()) {
        Ok(_) => error,
        Err(why) => error.cause(format!("and this failure could not be recorded: {why}")),
    }
}

fn not_delivered(error: CliError, certificate: &IssuedCertificate) -> CliError {
    let recorded = certificate.recorded();
    error.hint(format!(
        "serial {} was issued and recorded as {}",
        certificate.signed().serial(),
        recorded.seq
    ))
}

fn print(certificate: &IssuedCertificate, output: &Output) -> Result<Report, CliError> {
    if !output.is_json() {
        deliver::to_writer(certificate, &mut Stdout, "stdout")?;
        return Ok(Report::default());
    }
    let signed = certificate.signed();
    let json = json!({
        "certificate": certificate.to_openssh().trim_end(),
        "serial": signed.serial().to_string(),
        "key_id": signed.key_id(),
        "principals": signed.authorization().principals().to_strings(),
        "valid_after": signed.validity().after().to_string(),
        "valid_before": signed.validity().before().to_string(),
        "ca_fingerprint": signed.ca_fingerprint().as_str(),
        "event_id": certificate.recorded().event_id.as_str(),
    });
    // Here and not at the end, so that a stdout that fails is told which serial was issued.
    output.document(&json)?;
    Ok(Report::default())
}

/// Decides by the bounds alone.
fn dry_run(request: CertificateRequest, setup: &Setup) -> Result<Report, CliError> {
    let standing = setup.inventory.standing(request.holder())?;
    let revocations = revocation::load(&setup.state_dir)?;
    let now = SystemClock.now();
    let terms = match authorize(request, &standing, &revocations, now) {
        Decision::Allow(terms) => terms,
        Decision::Deny(denial) => return Err((*denial).into()),
    };
    let list = |list: Vec<String>| {
        if list.is_empty() {
            "(none)".to_owned()
        } else {
            list.join(", ")
        }
    };
    let options = terms.critical_options().to_map();
    let options = options
        .iter()
        .map(|(name, value)| format!("{name} {value}").trim_end().to_owned())
        .collect();
    let extensions = terms.extensions().iter().map(ToString::to_string).collect();
    let text = [
        (
            "would sign",
            format!(
                "a {} certificate for `{}`",
                terms.cert_type(),
                terms.holder()
            ),
        ),
        (
            "public key",
            format!(
                "{} {}",
                terms.public_key().key_type(),
                terms.public_key().fingerprint()
            ),
        ),
        ("principals", terms.principals().to_string()),
        ("time to live", terms.ttl().to_string()),
        (
            "valid, if signed now",
            format!(
                "{} to {}",
                now.minus(BACKDATE_SECONDS),
                now.plus(terms.ttl().seconds())
            ),
        ),
        ("critical options", list(options)),
        ("extensions", list(extensions)),
        (
            "because of",
            standing
                .place()
                .map_or_else(String::new, |place| place.file.clone()),
        ),
        ("inventory digest", terms.source_digest().to_string()),
    ];
    let text = text
        .iter()
        .map(|(name, value)| format!("{name:<21} {value}\n"))
        .collect();
    Ok(Report {
        text,
        json: dry_run_json(&terms),
        ..Report::default()
    })
}

fn dry_run_json(terms: &Authorization) -> serde_json::Value {
    json!({
        "dry_run": true,
        "actor": terms.holder().actor().map(ActorName::as_str),
        "key_id": terms.holder().as_str(),
        "public_key": terms.public_key().fingerprint().as_str(),
        "principals": terms.principals().to_strings(),
        "ttl_seconds": terms.ttl().seconds(),
        "critical_options": terms.critical_options().to_map(),
        "extensions": terms.extensions().iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "source_digest": terms.source_digest().to_string(),
    })
}
