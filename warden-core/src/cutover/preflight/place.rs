//! Looks at where a key file stands, and changes nothing there.
//!
//! - The path is walked part by part, as the kernel walks it; every directory that decides where it
//!   leads is kept, those that hold a link on the way too.
//! - The key file is opened once, and what is judged later is what that descriptor says.

use crate::file::{self, FileError, Links};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The most links that are followed, as in Linux.
const MAX_LINKS: usize = 40;

/// What `stat` says of a directory or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path, without links.
    pub(super) path: PathBuf,
    /// Its owner.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
    /// Its twelve mode bits.
    pub(super) mode: u32,
    /// How many names it has.
    pub(super) links: u64,
}

/// The way to a key file.
#[derive(Debug)]
pub(super) struct Place {
    /// The path of the file with every link above it resolved.
    pub(super) path: PathBuf,
    /// Every directory passed, each once, the root first.
    pub(super) directories: Vec<Entry>,
    /// The `.git` found in one of them.
    pub(super) git: Option<PathBuf>,
}

impl Place {
    /// Walks an absolute path.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let mut left: VecDeque<OsString> = parts(path.parent().unwrap_or(path)).collect();
        let mut at = PathBuf::from("/");
        let mut passed = vec![at.clone()];
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            if !next.symlink_metadata()?.is_symlink() {
                at = next;
                if !passed.contains(&at) {
                    passed.push(at.clone());
                }
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("too many links on the way"));
            }
            let target = next.read_link()?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(part);
            }
        }
        let git = passed
            .iter()
            .map(|directory| directory.join(".git"))
            .find(|git| git.symlink_metadata().is_ok());
        let directories = passed
            .into_iter()
            .map(|path| path.metadata().map(|stat| Entry::new(path, &stat)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path: at.join(name),
            directories,
            git,
        })
    }

    /// Opens the key file, following no link, and says what the descriptor is.
    pub(super) fn open(&self) -> Result<(File, Entry), FileError> {
        let file = file::open_regular(&self.path, Links::Refuse)?;
        let stat = file
            .metadata()
            .map_err(FileError::io("inspect", &self.path))?;
        Ok((file, Entry::new(self.path.clone(), &stat)))
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    })
}

impl Entry {
    fn new(path: PathBuf, stat: &Metadata) -> Self {
        Self {
            path,
            uid: stat.uid(),
            gid: stat.gid(),
            mode: stat.mode() & 0o7777,
            links: stat.nlink(),
        }
    }
}
