//! What was revoked between the decision and the record.
//!
//! - A decision rests on what is [known](RevocationSource::known) when it is made. Signing takes a
//!   while, so that is looked at again inside the journal's lock, at the moment of the record.
//! - Whoever revokes an actor looks for its certificates only after the journal was locked once. So
//!   a certificate stands in the journal before that look, or its signer sees the revocation.

use super::store::{parse, read_text};
use super::{Item, Noted, RevocationError, Revocations};
use crate::failure::{Class, Failure};
use crate::sign::SignedCertificate;
use std::ops::Deref;
use std::path::PathBuf;

/// What is revoked, known once and looked at again.
pub trait RevocationSource {
    /// What is revoked, as far as it is known.
    fn known(&self) -> &Revocations;

    /// What is revoked now, if that is no longer what is known.
    ///
    /// # Errors
    /// If it cannot be read any more.
    fn changed(&self) -> Result<Option<Revocations>, RevocationError>;
}

/// A value stays what it is.
impl RevocationSource for Revocations {
    fn known(&self) -> &Revocations {
        self
    }

    fn changed(&self) -> Result<Option<Revocations>, RevocationError> {
        Ok(None)
    }
}

/// What was revoked in a state directory when it was read.
#[derive(Debug)]
pub struct Loaded {
    state_dir: PathBuf,
    /// The file's content; `None` if there is no file, because nothing was ever revoked.
    text: Option<String>,
    revocations: Revocations,
}

impl Loaded {
    pub(super) fn read(state_dir: PathBuf) -> Result<Self, RevocationError> {
        let text = read_text(&state_dir)?;
        let revocations = parse(&state_dir, text.as_deref())?;
        Ok(Self {
            state_dir,
            text,
            revocations,
        })
    }
}

impl Deref for Loaded {
    type Target = Revocations;

    fn deref(&self) -> &Revocations {
        &self.revocations
    }
}

impl RevocationSource for Loaded {
    fn known(&self) -> &Revocations {
        self
    }

    fn changed(&self) -> Result<Option<Revocations>, RevocationError> {
        let text = read_text(&self.state_dir)?;
        // Comparing is cheap where reading the form of a long list is not.
        if text.is_some() && text == self.text {
            return Ok(None);
        }
        parse(&self.state_dir, text.as_deref()).map(Some)
    }
}

/// Why a certificate that is signed is not issued after all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Withdrawn {
    /// What the certificate is made of was revoked.
    #[error("{item} was revoked at {} while it was being signed: {}", noted.at, noted.why)]
    Revoked {
        /// The actor, the key or the CA.
        item: Item,
        /// When and why.
        noted: Noted,
    },
    /// What is revoked cannot be read any more.
    #[error("what is revoked is not known any more")]
    Unknown(#[source] RevocationError),
}

impl Failure for Withdrawn {
    fn class(&self) -> Class {
        match self {
            Self::Revoked { .. } => Class::Refused,
            Self::Unknown(error) => error.class(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Revoked { item, .. } => match item {
                Item::Actor(_) => "actor_revoked",
                Item::Ca(_) => "ca_revoked",
                _ => "key_revoked",
            },
            Self::Unknown(error) => error.reason(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Revoked { .. } => Vec::new(),
            Self::Unknown(error) => error.hints(),
        }
    }
}

/// Whether a certificate may still be issued, by what is revoked now.
pub(crate) fn still_good(
    signed: &SignedCertificate,
    by: &dyn RevocationSource,
) -> Result<(), Withdrawn> {
    let Some(now) = by.changed().map_err(Withdrawn::Unknown)? else {
        return Ok(());
    };
    let terms = signed.authorization();
    let actor = terms.holder().actor().cloned().map(Item::Actor);
    let key = Item::Key(terms.public_key().fingerprint().clone());
    let ca = Item::Ca(signed.ca_fingerprint());
    for item in actor.into_iter().chain([key, ca]) {
        if let Some(noted) = now.items.get(&item).cloned() {
            return Err(Withdrawn::Revoked { item, noted });
        }
    }
    Ok(())
}
