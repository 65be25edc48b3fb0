//! The one way in which a cutover changes anything: intent, act, result.
//!
//! - The intent is in the journal and synced before anything is touched; where it cannot be, nothing is.
//! - The result follows, whatever came of it. If it cannot be recorded, the change stands and that is
//!   said.

use super::plan::{GateClosed, Permit, Plan};
use super::{State, Verb};
use crate::clock::Clock;
use crate::failure::{Class, Failure};
use crate::journal::{CutoverFacts, Entry, Facts, Journal, JournalError, Outcome, Recorded};
use std::collections::BTreeMap;
use std::error::Error;

/// Who acts, by which plan, and where it is recorded.
#[derive(Clone, Copy)]
pub struct Scribe<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The journal.
    pub journal: &'a dyn Journal,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Who acts, as he says.
    pub operator: &'a str,
    /// Who watches, or rehearsed the way back.
    pub second_operator: Option<&'a str>,
    /// This machine.
    pub host: &'a str,
}

/// What one change is about.
#[derive(Debug, Clone)]
pub struct Change {
    /// The state before.
    pub from: State,
    /// What is changed, such as a path.
    pub target: String,
    /// The command that reverses it.
    pub reversal: String,
    /// The checks it rests on.
    pub checks: BTreeMap<String, String>,
}

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The SHA-256 of the file before.
    pub sha256_before: Option<String>,
    /// The SHA-256 of the file afterwards.
    pub sha256_after: Option<String>,
}

/// Why a change did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError<E: Failure + 'static> {
    /// The intent could not be recorded; nothing was touched.
    #[error("nothing was changed, because the intent could not be recorded")]
    NoIntent(#[source] JournalError),
    /// It failed, and that is recorded.
    #[error("{0}")]
    Failed(E),
    /// It failed, and that could not be recorded.
    #[error("{error}; and that could not be recorded")]
    FailedUnrecorded {
        /// Why it failed.
        error: E,
        /// Why it is not recorded.
        #[source]
        source: JournalError,
    },
    /// It was done, and that could not be recorded.
    #[error("it was done, but the result could not be recorded")]
    DoneUnrecorded(#[source] JournalError),
}

impl<E: Failure> Failure for StepError<E> {
    fn class(&self) -> Class {
        match self {
            Self::NoIntent(error) => error.class(),
            Self::Failed(error) | Self::FailedUnrecorded { error, .. } => error.class(),
            Self::DoneUnrecorded(_) => Class::Partial,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoIntent(error) => error.reason(),
            Self::Failed(error) | Self::FailedUnrecorded { error, .. } => error.reason(),
            Self::DoneUnrecorded(_) => "result_not_recorded",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoIntent(error) => error.hints(),
            Self::Failed(error) | Self::FailedUnrecorded { error, .. } => error.hints(),
            Self::DoneUnrecorded(_) => vec![
                "mend the journal, then run the same command again: it sees what is done"
                    .to_owned(),
            ],
        }
    }
}

/// Records the intent, acts, records the result.
///
/// # Errors
/// If the intent cannot be recorded, the act fails, or the result cannot be recorded.
pub fn perform<E: Failure>(
    permit: &Permit,
    change: &Change,
    scribe: Scribe<'_>,
    act: impl FnOnce() -> Result<Changed, E>,
) -> Result<Changed, StepError<E>> {
    let verb = permit.verb();
    let append = |outcome, reason, done: Option<&Changed>, status| {
        let entry = scribe.entry(verb.as_str(), outcome, reason, change, done, status);
        scribe.journal.append(&entry, scribe.clock.now())
    };
    append(Outcome::Intended, None, None, None).map_err(StepError::NoIntent)?;
    match act() {
        Ok(done) => match append(Outcome::Done, None, Some(&done), Some(0)) {
            Ok(_) => Ok(done),
            Err(error) => Err(StepError::DoneUnrecorded(error)),
        },
        Err(error) => match append(
            Outcome::Failed,
            Some(error.reason()),
            None,
            Some(error.class().exit_status()),
        ) {
            Ok(_) => Err(StepError::Failed(error)),
            Err(source) => Err(StepError::FailedUnrecorded { error, source }),
        },
    }
}

impl Scribe<'_> {
    /// Records that a gate stayed closed.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub fn refused(
        &self,
        verb: Verb,
        state: State,
        why: &GateClosed,
    ) -> Result<Recorded, JournalError> {
        let change = Change {
            from: state,
            target: String::new(),
            reversal: String::new(),
            checks: BTreeMap::new(),
        };
        let entry = self.entry(
            verb.as_str(),
            Outcome::Denied,
            Some(why.reason()),
            &change,
            None,
            Some(why.class().exit_status()),
        );
        self.journal.append(&entry, self.clock.now())
    }

    /// Records what a verb showed that changes nothing.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub fn shown(
        &self,
        verb: &str,
        state: State,
        holds: bool,
        checks: BTreeMap<String, String>,
    ) -> Result<Recorded, JournalError> {
        let change = Change {
            from: state,
            target: String::new(),
            reversal: String::new(),
            checks,
        };
        let (outcome, reason, status) = match holds {
            true => (Outcome::Done, None, 0),
            false => (Outcome::Failed, Some("checks_failed"), 1),
        };
        let entry = self.entry(verb, outcome, reason, &change, None, Some(status));
        self.journal.append(&entry, self.clock.now())
    }

    fn entry(
        &self,
        verb: &str,
        outcome: Outcome,
        reason: Option<&'static str>,
        change: &Change,
        done: Option<&Changed>,
        exit: Option<u8>,
    ) -> Entry {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let to = super::RULES
            .iter()
            .find(|rule| rule.verb.as_str() == verb)
            .map_or(change.from, |rule| rule.to);
        let facts = Facts {
            checks: (!change.checks.is_empty()).then(|| change.checks.clone()),
            cutover: Some(CutoverFacts {
                plan: self.plan.name.clone(),
                plan_digest: self.plan.digest(),
                verb: verb.to_owned(),
                phase_from: change.from.as_str().to_owned(),
                phase_to: to.as_str().to_owned(),
                operator: self.operator.to_owned(),
                second_operator: self.second_operator.map(str::to_owned),
                host: self.host.to_owned(),
                ca_old: self.plan.old.ca_fingerprint.clone(),
                ca_new: self.plan.new.ca_fingerprint.clone(),
                target: some(&change.target),
                sha256_before: done.and_then(|done| done.sha256_before.clone()),
                sha256_after: done.and_then(|done| done.sha256_after.clone()),
                reversal: some(&change.reversal),
                exit,
            }),
            ..Facts::default()
        };
        Entry::cutover(outcome, reason, facts)
    }
}

/// An error as text, with its causes, for a report.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use crate::certificate::UnixTime;
    use crate::clock::FixedClock;
    use crate::file::FileError;
    use crate::journal::FileJournal;
    use std::cell::{Cell, RefCell};

    /// A journal that takes so many records and no more.
    struct Full<'a> {
        journal: &'a FileJournal,
        room: Cell<u32>,
        taken: RefCell<Vec<Outcome>>,
    }

    impl Journal for Full<'_> {
        fn append_with(
            &self,
            entry: &mut dyn FnMut() -> Entry,
            at: UnixTime,
        ) -> Result<Recorded, JournalError> {
            let entry = entry();
            let Some(left) = self.room.get().checked_sub(1) else {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                return Err(FileError::io("write", std::path::Path::new("journal"))(full).into());
            };
            self.room.set(left);
            self.taken.borrow_mut().push(entry.outcome);
            self.journal.append(&entry, at)
        }
    }

    #[test]
    fn without_a_durable_intent_nothing_is_done_and_every_end_is_said() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            directory.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )
        .unwrap();
        let files = FileJournal::open(directory.path()).unwrap();
        let (plan, clock) = (plan(), FixedClock(UnixTime(1_800_000_000)));
        let run = |room: u32, fails: bool| {
            let journal = Full {
                journal: &files,
                room: Cell::new(room),
                taken: RefCell::default(),
            };
            let scribe = Scribe {
                plan: &plan,
                journal: &journal,
                clock: &clock,
                operator: "ada",
                second_operator: None,
                host: "h",
            };
            let change = Change {
                from: State::Staged,
                target: "/trust".to_owned(),
                reversal: "back".to_owned(),
                checks: BTreeMap::new(),
            };
            let permit = plan.permit(Verb::Rollback, None, None, None).unwrap();
            let acted = Cell::new(false);
            let result = perform(&permit, &change, scribe, || {
                // What is done is done behind the intent.
                assert_eq!(*journal.taken.borrow(), [Outcome::Intended]);
                acted.set(true);
                match fails {
                    true => Err(crate::sign::BackendError::new(
                        Class::Failed,
                        "backend_refused",
                        "no",
                    )),
                    false => Ok(Changed::default()),
                }
            });
            let end = result
                .map_err(|error| (error.class(), error.reason()))
                .err();
            (acted.get(), end, journal.taken.into_inner())
        };
        assert_eq!(
            run(0, false),
            (
                false,
                Some((Class::NotRecorded, "journal_not_writable")),
                vec![]
            )
        );
        assert_eq!(
            run(1, false),
            (
                true,
                Some((Class::Partial, "result_not_recorded")),
                vec![Outcome::Intended]
            )
        );
        assert_eq!(
            run(2, false),
            (true, None, vec![Outcome::Intended, Outcome::Done])
        );
        assert_eq!(
            run(2, true),
            (
                true,
                Some((Class::Failed, "backend_refused")),
                vec![Outcome::Intended, Outcome::Failed]
            )
        );
        assert_eq!(
            run(1, true),
            (
                true,
                Some((Class::Failed, "backend_refused")),
                vec![Outcome::Intended]
            )
        );
    }
}
