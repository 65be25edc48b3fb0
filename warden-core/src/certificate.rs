//! The vocabulary of a certificate: every part in its own type, valid by construction.
//!
//! - A value of these types obeys its grammar; nothing downstream checks it again.
//! - Whatever an interface of OpenSSH would split, trim or expand cannot be built: commas, blanks,
//!   quotes, wildcards, control characters, non-ASCII.
//! - This module knows no other.
//!
//! References: \[CERT\], \[SSHD\] in `wiki/specifications.md`.

mod ca_key;
mod layout;
mod options;
mod parsed;
mod principal;
mod public_key;
mod time;

pub use ca_key::CaPublicKey;
pub(crate) use layout::key_blob;
pub use layout::{CertificateFields, to_be_signed};
pub use options::{
    CriticalOptions, Extension, Extensions, ForceCommand, OptionError, SourceAddress,
};
pub use parsed::option_value;
pub use parsed::{CertificateError, Parsed};
pub use principal::{MAX_PRINCIPALS, Principal, PrincipalError, Principals};
pub(crate) use public_key::bits;
pub use public_key::{MAX_PUBLIC_KEY_BYTES, PublicKey, PublicKeyError};
pub use time::{BACKDATE_SECONDS, Ttl, TtlError, UnixTime, Validity};

use std::fmt;
use std::num::NonZeroU64;

/// Whether a certificate proves a user to a host or a host to a user. \[CERT\] field 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertType {
    /// Proves a user to a host.
    User,
    /// Proves a host to a user.
    Host,
}

impl CertType {
    /// `user` or `host`, as `ssh-keygen -L` prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for CertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The serial of a certificate: 64 bits, never zero, since a zero serial cannot be revoked.
///
/// It is shown in decimal everywhere, as sshd logs it, and is a string in all JSON, because a
/// JSON number above 2^53 loses digits in many readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(NonZeroU64);

impl Serial {
    /// A serial from its number; `None` for zero.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The SHA-256 fingerprint of a public key in OpenSSH's form, `SHA256:` and 43 base64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads a fingerprint as `ssh-keygen -l` prints it; `None` if it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: ssh_key::Fingerprint = text.parse().ok()?;
        (parsed.is_sha256() && parsed.to_string() == text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn of(key: &ssh_key::public::KeyData) -> Self {
        Self(key.fingerprint(ssh_key::HashAlg::Sha256).to_string())
    }

    /// The text, beginning with `SHA256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_never_zero() {
        assert!(Serial::new(0).is_none());
        assert_eq!(
            Serial::new(u64::MAX).unwrap().to_string(),
            "18446744073709551615"
        );
    }

    #[test]
    fn a_fingerprint_has_exactly_opensshs_form() {
        let good = "SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g";
        assert_eq!(Fingerprint::parse(good).unwrap().as_str(), good);
        for bad in [
            "",
            "SHA256:",
            "MD5:00:11",
            &format!("{good}="),
            &good[7..],
            " ",
        ] {
            assert!(Fingerprint::parse(bad).is_none(), "{bad:?}");
        }
    }
}
