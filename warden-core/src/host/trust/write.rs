//! Reads and writes a trust file on disk.

use super::{MAX_TRUST_BYTES, TrustBundle, TrustError, sha256};
use crate::file::{self, FileError, Links};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What writing a trust file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The file holds it already; nothing was touched.
    Unchanged,
    /// The file was replaced.
    Replaced {
        /// The SHA-256 of the file before.
        before: String,
        /// The SHA-256 of the file now.
        after: String,
        /// The byte-exact copy of the file before.
        backup: PathBuf,
    },
}

/// Reads a trust file.
///
/// # Errors
/// If it is not there, not regular, or holds a line at which sshd stops.
pub fn read(path: &Path) -> Result<TrustBundle, TrustError> {
    TrustBundle::parse(&file::read_bounded(path, MAX_TRUST_BYTES, Links::Follow)?)
}

/// Replaces the file by `wanted`, which was made of what [`read`] gave for it.
///
/// # Errors
/// If the file may not be written by us alone, is mounted by itself, changed meanwhile, or does not
/// hold `wanted` afterwards.
pub fn write(
    path: &Path,
    found: &TrustBundle,
    wanted: &TrustBundle,
) -> Result<Written, TrustError> {
    // The file itself is replaced, not a link that leads to it.
    let path = &path
        .canonicalize()
        .map_err(FileError::io("resolve", path))?;
    judge(path)?;
    let now = read(path)?;
    if now == *wanted {
        return Ok(Written::Unchanged);
    }
    if now != *found {
        return Err(TrustError::InBetween {
            path: path.clone(),
            detail: "somebody else changed it meanwhile",
        });
    }
    let (before, after) = (now.sha256(), wanted.sha256());
    let backup = keep(path, &now, &before)?;
    file::replace_keeping_owner(path, wanted.bytes())?;
    let written = read(path)?;
    if written != *wanted {
        return Err(TrustError::NotWritten {
            path: path.clone(),
            detail: format!("expected SHA-256 {after}, found {}", written.sha256()),
        });
    }
    Ok(Written::Replaced {
        before,
        after,
        backup,
    })
}

/// Who may write the file: whoever may, may sign for everybody.
fn judge(path: &Path) -> Result<(), TrustError> {
    let found = std::fs::symlink_metadata(path).map_err(FileError::io("inspect", path))?;
    let exposed = |found: String, expected| TrustError::Exposed {
        path: path.to_owned(),
        found,
        expected,
    };
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != user {
        return Err(exposed(format!("owner uid {}", found.uid()), "root"));
    }
    if found.mode() & 0o7777 != 0o644 {
        return Err(exposed(
            format!("mode {:04o}", found.mode() & 0o7777),
            "mode 0644",
        ));
    }
    if found.nlink() != 1 {
        return Err(exposed(
            format!("{} hard links", found.nlink()),
            "one hard link",
        ));
    }
    let mounts = file::read_bounded(
        Path::new("/proc/self/mountinfo"),
        MAX_TRUST_BYTES,
        Links::Refuse,
    )?;
    if is_mount_point(&mounts, path) {
        return Err(TrustError::Mounted {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Whether a mount ends exactly here, by the text of `/proc/self/mountinfo`.
fn is_mount_point(mounts: &[u8], path: &Path) -> bool {
    let place = path.as_os_str().as_bytes();
    let fifth = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(unescaped);
    mounts
        .split(|byte| *byte == b'\n')
        .any(|line| fifth(line).is_some_and(|mounted| mounted == place))
}

/// Blank, tab, newline and backslash stand as three octal digits in mountinfo.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Keeps a copy beside the file, named for what it holds.
fn keep(path: &Path, bundle: &TrustBundle, digest: &str) -> Result<PathBuf, TrustError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-{}", &digest[..12]));
    let backup = PathBuf::from(name);
    match file::create_new(&backup, bundle.bytes(), 0o644) {
        // Kept by an earlier run, which the same content shows.
        Err(FileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            let kept = file::read_bounded(&backup, MAX_TRUST_BYTES, Links::Refuse)?;
            if sha256(&kept) != digest {
                return Err(TrustError::InBetween {
                    path: backup,
                    detail: "another file stands where the copy was to be kept",
                });
            }
        }
        other => other?,
    }
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::sign::local::CaKey;
    use std::os::unix::fs::PermissionsExt;

    fn added(bundle: &TrustBundle) -> TrustBundle {
        let ca = CaKey::from_ed25519_seed(&[9; 32]).unwrap();
        bundle.with_added(ca.public().key(), "new CA").unwrap()
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trusted");
        let ca = CaKey::from_ed25519_seed(&[1; 32]).unwrap();
        std::fs::write(&path, format!("{} old CA", ca.public().key().to_openssh())).unwrap();
        mode(&path, 0o644);
        (directory, path)
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_second_run_changes_nothing_and_the_copy_is_byte_exact() {
        let (directory, path) = file();
        let original = std::fs::read(&path).unwrap();
        let found = read(&path).unwrap();
        let Written::Replaced { backup, .. } = write(&path, &found, &added(&found)).unwrap() else {
            panic!("nothing was written")
        };
        assert_eq!(std::fs::read(&backup).unwrap(), original);
        let (inode, modified) = {
            let now = std::fs::metadata(&path).unwrap();
            assert_eq!(now.mode() & 0o7777, 0o644);
            (now.ino(), now.modified().unwrap())
        };
        let found = read(&path).unwrap();
        assert_eq!(
            write(&path, &found, &added(&found)).unwrap(),
            Written::Unchanged
        );
        let now = std::fs::metadata(&path).unwrap();
        assert_eq!((now.ino(), now.modified().unwrap()), (inode, modified));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_others_may_write_or_that_changed_is_not_written() {
        let (_directory, path) = file();
        let found = read(&path).unwrap();
        for bad in [0o666, 0o664, 0o600, 0o4644] {
            mode(&path, bad);
            let refused = write(&path, &found, &added(&found)).unwrap_err();
            assert_eq!(refused.reason(), "trust_file_exposed", "{bad:o}");
        }
        mode(&path, 0o644);
        std::fs::write(&path, [found.bytes(), b"\n# changed\n"].concat()).unwrap();
        let refused = write(&path, &found, &added(&found)).unwrap_err();
        assert_eq!(refused.reason(), "trust_changed_meanwhile");
        assert!(std::fs::read(&path).unwrap().ends_with(b"# changed\n"));
    }

    #[test]
    fn a_copy_that_cannot_be_kept_stops_the_write() {
        let (_directory, path) = file();
        let found = read(&path).unwrap();
        let backup = format!("{}.before-{}", path.display(), &found.sha256()[..12]);
        std::fs::write(&backup, "something else").unwrap();
        let refused = write(&path, &found, &added(&found)).unwrap_err();
        assert_eq!(refused.reason(), "trust_changed_meanwhile");
        assert_eq!(read(&path).unwrap(), found);
    }

    #[test]
    fn a_mount_of_the_file_itself_is_seen() {
        let mounts = b"22 28 0:20 / /proc rw - proc proc rw\n90 28 8:1 /a\\040b /etc/ssh/trusted\\040keys ro - ext4 /dev/sda1 rw\n";
        assert!(is_mount_point(mounts, Path::new("/etc/ssh/trusted keys")));
        assert!(!is_mount_point(mounts, Path::new("/etc/ssh")));
        assert!(!is_mount_point(mounts, Path::new("/etc/ssh/trusted")));
    }
}
