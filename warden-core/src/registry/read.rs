//! Reads a snapshot that somebody else may have made by hand.
//!
//! - Strict: an unknown key, a key twice, a value of the wrong kind, an actor twice, a time to live
//!   over the ceiling or a malformed name is refused with `path:line:col`.
//! - A value keeps its text, so that what is wrong with it is pointed at in the file.
//! - What is not a snapshot at all is not quoted: credentials are kept in JSON too.

use super::fact::{Departures, Fact};
use super::spelling::{
    self, ACTION, CONTRACT, MARK, RELATION, RESOURCE_PREFIX, RESOURCE_TYPE, SOURCE,
};
use super::{Entry, RegistrySettings, Snapshot, SubjectId, hours, is_name};
use crate::certificate::{Principal, Principals, Ttl};
use crate::diagnostic::{Problem, SourceText};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use crate::inventory::{ActorName, ActorNameError, ActorType};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::ops::Range;
use std::path::Path;

/// The largest snapshot that is read, in bytes: more than a million actors.
pub const MAX_SNAPSHOT_BYTES: usize = 2 * 1024 * 1024 * 1024 - 1;

/// Why a file gives no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("cannot read the registry snapshot")]
    File(#[from] FileError),
    /// It breaks a rule.
    #[error("{0}")]
    Malformed(#[source] Box<Problem>),
}

impl Failure for SnapshotError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::Malformed(_) => "snapshot_malformed",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Malformed(problem) => problem.hint.iter().cloned().collect(),
        }
    }

    fn excerpt(&self) -> Option<&Problem> {
        match self {
            Self::Malformed(problem) => Some(problem),
            Self::File(_) => None,
        }
    }
}

impl Snapshot<'static> {
    /// Reads a snapshot from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or breaks a rule.
    pub fn read_file(path: &Path) -> Result<Self, SnapshotError> {
        let text = file::read_text(path, MAX_SNAPSHOT_BYTES, Links::Follow)?;
        Self::read(path, text).map_err(|problem| SnapshotError::Malformed(Box::new(problem)))
    }

    /// Reads a snapshot from a text that came from `path`.
    ///
    /// # Errors
    /// Names the first place that is wrong.
    pub fn read(path: &Path, text: String) -> Result<Self, Problem> {
        let source = SourceText::json(path, text, MARK);
        source.refuse_leftovers()?;
        let whole: Whole<'_> =
            serde_json::from_str(source.text()).map_err(|error| syntax_problem(&source, &error))?;
        Reader(&source).snapshot(whole)
    }
}

type Raw<'a> = &'a RawValue;
type Subject<'a> = spelling::Subject<Raw<'a>, Raw<'a>>;
type Group<'a> = spelling::Group<Raw<'a>, Vec<Raw<'a>>>;
type Relationship<'a> = spelling::Relationship<Raw<'a>, Raw<'a>, Raw<'a>>;
type Attributes<'a> = spelling::Attributes<Raw<'a>, Vec<Raw<'a>>, Raw<'a>, Vec<Raw<'a>>>;
type Resource<'a> = spelling::Resource<Raw<'a>, Raw<'a>, Attributes<'a>>;
type Manifest<'a> = spelling::Manifest<Raw<'a>, Vec<Raw<'a>>, Vec<Resource<'a>>>;
type Whole<'a> = spelling::Whole<
    Vec<spelling::System<Raw<'a>>>,
    Vec<Manifest<'a>>,
    Vec<Subject<'a>>,
    Vec<Group<'a>>,
    Vec<Relationship<'a>>,
    Vec<spelling::Tenant<Raw<'a>>>,
>;

/// What serde_json says, at its place. An unknown or repeated key is pointed at as a whole.
fn syntax_problem(source: &SourceText, error: &serde_json::Error) -> Problem {
    let text = source.text();
    let line_start = match error.line() {
        0 | 1 => 0,
        line => text
            .match_indices('\n')
            .nth(line - 2)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    if !source.may_be_quoted() {
        // The message could repeat what stands there.
        return source
            .problem(&(at..at + 1), "this is no registry snapshot")
            .with_hint(format!(
                "`warden registry build` writes one; it is a JSON object with the key \"{MARK}\""
            ));
    }
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    let key = ["unknown field `", "duplicate field `"]
        .iter()
        .find_map(|begin| message.strip_prefix(begin)?.split('`').next());
    let whole_key = key.and_then(|key| {
        let quoted = format!("\"{key}\"");
        let start = text.get(..=at)?.rfind(&quoted)?;
        Some(start..start + quoted.len())
    });
    source.problem(&whole_key.unwrap_or(at..at + 1), message)
}

struct Reader<'a>(&'a SourceText);

impl<'a> Reader<'a> {
    fn at(&self, raw: Raw<'a>) -> Range<usize> {
        // A raw value is a part of the text it was read from.
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.0.text().as_ptr() as usize);
        start..start + raw.get().len()
    }

    fn problem(&self, raw: Raw<'a>, message: impl Into<String>) -> Problem {
        self.0.problem(&self.at(raw), message)
    }

    fn text(&self, raw: Raw<'a>) -> Result<Cow<'a, str>, Problem> {
        let inner = raw
            .get()
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match inner {
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            _ => serde_json::from_str(raw.get())
                .map(Cow::Owned)
                .map_err(|_| self.problem(raw, "expected a string")),
        }
    }

    fn name(&self, raw: Raw<'a>) -> Result<Cow<'a, str>, Problem> {
        let text = self.text(raw)?;
        if is_name(&text) {
            return Ok(text);
        }
        let message = "expected 1 to 256 printable characters without a blank";
        Err(self.problem(raw, message))
    }

    fn expect(&self, raw: Raw<'a>, expected: &str) -> Result<(), Problem> {
        let found = self.text(raw)?;
        if found == expected {
            return Ok(());
        }
        let found: String = found.chars().take(80).collect();
        Err(self.problem(raw, format!("found `{found}`, expected `{expected}`")))
    }

    fn one<T>(&self, list: Vec<T>, what: &str) -> Result<T, Problem> {
        let found = list.len();
        match <[T; 1]>::try_from(list) {
            Ok([one]) => Ok(one),
            Err(_) => Err(self
                .0
                .problem_of_file(format!("{found} {what}; a snapshot has exactly one"))),
        }
    }

    fn new_in<T: Eq + Hash>(
        &self,
        seen: &mut HashSet<T>,
        one: T,
        raw: Raw<'a>,
        message: impl FnOnce() -> String,
    ) -> Result<(), Problem> {
        match seen.insert(one) {
            true => Ok(()),
            false => Err(self.problem(raw, message())),
        }
    }

    fn snapshot(&self, whole: Whole<'a>) -> Result<Snapshot<'static>, Problem> {
        let tenant = self.name(self.one(whole.tenants, "tenants")?.id)?;
        let registered = self.one(whole.systems, "systems")?;
        let system = self.name(registered.id)?;
        self.expect(registered.tenant, &tenant)?;
        let manifest = self.one(whole.resource_manifests, "resource manifests")?;
        self.expect(manifest.id, &spelling::manifest_id(&system))?;
        self.expect(manifest.system, &system)?;
        self.expect(self.one(manifest.actions, "actions")?, ACTION)?;
        self.expect(manifest.metadata.source, SOURCE)?;
        self.expect(manifest.metadata.flex_auth_contract, CONTRACT)?;
        let inventory_digest = self.digest(manifest.metadata.inventory_digest)?;
        let settings = RegistrySettings {
            tenant: tenant.into_owned(),
            system: system.into_owned(),
        };
        let entries = self.entries(&manifest.resources)?;
        let mut facts = BTreeSet::new();
        self.subjects(&whole.subjects, &settings, &mut facts)?;
        self.groups(&whole.groups, &settings, &mut facts)?;
        self.relationships(&whole.relationships, &mut facts)?;
        let mut snapshot = Snapshot {
            settings: Cow::Owned(settings),
            inventory_digest,
            entries,
            left_out: Vec::new(),
            departures: Departures::default(),
        };
        snapshot.departures = Departures::of(facts, &snapshot.implied());
        Ok(snapshot)
    }

    fn digest(&self, raw: Raw<'a>) -> Result<String, Problem> {
        let text = self.text(raw)?;
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hexadecimal) {
            return Ok(text.into_owned());
        }
        Err(self.problem(raw, "expected 64 lower-case hexadecimal digits"))
    }

    fn entries(&self, resources: &[Resource<'a>]) -> Result<Vec<Entry<'static>>, Problem> {
        let mut entries = Vec::with_capacity(resources.len());
        let mut seen = HashSet::with_capacity(resources.len());
        for resource in resources {
            let name = self.actor_name(resource.id)?;
            let twice = format!("actor `{name}` stands twice in the snapshot");
            self.new_in(&mut seen, name.clone(), resource.id, || twice)?;
            entries.push(self.entry(resource, name)?);
        }
        entries.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(entries)
    }

    fn actor_name(&self, id: Raw<'a>) -> Result<ActorName, Problem> {
        let text = self.text(id)?;
        let name = text.strip_prefix(RESOURCE_PREFIX).ok_or_else(|| {
            let message = format!("the id of a resource begins with `{RESOURCE_PREFIX}`");
            self.problem(id, message)
        })?;
        name.parse()
            .map_err(|error: ActorNameError| self.problem(id, error.to_string()))
    }

    fn entry(&self, resource: &Resource<'a>, name: ActorName) -> Result<Entry<'static>, Problem> {
        let actor_type = name.actor_type();
        let attributes = &resource.attributes;
        self.expect(resource.resource_type, RESOURCE_TYPE)?;
        self.expect(attributes.actor_type, actor_type.as_str())?;
        let ceiling = actor_type.ceiling();
        let max_ttl = self.seconds(attributes.max_ttl_seconds)?;
        if max_ttl > ceiling {
            let message =
                format!("max_ttl {max_ttl} is over the ceiling of type `{actor_type}`, {ceiling}");
            return Err(self.problem(attributes.max_ttl_seconds, message));
        }
        self.rounded(max_ttl, attributes.max_ttl_hours)?;
        let ttl = self.seconds(attributes.default_ttl_seconds)?;
        if ttl > max_ttl {
            let message = format!("the default {ttl} is over this actor's longest, {max_ttl}");
            return Err(self.problem(attributes.default_ttl_seconds, message));
        }
        self.rounded(ttl, attributes.default_ttl_hours)?;
        let listed = self.allowed_subjects(resource.id, &attributes.allowed_subjects)?;
        let own = [false, true].map(|iam| SubjectId {
            iam,
            text: name.as_str(),
        });
        let own_subjects = listed.len() >= own.len()
            && own
                .iter()
                .zip(&listed)
                .all(|(own, text)| *own == SubjectId::read(text));
        let subjects = match own_subjects {
            true => listed[own.len()..].to_vec(),
            false => listed,
        };
        Ok(Entry {
            principals: Cow::Owned(self.principals(resource.id, &attributes.principals)?),
            name: Cow::Owned(name),
            ttl,
            max_ttl,
            own_subjects,
            subjects: Cow::Owned(subjects),
        })
    }

    fn number(&self, raw: Raw<'a>) -> Result<u64, Problem> {
        raw.get()
            .parse()
            .map_err(|_| self.problem(raw, "expected a whole number"))
    }

    fn seconds(&self, raw: Raw<'a>) -> Result<Ttl, Problem> {
        let number = self.number(raw)?;
        Ttl::from_seconds(number)
            .ok_or_else(|| self.problem(raw, format!("{number} s is no time to live")))
    }

    fn rounded(&self, ttl: Ttl, whole_hours: Raw<'a>) -> Result<(), Problem> {
        let (found, expected) = (self.number(whole_hours)?, hours(ttl));
        if found == expected {
            return Ok(());
        }
        let message = format!("{found} h, but {ttl} in whole hours, rounded up, is {expected}");
        Err(self.problem(whole_hours, message))
    }

    fn principals(&self, id: Raw<'a>, list: &[Raw<'a>]) -> Result<Principals, Problem> {
        let mut found = Vec::with_capacity(list.len());
        for raw in list {
            let one = Principal::new(&self.text(raw)?)
                .map_err(|error| self.problem(raw, error.to_string()))?;
            if found.contains(&one) {
                let message = format!("principal `{one}` stands twice in the list");
                return Err(self.problem(raw, message));
            }
            found.push(one);
        }
        Principals::new(found).map_err(|error| self.problem(id, error.to_string()))
    }

    fn allowed_subjects(&self, id: Raw<'a>, list: &[Raw<'a>]) -> Result<Vec<String>, Problem> {
        if list.is_empty() {
            return Err(self.problem(id, "the list of allowed subjects is empty"));
        }
        let mut seen = HashSet::with_capacity(list.len());
        let mut found = Vec::with_capacity(list.len());
        for raw in list {
            let one = self.name(raw)?;
            let twice = format!("subject `{one}` stands twice in the list");
            found.push(one.clone().into_owned());
            self.new_in(&mut seen, one, raw, || twice)?;
        }
        Ok(found)
    }

    fn subjects(
        &self,
        list: &[Subject<'a>],
        settings: &RegistrySettings,
        facts: &mut BTreeSet<Fact>,
    ) -> Result<(), Problem> {
        let types = ActorType::ALL.map(spelling::subject_type);
        let mut seen = HashSet::with_capacity(list.len());
        for subject in list {
            let id = self.name(subject.id)?;
            let subject_type = self.text(subject.subject_type)?;
            if !types.contains(&subject_type.as_ref()) {
                let message = format!("a subject's type is one of {}", types.join(", "));
                return Err(self.problem(subject.subject_type, message));
            }
            self.expect(subject.tenant, settings.tenant())?;
            facts.insert(Fact::Subject {
                id: id.clone().into_owned(),
                subject_type: subject_type.into_owned(),
            });
            let twice = format!("subject `{id}` stands twice in the snapshot");
            self.new_in(&mut seen, id, subject.id, || twice)?;
        }
        Ok(())
    }

    fn groups(
        &self,
        list: &[Group<'a>],
        settings: &RegistrySettings,
        facts: &mut BTreeSet<Fact>,
    ) -> Result<(), Problem> {
        for group in list {
            let id = self.name(group.id)?.into_owned();
            self.expect(group.tenant, settings.tenant())?;
            if !facts.insert(Fact::Group { id: id.clone() }) {
                let message = format!("group `{id}` stands twice in the snapshot");
                return Err(self.problem(group.id, message));
            }
            for raw in &group.members {
                let member = self.name(raw)?.into_owned();
                let twice = format!("member `{member}` stands twice in the group");
                let fact = Fact::Member {
                    group: id.clone(),
                    id: member,
                };
                if !facts.insert(fact) {
                    return Err(self.problem(raw, twice));
                }
            }
        }
        Ok(())
    }

    fn relationships(
        &self,
        list: &[Relationship<'a>],
        facts: &mut BTreeSet<Fact>,
    ) -> Result<(), Problem> {
        for one in list {
            self.expect(one.relation, RELATION)?;
            let fact = Fact::Relationship {
                subject: self.name(one.subject)?.into_owned(),
                relation: RELATION.to_owned(),
                object: self.name(one.object)?.into_owned(),
            };
            if !facts.insert(fact) {
                return Err(self.problem(one.subject, "the relationship stands twice"));
            }
        }
        Ok(())
    }
}
