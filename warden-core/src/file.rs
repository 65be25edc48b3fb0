//! Reads files others may have prepared, and replaces files others may be reading.
//!
//! - A read never blocks and never grows without bound: the file is opened without waiting, must be
//!   regular, and is refused above a limit.
//! - A replacement is all or nothing: a new file beside the old one, synced, renamed over it. A link
//!   at the target is replaced, never followed. Without that sync a file system may keep the new name
//!   and lose the content, and an empty file would stand there after a power cut. The directory is not
//!   synced: what such a cut can then take back is the name, and the old file is still whole.
//! - A secret is read only from a file nobody else could have written or read.

use crate::failure::{Class, Failure};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Opening, reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not a regular file.
    #[error("{} is a {found}, not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A symbolic link where none may be.
    #[error("{} is a symbolic link; it is not followed", path.display())]
    Link {
        /// The path.
        path: PathBuf,
    },
    /// Larger than anything that belongs there.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else could read or change a secret, or stand it in for another.
    #[error("{}: {found}; expected {expected}", path.display())]
    Exposed {
        /// The file or the directory above it.
        path: PathBuf,
        /// What was found, such as `mode 0644`.
        found: String,
        /// What is expected, such as `mode 0400 or 0600`.
        expected: &'static str,
        /// What to type, if typing mends it.
        fix: Option<String>,
    },
}

impl FileError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether the file is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Failure for FileError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } if self.is_not_found() => "file_not_found",
            Self::Io { .. } => "file_not_readable",
            Self::NotRegular { .. } => "file_not_regular",
            Self::Link { .. } => "file_is_link",
            Self::TooLarge { .. } => "file_too_large",
            Self::NotText { .. } => "file_not_text",
            Self::Exposed { .. } => "file_exposed",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exposed { fix: Some(fix), .. } => vec![fix.clone()],
            Self::Link { path } => vec![format!(
                "put the file itself there instead of a link: ls -l {}",
                path.display()
            )],
            _ => Vec::new(),
        }
    }
}

/// Whether a link at the last part of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Followed; for files somebody may keep elsewhere.
    Follow,
    /// Refused; for files that are ours.
    Refuse,
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it is not there, not regular, a link that may not be followed, or larger.
pub fn read_bounded(path: &Path, limit: usize, links: Links) -> Result<Vec<u8>, FileError> {
    let file = open_regular(path, links)?;
    let mut content = Vec::new();
    read_at_most(&file, path, limit, &mut content)?;
    Ok(content)
}

/// Reads a regular UTF-8 file of at most `limit` bytes.
///
/// # Errors
/// As [`read_bounded`], and if it is not UTF-8.
pub fn read_text(path: &Path, limit: usize, links: Links) -> Result<String, FileError> {
    let content = read_bounded(path, limit, links)?;
    String::from_utf8(content).map_err(|_| FileError::NotText {
        path: path.to_owned(),
    })
}

pub(crate) fn read_at_most(
    file: &File,
    path: &Path,
    limit: usize,
    into: &mut Vec<u8>,
) -> Result<(), FileError> {
    let expected = file.metadata().map_err(FileError::io("read", path))?.len();
    let too_large = || FileError::TooLarge {
        path: path.to_owned(),
        limit,
    };
    if expected > limit as u64 {
        return Err(too_large());
    }
    // The capacity is fixed beforehand, so that a secret is never left behind in a smaller buffer.
    into.reserve_exact(limit.min(usize::try_from(expected).unwrap_or(limit)) + 1);
    file.take(limit as u64 + 1)
        .read_to_end(into)
        .map_err(FileError::io("read", path))?;
    if into.len() > limit {
        Err(too_large())
    } else {
        Ok(())
    }
}

/// Opens a regular file without ever waiting for anybody.
pub(crate) fn open_regular(path: &Path, links: Links) -> Result<File, FileError> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file = File::from(open(path, flags, Mode::empty(), "read")?);
    regular(&file, path)?;
    Ok(file)
}

/// Opens, saying plainly when the path is a link that may not be followed.
pub(crate) fn open(
    path: &Path,
    flags: OFlags,
    mode: Mode,
    action: &'static str,
) -> Result<rustix::fd::OwnedFd, FileError> {
    rustix::fs::open(path, flags, mode).map_err(|error| match error {
        rustix::io::Errno::LOOP if flags.contains(OFlags::NOFOLLOW) => FileError::Link {
            path: path.to_owned(),
        },
        rustix::io::Errno::NXIO => FileError::NotRegular {
            path: path.to_owned(),
            found: "FIFO or socket",
        },
        other => FileError::io(action, path)(other.into()),
    })
}

pub(crate) fn regular(file: &File, path: &Path) -> Result<rustix::fs::Stat, FileError> {
    let stat =
        rustix::fs::fstat(file).map_err(|error| FileError::io("inspect", path)(error.into()))?;
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(stat),
        FileType::Directory => "directory",
        FileType::Fifo => "FIFO",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Socket => "socket",
        _ => "special file",
    };
    Err(FileError::NotRegular {
        path: path.to_owned(),
        found,
    })
}

/// Reads a secret of at most `limit` bytes from a file that nobody but its owner could have read,
/// changed or replaced. The file is opened once, and what is judged is what is read.
///
/// The file is regular, has one hard link and mode 0400 or 0600, and belongs to root or the running
/// user. Every directory above it belongs to root or the running user and is not writable by group
/// or others; a root-owned sticky directory such as `/tmp` may stand above the file's own directory.
///
/// # Errors
/// Names the file or directory, what was found and what is expected.
pub fn read_secret(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let user = rustix::process::geteuid().as_raw();
    let (directory, name) = resolved(path)?;
    directories_are_safe(&directory, user, 1)?;
    let path = directory.join(name);
    let file = open_regular(&path, Links::Refuse)?;
    let stat = regular(&file, &path)?;
    let exposed = |found: String, expected, fix| FileError::Exposed {
        path: path.clone(),
        found,
        expected,
        fix,
    };
    let mode = stat.st_mode & 0o7777;
    if mode != 0o400 && mode != 0o600 {
        let fix = Some(format!("chmod 600 {}", path.display()));
        return Err(exposed(
            format!("mode {mode:04o}"),
            "mode 0400 or 0600",
            fix,
        ));
    }
    if stat.st_uid != 0 && stat.st_uid != user {
        return Err(exposed(
            format!("owner uid {}", stat.st_uid),
            "root or the user who signs",
            None,
        ));
    }
    if stat.st_nlink != 1 {
        return Err(exposed(
            format!("{} hard links", stat.st_nlink),
            "one hard link",
            None,
        ));
    }
    let mut content = Zeroizing::new(Vec::new());
    read_at_most(&file, &path, limit, &mut content)?;
    Ok(content)
}

/// The directory of a path with every link resolved, and the last part of the path.
fn resolved(path: &Path) -> Result<(PathBuf, PathBuf), FileError> {
    let Some(name) = path.file_name() else {
        return Err(FileError::NotRegular {
            path: path.to_owned(),
            found: "directory",
        });
    };
    let parent = directory_of(path);
    let directory = parent
        .canonicalize()
        .map_err(FileError::io("resolve", parent))?;
    Ok((directory, name.into()))
}

/// Judges a directory and every one above it: whoever may write there could put another file in
/// place of the one that is trusted. `sticky_from` says how many steps up a root-owned sticky
/// directory may stand. `directory` must be absolute and free of links.
fn directories_are_safe(directory: &Path, user: u32, sticky_from: usize) -> Result<(), FileError> {
    for (distance, above) in directory.ancestors().enumerate() {
        let stat = rustix::fs::stat(above)
            .map_err(|error| FileError::io("inspect", above)(error.into()))?;
        let exposed = |found: String, expected, fix| FileError::Exposed {
            path: above.to_owned(),
            found,
            expected,
            fix,
        };
        if stat.st_uid != 0 && stat.st_uid != user {
            return Err(exposed(
                format!("owner uid {}", stat.st_uid),
                "a directory of root or of the user who signs",
                None,
            ));
        }
        let mode = stat.st_mode & 0o7777;
        let sticky = distance >= sticky_from && stat.st_uid == 0 && mode & 0o1000 != 0;
        if mode & 0o022 != 0 && !sticky {
            let fix = Some(format!("chmod go-w {}", above.display()));
            let expected = "a directory that group and others cannot write";
            return Err(exposed(format!("mode {mode:04o}"), expected, fix));
        }
    }
    Ok(())
}

/// Judges where a directory that does not exist yet would stand, before anything is written there.
///
/// # Errors
/// Names the directory above that others may write.
pub fn parents_are_safe(path: &Path) -> Result<(), FileError> {
    let (parent, _) = resolved(path)?;
    directories_are_safe(&parent, rustix::process::geteuid().as_raw(), 0)
}

/// Creates a file that must not exist, with mode `mode` from its first byte, and syncs it.
///
/// # Errors
/// If anything is there already, or the file cannot be written; nothing is left behind then.
pub fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(open(path, flags, Mode::from_raw_mode(mode), "create")?);
    let written = file.write_all(content).and_then(|()| {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()
    });
    if let Err(error) = written {
        // The file is ours and incomplete; if it cannot be removed, the first error still says why.
        drop(std::fs::remove_file(path));
        return Err(FileError::io("write", path)(error));
    }
    Ok(())
}

/// Replaces a file by a new one with mode 0600, or creates it. Readers see the old content or the
/// new, never a part, also after a crash.
///
/// # Errors
/// If the new file cannot be written; the old one then stands untouched.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace_with(path, 0o600, |file| file.write_all(content))
}

/// As [`replace`], for a file that is no secret: mode `mode`, and only a regular file is replaced,
/// so that a name typed wrong loses no directory, link or device.
///
/// # Errors
/// If something else stands at the path, or the new file cannot be written.
pub fn replace_regular(
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    nothing_but_a_file_stands_at(path)?;
    replace_with(path, mode, content)
}

fn nothing_but_a_file_stands_at(path: &Path) -> Result<(), FileError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            return Err(FileError::Link {
                path: path.to_owned(),
            });
        }
        Ok(found) if !found.is_file() => {
            return Err(FileError::NotRegular {
                path: path.to_owned(),
                found: if found.is_dir() {
                    "directory"
                } else {
                    "special file"
                },
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::io("inspect", path)(error)),
    }
    Ok(())
}

/// A new file that is complete and synced, but has not its name yet; it goes away if it never gets it.
#[derive(Debug)]
pub(crate) struct Prepared {
    temporary: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Prepared {
    /// Where it is meanwhile: in the same directory.
    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives it its name, in place of what had it, and makes that durable.
    pub(crate) fn install(self) -> Result<(), FileError> {
        let Self { temporary, path } = self;
        temporary
            .persist(&path)
            .map_err(|error| FileError::io("replace", &path)(error.error))?;
        sync_directory(directory_of(&path))
    }

    /// Gives it its name and makes that durable, unless something has that name already.
    pub(crate) fn install_first(self) -> Result<(), FileError> {
        let Self { temporary, path } = self;
        match temporary.persist_noclobber(&path) {
            Ok(_) => sync_directory(directory_of(&path)),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(FileError::io("create", &path)(error.error)),
        }
    }
}

/// Writes a file that is to replace a regular one, or nothing, at `path`.
pub(crate) fn prepare(path: &Path, mode: u32, content: &[u8]) -> Result<Prepared, FileError> {
    nothing_but_a_file_stands_at(path)?;
    let mut temporary = temporary_beside(path, mode)?;
    temporary
        .write_all(content)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(FileError::io("write", path))?;
    Ok(Prepared {
        temporary,
        path: path.to_owned(),
    })
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn temporary_beside(path: &Path, mode: u32) -> Result<tempfile::NamedTempFile, FileError> {
    let permissions = std::fs::Permissions::from_mode(mode);
    let temporary = tempfile::Builder::new()
        .prefix(".warden-")
        .permissions(permissions.clone())
        .tempfile_in(directory_of(path))
        .map_err(FileError::io("write", path))?;
    // The umask has taken away from what was asked for.
    temporary
        .as_file()
        .set_permissions(permissions)
        .map_err(FileError::io("write", path))?;
    Ok(temporary)
}

fn replace_with(
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    let temporary = temporary_beside(path, mode)?;
    let mut file = io::BufWriter::with_capacity(64 * 1024, temporary.as_file());
    content(&mut file)
        .and_then(|()| file.flush())
        .map_err(FileError::io("write", path))?;
    drop(file);
    temporary
        .as_file()
        .sync_data()
        .map_err(FileError::io("write", path))?;
    temporary
        .persist(path)
        .map_err(|error| FileError::io("replace", path)(error.error))?;
    Ok(())
}

/// Replaces a regular file by one with the same owner and mode, synced, and makes the name durable:
/// for files that other programs read and own. Readers see the old content or the new, never a part.
///
/// # Errors
/// If something else stands at the path, or the new file cannot be made the same way; the old one
/// then stands untouched, unless only the last step, the sync of the directory, failed.
pub fn replace_keeping_owner(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let before = open_regular(path, Links::Refuse)?;
    let stat = regular(&before, path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".warden-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(FileError::io("write", path))?;
    let file = temporary.as_file_mut();
    file.write_all(content)
        .and_then(|()| {
            let (user, group) = (stat.st_uid, stat.st_gid);
            std::os::unix::fs::fchown(&*file, Some(user), Some(group))?;
            // The owner first: a change of owner takes mode bits away.
            file.set_permissions(std::fs::Permissions::from_mode(stat.st_mode & 0o7777))?;
            file.sync_all()
        })
        .map_err(FileError::io("write", path))?;
    temporary
        .persist(path)
        .map_err(|error| FileError::io("replace", path)(error.error))?;
    sync_directory(directory)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// If the directory cannot be opened or synced.
pub fn sync_directory(directory: &Path) -> Result<(), FileError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(FileError::io("sync", directory))
}

/// Judges where a key is to stand, before it is made there.
///
/// # Errors
/// Names the directory that others may write.
pub fn key_directory_is_safe(path: &Path) -> Result<(), FileError> {
    let (directory, _) = resolved(path)?;
    directories_are_safe(&directory, rustix::process::geteuid().as_raw(), 1)
}

/// Judges a directory that holds state, and every one above it. `directory` is absolute and free of
/// links.
pub(crate) fn directory_is_safe(directory: &Path) -> Result<(), FileError> {
    directories_are_safe(directory, rustix::process::geteuid().as_raw(), 1)
}
