use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::{ArgGroup, Args};
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::certificate::{
    CaPublicKey, Fingerprint, MAX_PUBLIC_KEY_BYTES, Parsed, Serial, UnixTime,
};
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::inventory::ActorName;
use warden_core::journal::FileJournal;
use warden_core::revocation::{Done, Target, Unread, Why, mend, revoke, undo};

/// The largest certificate file that is read, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 256 * 1024;

/// Revoke an actor, a certificate, a key or a CA, at once; or give it back
///
/// Recorded in the journal, and in force here when this returns: no certificate is signed any more
/// for what is revoked. Hosts learn it from the list that `warden krl build` writes.
#[derive(Args)]
#[command(group = ArgGroup::new("target").required(true).args(["actor", "serial", "cert", "key", "ca", "mend"]))]
pub(crate) struct Revoke {
    /// An actor: no new certificates, and those it has are revoked by serial
    actor: Option<String>,

    /// The certificate with this serial, as the journal has it
    #[arg(long, value_name = "N")]
    serial: Option<String>,

    /// The certificate in this file
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// A public key, in a file or as SHA256:..., and every certificate of it
    #[arg(long, value_name = "FILE")]
    key: Option<String>,

    /// A CA and all that it signed: the configured one, or the one whose public key FILE has
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of a flag that may have a value"
    )]
    ca: Option<Option<PathBuf>>,

    /// Revoke nothing; make the file of what is revoked agree with the journal
    #[arg(long)]
    mend: bool,

    /// An older journal that was rotated away, oldest first; may be repeated
    #[arg(long, value_name = "FILE")]
    older: Vec<PathBuf>,

    /// Give back what was revoked with the same words
    #[arg(long, conflicts_with = "mend")]
    undo: bool,

    /// Why, in your own words: at most 200 characters on one line
    #[arg(long, value_name = "TEXT", required_unless_present = "mend")]
    reason: Option<String>,
}

impl Revoke {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let why = self
            .reason
            .as_deref()
            .map(Why::new)
            .transpose()
            .map_err(|error| {
                CliError::new(
                    Class::Malformed,
                    "revocation_reason_malformed",
                    format!("--reason: {error}"),
                )
            })?;
        let setup = Setup::load(config)?;
        let Some(why) = why.filter(|_| !self.mend) else {
            let journal = FileJournal::open(&setup.state_dir)?;
            let done = mend(&journal, &self.older, &SystemClock)?;
            let text = format!("records put into the file: {}\n", done.mended);
            return Ok(Report {
                text,
                json: json!({"mended": done.mended}),
                ..Report::default()
            });
        };
        let target = self.target(&setup)?;
        let journal = FileJournal::open(&setup.state_dir)?;
        let done = match self.undo {
            false => revoke(&journal, &self.older, &target, &why, &SystemClock)?,
            true => undo(&journal, &self.older, &target, &why, &SystemClock)?,
        };
        let report = report(&target, &done, self.undo, &setup);
        match &target {
            Target::Actor(actor) if !done.unread.is_empty() => {
                Err(not_all(actor, &done).with_report(report))
            }
            _ => Ok(report),
        }
    }

    fn target(&self, setup: &Setup) -> Result<Target, CliError> {
        if let Some(name) = &self.actor {
            let actor = actor_name(name);
            return actor
                .map(Target::Actor)
                .map_err(|error| error.hint("`warden inventory list` names every actor"));
        }
        if let Some(text) = &self.serial {
            return match text
                .parse()
                .ok()
                .filter(|number: &u64| number.to_string() == *text)
            {
                Some(number) => Serial::new(number)
                    .map(Target::Serial)
                    .ok_or_else(serial_zero),
                None => Err(CliError::new(
                    Class::Malformed,
                    "serial_malformed",
                    format!("--serial: `{text}` is not a serial, 1 to 18446744073709551615"),
                )
                .hint("`warden show CERTIFICATE` prints it, and so does sshd's log")),
            };
        }
        if let Some(path) = &self.cert {
            return certificate(path);
        }
        if let Some(text) = &self.key {
            let known = Fingerprint::parse(text).map(Ok);
            let key = known.unwrap_or_else(|| {
                super::sign::read_public_key(Path::new(text)).map(|key| key.fingerprint().clone())
            })?;
            return Ok(Target::Key(key));
        }
        let ca = match self.ca.as_ref().and_then(Option::as_ref) {
            Some(path) => read_ca_key(path)?,
            None => setup.ca_public_key().map_err(|error| {
                error.hint("or name the file with the CA's public key: --ca FILE")
            })?,
        };
        Ok(Target::Ca(ca.fingerprint().clone()))
    }
}

fn certificate(path: &Path) -> Result<Target, CliError> {
    let content = file::read_bounded(path, MAX_CERTIFICATE_BYTES, Links::Follow)?;
    let in_file = |error: warden_core::certificate::CertificateError| {
        CliError::from(error).cause(format!("in {}", path.display()))
    };
    let certificate = Parsed::from_line(&content).map_err(in_file)?;
    certificate.verify().map_err(in_file)?;
    Ok(Target::Certificate {
        ca: certificate.ca_fingerprint(),
        serial: Serial::new(certificate.serial()).ok_or_else(serial_zero)?,
        valid_before: UnixTime(certificate.valid_before()),
    })
}

fn serial_zero() -> CliError {
    CliError::new(
        Class::Malformed,
        "serial_zero",
        "serial 0 is what a CA gives that numbers nothing; hosts ignore it in a list",
    )
    .hint("revoke the key instead: warden revoke --key FILE")
}

/// Reads a CA's public key.
pub(super) fn read_ca_key(path: &Path) -> Result<CaPublicKey, CliError> {
    let content = file::read_bounded(path, MAX_PUBLIC_KEY_BYTES, Links::Follow)?;
    CaPublicKey::from_openssh(&content)
        .map_err(|error| CliError::from(error).cause(format!("in {}", path.display())))
}

/// An actor's certificates are revoked only as far as their records were read.
fn not_all(actor: &ActorName, done: &Done) -> CliError {
    let unread = Unread::list(&done.unread);
    let message = format!(
        "certificates of `{actor}` that only these records name are not revoked, and may be valid: {unread}"
    );
    CliError::new(Class::Partial, "records_not_read", message)
        .hint("name the older journals, oldest first, and the same command again: --older FILE")
}

/// Says what stops now, and what does not.
fn report(target: &Target, done: &Done, undone: bool, setup: &Setup) -> Report {
    let mut text = String::new();
    let word = if undone { "given back" } else { "revoked" };
    for item in &done.items {
        text += &format!("{word}: {item}\n");
    }
    let mut notes = Vec::new();
    match (done.expired, done.items.is_empty()) {
        (Some(end), _) => text += &format!("nothing to revoke: the certificate ended at {end}\n"),
        (None, true) if undone => text += "nothing to give back: it is not revoked\n",
        (None, true) => text += "nothing to change: it is revoked already\n",
        (None, false) if undone => notes.push(
            "hosts let it in again with the next list: warden krl build --out FILE".to_owned(),
        ),
        (None, false) => notes = consequences(target, done, setup),
    }
    if done.mended > 0 {
        notes.push(format!(
            "put into the file besides, as the journal says: {} earlier records",
            done.mended
        ));
    }
    let json = json!({
        "undo": undone,
        "items": done.items,
        "records": done.records,
        "live_certificates": done.live,
        "mended": done.mended,
        "records_not_read": done.unread.iter().map(|one| json!({"first": one.first, "last": one.last})).collect::<Vec<_>>(),
    });
    Report { text, json, notes }
}

fn consequences(target: &Target, done: &Done, setup: &Setup) -> Vec<String> {
    let live = done.live;
    let mut notes = match target {
        Target::Actor(actor) => vec![
            format!("stopped: `warden sign {actor}` with this state directory; {live} of its certificates were still valid"),
            format!(
                "not stopped: signing anywhere else; set `disabled = true` for `{actor}` in {} and have it reviewed",
                setup.inventory.path().display()
            ),
        ],
        Target::Key(_) => vec![format!(
            "stopped: new certificates for this key with this state directory; {live} that it has were still valid"
        )],
        Target::Ca(_) => vec![
            format!("stopped: signing by this CA with this state directory; {live} certificates recorded here were still valid"),
            "a host that gets the list refuses every certificate of this CA: be sure of another way in".to_owned(),
        ],
        Target::Certificate { ca, serial, .. } if done.known == 0 => vec![format!(
            "warning: no record here of serial {serial} of CA {ca}: it was issued elsewhere, or is another CA's"
        )],
        _ => Vec::new(),
    };
    if let Target::Actor(actor) = target {
        let known = setup.inventory.standing_of(actor);
        if done.known == 0 && known.is_ok_and(|standing| standing.entry.is_none()) {
            notes.insert(
                0,
                format!("warning: neither the inventory nor a record here knows `{actor}`: is the name right? `warden inventory list`"),
            );
        }
    }
    if !done.unread.is_empty() && !matches!(target, Target::Serial(_)) {
        notes.push(format!(
            "not counted: certificates that only these records name, which were not read: {}",
            Unread::list(&done.unread)
        ));
    }
    notes.push(
        "not stopped: logins, until hosts have the list: warden krl build --out FILE".to_owned(),
    );
    notes.push("not stopped: sessions that are open; hosts end them".to_owned());
    notes
}
