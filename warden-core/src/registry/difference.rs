//! Says in words what one snapshot gives that another does not.
//!
//! - One sentence for each difference; what follows from it (subjects, memberships, relationships of
//!   a new actor) is not said again.
//! - The digest of the inventory is no content: a comment in an actor's file changes it.

use super::{Entry, Snapshot};
use std::collections::BTreeSet;
use std::fmt;

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Another tenant.
    Tenant,
    /// Another system.
    System,
    /// An actor that was not there.
    New,
    /// An actor that is not there any more.
    Gone,
    /// More principals.
    PrincipalsGained,
    /// Fewer principals.
    PrincipalsLost,
    /// The same principals in another order.
    PrincipalsReordered,
    /// Another longest time to live.
    MaxTtl,
    /// Another default time to live.
    DefaultTtl,
    /// More subjects may ask.
    SubjectsGained,
    /// Fewer subjects may ask.
    SubjectsLost,
    /// The same subjects in another order.
    SubjectsReordered,
    /// A subject, group, member or relationship more, beside what follows from the actors.
    Added,
    /// A subject, group, member or relationship less than what follows from the actors.
    Removed,
}

impl Change {
    /// The word for it in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::System => "system",
            Self::New => "new",
            Self::Gone => "gone",
            Self::PrincipalsGained => "principals_gained",
            Self::PrincipalsLost => "principals_lost",
            Self::PrincipalsReordered => "principals_reordered",
            Self::MaxTtl => "max_ttl",
            Self::DefaultTtl => "default_ttl",
            Self::SubjectsGained => "subjects_gained",
            Self::SubjectsLost => "subjects_lost",
            Self::SubjectsReordered => "subjects_reordered",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One difference; shown, it is a sentence without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind it is.
    pub change: Change,
    /// Whom it concerns, if it is an actor.
    pub actor: Option<String>,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What `after` says that `before` does not, and the other way round, in order of the actors' names.
pub fn differences(before: &Snapshot<'_>, after: &Snapshot<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    let settings = [
        (
            Change::Tenant,
            before.settings.tenant(),
            after.settings.tenant(),
        ),
        (
            Change::System,
            before.settings.system(),
            after.settings.system(),
        ),
    ];
    for (change, old, new) in settings.into_iter().filter(|(_, old, new)| old != new) {
        found.push(Difference {
            change,
            actor: None,
            text: format!("the {} is `{new}` instead of `{old}`", change.as_str()),
        });
    }
    let (mut old, mut new) = (
        before.entries.iter().peekable(),
        after.entries.iter().peekable(),
    );
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => old.name().cmp(new.name()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        match order {
            std::cmp::Ordering::Less => found.extend(old.next().map(gone)),
            std::cmp::Ordering::Greater => found.extend(new.next().map(is_new)),
            std::cmp::Ordering::Equal => {
                if let (Some(old), Some(new)) = (old.next(), new.next()) {
                    changed(old, new, &mut found);
                }
            }
        }
    }
    departures(before, after, &mut found);
    found
}

fn is_new(entry: &Entry<'_>) -> Difference {
    Difference {
        change: Change::New,
        actor: Some(entry.name().to_string()),
        text: format!(
            "`{}` is new: {} for up to {}, for the {}",
            entry.name(),
            counted("principal", &entry.principals().to_strings()),
            entry.max_ttl(),
            counted("subject", &subjects(entry)),
        ),
    }
}

fn gone(entry: &Entry<'_>) -> Difference {
    Difference {
        change: Change::Gone,
        actor: Some(entry.name().to_string()),
        text: format!(
            "`{}` is gone: it had {} for up to {}",
            entry.name(),
            counted("principal", &entry.principals().to_strings()),
            entry.max_ttl(),
        ),
    }
}

fn changed(old: &Entry<'_>, new: &Entry<'_>, found: &mut Vec<Difference>) {
    let name = new.name();
    let mut say = |change, text: String| {
        found.push(Difference {
            change,
            actor: Some(name.to_string()),
            text: format!("`{name}` {text}"),
        });
    };
    let lists = [
        (
            "principal",
            [
                Change::PrincipalsGained,
                Change::PrincipalsLost,
                Change::PrincipalsReordered,
            ],
            old.principals().to_strings(),
            new.principals().to_strings(),
        ),
        (
            "subject",
            [
                Change::SubjectsGained,
                Change::SubjectsLost,
                Change::SubjectsReordered,
            ],
            subjects(old),
            subjects(new),
        ),
    ];
    for (what, [gained, lost, reordered], before, after) in lists {
        let more = without(&after, &before);
        let fewer = without(&before, &after);
        if more.is_empty() && fewer.is_empty() && before != after {
            let text = format!("has its {what}s in another order: {}", after.join(", "));
            say(reordered, text);
        }
        if !more.is_empty() {
            say(gained, format!("gains {}", counted(what, &more)));
        }
        if !fewer.is_empty() {
            say(lost, format!("loses {}", counted(what, &fewer)));
        }
    }
    if old.max_ttl() != new.max_ttl() {
        let text = format!(
            "may ask for up to {} instead of {}",
            new.max_ttl(),
            old.max_ttl()
        );
        say(Change::MaxTtl, text);
    }
    if old.ttl() != new.ttl() {
        let text = format!("is given {} by default instead of {}", new.ttl(), old.ttl());
        say(Change::DefaultTtl, text);
    }
}

/// What stands in the other sections and does not follow from the actors.
fn departures(before: &Snapshot<'_>, after: &Snapshot<'_>, found: &mut Vec<Difference>) {
    let facts: BTreeSet<_> = before
        .departures
        .all()
        .chain(after.departures.all())
        .collect();
    if facts.is_empty() {
        return;
    }
    let (implied_before, implied_after) = (before.implied(), after.implied());
    for fact in facts {
        let was = before.departures.holds(fact, &implied_before);
        let is = after.departures.holds(fact, &implied_after);
        let (change, text) = match (was, is) {
            (false, true) => (Change::Added, format!("there is a further {fact}")),
            (true, false) => (Change::Removed, format!("there is no {fact} any more")),
            _ => continue,
        };
        found.push(Difference {
            change,
            actor: None,
            text,
        });
    }
}

fn subjects(entry: &Entry<'_>) -> Vec<String> {
    entry
        .allowed_subjects()
        .map(|one| one.to_string())
        .collect()
}

fn without(list: &[String], other: &[String]) -> Vec<String> {
    let other: BTreeSet<_> = other.iter().collect();
    list.iter()
        .filter(|one| !other.contains(one))
        .cloned()
        .collect()
}

fn counted(what: &str, list: &[String]) -> String {
    let plural = if list.len() == 1 { "" } else { "s" };
    format!("{what}{plural} {}", list.join(", "))
}
