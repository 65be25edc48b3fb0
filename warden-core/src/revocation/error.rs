//! Why nothing was revoked, or not all.

use super::store::Unread;
use crate::certificate::Serial;
use crate::failure::{Class, Failure};
use crate::file::FileError;
use crate::journal::{ChainError, JournalError};
use std::path::PathBuf;

/// Why nothing was revoked, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The file cannot be read.
    #[error("cannot read what is revoked")]
    Unreadable(#[source] FileError),
    /// The file is not what it must be.
    #[error("{} is malformed: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The file is gone.
    #[error("{} is missing, though something was revoked in this state directory", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The journal cannot be read.
    #[error("cannot read the journal for what it says is revoked")]
    Journal(#[source] ChainError),
    /// The file is gone, and the journal does not reach back to the first record.
    #[error("the journal {}: what was revoked before is not known", begins(*first))]
    Beginning {
        /// Its first record, if it has any.
        first: Option<u64>,
    },
    /// Nothing here has this serial.
    #[error(
        "no certificate with serial {serial} was issued here{}",
        so_far(unread)
    )]
    NeverIssued {
        /// The serial.
        serial: Serial,
        /// Records that could not be read, and that may name it all the same.
        unread: Vec<Unread>,
    },
    /// Several CAs have a certificate with this serial that is revoked.
    #[error("serial {serial} is revoked of {found} CAs")]
    Ambiguous {
        /// The serial.
        serial: Serial,
        /// How many CAs.
        found: usize,
    },
    /// The change could not be recorded, and so was not made.
    #[error("nothing was changed, because it could not be recorded")]
    NotRecorded(#[source] JournalError),
    /// Recorded, in part at least, but not in effect.
    #[error("{}", partly(records))]
    Partial {
        /// The records written.
        records: Vec<u64>,
        /// What came between.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn so_far(unread: &[Unread]) -> String {
    match unread {
        [] => String::new(),
        _ => format!(", as far as was read; not read: {}", Unread::list(unread)),
    }
}

fn begins(first: Option<u64>) -> String {
    first.map_or_else(
        || "has no record".to_owned(),
        |first| format!("begins with record {first}"),
    )
}

fn partly(records: &[u64]) -> String {
    let all: Vec<String> = records.iter().map(u64::to_string).collect();
    match all.is_empty() {
        true => "what the journal says is revoked is not in effect yet".to_owned(),
        false => format!("recorded as {}, but not in effect yet", all.join(", ")),
    }
}

impl Failure for RevocationError {
    fn class(&self) -> Class {
        match self {
            Self::Unreadable(_) | Self::Malformed { .. } | Self::Missing { .. } => Class::Malformed,
            Self::Journal(error) => error.class(),
            Self::Beginning { .. } => Class::Malformed,
            Self::NeverIssued { .. } | Self::Ambiguous { .. } => Class::Refused,
            Self::NotRecorded(error) => error.class(),
            Self::Partial { .. } => Class::Partial,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "revocations_unreadable",
            Self::Malformed { .. } => "revocations_malformed",
            Self::Missing { .. } => "revocations_missing",
            Self::Journal(error) => error.reason(),
            Self::Beginning { .. } => "revocations_incomplete",
            Self::NeverIssued { .. } => "never_issued",
            Self::Ambiguous { .. } => "serial_ambiguous",
            Self::NotRecorded(error) => error.reason(),
            Self::Partial { .. } => "revocation_partial",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreadable(error) => error.hints(),
            Self::Malformed { path, .. } => vec![format!(
                "move it away and have it made again from the journal: mv {0} {0}.broken; warden revoke --mend",
                path.display()
            )],
            Self::Missing { .. } => {
                vec!["have it made again from the journal: warden revoke --mend".to_owned()]
            }
            Self::Journal(error) => error.hints(),
            Self::Beginning { .. } => vec![
                "name the older journals, oldest first: warden revoke --mend --older FILE"
                    .to_owned(),
            ],
            Self::NeverIssued { unread, .. } => {
                let older = "name the older journals, oldest first: --older FILE".to_owned();
                let older = Some(older).filter(|_| !unread.is_empty());
                let at_hand = "with the certificate at hand: warden revoke --cert FILE".to_owned();
                older.into_iter().chain([at_hand]).collect()
            }
            Self::Ambiguous { .. } => {
                vec!["name the certificate itself: warden revoke --undo --cert FILE".to_owned()]
            }
            Self::NotRecorded(error) => error.hints(),
            Self::Partial { .. } => {
                vec![
                    "run the same command again; what is done already is not done twice".to_owned(),
                ]
            }
        }
    }
}
