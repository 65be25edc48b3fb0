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
    /// The subjects of all entries, or of those of one type, in order of their ids, each once and
    /// with the type of the first actor that names it.
    pub(super) fn subjects(
        &self,
        only: Option<ActorType>,
    ) -> impl Iterator<Item = (SubjectId<'_>, ActorType)> {
        let included =
            move |entry: &&Entry<'_>| only.is_none_or(|only| entry.name().actor_type() == only);
        let own = move |iam| {
            self.entries
                .iter()
                .filter(included)
                .filter(|entry| entry.own_subjects)
                .map(move |entry| {
                    let text = entry.name().as_str();
                    (SubjectId { iam, text }, entry.name().actor_type())
                })
        };
        let mut others = BTreeMap::new();
        for entry in self.entries.iter().filter(included) {
            for text in entry.subjects.iter() {
                let id = SubjectId::read(text);
                let owner = self.entry(id.text).filter(included);
                if !owner.is_some_and(|owner| owner.own_subjects) {
                    others.entry(id).or_insert(entry.name().actor_type());
                }
            }
        }
        // Names begin with `a`, so they stand before `iam:`, and both are in order by themselves.
        let mut own = own(false).chain(own(true)).peekable();
        let mut others = others.into_iter().peekable();
        std::iter::from_fn(move || match (own.peek(), others.peek()) {
            (Some((ours, _)), Some((other, _))) if other < ours => others.next(),
            (Some(_), _) => own.next(),
            (None, _) => others.next(),
        })
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
            facts.extend(self.subjects(Some(actor_type)).map(|(id, _)| Fact::Member {
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
