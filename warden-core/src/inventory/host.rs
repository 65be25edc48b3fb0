//! Hosts: their names, and which principals may log in as which account.
//!
//! - A **lane** is one principal on one account of one host, with the command it is held to, if any.
//! - A host has the lanes of its own file and of its groups. Where two say the same lane with
//!   different commands, the inventory is refused.
//! - Nothing here knows which actors there are; that is [`grants`](crate::host::grants).

use super::actor::Defined;
use crate::certificate::{ForceCommand, Principal, PrincipalError, Principals, Ttl};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

/// The longest account name, in bytes: what `useradd` takes.
const MAX_ACCOUNT_BYTES: usize = 32;

/// Accounts whose login is everything on a host; each wants `privileged = true`.
const PRIVILEGED: [&str; 2] = ["root", "toor"];

/// The longest a host certificate may ever live: 30 days. The choice is ours: long enough that a
/// host that was off for a fortnight comes back with a name, short enough that a host that was taken
/// down does not keep it.
pub const HOST_CEILING: Ttl = match NonZeroU32::new(720) {
    Some(hours) => Ttl::hours(hours),
    None => Ttl::hours(NonZeroU32::MIN),
};

/// How long a host certificate lives where nothing else is said: 7 days.
pub(super) const HOST_TTL: Ttl = match NonZeroU32::new(168) {
    Some(hours) => Ttl::hours(hours),
    None => Ttl::hours(NonZeroU32::MIN),
};

/// The name of a host, a lower-case DNS name of at most 64 bytes. Safe as a file name, a key id and
/// a word of a command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// Why a text is not a host's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host's name; a name is words of a-z, 0-9 and `-` joined by `.`, at most 64 bytes"
)]
pub struct HostNameError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Principal::host(text) {
            Ok(_) if text.len() <= 64 && text.parse::<IpAddr>().is_err() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(HostNameError {
                text: text.chars().take(80).collect(),
            }),
        }
    }
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an account on a host: a letter or `_`, then letters, digits, `.`, `_` and `-`; at most
/// 32 bytes. Safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(String);

/// Why a text is not the name of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the name of an account; a name is a letter or `_`, then letters, digits, `.`, `_` and `-`, at most 32 bytes"
)]
pub struct AccountNameError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let goes_on = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if begins && text.len() <= MAX_ACCOUNT_BYTES && text.chars().all(goes_on) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AccountNameError {
                text: text.chars().take(80).collect(),
            })
        }
    }
}

impl AccountName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a login as this account is everything on a host.
    pub fn is_privileged(&self) -> bool {
        PRIVILEGED.contains(&self.as_str())
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One principal's way into an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The only command that runs, whatever the client asks for.
    pub force_command: Option<ForceCommand>,
    /// Where it is defined.
    pub place: LanePlace,
}

/// Where a lane is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanePlace {
    /// The file, relative to the inventory as the operator names it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// `file:line`
impl fmt::Display for LanePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// For each account, the lanes into it.
pub type Accounts = BTreeMap<AccountName, BTreeMap<Principal, Lane>>;

/// Lanes that many hosts have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, of the grammar of a host's.
    pub name: HostName,
    /// The lanes.
    pub accounts: Accounts,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub(super) name: HostName,
    pub(super) names: Principals,
    pub(super) groups: Vec<Arc<Group>>,
    pub(super) accounts: Accounts,
    pub(super) ttl: Ttl,
    pub(super) max_ttl: Ttl,
    pub(super) place: Defined,
}

/// The same principal on the same account of the same host, held to different commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overlap {
    pub(super) account: AccountName,
    pub(super) principal: Principal,
    pub(super) places: (LanePlace, LanePlace),
}

impl Host {
    /// The name.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Every name and address it answers to: the principals of its host certificate.
    pub fn names(&self) -> &Principals {
        &self.names
    }

    /// The groups it belongs to.
    pub fn groups(&self) -> impl Iterator<Item = &HostName> {
        self.groups.iter().map(|group| &group.name)
    }

    /// How long its host certificate lives where nothing else is asked.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// The longest that may be asked.
    pub fn max_ttl(&self) -> Ttl {
        self.max_ttl
    }

    /// Where it is defined.
    pub fn place(&self) -> &Defined {
        &self.place
    }

    /// For each account the lanes into it, its groups' and its own together. An account that is named
    /// without a lane is there, and nobody may log in as it.
    pub fn lanes(&self) -> BTreeMap<&AccountName, BTreeMap<&Principal, &Lane>> {
        let mut all: BTreeMap<&AccountName, BTreeMap<&Principal, &Lane>> = BTreeMap::new();
        for (account, lanes) in self.every_account() {
            all.entry(account).or_default().extend(lanes);
        }
        all
    }

    fn every_account(&self) -> impl Iterator<Item = (&AccountName, &BTreeMap<Principal, Lane>)> {
        let groups = self.groups.iter().flat_map(|group| &group.accounts);
        groups.chain(&self.accounts)
    }

    /// The first lane that two files define differently.
    pub(super) fn overlap(&self) -> Option<Overlap> {
        let mut seen: BTreeMap<(&AccountName, &Principal), &Lane> = BTreeMap::new();
        for (account, lanes) in self.every_account() {
            for (principal, lane) in lanes {
                let before = seen.entry((account, principal)).or_insert(lane);
                if before.force_command != lane.force_command {
                    return Some(Overlap {
                        account: account.clone(),
                        principal: principal.clone(),
                        places: (before.place.clone(), lane.place.clone()),
                    });
                }
            }
        }
        None
    }
}

/// A command that a line of a principals file can carry.
///
/// sshd cuts such a line at `#`, even between quotes, and takes `\"` for a quote; what it could not
/// read back is refused here.
pub(super) fn lane_command(text: &str) -> Result<ForceCommand, String> {
    let command = ForceCommand::new(text).map_err(|error| error.to_string())?;
    match text {
        _ if text.contains('#') => {
            Err("the command holds `#`, where sshd ends a line of a principals file".to_owned())
        }
        _ if text.ends_with('\\') => {
            Err("the command ends in a backslash, which would hide the closing quote".to_owned())
        }
        _ if text.chars().any(char::is_control) => {
            Err("the command holds a control character".to_owned())
        }
        _ => Ok(command),
    }
}

/// The principals of a host certificate: names first, then addresses.
pub(super) fn host_principals(
    names: &[Principal],
    addresses: &[IpAddr],
) -> Result<Principals, PrincipalError> {
    let addresses = addresses
        .iter()
        .map(|one| Principal::host(&one.to_string()));
    let all: Result<Vec<_>, _> = names.iter().cloned().map(Ok).chain(addresses).collect();
    Principals::new(all?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hosts_name_is_a_lower_case_dns_name() {
        for good in ["hub-1", "hub-1.example.org", "a", "1host"] {
            assert_eq!(good.parse::<HostName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in [
            "", ".", "..", "a..b", ".a", "a.", "-a", "a-", "A", "a_b", "a/b", "../x", "a b", "*",
            "10.0.0.1", "a\n", &long,
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_accounts_name_is_safe_as_a_file_name() {
        for good in ["deploy", "_www", "a.b-c_D", "root"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good:?}");
        }
        let long = "a".repeat(33);
        for bad in ["", ".", "..", "-x", "1a", "a/b", "a b", "a%u", "a\0", &long] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_command_that_sshd_would_not_read_back_is_refused() {
        assert!(lane_command(r#"/bin/sh -c "echo \"hi\"" x"#).is_ok());
        for bad in ["a # b", "a\\", "a\tb", "a\nb", "", "a\u{7f}"] {
            assert!(lane_command(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_account_can_leave_its_directory(text in any::<String>()) {
            if let Ok(name) = text.parse::<AccountName>() {
                prop_assert!(!name.as_str().contains(['/', '\0', '%']) && !name.as_str().starts_with('.'));
            }
        }
    }
}
