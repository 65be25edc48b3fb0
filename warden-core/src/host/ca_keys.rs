//! The CA keys that are trusted, one on a line, as `TrustedUserCAKeys` has them.
//!
//! - sshd stops reading at the first line it does not understand, and passes over in silence
//!   whatever follows. Here one such line refuses the whole file.
//! - At least one key, and each once. Options such as `cert-authority` have no place in such a file.

use crate::certificate::{CaPublicKey, PublicKeyError};
use crate::diagnostic::{Problem, SourceText};
use crate::failure::Failure;

/// The largest file of CA keys, in bytes.
pub const MAX_CA_KEYS_BYTES: usize = 256 * 1024;

/// CA keys in the order of their file.
#[derive(Debug, Clone)]
pub struct CaKeys(Vec<(CaPublicKey, usize)>);

impl CaKeys {
    /// Reads the lines of a file; blank ones and comments are passed over.
    ///
    /// # Errors
    /// Names the first line that is not one key, or the key that stands twice.
    pub fn read(source: &SourceText) -> Result<Self, Problem> {
        source.refuse_leftovers()?;
        let mut keys: Vec<(CaPublicKey, usize)> = Vec::new();
        for (index, line) in source.text().split('\n').enumerate() {
            let number = index + 1;
            let trimmed = line.trim_matches([' ', '\t']);
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let problem = |message: String| Problem {
                message: format!("line {number}: {message}"),
                ..source.problem_of_file("")
            };
            let key = CaPublicKey::from_openssh(trimmed.as_bytes()).map_err(|error| {
                let hint = match &error {
                    PublicKeyError::UnknownType { .. } => {
                        "a line is `TYPE BASE64 COMMENT`, without options".to_owned()
                    }
                    _ => error.hints().into_iter().next().unwrap_or_default(),
                };
                problem(error.to_string()).with_hint(hint)
            })?;
            if let Some((_, before)) = keys
                .iter()
                .find(|(one, _)| one.fingerprint() == key.fingerprint())
            {
                let message = format!("the key of line {before} stands here again");
                return Err(problem(message).with_hint("keep one of the two lines"));
            }
            keys.push((key, number));
        }
        match keys.is_empty() {
            true => Err(source
                .problem_of_file("the file holds no CA key, so nobody could log in")
                .with_hint("`warden ca show` prints the line of the local CA")),
            false => Ok(Self(keys)),
        }
    }

    /// The keys, each with its line from 1.
    pub fn iter(&self) -> impl Iterator<Item = (&CaPublicKey, usize)> {
        self.0.iter().map(|(key, line)| (key, *line))
    }

    /// The lines of a key that both trust, in this list and in `other`. A CA that certifies users
    /// must not certify hosts, or whoever holds one could pass for the other.
    pub fn shared_with(&self, other: &Self) -> Option<(usize, usize)> {
        self.iter().find_map(|(key, line)| {
            let same = other
                .iter()
                .find(|(one, _)| one.fingerprint() == key.fingerprint());
            same.map(|(_, there)| (line, there))
        })
    }
}

/// What sshd finds in a file that may hold anything.
#[derive(Debug, Default)]
pub struct AsRead {
    /// The keys, up to where it stops.
    pub keys: Vec<CaPublicKey>,
    /// Lines with a key that no CA should have, which sshd takes or passes over, and why not.
    pub unsound: Vec<(usize, PublicKeyError)>,
    /// The line where it stops reading.
    pub stopped: Option<(usize, PublicKeyError)>,
}

/// A line of such a file that sshd takes for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyLine<'a> {
    /// The line, from 1.
    pub(super) number: usize,
    /// The type and the key in base64, with a blank between them.
    pub(super) key: Vec<u8>,
    /// What follows.
    pub(super) comment: &'a [u8],
}

/// The lines of a file as sshd cuts them: it skips blanks and tabs at the beginning, then passes over
/// what is empty and comments. A line that holds only a carriage return is neither. To sshd a line is a
/// C string.
pub(super) fn key_lines(content: &[u8]) -> impl Iterator<Item = KeyLine<'_>> {
    let lines = (1..).zip(content.split(|byte| *byte == b'\n'));
    lines.filter_map(|(number, line)| {
        let text = behind_blanks(line.split(|byte| *byte == 0).next()?);
        if text.is_empty() || text.starts_with(b"#") {
            return None;
        }
        let (label, rest) = word(text);
        let (blob, comment) = word(behind_blanks(rest));
        // In base64 sshd skips whatever is white, such as a carriage return at the end of the line.
        let white = |byte: &u8| matches!(byte, b'\r' | 0x0b | 0x0c);
        let blob = blob.iter().copied().filter(|byte| !white(byte));
        Some(KeyLine {
            number,
            key: label.iter().copied().chain([b' ']).chain(blob).collect(),
            comment,
        })
    })
}

fn behind_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    &text[blanks..]
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| is_blank(*byte));
    text.split_at(end.unwrap_or(text.len()))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Reads a file as sshd does.
pub fn as_sshd_reads(content: &[u8]) -> AsRead {
    let mut read = AsRead::default();
    for line in key_lines(content) {
        match CaPublicKey::from_openssh(&line.key) {
            Ok(key) => read.keys.push(key),
            Err(error) if stops(&error) => {
                read.stopped = Some((line.number, error));
                break;
            }
            Err(error) => read.unsound.push((line.number, error)),
        }
    }
    read
}

/// Whether sshd does not understand a line, and so does not go on.
fn stops(error: &PublicKeyError) -> bool {
    !matches!(
        error,
        PublicKeyError::Certificate { .. }
            | PublicKeyError::SmallOrder
            | PublicKeyError::RsaSize { .. }
            | PublicKeyError::RsaUnsound { .. }
            | PublicKeyError::SkApplication { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn read(text: &str) -> Result<CaKeys, Problem> {
        CaKeys::read(&SourceText::new(Path::new("user-ca.pub"), text.to_owned()))
    }

    #[test]
    fn keys_stand_one_on_a_line() {
        let keys = read(&format!("# the CA\n\n{ONE} comment\n")).unwrap();
        assert_eq!(keys.iter().map(|(_, line)| line).collect::<Vec<_>>(), [3]);
        assert_eq!(keys.shared_with(&keys), Some((3, 3)));
    }

    #[test]
    fn one_line_that_sshd_would_stop_at_refuses_the_file() {
        for (text, line) in [
            (format!("{ONE}\ngarbage\n"), "line 2"),
            (format!("cert-authority {ONE}\n"), "line 1"),
            (format!("{ONE} a{ONE}\n{ONE} b\n"), "line 2"),
            (format!("{ONE}\r\n"), "line 1"),
            ("\n# nothing\n".to_owned(), "no CA key"),
            (
                "ssh-ed25519-cert-v01@openssh.com AAAA\n".to_owned(),
                "line 1",
            ),
        ] {
            let problem = read(&text).unwrap_err();
            assert!(problem.to_string().contains(line), "{text:?}: {problem}");
            assert!(problem.hint.is_some(), "{text:?}");
        }
    }

    #[test]
    fn what_stands_behind_a_malformed_line_is_not_seen_by_sshd() {
        let text = format!("# x\n{ONE}\r\nnothing\n{ONE}\n");
        let read = as_sshd_reads(text.as_bytes());
        assert_eq!((read.keys.len(), read.stopped.unwrap().0), (1, 3));
        // Empty to whoever looks at it, and no empty line to sshd.
        for nearly_empty in ["\r", "  \r", "\u{b}", "\u{c}", "\r \r"] {
            let text = format!("{nearly_empty}\n{ONE}\n");
            let read = as_sshd_reads(text.as_bytes());
            assert_eq!(read.stopped.map(|(line, _)| line), Some(1), "{text:?}");
            assert!(read.keys.is_empty(), "{text:?}");
        }
        for empty in ["", " \t", "\0", "\t\0x", " # x\r"] {
            let text = format!("{empty}\n{ONE} comment\0\u{b}\r\n");
            let read = as_sshd_reads(text.as_bytes());
            assert_eq!((read.keys.len(), read.stopped), (1, None), "{text:?}");
        }
    }
}
