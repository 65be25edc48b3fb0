//! Signs and verifies a message, as `ssh-keygen -Y` does.
//!
//! - The namespaces are a closed list of our own. A CA key signs no message in `file` or `git`, and
//!   none that a login would accept.
//! - What is signed begins with the six bytes `SSHSIG`. A certificate begins with the length of its
//!   type; read so, these bytes would announce a type of 1.4 GB, and an authentication request begins
//!   with the length of a session identifier. So a signature of one kind is never one of another.
//! - The hash is sha512; a signature over sha256 is verified too. RSA signs with rsa-sha2-512.
//!
//! References: \[SSHSIG\] in `wiki/specifications.md`.

use super::local::CaKey;
use crate::certificate::{CaPublicKey, Fingerprint};
use crate::failure::{Class, Failure};
use ssh_encoding::Encode;
use ssh_key::{HashAlg, LineEnding, SshSig};

/// The largest signature that is read, in bytes; one by a 16,384-bit RSA key takes 6 KiB.
pub const MAX_SIGNATURE_BYTES: usize = 16 * 1024;

/// What a message is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Random bytes, to prove that a key signs.
    Preflight,
    /// The evidence of a cutover.
    Evidence,
}

impl Namespace {
    /// The name in the signature.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight@warden",
            Self::Evidence => "evidence@warden",
        }
    }
}

/// Why a signature was not made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshSigError {
    /// The key did not sign.
    #[error("the CA key did not sign: {0}")]
    NotSigned(ssh_key::Error),
    /// Not one armored signature.
    #[error("not an armored SSH signature of version 1")]
    Malformed,
    /// By another key.
    #[error("signed by {found}, not by {expected}")]
    AnotherKey {
        /// The key in the signature.
        found: Fingerprint,
        /// The key it was to be.
        expected: Fingerprint,
    },
    /// For something else.
    #[error("signed for namespace `{found}`, not for `{expected}`")]
    AnotherNamespace {
        /// The namespace in the signature, escaped.
        found: String,
        /// The namespace it was to be.
        expected: &'static str,
    },
    /// The message or the signature was changed.
    #[error("the signature is not over this message")]
    False,
}

impl Failure for SshSigError {
    fn class(&self) -> Class {
        match self {
            Self::Malformed => Class::Malformed,
            _ => Class::Failed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotSigned(_) => "signing_failed",
            Self::Malformed => "signature_malformed",
            Self::AnotherKey { .. } => "signature_key_differs",
            Self::AnotherNamespace { .. } => "signature_namespace_differs",
            Self::False => "signature_false",
        }
    }
}

/// Signs a message; the result is what `ssh-keygen -Y sign` writes.
///
/// # Errors
/// If the key does not sign.
pub fn sign(key: &CaKey, namespace: Namespace, message: &[u8]) -> Result<String, SshSigError> {
    SshSig::sign(key.signer(), namespace.as_str(), HashAlg::Sha512, message)
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(SshSigError::NotSigned)
}

/// Verifies that an armored signature is this key's, over this message, for this namespace.
///
/// # Errors
/// Says which of them it is not.
pub fn verify(
    armored: &[u8],
    key: &CaPublicKey,
    namespace: Namespace,
    message: &[u8],
) -> Result<(), SshSigError> {
    if armored.len() > MAX_SIGNATURE_BYTES {
        return Err(SshSigError::Malformed);
    }
    let found = SshSig::from_pem(armored).map_err(|_| SshSigError::Malformed)?;
    if found.version() != SshSig::VERSION || !found.reserved().is_empty() {
        return Err(SshSigError::Malformed);
    }
    if found.public_key() != key.key().data() {
        return Err(SshSigError::AnotherKey {
            found: Fingerprint::of(found.public_key()),
            expected: key.fingerprint().clone(),
        });
    }
    if found.namespace() != namespace.as_str() {
        return Err(SshSigError::AnotherNamespace {
            found: found.namespace().escape_default().take(100).collect(),
            expected: namespace.as_str(),
        });
    }
    let signed = SshSig::signed_data(found.namespace(), found.hash_alg(), message);
    let mut signature = Vec::new();
    match (signed, found.signature().encode(&mut signature)) {
        (Ok(signed), Ok(())) if key.verifies(&signed, &signature) => Ok(()),
        _ => Err(SshSigError::False),
    }
}
