//! What follows from the resources of a snapshot, and where one that was read departs from it.
//!
//! - Subjects, groups and relationships follow from the resources. Each subject stands once, however
//!   many actors name it.
//! - Whoever hosts a registry may add to these sections. That is no malformed file, but it is seen.

use super::spelling::{self, RELATION, RESOURCE_PREFIX};
use super::{Entry, Snapshot, SubjectId};
use crate::inventory::ActorType;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One statement of a snapshot beside its resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// A subject of this type is known.
    Subject { id: String, subject_type: String },
    /// A group exists.
    Group { id: String },
    /// A subject is in a group.
    Member { group: String, id: String },
    /// A subject relates to an object.
    Relationship {
        subject: String,
        relation: String,
        object: String,
    },
}

/// Reads after "there is ".
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject { id, subject_type } => {
                write!(f, "subject `{id}` of type {subject_type}")
            }
            Self::Group { id } => write!(f, "group `{id}`"),
            Self::Member { group, id } => write!(f, "member `{id}` in group `{group}`"),
            Self::Relationship {
                subject,
                relation,
                object,
            } => write!(f, "relationship `{subject}` {relation} `{object}`"),
        }
    }
}

/// Where the sections of a snapshot depart from what its resources imply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Departures {
    pub(super) missing: BTreeSet<Fact>,
    pub(super) extra: BTreeSet<Fact>,
}

impl Departures {
    /// Compares what was read with what is implied.
    pub(super) fn of(read: BTreeSet<Fact>, implied: &BTreeSet<Fact>) -> Self {
        Self {
            missing: implied.difference(&read).cloned().collect(),
            extra: read.difference(implied).cloned().collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Fact> {
        self.missing.iter().chain(&self.extra)
    }

    /// Whether a fact stands in a snapshot with these departures.
    pub(super) fn holds(&self, fact: &Fact, implied: &BTreeSet<Fact>) -> bool {
        self.extra.contains(fact) || (implied.contains(fact) && !self.missing.contains(fact))
    }
}

impl Snapshot<'_> {
    /// The entries of one type, or all.
    fn entries_of(&self, only: Option<ActorType>) -> &[Entry<'_>] {
        let Some(only) = only else {
            return &self.entries;
        };
        // They are in order of their names, which begin with the type.
        let begin = |one: &Entry<'_>| one.name().actor_type() < only;
        let end = |one: &Entry<'_>| one.name().actor_type() <= only;
        let range = self.entries.partition_point(begin)..self.entries.partition_point(end);
        &self.entries[range]
    }

    /// Gives the subjects of all entries, or of those of one type, in order of their ids, each once
    /// and with the type of the first actor that names it.
    pub(super) fn each_subject<'s, E>(
        &'s self,
        only: Option<ActorType>,
        mut give: impl FnMut(SubjectId<'s>, ActorType) -> Result<(), E>,
    ) -> Result<(), E> {
        let entries = self.entries_of(only);
        let mut others = BTreeMap::new();
        for entry in entries {
            for text in entry.subjects.iter() {
                let id = SubjectId::read(text);
                let owner = self.entry(id.text).filter(|owner| {
                    let included = |only| owner.name().actor_type() == only;
                    owner.own_subjects && only.is_none_or(included)
                });
                if owner.is_none() {
                    let actor_type = entry.name().actor_type();
                    others.entry(id).or_insert(actor_type);
                }
            }
        }
        let mut others = others.into_iter().peekable();
        // Names begin with `a`, so they stand before `iam:`, and both are in order by themselves.
        for iam in [false, true] {
            for entry in entries.iter().filter(|entry| entry.own_subjects) {
                let text = entry.name().as_str();
                let id = SubjectId { iam, text };
                while let Some((other, actor_type)) = others.next_if(|(other, _)| *other < id) {
                    give(other, actor_type)?;
                }
                give(id, entry.name().actor_type())?;
            }
        }
        others.try_for_each(|(other, actor_type)| give(other, actor_type))
    }

    /// The same as a list.
    fn subjects(&self, only: Option<ActorType>) -> Vec<(SubjectId<'_>, ActorType)> {
        let mut list = Vec::new();
        let given = self.each_subject(only, |id, actor_type| {
            list.push((id, actor_type));
            Ok::<(), std::convert::Infallible>(())
        });
        match given {
            Ok(()) => list,
        }
    }

    /// Everything that follows from the resources.
    pub(super) fn implied(&self) -> BTreeSet<Fact> {
        let system = self.settings.system();
        let mut facts = BTreeSet::new();
        for (id, actor_type) in self.subjects(None) {
            facts.insert(Fact::Subject {
                id: id.to_string(),
                subject_type: spelling::subject_type(actor_type).to_owned(),
            });
        }
        for actor_type in ActorType::ALL {
            let group = spelling::group_id(system, actor_type);
            let members = self.subjects(Some(actor_type)).into_iter();
            facts.extend(members.map(|(id, _)| Fact::Member {
                group: group.clone(),
                id: id.to_string(),
            }));
            facts.insert(Fact::Group { id: group });
        }
        facts.extend(self.entries.iter().map(|entry| Fact::Relationship {
            subject: entry.name().to_string(),
            relation: RELATION.to_owned(),
            object: format!("{RESOURCE_PREFIX}{}", entry.name()),
        }));
        facts
    }
}
