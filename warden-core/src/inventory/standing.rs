//! What the inventory says about one name: the most that may ever be certified for it.

use super::actor::{Actor, ActorName, Defined};
use super::digest::SourceDigest;
use super::host::{Host, HostName};
use crate::certificate::{
    CertType, CriticalOptions, Extensions, Fingerprint, Principals, Ttl, UnixTime,
};
use std::fmt;

/// Whom a certificate names. Its text is the certificate's key id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    /// An actor, in a user certificate.
    Actor(ActorName),
    /// A host, in a host certificate.
    Host(HostName),
}

impl Holder {
    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Actor(name) => name.as_str(),
            Self::Host(name) => name.as_str(),
        }
    }

    /// User for an actor, host for a host.
    pub fn cert_type(&self) -> CertType {
        match self {
            Self::Actor(_) => CertType::User,
            Self::Host(_) => CertType::Host,
        }
    }

    /// The actor's name, if it is one.
    pub fn actor(&self) -> Option<&ActorName> {
        match self {
            Self::Actor(name) => Some(name),
            Self::Host(_) => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<ActorName> for Holder {
    fn from(name: ActorName) -> Self {
        Self::Actor(name)
    }
}

impl From<HostName> for Holder {
    fn from(name: HostName) -> Self {
        Self::Host(name)
    }
}

/// What the inventory says about one name.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What it is; `None` if the inventory does not know the name.
    pub entry: Option<Entry>,
    /// The digest of the files this was read from.
    pub source_digest: SourceDigest,
}

/// Something a certificate may be made for.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An actor.
    Actor(Actor),
    /// A host.
    Host(Host),
}

impl Standing {
    /// The actor, if it is one.
    pub fn actor(&self) -> Option<&Actor> {
        match &self.entry {
            Some(Entry::Actor(actor)) => Some(actor),
            _ => None,
        }
    }

    /// Where it is defined.
    pub fn place(&self) -> Option<&Defined> {
        self.entry.as_ref().map(|entry| match entry {
            Entry::Actor(actor) => actor.place(),
            Entry::Host(host) => host.place(),
        })
    }

    /// The bounds of `holder`, if it is what this is about.
    pub(crate) fn bounds_of(&self, holder: &Holder) -> Option<Bounds<'_>> {
        match (self.entry.as_ref()?, holder) {
            (Entry::Actor(actor), Holder::Actor(name)) if actor.name() == name => {
                Some(Bounds::of_actor(actor))
            }
            (Entry::Host(host), Holder::Host(name)) if host.name() == name => {
                Some(Bounds::of_host(host))
            }
            _ => None,
        }
    }
}

/// The most that may be certified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) principals: &'a Principals,
    pub(crate) ttl: Ttl,
    pub(crate) max_ttl: Ttl,
    pub(crate) min_ttl: Option<Ttl>,
    pub(crate) extensions: &'a Extensions,
    pub(crate) critical_options: &'a CriticalOptions,
    pub(crate) public_keys: Option<&'a [Fingerprint]>,
    pub(crate) disabled: bool,
    pub(crate) expires: Option<UnixTime>,
}

/// A host certificate has no extensions and no options: there are none for it, and ssh refuses any.
static NO_EXTENSIONS: Extensions = Extensions::new();
static NO_OPTIONS: CriticalOptions = CriticalOptions {
    force_command: None,
    source_address: None,
    verify_required: false,
};

impl<'a> Bounds<'a> {
    fn of_actor(actor: &'a Actor) -> Self {
        Self {
            principals: actor.principals(),
            ttl: actor.ttl(),
            max_ttl: actor.max_ttl(),
            min_ttl: actor.min_ttl(),
            extensions: actor.extensions(),
            critical_options: actor.critical_options(),
            public_keys: actor.public_keys(),
            disabled: actor.disabled(),
            expires: actor.expires(),
        }
    }

    fn of_host(host: &'a Host) -> Self {
        Self {
            principals: host.names(),
            ttl: host.ttl(),
            max_ttl: host.max_ttl(),
            min_ttl: None,
            extensions: &NO_EXTENSIONS,
            critical_options: &NO_OPTIONS,
            public_keys: None,
            disabled: false,
            expires: None,
        }
    }
}
