use crate::environment::Setup;
use crate::error::CliError;
use crate::output::{Output, Report};
use crate::typed::moment;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::certificate::UnixTime;
use warden_core::failure::Class;
use warden_core::file;
use warden_core::inventory::InventoryError;
use warden_core::registry::{Difference, RegistrySettings, Snapshot, differences};

/// Write the registry snapshot that the policy service reads, and compare snapshots
#[derive(Args)]
pub(crate) struct Registry {
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Subcommand)]
enum RegistryCommand {
    /// Write the snapshot of the inventory to stdout, or to a file
    ///
    /// The same inventory gives the same bytes. Disabled and expired actors are left out.
    Build {
        /// The file to write, mode 0644; replaced in one step if it is there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,

        #[command(flatten)]
        moment: Moment,
    },
    /// Compare a snapshot with the inventory; ends with 1 if they say different things
    Check {
        /// The snapshot
        file: PathBuf,

        #[command(flatten)]
        moment: Moment,
    },
    /// Say who gains and who loses what from one snapshot to another; ends with 1 if anybody does
    Diff {
        /// The snapshot before
        before: PathBuf,

        /// The snapshot after
        after: PathBuf,
    },
}

#[derive(Args)]
struct Moment {
    /// The moment at which an actor counts as expired: 2027-01-01, or RFC 3339 [default: now]
    #[arg(long, value_name = "DATE", allow_hyphen_values = true)]
    at: Option<String>,
}

impl Moment {
    fn read(&self) -> Result<UnixTime, CliError> {
        moment(self.at.as_deref())
    }
}

impl Registry {
    pub(crate) fn run(self, config: Option<&Path>, output: &Output) -> Result<Report, CliError> {
        match self.command {
            RegistryCommand::Build { out, moment } => {
                let at = moment.read()?;
                let setup = Setup::load(config)?;
                let (settings, inventory) = (settings(&setup)?, load(&setup)?);
                let snapshot = Snapshot::build(&inventory, &settings, at);
                build(&snapshot, out.as_deref(), output)
            }
            RegistryCommand::Check { file, moment } => {
                let at = moment.read()?;
                let setup = Setup::load(config)?;
                let found = Snapshot::read_file(&file)?;
                let (settings, inventory) = (settings(&setup)?, load(&setup)?);
                let wanted = Snapshot::build(&inventory, &settings, at);
                compare(&found, &wanted, "the snapshot says what the inventory says")
            }
            RegistryCommand::Diff { before, after } => {
                let (before, after) = (Snapshot::read_file(&before)?, Snapshot::read_file(&after)?);
                compare(&before, &after, "nobody gains or loses anything")
            }
        }
    }
}

/// Whose registry it is.
fn settings(setup: &Setup) -> Result<RegistrySettings, CliError> {
    let policy = &setup.policy().settings;
    RegistrySettings::new(&policy.tenant, &policy.system)
        .map_err(|error| CliError::new(Class::Malformed, "config_malformed", error.to_string()))
}

fn load(setup: &Setup) -> Result<warden_core::inventory::Inventory, CliError> {
    setup.inventory.load().map_err(|error| match &error {
        InventoryError::Problems(problems) => {
            CliError::from_problems("inventory_malformed", problems)
        }
        _ => error.into(),
    })
}

fn build(snapshot: &Snapshot<'_>, out: Option<&Path>, output: &Output) -> Result<Report, CliError> {
    let notes: Vec<String> = snapshot
        .left_out()
        .iter()
        .map(|(actor, why)| format!("note: {actor} is {why} and left out"))
        .collect();
    let Some(path) = out else {
        output.notes(&notes);
        output.stream(|stdout| snapshot.write(stdout))?;
        return Ok(Report::default());
    };
    file::replace_regular(path, 0o644, |file| snapshot.write(file))?;
    let (actors, digest) = (snapshot.entries().len(), snapshot.inventory_digest());
    let left_out = snapshot
        .left_out()
        .iter()
        .map(|(actor, why)| json!({"actor": actor.as_str(), "why": why.to_string()}));
    Ok(Report {
        text: format!(
            "{}: actors: {actors}; inventory digest {digest}\n",
            path.display()
        ),
        json: json!({
            "path": path.display().to_string(),
            "actors": actors,
            "left_out": left_out.collect::<Vec<_>>(),
            "inventory_digest": digest,
        }),
        notes,
    })
}

/// One sentence for each difference, or `same`.
fn compare(before: &Snapshot<'_>, after: &Snapshot<'_>, same: &str) -> Result<Report, CliError> {
    let found = differences(before, after);
    let digest_differs = before.inventory_digest() != after.inventory_digest();
    let mut text: String = found.iter().map(|one| format!("{one}\n")).collect();
    let mut notes = Vec::new();
    if found.is_empty() {
        text = format!("{same}\n");
        if digest_differs {
            notes
                .push("note: the digests of the inventory differ, the content does not".to_owned());
        }
    }
    let list = |one: &Difference| json!({"change": one.change.as_str(), "actor": one.actor, "text": one.text});
    let report = Report {
        text,
        json: json!({
            "same": found.is_empty(),
            "digest_differs": digest_differs,
            "differences": found.iter().map(list).collect::<Vec<_>>(),
        }),
        notes,
    };
    if found.is_empty() {
        return Ok(report);
    }
    let message = match found.len() {
        1 => "there is 1 difference".to_owned(),
        count => format!("there are {count} differences"),
    };
    Err(CliError::new(Class::Failed, "registry_differs", message).with_report(report))
}
