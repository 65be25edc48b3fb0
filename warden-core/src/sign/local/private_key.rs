//! Reads OpenSSH private key files, every one that OpenSSH itself reads.
//!
//! - The container is decoded here rather than by `ssh_key`, which refuses about one in 256 P-256
//!   keys: OpenSSH writes the scalar without leading zeros.
//! - The private half alone decides; the public half is recomputed from it and must equal the one in
//!   the file.
//! - Secrets are only in buffers that are wiped.
//!
//! References: \[KEYFILE\] in `wiki/specifications.md`.

use crate::certificate::{PublicKey, PublicKeyError};
use signature::Signer;
use ssh_encoding::base64::{Base64, Encoding};
use ssh_encoding::{Decode, Mpint, Reader};
use ssh_key::private::{EcdsaKeypair, EcdsaPrivateKey, RsaKeypair, RsaPrivateKey};
use ssh_key::public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey};
use ssh_key::{Algorithm, Cipher, Kdf, Signature};
use std::path::Path;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The smallest RSA key a CA may have, in bits.
const MIN_CA_RSA_BITS: usize = 3072;

/// The most bcrypt rounds that are run; ssh-keygen's default is 16 or 24. At about 7 ms a round the
/// bound keeps `sign` below 10 s.
const MAX_KDF_ROUNDS: u32 = 1024;

/// Why the content of a file is not a CA key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Another format than OpenSSH's own.
    #[error("is not in OpenSSH's private key format: {found}")]
    Format {
        /// What it seems to be.
        found: &'static str,
    },
    /// The structure does not decode.
    #[error("is damaged: {detail}")]
    Damaged {
        /// What is wrong.
        detail: &'static str,
    },
    /// The passphrase is wrong, or the encrypted part is damaged; the two look the same.
    #[error("does not decrypt with the passphrase given")]
    Passphrase,
    /// A key type that no CA here has.
    #[error("has type `{found}`; a CA key is ed25519, ecdsa or rsa")]
    Unsupported {
        /// The type.
        found: String,
    },
    /// A private half that is not the public half's.
    #[error("holds a private half that does not belong to its public half")]
    HalvesDisagree,
    /// The public half would not be certified either.
    #[error("is not fit to be a CA")]
    Unsound(#[source] PublicKeyError),
    /// An RSA key under 3072 bits.
    #[error("has {found} bits; an RSA CA has at least 3072")]
    RsaSize {
        /// The size in bits.
        found: usize,
    },
}

impl PrivateKeyError {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Format { .. } => "ca_key_format",
            Self::Damaged { .. } => "ca_key_damaged",
            Self::Passphrase => "passphrase_wrong",
            Self::Unsupported { .. } => "ca_key_unsupported",
            Self::HalvesDisagree => "ca_key_halves_disagree",
            Self::Unsound(_) => "ca_key_unsound",
            Self::RsaSize { .. } => "ca_key_rsa_size",
        }
    }

    pub(super) fn hints(&self, path: &Path) -> Vec<String> {
        match self {
            Self::Format { found: "nothing known" } => vec!["a CA key file begins with -----BEGIN OPENSSH PRIVATE KEY-----; `warden ca init` makes one".to_owned()],
            Self::Format { .. } => vec![format!(
                "convert a copy of it in place: ssh-keygen -p -f {}",
                path.display()
            )],
            Self::Passphrase => vec![
                "check the file named as `ca_passphrase_file`; one newline at its end is ignored"
                    .to_owned(),
            ],
            Self::Unsupported { .. } | Self::RsaSize { .. } | Self::Unsound(_) => {
                vec!["make a CA key with `warden ca init`".to_owned()]
            }
            Self::Damaged { .. } | Self::HalvesDisagree => {
                vec!["restore the key from a backup".to_owned()]
            }
        }
    }
}

fn damaged(detail: &'static str) -> PrivateKeyError {
    PrivateKeyError::Damaged { detail }
}

/// A private key file, decoded as far as it is not secret.
pub(super) struct Container {
    cipher: Cipher,
    kdf: Kdf,
    public: KeyData,
    secret: Zeroizing<Vec<u8>>,
    tag: Option<ssh_key::cipher::Tag>,
}

impl Container {
    /// Decodes the text of a key file.
    pub(super) fn from_pem(content: &[u8]) -> Result<Self, PrivateKeyError> {
        let text = std::str::from_utf8(content)
            .map_err(|_| PrivateKeyError::Format { found: "not text" })?;
        let body =
            text.trim_ascii()
                .strip_prefix(BEGIN)
                .ok_or_else(|| PrivateKeyError::Format {
                    found: other_format(text),
                })?;
        let body = body
            .strip_suffix(END)
            .ok_or_else(|| damaged("the end line is missing"))?;
        let mut encoded = Zeroizing::new(String::with_capacity(body.len()));
        encoded.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let blob = Base64::decode_vec(&encoded)
            .map(Zeroizing::new)
            .map_err(|_| damaged("not base64"))?;
        Self::from_blob(&blob)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut rest = blob
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("the magic bytes are missing"))?;
        let cipher = Cipher::decode(&mut rest).map_err(|_| PrivateKeyError::Format {
            found: "an unknown cipher",
        })?;
        let kdf = Kdf::decode(&mut rest).map_err(|_| PrivateKeyError::Format {
            found: "an unknown key derivation",
        })?;
        if u32::decode(&mut rest) != Ok(1) {
            return Err(damaged("not exactly one key"));
        }
        let public = rest
            .read_prefixed(KeyData::decode)
            .map_err(|_: ssh_key::Error| damaged("the public half"))?;
        let secret = Vec::<u8>::decode(&mut rest)
            .map(Zeroizing::new)
            .map_err(|_| damaged("the private part is cut short"))?;
        let tag = match cipher.has_tag() {
            true => {
                let mut tag = ssh_key::cipher::Tag::default();
                rest.read(&mut tag)
                    .map_err(|_| damaged("the authentication tag is cut short"))?;
                Some(tag)
            }
            false => None,
        };
        if !rest.is_empty() {
            return Err(damaged("bytes follow the key"));
        }
        if cipher.is_none() != kdf.is_none() {
            return Err(damaged("cipher and key derivation disagree"));
        }
        Ok(Self {
            cipher,
            kdf,
            public,
            secret,
            tag,
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// The key of a file that is not encrypted.
    pub(super) fn plain(self) -> Result<PrivateKey, PrivateKeyError> {
        PrivateKey::from_secret(&self.secret, &self.public, || {
            damaged("the check numbers differ")
        })
    }

    /// The key of an encrypted file.
    pub(super) fn decrypt(mut self, passphrase: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
        if let Kdf::Bcrypt { rounds, .. } = self.kdf
            && rounds > MAX_KDF_ROUNDS
        {
            return Err(PrivateKeyError::Format {
                found: "more than 1024 rounds of key derivation",
            });
        }
        let (key, iv) = self
            .kdf
            .derive_key_and_iv(self.cipher, passphrase)
            .map_err(|_| PrivateKeyError::Passphrase)?;
        self.cipher
            .decrypt(&key, &iv, &mut self.secret, self.tag)
            .map_err(|_| PrivateKeyError::Passphrase)?;
        PrivateKey::from_secret(&self.secret, &self.public, || PrivateKeyError::Passphrase)
    }
}

fn other_format(text: &str) -> &'static str {
    let begins = |words: &str| text.contains(words);
    match text {
        _ if begins("BEGIN RSA PRIVATE KEY") || begins("BEGIN EC PRIVATE KEY") => {
            "an older PEM format"
        }
        _ if begins("BEGIN PRIVATE KEY") || begins("BEGIN ENCRYPTED PRIVATE KEY") => "PKCS#8",
        _ if begins("PuTTY-User-Key-File") => "PuTTY's format",
        _ if begins("ssh-") || begins("ecdsa-") => "a public key",
        _ => "nothing known",
    }
}

/// A private key that signs.
pub(super) enum PrivateKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Ecdsa(EcdsaKeypair),
    Rsa(Box<RsaKeypair>),
}

impl PrivateKey {
    pub(super) fn from_ed25519_seed(seed: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// Decodes the private part: two equal check numbers, the key, a comment, padding 1, 2, 3, ...
    fn from_secret(
        secret: &[u8],
        public: &KeyData,
        unequal: impl Fn() -> PrivateKeyError,
    ) -> Result<Self, PrivateKeyError> {
        let mut rest = secret;
        let check = (u32::decode(&mut rest), u32::decode(&mut rest));
        if !matches!(check, (Ok(one), Ok(other)) if one == other) {
            return Err(unequal());
        }
        let algorithm = String::decode(&mut rest).map_err(|_| damaged("the key type"))?;
        let key = match algorithm.parse() {
            Ok(Algorithm::Ed25519) => Self::ed25519(&mut rest)?,
            Ok(Algorithm::Ecdsa { .. }) => Self::ecdsa(&mut rest)?,
            Ok(Algorithm::Rsa { .. }) => Self::rsa(&mut rest)?,
            _ => {
                return Err(PrivateKeyError::Unsupported {
                    found: algorithm.chars().take(40).collect(),
                });
            }
        };
        Vec::<u8>::decode(&mut rest).map_err(|_| damaged("the comment"))?;
        if rest
            .iter()
            .zip(1u8..)
            .any(|(found, expected)| *found != expected)
            || rest.len() > 255
        {
            return Err(damaged("the padding"));
        }
        if key.public()?.data() != public {
            return Err(PrivateKeyError::HalvesDisagree);
        }
        Ok(key)
    }

    fn ed25519(rest: &mut &[u8]) -> Result<Self, PrivateKeyError> {
        let public =
            Ed25519PublicKey::decode(rest).map_err(|_| damaged("the ed25519 public half"))?;
        let secret = Vec::<u8>::decode(rest)
            .map(Zeroizing::new)
            .map_err(|_| damaged("the ed25519 private half"))?;
        let seed = secret
            .first_chunk::<32>()
            .filter(|_| secret.len() == 64)
            .ok_or_else(|| damaged("the ed25519 private half"))?;
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        // Signing with a public half that is not the seed's would give the seed away.
        if key.verifying_key().as_bytes() != &public.0 || secret[32..] != public.0 {
            return Err(PrivateKeyError::HalvesDisagree);
        }
        Ok(Self::Ed25519(Box::new(key)))
    }

    fn ecdsa(rest: &mut &[u8]) -> Result<Self, PrivateKeyError> {
        let public = EcdsaPublicKey::decode(rest).map_err(|_| damaged("the ecdsa public half"))?;
        // OpenSSH reads a number with zeros in front, as `ssh_key` writes one P-521 key in four.
        // `Mpint` refuses it.
        let number = Vec::<u8>::decode(rest)
            .map(Zeroizing::new)
            .map_err(|_| damaged("the ecdsa private half"))?;
        if number.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(damaged("the ecdsa private half is negative"));
        }
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let scalar = &number[zeros..];
        let curve_bits = match public {
            EcdsaPublicKey::NistP256(_) => 256,
            EcdsaPublicKey::NistP384(_) => 384,
            EcdsaPublicKey::NistP521(_) => 521,
        };
        // As OpenSSH's `sshkey_ec_validate_private`.
        if crate::certificate::bits(scalar) <= curve_bits / 2 {
            return Err(damaged(
                "the ecdsa private half has at most half the curve's bits",
            ));
        }
        let wrong = |_| damaged("the ecdsa private half");
        let (pair, recomputed) = match public {
            EcdsaPublicKey::NistP256(public) => {
                let bytes = padded::<32>(scalar)?;
                let secret = p256::SecretKey::from_slice(&*bytes).map_err(wrong)?;
                let recomputed = p256::ecdsa::VerifyingKey::from(secret.public_key());
                (
                    EcdsaKeypair::NistP256 {
                        public,
                        private: EcdsaPrivateKey::from(*bytes),
                    },
                    EcdsaPublicKey::from(recomputed),
                )
            }
            EcdsaPublicKey::NistP384(public) => {
                let bytes = padded::<48>(scalar)?;
                let secret = p384::SecretKey::from_slice(&*bytes).map_err(wrong)?;
                let recomputed = p384::ecdsa::VerifyingKey::from(secret.public_key());
                (
                    EcdsaKeypair::NistP384 {
                        public,
                        private: EcdsaPrivateKey::from(*bytes),
                    },
                    EcdsaPublicKey::from(recomputed),
                )
            }
            EcdsaPublicKey::NistP521(public) => {
                let bytes = padded::<66>(scalar)?;
                let secret = p521::SecretKey::from_slice(&*bytes).map_err(wrong)?;
                let recomputed = p521::ecdsa::VerifyingKey::from(secret.public_key());
                (
                    EcdsaKeypair::NistP521 {
                        public,
                        private: EcdsaPrivateKey::from(*bytes),
                    },
                    EcdsaPublicKey::from(recomputed),
                )
            }
        };
        if recomputed != public {
            return Err(PrivateKeyError::HalvesDisagree);
        }
        Ok(Self::Ecdsa(pair))
    }

    fn rsa(rest: &mut &[u8]) -> Result<Self, PrivateKeyError> {
        let mut number = || Mpint::decode(rest).map_err(|_| damaged("the rsa numbers"));
        let (n, e, d, iqmp, p, q) = (
            number()?,
            number()?,
            number()?,
            number()?,
            number()?,
            number()?,
        );
        let found = n.as_positive_bytes().map_or(0, crate::certificate::bits);
        if found < MIN_CA_RSA_BITS {
            return Err(PrivateKeyError::RsaSize { found });
        }
        let public = RsaPublicKey::new(e, n).map_err(|_| damaged("the rsa public half"))?;
        let private =
            RsaPrivateKey::new(d, iqmp, p, q).map_err(|_| damaged("the rsa private half"))?;
        let pair = RsaKeypair::new(public, private).map_err(|_| damaged("the rsa private half"))?;
        // The conversion proves that n = p q and that d belongs to e.
        rsa::RsaPrivateKey::try_from(&pair).map_err(|_| PrivateKeyError::HalvesDisagree)?;
        Ok(Self::Rsa(Box::new(pair)))
    }

    /// The public half, recomputed and judged like any key that is to be certified.
    pub(super) fn public(&self) -> Result<PublicKey, PrivateKeyError> {
        PublicKey::from_key_data(KeyData::from(self)).map_err(PrivateKeyError::Unsound)
    }
}

/// A big-endian number filled up with zeros in front.
fn padded<const SIZE: usize>(number: &[u8]) -> Result<Zeroizing<[u8; SIZE]>, PrivateKeyError> {
    let mut out = Zeroizing::new([0; SIZE]);
    let start = SIZE
        .checked_sub(number.len())
        .ok_or_else(|| damaged("the ecdsa private half"))?;
    out[start..].copy_from_slice(number);
    Ok(out)
}

impl From<&PrivateKey> for KeyData {
    fn from(key: &PrivateKey) -> Self {
        match key {
            PrivateKey::Ed25519(key) => {
                Self::Ed25519(Ed25519PublicKey(key.verifying_key().to_bytes()))
            }
            PrivateKey::Ecdsa(pair) => Self::Ecdsa(pair.into()),
            PrivateKey::Rsa(pair) => Self::Rsa(pair.public().clone()),
        }
    }
}

/// Signs with ed25519, ecdsa with the curve's hash, or rsa-sha2-512.
impl Signer<Signature> for PrivateKey {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        match self {
            Self::Ed25519(key) => Ok(Signature::new(
                Algorithm::Ed25519,
                key.sign(message).to_bytes().to_vec(),
            )?),
            Self::Ecdsa(pair) => pair.try_sign(message),
            Self::Rsa(pair) => pair.try_sign(message),
        }
    }
}
