//! What is revoked: actors, keys, CAs, and single certificates.
//!
//! - A value. Bounds are given one; who keeps it on disk is `store`'s business.
//! - Every change is a [`Step`], recorded in the journal before it counts, so that the journal alone
//!   gives the value back.
//! - A certificate revoked with its actor and one revoked for itself are two items: undoing the one
//!   leaves the other.

mod error;
mod item;
mod meanwhile;
mod store;

pub use error::RevocationError;
pub use item::{Item, Step, Why, WhyError};
pub(crate) use meanwhile::still_good;
pub use meanwhile::{Loaded, RevocationSource, Withdrawn};
pub use store::{
    Done, MAX_REVOCATIONS_BYTES, Target, Unread, load, load_mended, mend, revoke, undo,
};

use crate::certificate::{CaPublicKey, Fingerprint, Parsed, Serial, UnixTime};
use crate::failure::{Class, Failure};
use crate::host::krl::Krl;
use crate::inventory::ActorName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long after its end a certificate still counts as valid, in seconds: for hosts whose clocks
/// are behind.
pub const CLOCK_MARGIN_SECONDS: u64 = 3600;

/// How long after its end a certificate is still kept as revoked, in seconds: for a clock that once
/// was ahead.
const KEPT_SECONDS: u64 = 30 * 24 * 3600;

/// Everything that is revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// The number of the last record that is in here.
    through: u64,
    items: BTreeMap<Item, Noted>,
}

/// What is known about an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Why it was revoked, in somebody's own words.
    pub why: Why,
    /// When.
    pub at: UnixTime,
    /// The record that says so.
    pub seq: u64,
}

/// Serials are revoked of a CA whose key is not among those given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificates of CA {fingerprint} are revoked, and its public key is not at hand")]
pub struct UnknownCa {
    /// The CA.
    pub fingerprint: Fingerprint,
}

impl Failure for UnknownCa {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        "krl_ca_unknown"
    }

    fn hints(&self) -> Vec<String> {
        vec!["name the file with that key: --ca-key FILE".to_owned()]
    }
}

impl Revocations {
    /// Nothing revoked.
    pub const fn none() -> Self {
        Self {
            through: 0,
            items: BTreeMap::new(),
        }
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The number of the last journal record that is in here.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// Every item, in order.
    pub fn items(&self) -> impl Iterator<Item = (&Item, &Noted)> {
        self.items.iter()
    }

    /// Whether an actor is revoked.
    pub fn actor(&self, actor: &ActorName) -> Option<&Noted> {
        self.items.get(&Item::Actor(actor.clone()))
    }

    /// Whether a key is revoked.
    pub fn key(&self, key: &Fingerprint) -> Option<&Noted> {
        self.items.get(&Item::Key(key.clone()))
    }

    /// Whether a CA is revoked.
    pub fn ca(&self, ca: &Fingerprint) -> Option<&Noted> {
        self.items.get(&Item::Ca(ca.clone()))
    }

    /// The item that revokes a certificate: its key, itself, or its CA.
    pub fn revokes(&self, certificate: &Parsed) -> Option<(&Item, &Noted)> {
        let (key, ca) = (
            certificate.public_key_fingerprint(),
            certificate.ca_fingerprint(),
        );
        let key = self.items.get_key_value(&Item::Key(key));
        let itself = Serial::new(certificate.serial()).and_then(|serial| {
            self.items
                .iter()
                .find(|(item, _)| item.is_certificate(&ca, serial))
        });
        key.or(itself)
            .or_else(|| self.items.get_key_value(&Item::Ca(ca.clone())))
    }

    /// The item that revokes a plain key.
    pub fn revokes_key(&self, key: &Fingerprint) -> Option<(&Item, &Noted)> {
        self.items.get_key_value(&Item::Key(key.clone()))
    }

    /// The CAs of which single certificates are revoked that are still valid at `now`.
    pub fn cas_of_certificates(&self, now: UnixTime) -> BTreeSet<Fingerprint> {
        self.certificates(now).map(|(ca, _)| ca.clone()).collect()
    }

    /// The list for hosts, at the moment `now`: certificates by serial and CA, keys and CAs by
    /// fingerprint. Certificates whose end is [`CLOCK_MARGIN_SECONDS`] past are left out, and so are
    /// actors: they have no mark in a certificate that only they have. `cas` are the CAs' keys.
    ///
    /// # Errors
    /// If certificates of a CA are revoked whose key is not in `cas`.
    pub fn krl(&self, now: UnixTime, version: u64, cas: &[CaPublicKey]) -> Result<Krl, UnknownCa> {
        let comment = format!("{COMMENT}{}", self.through);
        let mut krl = Krl::new(version, now, &comment);
        let mut serials: BTreeMap<&Fingerprint, Vec<Serial>> = BTreeMap::new();
        for (ca, serial) in self.certificates(now) {
            serials.entry(ca).or_default().push(serial);
        }
        for (fingerprint, serials) in serials {
            let ca = cas.iter().find(|ca| ca.fingerprint() == fingerprint);
            let fingerprint = fingerprint.clone();
            krl.revoke_serials(Some(ca.ok_or(UnknownCa { fingerprint })?), serials);
        }
        for item in self.items.keys() {
            if let Item::Key(fingerprint) | Item::Ca(fingerprint) = item {
                krl.revoke_fingerprint(fingerprint);
            }
        }
        Ok(krl)
    }

    /// The journal record through which a list was made that [`Revocations::krl`] gave.
    pub fn through_of(krl: &Krl) -> Option<u64> {
        krl.comment().strip_prefix(COMMENT)?.parse().ok()
    }

    fn certificates(&self, now: UnixTime) -> impl Iterator<Item = (&Fingerprint, Serial)> {
        self.items.keys().filter_map(move |item| match item {
            Item::Certificate { ca, serial, .. } if item.counts_at(now) => Some((ca, *serial)),
            _ => None,
        })
    }

    /// What a step changes: items that are not in here yet, or, for an undoing, that are.
    fn apply(&mut self, step: &Step, at: UnixTime, seq: u64) {
        for item in &step.items {
            if step.undo {
                self.items.remove(item);
            } else {
                let why = step.why.clone();
                let noted = Noted { why, at, seq };
                self.items.entry(item.clone()).or_insert(noted);
            }
        }
        self.through = self.through.max(seq);
    }

    /// Forgets certificates that ended long ago.
    fn drop_expired(&mut self, now: UnixTime) {
        let then = now.minus(KEPT_SECONDS);
        self.items.retain(|item, _| item.counts_at(then));
    }
}

/// How the comment of a list begins; the number of the record follows.
const COMMENT: &str = "warden, through journal record ";

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelt {
    v: u32,
    through: u64,
    revoked: Vec<SpeltItem>,
}

#[derive(Serialize, Deserialize)]
struct SpeltItem {
    #[serde(flatten)]
    item: Item,
    why: Why,
    at: String,
    seq: u64,
}

impl Revocations {
    /// The content of the revocation file.
    pub fn to_json(&self) -> String {
        let revoked = self.items.iter().map(|(item, noted)| SpeltItem {
            item: item.clone(),
            why: noted.why.clone(),
            at: noted.at.to_string(),
            seq: noted.seq,
        });
        let spelt = Spelt {
            v: 1,
            through: self.through,
            revoked: revoked.collect(),
        };
        // Strings and numbers always have a form; a content that had none would not read back.
        serde_json::to_string(&spelt).unwrap_or_default() + "\n"
    }

    /// Reads the content of a revocation file.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let spelt: Spelt = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if spelt.v != 1 {
            return Err(format!("found version {}, expected 1", spelt.v));
        }
        let mut items = BTreeMap::new();
        for SpeltItem { item, why, at, seq } in spelt.revoked {
            let at = UnixTime::parse(&at).ok_or_else(|| "`at` is not a time".to_owned())?;
            if items.insert(item, Noted { why, at, seq }).is_some() {
                return Err("an item stands there twice".to_owned());
            }
        }
        Ok(Self {
            through: spelt.through,
            items,
        })
    }
}
