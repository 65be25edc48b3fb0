//! The post-sign check: proves that a returned certificate is the one that was authorized.
//!
//! - Runs for every backend in every build. A difference in anything delivers nothing.
//! - First field by field, so that each difference has its own reason; then the signed bytes as a
//!   whole against what [`to_be_signed`](crate::certificate::to_be_signed) writes, so that nothing
//!   unnamed can hide in them; then the signature over the bytes as they came.
//! - The window is what was asked, give or take the skew of the two clocks.

use super::{KeyIdRule, Reply, TrustedCa};
use crate::authorize::Authorization;
use crate::certificate::{
    CaPublicKey, CertificateError, Parsed, PublicKey, Serial, Ttl, UnixTime, Validity,
};
use crate::failure::{Class, Failure};
use std::collections::BTreeSet;

/// How long before the moment of signing a certificate may become valid, in seconds, beyond the
/// skew of the clocks. OpenBao's `not_before_duration` is 30 s by default; ssh-keygen backdates by
/// up to 118 s.
const LONGEST_BACKDATE: u64 = 300;

/// A difference between what came back and what was authorized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// It is not one certificate on one line.
    #[error("the signer returned something that is not a certificate")]
    NotACertificate(#[source] CertificateError),
    /// Something follows the certificate.
    #[error("the signer returned {found} bytes after the certificate")]
    Trailing {
        /// How many bytes.
        found: usize,
    },
    /// A user certificate instead of a host certificate, or the reverse.
    #[error("the signer returned a {found} certificate, not a {expected} certificate")]
    CertType {
        /// What came back.
        found: &'static str,
        /// What was authorized.
        expected: &'static str,
    },
    /// Another key was certified.
    #[error("the signer certified key {found}, not {expected}")]
    SubjectKey {
        /// The fingerprint that came back.
        found: String,
        /// The fingerprint that was authorized.
        expected: String,
    },
    /// Another key id.
    #[error("the signer wrote key id {found:?}, not {expected}")]
    KeyId {
        /// What came back.
        found: String,
        /// What was authorized.
        expected: String,
    },
    /// Serial zero, or not the one we chose.
    #[error("the signer wrote serial {found}, not {expected}")]
    Serial {
        /// What came back.
        found: u64,
        /// What was expected.
        expected: String,
    },
    /// More, fewer, other or repeated principals.
    #[error("the signer wrote principals {found:?}, not {expected:?}")]
    Principals {
        /// What came back.
        found: Vec<String>,
        /// What was authorized.
        expected: Vec<String>,
    },
    /// More, fewer or other critical options.
    #[error("the signer wrote critical options {found:?}, not {expected:?}")]
    CriticalOptions {
        /// What came back.
        found: Vec<String>,
        /// What was authorized.
        expected: Vec<String>,
    },
    /// More, fewer or other extensions.
    #[error("the signer wrote extensions {found:?}, not {expected:?}")]
    Extensions {
        /// What came back.
        found: Vec<String>,
        /// What was authorized.
        expected: Vec<String>,
    },
    /// It begins too early or too late.
    #[error("the certificate is valid from {found}; expected from {earliest} to {latest}")]
    ValidAfter {
        /// What came back.
        found: UnixTime,
        /// The earliest accepted.
        earliest: UnixTime,
        /// The latest accepted.
        latest: UnixTime,
    },
    /// It ends too early or too late.
    #[error("the certificate is valid until {found}; expected from {earliest} to {latest}")]
    ValidBefore {
        /// What came back.
        found: UnixTime,
        /// The earliest accepted.
        earliest: UnixTime,
        /// The latest accepted.
        latest: UnixTime,
    },
    /// Another CA signed, or a certificate did.
    #[error("the certificate is signed by {found}, not by the pinned CA {expected}")]
    Ca {
        /// The fingerprint of the key that signed.
        found: String,
        /// The fingerprint of the CA that is trusted.
        expected: String,
    },
    /// The signature does not verify, or is SHA-1.
    #[error("the CA's signature does not verify (algorithm `{algorithm}`)")]
    Signature {
        /// The algorithm named in the signature.
        algorithm: String,
    },
    /// The fields are right, but the bytes hold something else besides.
    #[error("the certificate's bytes are not the canonical form of its fields")]
    NotCanonical,
}

impl Failure for Mismatch {
    fn class(&self) -> Class {
        Class::Untrusted
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotACertificate(_) => "answer_not_a_certificate",
            Self::Trailing { .. } => "answer_trailing_bytes",
            Self::CertType { .. } => "cert_type_mismatch",
            Self::SubjectKey { .. } => "public_key_mismatch",
            Self::KeyId { .. } => "key_id_mismatch",
            Self::Serial { .. } => "serial_mismatch",
            Self::Principals { .. } => "principals_mismatch",
            Self::CriticalOptions { .. } => "critical_options_mismatch",
            Self::Extensions { .. } => "extensions_mismatch",
            Self::ValidAfter { .. } => "valid_after_mismatch",
            Self::ValidBefore { .. } => "valid_before_mismatch",
            Self::Ca { .. } => "ca_mismatch",
            Self::Signature { .. } => "signature_mismatch",
            Self::NotCanonical => "not_canonical",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "nothing was issued; find out why the signer returned this before asking again"
                .to_owned(),
        ]
    }
}

/// What a returned certificate must be.
pub(super) struct Expected<'a> {
    pub(super) authorization: &'a Authorization,
    /// The time to live at the moment it was sent.
    pub(super) ttl: Ttl,
    pub(super) ca: TrustedCa<'a>,
    pub(super) sent: UnixTime,
    pub(super) received: UnixTime,
    /// In seconds.
    pub(super) skew: u64,
    pub(super) key_id: KeyIdRule,
}

impl Expected<'_> {
    /// The certificate in the reply, if it is exactly this.
    pub(super) fn certificate(
        &self,
        reply: &Reply,
    ) -> Result<(Parsed, Serial, Validity), Mismatch> {
        let found = Parsed::from_line(&reply.certificate).map_err(Mismatch::NotACertificate)?;
        if !found.comment().is_empty() {
            return Err(Mismatch::Trailing {
                found: found.comment().len(),
            });
        }
        self.names(&found)?;
        let serial = self.serial(&found, reply.serial)?;
        self.powers(&found)?;
        let validity = self.window(&found)?;
        self.signature(&found)?;
        Ok((found, serial, validity))
    }

    /// Who is certified, and for what.
    fn names(&self, found: &Parsed) -> Result<(), Mismatch> {
        let wanted = self.authorization;
        if found.cert_type() != wanted.cert_type() {
            return Err(Mismatch::CertType {
                found: found.cert_type().as_str(),
                expected: wanted.cert_type().as_str(),
            });
        }
        if found.public_key() != wanted.public_key().data() {
            let expected = wanted.public_key().fingerprint().to_string();
            return Err(Mismatch::SubjectKey {
                found: found.public_key_fingerprint().to_string(),
                expected,
            });
        }
        let accepted = match self.key_id {
            KeyIdRule::Actor => found.key_id() == wanted.holder().as_str().as_bytes(),
            KeyIdRule::AnyPrintable => is_printable(found.key_id()),
        };
        if !accepted {
            let expected = match self.key_id {
                KeyIdRule::Actor => format!("`{}`", wanted.holder()),
                KeyIdRule::AnyPrintable => "1 to 256 printable characters".to_owned(),
            };
            return Err(Mismatch::KeyId {
                found: lossy(found.key_id()),
                expected,
            });
        }
        let listed: Vec<&[u8]> = found.principals().collect();
        let distinct: BTreeSet<&[u8]> = listed.iter().copied().collect();
        let expected: BTreeSet<&[u8]> = wanted
            .principals()
            .iter()
            .map(|one| one.as_str().as_bytes())
            .collect();
        if distinct != expected || distinct.len() != listed.len() {
            let found = listed.into_iter().map(lossy).collect();
            return Err(Mismatch::Principals {
                found,
                expected: wanted.principals().to_strings(),
            });
        }
        Ok(())
    }

    fn serial(&self, found: &Parsed, chosen: Option<Serial>) -> Result<Serial, Mismatch> {
        match (Serial::new(found.serial()), chosen) {
            (Some(serial), None) => Ok(serial),
            (Some(serial), Some(chosen)) if serial == chosen => Ok(serial),
            (_, chosen) => {
                let expected = chosen.map_or_else(
                    || "one that is not zero".to_owned(),
                    |serial| serial.to_string(),
                );
                Err(Mismatch::Serial {
                    found: found.serial(),
                    expected,
                })
            }
        }
    }

    /// What the certificate allows, and under which restraint.
    fn powers(&self, found: &Parsed) -> Result<(), Mismatch> {
        let wanted = self.authorization.critical_options().to_map();
        let same = found.critical_options().count() == wanted.len()
            && found
                .critical_options()
                .zip(&wanted)
                .all(|((name, data), (expected, value))| {
                    name == expected.as_bytes() && holds(data, value)
                });
        if !same {
            let found = found
                .critical_options()
                .map(|(name, data)| shown(name, data))
                .collect();
            let expected = wanted.iter().map(|(name, value)| {
                if value.is_empty() {
                    (*name).to_owned()
                } else {
                    format!("{name} {value}")
                }
            });
            return Err(Mismatch::CriticalOptions {
                found,
                expected: expected.collect(),
            });
        }
        let wanted = self.authorization.extensions();
        let same = found.extensions().count() == wanted.len()
            && found
                .extensions()
                .zip(wanted)
                .all(|((name, data), expected)| {
                    name == expected.as_str().as_bytes() && data.is_empty()
                });
        if !same {
            let found = found
                .extensions()
                .map(|(name, data)| shown(name, data))
                .collect();
            let expected = wanted.iter().map(ToString::to_string).collect();
            return Err(Mismatch::Extensions { found, expected });
        }
        Ok(())
    }

    fn window(&self, found: &Parsed) -> Result<Validity, Mismatch> {
        let (after, before) = (
            UnixTime(found.valid_after()),
            UnixTime(found.valid_before()),
        );
        let earliest = self.sent.minus(LONGEST_BACKDATE).minus(self.skew);
        let latest = self.received.plus(self.skew);
        if !(earliest..=latest).contains(&after) {
            return Err(Mismatch::ValidAfter {
                found: after,
                earliest,
                latest,
            });
        }
        let ttl = self.ttl.seconds();
        let earliest = self.sent.plus(ttl).minus(self.skew);
        let mut latest = self.received.plus(ttl).plus(self.skew);
        if let Some(end) = self.authorization.expires() {
            latest = latest.min(end);
        }
        let wrong = Mismatch::ValidBefore {
            found: before,
            earliest,
            latest,
        };
        if !(earliest..=latest).contains(&before) {
            return Err(wrong);
        }
        Validity::new(after, before).ok_or(wrong)
    }

    /// That the trusted CA signed exactly these bytes.
    fn signature(&self, found: &Parsed) -> Result<(), Mismatch> {
        let wrong_ca = |expected: String| Mismatch::Ca {
            found: found.ca_fingerprint().to_string(),
            expected,
        };
        let named;
        let ca = match self.ca {
            TrustedCa::Key(key) => key,
            TrustedCa::Pinned(fingerprint) => {
                if found.ca_fingerprint() != *fingerprint {
                    return Err(wrong_ca(fingerprint.to_string()));
                }
                let key = PublicKey::from_key_data(found.signing_key().clone());
                named = CaPublicKey::new(key.map_err(|_| wrong_ca(fingerprint.to_string()))?);
                &named
            }
        };
        if found.signing_key() != ca.key().data() {
            return Err(wrong_ca(ca.fingerprint().to_string()));
        }
        let options = self.authorization.critical_options().to_map();
        let options = options
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let extensions = self
            .authorization
            .extensions()
            .iter()
            .map(|one| one.as_str())
            .collect();
        if !found.is_exactly(options, extensions) {
            return Err(Mismatch::NotCanonical);
        }
        if !found.signed_by(ca) {
            return Err(Mismatch::Signature {
                algorithm: found.signature_algorithm().chars().take(40).collect(),
            });
        }
        Ok(())
    }
}

/// 1 to 256 bytes that cannot forge a log line or move a cursor.
fn is_printable(key_id: &[u8]) -> bool {
    (1..=256).contains(&key_id.len())
        && key_id
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// Whether an option's data holds this value; the empty value is a flag with no data.
fn holds(data: &[u8], value: &str) -> bool {
    match value {
        "" => data.is_empty(),
        value => crate::certificate::option_value(data) == Some(value.as_bytes()),
    }
}

fn shown(name: &[u8], data: &[u8]) -> String {
    match crate::certificate::option_value(data) {
        Some(value) => format!("{} {}", lossy(name), lossy(value)),
        None if data.is_empty() => lossy(name),
        None => format!("{} (damaged data)", lossy(name)),
    }
}

/// At most 256 characters of something a signer returned.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(256).collect()
}
