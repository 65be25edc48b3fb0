//! OpenSSH private key files, written byte by byte, with keys that `ssh-keygen` makes too rarely to
//! wait for.
//!
//! The format is OpenSSH's PROTOCOL.key: magic, cipher, key derivation, its options, the number of
//! keys, the public blob, and the private part: two equal check numbers, the key's fields, a comment,
//! and padding 1, 2, 3, ... to a multiple of eight.

use ssh_encoding::base64::{Base64, Encoding};
use ssh_encoding::{Encode, Mpint};

/// The curves of ECDSA keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The length of a private scalar with its leading zeros, in bytes.
    pub(super) fn scalar_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    /// The public point of a private scalar, uncompressed.
    fn point(self, scalar: &[u8]) -> Vec<u8> {
        match self {
            Self::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(scalar).unwrap();
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
            }
            Self::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(scalar).unwrap();
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
            }
            Self::P521 => {
                let key = p521::ecdsa::SigningKey::from_slice(scalar).unwrap();
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
            }
        }
    }
}

/// The file of an ECDSA key with this private scalar, given with its leading zeros; the file has it
/// without them, as OpenSSH writes a number.
pub(super) fn ecdsa(curve: Curve, scalar: &[u8]) -> String {
    let number = Mpint::from_positive_bytes(scalar);
    ecdsa_with(curve, scalar, &number.encode_vec().unwrap())
}

/// The same with zeros in front of the number, which OpenSSH reads but never writes.
pub(super) fn ecdsa_padded(curve: Curve, scalar: &[u8]) -> String {
    ecdsa_with(curve, scalar, &strings(&[&[&[0], scalar].concat()]))
}

fn ecdsa_with(curve: Curve, scalar: &[u8], number: &[u8]) -> String {
    assert_eq!(scalar.len(), curve.scalar_bytes());
    let public = strings(&[
        format!("ecdsa-sha2-{}", curve.name()).as_bytes(),
        curve.name().as_bytes(),
        &curve.point(scalar),
    ]);
    let private = [&public, number].concat();
    file(&public, &private)
}

/// The file that stands for a security key, whose private half is in the token: the public blob,
/// flags, the token's handle, and a reserved field.
pub(super) fn security_key(public_line: &str) -> String {
    let public = Base64::decode_vec(public_line.split(' ').nth(1).unwrap()).unwrap();
    let mut private = public.clone();
    private.push(1);
    private.extend(strings(&[b"handle of the key in the token", b""]));
    file(&public, &private)
}

fn file(public: &[u8], fields: &[u8]) -> String {
    let mut private = [7; 8].to_vec();
    private.extend(fields);
    private.extend(strings(&[b"a comment"]));
    let padding = 1..=u8::try_from(private.len().wrapping_neg() % 8).unwrap();
    private.extend(padding);

    let mut blob = b"openssh-key-v1\0".to_vec();
    blob.extend(strings(&[b"none", b"none", b""]));
    blob.extend(1u32.to_be_bytes());
    blob.extend(strings(&[public, &private]));
    let base64 = Base64::encode_string(&blob);
    let mut text = String::from("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for line in base64.as_bytes().chunks(70) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + "-----END OPENSSH PRIVATE KEY-----\n"
}

/// Strings as RFC 4251 has them: each with its length before it.
fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        part.encode(&mut out).unwrap();
    }
    out
}
