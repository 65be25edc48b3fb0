//! Actors: who may be given a certificate, and the most they may ever be given.
//!
//! - The ceilings of the three types are the contract: adm 48 h, agt 24 h, atm 8 h. Nothing raises them.
//! - An actor's name begins with its type; the two are compared, never inferred from each other.
//! - Every optional restraint only narrows.

use crate::certificate::{
    CriticalOptions, Extension, Extensions, Fingerprint, Principals, Ttl, UnixTime,
};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The longest actor name, in bytes. It is the key id too, and sshd cuts long log lines.
const MAX_NAME_BYTES: usize = 64;

/// What an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActorType {
    /// A human administrator.
    Adm,
    /// An AI agent.
    Agt,
    /// A deterministic automation.
    Atm,
}

impl ActorType {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Adm, Self::Agt, Self::Atm];

    /// `adm`, `agt` or `atm`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adm => "adm",
            Self::Agt => "agt",
            Self::Atm => "atm",
        }
    }

    /// The type of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// The longest a certificate of this type may ever live: 48, 24 or 8 hours.
    pub const fn ceiling(self) -> Ttl {
        let hours = match self {
            Self::Adm => NonZeroU32::new(48),
            Self::Agt => NonZeroU32::new(24),
            Self::Atm => NonZeroU32::new(8),
        };
        match hours {
            Some(hours) => Ttl::hours(hours),
            None => Ttl::hours(NonZeroU32::MIN),
        }
    }

    /// The extensions of this type where the inventory names none.
    pub fn built_in_extensions(self) -> Extensions {
        match self {
            Self::Adm => [Extension::PermitPty, Extension::PermitPortForwarding].into(),
            Self::Agt => [Extension::PermitPortForwarding].into(),
            Self::Atm => Extensions::new(),
        }
    }
}

impl fmt::Display for ActorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of an actor: its type, then one or more words of `a-z` and `0-9`, joined by `-`; at most
/// 64 bytes. Safe as a file name, a key id and a word of a command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorName {
    text: String,
    actor_type: ActorType,
}

/// Why a text is not an actor's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an actor's name; a name is adm-, agt- or atm- and then words of a-z and 0-9 joined by `-`, at most 64 bytes"
)]
pub struct ActorNameError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl FromStr for ActorName {
    type Err = ActorNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ActorNameError {
            text: text.chars().take(80).collect(),
        };
        let mut words = text.split('-');
        let actor_type = words
            .next()
            .and_then(ActorType::parse)
            .ok_or_else(malformed)?;
        let word = |one: &str| {
            !one.is_empty()
                && one
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let mut rest = words.peekable();
        if text.len() > MAX_NAME_BYTES || rest.peek().is_none() || !rest.all(word) {
            return Err(malformed());
        }
        Ok(Self {
            text: text.to_owned(),
            actor_type,
        })
    }
}

impl ActorName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type its name begins with.
    pub fn actor_type(&self) -> ActorType {
        self.actor_type
    }
}

impl fmt::Display for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An actor and its bounds: the most it may ever be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub(super) name: ActorName,
    pub(super) principals: Principals,
    pub(super) ttl: Ttl,
    pub(super) max_ttl: Ttl,
    pub(super) min_ttl: Option<Ttl>,
    pub(super) extensions: Extensions,
    pub(super) critical_options: CriticalOptions,
    pub(super) public_keys: Option<Vec<Fingerprint>>,
    pub(super) disabled: bool,
    pub(super) expires: Option<UnixTime>,
    pub(super) description: Option<String>,
    pub(super) subjects: Vec<String>,
    pub(super) owner: Option<String>,
    pub(super) reviewed: Option<UnixTime>,
    pub(super) place: Defined,
}

/// Where an actor stands in the inventory, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// The file, relative to the inventory as the operator names it.
    pub file: String,
    /// The line of the actor's `principals`, from 1.
    pub principals_line: usize,
}

impl Actor {
    /// The name.
    pub fn name(&self) -> &ActorName {
        &self.name
    }

    /// Every principal it may have, in inventory order.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    /// The time to live where none is asked.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The longest time to live that may be asked.
    pub fn max_ttl(&self) -> Ttl {
        self.max_ttl
    }

    /// The shortest time to live that may be asked.
    pub fn min_ttl(&self) -> Option<Ttl> {
        self.min_ttl
    }

    /// The extensions of its certificates.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The critical options of its certificates.
    pub fn critical_options(&self) -> &CriticalOptions {
        &self.critical_options
    }

    /// The only keys that are certified for it; `None` for any.
    pub fn public_keys(&self) -> Option<&[Fingerprint]> {
        self.public_keys.as_deref()
    }

    /// Whether it is switched off.
    pub fn disabled(&self) -> bool {
        self.disabled
    }

    /// From when on it is given nothing, and until when every certificate ends.
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// What it is for.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Other names the policy service knows it by.
    pub fn subjects(&self) -> &[String] {
        &self.subjects
    }

    /// Who answers for it.
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// When somebody last confirmed that it is still needed.
    pub fn reviewed(&self) -> Option<UnixTime> {
        self.reviewed
    }

    /// Where it is defined.
    pub fn place(&self) -> &Defined {
        &self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ceilings_are_48_24_and_8_hours() {
        let hours: Vec<_> = ActorType::ALL
            .iter()
            .map(|one| one.ceiling().seconds() / 3600)
            .collect();
        assert_eq!(hours, [48, 24, 8]);
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in [
            "agt-state-hub-bridge",
            "adm-example",
            "atm-1",
            "agt-a-b-c-0",
        ] {
            assert_eq!(good.parse::<ActorName>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            "agt",
            "agt-",
            "agt--a",
            "agt-a-",
            "-agt-a",
            "usr-a",
            "Agt-a",
            "agt-A",
            "agt_a",
            "agt-a b",
            "agt-a/b",
            "agt-../x",
            "../../etc/cron.d/x",
            "/etc/x",
            ".",
            "agt-a\n",
            "agt-é",
            "agt-a\0",
            "-oProxyCommand=x",
        ];
        for text in bad {
            assert!(text.parse::<ActorName>().is_err(), "{text:?}");
        }
        assert!(
            format!("agt-{}", "a".repeat(60))
                .parse::<ActorName>()
                .is_ok()
        );
        assert!(
            format!("agt-{}", "a".repeat(61))
                .parse::<ActorName>()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn no_name_can_leave_its_directory(text in any::<String>()) {
            if let Ok(name) = text.parse::<ActorName>() {
                prop_assert!(!name.as_str().contains(['/', '.', '\0']));
            }
        }
    }
}
