//! Why a request is denied: a fact about the request and the inventory, with both sides of it.

use crate::certificate::{CertType, Fingerprint, Principal, Principals, Ttl, UnixTime};
use crate::failure::{Class, Failure};
use crate::gate::GateRecord;
use crate::inventory::{ActorName, Defined, SourceDigest};
use crate::revocation::Noted;

/// A denied request: what was asked, and why it is not given.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    pub(super) actor: ActorName,
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
    /// The inventory does not know the actor.
    #[error("the inventory knows no actor `{actor}`")]
    UnknownActor {
        /// The name asked for.
        actor: ActorName,
    },
    /// The actor is revoked here.
    #[error("`{actor}` was revoked at {}: {}", noted.at, noted.why)]
    Revoked {
        /// The actor.
        actor: ActorName,
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
    #[error("`{actor}` is disabled")]
    Disabled {
        /// The actor.
        actor: ActorName,
    },
    /// The actor has ended.
    #[error("`{actor}` expired at {expired}; it is {now}")]
    Expired {
        /// The actor.
        actor: ActorName,
        /// When it ended.
        expired: UnixTime,
        /// The moment of the decision.
        now: UnixTime,
    },
    /// The key is not among those pinned.
    #[error("key {asked} is not one of the {pinned} pinned for `{actor}`")]
    KeyNotPinned {
        /// The actor.
        actor: ActorName,
        /// The key asked for.
        asked: Fingerprint,
        /// How many are pinned.
        pinned: usize,
    },
    /// A principal the actor does not have.
    #[error("principal `{asked}` is outside the bounds of `{actor}`")]
    PrincipalNotAllowed {
        /// The actor.
        actor: ActorName,
        /// The principal asked for.
        asked: Principal,
        /// The principals it may have.
        allowed: Principals,
    },
    /// A time to live above the actor's longest.
    #[error("a time to live of {asked} is over the longest for `{actor}`, {longest}")]
    TtlTooLong {
        /// The actor.
        actor: ActorName,
        /// The time asked for.
        asked: Ttl,
        /// The longest allowed.
        longest: Ttl,
    },
    /// A time to live below the actor's shortest.
    #[error("a time to live of {asked} is under the shortest for `{actor}`, {shortest}")]
    TtlTooShort {
        /// The actor.
        actor: ActorName,
        /// The time asked for.
        asked: Ttl,
        /// The shortest allowed.
        shortest: Ttl,
    },
    /// The policy gate said no.
    #[error("the policy gate denies `{actor}` to subject `{subject}`: {words}")]
    Gate {
        /// The actor.
        actor: ActorName,
        /// Whom the gate judged.
        subject: String,
        /// The gate's own words, cut.
        words: String,
    },
    /// A time to live that reaches beyond the actor's own end.
    #[error("a time to live of {asked} reaches beyond the end of `{actor}`, {expires}")]
    TtlBeyondExpiry {
        /// The actor.
        actor: ActorName,
        /// The time asked for.
        asked: Ttl,
        /// When the actor ends.
        expires: UnixTime,
    },
}

impl Denial {
    /// The actor asked for.
    pub fn actor(&self) -> &ActorName {
        &self.actor
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
            DenialReason::UnknownActor { .. } => "unknown_actor_resource",
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
            DenialReason::UnknownActor { .. } => {
                hints.push("`warden inventory list` names every actor".to_owned())
            }
            DenialReason::PrincipalNotAllowed { allowed, .. } => {
                hints.push(format!("this actor may have: {allowed}"))
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
            DenialReason::Revoked { actor, noted } => hints.push(format!(
                "journal record {} says so; `warden revoke --undo {actor} --reason TEXT` gives it back",
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
