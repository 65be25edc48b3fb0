//! A certificate written out by hand, so that a signer can be made to write anything.
//!
//! It shares nothing with the library: what the library takes for canonical is compared with this.

use crate::scene::{line, string};
use ed25519_dalek::Signer;

/// The fields of a certificate. Names and data of options are raw: the data of an option with a
/// value is a string within the string.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) key_type: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) key_fields: Vec<u8>,
    pub(crate) serial: u64,
    pub(crate) cert_type: u32,
    pub(crate) key_id: Vec<u8>,
    pub(crate) principals: Vec<Vec<u8>>,
    pub(crate) valid_after: u64,
    pub(crate) valid_before: u64,
    pub(crate) critical_options: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) extensions: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) reserved: Vec<u8>,
    pub(crate) ca_key: Vec<u8>,
}

impl Wire {
    /// Everything a signature is over.
    pub(crate) fn to_be_signed(&self) -> Vec<u8> {
        let principals: Vec<u8> = self.principals.iter().flat_map(|one| string(one)).collect();
        [
            string(&self.key_type),
            string(&self.nonce),
            self.key_fields.clone(),
            self.serial.to_be_bytes().to_vec(),
            self.cert_type.to_be_bytes().to_vec(),
            string(&self.key_id),
            string(&principals),
            self.valid_after.to_be_bytes().to_vec(),
            self.valid_before.to_be_bytes().to_vec(),
            string(&pairs(&self.critical_options)),
            string(&pairs(&self.extensions)),
            string(&self.reserved),
            string(&self.ca_key),
        ]
        .concat()
    }
}

fn pairs(options: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let pair = |(name, data): &(Vec<u8>, Vec<u8>)| [string(name), string(data)].concat();
    options.iter().flat_map(pair).collect()
}

/// An option with a value.
pub(crate) fn valued(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), string(value.as_bytes()))
}

/// An option without one.
pub(crate) fn flag(name: &str) -> (Vec<u8>, Vec<u8>) {
    (name.into(), Vec::new())
}

/// A signature in wire form.
pub(crate) fn signature(algorithm: &str, data: &[u8]) -> Vec<u8> {
    [string(algorithm.as_bytes()), string(data)].concat()
}

/// A signature by the ed25519 key of this seed.
pub(crate) fn signed_by(seed: u8, message: &[u8]) -> Vec<u8> {
    let data = crate::scene::pair(seed).sign(message).to_bytes();
    signature("ssh-ed25519", &data)
}

/// The line of a certificate with this signature.
pub(crate) fn certificate_line(label: &str, signed: &[u8], signature: &[u8]) -> String {
    line(label, &[signed, &string(signature)].concat())
}
