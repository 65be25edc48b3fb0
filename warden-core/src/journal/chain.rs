//! The chain: each record names the SHA-256 of the line before it.
//!
//! - A line changed, removed, inserted or swapped is named. A cut or validly continued end shows
//!   only against a head kept elsewhere.
//! - Verifying reads line by line in bounded memory and touches nothing.

use super::record::{Record, VERSION};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest line, in bytes. A record of 256 principals and the longest forced command takes 30 KiB.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// What the first record names as the line before it.
const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of a journal: the number of its last record and the SHA-256 of that line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; zero for an empty journal.
    pub seq: u64,
    /// The SHA-256 of its line without the newline, 64 lower-case hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// The head of a journal without records.
    pub fn empty() -> Self {
        Self {
            seq: 0,
            hash: NOTHING_BEFORE.to_owned(),
        }
    }
}

/// `SEQ:HASH`
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ChainError::MalformedHead {
            text: text.chars().take(100).collect(),
        };
        let (seq, hash) = text.split_once(':').ok_or_else(malformed)?;
        let number: u64 = seq.parse().map_err(|_| malformed())?;
        let hexadecimal = hash.len() == 64
            && hash
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if number.to_string() != seq || !hexadecimal {
            return Err(malformed());
        }
        Ok(Self {
            seq: number,
            hash: hash.to_owned(),
        })
    }
}

/// A journal whose chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records were read.
    pub records: u64,
    /// The number of the first.
    pub first: u64,
    /// The end.
    pub head: Head,
}

/// Where the chain does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The text is not `SEQ:HASH`.
    #[error("`{text}` is not a head; a head is SEQ:HASH as `warden audit head` prints it")]
    MalformedHead {
        /// The text.
        text: String,
    },
    /// A file cannot be read.
    #[error("cannot read the journal")]
    File(#[from] FileError),
    /// A line is not a record.
    #[error("{}:{line}: not a record of this journal: {detail}", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        detail: String,
    },
    /// The last line is not a record.
    #[error("{}: the last line is not a record of this journal: {detail}", path.display())]
    LastLine {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The numbers jump or repeat.
    #[error("{}:{line}: found record {found}, expected {expected}: a line was removed, inserted or swapped here", path.display())]
    Sequence {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The number found.
        found: u64,
        /// The number expected.
        expected: u64,
    },
    /// A line is not the one its successor was chained to.
    #[error("{}:{line}: record {} was changed: the next record names {expected}, its line hashes to {found}", path.display(), seq)]
    Changed {
        /// The file.
        path: PathBuf,
        /// The line that was changed, from 1.
        line: u64,
        /// Its number.
        seq: u64,
        /// Its hash now.
        found: String,
        /// The hash its successor names.
        expected: String,
    },
    /// The first record does not continue from what is known.
    #[error("{}: begins with record {seq}, which continues from {found}; expected {expected}", path.display())]
    Beginning {
        /// The file.
        path: PathBuf,
        /// The number of the first record.
        seq: u64,
        /// What it names.
        found: String,
        /// What is known.
        expected: String,
    },
    /// The last line has no newline: a write was cut short.
    #[error("{}:{line}: the last line is torn ({bytes} bytes without a newline)", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Its length.
        bytes: usize,
    },
    /// The journal ends before a head that is known.
    #[error(
        "the journal ends at record {found}, but {source_of} is at record {expected}: records were cut off"
    )]
    EndsEarly {
        /// The last record.
        found: u64,
        /// The record of the known head.
        expected: u64,
        /// Where the head is from.
        source_of: &'static str,
    },
    /// A known head is of a record before the first that was read.
    #[error(
        "{source_of} is of record {seq}, before the first that was read, {first}: it could not be compared"
    )]
    NotCompared {
        /// The record of the known head.
        seq: u64,
        /// The first record that was read.
        first: u64,
        /// Where the head is from.
        source_of: &'static str,
    },
    /// The record of a known head is another one now.
    #[error("record {seq} hashes to {found}, but {source_of} has {expected}: it was changed")]
    HeadDiffers {
        /// The number.
        seq: u64,
        /// Its hash now.
        found: String,
        /// The hash of the known head.
        expected: String,
        /// Where the head is from.
        source_of: &'static str,
    },
}

impl Failure for ChainError {
    fn class(&self) -> Class {
        match self {
            Self::MalformedHead { .. } | Self::File(_) => Class::Malformed,
            _ => Class::Failed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::MalformedHead { .. } => "head_malformed",
            Self::File(error) => error.reason(),
            Self::NotARecord { .. } | Self::LastLine { .. } => "journal_not_a_record",
            Self::Sequence { .. } => "journal_sequence",
            Self::Changed { .. } => "journal_changed",
            Self::Beginning { .. } => "journal_beginning",
            Self::Torn { .. } => "journal_torn",
            Self::EndsEarly { .. } => "journal_ends_early",
            Self::NotCompared { .. } => "journal_head_not_compared",
            Self::HeadDiffers { .. } => "journal_head_differs",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Torn { .. } => vec![
                "the next record moves the torn line aside and says so; nothing was issued for it"
                    .to_owned(),
            ],
            Self::Beginning { .. }
            | Self::NotCompared { .. }
            | Self::EndsEarly { found: 0, .. } => {
                vec!["if the journal was rotated, name the older files: warden audit verify --older FILE, or their head: --from SEQ:HASH".to_owned()]
            }
            Self::File(error) => error.hints(),
            Self::MalformedHead { .. } => Vec::new(),
            _ => vec!["keep this file as evidence and compare it with a copy".to_owned()],
        }
    }
}

/// The part of a record the chain is made of.
#[derive(Deserialize)]
struct Link {
    v: u32,
    seq: u64,
    prev: String,
    #[serde(rename = "at")]
    _at: String,
    #[serde(rename = "event_id")]
    _event_id: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "outcome")]
    _outcome: String,
}

/// A head that is known from elsewhere.
struct Known {
    head: Head,
    source_of: &'static str,
}

/// Verifies the chain through `files`, oldest first. `from` is the head before the first of them;
/// without it the first record must be record 1. `expected` is a head kept elsewhere, and the
/// `journal.head` beside the last file counts as one too.
///
/// # Errors
/// The first place where the chain does not hold.
pub fn verify(
    files: &[PathBuf],
    from: Option<Head>,
    expected: Option<Head>,
) -> Result<Verified, ChainError> {
    let mut known: Vec<Known> = expected
        .map(|head| Known {
            head,
            source_of: "the head given",
        })
        .into_iter()
        .collect();
    if let Some(head) = files
        .last()
        .and_then(|last| last.parent())
        .map(read_head)
        .transpose()?
        .flatten()
    {
        known.push(Known {
            head,
            source_of: "journal.head",
        });
    }
    let began = from.unwrap_or_else(Head::empty);
    let mut walk = Walk {
        records: 0,
        first: None,
        head: began.clone(),
        began,
        known,
        before: None,
    };
    for (number, path) in files.iter().enumerate() {
        match walk.file(path) {
            // Between a rotation and the next record, and before the first, there is no journal.
            Err(ChainError::File(error)) if error.is_not_found() && number + 1 == files.len() => {}
            other => other?,
        }
    }
    for Known { head, source_of } in &walk.known {
        let before_first = walk.first.is_none_or(|first| head.seq < first);
        if before_first && *head != walk.began && head.seq <= walk.head.seq {
            return Err(ChainError::NotCompared {
                seq: head.seq,
                first: walk.first.unwrap_or(0),
                source_of,
            });
        }
        if head.seq > walk.head.seq {
            return Err(ChainError::EndsEarly {
                found: walk.head.seq,
                expected: head.seq,
                source_of,
            });
        }
    }
    Ok(Verified {
        records: walk.records,
        first: walk.first.unwrap_or(0),
        head: walk.head,
    })
}

/// The head in the `journal.head` of a state directory, if there is one.
///
/// # Errors
/// If it cannot be read or is malformed.
pub fn read_head(state_dir: &Path) -> Result<Option<Head>, ChainError> {
    match file::read_text(&state_dir.join("journal.head"), 256, Links::Refuse) {
        // Made, but never written: the first writer was killed or had no room. It says nothing.
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => text.trim_end_matches('\n').parse().map(Some),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads every record of a journal that verifies so far as its lines are records; the chain is
/// [`verify`]'s to judge. A journal that is not there has none. A last line without its newline is
/// left out: it is torn, or just being written, and nothing counts that stands in it.
///
/// # Errors
/// If the file cannot be read or a line is not a record.
pub fn read_records(path: &Path, mut each: impl FnMut(Record)) -> Result<(), ChainError> {
    let file = match file::open_regular(path, Links::Refuse) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limited = (&mut reader).take(MAX_LINE_BYTES as u64 + 1);
        let count = { limited }.read_until(b'\n', &mut line);
        count.map_err(FileError::io("read", path))?;
        if line.last() != Some(&b'\n') && line.len() <= MAX_LINE_BYTES {
            return Ok(());
        }
        let record = serde_json::from_slice(&line).map_err(|error| ChainError::NotARecord {
            path: path.to_owned(),
            line: number,
            detail: error.to_string(),
        })?;
        each(record);
    }
    Ok(())
}

/// Whether the first `length` bytes of a journal, which end with whole lines, continue from `kept`:
/// they hold its record unchanged, or begin right behind it, and the chain holds from there.
pub(super) fn continues(path: &Path, length: u64, kept: &Head) -> Result<(), ChainError> {
    let file = file::open_regular(path, Links::Refuse)?.take(length);
    let (mut before, mut found) = (None, false);
    for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.map_err(FileError::io("read", path))?;
        let wrong = |detail| ChainError::NotARecord {
            path: path.to_owned(),
            line: number,
            detail,
        };
        let Link { seq, prev, .. } = link(&line).map_err(wrong)?;
        let follows = before.get_or_insert(Head {
            seq: seq.saturating_sub(1),
            hash: prev.clone(),
        });
        if *follows == *kept {
            found = true;
        }
        if found && (follows.seq.saturating_add(1) != seq || follows.hash != prev) {
            return Err(ChainError::Sequence {
                path: path.to_owned(),
                line: number,
                found: seq,
                expected: follows.seq.saturating_add(1),
            });
        }
        *follows = Head {
            seq,
            hash: hash_of(&line),
        };
    }
    match (found, before) {
        (true, _) => Ok(()),
        (false, before) if before.as_ref() == Some(kept) => Ok(()),
        (false, _) => Err(ChainError::HeadDiffers {
            seq: kept.seq,
            found: "another line, or none".to_owned(),
            expected: kept.hash.clone(),
            source_of: "journal.head",
        }),
    }
}

struct Walk {
    records: u64,
    first: Option<u64>,
    /// The head before the first record.
    began: Head,
    head: Head,
    known: Vec<Known>,
    /// File and line of the record before, to name it if it was changed.
    before: Option<(PathBuf, u64)>,
}

impl Walk {
    fn file(&mut self, path: &Path) -> Result<(), ChainError> {
        let mut reader =
            BufReader::with_capacity(256 * 1024, file::open_regular(path, Links::Refuse)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let limited = (&mut reader)
                .take(MAX_LINE_BYTES as u64 + 1)
                .read_until(b'\n', &mut line);
            if limited.map_err(FileError::io("read", path))? == 0 {
                return Ok(());
            }
            if line.pop() != Some(b'\n') {
                let bytes = line.len() + 1;
                if bytes > MAX_LINE_BYTES {
                    let detail = format!("longer than {MAX_LINE_BYTES} bytes");
                    return Err(ChainError::NotARecord {
                        path: path.to_owned(),
                        line: number,
                        detail,
                    });
                }
                return Err(ChainError::Torn {
                    path: path.to_owned(),
                    line: number,
                    bytes,
                });
            }
            self.line(path, number, &line)?;
        }
        Ok(())
    }

    fn line(&mut self, path: &Path, number: u64, line: &[u8]) -> Result<(), ChainError> {
        let Link { seq, prev, .. } = link(line).map_err(|detail| ChainError::NotARecord {
            path: path.to_owned(),
            line: number,
            detail,
        })?;
        let expected = self.head.seq.saturating_add(1);
        let first = self.records == 0;
        if first && (seq != expected || prev != self.head.hash) {
            let found = prev.chars().take(64).collect();
            let expected = self.head.to_string();
            return Err(ChainError::Beginning {
                path: path.to_owned(),
                seq,
                found,
                expected,
            });
        }
        if seq != expected {
            return Err(ChainError::Sequence {
                path: path.to_owned(),
                line: number,
                found: seq,
                expected,
            });
        }
        if prev != self.head.hash {
            let (path, line) = self
                .before
                .clone()
                .unwrap_or_else(|| (path.to_owned(), number));
            let expected = prev.chars().take(64).collect();
            return Err(ChainError::Changed {
                path,
                line,
                seq: self.head.seq,
                found: self.head.hash.clone(),
                expected,
            });
        }
        let hash = hash_of(line);
        if let Some(Known { head, source_of }) = self
            .known
            .iter()
            .find(|known| known.head.seq == seq && known.head.hash != hash)
        {
            return Err(ChainError::HeadDiffers {
                seq,
                found: hash,
                expected: head.hash.clone(),
                source_of,
            });
        }
        self.records += 1;
        self.first.get_or_insert(seq);
        self.head = Head { seq, hash };
        self.before = Some((path.to_owned(), number));
        Ok(())
    }
}

fn link(line: &[u8]) -> Result<Link, String> {
    if line.first() != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let link: Link = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match link.v {
        _ if link.seq == 0 => Err("found record 0; the first is 1".to_owned()),
        VERSION => Ok(link),
        other => Err(format!("found version {other}, expected {VERSION}")),
    }
}

/// The head that a last line gives.
pub(super) fn head_of(line: &[u8]) -> Result<Head, String> {
    Ok(Head {
        seq: link(line)?.seq,
        hash: hash_of(line),
    })
}

pub(super) fn hash_of(line: &[u8]) -> String {
    Sha256::digest(line)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
