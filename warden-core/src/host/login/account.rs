//! What sshd asks of an account and of the way of logging in, whatever the certificate is.
//!
//! - Users and addresses are patterns; the groups of an account are not known here.
//! - That the account exists, has a shell and is not locked, and what PAM says, is not looked at.
//!
//! References: \[SSHD\]; `allowed_user`, `auth_root_allowed` and `match_host_and_ip` of OpenSSH.

use super::{Found, Login, holds, refuses, unknown};
use crate::certificate::SourceAddress;
use crate::host::sshd_config::pattern;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a host's configuration says about accounts and ways of logging in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountRules {
    /// `DenyUsers`.
    pub deny_users: Vec<String>,
    /// `AllowUsers`.
    pub allow_users: Vec<String>,
    /// `DenyGroups` and `AllowGroups`.
    pub groups: Vec<String>,
    /// `PubkeyAuthentication`, if it is known.
    pub publickey: Option<String>,
    /// `AuthenticationMethods`, each a list with commas.
    pub methods: Vec<String>,
    /// `PermitRootLogin`, if it is known.
    pub root: Option<String>,
    /// Whether `UseDNS` gives clients names.
    pub names: bool,
}

impl Login<'_> {
    pub(super) fn account_allowed(&self) -> Found {
        let rules = &self.host.account;
        let asked = |pattern: &str| self.user_matches(pattern);
        if let Some(one) = rules.deny_users.iter().find(|one| asked(one) == Some(true)) {
            return refuses(format!("DenyUsers has `{one}`"));
        }
        let unclear = |list: &[String]| list.iter().find(|one| asked(one).is_none()).cloned();
        let denied = unclear(&rules.deny_users);
        let allowed = rules.allow_users.is_empty()
            || rules.allow_users.iter().any(|one| asked(one) == Some(true));
        let perhaps = unclear(&rules.allow_users).filter(|_| !allowed);
        if !allowed && perhaps.is_none() {
            return refuses("AllowUsers does not have the account");
        }
        if let Some(pattern) = denied.or(perhaps) {
            return unknown(format!(
                "whether `{pattern}` of DenyUsers or AllowUsers names this login depends on where it comes from; --from says that"
            ));
        }
        match rules.groups.is_empty() {
            true => holds("neither users nor groups are shut out"),
            false => unknown(format!(
                "DenyGroups or AllowGroups has {}, and the groups of the account are not known",
                rules.groups.join(", ")
            )),
        }
    }

    pub(super) fn publickey_enabled(&self) -> Found {
        let rules = &self.host.account;
        if rules.publickey.as_deref() == Some("no") {
            return refuses("PubkeyAuthentication is no");
        }
        let any = |list: &String| matches!(list.as_str(), "publickey" | "any");
        if rules.methods.is_empty() || rules.methods.iter().any(any) {
            return holds("a key is enough");
        }
        let methods = rules.methods.join(" ");
        let with_key = |list: &String| list.split(',').any(|one| one == "publickey");
        match rules.methods.iter().any(with_key) {
            true => unknown(format!(
                "AuthenticationMethods is {methods}, which wants more than a key"
            )),
            false => refuses(format!(
                "AuthenticationMethods is {methods}, which takes no key"
            )),
        }
    }

    /// Judged by the name of the account; another one with uid 0 is root to sshd, too.
    pub(super) fn root_login(&self) -> Found {
        let (own, line) = self.commands();
        match self.host.account.root.as_deref() {
            _ if self.attempt.account != "root" => holds("the account is not root"),
            Some("no") => refuses("PermitRootLogin is no"),
            Some("forced-commands-only") => match (own.or(line), self.line.is_none()) {
                (Some(_), _) => holds("PermitRootLogin wants a forced command, and there is one"),
                (None, true) if self.host.asks_a_command => unknown(
                    "PermitRootLogin wants a forced command, and AuthorizedPrincipalsCommand may give one",
                ),
                (None, _) => refuses("PermitRootLogin wants a forced command, and there is none"),
            },
            Some(value) => holds(format!("PermitRootLogin is {value}")),
            None => holds("PermitRootLogin is not set, so keys let root in"),
        }
    }

    fn user_matches(&self, text: &str) -> Option<bool> {
        match text.rsplit_once('@') {
            Some((user, hosts)) if pattern::simple(user, self.attempt.account) => {
                self.host_matches(hosts)
            }
            Some(_) => Some(false),
            None => Some(pattern::simple(text, self.attempt.account)),
        }
    }

    /// Whether the address of the login is in a list of addresses, networks and patterns; `None` if
    /// that is not known.
    pub(super) fn host_matches(&self, list: &str) -> Option<bool> {
        let (mut found, mut unclear) = (false, false);
        for item in list.split(',') {
            let (negated, item) = match item.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, item),
            };
            match self.item_matches(item) {
                Some(true) if negated => return Some(false),
                Some(matched) => found |= matched,
                None => unclear = true,
            }
        }
        (!unclear).then_some(found)
    }

    fn item_matches(&self, item: &str) -> Option<bool> {
        if item == "*" {
            return Some(true);
        }
        let from = self.attempt.from?.to_canonical();
        if item.contains('/') {
            let network = SourceAddress::new(BTreeSet::from([item])).ok()?;
            return Some(network.contains(from));
        }
        if let Ok(address) = item.parse::<IpAddr>() {
            return Some(address.to_canonical() == from);
        }
        let matched = pattern::simple(&item.to_ascii_lowercase(), &from.to_string());
        let may_be_a_name = |c: char| !(c.is_ascii_digit() || ".:*?".contains(c));
        match !matched && self.host.account.names && item.contains(may_be_a_name) {
            true => None,
            false => Some(matched),
        }
    }
}
