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
            Pointer::New if self.history.drained() => State::Drained,
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

    fn old_is_gone(&self) -> bool {
        match self.old_signer {
            Seen::Gone => true,
            Seen::Unknown(_) => self.history.passed("retire").is_some(),
            Seen::Present | Seen::Another(_) => false,
        }
    }

    /// Why the state is unclear, or what each part of the evidence is.
    pub fn evidence(&self) -> Vec<(&'static str, String)> {
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
