//! Makes key files as `ssh-keygen` would: a new CA key, or a user's key for a first certificate.
//!
//! - Mode 0600 from the first byte, and never over anything that exists.
//! - A pair is whole or absent: if the public file cannot be written, the private one is removed.

use crate::failure::{Class, Failure};
use crate::file::{self, FileError};
use rand_core::TryRng;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::rand_core::UnwrapErr;
use ssh_key::{Algorithm, EcdsaCurve, LineEnding, PrivateKey};
use std::fmt;
use std::path::{Path, PathBuf};

/// The kind of a key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
}

impl KeyKind {
    /// All kinds, the recommended one first.
    pub const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The name used on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Something is there already.
    #[error("{} exists; a key is never overwritten", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// A file cannot be written or read.
    #[error("the key was not made")]
    File(#[from] FileError),
    /// The system gave no random bytes.
    #[error("the key was not made: the system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// The key could not be made or encoded.
    #[error("the key was not made: {0}")]
    Key(ssh_key::Error),
}

impl Failure for GenerateError {
    fn class(&self) -> Class {
        Class::Failed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "key_exists",
            Self::File(error) => error.reason(),
            Self::Randomness(_) => "randomness_unavailable",
            Self::Key(_) => "key_not_made",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => {
                vec!["name another file, or move this one away first".to_owned()]
            }
            Self::File(error) => error.hints(),
            Self::Randomness(_) | Self::Key(_) => Vec::new(),
        }
    }
}

/// Makes a CA key at `path` and its public half at `path` with `.pub` behind it. With a passphrase
/// the private file is encrypted (aes256-ctr, bcrypt).
///
/// # Errors
/// If either file exists, if others could write where the key would stand, or if the files cannot
/// be written.
pub fn generate_ca_key(
    path: &Path,
    kind: KeyKind,
    passphrase: Option<&[u8]>,
) -> Result<(), GenerateError> {
    generate(path, kind, passphrase, "warden CA")
}

/// Makes an unencrypted ed25519 key for a user, and its public half beside it.
///
/// # Errors
/// As [`generate_ca_key`].
pub fn generate_user_key(path: &Path, comment: &str) -> Result<(), GenerateError> {
    generate(path, KeyKind::Ed25519, None, comment)
}

fn generate(
    path: &Path,
    kind: KeyKind,
    passphrase: Option<&[u8]>,
    comment: &str,
) -> Result<(), GenerateError> {
    let mut public_path = path.to_owned().into_os_string();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    for path in [path, &public_path] {
        if path.symlink_metadata().is_ok() {
            return Err(GenerateError::Exists {
                path: path.to_owned(),
            });
        }
    }
    file::key_directory_is_safe(path)?;
    // The generators below take a source that cannot fail, so that it works is found out first.
    getrandom::SysRng
        .try_next_u64()
        .map_err(GenerateError::Randomness)?;
    let mut rng = UnwrapErr(ssh_key::getrandom::SysRng);
    let algorithm =
        |algorithm| PrivateKey::random(&mut UnwrapErr(ssh_key::getrandom::SysRng), algorithm);
    let rsa = |bits| {
        let pair = RsaKeypair::random(&mut UnwrapErr(ssh_key::getrandom::SysRng), bits)?;
        PrivateKey::new(KeypairData::Rsa(pair), "")
    };
    let mut key = match kind {
        KeyKind::Ed25519 => algorithm(Algorithm::Ed25519),
        KeyKind::EcdsaP256 => algorithm(Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        }),
        KeyKind::EcdsaP384 => algorithm(Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        }),
        KeyKind::EcdsaP521 => algorithm(Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        }),
        KeyKind::Rsa3072 => rsa(3072),
        KeyKind::Rsa4096 => rsa(4096),
    }
    .map_err(GenerateError::Key)?;
    key.set_comment(comment);
    let public = key.public_key().to_openssh().map_err(GenerateError::Key)? + "\n";
    if let Some(passphrase) = passphrase {
        key = key
            .encrypt(&mut rng, passphrase)
            .map_err(GenerateError::Key)?;
    }
    let private = key.to_openssh(LineEnding::LF).map_err(GenerateError::Key)?;
    file::create_new(path, private.as_bytes(), 0o600)?;
    if let Err(error) = file::create_new(&public_path, public.as_bytes(), 0o644) {
        // The private file is new and worthless without its public half.
        drop(std::fs::remove_file(path));
        return Err(error.into());
    }
    // A key that hosts already trust must not be lost with the power.
    file::sync_directory(path.parent().unwrap_or(Path::new(".")))?;
    Ok(())
}
