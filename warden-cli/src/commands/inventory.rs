use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use warden_core::certificate::UnixTime;
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::host::grants::{Opening, conflicts};
use warden_core::inventory::{Actor, Fleet, Inventory as Whole, InventoryError};

/// Check and read the inventory
#[derive(Args)]
pub(crate) struct Inventory {
    #[command(subcommand)]
    command: InventoryCommand,
}

#[derive(Subcommand)]
enum InventoryCommand {
    /// Read every file and name every problem
    Check {
        /// Also warn of actors without an owner or a review date
        #[arg(long)]
        custody: bool,
    },
    /// List the actors
    List,
    /// Show one actor and its bounds
    Show {
        /// The actor's name
        actor: String,
    },
    /// Print the digest of the whole inventory
    Digest,
}

impl Inventory {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let inventory = Setup::load(config)?.inventory;
        if let InventoryCommand::Show { actor } = &self.command {
            let name = actor_name(actor)?;
            let standing = inventory.standing_of(&name).map_err(problems)?;
            return standing.actor().map(show).ok_or_else(|| {
                CliError::new(
                    Class::Refused,
                    "unknown_actor_resource",
                    format!("the inventory knows no actor `{name}`"),
                )
                .hint("`warden inventory list` names every actor")
            });
        }
        if let InventoryCommand::Check { custody } = self.command {
            return Ok(check(&inventory.fleet().map_err(problems)?, custody));
        }
        let whole = inventory.load().map_err(problems)?;
        Ok(match self.command {
            InventoryCommand::Digest => {
                let digest = whole.source_digest().to_string();
                Report {
                    text: format!("{digest}\n"),
                    json: json!({"digest": digest}),
                    ..Report::default()
                }
            }
            InventoryCommand::Check { .. }
            | InventoryCommand::List
            | InventoryCommand::Show { .. } => list(&whole),
        })
    }
}

/// Every problem, each with its line.
pub(crate) fn problems(error: InventoryError) -> CliError {
    match &error {
        InventoryError::Problems(problems) => {
            CliError::from_problems("inventory_malformed", problems)
        }
        _ => error.into(),
    }
}

fn check(fleet: &Fleet, custody: bool) -> Report {
    let whole = fleet.inventory();
    let mut notes: Vec<String> = conflicts(fleet)
        .iter()
        .map(|grant| grant.said(Opening::CommandsDiffer))
        .collect();
    if custody {
        for actor in whole.actors() {
            if actor.owner().is_none() {
                notes.push(format!("{} has no `owner`", actor.name()));
            }
            if actor.reviewed().is_none() {
                notes.push(format!("{} has no `reviewed` date", actor.name()));
            }
        }
    }
    let actors = whole.actors().len();
    let hosts = fleet.hosts().len();
    let and_hosts = match hosts {
        0 => String::new(),
        count => format!("; hosts: {count}"),
    };
    let text = format!(
        "actors: {actors}{and_hosts}; no problem; digest {}\n",
        whole.source_digest()
    );
    let json = json!({
        "actors": actors,
        "hosts": hosts,
        "warnings": notes,
        "digest": whole.source_digest().to_string(),
    });
    let notes = notes
        .iter()
        .map(|note| format!("warning: {note}"))
        .collect();
    Report { text, json, notes }
}

fn list(whole: &Whole) -> Report {
    let now = SystemClock.now();
    let width = whole
        .actors()
        .map(|actor| actor.name().as_str().len())
        .max()
        .unwrap_or(0)
        .max(5);
    let mut text = format!(
        "{:<width$}  {:<8}  {:<8}  PRINCIPALS\n",
        "ACTOR", "TTL", "MAX"
    );
    for actor in whole.actors() {
        let (ttl, max) = (actor.ttl().to_string(), actor.max_ttl().to_string());
        let state = match actor.expires() {
            _ if actor.disabled() => "  (disabled)",
            Some(end) if end <= now => "  (expired)",
            _ => "",
        };
        text += &format!(
            "{:<width$}  {ttl:<8}  {max:<8}  {}{state}\n",
            actor.name().as_str(),
            actor.principals()
        );
    }
    let json = json!({"actors": whole.actors().map(to_json).collect::<Vec<_>>(), "digest": whole.source_digest().to_string()});
    Report {
        text,
        json,
        ..Report::default()
    }
}

fn show(actor: &Actor) -> Report {
    let list = |list: Vec<String>| {
        if list.is_empty() {
            "(none)".to_owned()
        } else {
            list.join(", ")
        }
    };
    let options = actor.critical_options().to_map();
    let mut rows = vec![
        ("actor", actor.name().to_string()),
        ("defined in", actor.place().file.clone()),
        ("principals", actor.principals().to_string()),
        (
            "time to live",
            format!("{} (at most {})", actor.ttl(), actor.max_ttl()),
        ),
        (
            "extensions",
            list(actor.extensions().iter().map(ToString::to_string).collect()),
        ),
        (
            "critical options",
            list(
                options
                    .iter()
                    .map(|(name, value)| format!("{name} {value}").trim_end().to_owned())
                    .collect(),
            ),
        ),
    ];
    let mut optional = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    optional("shortest", actor.min_ttl().map(|ttl| ttl.to_string()));
    optional(
        "pinned keys",
        actor
            .public_keys()
            .map(|keys| list(keys.iter().map(ToString::to_string).collect())),
    );
    optional(
        "subjects",
        (!actor.subjects().is_empty()).then(|| list(actor.subjects().to_vec())),
    );
    optional(
        "disabled",
        actor
            .disabled()
            .then(|| "yes: nothing is signed for it".to_owned()),
    );
    optional("expires", actor.expires().map(|end| end.to_string()));
    optional("description", actor.description().map(str::to_owned));
    optional("owner", actor.owner().map(str::to_owned));
    optional("reviewed", actor.reviewed().map(day));
    let text = rows
        .iter()
        .map(|(name, value)| format!("{name:<16}  {value}\n"))
        .collect();
    Report {
        text,
        json: to_json(actor),
        ..Report::default()
    }
}

fn day(moment: UnixTime) -> String {
    moment.to_string().chars().take(10).collect()
}

fn to_json(actor: &Actor) -> serde_json::Value {
    json!({
        "name": actor.name().as_str(),
        "type": actor.name().actor_type().as_str(),
        "file": actor.place().file,
        "principals": actor.principals().to_strings(),
        "ttl_seconds": actor.ttl().seconds(),
        "max_ttl_seconds": actor.max_ttl().seconds(),
        "min_ttl_seconds": actor.min_ttl().map(|ttl| ttl.seconds()),
        "extensions": actor.extensions().iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "critical_options": actor.critical_options().to_map(),
        "public_keys": actor.public_keys().map(|keys| keys.iter().map(|key| key.as_str()).collect::<Vec<_>>()),
        "subjects": actor.subjects(),
        "disabled": actor.disabled(),
        "expires": actor.expires().map(|end| end.to_string()),
        "description": actor.description(),
        "owner": actor.owner(),
        "reviewed": actor.reviewed().map(day),
    })
}
