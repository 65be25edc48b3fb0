//! The bytes a CA signs, written out independently of the library that built the certificate.
//!
//! - Fields 1 to 13 of \[CERT\], in order, RFC 4251 encodings, big-endian.
//! - The one writer here is what the post-sign check compares with, byte for byte, so that nothing a
//!   signer put between or after the fields can pass.

use super::CertType;
use ssh_encoding::Encode;
use ssh_key::public::KeyData;

/// The content of a certificate, up to its signature.
#[derive(Debug, Clone)]
pub struct CertificateFields<'a> {
    /// The certificate's own key type, such as `ssh-ed25519-cert-v01@openssh.com`.
    pub key_type: &'a str,
    /// Random bytes.
    pub nonce: &'a [u8],
    /// The certified key's fields, without its type.
    pub key_fields: &'a [u8],
    /// The serial.
    pub serial: u64,
    /// User or host.
    pub cert_type: CertType,
    /// The key id.
    pub key_id: &'a [u8],
    /// The principals in order.
    pub principals: Vec<&'a [u8]>,
    /// First second of validity.
    pub valid_after: u64,
    /// First second after it.
    pub valid_before: u64,
    /// Name and value of each critical option, in order; an empty value is a flag.
    pub critical_options: Vec<(&'a str, &'a str)>,
    /// Names of the extensions, in order.
    pub extensions: Vec<&'a str>,
    /// The CA's key in wire form.
    pub ca_key: &'a [u8],
}

/// The bytes the signature is over.
pub fn to_be_signed(fields: &CertificateFields<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    string(&mut out, fields.key_type.as_bytes());
    string(&mut out, fields.nonce);
    out.extend_from_slice(fields.key_fields);
    out.extend_from_slice(&fields.serial.to_be_bytes());
    let cert_type: u32 = match fields.cert_type {
        CertType::User => 1,
        CertType::Host => 2,
    };
    out.extend_from_slice(&cert_type.to_be_bytes());
    string(&mut out, fields.key_id);
    nested(&mut out, |list| {
        fields.principals.iter().for_each(|one| string(list, one))
    });
    out.extend_from_slice(&fields.valid_after.to_be_bytes());
    out.extend_from_slice(&fields.valid_before.to_be_bytes());
    nested(&mut out, |list| {
        for (name, value) in &fields.critical_options {
            string(list, name.as_bytes());
            nested(list, |data| {
                if !value.is_empty() {
                    string(data, value.as_bytes());
                }
            });
        }
    });
    nested(&mut out, |list| {
        for name in &fields.extensions {
            string(list, name.as_bytes());
            string(list, b"");
        }
    });
    string(&mut out, b"");
    string(&mut out, fields.ca_key);
    out
}

/// A key in wire form, beginning with its type.
pub(crate) fn key_blob(key: &KeyData) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    // Writing to memory fails only beyond 4 GiB; an empty blob then equals no certificate's.
    if key.encode(&mut out).is_err() {
        out.clear();
    }
    out
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn nested(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    string(out, &inner);
}
