//! Who may log in where: actor x principal x account x host.
//!
//! - A cell is open if the actor can be given a certificate now, one of its principals has a lane into
//!   the account, and certificate and lane agree on the command.
//! - sshd refuses a certificate whose forced command differs from the lane's. Such a pair is no
//!   grant, and is named as a conflict.

use crate::certificate::{ForceCommand, Principal, UnixTime};
use crate::inventory::{AccountName, Actor, Fleet, Host, HostName, Inventory, Lane};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An actor's principal that has a lane into an account of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The actor.
    pub actor: &'a Actor,
    /// Its principal.
    pub principal: &'a Principal,
    /// The account.
    pub account: &'a AccountName,
    /// The host.
    pub host: &'a Host,
    /// The lane.
    pub lane: &'a Lane,
}

/// Why a lane lets an actor in or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A certificate of the actor logs in.
    Open,
    /// The actor is given no certificate: it is disabled.
    Disabled,
    /// The actor is given no certificate: it has expired.
    Expired,
    /// sshd refuses, since certificate and lane force different commands.
    CommandsDiffer,
}

impl Grant<'_> {
    /// Whether a certificate that is signed at `now` logs in.
    pub fn opening(&self, now: UnixTime) -> Opening {
        match self.actor.expires() {
            _ if self.actor.disabled() => Opening::Disabled,
            Some(end) if end <= now => Opening::Expired,
            _ if self.commands_differ() => Opening::CommandsDiffer,
            _ => Opening::Open,
        }
    }

    /// The command that runs whatever the client asks for.
    pub fn command(&self) -> Option<&ForceCommand> {
        self.lane
            .force_command
            .as_ref()
            .or(self.certificate_command())
    }

    /// The command the certificate itself carries.
    pub fn certificate_command(&self) -> Option<&ForceCommand> {
        self.actor.critical_options().force_command.as_ref()
    }

    fn commands_differ(&self) -> bool {
        match (&self.lane.force_command, self.certificate_command()) {
            (Some(lane), Some(certificate)) => lane != certificate,
            _ => false,
        }
    }

    /// What an opening means for this actor, as a sentence that names the files.
    pub fn said(&self, opening: Opening) -> String {
        let (actor, file) = (self.actor.name(), &self.actor.place().file);
        let forced = |command: Option<&ForceCommand>| {
            command.map_or_else(|| "none".to_owned(), |one| format!("{:?}", one.as_str()))
        };
        match opening {
            Opening::Open => format!("`{actor}` logs in"),
            Opening::Disabled => format!("`{actor}` is disabled ({file})"),
            Opening::Expired => format!("`{actor}` has expired ({file})"),
            Opening::CommandsDiffer => format!(
                "sshd refuses `{actor}` as `{}` on `{}`: its certificate forces {} ({file}), the lane {} ({})",
                self.account,
                self.host.name(),
                forced(self.certificate_command()),
                forced(self.lane.force_command.as_ref()),
                self.lane.place,
            ),
        }
    }

    /// The networks it may come from; empty for any.
    pub fn networks(&self) -> &[String] {
        let address = self.actor.critical_options().source_address.as_ref();
        address.map_or(&[], |address| address.networks())
    }
}

/// The actors by principal, to ask about one host after another.
#[derive(Debug)]
pub struct Grants<'a>(BTreeMap<&'a Principal, Vec<&'a Actor>>);

impl<'a> Grants<'a> {
    /// Of these actors.
    pub fn of(inventory: &'a Inventory) -> Self {
        let mut by_principal: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for actor in inventory.actors() {
            for principal in actor.principals().iter() {
                by_principal.entry(principal).or_default().push(actor);
            }
        }
        Self(by_principal)
    }

    /// Every lane of a host that an actor has a principal for, open or not, by account, then principal,
    /// then actor.
    pub fn on(&self, host: &'a Host) -> Vec<Grant<'a>> {
        let mut found = Vec::new();
        for (account, lanes) in host.lanes() {
            for (principal, lane) in lanes {
                let actors = self.0.get(principal).into_iter().flatten();
                found.extend(actors.map(|actor| Grant {
                    actor,
                    principal,
                    account,
                    host,
                    lane,
                }));
            }
        }
        found
    }
}

/// Every lane of a fleet that sshd would refuse, because certificate and lane force different
/// commands.
pub fn conflicts(fleet: &Fleet) -> Vec<Grant<'_>> {
    let grants = Grants::of(fleet.inventory());
    let all = fleet.hosts().flat_map(|host| grants.on(host));
    all.filter(Grant::commands_differ).collect()
}

/// How a login runs, as far as a reviewer must know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// The principal it rests on.
    pub principal: String,
    /// The only command, if one is forced.
    pub command: Option<String>,
    /// The networks it may come from; empty for any.
    pub networks: Vec<String>,
    /// What the certificate permits beyond running a command, and the lane does not take away.
    pub permits: Vec<&'static str>,
}

impl Terms {
    fn of(grant: &Grant<'_>) -> Self {
        let restricted = grant.lane.force_command.is_some();
        let extensions = grant.actor.extensions().iter();
        Self {
            principal: grant.principal.to_string(),
            command: grant.command().map(|command| command.as_str().to_owned()),
            networks: grant.networks().to_vec(),
            permits: match restricted {
                true => Vec::new(),
                false => extensions.map(|one| one.as_str()).collect(),
            },
        }
    }
}

/// `as PRINCIPAL, only running "COMMAND", from NETWORKS, with EXTENSIONS`
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "as `{}`", self.principal)?;
        if let Some(command) = &self.command {
            write!(f, ", only running {command:?}")?;
        }
        if !self.networks.is_empty() {
            write!(f, ", from {}", self.networks.join(", "))?;
        }
        if !self.permits.is_empty() {
            write!(f, ", with {}", self.permits.join(", "))?;
        }
        Ok(())
    }
}

/// What a reviewer should know of two inventories: one cell that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The actor.
    pub actor: String,
    /// The account.
    pub account: String,
    /// The host.
    pub host: String,
    /// How it logged in before; empty if it could not.
    pub before: BTreeSet<Terms>,
    /// How it logs in after; empty if it cannot.
    pub after: BTreeSet<Terms>,
}

/// A sentence.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            actor,
            account,
            host,
            before,
            after,
        } = self;
        let said = |terms: &BTreeSet<Terms>| {
            let all: Vec<_> = terms.iter().map(Terms::to_string).collect();
            all.join("; or ")
        };
        match (before.is_empty(), after.is_empty()) {
            (true, _) => write!(
                f,
                "`{actor}` gains `{account}` on `{host}`, {}",
                said(after)
            ),
            (_, true) => write!(
                f,
                "`{actor}` loses `{account}` on `{host}` ({})",
                said(before)
            ),
            _ => write!(
                f,
                "`{actor}` keeps `{account}` on `{host}`, but on other terms: before {}; now {}",
                said(before),
                said(after)
            ),
        }
    }
}

type Cells<'a> = BTreeMap<(&'a str, &'a HostName, &'a AccountName), BTreeSet<Terms>>;

fn cells(fleet: &Fleet, now: UnixTime) -> Cells<'_> {
    let grants = Grants::of(fleet.inventory());
    let mut cells = Cells::new();
    for host in fleet.hosts() {
        for grant in grants.on(host) {
            if grant.opening(now) == Opening::Open {
                let cell = (grant.actor.name().as_str(), host.name(), grant.account);
                cells.entry(cell).or_default().insert(Terms::of(&grant));
            }
        }
    }
    cells
}

/// Every cell that differs between two inventories at the moment `now`, by actor, host and account.
pub fn difference(before: &Fleet, after: &Fleet, now: UnixTime) -> Vec<Change> {
    let (before, after) = (cells(before, now), cells(after, now));
    let every: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    every
        .into_iter()
        .map(|cell| Change {
            actor: cell.0.to_owned(),
            host: cell.1.to_string(),
            account: cell.2.to_string(),
            before: before.get(&cell).cloned().unwrap_or_default(),
            after: after.get(&cell).cloned().unwrap_or_default(),
        })
        .filter(|change| change.before != change.after)
        .collect()
}
