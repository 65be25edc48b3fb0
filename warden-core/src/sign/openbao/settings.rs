//! How OpenBao is reached, and what is expected of it.
//!
//! - Mount and role names are path segments; nothing else can be built.

use crate::certificate::Fingerprint;
use crate::exchange::Address;
use crate::inventory::{ActorName, ActorType};
use std::path::PathBuf;
use std::time::Duration;

/// The default of `timeout`: how long one signature may take, retries included.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of `clock_skew`, in seconds.
pub const DEFAULT_CLOCK_SKEW: u64 = 30;

/// The most `clock_skew` may be, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 300;

/// A mount or a role: path segments of letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathName(String);

impl PathName {
    /// A mount, which may have several segments joined by `/`.
    pub fn mount(text: &str) -> Option<Self> {
        text.split('/')
            .all(is_segment)
            .then(|| Self(text.to_owned()))
    }

    /// A role, which is one segment.
    pub fn role(text: &str) -> Option<Self> {
        is_segment(text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.is_empty()
        && text.len() <= 128
        && text != "."
        && text != ".."
        && text.bytes().all(allowed)
}

/// Which role signs for which actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// One role for each type.
    PerType {
        /// For administrators.
        adm: PathName,
        /// For agents.
        agt: PathName,
        /// For automations.
        atm: PathName,
    },
    /// One role for each actor, named like it.
    PerActor,
}

impl Roles {
    /// The role that signs for an actor.
    pub fn of(&self, actor: &ActorName) -> PathName {
        match self {
            Self::PerType { .. } => self
                .of_type(actor.actor_type())
                .unwrap_or_else(|| PathName(actor.to_string())),
            Self::PerActor => PathName(actor.to_string()),
        }
    }

    /// The role of a type, where there is one for each.
    pub fn of_type(&self, actor_type: ActorType) -> Option<PathName> {
        match (self, actor_type) {
            (Self::PerActor, _) => None,
            (Self::PerType { adm, .. }, ActorType::Adm) => Some(adm.clone()),
            (Self::PerType { agt, .. }, ActorType::Agt) => Some(agt.clone()),
            (Self::PerType { atm, .. }, ActorType::Atm) => Some(atm.clone()),
        }
    }
}

/// Everything about the server but the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// Where the SSH engine is mounted.
    pub mount: PathName,
    /// The namespace, if it has any.
    pub namespace: Option<PathName>,
    /// Which role signs for which actor.
    pub roles: Roles,
    /// The CA whose certificates are accepted; without it nothing is signed.
    pub ca_fingerprint: Option<Fingerprint>,
    /// Whose key id a certificate carries.
    pub key_id: super::super::KeyIdRule,
    /// How far the server's clock may differ from ours, in seconds.
    pub clock_skew: u64,
    /// How long one signature may take, retries included.
    pub timeout: Duration,
    /// PEM file of the only CAs accepted for TLS; the system's if there is none.
    pub tls_ca_file: Option<PathBuf>,
    /// PEM file with a client certificate and its key, mode 0600.
    pub tls_client_file: Option<PathBuf>,
    /// The proxy to go through. The environment is never asked for one.
    pub proxy: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_be_climbed_out_of() {
        let longest = "x".repeat(128);
        for good in ["ssh", "a.b-c_D9", "...", "-", &longest] {
            assert!(PathName::role(good).is_some(), "{good}");
            assert!(PathName::mount(good).is_some(), "{good}");
        }
        assert!(PathName::mount("teams/access/ssh").is_some());
        let long = "x".repeat(129);
        for bad in [
            "", ".", "..", "a b", "a%2fb", "a?b", "a#b", "a\\b", "a\n", "\u{e9}", "a;b", "a:b",
            "a@b", &long,
        ] {
            assert!(PathName::role(bad).is_none(), "{bad:?}");
            assert!(PathName::mount(bad).is_none(), "{bad:?}");
            assert!(PathName::mount(&format!("a/{bad}")).is_none(), "a/{bad:?}");
            assert!(PathName::mount(&format!("{bad}/a")).is_none(), "{bad:?}/a");
        }
        assert!(PathName::role("a/b").is_none());
    }

    #[test]
    fn each_actor_has_the_role_of_its_type_or_its_own() {
        let name = |text| PathName::role(text).unwrap();
        let per_type = Roles::PerType {
            adm: name("a"),
            agt: name("g"),
            atm: name("t"),
        };
        for (actor, role) in [("adm-x", "a"), ("agt-x", "g"), ("atm-x", "t")] {
            let actor = actor.parse().unwrap();
            assert_eq!(per_type.of(&actor).as_str(), role);
            assert_eq!(Roles::PerActor.of(&actor).as_str(), actor.as_str());
        }
    }
}
