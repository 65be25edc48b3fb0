//! What the journal holds of a plan: its steps, and the certificates of the old CA.
//!
//! - Only records of this very plan count, by its digest.
//! - An intent without a result is a step that was cut short.

use super::Verb;
use crate::certificate::UnixTime;
use crate::journal::{ChainError, Kind, Outcome, Record, read_records};
use std::fmt;
use std::path::PathBuf;

/// The end of a check's words that an operator left out in so many words.
pub const WAIVED: &str = "reason=waived";

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
    /// What it was done to.
    pub target: Option<String>,
    /// Whether every check of it held, none was left out, and none was in doubt.
    pub without_doubt: bool,
    /// The same, but for what the operator left out in so many words.
    pub settled: bool,
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
    /// Reads what the journals hold, oldest first, of the plan with this digest, and of the CA with this
    /// fingerprint.
    ///
    /// # Errors
    /// If a journal cannot be read.
    pub fn read(journals: &[PathBuf], digest: &str, old_ca: &str) -> Result<Self, ChainError> {
        let mut found = Self::default();
        for journal in journals {
            read_records(journal, |record| found.take(&record, digest, old_ca))?;
        }
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
        let words = || facts.checks.iter().flat_map(|checks| checks.values());
        let doubt = |word: &String| {
            ["WARN", "SKIP", "FAIL"]
                .iter()
                .any(|one| word.starts_with(one))
        };
        let waived = |word: &String| word.starts_with("SKIP") && word.ends_with(WAIVED);
        self.steps.push(RecordedStep {
            seq: record.seq,
            at: UnixTime::parse(&record.at).unwrap_or(UnixTime(0)),
            verb: cutover.verb.clone(),
            outcome: record.entry.outcome,
            operator: cutover.operator.clone(),
            target: cutover.target.clone(),
            without_doubt: !words().any(doubt),
            settled: !words().any(|word| doubt(word) && !waived(word)),
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

    /// The record that shows the old CA drained since it was frozen. A check in doubt shows nothing, and
    /// neither does a record before a later freeze, switch or rollback, even one that was cut short.
    pub fn drain(&self, frozen: Option<UnixTime>) -> Option<&RecordedStep> {
        let drained = self.passed(Verb::Drain.as_str())?;
        let voids = |one: &RecordedStep| {
            let verbs = [Verb::Freeze, Verb::Switch, Verb::Rollback].map(Verb::as_str);
            one.seq > drained.seq
                && one.outcome != Outcome::Denied
                && verbs.contains(&one.verb.as_str())
        };
        let since_freeze = frozen.is_some_and(|frozen| frozen <= drained.at);
        let stands = drained.settled && since_freeze && !self.steps.iter().any(voids);
        stands.then_some(drained)
    }

    /// Whether a verb began, whatever came of it.
    pub fn began(&self, verb: Verb) -> bool {
        self.steps
            .iter()
            .any(|one| one.verb == verb.as_str() && one.outcome != Outcome::Denied)
    }

    /// The last time the old CA's signer was used or destroyed, and so surely seen.
    pub fn last_sight_of_old(&self) -> Option<&RecordedStep> {
        let verbs = [Verb::Retire.as_str(), Verb::Rollback.as_str(), "smoke"];
        let seen = |one: &&RecordedStep| {
            one.outcome == Outcome::Done && verbs.contains(&one.verb.as_str())
        };
        self.steps.iter().rev().find(seen)
    }

    /// The last time somebody turned the pointer back who was not the one who switched last. `pointer` is
    /// what a rollback turns at its end; whatever it does before shows no way back.
    pub fn rehearsal(&self, pointer: &str) -> Option<&RecordedStep> {
        let switched = self.passed(Verb::Switch.as_str())?;
        let ended = |one: &&RecordedStep| {
            one.verb == Verb::Rollback.as_str()
                && one.target.as_deref() == Some(pointer)
                && one.operator != switched.operator
                && matches!(one.outcome, Outcome::Done | Outcome::Failed)
        };
        let last = self.steps.iter().rev().find(ended);
        last.filter(|one| one.outcome == Outcome::Done)
    }
}
