//! The registry snapshot: what the policy service must know of the inventory, as one JSON file.
//!
//! - The inventory is the one source. A snapshot holds every actor that could be given a certificate
//!   at one moment; disabled and expired actors are absent, and absent means deny.
//! - The same inventory and moment give the same bytes, in order of the actors' names, with a newline
//!   at the end. No time, no path and no secret stands in them.
//! - Writing streams: nothing is copied out of the inventory, and the cost grows with its size alone.
//! - Reading is strict: whatever is not understood is refused at its place.
//! - How it is spelt stands in `registry/spelling.rs` alone, with what is ours and unproven.

mod difference;
mod fact;
mod read;
pub(crate) mod spelling;
mod write;

pub use difference::{Change, Difference, differences};
pub use read::{MAX_SNAPSHOT_BYTES, SnapshotError};

use crate::certificate::{Principals, Ttl, UnixTime};
use crate::inventory::{Actor, ActorName, Inventory};
use fact::Departures;
use std::borrow::Cow;
use std::fmt;

/// Whose registry it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    tenant: String,
    system: String,
}

/// Why a text names no tenant and no system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is 1 to 256 printable characters without a blank")]
pub struct SettingError;

impl RegistrySettings {
    /// A tenant such as `tenant:platform` and a system such as `ops-warden`.
    ///
    /// # Errors
    /// If one of them is empty, longer than 256 bytes, or holds anything but printable ASCII.
    pub fn new(tenant: &str, system: &str) -> Result<Self, SettingError> {
        if !(is_name(tenant) && is_name(system)) {
            return Err(SettingError);
        }
        Ok(Self {
            tenant: tenant.to_owned(),
            system: system.to_owned(),
        })
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The system whose resources are registered.
    pub fn system(&self) -> &str {
        &self.system
    }
}

/// `tenant:platform` and `ops-warden`.
impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            tenant: "tenant:platform".to_owned(),
            system: "ops-warden".to_owned(),
        }
    }
}

/// What a subject, tenant or system may be called; the inventory's rule for subjects.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A registry snapshot: built from an inventory, or read from a file.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    settings: Cow<'a, RegistrySettings>,
    inventory_digest: String,
    /// In order of the names.
    entries: Vec<Entry<'a>>,
    left_out: Vec<(&'a ActorName, Absence)>,
    departures: Departures,
}

/// Why an actor is not in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It is switched off.
    Disabled,
    /// Its `expires` has come.
    Expired,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        })
    }
}

/// One actor in a snapshot.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    name: Cow<'a, ActorName>,
    principals: Cow<'a, Principals>,
    ttl: Ttl,
    max_ttl: Ttl,
    /// Whether the actor's name and its `iam:` name stand first among the allowed subjects.
    own_subjects: bool,
    /// The others; what repeats an own one is passed over.
    subjects: Cow<'a, [String]>,
}

impl<'a> Snapshot<'a> {
    /// What the inventory says at a moment.
    pub fn build(
        inventory: &'a Inventory,
        settings: &'a RegistrySettings,
        at: UnixTime,
    ) -> Snapshot<'a> {
        let mut left_out = Vec::new();
        let mut entries = Vec::with_capacity(inventory.actors().len());
        for actor in inventory.actors() {
            match absence(actor, at) {
                Some(why) => left_out.push((actor.name(), why)),
                None => entries.push(Entry::of(actor)),
            }
        }
        Self {
            settings: Cow::Borrowed(settings),
            inventory_digest: inventory.source_digest().to_string(),
            entries,
            left_out,
            departures: Departures::default(),
        }
    }

    /// Whose registry it is.
    pub fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// The digest of the inventory it was built from, 64 hexadecimal digits.
    pub fn inventory_digest(&self) -> &str {
        &self.inventory_digest
    }

    /// The actors in it, in order of their names.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }

    /// One actor.
    pub fn entry(&self, name: &str) -> Option<&Entry<'a>> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.name().as_str().cmp(name));
        at.ok().and_then(|at| self.entries.get(at))
    }

    /// The actors of the inventory that are not in it; empty for a snapshot that was read.
    pub fn left_out(&self) -> &[(&'a ActorName, Absence)] {
        &self.left_out
    }
}

fn absence(actor: &Actor, at: UnixTime) -> Option<Absence> {
    match actor.expires() {
        _ if actor.disabled() => Some(Absence::Disabled),
        Some(end) if end <= at => Some(Absence::Expired),
        _ => None,
    }
}

impl<'a> Entry<'a> {
    fn of(actor: &'a Actor) -> Self {
        Self {
            name: Cow::Borrowed(actor.name()),
            principals: Cow::Borrowed(actor.principals()),
            ttl: actor.ttl(),
            max_ttl: actor.max_ttl(),
            own_subjects: true,
            subjects: Cow::Borrowed(actor.subjects()),
        }
    }

    /// The name.
    pub fn name(&self) -> &ActorName {
        &self.name
    }

    /// The principals it may have.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    /// The time to live where none is asked.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The longest time to live.
    pub fn max_ttl(&self) -> Ttl {
        self.max_ttl
    }

    /// The subjects that may ask for it, each once: its name, `iam:` and its name, then those of
    /// its file.
    pub fn allowed_subjects(&self) -> impl Iterator<Item = SubjectId<'_>> {
        let own = [false, true].map(|iam| SubjectId {
            iam,
            text: self.name.as_str(),
        });
        let count = if self.own_subjects { own.len() } else { 0 };
        let more = self.subjects.iter().map(|text| SubjectId::read(text));
        own.into_iter()
            .take(count)
            .chain(more.filter(move |one| !own[..count].contains(one)))
    }
}

/// Seconds as whole hours, rounded up.
pub(crate) fn hours(ttl: Ttl) -> u64 {
    ttl.seconds().div_ceil(3600)
}

/// The id of a subject: a text, with or without the prefix `iam:`. Ordered as its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectId<'a> {
    iam: bool,
    text: &'a str,
}

impl<'a> SubjectId<'a> {
    /// Takes a text for an id.
    pub fn read(text: &'a str) -> Self {
        match text.strip_prefix(spelling::IAM_PREFIX) {
            Some(text) => Self { iam: true, text },
            None => Self { iam: false, text },
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let prefix = if self.iam { spelling::IAM_PREFIX } else { "" };
        prefix.bytes().chain(self.text.bytes())
    }
}

impl Ord for SubjectId<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.iam == other.iam {
            self.text.cmp(other.text)
        } else {
            self.bytes().cmp(other.bytes())
        }
    }
}

impl PartialOrd for SubjectId<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SubjectId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.iam {
            f.write_str(spelling::IAM_PREFIX)?;
        }
        f.write_str(self.text)
    }
}
