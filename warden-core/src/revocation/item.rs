//! One thing that is revoked, and a step that revokes or gives back.

use super::CLOCK_MARGIN_SECONDS;
use crate::certificate::{Fingerprint, Serial, UnixTime};
use crate::inventory::ActorName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest text of a reason, in characters.
const MAX_WHY: usize = 200;

/// One thing that is revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Spelt", into = "Spelt")]
#[non_exhaustive]
pub enum Item {
    /// An actor: it is given no certificate.
    Actor(ActorName),
    /// A key: it is given no certificate, and hosts refuse those it has.
    Key(Fingerprint),
    /// A CA: it signs nothing, and hosts refuse all that it signed.
    Ca(Fingerprint),
    /// A certificate.
    Certificate {
        /// The CA that signed it.
        ca: Fingerprint,
        /// Its serial.
        serial: Serial,
        /// When it ends by itself; `None` if never.
        valid_before: Option<UnixTime>,
        /// The actor it was revoked with; `None` if for itself.
        with: Option<ActorName>,
    },
}

/// How an item is written.
#[derive(Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Spelt {
    Actor {
        actor: String,
    },
    Key {
        public_key: String,
    },
    Ca {
        ca_fingerprint: String,
    },
    Certificate {
        ca_fingerprint: String,
        serial: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_before: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<String>,
    },
}

impl Item {
    /// A certificate revoked for itself, or with an actor. An end that the calendar of RFC 3339 does
    /// not reach counts as none.
    pub fn certificate(
        ca: Fingerprint,
        serial: Serial,
        valid_before: UnixTime,
        with: Option<ActorName>,
    ) -> Self {
        let reached = UnixTime::parse(&valid_before.to_string()) == Some(valid_before);
        Self::Certificate {
            ca,
            serial,
            valid_before: reached.then_some(valid_before),
            with,
        }
    }

    /// One word for what it is.
    pub fn matched(&self) -> &'static str {
        match self {
            Self::Actor(_) => "actor",
            Self::Key(_) => "subject_key",
            Self::Ca(_) => "ca_key",
            Self::Certificate { .. } => "serial",
        }
    }

    pub(super) fn is_certificate(&self, of: &Fingerprint, number: Serial) -> bool {
        matches!(self, Self::Certificate { ca, serial, .. } if ca == of && *serial == number)
    }

    /// The CA of a certificate.
    pub(super) fn ca_of_certificate(&self) -> Option<&Fingerprint> {
        match self {
            Self::Certificate { ca, .. } => Some(ca),
            _ => None,
        }
    }

    /// Whether it may still matter to a host at `now`.
    pub(super) fn counts_at(&self, now: UnixTime) -> bool {
        match self {
            Self::Certificate {
                valid_before: Some(end),
                ..
            } => end.plus(CLOCK_MARGIN_SECONDS) > now,
            _ => true,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor(actor) => write!(f, "actor `{actor}`"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Ca(ca) => write!(f, "CA {ca}"),
            Self::Certificate { ca, serial, .. } => write!(f, "serial {serial} of CA {ca}"),
        }
    }
}

impl From<Item> for Spelt {
    fn from(item: Item) -> Self {
        match item {
            Item::Actor(actor) => Self::Actor {
                actor: actor.to_string(),
            },
            Item::Key(key) => Self::Key {
                public_key: key.to_string(),
            },
            Item::Ca(ca) => Self::Ca {
                ca_fingerprint: ca.to_string(),
            },
            Item::Certificate {
                ca,
                serial,
                valid_before,
                with,
            } => Self::Certificate {
                ca_fingerprint: ca.to_string(),
                serial: serial.to_string(),
                valid_before: valid_before.map(|end| end.to_string()),
                with: with.map(|actor| actor.to_string()),
            },
        }
    }
}

impl TryFrom<Spelt> for Item {
    type Error = String;

    fn try_from(spelt: Spelt) -> Result<Self, String> {
        let key = |text: String| Fingerprint::parse(&text).ok_or("not a SHA-256 fingerprint");
        let actor = |text: String| text.parse().map_err(|_| "not an actor's name".to_owned());
        Ok(match spelt {
            Spelt::Actor { actor: name } => Self::Actor(actor(name)?),
            Spelt::Key { public_key } => Self::Key(key(public_key)?),
            Spelt::Ca { ca_fingerprint } => Self::Ca(key(ca_fingerprint)?),
            Spelt::Certificate {
                ca_fingerprint,
                serial,
                valid_before,
                with,
            } => Self::Certificate {
                ca: key(ca_fingerprint)?,
                serial: serial
                    .parse()
                    .ok()
                    .and_then(Serial::new)
                    .ok_or("not a serial")?,
                valid_before: valid_before
                    .map(|text| UnixTime::parse(&text).ok_or("not a time"))
                    .transpose()?,
                with: with.map(actor).transpose()?,
            },
        })
    }
}

/// Why something is revoked, in somebody's own words: 1 to 200 characters on one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Why(String);

/// Why a text is not a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyError {
    /// Empty or too long.
    #[error("a reason has 1 to {MAX_WHY} characters; found {found}")]
    Length {
        /// How many.
        found: usize,
    },
    /// Something that cannot be printed.
    #[error(
        "a reason has letters, digits, blanks and ASCII punctuation on one line; found U+{found:04X}"
    )]
    Character {
        /// The character.
        found: u32,
    },
}

impl Why {
    /// A reason from its text.
    ///
    /// # Errors
    /// If it is empty, too long, or holds something that cannot be printed on one line.
    pub fn new(text: &str) -> Result<Self, WhyError> {
        let found = text.chars().count();
        if text.trim().is_empty() || found > MAX_WHY {
            return Err(WhyError::Length { found });
        }
        let plain = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ';
        match text.chars().find(|c| !plain(*c)) {
            Some(c) => Err(WhyError::Character { found: c.into() }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Why> for String {
    fn from(why: Why) -> Self {
        why.0
    }
}

impl TryFrom<String> for Why {
    type Error = WhyError;

    fn try_from(text: String) -> Result<Self, WhyError> {
        Self::new(&text)
    }
}

/// A change: these items are revoked, or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whether they are given back.
    pub undo: bool,
    /// Why.
    pub why: Why,
    /// What.
    pub items: Vec<Item>,
}
