//! What a list says about a key or a certificate, in the order of sshd's own questions.

use super::{Krl, RevokedCertificates};
use crate::certificate::{Fingerprint, Parsed, PublicKey, key_blob};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use ssh_key::public::KeyData;
use std::fmt;

/// The entry that revokes a key or certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The key itself.
    SubjectKey {
        /// The key.
        fingerprint: Fingerprint,
        /// How it is listed.
        listed: Listed,
    },
    /// The key id, among those of the CA or of every CA.
    KeyId {
        /// The key id.
        key_id: String,
        /// The CA the entry is of; `None` for every CA.
        ca: Option<Fingerprint>,
    },
    /// The serial, alone or in a run.
    Serial {
        /// The certificate's serial.
        serial: u64,
        /// The first serial of the run it is in.
        first: u64,
        /// The last.
        last: u64,
        /// The CA the entry is of; `None` for every CA.
        ca: Option<Fingerprint>,
    },
    /// The key of the CA that signed.
    CaKey {
        /// The CA's key.
        fingerprint: Fingerprint,
        /// How it is listed.
        listed: Listed,
    },
}

/// How a key is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// By its SHA-1.
    Sha1,
    /// By its SHA-256.
    Sha256,
    /// Whole.
    Explicit,
}

impl Revoked {
    /// One word for what matched.
    pub fn matched(&self) -> &'static str {
        match self {
            Self::SubjectKey { .. } => "subject_key",
            Self::KeyId { .. } => "key_id",
            Self::Serial { first, last, .. } if first < last => "range",
            Self::Serial { .. } => "serial",
            Self::CaKey { .. } => "ca_key",
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "by its SHA-1",
            Self::Sha256 => "by its SHA-256",
            Self::Explicit => "as a whole key",
        })
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |ca: &Option<Fingerprint>| match ca {
            Some(ca) => format!("CA {ca}"),
            None => "every CA".to_owned(),
        };
        match self {
            Self::SubjectKey {
                fingerprint,
                listed,
            } => write!(f, "key {fingerprint} is listed {listed}"),
            Self::KeyId { key_id, ca } => write!(f, "key id `{key_id}` of {} is listed", of(ca)),
            Self::Serial {
                serial,
                first,
                last,
                ca,
            } if first < last => {
                write!(
                    f,
                    "serial {serial} of {} is in the range {first}-{last}",
                    of(ca)
                )
            }
            Self::Serial { serial, ca, .. } => write!(f, "serial {serial} of {} is listed", of(ca)),
            Self::CaKey {
                fingerprint,
                listed,
            } => write!(f, "CA key {fingerprint} is listed {listed}"),
        }
    }
}

impl Krl {
    /// The entry that revokes a certificate, if there is one.
    pub fn revokes(&self, certificate: &Parsed) -> Option<Revoked> {
        let (subject, ca) = (certificate.public_key(), certificate.signing_key());
        if let Some(listed) = self.lists(subject) {
            let fingerprint = Fingerprint::of(subject);
            return Some(Revoked::SubjectKey {
                fingerprint,
                listed,
            });
        }
        let blob = key_blob(ca);
        for scope in [Some(blob.as_slice()), None] {
            let mut all = self.certificates.iter();
            let of = all.find(|one| one.ca.as_deref() == scope);
            let named = scope.map(|_| Fingerprint::of(ca));
            if let Some(revoked) = of.and_then(|one| one.lists(certificate, named)) {
                return Some(revoked);
            }
        }
        self.lists(ca).map(|listed| Revoked::CaKey {
            fingerprint: Fingerprint::of(ca),
            listed,
        })
    }

    /// The entry that revokes a plain key, if there is one.
    pub fn revokes_key(&self, key: &PublicKey) -> Option<Revoked> {
        self.lists(key.data()).map(|listed| Revoked::SubjectKey {
            fingerprint: key.fingerprint().clone(),
            listed,
        })
    }

    fn lists(&self, key: &KeyData) -> Option<Listed> {
        let blob = key_blob(key);
        if !self.sha1.is_empty() && self.sha1.contains(&<[u8; 20]>::from(Sha1::digest(&blob))) {
            Some(Listed::Sha1)
        } else if !self.sha256.is_empty()
            && self
                .sha256
                .contains(&<[u8; 32]>::from(Sha256::digest(&blob)))
        {
            Some(Listed::Sha256)
        } else {
            self.keys.contains(&blob).then_some(Listed::Explicit)
        }
    }
}

impl RevokedCertificates {
    fn lists(&self, certificate: &Parsed, ca: Option<Fingerprint>) -> Option<Revoked> {
        let key_id = certificate.key_id();
        let key_id = key_id.strip_suffix(b"\0").unwrap_or(key_id);
        if self.key_ids.contains(key_id) {
            let key_id = String::from_utf8_lossy(key_id).into_owned();
            return Some(Revoked::KeyId { key_id, ca });
        }
        // A zero serial is what a CA gives that numbers nothing: it matches no entry.
        let serial = certificate.serial();
        let run = self.serials.run_of(serial).filter(|_| serial != 0)?;
        Some(Revoked::Serial {
            serial,
            first: run.first,
            last: run.last,
            ca,
        })
    }
}
