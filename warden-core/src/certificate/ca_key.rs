//! The public key of a CA, ready to verify.
//!
//! - Always a plain key: a certificate never signs another (CVE-2025-49825 shows why).
//! - RSA signatures are rsa-sha2-256 or rsa-sha2-512, never SHA-1. \[SSHD\] `CASignatureAlgorithms`.
//! - An Ed25519 key is expanded once, so that many signatures are verified quickly.

use super::{Fingerprint, PublicKey, PublicKeyError};
use signature::Verifier;
use ssh_encoding::Decode;
use ssh_key::Signature;
use ssh_key::public::KeyData;

/// A CA's public key.
#[derive(Debug, Clone)]
pub struct CaPublicKey {
    key: PublicKey,
    ed25519: Option<ed25519_dalek::VerifyingKey>,
}

impl CaPublicKey {
    /// Reads a CA key from a line `type base64 [comment]`.
    ///
    /// # Errors
    /// As [`PublicKey::from_openssh`].
    pub fn from_openssh(content: &[u8]) -> Result<Self, PublicKeyError> {
        PublicKey::from_openssh(content).map(Self::new)
    }

    /// A CA key from a key that passed every check of a subject's key.
    pub fn new(key: PublicKey) -> Self {
        let ed25519 = match key.data() {
            KeyData::Ed25519(point) => ed25519_dalek::VerifyingKey::from_bytes(&point.0).ok(),
            _ => None,
        };
        Self { key, ed25519 }
    }

    /// The SHA-256 fingerprint.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.key.fingerprint()
    }

    /// The key itself.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether `signature`, in wire form, is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let mut rest = signature;
        let Ok(signature) = Signature::decode(&mut rest) else {
            return false;
        };
        if !rest.is_empty()
            || matches!(
                signature.algorithm(),
                ssh_key::Algorithm::Rsa { hash: None }
            )
        {
            return false;
        }
        match &self.ed25519 {
            Some(key) => ed25519_dalek::Signature::try_from(&signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            None => self.key.data().verify(message, &signature).is_ok(),
        }
    }
}
