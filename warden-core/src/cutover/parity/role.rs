//! A role of the SSH engine, and how the engine decides by it.
//!
//! - What a request names replaces the role's defaults; nothing is merged. An empty list of allowed
//!   critical options means any, an empty list of allowed extensions none.
//! - A limit of 0 is the server's own, 768 h unless it was changed.
//! - Templates are not filled in: who asks is not known.
//!
//! Reference: the engine's source, OpenBao 2.x, and the answers of a real one in the tests.

use super::{Answer, Aspect, Key, Refused, Request, joined, joined_pairs};
use crate::certificate::CertType;
use crate::failure::{Class, Failure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The longest lease of a server that was not told otherwise, in seconds: 768 h.
pub const SYSTEM_MAX_TTL: u64 = 2_764_800;

/// A role, as the server reads it out.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    key_type: String,
    allow_user_certificates: bool,
    allow_host_certificates: bool,
    allowed_users: String,
    allow_user_key_ids: bool,
    allowed_extensions: String,
    allowed_critical_options: String,
    default_extensions: Option<BTreeMap<String, String>>,
    default_critical_options: Option<BTreeMap<String, String>>,
    ttl: u64,
    max_ttl: u64,
    #[serde(default)]
    allow_empty_principals: bool,
    #[serde(default)]
    allowed_users_template: bool,
    #[serde(default)]
    default_user: String,
    #[serde(default)]
    default_user_template: bool,
    #[serde(default)]
    default_extensions_template: bool,
    #[serde(default)]
    key_id_format: String,
    #[serde(default)]
    allowed_user_key_lengths: Option<BTreeMap<String, Lengths>>,
    #[serde(default = "thirty")]
    not_before_duration: u64,
    #[serde(default)]
    algorithm_signer: String,
    #[serde(default)]
    allowed_domains: String,
    #[serde(default)]
    allow_bare_domains: bool,
    #[serde(default)]
    allow_subdomains: bool,
}

/// The lengths of one type of key: one or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Lengths {
    One(u64),
    Several(Vec<u64>),
}

fn thirty() -> u64 {
    30
}

/// Why a saved role cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the role cannot be used: {detail}")]
pub struct RoleError {
    detail: String,
}

impl Failure for RoleError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        "role_malformed"
    }

    fn hints(&self) -> Vec<String> {
        vec!["save it with `bao read -format=json MOUNT/roles/ROLE > FILE`".to_owned()]
    }
}

impl Role {
    /// Reads the answer of `GET MOUNT/roles/ROLE`, or the `data` in it.
    ///
    /// # Errors
    /// If it is not JSON, or a field that decides is missing or of another type.
    pub fn from_json(text: &[u8]) -> Result<Self, RoleError> {
        // serde's own message may quote a value; an answer may hold a token.
        let unusable = |what: &str| RoleError {
            detail: what.to_owned(),
        };
        let data = serde_json::from_slice(text).map_err(|_| unusable("not JSON"))?;
        Self::from_value(data)
    }

    /// The same, of an answer that was read as JSON.
    ///
    /// # Errors
    /// If a field that decides is missing or of another type.
    pub fn from_value(mut data: serde_json::Value) -> Result<Self, RoleError> {
        let unusable = |what: &str| RoleError {
            detail: what.to_owned(),
        };
        if let Some(inner) = data.get_mut("data") {
            data = inner.take();
        }
        for field in [
            "key_type",
            "allow_user_certificates",
            "allow_host_certificates",
            "allowed_users",
            "allow_user_key_ids",
            "allowed_extensions",
            "allowed_critical_options",
            "ttl",
            "max_ttl",
        ] {
            if data.get(field).is_none() {
                return Err(unusable(&format!("it has no `{field}`")));
            }
        }
        serde_json::from_value(data).map_err(|_| unusable("a field has another type than a role's"))
    }

    /// The longest time to live, in seconds.
    pub fn max_ttl(&self) -> u64 {
        match self.max_ttl {
            0 => SYSTEM_MAX_TTL,
            seconds => seconds,
        }
    }

    /// The key id of a request that names none, with its placeholders.
    pub fn made_key_id(&self) -> &str {
        match self.key_id_format.as_str() {
            "" => "vault-{{token_display_name}}-{{public_key_hash}}",
            format => format,
        }
    }

    /// What of it is filled in with who asks.
    pub(super) fn template(&self, aspect: Aspect) -> Option<String> {
        let (is_one, text) = match aspect {
            Aspect::Principals => (self.allowed_users_template, self.allowed_users.clone()),
            Aspect::DefaultUser => (self.default_user_template, self.default_user.clone()),
            Aspect::Extensions => (
                self.default_extensions_template,
                joined_pairs(&self.default_extensions.clone().unwrap_or_default()),
            ),
            _ => return None,
        };
        (is_one && text.contains("{{")).then_some(text)
    }

    pub(super) fn takes_any_key(&self) -> bool {
        self.lengths().next().is_none()
    }

    pub(super) fn rsa_algorithm(&self) -> &str {
        match self.algorithm_signer.as_str() {
            "" | "default" => "rsa-sha2-256",
            other => other,
        }
    }

    /// Every name that any of its lists holds.
    pub(super) fn names(&self) -> Names {
        let keys = |map: &Option<BTreeMap<String, String>>| -> Vec<String> {
            map.iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        let all = |list: &str, more: Vec<String>| listed(list).into_iter().chain(more).collect();
        Names {
            principals: all(
                &self.allowed_users,
                listed(&self.default_user).into_iter().collect(),
            ),
            extensions: all(&self.allowed_extensions, keys(&self.default_extensions)),
            critical_options: all(
                &self.allowed_critical_options,
                keys(&self.default_critical_options),
            ),
        }
    }

    pub(super) fn decide(&self, request: &Request) -> Answer {
        let aspects = [
            (Aspect::CertType, self.cert_type(request)),
            (Aspect::KeyTypes, self.key(request.key)),
            (Aspect::KeyId, self.key_id(request)),
            (Aspect::Principals, self.principals(request)),
            (Aspect::EmptyPrincipals, self.empty_principals(request)),
            (Aspect::DefaultUser, self.principals(request)),
            (Aspect::Ttl, self.ttl(request)),
            (Aspect::DefaultTtl, self.ttl(request)),
            (
                Aspect::Backdate,
                Ok(format!("{}s", self.not_before_duration)),
            ),
            (Aspect::Extensions, self.extensions(request)),
            (Aspect::CriticalOptions, self.critical_options(request)),
        ];
        Answer {
            aspects: aspects.into_iter().collect(),
        }
    }

    fn cert_type(&self, request: &Request) -> Result<String, Refused> {
        let allowed = match request.cert_type {
            CertType::User => self.allow_user_certificates,
            CertType::Host => self.allow_host_certificates,
        };
        only(allowed && self.key_type == "ca", request.cert_type.as_str())
    }

    fn lengths(&self) -> impl Iterator<Item = (&str, Vec<u64>)> {
        let lengths = self.allowed_user_key_lengths.iter().flatten();
        lengths.map(|(name, lengths)| {
            let lengths = match lengths {
                Lengths::One(one) => vec![*one],
                Lengths::Several(several) => several.clone(),
            };
            (name.as_str(), lengths)
        })
    }

    fn key(&self, key: Key) -> Result<String, Refused> {
        if self.takes_any_key() {
            return Ok(key.as_str().to_owned());
        }
        let (names, bits): (&[&str], u64) = match key {
            Key::Rsa(bits) => (&["rsa", "ssh-rsa"], bits),
            // A FIDO key counts as the plain key in it.
            Key::Ed25519 | Key::SkEd25519 => (&["ed25519", "ssh-ed25519"], 0),
            Key::Ecdsa(256) | Key::SkEcdsa => (&["ec", "ecdsa", "ecdsa-sha2-nistp256"], 256),
            Key::Ecdsa(384) => (&["ec", "ecdsa", "ecdsa-sha2-nistp384"], 384),
            Key::Ecdsa(bits) => (&["ec", "ecdsa", "ecdsa-sha2-nistp521"], bits),
        };
        let mut entries = self.lengths().filter(|(name, _)| names.contains(name));
        // Names of one size need no length beside them, but an empty list is none.
        let fits = entries.any(|(name, lengths)| match name {
            "rsa" | "ssh-rsa" | "ec" | "ecdsa" => lengths.contains(&bits),
            _ => !lengths.is_empty(),
        });
        only(fits, key.as_str())
    }

    fn key_id(&self, request: &Request) -> Result<String, Refused> {
        match request.key_id.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => only(self.allow_user_key_ids, id),
            None => Ok(self.made_key_id().to_owned()),
        }
    }

    /// The principals of the certificate: those asked for, or the default if none is named.
    fn asked(&self, request: &Request) -> BTreeSet<String> {
        match &request.principals {
            Some(named) => listed(&named.join(",")),
            None if request.cert_type == CertType::Host => BTreeSet::new(),
            None => listed(&self.default_user),
        }
    }

    fn principals(&self, request: &Request) -> Result<String, Refused> {
        let asked = self.asked(request);
        let whole = match request.cert_type {
            CertType::User => &self.allowed_users,
            CertType::Host => &self.allowed_domains,
        };
        let allowed = listed(whole);
        let fits = |name: &String| match request.cert_type {
            CertType::User => allowed.contains(name),
            CertType::Host => allowed.iter().any(|domain| {
                (self.allow_bare_domains && domain == name)
                    || (self.allow_subdomains && name.ends_with(&format!(".{domain}")))
            }),
        };
        only(whole == "*" || asked.iter().all(fits), &joined(&asked))
    }

    fn empty_principals(&self, request: &Request) -> Result<String, Refused> {
        let whole = match request.cert_type {
            CertType::User => &self.allowed_users,
            CertType::Host => &self.allowed_domains,
        };
        match self.asked(request).is_empty() {
            true => only(self.allow_empty_principals || whole == "*", "no-principals"),
            false => Ok("principals".to_owned()),
        }
    }

    fn ttl(&self, request: &Request) -> Result<String, Refused> {
        let longest = self.max_ttl();
        let or_system = |seconds: u64| {
            if seconds == 0 {
                SYSTEM_MAX_TTL
            } else {
                seconds
            }
        };
        match request.ttl {
            Some(asked) => only(
                or_system(asked) <= longest,
                &format!("{}s", or_system(asked)),
            ),
            None => Ok(format!("{}s", or_system(self.ttl).min(longest))),
        }
    }

    fn extensions(&self, request: &Request) -> Result<String, Refused> {
        if request.extensions.is_empty() {
            let defaults = self.default_extensions.clone().unwrap_or_default();
            return Ok(joined_pairs(&defaults));
        }
        let allowed: BTreeSet<&str> = self.allowed_extensions.split(',').collect();
        let fits = |name: &String| allowed.contains(name.as_str());
        let fits = self.allowed_extensions == "*" || request.extensions.iter().all(fits);
        only(fits, &joined(&request.extensions))
    }

    fn critical_options(&self, request: &Request) -> Result<String, Refused> {
        if request.critical_options.is_empty() {
            let defaults = self.default_critical_options.clone().unwrap_or_default();
            return Ok(joined_pairs(&defaults));
        }
        let allowed: BTreeSet<&str> = self.allowed_critical_options.split(',').collect();
        let fits = |name: &String| allowed.contains(name.as_str());
        let fits =
            self.allowed_critical_options.is_empty() || request.critical_options.keys().all(fits);
        only(fits, &joined_pairs(&request.critical_options))
    }
}

/// The names a signer knows.
pub(super) struct Names {
    pub(super) principals: BTreeSet<String>,
    pub(super) extensions: BTreeSet<String>,
    pub(super) critical_options: BTreeSet<String>,
}

fn only(holds: bool, value: &str) -> Result<String, Refused> {
    if holds {
        Ok(value.to_owned())
    } else {
        Err(Refused)
    }
}

/// The names in a list with commas, as the engine reads it.
fn listed(text: &str) -> BTreeSet<String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
