//! A certificate read from its bytes, believed in nothing.
//!
//! - Reads every certificate of the key types in \[CERT\], whoever signed it and whatever it allows;
//!   deciding about it is left to the post-sign check and to the reader of `warden show`.
//! - Nothing may follow the signature, no length may run past its field, and the signing key may
//!   not be a certificate.
//! - The signature is verified over the bytes as they came, never over a re-encoding.

use super::{CaPublicKey, CertType, PublicKeyError, layout};
use crate::failure::{Class, Failure};
use ssh_encoding::base64::{Base64, Encoding};
use ssh_key::public::KeyData;

/// A parsed certificate.
#[derive(Debug, Clone)]
pub struct Parsed {
    line_type: String,
    blob: Vec<u8>,
    signed_length: usize,
    nonce: Vec<u8>,
    key_fields: Vec<u8>,
    public_key: KeyData,
    serial: u64,
    cert_type: CertType,
    key_id: Vec<u8>,
    principals: Vec<Vec<u8>>,
    valid_after: u64,
    valid_before: u64,
    critical_options: RawOptions,
    extensions: RawOptions,
    signing_key: KeyData,
    signature: Vec<u8>,
    comment: Vec<u8>,
}

/// Name and data of each option, as they came.
type RawOptions = Vec<(Vec<u8>, Vec<u8>)>;

/// Why a text is not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The line does not begin with a certificate's type.
    #[error("the line begins with `{found}`, which is not the type of a certificate")]
    NotACertificate {
        /// What it begins with, cut to 40 characters.
        found: String,
    },
    /// More than one line.
    #[error("more than one line")]
    SeveralLines,
    /// Broken base64, or a field that does not decode.
    #[error("the certificate is damaged in its {field}")]
    Damaged {
        /// The field.
        field: &'static str,
    },
    /// The signing key is not a usable plain key.
    #[error("the certificate's signing key cannot be used")]
    SigningKey(#[source] PublicKeyError),
    /// The signature does not verify.
    #[error("the certificate's signature is not its signing key's")]
    Signature,
}

impl Failure for CertificateError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotACertificate { .. } => "not_a_certificate",
            Self::SeveralLines => "several_certificates",
            Self::Damaged { .. } => "certificate_damaged",
            Self::SigningKey(_) => "certificate_signing_key",
            Self::Signature => "certificate_signature",
        }
    }
}

impl Parsed {
    /// Reads one line, `type base64 [comment]`, with at most one newline at its end.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn from_line(line: &[u8]) -> Result<Self, CertificateError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let line_type = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let (plain, fields) =
            certified(&line_type).ok_or_else(|| CertificateError::NotACertificate {
                found: super::public_key::label_or_not_shown(line_type.chars().take(40).collect()),
            })?;
        if line.contains(&b'\n') {
            return Err(CertificateError::SeveralLines);
        }
        let encoded = words.next().unwrap_or_default();
        let blob = std::str::from_utf8(encoded)
            .ok()
            .and_then(|text| Base64::decode_vec(text).ok())
            .ok_or(CertificateError::Damaged { field: "base64" })?;
        let comment = words.next().unwrap_or_default().to_vec();
        Self::from_blob(line_type, plain, fields, blob, comment)
    }

    fn from_blob(
        line_type: String,
        plain: &str,
        fields: usize,
        blob: Vec<u8>,
        comment: Vec<u8>,
    ) -> Result<Self, CertificateError> {
        let mut at = Cursor {
            rest: &blob,
            field: "key type",
        };
        if at.string("key type")? != line_type.as_bytes() {
            return at.damaged();
        }
        let nonce = at.string("nonce")?.to_vec();
        let before_key = at.rest;
        for _ in 0..fields {
            at.string("public key")?;
        }
        let key_fields = before_key[..before_key.len() - at.rest.len()].to_vec();
        let public_key = plain_key(plain, &key_fields).map_or_else(|| at.damaged(), Ok)?;
        let serial = at.u64("serial")?;
        let cert_type = match at.u32("type")? {
            1 => CertType::User,
            2 => CertType::Host,
            _ => return at.damaged(),
        };
        let key_id = at.string("key id")?.to_vec();
        let principals = list(at.string("principals")?, "principals")?;
        let valid_after = at.u64("valid after")?;
        let valid_before = at.u64("valid before")?;
        let critical_options = pairs(at.string("critical options")?, "critical options")?;
        let extensions = pairs(at.string("extensions")?, "extensions")?;
        at.string("reserved field")?;
        let signing_key = at.string("signing key")?;
        let signing_key =
            ssh_key::PublicKey::from_bytes(signing_key).map_or_else(|_| at.damaged(), Ok)?;
        let signed_length = blob.len() - at.rest.len();
        let signature = at.string("signature")?.to_vec();
        if !at.rest.is_empty() {
            return at.damaged();
        }
        let signing_key = signing_key.key_data().clone();
        Ok(Self {
            line_type,
            signed_length,
            nonce,
            key_fields,
            public_key,
            serial,
            cert_type,
            key_id,
            principals,
            valid_after,
            valid_before,
            critical_options,
            extensions,
            signing_key,
            signature,
            comment,
            blob,
        })
    }

    /// Verifies that the signature is the signing key's own, as `ssh-keygen -L` does. It says
    /// nothing about whether that key is trusted.
    ///
    /// # Errors
    /// If the signing key is a certificate or weak, or the signature does not verify.
    pub fn verify(&self) -> Result<(), CertificateError> {
        let key = super::PublicKey::from_key_data(self.signing_key.clone())
            .map_err(CertificateError::SigningKey)?;
        if self.signed_by(&CaPublicKey::new(key)) {
            Ok(())
        } else {
            Err(CertificateError::Signature)
        }
    }

    /// Whether `ca` is the signing key and the signature is that key's.
    pub fn signed_by(&self, ca: &CaPublicKey) -> bool {
        self.signing_key == *ca.key().data()
            && ca.verifies(&self.blob[..self.signed_length], &self.signature)
    }

    /// The certificate's own key type, such as `ssh-ed25519-cert-v01@openssh.com`.
    pub fn key_type(&self) -> &str {
        &self.line_type
    }

    /// The serial, which may be zero in a foreign certificate.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// User or host.
    pub fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// The key id, any bytes.
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// The principals, any bytes, possibly none.
    pub fn principals(&self) -> impl Iterator<Item = &[u8]> {
        self.principals.iter().map(Vec::as_slice)
    }

    /// First second of validity, in seconds since 1970.
    pub fn valid_after(&self) -> u64 {
        self.valid_after
    }

    /// First second after the validity; 2^64 - 1 means forever.
    pub fn valid_before(&self) -> u64 {
        self.valid_before
    }

    /// Name and raw data of each critical option.
    pub fn critical_options(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.critical_options
            .iter()
            .map(|(name, data)| (name.as_slice(), data.as_slice()))
    }

    /// Name and raw data of each extension.
    pub fn extensions(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.extensions
            .iter()
            .map(|(name, data)| (name.as_slice(), data.as_slice()))
    }

    /// The comment of the line.
    pub fn comment(&self) -> &[u8] {
        &self.comment
    }

    /// The fingerprint of the certified key.
    pub fn public_key_fingerprint(&self) -> super::Fingerprint {
        super::Fingerprint::of(&self.public_key)
    }

    /// The fingerprint of the key that signed.
    pub fn ca_fingerprint(&self) -> super::Fingerprint {
        super::Fingerprint::of(&self.signing_key)
    }

    /// The type of the key that signed, such as `ssh-ed25519`.
    pub fn ca_key_type(&self) -> String {
        self.signing_key.algorithm().as_str().to_owned()
    }

    /// The name of the signature's algorithm, such as `rsa-sha2-512`.
    pub fn signature_algorithm(&self) -> String {
        let mut at = Cursor {
            rest: &self.signature,
            field: "signature",
        };
        String::from_utf8_lossy(at.string("signature").unwrap_or_default()).into_owned()
    }

    pub(crate) fn public_key(&self) -> &KeyData {
        &self.public_key
    }

    pub(crate) fn signing_key(&self) -> &KeyData {
        &self.signing_key
    }

    /// Whether the signed bytes are exactly what [`layout::to_be_signed`] writes for these fields
    /// with the options and extensions given.
    pub(crate) fn is_exactly(
        &self,
        critical_options: Vec<(&str, &str)>,
        extensions: Vec<&str>,
    ) -> bool {
        let expected = layout::to_be_signed(&layout::CertificateFields {
            key_type: &self.line_type,
            nonce: &self.nonce,
            key_fields: &self.key_fields,
            serial: self.serial,
            cert_type: self.cert_type,
            key_id: &self.key_id,
            principals: self.principals().collect(),
            valid_after: self.valid_after,
            valid_before: self.valid_before,
            critical_options,
            extensions,
            ca_key: &layout::key_blob(&self.signing_key),
        });
        self.blob[..self.signed_length] == expected
    }

    /// The line without comment, ending in a newline.
    pub(crate) fn to_line(&self) -> String {
        format!("{} {}\n", self.line_type, Base64::encode_string(&self.blob))
    }
}

/// The value inside an option's data, which is a string within the string; `None` for a flag.
pub fn option_value(data: &[u8]) -> Option<&[u8]> {
    let mut at = Cursor {
        rest: data,
        field: "value",
    };
    let value = at.string("value").ok()?;
    at.rest.is_empty().then_some(value)
}

/// The plain type of a certificate type, and how many strings its key has.
fn certified(line_type: &str) -> Option<(&'static str, usize)> {
    Some(match line_type {
        "ssh-ed25519-cert-v01@openssh.com" => ("ssh-ed25519", 1),
        "ecdsa-sha2-nistp256-cert-v01@openssh.com" => ("ecdsa-sha2-nistp256", 2),
        "ecdsa-sha2-nistp384-cert-v01@openssh.com" => ("ecdsa-sha2-nistp384", 2),
        "ecdsa-sha2-nistp521-cert-v01@openssh.com" => ("ecdsa-sha2-nistp521", 2),
        "ssh-rsa-cert-v01@openssh.com" => ("ssh-rsa", 2),
        "sk-ssh-ed25519-cert-v01@openssh.com" => ("sk-ssh-ed25519@openssh.com", 2),
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" => ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
        _ => return None,
    })
}

fn plain_key(plain: &str, fields: &[u8]) -> Option<KeyData> {
    let length = u32::try_from(plain.len()).ok()?;
    let blob = [&length.to_be_bytes(), plain.as_bytes(), fields].concat();
    let key = ssh_key::PublicKey::from_bytes(&blob).ok()?;
    Some(key.key_data().clone())
}

fn list(bytes: &[u8], field: &'static str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut at = Cursor { rest: bytes, field };
    let mut found = Vec::new();
    while !at.rest.is_empty() {
        found.push(at.string(field)?.to_vec());
    }
    Ok(found)
}

fn pairs(bytes: &[u8], field: &'static str) -> Result<RawOptions, CertificateError> {
    let mut at = Cursor { rest: bytes, field };
    let mut found = Vec::new();
    while !at.rest.is_empty() {
        found.push((at.string(field)?.to_vec(), at.string(field)?.to_vec()));
    }
    Ok(found)
}

/// Reads fields from the front of a slice.
struct Cursor<'a> {
    rest: &'a [u8],
    field: &'static str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CertificateError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => self.damaged(),
        }
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, CertificateError> {
        self.field = field;
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, CertificateError> {
        self.field = field;
        let bytes = self.take(8)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn string(&mut self, field: &'static str) -> Result<&'a [u8], CertificateError> {
        let length = self.u32(field)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn damaged<T>(&self) -> Result<T, CertificateError> {
        Err(CertificateError::Damaged { field: self.field })
    }
}
