//! A CA whose private key is in a file on this machine.
//!
//! - The key file is judged and read once, on the first signature, by the rules of
//!   [`read_secret`](crate::file::read_secret).
//! - ed25519, ecdsa on three curves, and rsa of at least 3072 bits with rsa-sha2-512; never SHA-1.
//! - The public half is recomputed from the private one and must equal a `.pub` beside it.
//! - Key material is wiped when dropped and has no `Debug`.

mod generate;
mod private_key;

pub use generate::{GenerateError, KeyKind, generate_ca_key, generate_user_key};

use super::{BackendError, Reply, SigningBackend, TrustedCa};
use crate::authorize::Authorization;
use crate::certificate::{
    BACKDATE_SECONDS, CaPublicKey, CertType, Fingerprint, PublicKey, PublicKeyError, Serial,
    UnixTime,
};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use private_key::PrivateKey;
pub use private_key::PrivateKeyError;
use rand_core::TryRng;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest private key file, in bytes. A 16,384-bit RSA key takes 13 KiB.
pub(crate) const MAX_KEY_FILE_BYTES: usize = 64 * 1024;

/// The largest passphrase file, in bytes.
const MAX_PASSPHRASE_BYTES: usize = 4096;

/// The length of a certificate's nonce, in bytes, as `ssh-keygen` has it.
const NONCE_BYTES: usize = 32;

/// Where a local CA's key is.
#[derive(Debug, Clone)]
pub struct CaKeyFile {
    /// The OpenSSH private key file.
    pub path: PathBuf,
    /// The file that holds its passphrase, if it is encrypted.
    pub passphrase_file: Option<PathBuf>,
}

/// A CA private key, ready to sign.
pub struct CaKey {
    private: PrivateKey,
    public: CaPublicKey,
}

impl std::fmt::Debug for CaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaKey")
            .field("public", self.public.fingerprint())
            .finish_non_exhaustive()
    }
}

/// Why a CA key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaKeyError {
    /// The file, its mode, owner or place.
    #[error("the CA key cannot be used")]
    File(#[from] FileError),
    /// The passphrase file.
    #[error("the passphrase of the CA key cannot be used")]
    PassphraseFile(#[source] FileError),
    /// The key is encrypted and there is no passphrase file.
    #[error("CA key {} is encrypted, and the config names no passphrase file", path.display())]
    PassphraseRequired {
        /// The key file.
        path: PathBuf,
    },
    /// The content is not a key that can be used.
    #[error("CA key {}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: PrivateKeyError,
    },
    /// The `.pub` beside it is another key's, or not a key.
    #[error("{} is not the public half of the CA key: found {found}, expected {expected}", path.display())]
    PublicHalf {
        /// The `.pub` file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// The fingerprint recomputed from the private key.
        expected: String,
    },
}

impl Failure for CaKeyError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) if error.is_not_found() => "ca_key_not_found",
            Self::PassphraseFile(error) if error.is_not_found() => "passphrase_file_not_found",
            Self::File(FileError::Exposed { .. }) => "ca_key_exposed",
            Self::PassphraseFile(FileError::Exposed { .. }) => "passphrase_file_exposed",
            Self::File(_) => "ca_key_not_readable",
            Self::PassphraseFile(_) => "passphrase_file_not_readable",
            Self::PassphraseRequired { .. } => "passphrase_required",
            Self::Key { source, .. } => source.reason(),
            Self::PublicHalf { .. } => "ca_public_half_differs",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) if error.is_not_found() => {
                vec![
                    "set `ca_key` in the config, or make a CA key with `warden ca init`".to_owned(),
                ]
            }
            Self::PassphraseFile(error) if error.is_not_found() => {
                vec![
                    "put the passphrase there with mode 0600, or correct `ca_passphrase_file` in the config"
                        .to_owned(),
                ]
            }
            Self::File(error) | Self::PassphraseFile(error) => error.hints(),
            Self::PassphraseRequired { .. } => {
                vec!["put the passphrase into a file of mode 0600 and name it as `ca_passphrase_file` in the config".to_owned()]
            }
            Self::Key { source, path } => source.hints(path),
            Self::PublicHalf { path, .. } => vec![format!(
                "if the private key is the right one: rm {}",
                path.display()
            )],
        }
    }
}

impl CaKeyFile {
    /// Judges the file, reads it and makes the key ready to sign.
    ///
    /// # Errors
    /// If the file could have been read or changed by others, is encrypted without a passphrase file,
    /// is not a key that can be used, or the `.pub` beside it belongs to another key.
    ///
    /// # Security
    /// Never prompts. The secret is in memory that is wiped, and nowhere else.
    pub fn open(&self) -> Result<CaKey, CaKeyError> {
        let content = file::read_secret(&self.path, MAX_KEY_FILE_BYTES)?;
        let key = self.decoded(&content)?;
        self.same_public_half(&key.public)?;
        Ok(key)
    }

    /// The key in the content of the file.
    pub(crate) fn decoded(&self, content: &[u8]) -> Result<CaKey, CaKeyError> {
        let wrong = |source| CaKeyError::Key {
            path: self.path.clone(),
            source,
        };
        let container = private_key::Container::from_pem(content).map_err(wrong)?;
        let private = match container.is_encrypted() {
            true => container.decrypt(&self.passphrase()?),
            false => container.plain(),
        }
        .map_err(wrong)?;
        let public = CaPublicKey::new(private.public().map_err(wrong)?);
        Ok(CaKey { private, public })
    }

    fn passphrase(&self) -> Result<Zeroizing<Vec<u8>>, CaKeyError> {
        let Some(path) = &self.passphrase_file else {
            return Err(CaKeyError::PassphraseRequired {
                path: self.path.clone(),
            });
        };
        let mut passphrase =
            file::read_secret(path, MAX_PASSPHRASE_BYTES).map_err(CaKeyError::PassphraseFile)?;
        // One newline at the end belongs to the file, not to the passphrase.
        if passphrase.last() == Some(&b'\n') {
            passphrase.pop();
        }
        Ok(passphrase)
    }

    /// Where its public half lies, if it lies beside it: the same name with `.pub`.
    pub fn public_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".pub");
        PathBuf::from(name)
    }

    fn same_public_half(&self, recomputed: &CaPublicKey) -> Result<(), CaKeyError> {
        let path = self.public_path();
        let content = match file::read_bounded(
            &path,
            crate::certificate::MAX_PUBLIC_KEY_BYTES,
            Links::Follow,
        ) {
            Ok(content) => content,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let found = match PublicKey::from_openssh(&content) {
            Ok(key) if key == *recomputed.key() => return Ok(()),
            Ok(key) => key.fingerprint().to_string(),
            Err(error) => error.to_string(),
        };
        Err(CaKeyError::PublicHalf {
            path,
            found,
            expected: recomputed.fingerprint().to_string(),
        })
    }
}

impl CaKey {
    /// The public half.
    pub fn public(&self) -> &CaPublicKey {
        &self.public
    }

    /// What signs with it.
    pub(super) fn signer(&self) -> &impl ssh_key::SigningKey {
        &self.private
    }

    /// A CA key made of an ed25519 seed, for tests and benchmarks.
    ///
    /// # Errors
    /// Never for a seed of a generator; the public half is judged as any other key.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let private = PrivateKey::from_ed25519_seed(seed);
        let public = private.public().map_err(|_| PublicKeyError::NotOnCurve)?;
        Ok(Self {
            private,
            public: CaPublicKey::new(public),
        })
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        let failed = |error: ssh_key::Error| {
            BackendError::new(
                Class::Failed,
                "signing_failed",
                format!("the CA key did not sign: {error}"),
            )
        };
        let Some(ttl) = authorization.ttl_at(now) else {
            return Err(BackendError::new(
                Class::Refused,
                "actor_expired",
                "the actor has expired",
            ));
        };
        let (serial, nonce) = random().map_err(|error| {
            BackendError::new(
                Class::Failed,
                "randomness_unavailable",
                format!("the system gave no random bytes: {error}"),
            )
        })?;
        let mut builder = ssh_key::certificate::Builder::new(
            nonce,
            authorization.public_key().data().clone(),
            now.minus(BACKDATE_SECONDS).0,
            now.plus(ttl.seconds()).0,
        )
        .map_err(failed)?;
        let cert_type = match authorization.cert_type() {
            CertType::User => ssh_key::certificate::CertType::User,
            CertType::Host => ssh_key::certificate::CertType::Host,
        };
        builder.serial(serial.number()).map_err(failed)?;
        builder.cert_type(cert_type).map_err(failed)?;
        builder
            .key_id(authorization.holder().as_str())
            .map_err(failed)?;
        for principal in authorization.principals().iter() {
            builder
                .valid_principal(principal.as_str())
                .map_err(failed)?;
        }
        for (name, value) in authorization.critical_options().to_map() {
            builder.critical_option(name, value).map_err(failed)?;
        }
        for extension in authorization.extensions() {
            builder.extension(extension.as_str(), "").map_err(failed)?;
        }
        let certificate = builder
            .sign(&self.private)
            .map_err(failed)?
            .to_openssh()
            .map_err(failed)?;
        Ok(Reply {
            certificate: certificate.into_bytes(),
            serial: Some(serial),
        })
    }
}

/// A public key whose private half nobody has: for questions about a certificate that is never made.
///
/// # Errors
/// If the system gives no random bytes.
pub fn throwaway_key() -> Result<PublicKey, getrandom::Error> {
    let seed = random_seed()?;
    let point = ed25519_dalek::SigningKey::from_bytes(&seed)
        .verifying_key()
        .to_bytes();
    let key = ssh_key::public::KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(point));
    // The key of a random seed is on the curve and not of small order.
    PublicKey::from_key_data(key).map_err(|_| getrandom::Error::UNEXPECTED)
}

/// A key pair in memory, for a trial login: the public half, and the private one in OpenSSH's form.
///
/// # Errors
/// If the system gives no random bytes.
pub fn throwaway_pair() -> Result<(PublicKey, Zeroizing<String>), getrandom::Error> {
    let seed = random_seed()?;
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&seed);
    let public = PublicKey::from_key_data(ssh_key::public::KeyData::Ed25519(pair.public))
        .map_err(|_| getrandom::Error::UNEXPECTED)?;
    let private = ssh_key::PrivateKey::from(pair).to_openssh(ssh_key::LineEnding::LF);
    // An ed25519 key always has a form.
    Ok((public, private.map_err(|_| getrandom::Error::UNEXPECTED)?))
}

/// A CA that nobody trusts and whose key is gone when it is dropped, for a trial that must fail.
///
/// # Errors
/// If the system gives no random bytes.
pub fn foreign_ca() -> Result<LocalCa, getrandom::Error> {
    let seed = random_seed()?;
    let key = CaKey::from_ed25519_seed(&seed);
    Ok(LocalCa::with_key(
        key.map_err(|_| getrandom::Error::UNEXPECTED)?,
    ))
}

fn random_seed() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::SysRng.try_fill_bytes(&mut *seed)?;
    Ok(seed)
}

/// A serial that is not zero, and a nonce.
fn random() -> Result<(Serial, [u8; NONCE_BYTES]), getrandom::Error> {
    let mut rng = getrandom::SysRng;
    let mut nonce = [0; NONCE_BYTES];
    rng.try_fill_bytes(&mut nonce)?;
    loop {
        if let Some(serial) = Serial::new(rng.try_next_u64()?) {
            return Ok((serial, nonce));
        }
    }
}

/// The backend that signs with a key file, for users or for hosts and never for both. The file is
/// opened on the first signature.
#[derive(Debug)]
pub struct LocalCa {
    key_file: CaKeyFile,
    key: OnceCell<CaKey>,
    cert_type: CertType,
    others: Vec<Fingerprint>,
}

impl LocalCa {
    /// A backend on this key file that signs user certificates; nothing is read yet.
    pub fn new(key_file: CaKeyFile) -> Self {
        Self {
            key_file,
            key: OnceCell::new(),
            cert_type: CertType::User,
            others: Vec::new(),
        }
    }

    /// A backend on this key file that signs host certificates; nothing is read yet.
    pub fn for_hosts(key_file: CaKeyFile) -> Self {
        Self {
            cert_type: CertType::Host,
            ..Self::new(key_file)
        }
    }

    /// The same, but refusing to sign if its key is one of these, which are CAs for the other type: who
    /// holds a CA for users could else make himself any host, and the reverse.
    #[must_use]
    pub fn apart_from(mut self, others: impl IntoIterator<Item = Fingerprint>) -> Self {
        self.others = others.into_iter().collect();
        self
    }

    /// A backend on a key that is ready, for user certificates.
    pub fn with_key(key: CaKey) -> Self {
        let key_file = CaKeyFile {
            path: PathBuf::new(),
            passphrase_file: None,
        };
        Self {
            key: OnceCell::from(key),
            ..Self::new(key_file)
        }
    }

    /// The key file.
    pub fn path(&self) -> &Path {
        &self.key_file.path
    }

    fn key(&self) -> Result<&CaKey, BackendError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = self
            .key_file
            .open()
            .map_err(|error| BackendError::from_failure("the local CA cannot sign", error))?;
        Ok(self.key.get_or_init(|| key))
    }
}

impl SigningBackend for LocalCa {
    fn name(&self) -> &'static str {
        "local"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        self.key().map(|key| TrustedCa::Key(key.public()))
    }

    fn clock_skew(&self) -> u64 {
        super::LOCAL_CLOCK_SKEW
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        let refused = |message: String| {
            BackendError::new(Class::Refused, "ca_of_other_type", message).with_hint(
                "users and hosts have a CA each: `ca_key` and `host_ca_key` in the configuration",
            )
        };
        if authorization.cert_type() != self.cert_type {
            return Err(refused(format!(
                "this CA signs {} certificates, not a {} certificate",
                self.cert_type,
                authorization.cert_type()
            )));
        }
        let key = self.key()?;
        if self.others.contains(key.public().fingerprint()) {
            return Err(refused(format!(
                "CA key {} is the CA for users and for hosts",
                key.public().fingerprint()
            )));
        }
        key.sign(authorization, now)
    }
}
