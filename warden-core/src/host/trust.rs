//! A `TrustedUserCAKeys` file: the CAs a host lets sign for users.
//!
//! - Read as sshd reads it: line by line, and one malformed line hides every line after it. Whatever
//!   is accepted here is accepted by sshd; a file with a line that is not, is never written.
//! - Every line of the file is kept byte for byte, its comment too. A missing newline at the end is
//!   mended before anything follows it, or the new key would become a comment of the old one.
//! - Written by a new file beside it, with the same owner and mode, synced, renamed over it and read
//!   back. A byte-exact copy of the file before stays beside it.
//! - sshd opens the file for every login: a change takes effect at once and needs no reload.
//!
//! References: \[SSHD\] `TrustedUserCAKeys`; `sshkey_in_file` of OpenSSH.

mod write;

pub use write::{Written, read, write};

use super::ca_keys::{KeyLine, key_lines};
use crate::certificate::{Fingerprint, PublicKey, PublicKeyError};
use crate::failure::{Class, Failure};
use crate::file::FileError;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The largest file, in bytes.
pub const MAX_TRUST_BYTES: usize = 1024 * 1024;

/// The content of a trust file that sshd reads to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustBundle {
    bytes: Vec<u8>,
    keys: Vec<TrustedKey>,
}

/// One CA of a trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Its comment.
    pub comment: String,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// Why a trust file is not used or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file cannot be read or written.
    #[error("the trust file cannot be used")]
    File(#[from] FileError),
    /// sshd stops reading at this line.
    #[error(
        "line {line} of the trust file is not a key, so sshd ignores it and every line after it: {detail}"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The comment would be more than a comment.
    #[error("the comment of a key holds a control character")]
    Comment,
    /// Nobody could log in with any certificate.
    #[error("without {fingerprint} the trust file would hold no key at all")]
    WouldBeEmpty {
        /// The key to be removed.
        fingerprint: Fingerprint,
    },
    /// The CA that signs today would not be trusted.
    #[error("the trust file would not hold the active CA {active}")]
    WithoutActive {
        /// The CA that signs.
        active: Fingerprint,
    },
    /// Others may write it, or it belongs to somebody else.
    #[error("{}: {found}; expected {expected}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A mount ends at the file itself.
    #[error("{} is a mount of its own: a new file in its place would not be seen inside the container that mounts it", path.display())]
    Mounted {
        /// The file.
        path: PathBuf,
    },
    /// Something came in between before anything was written.
    #[error("{}: {detail}; nothing was written", path.display())]
    InBetween {
        /// The file.
        path: PathBuf,
        /// What came in between.
        detail: &'static str,
    },
    /// The file on disk is not what was written.
    #[error("{} does not hold what was written: {detail}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The difference.
        detail: String,
    },
}

impl Failure for TrustError {
    fn class(&self) -> Class {
        match self {
            Self::File(error) => error.class(),
            Self::NotWritten { .. } => Class::Partial,
            _ => Class::Failed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::Malformed { .. } => "trust_line_malformed",
            Self::Comment => "trust_comment_malformed",
            Self::WouldBeEmpty { .. } => "trust_would_be_empty",
            Self::WithoutActive { .. } => "trust_without_active_ca",
            Self::Exposed { .. } => "trust_file_exposed",
            Self::Mounted { .. } => "trust_file_mounted",
            Self::InBetween { .. } => "trust_changed_meanwhile",
            Self::NotWritten { .. } => "trust_not_written",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::File(error) if error.is_not_found() => "sshd trusts no CA while the file is missing; `sshd -T | grep -i trustedusercakeys` names the file".to_owned(),
            Self::File(error) => return error.hints(),
            Self::Malformed { line, .. } => format!("mend or remove line {line} first; `ssh-keygen -l -f FILE` shows which lines are keys"),
            Self::WouldBeEmpty { .. } | Self::WithoutActive { .. } => "add the CA that signs first: `warden cutover bundle`".to_owned(),
            Self::Exposed { path, .. } => format!("chown root:root {0} && chmod 644 {0}", path.display()),
            Self::Mounted { .. } => "mount the directory instead of the file, or write the file where it is mounted from".to_owned(),
            Self::InBetween { .. } => "look at the file, then run the same command again".to_owned(),
            Self::NotWritten { path, .. } => format!("compare {} with its copy beside it", path.display()),
            Self::Comment => return Vec::new(),
        };
        vec![hint]
    }
}

impl TrustBundle {
    /// Reads the content of a trust file.
    ///
    /// # Errors
    /// Names the first line at which sshd would stop.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        // sshd reads a line up to a NUL. Nobody means that.
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let detail = "it holds a NUL".to_owned();
            return Err(TrustError::Malformed { line, detail });
        }
        let keys = key_lines(bytes).map(key_of).collect::<Result<_, _>>()?;
        Ok(Self {
            bytes: bytes.to_owned(),
            keys,
        })
    }

    /// The content, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its keys, in the order of the file.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// Whether certificates of this CA are trusted.
    pub fn holds(&self, fingerprint: &Fingerprint) -> bool {
        self.keys
            .iter()
            .any(|one| one.key.fingerprint() == fingerprint)
    }

    /// The SHA-256 of the content, in hexadecimal.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }

    /// Lines whose comment looks like another key: what is left of an append to a file that had no
    /// newline at its end. sshd trusts only the first key of such a line.
    pub fn glued_lines(&self) -> Vec<usize> {
        let looks_like_a_key = |word: &str| word.starts_with("AAAA") && word.len() > 60;
        self.keys
            .iter()
            .filter(|one| one.comment.split_ascii_whitespace().any(looks_like_a_key))
            .map(|one| one.line)
            .collect()
    }

    /// The same file with this key at its end; itself if the key is there already.
    ///
    /// # Errors
    /// If the comment is no comment.
    pub fn with_added(&self, key: &PublicKey, comment: &str) -> Result<Self, TrustError> {
        if self.holds(key.fingerprint()) {
            return Ok(self.clone());
        }
        if comment.chars().any(char::is_control) {
            return Err(TrustError::Comment);
        }
        let mut bytes = self.bytes.clone();
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(
            format!("{} {comment}", key.to_openssh())
                .trim_end()
                .as_bytes(),
        );
        bytes.push(b'\n');
        Self::parse(&bytes)
    }

    /// The same file without this key; itself if the key is not there. `active` is the CA that signs.
    ///
    /// # Errors
    /// If no key would be left, or not the active one.
    pub fn without(
        &self,
        fingerprint: &Fingerprint,
        active: &Fingerprint,
    ) -> Result<Self, TrustError> {
        let goes = |line: usize| {
            self.keys
                .iter()
                .any(|one| one.line == line && one.key.fingerprint() == fingerprint)
        };
        let kept: Vec<&[u8]> = (1..)
            .zip(self.bytes.split_inclusive(|byte| *byte == b'\n'))
            .filter(|(line, _)| !goes(*line))
            .map(|(_, text)| text)
            .collect();
        let rest = Self::parse(&kept.concat())?;
        if rest.keys.is_empty() {
            return Err(TrustError::WouldBeEmpty {
                fingerprint: fingerprint.clone(),
            });
        }
        if !rest.holds(active) {
            return Err(TrustError::WithoutActive {
                active: active.clone(),
            });
        }
        Ok(rest)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The key on a line, and anything behind it as the comment.
fn key_of(line: KeyLine<'_>) -> Result<TrustedKey, TrustError> {
    let key = PublicKey::from_openssh(&line.key).map_err(|error| TrustError::Malformed {
        line: line.number,
        detail: match error {
            PublicKeyError::PrivateKey => "it is a private key".to_owned(),
            other => other.to_string(),
        },
    })?;
    Ok(TrustedKey {
        key,
        comment: String::from_utf8_lossy(line.comment).trim().to_owned(),
        line: line.number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::local::CaKey;

    fn key(seed: u8) -> PublicKey {
        CaKey::from_ed25519_seed(&[seed; 32])
            .unwrap()
            .public()
            .key()
            .clone()
    }

    fn line(seed: u8) -> String {
        key(seed).to_openssh()
    }

    fn parse(text: &str) -> TrustBundle {
        TrustBundle::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_line_is_kept_with_its_comment() {
        let text = format!("# ours\n\n  {} old CA\n\t\n{}\r\n", line(1), line(2));
        let bundle = parse(&text);
        let added = bundle.with_added(&key(3), "new CA").unwrap();
        assert_eq!(
            added.bytes(),
            format!("{text}{} new CA\n", line(3)).as_bytes()
        );
        assert_eq!(added.keys()[0].comment, "old CA");
        let lines: Vec<_> = added.keys().iter().map(|one| one.line).collect();
        assert_eq!(lines, [3, 5, 6]);
    }

    #[test]
    fn a_missing_newline_is_mended_before_a_key_is_added() {
        let bundle = parse(&format!("{} old", line(1)));
        let added = bundle.with_added(&key(2), "new").unwrap();
        assert_eq!(
            added.bytes(),
            format!("{} old\n{} new\n", line(1), line(2)).as_bytes()
        );
        assert_eq!(added.keys().len(), 2);
        assert_eq!(added.with_added(&key(2), "again").unwrap(), added);
    }

    #[test]
    fn a_line_where_sshd_stops_is_named() {
        let table = [
            (format!("garbage\n{}\n", line(1)), 1),
            (format!("{}\ngarbage\n{}\n", line(1), line(2)), 2),
            (format!("cert-authority {}\n", line(1)), 1),
            (format!("\r\n{}\n", line(1)), 1),
            (format!("{}\n\u{feff}{}\n", line(1), line(2)), 2),
            (format!("{}\nssh-ed25519\n", line(1)), 2),
            (format!("{}\nssh-rsa {}\n", line(1), &line(2)[12..]), 2),
            (format!("{}\nssh-ed25519 AAAA====\n", line(1)), 2),
            (format!("{}\n\u{b}\n", line(1)), 2),
            (format!("{}\0\n", line(1)), 1),
        ];
        for (text, expected) in table {
            match TrustBundle::parse(text.as_bytes()) {
                Err(TrustError::Malformed { line, .. }) => assert_eq!(line, expected, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_glued_key_is_seen_and_not_trusted() {
        let bundle = parse(&format!("{} old{}\n", line(1), line(2)));
        assert_eq!(bundle.keys().len(), 1);
        assert!(!bundle.holds(key(2).fingerprint()));
        assert_eq!(bundle.glued_lines(), [1]);
        assert!(
            parse(&format!("{} old\n{}\n", line(1), line(2)))
                .glued_lines()
                .is_empty()
        );
    }

    #[test]
    fn exactly_one_key_is_removed_and_the_last_never() {
        let text = format!(
            "# a\n{} one\n{} two\n# b\n{} three",
            line(1),
            line(2),
            line(3)
        );
        let bundle = parse(&text);
        let (one, two, three) = (key(1), key(2), key(3));
        let rest = bundle
            .without(two.fingerprint(), three.fingerprint())
            .unwrap();
        assert_eq!(
            rest.bytes(),
            format!("# a\n{} one\n# b\n{} three", line(1), line(3)).as_bytes()
        );
        assert_eq!(
            rest.without(two.fingerprint(), three.fingerprint())
                .unwrap(),
            rest
        );
        let refused = bundle.without(three.fingerprint(), three.fingerprint());
        assert_eq!(refused.unwrap_err().reason(), "trust_without_active_ca");
        let alone = parse(&line(1)).without(one.fingerprint(), two.fingerprint());
        assert_eq!(alone.unwrap_err().reason(), "trust_would_be_empty");
    }

    #[test]
    fn a_comment_adds_no_line() {
        let bundle = parse(&line(1));
        for comment in ["a\nb", "a\rb", "a\0b", "a\x1bb"] {
            let refused = bundle.with_added(&key(2), comment).unwrap_err();
            assert_eq!(refused.reason(), "trust_comment_malformed");
        }
    }
}
