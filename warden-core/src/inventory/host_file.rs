//! Files of hosts and groups in TOML, and the rules they must keep.
//!
//! - As strict as an actor's file: an unknown key or a broken rule is an error at its place.
//! - An account such as root is only let in where the file says `privileged = true`.

use super::actor::Defined;
use super::host::{
    AccountName, AccountNameError, Accounts, Group, HOST_CEILING, HOST_TTL, Host, HostName,
    HostNameError, Lane, LanePlace, Overlap, host_principals, lane_command,
};
use super::{InventoryError, toml_syntax};
use crate::certificate::{Principal, Principals, Ttl};
use crate::diagnostic::{Problem, SourceText};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostTable {
    names: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    ttl: Option<Spanned<String>>,
    max_ttl: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    #[serde(default)]
    accounts: BTreeMap<Spanned<String>, AccountTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupTable {
    description: Option<Spanned<String>>,
    accounts: BTreeMap<Spanned<String>, AccountTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountTable {
    #[serde(default)]
    privileged: bool,
    #[serde(default)]
    principals: Vec<Spanned<String>>,
    #[serde(default)]
    lanes: BTreeMap<Spanned<String>, LaneTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LaneTable {
    force_command: Spanned<String>,
}

/// Reads a group.
pub(super) fn group(source: &SourceText, name: &HostName) -> Result<Group, Problem> {
    source.refuse_leftovers()?;
    let table: GroupTable = toml_syntax::read(source)?;
    plain(source, table.description.as_ref())?;
    Ok(Group {
        name: name.clone(),
        accounts: accounts(source, table.accounts)?,
    })
}

/// Reads a host. `group` finds a group by its name.
pub(super) fn host(
    source: &SourceText,
    name: &HostName,
    mut group: impl FnMut(&HostName) -> Result<Option<Arc<Group>>, InventoryError>,
) -> Result<Host, InventoryError> {
    source.refuse_leftovers()?;
    let table: HostTable = toml_syntax::read(source)?;
    plain(source, table.description.as_ref())?;
    let (names, line) = match &table.names {
        Some(listed) => (host_names(source, listed.get_ref())?, line(source, listed)),
        None => {
            let hint = format!("add a line such as names = [\"{name}\"]");
            return Err(source
                .problem_of_file(format!("host `{name}` has no `names`"))
                .with_hint(hint)
                .into());
        }
    };
    if names.is_empty() {
        let at = table.names.map_or(0..0, |listed| listed.span());
        let message = "a host without a name cannot be certified";
        return Err(source.problem(&at, message).into());
    }
    let mut addresses = Vec::new();
    for text in &table.addresses {
        let address: IpAddr = text.get_ref().parse().map_err(|_| {
            let message = format!("`{}` is not an address", text.get_ref());
            source
                .problem(&text.span(), message)
                .with_hint("an IPv4 or IPv6 address without a port or prefix, such as 10.0.3.7")
        })?;
        addresses.push(address);
    }
    let mut member_of = Vec::new();
    for text in &table.groups {
        let problem = |message: String| source.problem(&text.span(), message);
        let asked: HostName = text
            .get_ref()
            .parse()
            .map_err(|error: HostNameError| problem(format!("as a group's name: {error}")))?;
        let Some(group) = group(&asked)? else {
            let hint = format!("groups/{asked}.toml would be its file");
            return Err(problem(format!("there is no group `{asked}`"))
                .with_hint(hint)
                .into());
        };
        if member_of
            .iter()
            .any(|before: &Arc<Group>| before.name == group.name)
        {
            return Err(problem(format!("group `{asked}` stands twice in the list")).into());
        }
        member_of.push(group);
    }
    let (ttl, max_ttl) = times(source, table.ttl.as_ref(), table.max_ttl.as_ref())?;
    let host = Host {
        name: name.clone(),
        names: host_principals(&names, &addresses)
            .map_err(|error| source.problem_of_file(error.to_string()))?,
        groups: member_of,
        accounts: accounts(source, table.accounts)?,
        ttl,
        max_ttl,
        place: Defined {
            file: source.path().display().to_string(),
            principals_line: line,
        },
    };
    match host.overlap() {
        None => Ok(host),
        Some(Overlap {
            account,
            principal,
            places: (one, other),
        }) => {
            let message = format!(
                "principal `{principal}` is held to different commands on account `{account}`, at {one} and at {other}"
            );
            Err(source
                .problem_of_file(message)
                .with_hint("say the lane once, or give it the same `force_command` in both places")
                .into())
        }
    }
}

fn host_names(source: &SourceText, listed: &[Spanned<String>]) -> Result<Vec<Principal>, Problem> {
    let mut names = Vec::with_capacity(listed.len());
    for text in listed {
        let name = Principal::host(text.get_ref())
            .map_err(|error| source.problem(&text.span(), error.to_string()))?;
        if text.get_ref().parse::<IpAddr>().is_ok() {
            return Err(source
                .problem(&text.span(), format!("`{name}` is an address, not a name"))
                .with_hint("addresses have a list of their own, `addresses`"));
        }
        names.push(name);
    }
    Principals::new(names.clone())
        .map(|_| ())
        .or_else(|error| match names.is_empty() {
            true => Ok(()),
            false => Err(source.problem_of_file(error.to_string())),
        })?;
    Ok(names)
}

/// Default and longest time to live of the host certificate.
fn times(
    source: &SourceText,
    ttl: Option<&Spanned<String>>,
    max_ttl: Option<&Spanned<String>>,
) -> Result<(Ttl, Ttl), Problem> {
    let read = |key: &str, text: &Spanned<String>, most: Ttl| {
        let problem = |message: String| source.problem(&text.span(), message);
        let value = Ttl::parse(text.get_ref()).map_err(|error| problem(error.to_string()))?;
        if value > most {
            return Err(problem(format!("{key} {value} is over {most}")));
        }
        Ok(value)
    };
    let max = max_ttl
        .map(|text| read("max_ttl", text, HOST_CEILING))
        .transpose()?;
    let default = ttl
        .map(|text| read("ttl", text, max.unwrap_or(HOST_CEILING)))
        .transpose()?;
    let ttl = default.unwrap_or_else(|| max.unwrap_or(HOST_TTL).min(HOST_TTL));
    Ok((ttl, max.unwrap_or(ttl)))
}

fn accounts(
    source: &SourceText,
    tables: BTreeMap<Spanned<String>, AccountTable>,
) -> Result<Accounts, Problem> {
    let file: Arc<str> = source.path().display().to_string().into();
    let mut accounts = Accounts::new();
    for (name, table) in tables {
        let at = name.span();
        let account: AccountName = name
            .into_inner()
            .parse()
            .map_err(|error: AccountNameError| source.problem(&at, error.to_string()))?;
        if account.is_privileged() && !table.privileged {
            let message = format!("account `{account}` is everything on a host");
            let hint = "if that is meant, add `privileged = true` to the account";
            return Err(source.problem(&at, message).with_hint(hint));
        }
        let mut lanes = BTreeMap::new();
        let plain = table.principals.into_iter().map(|text| (text, None));
        let held = table
            .lanes
            .into_iter()
            .map(|(text, lane)| (text, Some(lane.force_command)));
        for (text, command) in plain.chain(held) {
            let problem = |message: String| source.problem(&text.span(), message);
            let principal =
                Principal::new(text.get_ref()).map_err(|error| problem(error.to_string()))?;
            let force_command = match &command {
                Some(command) => Some(
                    lane_command(command.get_ref())
                        .map_err(|message| source.problem(&command.span(), message))?,
                ),
                None => None,
            };
            let lane = Lane {
                force_command,
                place: LanePlace {
                    file: Arc::clone(&file),
                    line: u32::try_from(line(source, &text)).unwrap_or(u32::MAX),
                },
            };
            if let Some(before) = lanes.insert(principal.clone(), lane) {
                let message = format!(
                    "principal `{principal}` already has a lane into `{account}`, at {}",
                    before.place
                );
                return Err(problem(message).with_hint(
                    "keep one; a principal with a forced command stands under `lanes` alone",
                ));
            }
        }
        accounts.insert(account, lanes);
    }
    Ok(accounts)
}

fn plain(source: &SourceText, text: Option<&Spanned<String>>) -> Result<(), Problem> {
    match text {
        Some(text) if text.get_ref().chars().any(char::is_control) => {
            Err(source.problem(&text.span(), "the text holds a control character"))
        }
        _ => Ok(()),
    }
}

fn line<T>(source: &SourceText, at: &Spanned<T>) -> usize {
    source.line_of(at.span().start)
}
