mod revision;

use crate::commands::inventory::problems;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::{account_name, actor_name, host_name};
use clap::{Args, Subcommand};
use revision::Revision;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::certificate::UnixTime;
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::host::grants::{Change, Grant, Grants as All, Opening, difference};
use warden_core::inventory::{AccountName, Actor, Fleet, Host, HostName, InventoryPath};

/// Show who may log in as which account on which host
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Grants {
    /// Explain one cell: why this actor does or does not log in as this account there
    #[arg(long, num_args = 3, value_names = ["ACTOR", "HOST", "ACCOUNT"])]
    why: Option<Vec<String>>,

    /// Only this actor
    #[arg(long, value_name = "ACTOR", conflicts_with = "why")]
    actor: Option<String>,

    /// Only this host
    #[arg(long, value_name = "HOST", conflicts_with = "why")]
    host: Option<String>,

    #[command(subcommand)]
    command: Option<GrantsCommand>,
}

#[derive(Subcommand)]
enum GrantsCommand {
    /// Say in sentences who gains and who loses which account on which host
    Diff {
        /// A revision of the inventory's repository, or the path of an inventory
        before: String,

        /// The inventory after [default: the configured one]
        after: Option<PathBuf>,
    },
}

impl Grants {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        let now = SystemClock.now();
        if let Some(GrantsCommand::Diff { before, after }) = &self.command {
            return diff(&setup.inventory, before, after.as_deref(), now);
        }
        let fleet = setup.inventory.fleet().map_err(problems)?;
        match self.why.as_deref() {
            Some([actor, host, account]) => {
                let account = account_name(account)?;
                Ok(why(
                    known_actor(&fleet, actor)?,
                    known_host(&fleet, &host_name(host)?)?,
                    &account,
                    &fleet,
                    now,
                ))
            }
            _ => {
                let actor = self.actor.map(|name| known_actor(&fleet, &name));
                let host = self.host.map(|name| known_host(&fleet, &host_name(&name)?));
                Ok(table(&fleet, actor.transpose()?, host.transpose()?, now))
            }
        }
    }
}

fn known_actor<'a>(fleet: &'a Fleet, text: &str) -> Result<&'a Actor, CliError> {
    let name = actor_name(text)?;
    fleet.inventory().actor(&name).ok_or_else(|| {
        let message = format!("the inventory knows no actor `{name}`");
        CliError::new(Class::Refused, "unknown_actor_resource", message)
            .hint("`warden inventory list` names every actor")
    })
}

/// The host of that name.
pub(crate) fn known_host<'a>(fleet: &'a Fleet, name: &HostName) -> Result<&'a Host, CliError> {
    fleet.host(name).ok_or_else(|| {
        let message = format!("the inventory knows no host `{name}`");
        CliError::new(Class::Refused, "unknown_host", message).hint(format!(
            "hosts/{name}.toml in the inventory would be its file"
        ))
    })
}

fn table(fleet: &Fleet, actor: Option<&Actor>, host: Option<&Host>, now: UnixTime) -> Report {
    let grants = All::of(fleet.inventory());
    let hosts = fleet
        .hosts()
        .filter(|one| host.is_none_or(|host| host.name() == one.name()));
    let all: Vec<Grant<'_>> = hosts
        .flat_map(|host| grants.on(host))
        .filter(|grant| actor.is_none_or(|actor| actor.name() == grant.actor.name()))
        .collect();
    let notes = all
        .iter()
        .filter(|grant| grant.opening(now) == Opening::CommandsDiffer)
        .map(|grant| format!("warning: {}", grant.said(Opening::CommandsDiffer)))
        .collect();
    let open: Vec<_> = all
        .iter()
        .filter(|grant| grant.opening(now) == Opening::Open)
        .collect();
    let header = ["HOST", "ACCOUNT", "ACTOR", "PRINCIPAL", "COMMAND", "FROM"];
    let rows = std::iter::once(header.map(str::to_owned)).chain(open.iter().map(|grant| {
        [
            grant.host.name().to_string(),
            grant.account.to_string(),
            grant.actor.name().to_string(),
            grant.principal.to_string(),
            grant
                .command()
                .map_or("any".to_owned(), |one| one.as_str().to_owned()),
            match grant.networks() {
                [] => "anywhere".to_owned(),
                networks => networks.join(","),
            },
        ]
    }));
    Report {
        text: columns(&rows.collect::<Vec<_>>()),
        json: json!({"grants": open.iter().map(|grant| to_json(grant)).collect::<Vec<_>>()}),
        notes,
    }
}

/// Rows as columns, each as wide as its widest word.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let line: String = row
            .iter()
            .zip(&widths)
            .map(|(word, width)| format!("{word:<width$}  "))
            .collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn to_json(grant: &Grant<'_>) -> serde_json::Value {
    json!({
        "actor": grant.actor.name().as_str(),
        "principal": grant.principal.as_str(),
        "account": grant.account.as_str(),
        "host": grant.host.name().as_str(),
        "command": grant.command().map(|one| one.as_str()),
        "networks": grant.networks(),
        "actor_file": place(grant.actor),
        "host_file": grant.lane.place.to_string(),
    })
}

fn place(actor: &Actor) -> String {
    format!("{}:{}", actor.place().file, actor.place().principals_line)
}

fn why(actor: &Actor, host: &Host, account: &AccountName, fleet: &Fleet, now: UnixTime) -> Report {
    let all = All::of(fleet.inventory()).on(host);
    let of_account: Vec<_> = all.iter().filter(|one| one.account == account).collect();
    let own: Vec<_> = of_account
        .iter()
        .filter(|one| one.actor.name() == actor.name())
        .collect();
    let open = own.iter().any(|one| one.opening(now) == Opening::Open);
    let verdict = if open { "may" } else { "may not" };
    let mut lines = vec![format!(
        "`{}` {verdict} log in as `{account}` on `{}`",
        actor.name(),
        host.name()
    )];
    lines.push(format!(
        "its principals: {} ({})",
        actor.principals(),
        place(actor)
    ));
    match host.lanes().get(account) {
        None => lines.push(format!(
            "no file gives `{account}` on `{}` a lane ({})",
            host.name(),
            host.place().file
        )),
        Some(lanes) if lanes.is_empty() => {
            lines.push(format!("`{account}` has no lane: nobody logs in"))
        }
        Some(lanes) => {
            let named: Vec<_> = lanes
                .iter()
                .map(|(principal, lane)| format!("{principal} ({})", lane.place))
                .collect();
            lines.push(format!("`{account}` is open to: {}", named.join(", ")));
        }
    }
    for grant in &own {
        let opening = grant.opening(now);
        lines.push(match (opening, grant.command()) {
            (Opening::Open, None) => format!("`{}` opens it, for any command", grant.principal),
            (Opening::Open, Some(command)) => {
                format!(
                    "`{}` opens it, only running {:?}",
                    grant.principal,
                    command.as_str()
                )
            }
            _ => format!(
                "`{}` does not open it: {}",
                grant.principal,
                grant.said(opening)
            ),
        });
        if !grant.networks().is_empty() {
            lines.push(format!("only from {}", grant.networks().join(", ")));
        }
    }
    if own.is_empty() {
        lines.push("no principal stands in both".to_owned());
    }
    let list: Vec<_> = own
        .iter()
        .map(|grant| {
            let mut cell = to_json(grant);
            cell["open"] = json!(grant.opening(now) == Opening::Open);
            cell
        })
        .collect();
    Report {
        text: lines.iter().map(|line| format!("{line}\n")).collect(),
        json: json!({"open": open, "lanes": list, "explanation": lines}),
        ..Report::default()
    }
}

fn diff(
    configured: &InventoryPath,
    before: &str,
    after: Option<&Path>,
    now: UnixTime,
) -> Result<Report, CliError> {
    let load = |inventory: &InventoryPath| inventory.fleet().map_err(problems);
    let after = match after {
        Some(path) => load(&InventoryPath::new(path))?,
        None => load(configured)?,
    };
    let before = match Path::new(before).exists() {
        true => load(&InventoryPath::new(before))?,
        false => load(&Revision::read(configured.path(), before)?.inventory())
            .map_err(|error| error.cause(format!("this is the inventory at {before}")))?,
    };
    let changes = difference(&before, &after, now);
    let text = match changes.is_empty() {
        true => "nobody gains or loses an account\n".to_owned(),
        false => changes.iter().map(|change| format!("{change}\n")).collect(),
    };
    let change = |one: &Change| {
        json!({
            "actor": one.actor,
            "account": one.account,
            "host": one.host,
            "gains": one.before.is_empty(),
            "loses": one.after.is_empty(),
            "text": one.to_string(),
        })
    };
    Ok(Report {
        text,
        json: json!({"changes": changes.iter().map(change).collect::<Vec<_>>()}),
        ..Report::default()
    })
}
