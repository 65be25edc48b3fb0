//! Moves a fleet from one CA to the next, and back, with nobody locked out.
//!
//! ```text
//! standby ─> planned ─> staged ─> dual-trust ─> switched ─> frozen ─> drained ─> new-only ─> retired
//!                                     ^            │           │         │           │
//!                                     └────────────┴───────────┴─────────┘           │
//!                                     ^   rollback: the pointer alone                │
//!                                     └──────────────────────────────────────────────┘
//!                                         rollback: trust the old CA again, then the pointer
//! ```
//!
//! - The [`State`] is derived from what is observed, each time anew; no flag says it. A step that was
//!   cut short therefore shows, and the same verb run again completes it.
//! - [`RULES`] is the one table of what each verb needs, opens and leads to. A verb in the wrong state
//!   changes nothing.
//! - Every change goes through [`step::perform`]: the intent is recorded and synced, then it is done,
//!   then the result is recorded. No durable intent, no change.
//! - A gate opens to its own phrase, for the very plan that was approved. No arrow leaves `retired`.
//!
//! The reference is `wiki/reference/cutover.md`.

pub mod check;
pub mod drain;
pub mod frozen;
pub mod history;
pub mod observe;
pub mod parity;
pub mod plan;
pub mod pointer;
pub mod preflight;
pub mod state;
pub mod step;
pub mod trial;

use serde::{Deserialize, Serialize};
use std::fmt;

pub use state::State;

/// Something `warden cutover` does that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Writes the plan.
    Plan,
    /// Adds the new CA to the trust files.
    Bundle,
    /// Has the new CA sign.
    Switch,
    /// Has the old CA sign again.
    Rollback,
    /// Refuses the old CA for good.
    Freeze,
    /// Shows that no certificate of the old CA is in use.
    Drain,
    /// Removes the old CA from the trust files.
    Prune,
    /// Destroys the old CA.
    Retire,
}

/// What a phrase opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Trusting a CA.
    Trust,
    /// Signing with the new CA.
    Switch,
    /// Refusing the old CA.
    Freeze,
    /// Trusting the old CA no more.
    Prune,
    /// Destroying it.
    Retire,
}

impl Gate {
    /// All of them, in the order they are met.
    pub const ALL: [Self; 5] = [
        Self::Trust,
        Self::Switch,
        Self::Freeze,
        Self::Prune,
        Self::Retire,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Switch => "switch",
            Self::Freeze => "freeze",
            Self::Prune => "prune",
            Self::Retire => "retire",
        }
    }

    /// The gate of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gate| gate.as_str() == text)
    }
}

/// What a verb needs and leads to.
#[derive(Debug)]
pub struct Rule {
    /// The verb.
    pub verb: Verb,
    /// The gate that must open.
    pub gate: Option<Gate>,
    /// The states it may begin in.
    pub from: &'static [State],
    /// Further states it may begin in when the old CA is compromised: nothing is waited for then.
    pub from_compromised: &'static [State],
    /// The state it leads to.
    pub to: State,
    /// What it does, in words.
    pub does: &'static str,
    /// The command that reverses it.
    pub reversal: &'static str,
}

const ROLLBACK: &str = "warden cutover rollback --apply";

/// Every verb that changes something, in the order of a cutover.
pub const RULES: [Rule; 8] = {
    use State::{
        Drained, DualTrust, Frozen, NewOnly, Planned, Retired, Staged, Standby, Switched, Unclear,
    };
    [
        Rule {
            verb: Verb::Plan,
            gate: None,
            from: &[Standby, Planned, Staged],
            from_compromised: &[],
            to: Planned,
            does: "writes down what is to be done",
            reversal: "remove the plan file",
        },
        Rule {
            verb: Verb::Bundle,
            gate: Some(Gate::Trust),
            from: &[Staged, Unclear],
            from_compromised: &[Planned],
            to: DualTrust,
            does: "adds the new CA to every trust file, beside the old one",
            reversal: "put the copy FILE.before-* back",
        },
        Rule {
            verb: Verb::Switch,
            gate: Some(Gate::Switch),
            from: &[DualTrust, Unclear],
            from_compromised: &[],
            to: Switched,
            does: "has the new CA sign",
            reversal: ROLLBACK,
        },
        Rule {
            verb: Verb::Freeze,
            gate: Some(Gate::Freeze),
            // A compromised CA may have been pruned before; who lost the list of frozen CAs does it again.
            from: &[Switched, NewOnly],
            from_compromised: &[],
            to: Frozen,
            does: "has warden refuse to sign with the old CA",
            reversal: ROLLBACK,
        },
        Rule {
            verb: Verb::Drain,
            gate: None,
            from: &[Frozen, Drained, NewOnly],
            from_compromised: &[],
            to: Drained,
            does: "shows that no certificate of the old CA is left; changes nothing but the record",
            reversal: ROLLBACK,
        },
        Rule {
            verb: Verb::Prune,
            gate: Some(Gate::Prune),
            from: &[Drained],
            from_compromised: &[Switched, Frozen],
            to: NewOnly,
            does: "removes the old CA from every trust file",
            reversal: "warden cutover rollback --apply --confirm PHRASE-OF-THE-TRUST-GATE",
        },
        Rule {
            verb: Verb::Retire,
            gate: Some(Gate::Retire),
            from: &[NewOnly],
            from_compromised: &[],
            to: Retired,
            does: "destroys the old CA",
            reversal: "none: this cannot be undone",
        },
        Rule {
            verb: Verb::Rollback,
            gate: None,
            from: &[Switched, Frozen, Drained, NewOnly, Unclear],
            from_compromised: &[],
            to: DualTrust,
            does: "has the old CA sign again; after `prune` trusts it again first, which the trust gate opens",
            reversal: "warden cutover switch --apply --confirm PHRASE-OF-THE-SWITCH-GATE",
        },
    ]
};

impl Verb {
    /// The word to type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Bundle => "bundle",
            Self::Switch => "switch",
            Self::Rollback => "rollback",
            Self::Freeze => "freeze",
            Self::Drain => "drain",
            Self::Prune => "prune",
            Self::Retire => "retire",
        }
    }

    /// Its rule.
    pub fn rule(self) -> &'static Rule {
        let [plan, bundle, switch, freeze, drain, prune, retire, rollback] = &RULES;
        match self {
            Self::Plan => plan,
            Self::Bundle => bundle,
            Self::Switch => switch,
            Self::Freeze => freeze,
            Self::Drain => drain,
            Self::Prune => prune,
            Self::Retire => retire,
            Self::Rollback => rollback,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_own_rule_and_every_gate_one_way_forward() {
        for rule in &RULES {
            assert_eq!(rule.verb.rule().verb, rule.verb);
            assert!(
                !rule.from.contains(&State::Retired),
                "no arrow leaves retired"
            );
        }
        for gate in Gate::ALL {
            let opens: Vec<_> = RULES
                .iter()
                .filter(|rule| rule.gate == Some(gate))
                .collect();
            assert_eq!(opens.len(), 1, "{gate}");
            assert_eq!(Gate::parse(gate.as_str()), Some(gate));
        }
    }
}
