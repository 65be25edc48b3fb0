//! Where a cutover stands, derived from what is observed.

use super::history::History;
use super::plan::{Plan, Reason};
use super::{Rule, Verb};
use crate::certificate::UnixTime;
use crate::failure::{Class, Failure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Where a cutover stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is no plan.
    Standby,
    /// There is a plan.
    Planned,
    /// The new CA is there and could sign.
    Staged,
    /// Both CAs are trusted everywhere, and the old one signs.
    DualTrust,
    /// Both are trusted everywhere, and the new one signs.
    Switched,
    /// The old one may not sign any more.
    Frozen,
    /// No certificate of the old one is left.
    Drained,
    /// The old one is trusted nowhere.
    NewOnly,
    /// The old one is gone.
    Retired,
    /// What is observed is none of these; somebody is or will be locked out.
    Unclear,
}

impl State {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Planned => "planned",
            Self::Staged => "staged",
            Self::DualTrust => "dual-trust",
            Self::Switched => "switched",
            Self::Frozen => "frozen",
            Self::Drained => "drained",
            Self::NewOnly => "new-only",
            Self::Retired => "retired",
            Self::Unclear => "unclear",
        }
    }

    /// What going back to the old CA takes from here.
    pub const fn cost_of_going_back(self) -> &'static str {
        match self {
            Self::Standby | Self::Planned | Self::Staged => "nothing: nothing was changed",
            Self::DualTrust => "nothing: the old CA signs; the copies FILE.before-* undo the trust",
            Self::Switched => "one command, no phrase: the hosts trust both",
            Self::Frozen | Self::Drained => {
                "one command, no phrase: it lifts the freeze and switches back. If the old engine was sealed meanwhile, its unseal quorum"
            }
            Self::NewOnly => {
                "the trust phrase: the old CA is trusted again first, on every host, then signs. If the old engine was sealed meanwhile, its unseal quorum"
            }
            Self::Retired => {
                "impossible: the old CA is gone; a way back is a cutover to another CA"
            }
            Self::Unclear => {
                "depends on what is mended; `warden cutover rollback` says what it would do"
            }
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which CA the configuration has sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// The old one.
    Old,
    /// The new one.
    New,
    /// Neither of the plan's two.
    Other,
}

/// What a trust file was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustSeen {
    /// The file.
    pub path: PathBuf,
    /// Whether it holds the old CA and the new one, or why that could not be seen.
    pub holds: Result<Holds, String>,
}

/// Which of the two CAs a trust file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// The old one.
    pub old: bool,
    /// The new one.
    pub new: bool,
}

/// Whether a signer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is there and is the plan's.
    Present,
    /// It is not there.
    Gone,
    /// It is there, and another one than the plan's.
    Another(String),
    /// It could not be looked at.
    Unknown(String),
}

/// Everything that was observed, as values.
#[derive(Debug)]
pub struct Observed {
    /// The plan, if there is one.
    pub plan: Option<Plan>,
    /// Its trust files.
    pub trust: Vec<TrustSeen>,
    /// Which CA signs.
    pub pointer: Pointer,
    /// Since when the old CA is refused.
    pub frozen: Option<UnixTime>,
    /// The old CA's signer.
    pub old_signer: Seen,
    /// The new CA's signer.
    pub new_signer: Seen,
    /// What the journal holds of this plan.
    pub history: History,
}

impl Observed {
    /// The state.
    pub fn state(&self) -> State {
        let Some(plan) = &self.plan else {
            return State::Standby;
        };
        let Some(holds) = self.holds() else {
            return State::Unclear;
        };
        let everywhere = |held: fn(&Holds) -> bool| holds.iter().all(held);
        let old_anywhere = holds.iter().any(|one| one.old);
        match self.pointer {
            Pointer::Other => State::Unclear,
            Pointer::Old if self.frozen.is_some() || !everywhere(|one| one.old) => State::Unclear,
            Pointer::Old if everywhere(|one| one.new) => State::DualTrust,
            Pointer::Old if self.new_signer == Seen::Present => State::Staged,
            Pointer::Old => State::Planned,
            Pointer::New if !everywhere(|one| one.new) || !self.new_signs() => State::Unclear,
            Pointer::New if self.old_is_gone() && (plan.same_key || !old_anywhere) => {
                State::Retired
            }
            Pointer::New if !plan.same_key && !old_anywhere => State::NewOnly,
            Pointer::New if self.frozen.is_none() => State::Switched,
            Pointer::New if self.history.drain(self.frozen).is_some() => State::Drained,
            Pointer::New => State::Frozen,
        }
    }

    fn holds(&self) -> Option<Vec<Holds>> {
        self.trust
            .iter()
            .map(|one| one.holds.clone().ok())
            .collect()
    }

    /// A signer that cannot be looked at is no reason to call the state unclear; another key is.
    fn new_signs(&self) -> bool {
        matches!(self.new_signer, Seen::Present | Seen::Unknown(_))
    }

    /// A key file that is not where it was is no proof that the key is nowhere, unless a retirement
    /// began. What an engine serves no more is gone.
    fn old_is_gone(&self) -> bool {
        let in_an_engine = self
            .plan
            .as_ref()
            .is_some_and(|plan| plan.old.engine.is_some());
        match self.old_signer {
            Seen::Gone => in_an_engine || self.history.began(Verb::Retire),
            Seen::Unknown(_) => self.history.passed("retire").is_some(),
            Seen::Present | Seen::Another(_) => false,
        }
    }

    /// Each part of the evidence for the state. `now` says how old the last sight of a signer is that
    /// cannot be seen.
    pub fn evidence(&self, now: UnixTime) -> Vec<(&'static str, String)> {
        let Some(plan) = &self.plan else {
            return vec![("plan", "none".to_owned())];
        };
        let mut found = vec![("plan", format!("{} {}", plan.name, plan.id()))];
        for one in &self.trust {
            let word = |held| if held { "yes" } else { "no" };
            let text = match &one.holds {
                Ok(holds) => format!("old={} new={}", word(holds.old), word(holds.new)),
                Err(why) => format!("not seen: {why}"),
            };
            found.push(("trust", format!("{} {text}", one.path.display())));
        }
        let pointer = match self.pointer {
            Pointer::Old => format!("old {}", plan.old.ca_fingerprint),
            Pointer::New => format!("new {}", plan.new.ca_fingerprint),
            Pointer::Other => "neither of the plan's two".to_owned(),
        };
        found.push(("signs", format!("{pointer} by {}", plan.config.display())));
        for (name, seen) in [
            ("old_signer", &self.old_signer),
            ("new_signer", &self.new_signer),
        ] {
            let text = match seen {
                Seen::Present => "there".to_owned(),
                Seen::Gone => "gone".to_owned(),
                Seen::Another(found) => format!("another key: {found}"),
                Seen::Unknown(why) => format!("unknown: {why}"),
            };
            let sight = self.history.last_sight_of_old();
            let text = match (name, seen, sight) {
                ("old_signer", Seen::Unknown(_), Some(step)) => {
                    format!(
                        "{text}; last evidence, {} s old: {step}",
                        now.since(step.at)
                    )
                }
                _ => text,
            };
            found.push((name, text));
        }
        let frozen = self
            .frozen
            .map_or("no".to_owned(), |since| format!("since {since}"));
        found.push(("frozen", frozen));
        for step in self.history.last_of_each() {
            found.push(("record", step.to_string()));
        }
        if let Some(cut_short) = self.history.cut_short() {
            found.push((
                "cut_short",
                format!("{cut_short}: began and recorded no result"),
            ));
        }
        found
    }

    /// The next safe thing to do, as a command.
    pub fn next(&self) -> &'static str {
        match self.state() {
            State::Standby => "warden cutover plan",
            State::Planned => "warden cutover preflight",
            State::Staged => "warden cutover bundle",
            State::DualTrust if self.history.passed("smoke").is_none() => "warden cutover smoke",
            State::DualTrust => "warden cutover switch",
            State::Switched => "warden cutover freeze",
            State::Frozen if self.plan.as_ref().is_some_and(|plan| plan.same_key) => {
                "warden cutover retire"
            }
            State::Frozen => "warden cutover drain",
            State::Drained => "warden cutover prune",
            State::NewOnly if self.frozen.is_none() => "warden cutover freeze",
            State::NewOnly => "warden cutover retire",
            State::Retired => "warden cutover evidence export",
            State::Unclear => "mend what the evidence shows, then `warden cutover status`",
        }
    }

    /// Whether a verb may begin here, is done already, or may not.
    ///
    /// # Errors
    /// If the state is another one.
    pub fn admits(&self, verb: Verb) -> Result<Admission, WrongState> {
        let state = self.state();
        let rule = verb.rule();
        let (compromised, same_key) = self.plan.as_ref().map_or((false, false), |plan| {
            (plan.reason == Reason::Compromise, plan.same_key)
        });
        let begins = rule.from.contains(&state)
            || compromised && rule.from_compromised.contains(&state)
            || same_key && verb == Verb::Retire && state == State::Frozen;
        match () {
            () if begins => Ok(Admission::Begins),
            () if state == rule.to => Ok(Admission::Done),
            () => Err(WrongState {
                verb,
                state,
                expected: rule,
                next: self.next(),
            }),
        }
    }
}

/// Whether there is anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The verb may begin.
    Begins,
    /// It is done already.
    Done,
}

/// A verb in a state where it would do harm.
#[derive(Debug, thiserror::Error)]
#[error("`{verb}` cannot begin in the state {state}; it begins in {}", expected.from.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "))]
pub struct WrongState {
    verb: Verb,
    state: State,
    expected: &'static Rule,
    next: &'static str,
}

impl Failure for WrongState {
    fn class(&self) -> Class {
        Class::Failed
    }

    fn reason(&self) -> &'static str {
        "cutover_wrong_state"
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("the next safe step is: {}", self.next)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::RULES;
    use super::super::plan::tests::plan;
    use super::*;
    use crate::journal::{CutoverFacts, Entry, Facts, Outcome, Record};

    /// A record of a step of the plan, as it is read from a journal.
    fn record(seq: u64, verb: &str, outcome: Outcome, plan: &Plan) -> Record {
        let facts = Facts {
            cutover: Some(CutoverFacts {
                plan_digest: plan.digest(),
                verb: verb.to_owned(),
                operator: "ada".to_owned(),
                ..CutoverFacts::default()
            }),
            ..Facts::default()
        };
        let entry = serde_json::to_value(Entry::cutover(outcome, None, facts)).unwrap();
        let mut line = serde_json::json!({"v": 1, "seq": seq, "prev": "0", "at": "2026-11-22T00:00:00Z", "event_id": "x"});
        line.as_object_mut()
            .unwrap()
            .extend(entry.as_object().unwrap().clone());
        serde_json::from_value(line).unwrap()
    }

    fn observed(pointer: Pointer, holds: &[(bool, bool)]) -> Observed {
        let seen = |(old, new): &(bool, bool)| TrustSeen {
            path: "/trust".into(),
            holds: Ok(Holds {
                old: *old,
                new: *new,
            }),
        };
        Observed {
            plan: Some(plan()),
            trust: holds.iter().map(seen).collect(),
            pointer,
            frozen: None,
            old_signer: Seen::Present,
            new_signer: Seen::Present,
            history: History::default(),
        }
    }

    fn drained(mut observed: Observed, verbs: &[(&str, Outcome)]) -> Observed {
        observed.frozen = Some(UnixTime(1));
        let plan = observed.plan.clone().unwrap();
        for (seq, (verb, outcome)) in (1..).zip(verbs) {
            observed
                .history
                .take(&record(seq, verb, *outcome, &plan), &plan.digest(), "");
        }
        observed
    }

    const BOTH: (bool, bool) = (true, true);
    const OLD: (bool, bool) = (true, false);
    const NEW: (bool, bool) = (false, true);

    #[test]
    fn the_state_is_what_is_observed() {
        use Pointer::{New, Old, Other};
        let table = [
            (observed(Old, &[OLD]), State::Staged),
            (
                Observed {
                    new_signer: Seen::Gone,
                    ..observed(Old, &[OLD])
                },
                State::Planned,
            ),
            (
                Observed {
                    new_signer: Seen::Another("x".to_owned()),
                    ..observed(Old, &[OLD])
                },
                State::Planned,
            ),
            (observed(Old, &[BOTH, OLD]), State::Staged),
            (observed(Old, &[BOTH, BOTH]), State::DualTrust),
            (observed(Old, &[BOTH, NEW]), State::Unclear),
            (observed(Old, &[NEW]), State::Unclear),
            (
                Observed {
                    frozen: Some(UnixTime(1)),
                    ..observed(Old, &[BOTH])
                },
                State::Unclear,
            ),
            (observed(Other, &[BOTH]), State::Unclear),
            (observed(New, &[BOTH]), State::Switched),
            (observed(New, &[BOTH, OLD]), State::Unclear),
            (
                Observed {
                    new_signer: Seen::Gone,
                    ..observed(New, &[BOTH])
                },
                State::Unclear,
            ),
            (
                Observed {
                    new_signer: Seen::Unknown(String::new()),
                    ..observed(New, &[BOTH])
                },
                State::Switched,
            ),
            (
                Observed {
                    frozen: Some(UnixTime(1)),
                    ..observed(New, &[BOTH])
                },
                State::Frozen,
            ),
            (
                drained(
                    observed(New, &[BOTH]),
                    &[("freeze", Outcome::Done), ("drain", Outcome::Done)],
                ),
                State::Drained,
            ),
            (
                drained(
                    observed(New, &[BOTH]),
                    &[("drain", Outcome::Done), ("freeze", Outcome::Done)],
                ),
                State::Frozen,
            ),
            (
                drained(
                    observed(New, &[BOTH]),
                    &[("drain", Outcome::Done), ("drain", Outcome::Failed)],
                ),
                State::Frozen,
            ),
            (
                drained(observed(New, &[BOTH, NEW]), &[("drain", Outcome::Done)]),
                State::Drained,
            ),
            (observed(New, &[NEW, NEW]), State::NewOnly),
            (
                // A key that was moved away is not destroyed.
                Observed {
                    old_signer: Seen::Gone,
                    ..observed(New, &[NEW])
                },
                State::NewOnly,
            ),
            (
                drained(
                    Observed {
                        old_signer: Seen::Gone,
                        ..observed(New, &[NEW])
                    },
                    &[("retire", Outcome::Intended)],
                ),
                State::Retired,
            ),
            (
                Observed {
                    old_signer: Seen::Gone,
                    ..observed(New, &[BOTH])
                },
                State::Switched,
            ),
            (
                Observed {
                    old_signer: Seen::Unknown(String::new()),
                    ..observed(New, &[NEW])
                },
                State::NewOnly,
            ),
            (
                Observed {
                    plan: None,
                    ..observed(Old, &[])
                },
                State::Standby,
            ),
        ];
        for (number, (observed, expected)) in table.iter().enumerate() {
            assert_eq!(observed.state(), *expected, "row {number}");
        }
        let unread = TrustSeen {
            path: "/x".into(),
            holds: Err("gone".to_owned()),
        };
        let unclear = Observed {
            trust: vec![unread],
            ..observed(Old, &[])
        };
        assert_eq!(unclear.state(), State::Unclear);
    }

    #[test]
    fn a_verb_begins_where_its_rule_says_and_nowhere_else() {
        let states = [
            observed(Pointer::Old, &[OLD]),
            observed(Pointer::Old, &[BOTH]),
            observed(Pointer::New, &[BOTH]),
            Observed {
                frozen: Some(UnixTime(1)),
                ..observed(Pointer::New, &[BOTH])
            },
            drained(observed(Pointer::New, &[BOTH]), &[("drain", Outcome::Done)]),
            observed(Pointer::New, &[NEW]),
            Observed {
                old_signer: Seen::Gone,
                ..observed(Pointer::New, &[NEW])
            },
            observed(Pointer::Other, &[BOTH]),
        ];
        for observed in &states {
            let state = observed.state();
            for rule in &RULES {
                match observed.admits(rule.verb) {
                    Ok(Admission::Begins) => {
                        assert!(rule.from.contains(&state), "{} in {state}", rule.verb)
                    }
                    Ok(Admission::Done) => assert_eq!(rule.to, state, "{}", rule.verb),
                    Err(error) => assert!(
                        !rule.from.contains(&state) && error.reason() == "cutover_wrong_state"
                    ),
                }
            }
        }
    }

    #[test]
    fn another_plans_records_count_for_nothing_and_a_cut_short_step_shows() {
        let mut observed = drained(
            observed(Pointer::New, &[BOTH]),
            &[("switch", Outcome::Intended)],
        );
        assert_eq!(observed.history.cut_short().unwrap().verb, "switch");
        let other = Plan {
            owner: "team:other".to_owned(),
            ..plan()
        };
        observed.history.take(
            &record(2, "drain", Outcome::Done, &other),
            &plan().digest(),
            "",
        );
        assert_eq!(observed.state(), State::Frozen);
    }

    #[test]
    fn a_drain_in_doubt_or_before_the_freeze_drains_nothing() {
        let with = |words: &str, frozen: u64, later: Option<(&str, Outcome)>| {
            let mut one = record(1, "drain", Outcome::Done, &plan());
            let checks = [("drain_sshd_log".to_owned(), words.to_owned())];
            one.entry.facts.checks = Some(checks.into());
            let mut observed = observed(Pointer::New, &[BOTH]);
            observed.frozen = Some(UnixTime(frozen));
            observed.history.take(&one, &plan().digest(), "");
            if let Some((verb, outcome)) = later {
                let later = record(2, verb, outcome, &plan());
                observed.history.take(&later, &plan().digest(), "");
            }
            observed.state()
        };
        assert_eq!(with("PASS log=a", 1, None), State::Drained);
        assert_eq!(with("SKIP reason=waived", 1, None), State::Drained);
        for doubt in ["WARN reason=gap", "SKIP reason=no_log_given", "FAIL x=1"] {
            assert_eq!(with(doubt, 1, None), State::Frozen, "{doubt}");
        }
        assert_eq!(with("PASS log=a", u64::MAX, None), State::Frozen);
        let intended = Some(("freeze", Outcome::Intended));
        assert_eq!(with("PASS log=a", 1, intended), State::Frozen);
        let refused = Some(("freeze", Outcome::Denied));
        assert_eq!(with("PASS log=a", 1, refused), State::Drained);
    }

    #[test]
    fn a_rehearsal_is_by_somebody_else_than_who_switched() {
        let with = |operators: [&str; 3], back: Outcome, target: &str| {
            let mut history = History::default();
            for (seq, (verb, operator)) in
                (1..).zip(["switch", "rollback", "switch"].into_iter().zip(operators))
            {
                let mut one = record(seq, verb, back, &plan());
                let facts = one.entry.facts.cutover.as_mut().unwrap();
                facts.operator = operator.to_owned();
                facts.target = Some(target.to_owned());
                if verb == "switch" {
                    one.entry.outcome = Outcome::Done;
                }
                history.take(&one, &plan().digest(), "");
            }
            history.rehearsal("/warden.toml").is_some()
        };
        let (done, pointer) = (Outcome::Done, "/warden.toml");
        assert!(with(["ada", "bob", "ada"], done, pointer));
        assert!(!with(["ada", "ada", "ada"], done, pointer));
        assert!(!with(["ada", "bob", "bob"], done, pointer));
        assert!(!with(["ada", "bob", "ada"], Outcome::Failed, pointer));
        assert!(!with(["ada", "bob", "ada"], done, "/state/frozen.json"));
    }
}
