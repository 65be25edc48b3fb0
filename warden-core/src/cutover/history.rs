//! What the journal holds of a plan: its steps, and the certificates of the old CA.
//!
//! - Only records of this very plan count, by its digest.
//! - An intent without a result is a step that was cut short.

use super::Verb;
use crate::certificate::UnixTime;
use crate::journal::{ChainError, Kind, Outcome, Record, read_records};
use std::fmt;
use std::path::Path;

/// The steps of one plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    steps: Vec<RecordedStep>,
    /// When the last certificate of the old CA ends, as far as the journal knows.
    pub last_expiry_of_old: Option<UnixTime>,
}

/// One record of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// Its number in the journal.
    pub seq: u64,
    /// When it was recorded.
    pub at: UnixTime,
    /// The verb, or `preflight`, `parity`, `smoke`.
    pub verb: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Who did it.
    pub operator: String,
    /// Whether every check of it held, none was left out, and none was in doubt.
    pub without_doubt: bool,
}

impl fmt::Display for RecordedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            Outcome::Intended => "began",
            Outcome::Done => "done",
            Outcome::Denied => "refused",
            _ => "failed",
        };
        write!(
            f,
            "{} {word} {} by {} (record {})",
            self.verb, self.at, self.operator, self.seq
        )
    }
}

impl History {
    /// Reads what the journal holds of the plan with this digest, and of the CA with this fingerprint.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn read(journal: &Path, digest: &str, old_ca: &str) -> Result<Self, ChainError> {
        let mut found = Self::default();
        read_records(journal, |record| found.take(&record, digest, old_ca))?;
        Ok(found)
    }

    /// Takes one record into account.
    pub fn take(&mut self, record: &Record, digest: &str, old_ca: &str) {
        let facts = &record.entry.facts;
        if record.entry.kind == Kind::Certificate
            && record.entry.outcome == Outcome::Issued
            && facts.ca_fingerprint.as_deref() == Some(old_ca)
        {
            let end = facts.valid_before.as_deref().and_then(UnixTime::parse);
            self.last_expiry_of_old = self.last_expiry_of_old.max(end);
        }
        let Some(cutover) = facts
            .cutover
            .as_ref()
            .filter(|one| one.plan_digest == digest)
        else {
            return;
        };
        let doubt = |word: &String| {
            word.starts_with("WARN") || word.starts_with("SKIP") || word.starts_with("FAIL")
        };
        self.steps.push(RecordedStep {
            seq: record.seq,
            at: UnixTime::parse(&record.at).unwrap_or(UnixTime(0)),
            verb: cutover.verb.clone(),
            outcome: record.entry.outcome,
            operator: cutover.operator.clone(),
            without_doubt: !facts
                .checks
                .iter()
                .flat_map(|checks| checks.values())
                .any(doubt),
        });
    }

    /// Every record, oldest first.
    pub fn steps(&self) -> &[RecordedStep] {
        &self.steps
    }

    /// The last time a verb was done; `None` if it failed after that.
    pub fn passed(&self, verb: &str) -> Option<&RecordedStep> {
        let ended = |one: &&RecordedStep| {
            one.verb == verb && matches!(one.outcome, Outcome::Done | Outcome::Failed)
        };
        self.steps
            .iter()
            .rev()
            .find(ended)
            .filter(|one| one.outcome == Outcome::Done)
    }

    /// The last end of each verb, in the order they happened.
    pub fn last_of_each(&self) -> Vec<&RecordedStep> {
        let later = |seq: u64, verb: &str| {
            self.steps
                .iter()
                .any(|one| one.seq > seq && one.verb == verb && one.outcome != Outcome::Intended)
        };
        self.steps
            .iter()
            .filter(|one| one.outcome != Outcome::Intended && !later(one.seq, &one.verb))
            .collect()
    }

    /// The step that began last, if it has no result.
    pub fn cut_short(&self) -> Option<&RecordedStep> {
        let changing = |one: &&RecordedStep| {
            matches!(
                one.outcome,
                Outcome::Intended | Outcome::Done | Outcome::Failed
            )
        };
        self.steps
            .iter()
            .rev()
            .find(changing)
            .filter(|one| one.outcome == Outcome::Intended)
    }

    /// The record that shows the old CA drained, if it is newer than the last freeze.
    pub fn drain(&self) -> Option<&RecordedStep> {
        let drained = self.passed(Verb::Drain.as_str())?;
        let after = |verb: Verb| {
            self.passed(verb.as_str())
                .is_none_or(|one| one.seq < drained.seq)
        };
        (after(Verb::Freeze) && after(Verb::Switch) && after(Verb::Rollback)).then_some(drained)
    }

    /// Whether the old CA is drained.
    pub fn drained(&self) -> bool {
        self.drain().is_some()
    }

    /// The last time the old CA's signer was used or destroyed, and so surely seen.
    pub fn last_sight_of_old(&self) -> Option<&RecordedStep> {
        let verbs = [Verb::Retire.as_str(), Verb::Rollback.as_str(), "smoke"];
        let seen = |one: &&RecordedStep| {
            one.outcome == Outcome::Done && verbs.contains(&one.verb.as_str())
        };
        self.steps.iter().rev().find(seen)
    }

    /// Somebody who rehearsed the way back and was not the one who switched last.
    pub fn rehearsal(&self) -> Option<&RecordedStep> {
        let switched = self.passed(Verb::Switch.as_str())?;
        self.steps.iter().rev().find(|one| {
            one.verb == Verb::Rollback.as_str()
                && one.outcome == Outcome::Done
                && one.operator != switched.operator
        })
    }
}
