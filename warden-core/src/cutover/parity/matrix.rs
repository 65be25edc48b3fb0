//! The requests that are put to both signers.
//!
//! - Each is the plain request with one thing changed, and says which.
//! - Names come from both signers' lists, beside the ones OpenSSH knows and one that nobody lists; times
//!   from both limits, each to the second and one second over.
//! - Requests that leave something out go to two roles only; the pipeline always names everything.

use super::{Aspect, Signer, joined, joined_pairs};
use crate::certificate::{CertType, Extension};
use crate::sign::openbao::roles::NO_CRITICAL_OPTION;
use std::collections::{BTreeMap, BTreeSet};

/// A name no signer is to list.
const UNLISTED: &str = "warden-unlisted";

/// A kind of public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Ed25519.
    Ed25519,
    /// ECDSA on the curve with this many bits.
    Ecdsa(u64),
    /// RSA of this many bits.
    Rsa(u64),
    /// Ed25519 in a FIDO key.
    SkEd25519,
    /// ECDSA in a FIDO key.
    SkEcdsa,
}

impl Key {
    /// All that are asked about.
    pub const ALL: [Self; 10] = [
        Self::Ed25519,
        Self::Ecdsa(256),
        Self::Ecdsa(384),
        Self::Ecdsa(521),
        Self::Rsa(1024),
        Self::Rsa(2048),
        Self::Rsa(3072),
        Self::Rsa(4096),
        Self::SkEd25519,
        Self::SkEcdsa,
    ];

    /// Its name in a fact.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa(256) => "ecdsa-256",
            Self::Ecdsa(384) => "ecdsa-384",
            Self::Ecdsa(_) => "ecdsa-521",
            Self::Rsa(1024) => "rsa-1024",
            Self::Rsa(2048) => "rsa-2048",
            Self::Rsa(3072) => "rsa-3072",
            Self::Rsa(_) => "rsa-4096",
            Self::SkEd25519 => "sk-ed25519",
            Self::SkEcdsa => "sk-ecdsa",
        }
    }

    /// Whether warden certifies it, as [`PublicKey`](crate::certificate::PublicKey) decides.
    pub(super) const fn is_certified(self) -> bool {
        !matches!(self, Self::Rsa(bits) if bits < 2048)
    }
}

/// A request as it reaches a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// User or host.
    pub cert_type: CertType,
    /// The key to certify.
    pub key: Key,
    /// The key id, if one is asked for.
    pub key_id: Option<String>,
    /// The principals; `None` if the request does not name any.
    pub principals: Option<Vec<String>>,
    /// The time to live in seconds, if one is asked for.
    pub ttl: Option<u64>,
    /// The extensions.
    pub extensions: BTreeSet<String>,
    /// The critical options.
    pub critical_options: BTreeMap<String, String>,
}

impl Request {
    /// A request that both signers should allow.
    pub(super) fn plain(old: &Signer, new: &Signer) -> Self {
        let (one, other) = (principals(old), principals(new));
        let both = one.intersection(&other).next().or(one.iter().next());
        Self {
            cert_type: CertType::User,
            key: Key::Ed25519,
            key_id: Some("warden-parity".to_owned()),
            principals: Some(both.cloned().into_iter().collect()),
            ttl: Some(longest(old).min(longest(new)).min(60)),
            extensions: BTreeSet::new(),
            critical_options: BTreeMap::new(),
        }
    }

    /// What it asks for in this aspect.
    pub(super) fn words(&self, aspect: Aspect) -> String {
        match aspect {
            Aspect::CertType => self.cert_type.to_string(),
            Aspect::KeyTypes => self.key.as_str().to_owned(),
            Aspect::Ttl => format!("{}s", self.ttl.unwrap_or(0)),
            Aspect::Extensions => joined(&self.extensions),
            Aspect::CriticalOptions => joined_pairs(&self.critical_options),
            Aspect::Principals | Aspect::EmptyPrincipals => {
                joined(self.principals.iter().flatten())
            }
            Aspect::KeyId => self.key_id.clone().unwrap_or_default(),
            _ => "nothing".to_owned(),
        }
    }
}

fn principals(signer: &Signer) -> BTreeSet<String> {
    match signer {
        Signer::Role(role) => role.names().principals,
        Signer::Inventory(definition) => definition.principals.clone(),
    }
}

fn longest(signer: &Signer) -> u64 {
    match signer {
        Signer::Role(role) => role.max_ttl(),
        Signer::Inventory(definition) => definition.max_ttl,
    }
}

fn extensions(signer: &Signer) -> BTreeSet<String> {
    match signer {
        Signer::Role(role) => role.names().extensions,
        Signer::Inventory(definition) => definition
            .extensions
            .iter()
            .map(|one| (*one).to_owned())
            .collect(),
    }
}

fn critical_options(signer: &Signer) -> BTreeSet<String> {
    match signer {
        Signer::Role(role) => role.names().critical_options,
        Signer::Inventory(definition) => {
            let names = definition.critical_options.iter();
            names.map(|one| (*one).to_owned()).collect()
        }
    }
}

/// Every request, with the aspect it varies.
pub fn matrix(old: &Signer, new: &Signer) -> Vec<(Aspect, Request)> {
    let plain = Request::plain(old, new);
    let mut requests = Vec::new();
    let mut add = |aspect, change: &dyn Fn(&mut Request)| {
        let mut request = plain.clone();
        change(&mut request);
        requests.push((aspect, request));
    };
    let of_both = |names: fn(&Signer) -> BTreeSet<String>| -> BTreeSet<String> {
        names(old).union(&names(new)).cloned().collect()
    };
    for cert_type in [CertType::User, CertType::Host] {
        add(Aspect::CertType, &|request| request.cert_type = cert_type);
    }
    for key in Key::ALL {
        add(Aspect::KeyTypes, &|request| request.key = key);
    }
    add(Aspect::KeyId, &|_| {});
    let names = of_both(principals);
    add(Aspect::Principals, &|request| {
        request.principals = Some(names.iter().filter(|name| *name != "*").cloned().collect());
    });
    for name in names
        .iter()
        .map(String::as_str)
        .chain([UNLISTED, "root", "*"])
    {
        add(Aspect::Principals, &|request| {
            request.principals = Some(vec![name.to_owned()]);
        });
    }
    add(Aspect::EmptyPrincipals, &|request| {
        request.principals = Some(Vec::new())
    });
    for limit in BTreeSet::from([longest(old), longest(new)]) {
        for ttl in [limit, limit.saturating_add(1)] {
            add(Aspect::Ttl, &|request| request.ttl = Some(ttl));
        }
    }
    add(Aspect::Ttl, &|request| request.ttl = Some(1));
    add(Aspect::Backdate, &|_| {});
    add(Aspect::Extensions, &|_| {});
    let known = Extension::ALL.map(|one| one.as_str().to_owned());
    let names = of_both(extensions).into_iter().chain(known);
    for name in names.chain([UNLISTED.to_owned()]).collect::<BTreeSet<_>>() {
        add(Aspect::Extensions, &|request| {
            request.extensions = BTreeSet::from([name.clone()]);
        });
    }
    add(Aspect::CriticalOptions, &|_| {});
    let known = [
        "force-command",
        "source-address",
        "verify-required",
        UNLISTED,
    ];
    let names = of_both(critical_options)
        .into_iter()
        .chain(known.map(str::to_owned));
    // That name stands in a list for none, since an empty one means any.
    let names = names.filter(|name| name != NO_CRITICAL_OPTION);
    for name in names.collect::<BTreeSet<_>>() {
        let value = match name.as_str() {
            "source-address" => "192.0.2.0/24",
            "verify-required" => "",
            _ => "/bin/true",
        };
        add(Aspect::CriticalOptions, &|request| {
            request.critical_options = BTreeMap::from([(name.clone(), value.to_owned())]);
        });
    }
    if old.role().is_some() && new.role().is_some() {
        add(Aspect::KeyId, &|request| request.key_id = None);
        add(Aspect::DefaultUser, &|request| request.principals = None);
        add(Aspect::DefaultTtl, &|request| request.ttl = None);
    }
    requests
}
