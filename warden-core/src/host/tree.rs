//! Puts the files of a host into a directory, and takes out those of accounts that are gone.
//!
//! - Each file is replaced whole, after every file that its content names.
//! - Only what warden rendered for the same host is replaced or removed. Anything else that stands in
//!   the way is an error, and nothing is written then.
//! - A KRL never goes back: an older one, or none where one was, is refused.
//! - Every file is read again from the disk, and understood, before the work counts as done.

use super::ca_keys::CaKeys;
use super::principals;
use super::render::{
    FILE_MODE, FileKind, PRINCIPALS_DIRECTORY, REVOKED_KEYS, RenderedFile, Rendering, headed,
};
use crate::certificate::Parsed;
use crate::diagnostic::SourceText;
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest file that is looked at, in bytes: what sshd itself takes for a KRL.
pub const MAX_FILE_BYTES: usize = 128 * 1024 * 1024;

/// What a file is called while it is written; no account can be called so.
const UNFINISHED: &str = ".warden-";

/// The mode of every directory.
const DIRECTORY_MODE: u32 = 0o755;

/// The first bytes of a KRL, its format and so the place of its version. \[KRL\]
const KRL_MAGIC: &[u8] = b"SSHKRL\n\0\0\0\0\x01";

/// Why the files of a host are not in a directory now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A file or directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something stands there that warden did not render for this host.
    #[error("{} is {found}; nothing was written", path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// No KRL.
    #[error("{} is not a KRL: sshd would let nobody in, or everybody", path.display())]
    KrlMalformed {
        /// The path.
        path: PathBuf,
    },
    /// An older KRL than the one that is there.
    #[error("the KRL has version {given}, and {} has version {found}; what was revoked since would be let in again", path.display())]
    KrlOlder {
        /// The path.
        path: PathBuf,
        /// The version there.
        found: u64,
        /// The version given.
        given: u64,
    },
    /// There is a KRL, and none was given.
    #[error("{} is there and no KRL was given; whoever was revoked would be let in again", path.display())]
    KrlLeftOut {
        /// The path.
        path: PathBuf,
    },
    /// What stands on the disk is not what was meant.
    #[error("{path} does not say what it should: {detail}")]
    Misread {
        /// The path.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

impl Failure for TreeError {
    fn class(&self) -> Class {
        match self {
            Self::File(error) => error.class(),
            Self::KrlMalformed { .. } => Class::Malformed,
            Self::KrlOlder { .. } | Self::KrlLeftOut { .. } => Class::Refused,
            Self::Occupied { .. } | Self::Misread { .. } => Class::Failed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::Occupied { .. } => "host_files_occupied",
            Self::KrlMalformed { .. } => "krl_malformed",
            Self::KrlOlder { .. } => "krl_older",
            Self::KrlLeftOut { .. } => "krl_left_out",
            Self::Misread { .. } => "host_file_misread",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Occupied { .. } => {
                vec!["look at it and move it away, or render into another directory".to_owned()]
            }
            Self::KrlOlder { .. } | Self::KrlMalformed { .. } => {
                vec!["give the newest KRL with --krl".to_owned()]
            }
            Self::KrlLeftOut { path } => vec![format!(
                "give it with --krl, or, if nobody is revoked any more: rm {}",
                path.display()
            )],
            Self::Misread { .. } => Vec::new(),
        }
    }
}

/// What becomes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is not there yet.
    New,
    /// Its content changes.
    Changed,
    /// It is there as it should be.
    Same,
    /// Its account is gone, or a write was interrupted, and so it goes.
    Removed,
    /// Its account is unknown, but warden did not render it: it stays.
    Foreign,
}

impl Step {
    /// A word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Removed => "removed",
            Self::Foreign => "foreign",
        }
    }
}

/// What becomes of every file, by its path from the directory.
pub type Plan = Vec<(String, Step)>;

/// The version of a KRL; `None` if the bytes do not begin as one.
pub fn krl_version(krl: &[u8]) -> Option<u64> {
    let version = krl.strip_prefix(KRL_MAGIC)?.get(..8)?;
    version.try_into().ok().map(u64::from_be_bytes)
}

/// Says what [`write()`] would do in a directory, which need not exist.
///
/// # Errors
/// If something stands in the way, or the KRL would go back.
pub fn plan(rendering: &Rendering<'_>, directory: &Path) -> Result<Plan, TreeError> {
    let mut plan = Plan::new();
    for place in directories(rendering) {
        real_directory(&directory.join(place))?;
    }
    for file in &rendering.files {
        let path = directory.join(&file.path);
        let step = match existing(&path)? {
            None => Step::New,
            Some(found) => {
                may_be_replaced(rendering, file, &path, &found)?;
                match found == *file.content {
                    true => Step::Same,
                    false => Step::Changed,
                }
            }
        };
        plan.push((file.path.clone(), step));
    }
    let krl = directory.join(REVOKED_KEYS);
    let rendered = |path: &str| rendering.files.iter().any(|file| file.path == path);
    if !rendered(REVOKED_KEYS) && existing(&krl)?.is_some() {
        return Err(TreeError::KrlLeftOut { path: krl });
    }
    for place in directories(rendering) {
        let names = names_in(&directory.join(&place))?;
        let unfinished = names.iter().filter(|name| name.starts_with(UNFINISHED));
        plan.extend(unfinished.map(|name| (format!("{}/{name}", place.display()), Step::Removed)));
    }
    for name in names_in(&directory.join(PRINCIPALS_DIRECTORY))? {
        let relative = format!("{PRINCIPALS_DIRECTORY}/{name}");
        if rendered(&relative) || name.starts_with(UNFINISHED) {
            continue;
        }
        let found = match existing(&directory.join(&relative)) {
            Ok(found) => found.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let ours = headed(&found).is_some_and(|head| head.host == rendering.host.as_str());
        let step = if ours { Step::Removed } else { Step::Foreign };
        plan.push((relative, step));
    }
    Ok(plan)
}

/// Writes the files of a host into a directory, which is made if it is not there.
///
/// # Errors
/// As [`plan`], before anything is written; later if a file cannot be written or read back. Each file
/// is the old or the new one then.
pub fn write(rendering: &Rendering<'_>, directory: &Path) -> Result<Plan, TreeError> {
    let plan = plan(rendering, directory)?;
    make_directory(directory)?;
    for place in directories(rendering) {
        make_directory(&directory.join(place))?;
    }
    for file in &rendering.files {
        let path = directory.join(&file.path);
        file::replace_regular(&path, FILE_MODE, |to| to.write_all(&file.content))?;
    }
    for (relative, step) in &plan {
        if *step == Step::Removed {
            let path = directory.join(relative);
            std::fs::remove_file(&path).map_err(FileError::io("remove", &path))?;
        }
    }
    for place in directories(rendering) {
        file::sync_directory(&directory.join(place))?;
    }
    for file in &rendering.files {
        let path = directory.join(&file.path);
        let found = file::read_bounded(&path, MAX_FILE_BYTES, Links::Refuse)?;
        file.understood(&found)?;
    }
    Ok(plan)
}

impl RenderedFile<'_> {
    /// Reads bytes as the program they are for would, and compares them with what was meant.
    ///
    /// # Errors
    /// If they are other bytes, or hold anything that the program would not understand.
    pub fn understood(&self, found: &[u8]) -> Result<(), TreeError> {
        let misread = |detail: String| TreeError::Misread {
            path: self.path.clone(),
            detail,
        };
        if found != &*self.content {
            return Err(misread("it holds other bytes".to_owned()));
        }
        if self.kind == FileKind::Krl {
            return match krl_version(found) {
                Some(_) => Ok(()),
                None => Err(misread("it is no KRL".to_owned())),
            };
        }
        let text = std::str::from_utf8(found).map_err(|error| misread(error.to_string()))?;
        if let Some(character) = text.chars().find(|c| c.is_control() && *c != '\n') {
            return Err(misread(format!("it holds {character:?}")));
        }
        match self.kind {
            FileKind::Principals(_) => {
                for (line, read) in principals::read(found) {
                    read.map_err(|error| misread(format!("line {line}: {error}")))?;
                }
            }
            FileKind::UserCas => {
                let source = SourceText::new(Path::new(&self.path), text.to_owned());
                CaKeys::read(&source).map_err(|problem| misread(problem.message))?;
            }
            FileKind::HostCertificate => {
                Parsed::from_line(found).map_err(|error| misread(error.to_string()))?;
            }
            FileKind::SshdConfig | FileKind::Client => {
                let said = text.lines().filter(|line| !line.starts_with('#'));
                for line in said {
                    if line.split_whitespace().nth(1).is_none() {
                        return Err(misread(format!("`{line}` has no value")));
                    }
                }
            }
            FileKind::Krl => {}
        }
        Ok(())
    }
}

/// Whether a file that is there may be replaced by the one that is to be.
fn may_be_replaced(
    rendering: &Rendering<'_>,
    file: &RenderedFile<'_>,
    path: &Path,
    found: &[u8],
) -> Result<(), TreeError> {
    let occupied = |found: &str| {
        Err(TreeError::Occupied {
            path: path.to_owned(),
            found: found.to_owned(),
        })
    };
    match file.kind {
        FileKind::Krl => {
            let malformed = |path: &Path| TreeError::KrlMalformed {
                path: path.to_owned(),
            };
            let there = krl_version(found).ok_or_else(|| malformed(path))?;
            match krl_version(&file.content) {
                Some(given) if given < there => Err(TreeError::KrlOlder {
                    path: path.to_owned(),
                    found: there,
                    given,
                }),
                _ => Ok(()),
            }
        }
        FileKind::HostCertificate => match Parsed::from_line(found) {
            Ok(_) => Ok(()),
            Err(_) => occupied("no certificate"),
        },
        _ => match headed(found) {
            Some(head) if head.host == rendering.host.as_str() => Ok(()),
            Some(head) => occupied(&format!("of host `{}`", head.host)),
            None => occupied("not a file that warden rendered"),
        },
    }
}

/// Every directory below the output, each before what is in it.
fn directories(rendering: &Rendering<'_>) -> BTreeSet<PathBuf> {
    let parents = rendering
        .files
        .iter()
        .flat_map(|file| Path::new(&file.path).ancestors().skip(1));
    parents
        .filter(|parent| *parent != Path::new(""))
        .map(Path::to_owned)
        .collect()
}

/// Refuses anything but a directory of its own: a link could lead out of the tree.
fn real_directory(path: &Path) -> Result<(), TreeError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(TreeError::Occupied {
            path: path.to_owned(),
            found: "no directory".to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::io("inspect", path)(error).into()),
    }
}

fn make_directory(path: &Path) -> Result<(), TreeError> {
    match std::fs::create_dir(path) {
        Ok(()) => {
            let mode = std::fs::Permissions::from_mode(DIRECTORY_MODE);
            std::fs::set_permissions(path, mode).map_err(FileError::io("make", path))?;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(FileError::io("make", path)(error).into()),
    }
}

/// The content of a regular file, or nothing if there is none.
fn existing(path: &Path) -> Result<Option<Vec<u8>>, TreeError> {
    match file::read_bounded(path, MAX_FILE_BYTES, Links::Refuse) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The names in a directory, in their order; none if there is no directory.
pub(super) fn names_in(directory: &Path) -> Result<Vec<String>, FileError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::io("list", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::io("list", directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn reason(kind: FileKind, content: &[u8], found: &[u8]) -> &'static str {
        let file = RenderedFile {
            path: "x".to_owned(),
            kind,
            content: Cow::Borrowed(content),
        };
        file.understood(found).unwrap_err().reason()
    }

    #[test]
    fn what_would_be_misread_is_not_taken_for_done() {
        let account = || FileKind::Principals("deploy".parse().unwrap());
        for (kind, text) in [
            (account(), &b"nonsense deploy\n"[..]),
            (account(), b"dep\tloy\n"),
            (account(), b"\xff\n"),
            (FileKind::UserCas, b"garbage\n"),
            (FileKind::Krl, b""),
            (FileKind::SshdConfig, b"LogLevel\n"),
            (FileKind::HostCertificate, b"ssh-ed25519 AAAA\n"),
        ] {
            assert_eq!(reason(kind, text, text), "host_file_misread", "{text:?}");
        }
        assert_eq!(
            reason(account(), b"deploy\n", b"deploy"),
            "host_file_misread"
        );
    }

    #[test]
    fn the_version_of_a_krl_stands_in_its_head() {
        let krl = [KRL_MAGIC, &7u64.to_be_bytes(), b"rest"].concat();
        assert_eq!(krl_version(&krl), Some(7));
        assert_eq!(krl_version(&krl[..19]), None);
        assert_eq!(krl_version(b"serial: 1\n"), None);
    }
}
