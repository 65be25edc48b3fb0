//! Compares two signers: whether they decide alike, and whether their certificates are alike.
//!
//! - Decision parity is a generated matrix of good and bad requests, put to a role as the engine would
//!   decide it ([`Role`]) and to the inventory, or to two roles. Wording is ignored, the answer counts.
//! - Each request varies one thing, and only the answer about that thing is compared. So one
//!   difference between two signers is one finding, under the name of what differs.
//! - Certificate parity compares two certificates, or those that two backends sign now for a key that
//!   nobody has.
//! - What cannot be compared is skipped, and says why. A comparison without a single pass is not ready.

mod certificates;
mod live;
mod matrix;
mod role;

pub use certificates::{Known, certificates};
pub use live::{MAX_LIVE_SECONDS, live};
pub use matrix::{Key, Request, matrix};
pub use role::{Role, RoleError, SYSTEM_MAX_TTL};

use super::check::{Check, Report};
use crate::certificate::{BACKDATE_SECONDS, CertType, Fingerprint};
use crate::sign::openbao::roles::RoleDefinition;
use std::collections::{BTreeMap, BTreeSet};

/// What two signers may differ in. Each has one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// User or host certificates.
    CertType,
    /// Which public keys are certified.
    KeyTypes,
    /// The key id.
    KeyId,
    /// The principals.
    Principals,
    /// Certificates without principals.
    EmptyPrincipals,
    /// The principals of a request that names none.
    DefaultUser,
    /// The longest time to live.
    Ttl,
    /// The time to live of a request that names none.
    DefaultTtl,
    /// How long before its signature a certificate begins.
    Backdate,
    /// The extensions.
    Extensions,
    /// The critical options.
    CriticalOptions,
    /// The algorithm of the signature.
    Algorithm,
    /// The serial.
    Serial,
    /// The CA.
    Ca,
}

impl Aspect {
    /// All, in the order of a report.
    pub const ALL: [Self; 14] = [
        Self::CertType,
        Self::KeyTypes,
        Self::KeyId,
        Self::Principals,
        Self::EmptyPrincipals,
        Self::DefaultUser,
        Self::Ttl,
        Self::DefaultTtl,
        Self::Backdate,
        Self::Extensions,
        Self::CriticalOptions,
        Self::Algorithm,
        Self::Serial,
        Self::Ca,
    ];

    /// The code of its finding.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CertType => "parity_cert_type",
            Self::KeyTypes => "parity_key_types",
            Self::KeyId => "parity_key_id",
            Self::Principals => "parity_principals",
            Self::EmptyPrincipals => "parity_empty_principals",
            Self::DefaultUser => "parity_default_user",
            Self::Ttl => "parity_ttl",
            Self::DefaultTtl => "parity_default_ttl",
            Self::Backdate => "parity_backdate",
            Self::Extensions => "parity_extensions",
            Self::CriticalOptions => "parity_critical_options",
            Self::Algorithm => "parity_algorithm",
            Self::Serial => "parity_serial",
            Self::Ca => "parity_ca",
        }
    }
}

/// Someone who signs, as far as it can be known without asking.
#[derive(Debug)]
pub enum Signer {
    /// A role of the engine.
    Role(Box<Role>),
    /// The local CA behind the inventory: what the actors of one role are given.
    Inventory(RoleDefinition),
}

/// What a plan expects of the two, where they are meant to differ.
#[derive(Debug, Default)]
pub struct Expected {
    /// The old signer's CA.
    pub old_ca: Option<Fingerprint>,
    /// The new signer's CA.
    pub new_ca: Option<Fingerprint>,
    /// The key id that the old signer's role makes, as its `key_id_format`.
    pub old_key_id: Option<String>,
    /// The key id that the new signer's role makes.
    pub new_key_id: Option<String>,
}

/// What a signer says to a request: for each aspect a refusal or what the certificate would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    aspects: BTreeMap<Aspect, Result<String, Refused>>,
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Answer {
    /// Whether a certificate would be signed.
    pub fn allows(&self) -> bool {
        self.aspects.values().all(Result::is_ok)
    }

    /// The answer about one aspect: what the certificate would have, or `refused`.
    pub fn about(&self, aspect: Aspect) -> &str {
        match self.aspects.get(&aspect) {
            Some(Ok(value)) => value,
            _ => "refused",
        }
    }
}

impl Signer {
    /// Decides a request.
    pub fn decide(&self, request: &Request) -> Answer {
        match self {
            Self::Role(role) => role.decide(request),
            Self::Inventory(definition) => given(definition, request),
        }
    }

    fn role(&self) -> Option<&Role> {
        match self {
            Self::Role(role) => Some(role),
            Self::Inventory(_) => None,
        }
    }
}

/// What the inventory gives the actors of a role.
fn given(definition: &RoleDefinition, request: &Request) -> Answer {
    let only = |holds: bool, value: String| if holds { Ok(value) } else { Err(Refused) };
    let asked = request.principals.iter().flatten();
    let principals: BTreeSet<&String> = asked.collect();
    let of_user = principals
        .iter()
        .all(|one| definition.principals.contains(*one));
    let extensions = request.extensions.iter();
    let within = extensions
        .clone()
        .all(|name| definition.extensions.contains(name.as_str()));
    let options = request
        .critical_options
        .keys()
        .all(|name| definition.critical_options.contains(name.as_str()));
    let ttl = request.ttl.unwrap_or(0);
    let aspects = [
        (
            Aspect::CertType,
            only(
                request.cert_type == CertType::User,
                request.cert_type.to_string(),
            ),
        ),
        (
            Aspect::KeyTypes,
            only(request.key.is_certified(), request.key.as_str().to_owned()),
        ),
        (
            Aspect::KeyId,
            Ok(request.key_id.clone().unwrap_or_default()),
        ),
        (Aspect::Principals, only(of_user, joined(principals.iter()))),
        (
            Aspect::EmptyPrincipals,
            only(!principals.is_empty(), "principals".to_owned()),
        ),
        (
            Aspect::Ttl,
            only((1..=definition.max_ttl).contains(&ttl), format!("{ttl}s")),
        ),
        (Aspect::Backdate, Ok(format!("{BACKDATE_SECONDS}s"))),
        (Aspect::Extensions, only(within, joined(extensions))),
        (
            Aspect::CriticalOptions,
            only(options, joined_pairs(&request.critical_options)),
        ),
    ];
    Answer {
        aspects: aspects.into_iter().collect(),
    }
}

/// A list as one fact; `none` if it is empty.
fn joined(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|one| one.as_ref().to_owned())
        .collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(","),
    }
}

fn joined_pairs(map: &BTreeMap<String, String>) -> String {
    joined(map.iter().map(|(name, value)| match value.is_empty() {
        true => name.clone(),
        false => format!("{name}={value}"),
    }))
}

/// Puts the whole matrix to both, and compares what they say.
pub fn decisions(old: &Signer, new: &Signer, expected: &Expected) -> Report {
    let requests = matrix(old, new);
    Aspect::ALL
        .into_iter()
        .map(|aspect| match aspect {
            Aspect::KeyId if expected.old_key_id.is_some() || expected.new_key_id.is_some() => {
                made_key_id(old, new, expected)
            }
            Aspect::Algorithm => algorithm(old, new),
            Aspect::Serial | Aspect::Ca => Check::skip(aspect.code(), "no_certificate"),
            _ => match (template(old, aspect), template(new, aspect)) {
                (None, None) => decision(old, new, aspect, &requests),
                (one, other) if one == other => Check::skip(aspect.code(), "depends_on_who_asks"),
                _ => Check::fail(aspect.code()).with("why", "depends-on-who-asks"),
            },
        })
        .collect()
}

fn template(signer: &Signer, aspect: Aspect) -> Option<String> {
    signer.role().and_then(|role| role.template(aspect))
}

fn decision(old: &Signer, new: &Signer, aspect: Aspect, requests: &[(Aspect, Request)]) -> Check {
    let mut asked = 0;
    let mut differing = Vec::new();
    for (_, request) in requests.iter().filter(|(of, _)| *of == aspect) {
        asked += 1;
        let (one, other) = (old.decide(request), new.decide(request));
        if one.about(aspect) != other.about(aspect) {
            differing.push((
                request,
                one.about(aspect).to_owned(),
                other.about(aspect).to_owned(),
            ));
        }
    }
    let code = aspect.code();
    let Some((request, one, other)) = differing.first() else {
        return match asked {
            // The pipeline names everything, so an inventory never answers for what was left out.
            0 => Check::skip(code, "always_named"),
            _ => Check::pass(code).with("requests", asked),
        };
    };
    // A role without a list of key types certifies any key. The pipeline judges keys before any
    // signer, and that is the one difference a sound role has.
    let unlisted = |signer: &Signer| signer.role().is_some_and(Role::takes_any_key);
    let is_roles_own = aspect == Aspect::KeyTypes
        && (new.role().is_none() && unlisted(old) || old.role().is_none() && unlisted(new));
    match is_roles_own {
        true => Check::warn(code),
        false => Check::fail(code),
    }
    .with("asked", request.words(aspect))
    .with("old", one)
    .with("new", other)
    .with("differing", differing.len())
    .with("requests", asked)
}

/// A role makes the key id that is expected of it, and a signer that makes none takes the one it is given.
fn made_key_id(old: &Signer, new: &Signer, expected: &Expected) -> Check {
    let named = Request::plain(old, new);
    let unnamed = Request {
        key_id: None,
        ..named.clone()
    };
    let of = |signer: &Signer, made: &Option<String>| {
        let request = if made.is_some() { &unnamed } else { &named };
        let wanted = made.as_deref().or(named.key_id.as_deref());
        let found = signer.decide(request).about(Aspect::KeyId).to_owned();
        (Some(found.as_str()) == wanted, found)
    };
    let (holds, one) = of(old, &expected.old_key_id);
    let (also, other) = of(new, &expected.new_key_id);
    Check::of(holds && also, Aspect::KeyId.code())
        .with("old", one)
        .with("new", other)
}

/// The algorithms of both are told; SHA-1 is none that sshd takes.
fn algorithm(old: &Signer, new: &Signer) -> Check {
    let of = |signer: &Signer| {
        signer
            .role()
            .map_or("rsa-sha2-512", Role::rsa_algorithm)
            .to_owned()
    };
    told(Aspect::Algorithm.code(), &of(old), &of(new))
}

fn told(code: &'static str, old: &str, new: &str) -> Check {
    Check::of(old != "ssh-rsa" && new != "ssh-rsa", code)
        .with("old", old)
        .with("new", new)
}

#[cfg(test)]
mod tests;
