//! Reads `/proc/self/mountinfo` and finds the mount that a path is on.
//!
//! - From the root mount down, as the kernel walks: of the mounts on top of the present one, that with
//!   the shortest point on the way is entered first. A mount hidden under another is never found.
//! - Only the flag of the mount itself counts. A read-only file system under a writable mount may be
//!   made writable for everybody at once.
//!
//! References: proc_pid_mountinfo(5).

use crate::cutover::check::Check;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    id: u32,
    parent: u32,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Whether it was mounted read-only.
    pub(super) read_only: bool,
}

/// Every mount in the text, in order. `None` if a line cannot be read.
pub(super) fn parse(mountinfo: &[u8]) -> Option<Vec<Mount>> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(mount)
        .collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let (_device, _root) = (fields.next()?, fields.next()?);
    let point = PathBuf::from(OsString::from_vec(unescaped(fields.next()?)?));
    let mut options = fields.next()?.split(|byte| *byte == b',');
    Some(Mount {
        id,
        parent,
        point,
        read_only: options.any(|option| option == b"ro"),
    })
}

/// Blank, tab, newline and backslash stand as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(3)?;
        let digits = std::str::from_utf8(digits).ok()?;
        out.push(u8::from_str_radix(digits, 8).ok()?);
        rest = after;
    }
    Some(out)
}

/// The mount a path without links is on.
pub(super) fn covering<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let is_listed = |id| mounts.iter().any(|mount| mount.id == id);
    let mut at = mounts.iter().find(|mount| {
        mount.point == Path::new("/") && (mount.parent == mount.id || !is_listed(mount.parent))
    })?;
    // Every step goes to a child, and no mount is its own ancestor; the bound is for a damaged text.
    for _ in 0..mounts.len() {
        let above = mounts
            .iter()
            .filter(|mount| mount.parent == at.id && mount.id != at.id)
            .filter(|mount| path.starts_with(&mount.point))
            .min_by_key(|mount| mount.point.components().count());
        match above {
            Some(mount) => at = mount,
            None => return Some(at),
        }
    }
    None
}

/// The key is on a mount that is read-only.
pub(super) fn read_only(mountinfo: Option<&[u8]>, path: &Path) -> Check {
    let code = "consumer_mount_ro";
    let Some(mounts) = mountinfo.and_then(parse) else {
        return Check::fail(code)
            .with("want", "ro")
            .with("got", "mountinfo-not-readable");
    };
    match covering(&mounts, path) {
        None => Check::fail(code)
            .with("want", "ro")
            .with("got", "no-mount-found"),
        Some(mount) => Check::of(mount.read_only, code)
            .with("mount", mount.point.display())
            .with("want", "ro")
            .with("got", if mount.read_only { "ro" } else { "rw" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::check::Verdict;

    const TABLE: &str = "\
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
21 20 0:5 / /proc rw,nosuid - proc proc rw
30 20 0:30 / /run rw - tmpfs tmpfs rw
31 30 0:31 / /run/secrets ro,relatime - tmpfs tmpfs rw
32 20 0:32 / /data ro - ext4 /dev/sdb rw
33 32 0:33 / /data rw - tmpfs over rw
34 20 0:34 / /deep/er ro - tmpfs hidden rw
35 20 0:35 / /deep rw - tmpfs above rw
36 20 0:36 / /with\\040blank\\134x ro - tmpfs tmpfs rw
37 20 8:2 /ca_key /etc/ca_key ro - ext4 /dev/sda1 rw
38 20 0:38 / /super rw - ext4 /dev/sdc ro,errors=remount-ro
39 20 0:39 / /root-ish rw,rootcontext=ro - tmpfs tmpfs ro
40 35 0:40 / /deep/er/st ro shared:7 master:2 - tmpfs late rw
";

    fn verdict(path: &str) -> (Verdict, String) {
        let check = read_only(Some(TABLE.as_bytes()), Path::new(path));
        (check.verdict, check.to_string())
    }

    #[test]
    fn the_mount_that_covers_the_path_decides() {
        use Verdict::{Fail, Pass};
        for (path, expected, point) in [
            ("/etc/other", Fail, "/"),
            ("/run/secrets/ca", Pass, "/run/secrets"),
            ("/run/secretsx/ca", Fail, "/run"),
            // Of two at one point the later one, which is mounted on the earlier one.
            ("/data/ca", Fail, "/data"),
            // A mount that another one hides.
            ("/deep/er/ca", Fail, "/deep"),
            ("/deep/er/st/ca", Pass, "/deep/er/st"),
            ("/with blank\\x/ca", Pass, "/with blank\\x"),
            // A file that is a mount itself.
            ("/etc/ca_key", Pass, "/etc/ca_key"),
            // The flag of the file system is not the mount's, nor is an option that only ends so.
            ("/super/ca", Fail, "/super"),
            ("/root-ish/ca", Fail, "/root-ish"),
        ] {
            let mounts = parse(TABLE.as_bytes()).unwrap();
            let found = covering(&mounts, Path::new(path)).unwrap();
            assert_eq!(found.point, Path::new(point), "{path}");
            assert_eq!(verdict(path).0, expected, "{path}: {}", verdict(path).1);
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_proof() {
        let path = Path::new("/run/secrets/ca");
        assert_eq!(read_only(None, path).verdict, Verdict::Fail);
        for text in [
            "",
            "x",
            "1 2 3",
            "31 30 0:31 / /run/secrets ro - tmpfs tmpfs rw\n",
            "20 1 8:1 / / ro - a b rw\n21 20 0 / /x\\04 ro - a b rw\n",
            "20 1 8:1 / / ro - a b rw\n21 20 0 / /x\\999 ro - a b rw\n",
            // A ring.
            "20 1 8:1 / / ro - a b rw\n5 20 0 / / ro - a b rw\n20 5 0 / / ro - a b rw\n",
        ] {
            let check = read_only(Some(text.as_bytes()), path);
            assert_eq!(check.verdict, Verdict::Fail, "{text}");
        }
    }

    #[test]
    fn this_machines_mounts_are_read() {
        let text = std::fs::read("/proc/self/mountinfo").unwrap();
        let mounts = parse(&text).unwrap();
        assert_eq!(
            covering(&mounts, Path::new("/proc/self")).unwrap().point,
            Path::new("/proc")
        );
    }
}
