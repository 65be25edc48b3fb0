//! Whom a gate judges.

use crate::inventory::{ActorName, Holder};
use std::fmt;

/// Whom a gate judges: 1 to 256 printable ASCII characters without a blank. The actor's own name
/// unless the surroundings say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// A subject such as `iam:agt-state-hub-bridge`; `None` for another form.
    pub fn new(text: &str) -> Option<Self> {
        let sound =
            (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Holder> for Subject {
    fn from(holder: &Holder) -> Self {
        Self(holder.to_string())
    }
}

impl From<&ActorName> for Subject {
    fn from(actor: &ActorName) -> Self {
        Self(actor.to_string())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
