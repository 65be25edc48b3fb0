//! The public key somebody wants certified.
//!
//! - Exactly one key on one line, of a type OpenSSH certifies, strong enough to certify.
//! - The parsed key is signed, never the text it came from; the comment is dropped.
//! - Every refusal has its own reason, and none repeats what a private key file held.
//!
//! References: \[CERT\] for the types, threats in `wiki/incidents.md` for the refusals.

use super::Fingerprint;
use crate::failure::{Class, Failure};
use ssh_encoding::Decode;
use ssh_encoding::base64::{Base64, Encoding};
use ssh_key::public::{EcdsaPublicKey, KeyData, RsaPublicKey};

/// The largest public key file, in bytes. The largest RSA key OpenSSH uses (16,384 bits) takes 2.8 KiB.
pub const MAX_PUBLIC_KEY_BYTES: usize = 16 * 1024;

/// The smallest RSA modulus that is certified, in bits. OpenSSH's own floor is 1024.
const MIN_RSA_BITS: usize = 2048;

/// The largest RSA modulus OpenSSH uses, in bits (`SSHBUF_MAX_BIGNUM`).
const MAX_RSA_BITS: usize = 16384;

/// A public key that may be certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    data: KeyData,
    fingerprint: Fingerprint,
}

/// Why a file's content is not a public key that may be certified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Nothing in the file.
    #[error("the file holds no key")]
    Empty,
    /// A private key.
    #[error("this is a private key, not a public one; its content was not used")]
    PrivateKey,
    /// A certificate instead of the key it certifies.
    #[error("this is a certificate (`{label}`), not a plain public key")]
    Certificate {
        /// The type the line begins with.
        label: String,
    },
    /// More than one line with a key.
    #[error("the file holds more than one key")]
    SeveralKeys,
    /// A NUL, carriage return or other control character.
    #[error("the line holds the control character {character:?}")]
    ControlCharacter {
        /// The character.
        character: char,
    },
    /// The line begins with something that is no key type.
    #[error("the line begins with `{label}`, which is not a key type that can be certified")]
    UnknownType {
        /// What the line begins with, cut to 40 characters.
        label: String,
    },
    /// A DSA key.
    #[error("this is a DSA key; OpenSSH no longer supports them")]
    Dsa,
    /// The line's type and the key's own type differ.
    #[error("the line says `{label}`, but the key itself is `{found}`")]
    LabelDisagrees {
        /// The type the line begins with.
        label: String,
        /// The type inside the key.
        found: String,
    },
    /// Broken base64 or a broken structure.
    #[error("the key is damaged: {detail}")]
    Damaged {
        /// What is wrong.
        detail: &'static str,
    },
    /// The point is not on the curve.
    #[error("the key's point is not on its curve")]
    NotOnCurve,
    /// A point of small order: anybody can sign for such a key.
    #[error("the key is a point of small order, for which anybody can sign")]
    SmallOrder,
    /// Too small or too large an RSA modulus.
    #[error("the RSA key has {found} bits; from 2048 to 16384 are certified")]
    RsaSize {
        /// The exact size of the modulus in bits.
        found: usize,
    },
    /// An RSA modulus or exponent that no honest generator makes.
    #[error("the RSA key is unsound: {detail}")]
    RsaUnsound {
        /// What is wrong.
        detail: &'static str,
    },
    /// A FIDO key made for something other than SSH.
    #[error("the FIDO key is for the application `{found}`; ssh keys are for `ssh:` or `ssh:...`")]
    SkApplication {
        /// The application, cut to 40 characters.
        found: String,
    },
}

impl Failure for PublicKeyError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "public_key_empty",
            Self::PrivateKey => "private_key_given",
            Self::Certificate { .. } => "certificate_given",
            Self::SeveralKeys => "several_public_keys",
            Self::ControlCharacter { .. } => "public_key_control_character",
            Self::UnknownType { .. } => "public_key_type_unknown",
            Self::Dsa => "public_key_dsa",
            Self::LabelDisagrees { .. } => "public_key_label_disagrees",
            Self::Damaged { .. } => "public_key_damaged",
            Self::NotOnCurve => "public_key_not_on_curve",
            Self::SmallOrder => "public_key_small_order",
            Self::RsaSize { .. } => "public_key_rsa_size",
            Self::RsaUnsound { .. } => "public_key_rsa_unsound",
            Self::SkApplication { .. } => "public_key_sk_application",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::PrivateKey => {
                "give the public half, the file that ends in .pub; `ssh-keygen -y -f KEY > KEY.pub` makes it"
            }
            Self::Certificate { .. } => {
                "give the plain public key, KEY.pub instead of KEY-cert.pub"
            }
            Self::SeveralKeys => "put the one key to be certified in a file of its own",
            Self::ControlCharacter { character: '\r' } => {
                "the line ends as on Windows; `tr -d '\\r' < KEY.pub` mends it"
            }
            _ => "a key that can be certified is made with `ssh-keygen -t ed25519 -f KEY`",
        };
        vec![hint.to_owned()]
    }
}

impl PublicKey {
    /// Reads the content of a public key file: one line, `type base64 [comment]`.
    ///
    /// Certified are ed25519, ecdsa (P-256, P-384, P-521), rsa of 2048 to 16384 bits, and both FIDO types.
    ///
    /// # Errors
    /// Names the first rule the content breaks; see [`PublicKeyError`].
    pub fn from_openssh(content: &[u8]) -> Result<Self, PublicKeyError> {
        if content.len() > MAX_PUBLIC_KEY_BYTES {
            return Err(PublicKeyError::Damaged {
                detail: "longer than any key",
            });
        }
        if content.windows(11).any(|part| part == b"PRIVATE KEY") {
            return Err(PublicKeyError::PrivateKey);
        }
        let line = only_line(content)?;
        let mut words = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let label = words.next().ok_or(PublicKeyError::Empty)?;
        let label = shown(label);
        if label.contains("-cert-v0") {
            return Err(PublicKeyError::Certificate { label });
        }
        let plain = match label.as_str() {
            "ssh-dss" => return Err(PublicKeyError::Dsa),
            "ssh-ed25519"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521"
            | "ssh-rsa"
            | "sk-ssh-ed25519@openssh.com"
            | "sk-ecdsa-sha2-nistp256@openssh.com" => label,
            _ => {
                return Err(PublicKeyError::UnknownType {
                    label: label_or_not_shown(label),
                });
            }
        };
        let encoded = words.next().ok_or(PublicKeyError::Damaged {
            detail: "nothing follows the key type",
        })?;
        let blob = std::str::from_utf8(encoded)
            .ok()
            .and_then(|text| Base64::decode_vec(text).ok())
            .ok_or(PublicKeyError::Damaged {
                detail: "the second word is not base64",
            })?;
        let found = String::decode(&mut blob.as_slice()).map_err(|_| PublicKeyError::Damaged {
            detail: "no key type inside",
        })?;
        if found != plain {
            return Err(PublicKeyError::LabelDisagrees {
                label: plain,
                found: shown(found.as_bytes()),
            });
        }
        Self::from_blob(&blob)
    }

    /// Reads a key in wire form.
    ///
    /// # Errors
    /// Names the first rule the key breaks.
    pub fn from_blob(blob: &[u8]) -> Result<Self, PublicKeyError> {
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|error| match error {
            ssh_key::Error::Ecdsa(_) => PublicKeyError::NotOnCurve,
            ssh_key::Error::TrailingData { .. } => PublicKeyError::Damaged {
                detail: "bytes follow the key",
            },
            _ => PublicKeyError::Damaged {
                detail: "its fields do not decode",
            },
        })?;
        Self::from_key_data(key.key_data().clone())
    }

    pub(crate) fn from_key_data(data: KeyData) -> Result<Self, PublicKeyError> {
        match &data {
            KeyData::Ed25519(key) => sound_ed25519(&key.0)?,
            KeyData::Ecdsa(key) => sound_ecdsa(key)?,
            KeyData::Rsa(key) => sound_rsa(key)?,
            KeyData::SkEd25519(key) => {
                sound_ed25519(&key.public_key().0)?;
                sound_application(key.application())?;
            }
            KeyData::SkEcdsaSha2NistP256(key) => {
                sound_ecdsa(&EcdsaPublicKey::NistP256(*key.ec_point()))?;
                sound_application(key.application())?;
            }
            KeyData::Dsa(_) => return Err(PublicKeyError::Dsa),
            KeyData::Certificate(inner) => {
                let label = inner.algorithm().to_certificate_type();
                return Err(PublicKeyError::Certificate { label });
            }
            other => {
                let label = shown(other.algorithm().as_str().as_bytes());
                return Err(PublicKeyError::UnknownType { label });
            }
        }
        let fingerprint = Fingerprint::of(&data);
        Ok(Self { data, fingerprint })
    }

    /// The SHA-256 fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// OpenSSH's name of the key type, such as `ssh-ed25519`.
    pub fn key_type(&self) -> String {
        self.data.algorithm().as_str().to_owned()
    }

    /// The key as one line without a comment.
    pub fn to_openssh(&self) -> String {
        ssh_key::PublicKey::from(self.data.clone()).to_string()
    }

    /// The key in wire form.
    pub fn to_blob(&self) -> Vec<u8> {
        super::key_blob(&self.data)
    }

    pub(crate) fn data(&self) -> &KeyData {
        &self.data
    }
}

/// The single line with text on it, without its newline.
fn only_line(content: &[u8]) -> Result<&[u8], PublicKeyError> {
    let control = |byte: &&u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    if let Some(byte) = content.iter().find(control) {
        return Err(PublicKeyError::ControlCharacter {
            character: char::from(*byte),
        });
    }
    let mut lines = content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next().ok_or(PublicKeyError::Empty)?;
    match lines.next() {
        None => Ok(first),
        Some(_) => Err(PublicKeyError::SeveralKeys),
    }
}

/// A label as it may be repeated: what does not look like a key type may be a secret that was named
/// by mistake.
pub(super) fn label_or_not_shown(label: String) -> String {
    let like_a_type = ["ssh-", "ecdsa-", "sk-", "rsa-", "webauthn-"]
        .iter()
        .any(|begin| label.starts_with(begin));
    if like_a_type {
        label
    } else {
        "(not shown)".to_owned()
    }
}

/// At most 40 characters of something from outside.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(40).collect()
}

fn sound_ed25519(point: &[u8; 32]) -> Result<(), PublicKeyError> {
    let key =
        ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| PublicKeyError::NotOnCurve)?;
    if key.is_weak() {
        return Err(PublicKeyError::SmallOrder);
    }
    Ok(())
}

fn sound_ecdsa(key: &EcdsaPublicKey) -> Result<(), PublicKeyError> {
    let point = key.as_sec1_bytes();
    let on_curve = match key {
        EcdsaPublicKey::NistP256(_) => p256::PublicKey::from_sec1_bytes(point).is_ok(),
        EcdsaPublicKey::NistP384(_) => p384::PublicKey::from_sec1_bytes(point).is_ok(),
        EcdsaPublicKey::NistP521(_) => p521::PublicKey::from_sec1_bytes(point).is_ok(),
    };
    if on_curve {
        Ok(())
    } else {
        Err(PublicKeyError::NotOnCurve)
    }
}

fn sound_rsa(key: &RsaPublicKey) -> Result<(), PublicKeyError> {
    let unsound = |detail| PublicKeyError::RsaUnsound { detail };
    let (Some(modulus), Some(exponent)) =
        (key.n().as_positive_bytes(), key.e().as_positive_bytes())
    else {
        return Err(unsound("a negative number"));
    };
    let found = bits(modulus);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&found) {
        return Err(PublicKeyError::RsaSize { found });
    }
    if is_even(modulus) {
        return Err(unsound("the modulus is even"));
    }
    if is_even(exponent) || bits(exponent) < 2 {
        return Err(unsound("the exponent is even or 1"));
    }
    if bits(exponent) > 64 {
        return Err(unsound("the exponent has more than 64 bits"));
    }
    Ok(())
}

fn sound_application(found: &str) -> Result<(), PublicKeyError> {
    let printable = found.chars().all(|c| c.is_ascii_graphic());
    if found.starts_with("ssh:") && printable {
        return Ok(());
    }
    Err(PublicKeyError::SkApplication {
        found: shown(found.as_bytes()),
    })
}

/// The exact number of bits of a big-endian number; `ssh_key` rounds up to whole bytes.
pub(crate) fn bits(number: &[u8]) -> usize {
    let significant = number
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |at| &number[at..]);
    match significant.first() {
        None => 0,
        Some(first) => significant.len() * 8 - first.leading_zeros() as usize,
    }
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|byte| byte % 2 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ssh_encoding::Encode;

    const GOOD: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn refused(content: impl AsRef<[u8]>) -> &'static str {
        PublicKey::from_openssh(content.as_ref())
            .unwrap_err()
            .reason()
    }

    fn line(label: &str, fields: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        label.encode(&mut blob).unwrap();
        fields
            .iter()
            .for_each(|field| field.encode(&mut blob).unwrap());
        format!("{label} {}", Base64::encode_string(&blob))
    }

    #[test]
    fn one_key_with_any_comment_is_taken_and_the_comment_dropped() {
        for content in [
            GOOD.to_owned(),
            format!("{GOOD}\n"),
            format!("{GOOD} me@host\n\n"),
            format!("{GOOD}\tab \x7f-less é\n").replace('\x7f', ""),
        ] {
            assert_eq!(
                PublicKey::from_openssh(content.as_bytes())
                    .unwrap()
                    .to_openssh(),
                GOOD
            );
        }
    }

    #[test]
    fn every_refusal_has_its_own_reason() {
        assert_eq!(refused(""), "public_key_empty");
        assert_eq!(refused("\n \n"), "public_key_empty");
        assert_eq!(
            refused("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"),
            "private_key_given"
        );
        assert_eq!(
            refused("ssh-ed25519-cert-v01@openssh.com AAAA"),
            "certificate_given"
        );
        assert_eq!(refused(format!("{GOOD}\n{GOOD}\n")), "several_public_keys");
        assert_eq!(
            refused(format!("{GOOD}\r\n")),
            "public_key_control_character"
        );
        assert_eq!(refused(format!("{GOOD}\0")), "public_key_control_character");
        assert_eq!(refused(format!("no-pty {GOOD}")), "public_key_type_unknown");
        assert_eq!(refused("ssh-dss AAAAB3NzaC1kc3M="), "public_key_dsa");
        assert_eq!(
            refused(GOOD.replace("ssh-ed25519 ", "ssh-rsa ")),
            "public_key_label_disagrees"
        );
        assert_eq!(refused("ssh-ed25519"), "public_key_damaged");
        assert_eq!(refused("ssh-ed25519 ====="), "public_key_damaged");
        assert_eq!(refused(&GOOD[..40]), "public_key_damaged");
        assert_eq!(
            refused(line("ssh-ed25519", &[&[7; 32], b"tail"])),
            "public_key_damaged"
        );
        assert_eq!(
            refused(vec![b'a'; MAX_PUBLIC_KEY_BYTES + 1]),
            "public_key_damaged"
        );
    }

    #[test]
    fn weak_and_unsound_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(
            refused(line("ssh-ed25519", &[&identity])),
            "public_key_small_order"
        );
        assert_eq!(
            refused(line("ssh-ed25519", &[&[0u8; 32]])),
            "public_key_small_order"
        );
        let mut off = [0u8; 32];
        off[0] = 2;
        assert_eq!(
            refused(line("ssh-ed25519", &[&off])),
            "public_key_not_on_curve"
        );
        let mut point = [3u8; 65];
        point[0] = 4;
        assert_eq!(
            refused(line("ecdsa-sha2-nistp256", &[b"nistp256", &point])),
            "public_key_not_on_curve"
        );

        let modulus = |bits: usize, last: u8| {
            let mut bytes = vec![0xffu8; bits.div_ceil(8)];
            bytes[0] >>= bytes.len() * 8 - bits;
            *bytes.last_mut().unwrap() = last;
            if bytes[0] >= 0x80 {
                bytes.insert(0, 0)
            }
            bytes
        };
        let rsa = |e: &[u8], n: &[u8]| line("ssh-rsa", &[e, n]);
        let usual = [1, 0, 1];
        assert!(PublicKey::from_openssh(rsa(&usual, &modulus(2048, 1)).as_bytes()).is_ok());
        assert_eq!(
            refused(rsa(&usual, &modulus(2047, 1))),
            "public_key_rsa_size"
        );
        assert_eq!(
            refused(rsa(&usual, &modulus(1024, 1))),
            "public_key_rsa_size"
        );
        assert_eq!(
            refused(rsa(&usual, &modulus(2048, 2))),
            "public_key_rsa_unsound"
        );
        for exponent in [&[1u8][..], &[2], &[1, 0, 0], &[1, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(
                refused(rsa(exponent, &modulus(2048, 1))),
                "public_key_rsa_unsound",
                "{exponent:?}"
            );
        }
        let good = Base64::decode_vec("sz6u836i33yqAQ3v3qNOJB9l8bUppPQ+0UMn9cVKq2I=").unwrap();
        assert!(
            PublicKey::from_openssh(
                line("sk-ssh-ed25519@openssh.com", &[&good, b"ssh:"]).as_bytes()
            )
            .is_ok()
        );
        for application in [&b"https://example.org"[..], b"", b"ssh", b"ssh:\x1b["] {
            let key = line("sk-ssh-ed25519@openssh.com", &[&good, application]);
            assert_eq!(refused(key), "public_key_sk_application");
        }
    }

    #[test]
    fn a_private_keys_content_is_never_repeated() {
        let secret = "b3BlbnNzaC1rZXktdjEAAAA";
        let error = PublicKey::from_openssh(
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n").as_bytes(),
        );
        assert!(!format!("{:?} {}", error, error.clone().unwrap_err()).contains(secret));
    }

    proptest! {
        #[test]
        fn no_content_panics(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let refused = PublicKey::from_openssh(&content).is_err();
            prop_assert!(refused);
        }

        #[test]
        fn a_changed_blob_never_panics(at in 0usize..51, bit in 0u8..8) {
            let mut blob = Base64::decode_vec(&GOOD[12..]).unwrap();
            blob[at] ^= 1 << bit;
            if let Ok(key) = PublicKey::from_blob(&blob) {
                prop_assert_ne!(key.to_openssh(), GOOD);
            }
        }
    }
}
