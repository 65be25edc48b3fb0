//! Puts a list where sshd reads it.
//!
//! - What is there is replaced whole or not at all, and only by something newer that was tried first.
//! - The file before it is kept beside it as `FILE.prev`.

use super::{Krl, KrlError, MAX_KRL_BYTES};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Why a list was not put in place. What was there is untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError<E: Failure + 'static> {
    /// A file cannot be read or written.
    #[error("the KRL was not replaced")]
    File(#[from] FileError),
    /// What is there is not a list.
    #[error("{} is there already and cannot be read as a KRL", path.display())]
    NotReplaced {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KrlError,
    },
    /// What is there is newer.
    #[error("{} has version {there}, and the new one has version {new}: it would be older", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        there: u64,
        /// The new list's version.
        new: u64,
    },
    /// The new list does not read back as what it is.
    #[error("the new KRL was not installed: it does not read back as what was to be written")]
    NotTheSame,
    /// The trial of the new file did not hold.
    #[error("the new KRL was not installed")]
    Trial(#[source] E),
}

impl<E: Failure + 'static> Failure for InstallError<E> {
    fn class(&self) -> Class {
        match self {
            Self::File(error) => error.class(),
            Self::NotReplaced { .. } | Self::Older { .. } => Class::Refused,
            Self::NotTheSame => Class::Failed,
            Self::Trial(error) => error.class(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::NotReplaced { .. } => "krl_not_replaced",
            Self::Older { .. } => "krl_older",
            Self::NotTheSame => "krl_not_the_same",
            Self::Trial(error) => error.reason(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::NotReplaced { path, .. } => vec![format!(
                "if it is meant to be replaced, move it away first: mv {0} {0}.broken",
                path.display()
            )],
            Self::Trial(error) => error.hints(),
            Self::Older { .. } | Self::NotTheSame => Vec::new(),
        }
    }
}

/// What was put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its size in bytes.
    pub bytes: usize,
    /// Where the one before it is kept, if there was one.
    pub previous: Option<PathBuf>,
}

/// Reads the list at `path`; `None` if nothing or an empty file is there, which sshd takes for a list
/// that revokes nothing.
///
/// # Errors
/// If it cannot be read, or is not a list.
pub fn read<E: Failure>(path: &Path) -> Result<Option<Krl>, InstallError<E>> {
    let content = match file::read_bounded(path, MAX_KRL_BYTES, Links::Follow) {
        Ok(content) => content,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if content.is_empty() {
        return Ok(None);
    }
    let krl = Krl::parse(&content).map_err(|source| InstallError::NotReplaced {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(krl))
}

/// Replaces the list at `path` by `krl`, with mode 0644. `trial` is given the new file, complete and
/// synced under another name, before it takes the place of the old one.
///
/// # Errors
/// If the new list is not newer, does not read back, fails the trial, or a file cannot be written.
pub fn install<E: Failure>(
    path: &Path,
    krl: &Krl,
    trial: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Installed, InstallError<E>> {
    let there = read(path)?;
    if let Some(there) = &there
        && there.version() >= krl.version()
    {
        return Err(InstallError::Older {
            path: path.to_owned(),
            there: there.version(),
            new: krl.version(),
        });
    }
    let bytes = krl.encode();
    if !Krl::parse(&bytes).is_ok_and(|read| read == *krl) {
        return Err(InstallError::NotTheSame);
    }
    let candidate = file::prepare(path, 0o644, &bytes)?;
    trial(candidate.path()).map_err(InstallError::Trial)?;
    let mut previous = None;
    if there.is_some() {
        let mut name = OsString::from(path);
        name.push(".prev");
        let kept = PathBuf::from(name);
        let content = file::read_bounded(path, MAX_KRL_BYTES, Links::Follow)?;
        file::replace_regular(&kept, 0o644, |out| out.write_all(&content))?;
        previous = Some(kept);
    }
    candidate.install()?;
    Ok(Installed {
        bytes: bytes.len(),
        previous,
    })
}
