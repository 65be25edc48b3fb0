//! The certificates of the stand-in, written out by hand so that anything can be written.

use ed25519_dalek::{Signer, SigningKey};

/// An option as it stands in a certificate: its name, and its data.
pub type RawOption = (Vec<u8>, Vec<u8>);

/// Makes the wire form of a signature over a message.
pub type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// The fields of a certificate for an Ed25519 key. Names and data of options are raw: the data of an
/// option with a value is a string within the string.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The public key's own fields, as they follow its type in its wire form.
    pub key_fields: Vec<u8>,
    /// The serial.
    pub serial: u64,
    /// 1 for a user, 2 for a host.
    pub cert_type: u32,
    /// The key id.
    pub key_id: Vec<u8>,
    /// The principals.
    pub principals: Vec<Vec<u8>>,
    /// The beginning.
    pub valid_after: u64,
    /// The end.
    pub valid_before: u64,
    /// The critical options.
    pub critical_options: Vec<RawOption>,
    /// The extensions.
    pub extensions: Vec<RawOption>,
    /// The CA's public key.
    pub ca_key: Vec<u8>,
}

/// A certificate on its way: first its fields, then the signature, then the line, then the JSON.
pub struct Forgery {
    /// The fields.
    pub fields: Fields,
    /// Signs them.
    pub sign: Sign,
    /// Changes the line, which ends with a line end.
    pub line: Box<dyn Fn(String) -> String>,
    /// The serial beside the certificate; the same if nothing is said.
    pub serial_number: Option<String>,
    /// The `public_key` of the request.
    pub public_key: String,
}

const LABEL: &str = "ssh-ed25519-cert-v01@openssh.com";

impl Forgery {
    pub(super) fn new(fields: Fields, public_key: &str, ca: SigningKey) -> Self {
        Self {
            fields,
            sign: Box::new(move |message| ed25519_signature(&ca, message)),
            line: Box::new(|line| line),
            serial_number: None,
            public_key: public_key.to_owned(),
        }
    }

    /// `signed_key` and `serial_number`.
    pub(super) fn answer(&self) -> (String, String) {
        let signed = self.fields.to_be_signed();
        let blob = [&signed[..], &string(&(self.sign)(&signed))].concat();
        let line = format!("{LABEL} {}\n", base64(&blob));
        let serial = self
            .serial_number
            .clone()
            .unwrap_or_else(|| format!("{:016x}", self.fields.serial));
        ((self.line)(line), serial)
    }
}

impl Fields {
    fn to_be_signed(&self) -> Vec<u8> {
        let principals: Vec<u8> = self.principals.iter().flat_map(|one| string(one)).collect();
        [
            string(LABEL.as_bytes()),
            string(&[7; 32]),
            self.key_fields.clone(),
            self.serial.to_be_bytes().to_vec(),
            self.cert_type.to_be_bytes().to_vec(),
            string(&self.key_id),
            string(&principals),
            self.valid_after.to_be_bytes().to_vec(),
            self.valid_before.to_be_bytes().to_vec(),
            string(&pairs(&self.critical_options)),
            string(&pairs(&self.extensions)),
            string(b""),
            string(&self.ca_key),
        ]
        .concat()
    }
}

fn pairs(options: &[RawOption]) -> Vec<u8> {
    let pair = |(name, data): &RawOption| [string(name), string(data)].concat();
    options.iter().flat_map(pair).collect()
}

/// A string of the SSH wire form.
#[must_use]
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// An option with a value.
#[must_use]
pub fn valued(name: &str, value: &str) -> RawOption {
    (name.into(), string(value.as_bytes()))
}

/// An option without one.
#[must_use]
pub fn flag(name: &str) -> RawOption {
    (name.into(), Vec::new())
}

/// The wire form of a public key.
#[must_use]
pub fn public_blob(key: &SigningKey) -> Vec<u8> {
    let public = key.verifying_key().to_bytes();
    [string(b"ssh-ed25519"), string(&public)].concat()
}

/// The wire form of a signature.
#[must_use]
pub fn ed25519_signature(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let data = key.sign(message).to_bytes();
    [string(b"ssh-ed25519"), string(&data)].concat()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use ssh_encoding::base64::{Base64, Encoding};
    Base64::encode_string(bytes)
}
