//! FIDO security keys in software: the same signatures as a token makes, over
//! the same bytes (OpenSSH's PROTOCOL.u2f), without the token.

use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use ssh_encoding::{Encode, Mpint};
use ssh_key::public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, SkEcdsaSha2NistP256, SkEd25519};
use std::fs::File;
use std::io::Read;

/// What every key made by `ssh-keygen -t ...-sk` is bound to, unless told.
const APPLICATION: &str = "ssh:";

/// The two kinds of security key that OpenSSH knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkKind {
    /// `sk-ssh-ed25519@openssh.com`.
    Ed25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`.
    EcdsaP256,
}

impl SkKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::EcdsaP256];

    /// The name of the public key's type.
    #[must_use]
    pub fn algorithm(self) -> &'static str {
        match self {
            Self::Ed25519 => "sk-ssh-ed25519@openssh.com",
            Self::EcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
}

/// One key.
pub(crate) struct SkKey {
    pub(crate) kind: SkKind,
    secret: Secret,
}

impl SkKey {
    pub(crate) fn make(kind: SkKind) -> Self {
        let secret = match kind {
            SkKind::Ed25519 => {
                Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(&random_bytes()))
            }
            SkKind::EcdsaP256 => loop {
                // Nearly every number of 32 bytes is a key; the rest are not.
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&random_bytes()) {
                    break Secret::EcdsaP256(key);
                }
            },
        };
        Self { kind, secret }
    }

    pub(crate) fn public(&self) -> KeyData {
        match &self.secret {
            Secret::Ed25519(key) => {
                let public = Ed25519PublicKey(key.verifying_key().to_bytes());
                SkEd25519::new(public, APPLICATION).into()
            }
            Secret::EcdsaP256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                match EcdsaPublicKey::from_sec1_bytes(point.as_bytes()) {
                    Ok(EcdsaPublicKey::NistP256(point)) => {
                        SkEcdsaSha2NistP256::new(point, APPLICATION).into()
                    }
                    other => panic!("a P-256 key became {other:?}"),
                }
            }
        }
    }

    /// The signature blob of a message, as the agent protocol carries it.
    pub(crate) fn sign(
        &self,
        message: &[u8],
        flags: u8,
        counter: u32,
    ) -> ssh_encoding::Result<Vec<u8>> {
        let mut signed = Sha256::digest(APPLICATION).to_vec();
        signed.push(flags);
        signed.extend(counter.to_be_bytes());
        signed.extend(Sha256::digest(message));

        let signature = match &self.secret {
            Secret::Ed25519(key) => key.sign(&signed).to_bytes().to_vec(),
            Secret::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(&signed);
                let (r, s) = signature.split_bytes();
                let mut numbers = Mpint::from_positive_bytes(&r).encode_vec()?;
                Mpint::from_positive_bytes(&s).encode(&mut numbers)?;
                numbers
            }
        };

        let mut blob = Vec::new();
        self.kind.algorithm().encode(&mut blob)?;
        signature.encode(&mut blob)?;
        flags.encode(&mut blob)?;
        counter.encode(&mut blob)?;
        Ok(blob)
    }
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) => bytes,
        Err(error) => panic!("no random bytes for a key: {error}"),
    }
}
