//! Judges a key file as the host has it. Pure: what was observed in, a check out.

use super::Owner;
use super::place::Entry;
use crate::cutover::check::Check;
use std::path::Path;

/// The mode is exactly 0400 or 0600.
pub(super) fn mode(found: u32) -> Check {
    Check::of(matches!(found, 0o400 | 0o600), "ca_key_mode")
        .with("want", "0400,0600")
        .with("got", format!("{found:04o}"))
}

/// Owner and group are the expected ones.
pub(super) fn owner(found: Owner, wanted: Owner) -> Check {
    Check::of(found == wanted, "ca_key_owner")
        .with("want", wanted)
        .with("got", found)
}

/// The file has one name.
pub(super) fn links(found: u64) -> Check {
    Check::of(found == 1, "ca_key_links")
        .with("want", 1)
        .with("got", found)
}

/// Nobody but root and the key's owner may change any directory on the way; a sticky one is no
/// exception.
pub(super) fn parents(directories: &[Entry], owner: u32) -> Check {
    let code = "ca_key_parents";
    for directory in directories {
        let fault = |want: &str, got: String| {
            Check::fail(code)
                .with("directory", directory.path.display())
                .with("want", want)
                .with("got", got)
        };
        if directory.uid != 0 && directory.uid != owner {
            return fault(
                "owned-by-root-or-the-key's-owner",
                directory.uid.to_string(),
            );
        }
        if directory.mode & 0o022 != 0 {
            return fault(
                "not-writable-by-group-or-others",
                format!("{:04o}", directory.mode),
            );
        }
    }
    Check::of(!directories.is_empty(), code).with("directories", directories.len())
}

/// No directory on the way is a git work tree.
pub(super) fn outside_git(found: Option<&Path>) -> Check {
    match found {
        Some(git) => Check::fail("ca_key_git").with("found", git.display()),
        None => Check::pass("ca_key_git"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::check::Verdict;

    #[test]
    fn of_all_4096_modes_two_pass() {
        let passing: Vec<u32> = (0..=0o7777)
            .filter(|found| mode(*found).verdict == Verdict::Pass)
            .collect();
        assert_eq!(passing, [0o400, 0o600]);
        assert!((0..=0o7777).all(|found| mode(found).code == "ca_key_mode"));
        assert_eq!(
            mode(0o4600).to_string(),
            "FAIL ca_key_mode want=0400,0600 got=4600"
        );
    }

    #[test]
    fn user_and_group_each_change_the_verdict() {
        let wanted = Owner { uid: 10, gid: 20 };
        for (uid, gid, verdict) in [
            (10, 20, Verdict::Pass),
            (0, 20, Verdict::Fail),
            (10, 0, Verdict::Fail),
            (20, 10, Verdict::Fail),
            (65534, 65534, Verdict::Fail),
        ] {
            assert_eq!(
                owner(Owner { uid, gid }, wanted).verdict,
                verdict,
                "{uid}:{gid}"
            );
        }
    }

    #[test]
    fn one_name_and_no_other() {
        for (found, verdict) in [(0, Verdict::Fail), (1, Verdict::Pass), (2, Verdict::Fail)] {
            assert_eq!(links(found).verdict, verdict, "{found}");
        }
    }

    fn directory(uid: u32, mode: u32) -> Entry {
        Entry {
            path: "/d".into(),
            uid,
            gid: 0,
            mode,
            links: 2,
        }
    }

    #[test]
    fn of_all_modes_of_a_directory_none_lets_others_write_sticky_or_not() {
        for mode in 0..=0o7777 {
            let expected = match mode & 0o022 {
                0 => Verdict::Pass,
                _ => Verdict::Fail,
            };
            let way = [directory(0, 0o755), directory(0, mode)];
            assert_eq!(parents(&way, 0).verdict, expected, "{mode:04o}");
        }
    }

    #[test]
    fn a_directory_belongs_to_root_or_the_owner_of_the_key() {
        for (uid, verdict) in [(0, Verdict::Pass), (7, Verdict::Pass), (8, Verdict::Fail)] {
            let way = [
                directory(0, 0o755),
                directory(uid, 0o755),
                directory(0, 0o755),
            ];
            assert_eq!(parents(&way, 7).verdict, verdict, "{uid}");
        }
        assert_eq!(parents(&[], 0).verdict, Verdict::Fail);
    }

    #[test]
    fn a_work_tree_on_the_way_fails() {
        assert_eq!(outside_git(None).verdict, Verdict::Pass);
        assert_eq!(
            outside_git(Some(Path::new("/a/.git"))).verdict,
            Verdict::Fail
        );
    }
}
