//! Revocations on disk: `revocations.json` in the state directory, and their records.
//!
//! - A change is recorded and synced first, then the file is replaced; `revocations.lock` keeps
//!   writers apart. Whatever was recorded but is not in the file is put there by the next writer.
//! - A reader reads this one file. If there is none, nothing was ever revoked, provided that there is
//!   no `revocations.lock` either: it is made after the first file and stays for good. Anything
//!   else is an error, and nothing is signed.

use super::{CLOCK_MARGIN_SECONDS, Item, Loaded, RevocationError, Revocations, Step, Why};
use crate::certificate::{Fingerprint, Serial, UnixTime};
use crate::clock::Clock;
use crate::file::{self, FileError, Links, Prepared};
use crate::inventory::{ActorName, HOST_CEILING};
use crate::journal::{self, FileJournal, Head, Kind, Outcome, Record, read_head, read_records};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// The largest revocation file, in bytes: some 300,000 items.
pub const MAX_REVOCATIONS_BYTES: usize = 64 * 1024 * 1024;

/// As many items as stand in one record, so that its line stays far below the journal's limit.
const ITEMS_PER_RECORD: usize = 1000;

const FILE: &str = "revocations.json";
const LOCK: &str = "revocations.lock";

/// What is to be revoked, or given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// An actor, and with it each certificate of it that is recorded and still valid.
    Actor(ActorName),
    /// The certificate with this serial, as it is recorded.
    Serial(Serial),
    /// A certificate at hand.
    Certificate {
        /// The CA that signed it.
        ca: Fingerprint,
        /// Its serial.
        serial: Serial,
        /// When it ends.
        valid_before: UnixTime,
    },
    /// A key.
    Key(Fingerprint),
    /// A CA.
    Ca(Fingerprint),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// What was revoked or given back; empty if there was nothing to change.
    pub items: Vec<Item>,
    /// The numbers of the records that say so.
    pub records: Vec<u64>,
    /// How many recorded certificates it concerns that are still valid.
    pub live: usize,
    /// How many recorded certificates it concerns, valid or not.
    pub known: usize,
    /// When the certificate ended, if it ended so long ago that it needs no revoking.
    pub expired: Option<UnixTime>,
    /// How many records were in the journal and not yet in the file.
    pub mended: usize,
    /// Records that could not be read, and that may be of certificates that it concerns and that are
    /// still valid.
    pub unread: Vec<Unread>,
}

/// Records that are in no journal that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Unread {
    /// All of them in words.
    pub fn list(all: &[Self]) -> String {
        let all: Vec<String> = all.iter().map(Self::to_string).collect();
        all.join(", ")
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records {} to {}", self.first, self.last)
    }
}

/// Reads what is revoked in a state directory.
///
/// # Errors
/// If the file is unreadable, malformed, or missing though something was revoked.
pub fn load(state_dir: &Path) -> Result<Loaded, RevocationError> {
    Loaded::read(state_dir.to_owned())
}

/// Whether there is no lock; anything but its plain absence counts as one.
fn nobody_ever_wrote(state_dir: &Path) -> bool {
    let found = state_dir.join(LOCK).symlink_metadata();
    found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Makes the file if nobody ever revoked anything, however late the journal begins. It is there before
/// the lock, so that nobody finds the lock alone, which means that the file was lost.
fn make_first(state_dir: &Path) -> Result<(), RevocationError> {
    if !nobody_ever_wrote(state_dir) || read_text(state_dir)?.is_some() {
        return Ok(());
    }
    let nothing = Revocations::none().to_json();
    file::prepare(&state_dir.join(FILE), 0o600, nothing.as_bytes())
        .and_then(Prepared::install_first)
        .map_err(|error| RevocationError::NotRecorded(error.into()))
}

/// The content of the file, if there is one.
pub(super) fn read_text(state_dir: &Path) -> Result<Option<String>, RevocationError> {
    match file::read_text(&state_dir.join(FILE), MAX_REVOCATIONS_BYTES, Links::Refuse) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(RevocationError::Unreadable(error)),
    }
}

/// What the content of the file says, or that there is none.
pub(super) fn parse(state_dir: &Path, text: Option<&str>) -> Result<Revocations, RevocationError> {
    let path = || state_dir.join(FILE);
    match text.map(Revocations::from_json) {
        Some(Ok(revocations)) => Ok(revocations),
        Some(Err(detail)) => Err(RevocationError::Malformed {
            path: path(),
            detail,
        }),
        None if nobody_ever_wrote(state_dir) => Ok(Revocations::none()),
        None => Err(RevocationError::Missing { path: path() }),
    }
}

/// As [`load`], with whatever the journal says and the file does not, such as after a crash. Nothing is
/// written.
///
/// # Errors
/// As [`load`], or if the journal cannot be read.
pub fn load_mended(state_dir: &Path) -> Result<Revocations, RevocationError> {
    let mut revocations = load(state_dir)?.clone();
    let each = |record: Record| {
        replay(&mut revocations, &record);
    };
    read_records(&FileJournal::path_in(state_dir), each).map_err(RevocationError::Journal)?;
    Ok(revocations)
}

/// Puts in what a record says, if it is not in there yet. Gives whether it was not.
fn replay(revocations: &mut Revocations, record: &Record) -> bool {
    let at = UnixTime::parse(&record.at);
    match (record.entry.kind, &record.entry.facts.revocation, at) {
        (Kind::Revocation, Some(step), Some(at)) if record.seq > revocations.through() => {
            revocations.apply(step, at, record.seq);
            true
        }
        _ => false,
    }
}

/// Revokes `target` and records why. `older` are journals that were rotated away, oldest first.
///
/// # Errors
/// If a serial was never issued here, or the change cannot be recorded or written.
pub fn revoke(
    journal: &FileJournal,
    older: &[PathBuf],
    target: &Target,
    why: &Why,
    clock: &dyn Clock,
) -> Result<Done, RevocationError> {
    let mut writer = Writer::open(journal, older, clock)?;
    let now = clock.now();
    if let Target::Actor(actor) = target {
        // First of all it gets no new ones, and then those it has are looked for.
        writer.change(false, why, vec![Item::Actor(actor.clone())])?;
        // Who looked before that what is revoked has recorded his certificate when this returns.
        drop(journal.lock().map_err(|error| writer.failed(error))?);
    }
    let issued = writer.issued(target, now)?;
    writer.done.known = issued.len();
    let live = issued.iter().filter(|one| one.item.counts_at(now));
    let live: Vec<&Issued> = live.collect();
    writer.done.live = live.len();
    let items = match target {
        Target::Serial(serial) => match issued.first() {
            None => {
                return Err(RevocationError::NeverIssued {
                    serial: *serial,
                    unread: writer.done.unread,
                });
            }
            Some(one) if live.is_empty() => {
                writer.done.expired = Some(one.valid_before);
                Vec::new()
            }
            Some(_) => live.iter().map(|one| one.item.clone()).collect(),
        },
        Target::Actor(_) => live.iter().map(|one| one.item.clone()).collect(),
        Target::Certificate {
            ca,
            serial,
            valid_before,
        } => {
            let item = Item::certificate(ca.clone(), *serial, *valid_before, None);
            let counts = item.counts_at(now);
            writer.done.expired = (!counts).then_some(*valid_before);
            [item].into_iter().filter(|_| counts).collect()
        }
        Target::Key(key) => vec![Item::Key(key.clone())],
        Target::Ca(ca) => vec![Item::Ca(ca.clone())],
    };
    writer.change(false, why, items)?;
    Ok(writer.done)
}

/// Gives back what [`revoke`] took for the same target, and no more.
///
/// # Errors
/// If the change cannot be recorded or written.
pub fn undo(
    journal: &FileJournal,
    older: &[PathBuf],
    target: &Target,
    why: &Why,
    clock: &dyn Clock,
) -> Result<Done, RevocationError> {
    let mut writer = Writer::open(journal, older, clock)?;
    let belongs = |item: &Item| match (target, item) {
        (Target::Actor(actor), Item::Actor(name)) => actor == name,
        (Target::Actor(actor), Item::Certificate { with, .. }) => with.as_ref() == Some(actor),
        (
            Target::Serial(number),
            Item::Certificate {
                serial, with: None, ..
            },
        ) => number == serial,
        (Target::Certificate { ca, serial, .. }, Item::Certificate { with: None, .. }) => {
            item.is_certificate(ca, *serial)
        }
        (Target::Key(key), Item::Key(one)) => key == one,
        (Target::Ca(ca), Item::Ca(one)) => ca == one,
        _ => false,
    };
    let items = writer.revocations.items().map(|(item, _)| item);
    let items: Vec<Item> = items.filter(|item| belongs(item)).cloned().collect();
    if let Target::Serial(serial) = target {
        let of: BTreeSet<_> = items.iter().filter_map(Item::ca_of_certificate).collect();
        let (serial, found) = (*serial, of.len());
        if found > 1 {
            return Err(RevocationError::Ambiguous { serial, found });
        }
    }
    writer.change(true, why, items)?;
    Ok(writer.done)
}

/// Puts into the file whatever the journal says and the file does not. `older` are journals that
/// were rotated away, oldest first.
///
/// # Errors
/// If the file is gone and the journals do not reach back to the first record, or something cannot
/// be read or written.
pub fn mend(
    journal: &FileJournal,
    older: &[PathBuf],
    clock: &dyn Clock,
) -> Result<Done, RevocationError> {
    Ok(Writer::open(journal, older, clock)?.done)
}

/// The only one who changes the file, as long as it lives.
struct Writer<'a> {
    journal: &'a FileJournal,
    older: &'a [PathBuf],
    /// The time of the journal's last record.
    latest: UnixTime,
    clock: &'a dyn Clock,
    revocations: Revocations,
    done: Done,
    _lock: std::fs::File,
}

/// A certificate of which the journal has a record.
struct Issued {
    item: Item,
    valid_before: UnixTime,
}

impl<'a> Writer<'a> {
    /// Takes the lock and mends the file.
    fn open(
        journal: &'a FileJournal,
        older: &'a [PathBuf],
        clock: &'a dyn Clock,
    ) -> Result<Self, RevocationError> {
        make_first(journal.state_dir())?;
        let lock = journal
            .lock_file(LOCK)
            .map_err(RevocationError::NotRecorded)?;
        let text = read_text(journal.state_dir())?;
        let missing = text.is_none();
        let mut revocations = match text {
            None => Revocations::none(),
            Some(text) => parse(journal.state_dir(), Some(&text))?,
        };
        let (mut first, mut mended, mut latest) = (None, 0, UnixTime(0));
        let mut each = |record: Record| {
            first.get_or_insert(record.seq);
            latest = UnixTime::parse(&record.at).unwrap_or(latest);
            mended += usize::from(replay(&mut revocations, &record));
        };
        for path in older.iter().chain([&journal.path()]) {
            read_records(path, &mut each).map_err(RevocationError::Journal)?;
        }
        if missing && first.is_none_or(|first| first > 1) {
            return Err(RevocationError::Beginning { first });
        }
        let done = Done {
            mended,
            ..Done::default()
        };
        let mut writer = Self {
            journal,
            older,
            latest,
            clock,
            revocations,
            done,
            _lock: lock,
        };
        if missing || mended > 0 {
            writer.write()?;
        }
        Ok(writer)
    }

    /// The certificates of which the journals have a record and that `target` means, as items. Notes
    /// which records are in none of them, if a certificate of those may still be valid.
    fn issued(&mut self, target: &Target, now: UnixTime) -> Result<Vec<Issued>, RevocationError> {
        let since = now.minus(longest_life(target) + CLOCK_MARGIN_SECONDS);
        // Read first, so that what is recorded meanwhile does not seem to be missing.
        let head = read_head(self.journal.state_dir()).map_err(|error| self.failed(error))?;
        let (mut found, mut unread, mut last) = (Vec::new(), Vec::new(), 0);
        let mut missing = |first: u64, next: u64, at: Option<UnixTime>| {
            if first < next && at.is_none_or(|at| at > since) {
                let last = next - 1;
                unread.push(Unread { first, last });
            }
        };
        for path in self.older.iter().chain([&self.journal.path()]) {
            let each = |record: Record| {
                // The same record may be in two files.
                if record.seq > last {
                    missing(
                        last.saturating_add(1),
                        record.seq,
                        UnixTime::parse(&record.at),
                    );
                    last = record.seq;
                    found.extend(issued(&record, target));
                }
            };
            read_records(path, each).map_err(|error| self.failed(error))?;
        }
        // Between a rotation and the next record.
        let end = head.map_or(0, |head: Head| head.seq);
        missing(last.saturating_add(1), end.saturating_add(1), None);
        self.done.unread = unread;
        Ok(found)
    }

    /// Records a change and makes it.
    fn change(&mut self, undo: bool, why: &Why, items: Vec<Item>) -> Result<(), RevocationError> {
        let known = |item: &Item| self.revocations.items.contains_key(item);
        let items: Vec<Item> = items
            .into_iter()
            .filter(|item| known(item) == undo)
            .collect();
        if items.is_empty() {
            return Ok(());
        }
        for chunk in items.chunks(ITEMS_PER_RECORD) {
            let step = Step {
                undo,
                why: why.clone(),
                items: chunk.to_vec(),
            };
            let at = self.clock.now();
            match journal::record_revocation(self.journal, &step, at) {
                Ok(recorded) => {
                    self.done.records.push(recorded.seq);
                    self.revocations.apply(&step, at, recorded.seq);
                }
                Err(error) if self.done.records.is_empty() => {
                    return Err(RevocationError::NotRecorded(error));
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.done.items.extend(items);
        self.write()
    }

    fn write(&mut self) -> Result<(), RevocationError> {
        // Two clocks must say so: one that is wrong would give back what is still valid.
        self.revocations
            .drop_expired(self.clock.now().min(self.latest));
        let (path, content) = (
            self.journal.state_dir().join(FILE),
            self.revocations.to_json(),
        );
        let same = Revocations::from_json(&content).is_ok_and(|read| read == self.revocations);
        if !same || content.len() > MAX_REVOCATIONS_BYTES {
            let limit = MAX_REVOCATIONS_BYTES;
            return Err(self.failed(FileError::TooLarge { path, limit }));
        }
        file::replace(&path, content.as_bytes())
            .and_then(|()| file::sync_directory(self.journal.state_dir()))
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> RevocationError {
        RevocationError::Partial {
            records: self.done.records.clone(),
            source: Box::new(error),
        }
    }
}

/// The longest that a certificate lives which `target` may mean, in seconds.
fn longest_life(target: &Target) -> u64 {
    match target {
        Target::Actor(actor) => actor.actor_type().ceiling().seconds(),
        _ => HOST_CEILING.seconds(),
    }
}

/// What a record says was issued, if it is what `target` means.
fn issued(record: &Record, target: &Target) -> Option<Issued> {
    let entry = &record.entry;
    if (entry.kind, entry.outcome) != (Kind::Certificate, Outcome::Issued) {
        return None;
    }
    let facts = &entry.facts;
    let ca = Fingerprint::parse(facts.ca_fingerprint.as_deref()?)?;
    let serial = Serial::new(facts.serial.as_deref()?.parse().ok()?)?;
    let valid_before = UnixTime::parse(facts.valid_before.as_deref()?)?;
    let meant = match target {
        Target::Actor(actor) => facts.actor.as_deref() == Some(actor.as_str()),
        Target::Serial(number) => *number == serial,
        Target::Certificate {
            ca: of,
            serial: number,
            ..
        } => *of == ca && *number == serial,
        Target::Key(key) => facts.public_key.as_deref() == Some(key.as_str()),
        Target::Ca(of) => *of == ca,
    };
    let with = match target {
        Target::Actor(actor) => Some(actor.clone()),
        _ => None,
    };
    meant.then(|| Issued {
        item: Item::certificate(ca, serial, valid_before, with),
        valid_before,
    })
}
