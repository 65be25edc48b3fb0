use crate::commands::show;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use warden_core::certificate::{Parsed, PublicKey};
use warden_core::deliver::CertificateFile;
use warden_core::failure::Class;
use warden_core::file;
use warden_core::inventory::{ActorName, Holder};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;
use warden_core::revocation;
use warden_core::sign::local::{KeyKind, LocalCa, generate_ca_key, generate_user_key};

/// The actor a first certificate is for.
const ACTOR: &str = "agt-demo-agent";

const CONFIG: &str = r#"# warden's configuration. Relative paths start at this file.
backend = "local"
ca_key = "ca/ca_key"
inventory_path = "inventory"
state_dir = "state"
"#;

const ACTOR_FILE: &str = r#"# Who may be given what. Keep this directory in git and have changes reviewed.
type = "agt"
principals = ["demo"]
ttl = "1h"
description = "A first actor"
"#;

/// Make a CA, a configuration and an inventory in a new directory, and issue a first certificate
///
/// Nothing that exists is ever overwritten: DIR must not exist, or be empty.
#[derive(Args)]
pub(crate) struct Quickstart {
    /// The directory to make
    dir: PathBuf,
}

impl Quickstart {
    pub(crate) fn run(self) -> Result<Report, CliError> {
        let dir = absent_or_empty(&self.dir)?;
        file::parents_are_safe(&dir)?;
        // Everything is made beside its place and moved there whole, so that a failure leaves nothing.
        let parent = dir.parent().unwrap_or(Path::new("/"));
        let failed = |what: &str, path: &Path| {
            let message = format!("cannot {what} {}", path.display());
            move |error: std::io::Error| {
                CliError::new(Class::Failed, "quickstart_failed", message).cause(error.to_string())
            }
        };
        let made = tempfile::Builder::new()
            .prefix(".warden-quickstart-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed("write in", parent))?;
        let certificate = fill(made.path())?;
        std::fs::rename(made.path(), &dir).map_err(failed("make", &dir))?;
        drop(made.keep());
        Ok(report(&self.dir, &dir, &certificate))
    }
}

/// The directory as an absolute path, if nothing is there yet.
fn absent_or_empty(dir: &Path) -> Result<PathBuf, CliError> {
    let refused = |found: &str| {
        let message = format!(
            "{} {found}; quickstart never overwrites anything",
            dir.display()
        );
        Err(CliError::new(Class::Failed, "quickstart_exists", message)
            .hint("name a directory that does not exist yet"))
    };
    match dir.symlink_metadata() {
        Err(_) => {}
        Ok(metadata) if !metadata.is_dir() => return refused("exists and is not a directory"),
        Ok(_) => match dir.read_dir() {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return refused("is not empty");
                }
            }
            Err(error) => return refused(&format!("cannot be read ({error})")),
        },
    }
    std::path::absolute(dir)
        .map(|dir| dir.components().collect())
        .map_err(|error| {
            CliError::new(
                Class::Malformed,
                "path_malformed",
                format!("cannot use `{}` as a directory", dir.display()),
            )
            .cause(error.to_string())
        })
}

/// Makes everything and issues the certificate, as `warden sign` would.
fn fill(dir: &Path) -> Result<Parsed, CliError> {
    for name in ["ca", "inventory", "inventory/agt", "keys", "state"] {
        DirBuilder::new()
            .mode(0o700)
            .create(dir.join(name))
            .map_err(|error| {
                CliError::new(
                    Class::Failed,
                    "quickstart_failed",
                    format!("cannot make {name}"),
                )
                .cause(error.to_string())
            })?;
    }
    file::create_new(&dir.join("warden.toml"), CONFIG.as_bytes(), 0o600)?;
    file::create_new(
        &dir.join(format!("inventory/agt/{ACTOR}.toml")),
        ACTOR_FILE.as_bytes(),
        0o644,
    )?;
    generate_ca_key(&dir.join("ca/ca_key"), KeyKind::Ed25519, None)?;
    let key = dir.join(format!("keys/{ACTOR}"));
    generate_user_key(&key, ACTOR)?;
    let public = file::read_bounded(&key.with_extension("pub"), 4096, file::Links::Refuse)?;

    let setup = Setup::load(Some(&dir.join("warden.toml")))?;
    let actor: ActorName =
        ACTOR
            .parse()
            .map_err(|error: warden_core::inventory::ActorNameError| {
                CliError::new(Class::Failed, "quickstart_failed", error.to_string())
            })?;
    let place = CertificateFile::prepare(&setup.state_dir, &Holder::Actor(actor.clone()))?;
    let issuer = Issuer {
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: &setup.inventory,
        revocations: &revocation::load(&setup.state_dir)?,
        backend: &LocalCa::new(setup.ca_key_file()?),
        journal: &FileJournal::open(&setup.state_dir)?,
        clock: &SystemClock,
    };
    let issued = match issue(
        CertificateRequest::new(actor, PublicKey::from_openssh(&public)?),
        &issuer,
    )? {
        Outcome::Issued(issued) => issued,
        Outcome::Denied(denial, _) => return Err((*denial).into()),
    };
    place.deliver(&issued)?;
    // Beside the key as well, where ssh looks for it.
    file::create_new(
        &dir.join(format!("keys/{ACTOR}-cert.pub")),
        issued.to_openssh().as_bytes(),
        0o600,
    )?;
    Ok(Parsed::from_line(issued.to_openssh().as_bytes())?)
}

fn report(named: &Path, dir: &Path, certificate: &Parsed) -> Report {
    let shown = named.display();
    // As it was typed, so that what is printed can be typed after `cargo run` too.
    let program = std::env::args_os()
        .next()
        .unwrap_or_else(|| "warden".into());
    let warden = format!("{} --config {shown}/warden.toml", program.display());
    let text = format!(
        "{shown}/keys/{ACTOR}-cert.pub:\n{}",
        show::text(certificate)
    );
    let sign = format!("{warden} sign {ACTOR} --pubkey {shown}/keys/{ACTOR}.pub");
    let next = [
        format!("sign again:   {sign}"),
        format!("see a denial: {sign} --ttl 999"),
        format!("audit both:   {warden} audit verify"),
    ];
    let json = json!({
        "directory": dir.display().to_string(),
        "config": dir.join("warden.toml").display().to_string(),
        "actor": ACTOR,
        "serial": certificate.serial().to_string(),
        "ca_fingerprint": certificate.ca_fingerprint().as_str(),
        "next": next,
    });
    let mut notes = vec![format!(
        "made {shown}: a CA, a configuration, an inventory of one actor, and this certificate"
    )];
    notes.push("three things to type next:".to_owned());
    notes.extend(next);
    Report { text, json, notes }
}
