use crate::commands::ca::{finish, parsed_fingerprint};
use crate::commands::gate::key_nobody_has;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::{ArgGroup, Args};
use std::path::{Path, PathBuf};
use warden_core::certificate::Parsed;
use warden_core::clock::Clock;
use warden_core::cutover::check;
use warden_core::cutover::parity::{Expected, Known, Role, Signer, certificates, decisions, live};
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::inventory::ActorName;
use warden_core::issue::Issuer;
use warden_core::journal::FileJournal;
use warden_core::revocation;
use warden_core::sign::SigningBackend;
use warden_core::sign::openbao::{Roles, roles};

/// The largest saved role or certificate, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Compare the old signer with the new one: what they decide, and what they sign
///
/// Give a saved role, which is compared with the inventory or with another role, or two certificates,
/// or --live to have both backends of the configuration sign for a key that nobody has.
#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["old_role", "old_certificate", "live"])))]
pub(crate) struct ParityArgs {
    /// The old signer's role, as `bao read -format=json MOUNT/roles/ROLE` printed it
    #[arg(long, value_name = "FILE")]
    old_role: Option<PathBuf>,

    /// The new signer's role [default: what the inventory gives the actor's role]
    #[arg(long, value_name = "FILE", requires = "old_role")]
    new_role: Option<PathBuf>,

    /// A certificate of the old signer
    #[arg(long, value_name = "FILE", requires = "new_certificate")]
    old_certificate: Option<PathBuf>,

    /// A certificate of the new signer
    #[arg(long, value_name = "FILE", requires = "old_certificate")]
    new_certificate: Option<PathBuf>,

    /// Have the engine and the local CA of the configuration sign, 60 s and on record
    #[arg(long)]
    live: bool,

    /// The actor it is about
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,

    /// The fingerprint the old CA must have
    #[arg(long, value_name = "SHA256:...")]
    old_ca: Option<String>,

    /// The fingerprint the new CA must have
    #[arg(long, value_name = "SHA256:...")]
    new_ca: Option<String>,

    /// The `key_id_format` of the old role, where it makes the key id
    #[arg(long, value_name = "FORMAT")]
    old_key_id: Option<String>,

    /// The same of the new role
    #[arg(long, value_name = "FORMAT")]
    new_key_id: Option<String>,
}

impl ParityArgs {
    pub(super) fn run(&self, config: Option<&Path>) -> Result<Report, CliError> {
        let expected = Expected {
            old_ca: parsed_fingerprint(self.old_ca.as_deref())?,
            new_ca: parsed_fingerprint(self.new_ca.as_deref())?,
            old_key_id: self.old_key_id.clone(),
            new_key_id: self.new_key_id.clone(),
        };
        let checks = match (&self.old_role, &self.old_certificate, &self.new_certificate) {
            (Some(old), _, _) => self.of_roles(old, config, &expected)?,
            (None, Some(old), Some(new)) => {
                let (old, new) = (certificate(old)?, certificate(new)?);
                let known = |certificate| Known {
                    certificate,
                    signed: None,
                };
                certificates(known(&old), known(&new), &expected)
            }
            _ => self.of_backends(config, &expected)?,
        };
        finish(&checks, "parity_differs", "the two signers are not alike")
    }

    fn of_roles(
        &self,
        old: &Path,
        config: Option<&Path>,
        expected: &Expected,
    ) -> Result<check::Report, CliError> {
        let old = role(old)?;
        let new = match &self.new_role {
            Some(path) => role(path)?,
            None => {
                let actor = self.actor()?;
                let setup = Setup::load(config)?;
                let mapping = setup
                    .vault()
                    .map_or(Roles::PerActor, |vault| vault.settings.roles.clone());
                let inventory = setup.inventory.load()?;
                let name = mapping.of(&actor);
                let given = roles::definitions(&inventory, &mapping, SystemClock.now());
                let mut given = given.into_iter();
                let found = given.find(|role| role.name == name).ok_or_else(|| {
                    let message = format!(
                        "the inventory gives no actor of role {} anything",
                        name.as_str()
                    );
                    CliError::new(Class::Malformed, "parity_no_actor", message)
                        .hint("`warden inventory list` lists the actors")
                })?;
                Signer::Inventory(found)
            }
        };
        Ok(decisions(&old, &new, expected))
    }

    fn of_backends(
        &self,
        config: Option<&Path>,
        expected: &Expected,
    ) -> Result<check::Report, CliError> {
        let actor = self.actor()?;
        let setup = Setup::load(config)?;
        let journal = FileJournal::open(&setup.state_dir)?;
        let (old, new) = (setup.engine()?, setup.local_ca()?);
        let (subject, gate) = (setup.subject()?, setup.gate());
        let revocations = revocation::load(&setup.state_dir)?;
        let with = |backend| Issuer {
            inventory: &setup.inventory,
            revocations: &revocations,
            gating: setup.gating(&gate),
            subject: subject.as_ref(),
            backend,
            journal: &journal,
            clock: &SystemClock,
        };
        let (old, new): (&dyn SigningBackend, &dyn SigningBackend) = (&old, &new);
        Ok(live(
            &actor,
            &key_nobody_has()?,
            &with(old),
            &with(new),
            expected,
        ))
    }

    fn actor(&self) -> Result<ActorName, CliError> {
        let Some(name) = &self.actor else {
            return Err(
                CliError::new(Class::Malformed, "usage", "--actor is missing")
                    .hint("name the actor the comparison is about: --actor ACTOR"),
            );
        };
        actor_name(name)
    }
}

fn role(path: &Path) -> Result<Signer, CliError> {
    let text = file::read_bounded(path, MAX_BYTES, Links::Follow)?;
    Ok(Signer::Role(Box::new(Role::from_json(&text)?)))
}

fn certificate(path: &Path) -> Result<Parsed, CliError> {
    let line = file::read_bounded(path, MAX_BYTES, Links::Follow)?;
    let certificate = Parsed::from_line(&line)?;
    certificate.verify()?;
    Ok(certificate)
}
