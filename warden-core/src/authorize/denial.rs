//! Why a request is denied: a fact about the request and the inventory, with both sides of it.

use crate::certificate::{CertType, Fingerprint, Principal, Principals, Ttl, UnixTime};
use crate::failure::{Class, Failure};
use crate::gate::GateRecord;
use crate::inventory::{Defined, Holder, SourceDigest};
use crate::revocation::Noted;

/// A denied request: what was asked, and why it is not given.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    pub(super) holder: Holder,
    pub(super) cert_type: CertType,
    pub(super) public_key: Fingerprint,
    pub(super) principals: Option<Principals>,
    pub(super) ttl: Option<Ttl>,
    pub(super) source_digest: SourceDigest,
    pub(super) place: Option<Defined>,
    pub(super) reason: DenialReason,
    pub(super) gate: Option<GateRecord>,
}

/// The fact a denial rests on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DenialReason {
    /// The inventory does not know the actor or host.
    #[error("the inventory knows no {} `{holder}`", kind(holder))]
    Unknown {
        /// The name asked for.
        holder: Holder,
    },
    /// The actor is revoked here.
    #[error("`{holder}` was revoked at {}: {}", noted.at, noted.why)]
    Revoked {
        /// The actor.
        holder: Holder,
        /// When and why.
        noted: Noted,
    },
    /// The key is revoked here.
    #[error("key {key} was revoked at {}: {}", noted.at, noted.why)]
    KeyRevoked {
        /// The key asked for.
        key: Fingerprint,
        /// When and why.
        noted: Noted,
    },
    /// The actor is switched off.
    #[error("`{holder}` is disabled")]
    Disabled {
        /// Whom it was for.
        holder: Holder,
    },
    /// The actor has ended.
    #[error("`{holder}` expired at {expired}; it is {now}")]
    Expired {
        /// Whom it was for.
        holder: Holder,
        /// When it ended.
        expired: UnixTime,
        /// The moment of the decision.
        now: UnixTime,
    },
    /// The key is not among those pinned.
    #[error("key {asked} is not one of the {pinned} pinned for `{holder}`")]
    KeyNotPinned {
        /// Whom it was for.
        holder: Holder,
        /// The key asked for.
        asked: Fingerprint,
        /// How many are pinned.
        pinned: usize,
    },
    /// A principal the actor does not have.
    #[error("principal `{asked}` is outside the bounds of `{holder}`")]
    PrincipalNotAllowed {
        /// Whom it was for.
        holder: Holder,
        /// The principal asked for.
        asked: Principal,
        /// The principals it may have.
        allowed: Principals,
    },
    /// A time to live above the actor's longest.
    #[error("a time to live of {asked} is over the longest for `{holder}`, {longest}")]
    TtlTooLong {
        /// Whom it was for.
        holder: Holder,
        /// The time asked for.
        asked: Ttl,
        /// The longest allowed.
        longest: Ttl,
    },
    /// A time to live below the actor's shortest.
    #[error("a time to live of {asked} is under the shortest for `{holder}`, {shortest}")]
    TtlTooShort {
        /// Whom it was for.
        holder: Holder,
        /// The time asked for.
        asked: Ttl,
        /// The shortest allowed.
        shortest: Ttl,
    },
    /// The policy gate said no.
    #[error("the policy gate denies `{holder}` to subject `{subject}`: {words}")]
    Gate {
        /// Whom it was for.
        holder: Holder,
        /// Whom the gate judged.
        subject: String,
        /// The gate's own words, cut.
        words: String,
    },
    /// A time to live that reaches beyond the actor's own end.
    #[error("a time to live of {asked} reaches beyond the end of `{holder}`, {expires}")]
    TtlBeyondExpiry {
        /// Whom it was for.
        holder: Holder,
        /// The time asked for.
        asked: Ttl,
        /// When the actor ends.
        expires: UnixTime,
    },
}

fn kind(holder: &Holder) -> &'static str {
    match holder {
        Holder::Actor(_) => "actor",
        Holder::Host(_) => "host",
    }
}

impl Denial {
    /// Whom the certificate was to name.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The fact the denial rests on.
    pub fn why(&self) -> &DenialReason {
        &self.reason
    }

    /// User or host.
    pub fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// The key asked for.
    pub fn public_key(&self) -> &Fingerprint {
        &self.public_key
    }

    /// The principals asked for, if any were named.
    pub fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// The time to live asked for, if one was named.
    pub fn ttl(&self) -> Option<Ttl> {
        self.ttl
    }

    /// What the gate had to do with it, if it was asked.
    pub fn gate(&self) -> Option<&GateRecord> {
        self.gate.as_ref()
    }

    /// The digest of the inventory files the decision was read from.
    pub fn source_digest(&self) -> SourceDigest {
        self.source_digest
    }
}

impl Failure for Denial {
    fn class(&self) -> Class {
        Class::Refused
    }

    fn reason(&self) -> &'static str {
        match self.reason {
            DenialReason::Unknown {
                holder: Holder::Actor(_),
            } => "unknown_actor_resource",
            DenialReason::Unknown {
                holder: Holder::Host(_),
            } => "unknown_host",
            DenialReason::Gate { .. } => "gate_denied",
            DenialReason::Revoked { .. } => "actor_revoked",
            DenialReason::KeyRevoked { .. } => "key_revoked",
            DenialReason::Disabled { .. } => "actor_disabled",
            DenialReason::Expired { .. } => "actor_expired",
            DenialReason::KeyNotPinned { .. } => "key_not_pinned",
            DenialReason::PrincipalNotAllowed { .. } => "principal_not_allowed",
            DenialReason::TtlTooLong { .. }
            | DenialReason::TtlTooShort { .. }
            | DenialReason::TtlBeyondExpiry { .. } => "ttl_out_of_bounds",
        }
    }

    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        match &self.reason {
            DenialReason::Unknown { holder } => hints.push(match holder {
                Holder::Actor(_) => "`warden inventory list` names every actor".to_owned(),
                Holder::Host(name) => {
                    format!("hosts/{name}.toml in the inventory would be its file")
                }
            }),
            DenialReason::PrincipalNotAllowed { allowed, .. } => {
                hints.push(format!("it may have: {allowed}"))
            }
            DenialReason::TtlTooLong { longest, .. } => {
                hints.push(format!("ask for at most --ttl {longest}"))
            }
            DenialReason::TtlTooShort { shortest, .. } => {
                hints.push(format!("ask for at least --ttl {shortest}"))
            }
            DenialReason::TtlBeyondExpiry { .. } => {
                hints.push(
                    "leave --ttl out: the default is shortened to the actor's end".to_owned(),
                );
            }
            DenialReason::KeyNotPinned { .. } => {
                hints.push("use a pinned key, or have this one added to `public_keys`".to_owned());
            }
            DenialReason::Revoked { holder, noted } => hints.push(format!(
                "journal record {} says so; `warden revoke --undo {holder} --reason TEXT` gives it back",
                noted.seq
            )),
            DenialReason::KeyRevoked { noted, .. } => hints.push(format!(
                "journal record {} says so; make a new key: ssh-keygen -t ed25519 -f KEY",
                noted.seq
            )),
            DenialReason::Gate { .. } => {
                let id = self
                    .gate
                    .as_ref()
                    .and_then(|gate| gate.answer.as_ref().ok())
                    .and_then(|answer| answer.decision_id.clone());
                hints.extend(id.map(|id| format!("the gate's decision is {id}")));
                hints.push("`warden gate check` asks the gate alone".to_owned());
            }
            DenialReason::Disabled { .. } | DenialReason::Expired { .. } => {}
        }
        if let Some(Defined {
            file,
            principals_line,
        }) = &self.place
        {
            match self.reason {
                DenialReason::PrincipalNotAllowed { .. } => {
                    hints.push(format!("bounds are set in {file}:{principals_line}"))
                }
                _ => hints.push(format!("bounds are set in {file}")),
            }
        }
        hints
    }
}
