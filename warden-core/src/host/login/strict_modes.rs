//! `StrictModes`: sshd reads no principals file that somebody else could have written.
//!
//! - The file and every directory above it, up to the root or to the home directory of the account,
//!   must belong to root or to the account, and nobody else may write there.
//! - Where the tree stands in place, mode and owner are judged. A copy belongs to whoever made it: there
//!   the modes below its root are judged, and an owner only where it is neither root nor whom the whole
//!   copy belongs to; then it may be the host's own, and what sshd says is not known.
//!
//! References: `safe_path` of OpenSSH.

use super::{Admission, Found, Login, at, holds, refuses, unknown};
use crate::host::render::Prefix;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A line of `passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdEntry {
    /// The number of the account.
    pub uid: u32,
    /// Its home directory.
    pub home: String,
}

impl PasswdEntry {
    /// The line of an account. Accounts that come from elsewhere are not in the file.
    pub fn find(passwd: &[u8], account: &str) -> Option<Self> {
        String::from_utf8_lossy(passwd).lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            match fields.as_slice() {
                [name, _, uid, _, _, home, ..] if *name == account => Some(Self {
                    uid: uid.parse().ok()?,
                    home: (*home).to_owned(),
                }),
                _ => None,
            }
        })
    }
}

/// A principals file, or a directory above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Where it is.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Root's, or the account's.
    Trusted,
    /// Somebody else's.
    Foreign(u32),
    /// Perhaps somebody else's.
    Unclear(u32),
    /// Whose the whole copy is.
    Copied,
}

/// Looks at a principals file and the directories above it, from the file on.
pub fn guards(
    root: &Path,
    prefix: &Prefix,
    path: &str,
    account: Option<&PasswdEntry>,
) -> Vec<Guard> {
    let in_place = stands_in_place(root, prefix);
    let inside = |path: &str| prefix.inside(path).map(|inside| root.join(inside));
    let home = account.and_then(|account| inside(&account.home));
    let places: Vec<PathBuf> = if in_place {
        let file = PathBuf::from(path);
        let file = file.canonicalize().unwrap_or(file);
        file.ancestors().map(Path::to_owned).collect()
    } else {
        let file = inside(path).unwrap_or_default();
        let below = file.ancestors().take_while(|one| *one != root);
        below.map(Path::to_owned).collect()
    };
    let whole = root.metadata().map(|found| found.uid()).ok();
    let mut guards = Vec::new();
    for place in places {
        let Ok(found) = place.metadata() else {
            continue;
        };
        let owner = match (found.uid(), account.map(|account| account.uid)) {
            (0, _) => Owner::Trusted,
            (uid, Some(own)) if uid == own => Owner::Trusted,
            (uid, Some(_)) if in_place => Owner::Foreign(uid),
            (uid, _) if !in_place && Some(uid) == whole => Owner::Copied,
            (uid, _) => Owner::Unclear(uid),
        };
        let named = match place.strip_prefix(root) {
            Ok(inside) if !in_place => prefix.on_host(&inside.display().to_string()),
            _ => place.display().to_string(),
        };
        guards.push(Guard {
            path: named,
            mode: found.mode() & 0o7777,
            owner,
        });
        if home.as_ref() == Some(&place) {
            break;
        }
    }
    guards
}

/// Whether a tree is where the host finds it, and no copy.
pub fn stands_in_place(root: &Path, prefix: &Prefix) -> bool {
    let place = PathBuf::from(prefix.on_host(""));
    matches!((root.canonicalize(), place.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

impl Login<'_> {
    pub(super) fn principals_file_safe(&self) -> Found {
        let Admission::File(file) = &self.host.admission else {
            return holds("no principals file is read");
        };
        if !self.host.strict_modes {
            return holds("StrictModes is no");
        }
        let refused = |said: String| match self.host.asks_a_command {
            true => unknown(format!(
                "{said}; AuthorizedPrincipalsCommand would be asked"
            )),
            false => refuses(said),
        };
        for guard in &self.host.guards {
            let found = match guard.owner {
                _ if guard.mode & 0o022 != 0 => refused(format!(
                    "mode {:04o}: others may write there, so sshd does not read the file",
                    guard.mode
                )),
                Owner::Foreign(uid) => refused(format!(
                    "it belongs to uid {uid}, neither root nor the account, so sshd does not read the file"
                )),
                Owner::Unclear(uid) => unknown(format!(
                    "it belongs to uid {uid}; whether that is the account's is not known"
                )),
                Owner::Trusted | Owner::Copied => continue,
            };
            return at(guard.path.clone(), found);
        }
        let copied = |guard: &Guard| guard.owner == Owner::Copied;
        let said = match self.host.guards.iter().any(copied) {
            true => "others may not write it; whose it is, is not judged in a copy",
            false => "others may not write it",
        };
        at(file.path.clone(), holds(said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = b"root:x:0:0::/root:/bin/sh\ndeployer:x:7:7::/h:/s\ndeploy:x:8:9:a b:/home/d:/s\nbad:x:y:1::/\n";
        let found = PasswdEntry::find(passwd, "deploy").unwrap();
        assert_eq!((found.uid, found.home.as_str()), (8, "/home/d"));
        for nobody in ["dep", "bad", ""] {
            assert_eq!(PasswdEntry::find(passwd, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_copy_is_looked_at_below_its_root_and_a_home_not_above_itself() {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(copy.path().join("home/d/.ssh")).unwrap();
        std::fs::write(copy.path().join("home/d/.ssh/principals"), "x").unwrap();
        let modes = Permissions::from_mode(0o777);
        std::fs::set_permissions(copy.path(), modes).unwrap();
        let prefix = Prefix::default();
        assert!(!stands_in_place(copy.path(), &prefix));
        let seen = |account: Option<&PasswdEntry>| {
            let path = "/home/d/.ssh/principals";
            let guards = guards(copy.path(), &prefix, path, account);
            let paths: Vec<_> = guards.into_iter().map(|guard| guard.path).collect();
            paths.join(" ")
        };
        let up_to_home = "/home/d/.ssh/principals /home/d/.ssh /home/d";
        assert_eq!(seen(None), format!("{up_to_home} /home"));
        let account = PasswdEntry {
            uid: 8,
            home: "/home/d".to_owned(),
        };
        assert_eq!(seen(Some(&account)), up_to_home);
    }
}
