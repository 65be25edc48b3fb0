//! Judges a CA key file before anything rests on it, and changes nothing.
//!
//! - The host's side and the consumer's side are two groups of checks, `ca_key_*` and `consumer_*`; every
//!   run has all of [`CODES`], in that order. What was not asked or could not be reached is skipped.
//! - The file is opened once, without following a link; mode, owner, links and key are what that
//!   descriptor says.
//! - The rules are those of [`read_secret`](crate::file::read_secret) without its exceptions: one
//!   expected owner and group, and no sticky directory anywhere above.
//! - That the key signs is shown by a signature over random bytes in a namespace of its own, never by
//!   a certificate.
//! - Of the key only type and fingerprint are told.

mod consumer;
mod host;
mod mounts;
mod place;
mod sshd;
mod token;

pub use consumer::{Container, InspectError, Service};
pub use sshd::{sshd_loglevel, sshd_version_at_least, target_clock};
pub use token::token_scope;

use super::check::{Check, Report};
use crate::certificate::{CaPublicKey, Fingerprint, MAX_PUBLIC_KEY_BYTES, PublicKey};
use crate::failure::Failure;
use crate::file::{self, FileError, Links};
use crate::sign::local::{CaKey, CaKeyError, CaKeyFile, MAX_KEY_FILE_BYTES};
use crate::sign::sshsig::{self, Namespace};
use place::{Entry, Place};
use rand_core::TryRng;
use std::fmt;
use std::fs::File;
use zeroize::Zeroizing;

/// The code of every check, in the order of a report.
pub const CODES: [&str; 21] = [
    "ca_key_path",
    "ca_key_exists",
    "ca_key_symlink",
    "ca_key_regular",
    "ca_key_links",
    "ca_key_mode",
    "ca_key_owner",
    "ca_key_parents",
    "ca_key_git",
    "ca_key_passphrase",
    "ca_key_parses",
    "ca_key_type",
    "ca_key_pair",
    "ca_key_not_old",
    "ca_key_signs",
    "consumer_mount_ro",
    "consumer_owner_mapped",
    "consumer_key_readable",
    "consumer_container_mount_ro",
    "consumer_container_privileged",
    "consumer_container_user",
];

/// A user and a group, as `UID:GID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// The two numbers of `UID:GID`.
    pub fn parse(text: &str) -> Option<Self> {
        let (uid, gid) = text.split_once(':')?;
        Some(Self {
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    }

    fn of(entry: &Entry) -> Self {
        Self {
            uid: entry.uid,
            gid: entry.gid,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// What is known of the CA that this key takes over from.
#[derive(Debug, Clone, Copy)]
pub enum OldCa<'a> {
    /// Nothing.
    Unknown,
    /// It has another key, and this is its fingerprint.
    Another(&'a Fingerprint),
    /// It has the very same key, by plan.
    Same(&'a Fingerprint),
}

/// What a key file is held against.
#[derive(Debug)]
pub struct Preflight<'a> {
    /// The file, and where its passphrase is.
    pub key: &'a CaKeyFile,
    /// Whose it has to be.
    pub owner: Owner,
    /// Who signs with it, if that is somebody else than whoever checks.
    pub service: Option<&'a Service>,
    /// Whether it must be on a mount that is read-only here.
    pub read_only_mount: bool,
    /// The container that signs with it.
    pub container: Option<&'a Container>,
    /// The fingerprint the configuration or the plan gives it.
    pub fingerprint: Option<&'a Fingerprint>,
    /// The CA before it.
    pub old: OldCa<'a>,
}

impl Preflight<'_> {
    /// Runs every check. Reads files, and writes none.
    pub fn run(&self) -> Report {
        let path = &self.key.path;
        let mut report = Report::default();
        let is_absolute = path.is_absolute();
        report.push(Check::of(is_absolute, "ca_key_path").with("path", path.display()));
        if !is_absolute {
            report.extend(skipped(&report, "path_not_absolute"));
            return report;
        }
        let opened = Place::of(path)
            .map_err(FileError::io("resolve", path))
            .and_then(|place| place.open().map(|(file, entry)| (place, file, entry)));
        report.extend(kind(opened.as_ref().err()));
        match opened {
            Err(_) => report.extend(skipped(&report, "not_opened")),
            Ok((place, file, entry)) => {
                report.extend(self.of_the_host(&place, &entry));
                report.extend(self.of_the_key(&file));
                report.extend(self.of_the_consumer(&place, &entry));
            }
        }
        report
    }

    fn of_the_host(&self, place: &Place, entry: &Entry) -> [Check; 5] {
        [
            host::links(entry.links),
            host::mode(entry.mode),
            host::owner(Owner::of(entry), self.owner),
            host::parents(&place.directories, self.owner.uid),
            host::outside_git(place.git.as_deref()),
        ]
    }

    fn of_the_key(&self, file: &File) -> Vec<Check> {
        let key = match self.read(file) {
            Ok(key) => key,
            Err(error) => return unread(error.reason()),
        };
        vec![
            Check::pass("ca_key_passphrase"),
            Check::pass("ca_key_parses"),
            Check::pass("ca_key_type").with("type", key.public().key().key_type()),
            self.pair(&key),
            not_old(key.public().fingerprint(), self.old),
            signs(&key, key.public()),
        ]
    }

    fn read(&self, file: &File) -> Result<CaKey, CaKeyError> {
        let mut content = Zeroizing::new(Vec::new());
        file::read_at_most(file, &self.key.path, MAX_KEY_FILE_BYTES, &mut content)?;
        self.key.decoded(&content)
    }

    /// The public file beside it and the fingerprint that was given are this key's; there must be one.
    fn pair(&self, key: &CaKey) -> Check {
        let found = key.public().fingerprint();
        let public = self.key.public_path();
        let beside = match file::read_bounded(&public, MAX_PUBLIC_KEY_BYTES, Links::Follow) {
            Ok(content) => Some(match PublicKey::from_openssh(&content) {
                Ok(key) => key.fingerprint().to_string(),
                Err(_) => "not-a-public-key".to_owned(),
            }),
            Err(error) if error.is_not_found() => None,
            Err(error) => Some(error.reason().to_owned()),
        };
        pair(found, beside.as_deref(), self.fingerprint)
    }

    fn of_the_consumer(&self, place: &Place, entry: &Entry) -> [Check; 6] {
        let mount = match self.read_only_mount {
            // The host's own mount says nothing about the container's.
            _ if self.container.is_some() => {
                Check::skip("consumer_mount_ro", "container_inspected")
            }
            false => Check::skip("consumer_mount_ro", "not_requested"),
            true => {
                let mountinfo = std::fs::read("/proc/self/mountinfo").ok();
                mounts::read_only(mountinfo.as_deref(), &place.path)
            }
        };
        let readable = match self.service {
            None => Check::skip("consumer_key_readable", "not_requested"),
            Some(service) => consumer::readable(service, &place.directories, entry),
        };
        let [read_only, privileged, user] = match self.container {
            None => [
                "consumer_container_mount_ro",
                "consumer_container_privileged",
                "consumer_container_user",
            ]
            .map(|code| Check::skip(code, "no_container")),
            Some(container) => [
                container.mount_read_only(&place.path),
                container.not_privileged(),
                container.runs_as(self.service),
            ],
        };
        [
            mount,
            consumer::mapped(Owner::of(entry)),
            readable,
            read_only,
            privileged,
            user,
        ]
    }
}

/// What stands at the path, told from why it was not opened.
fn kind(error: Option<&FileError>) -> [Check; 3] {
    let [exists, symlink, regular] = ["ca_key_exists", "ca_key_symlink", "ca_key_regular"];
    match error {
        None => [exists, symlink, regular].map(Check::pass),
        Some(FileError::Link { .. }) => [
            Check::pass(exists),
            Check::fail(symlink),
            Check::skip(regular, "not_opened"),
        ],
        Some(FileError::NotRegular { found, .. }) => [
            Check::pass(exists),
            Check::pass(symlink),
            Check::fail(regular).with("got", found),
        ],
        Some(error) => [
            Check::fail(exists).with("reason", error.reason()),
            Check::skip(symlink, "not_opened"),
            Check::skip(regular, "not_opened"),
        ],
    }
}

/// The checks of a key that cannot be used, for this reason.
fn unread(reason: &'static str) -> Vec<Check> {
    let failed = match reason {
        "passphrase_required"
        | "passphrase_wrong"
        | "passphrase_file_not_found"
        | "passphrase_file_exposed"
        | "passphrase_file_not_readable" => "ca_key_passphrase",
        "ca_key_unsupported" | "ca_key_rsa_size" | "ca_key_unsound" => "ca_key_type",
        _ => "ca_key_parses",
    };
    let of_the_key = CODES
        .iter()
        .skip_while(|code| **code != "ca_key_passphrase");
    let of_the_key = of_the_key.take_while(|code| code.starts_with("ca_key_"));
    of_the_key
        .map(|code| match *code {
            code if code == failed => Check::fail(code).with("reason", reason),
            // Of which kind a key is shows only once it was read.
            code @ ("ca_key_passphrase" | "ca_key_parses") if failed == "ca_key_type" => {
                Check::pass(code)
            }
            code => Check::skip(code, "key_not_read"),
        })
        .collect()
}

/// Every check that the report does not have yet.
fn skipped(report: &Report, reason: &'static str) -> Vec<Check> {
    let missing = CODES.iter().filter(|code| report.check(code).is_none());
    missing.map(|code| Check::skip(code, reason)).collect()
}

fn pair(found: &Fingerprint, beside: Option<&str>, given: Option<&Fingerprint>) -> Check {
    let code = "ca_key_pair";
    let differs = |with: &str, want: &str| {
        Check::fail(code)
            .with("with", with)
            .with("want", want)
            .with("got", found)
    };
    match (beside, given) {
        (None, None) => Check::fail(code).with("want", "a-public-file-or-a-fingerprint"),
        (Some(beside), _) if beside != found.as_str() => differs("public-file", beside),
        (_, Some(given)) if given != found => differs("fingerprint", given.as_str()),
        _ => Check::pass(code).with("fingerprint", found),
    }
}

fn not_old(found: &Fingerprint, old: OldCa<'_>) -> Check {
    let code = "ca_key_not_old";
    match old {
        OldCa::Unknown => Check::skip(code, "no_old_ca"),
        OldCa::Another(old) => Check::of(found != old, code).with("old", old),
        OldCa::Same(old) => Check::of(found == old, code)
            .with("same_key_planned", true)
            .with("old", old),
    }
}

/// The key signs random bytes, and the signature is good under this public half.
fn signs(key: &CaKey, public: &CaPublicKey) -> Check {
    let code = "ca_key_signs";
    let mut message = [0; 32];
    if getrandom::SysRng.try_fill_bytes(&mut message).is_err() {
        return Check::fail(code).with("reason", "randomness_unavailable");
    }
    let proof = sshsig::sign(key, Namespace::Preflight, &message).and_then(|signature| {
        sshsig::verify(signature.as_bytes(), public, Namespace::Preflight, &message)
    });
    match proof {
        Ok(()) => Check::pass(code).with("namespace", Namespace::Preflight.as_str()),
        Err(error) => Check::fail(code).with("reason", error.reason()),
    }
}

/// The user or the group of that name in the text of `/etc/passwd` or `/etc/group`.
pub fn id_of(database: &str, name: &str) -> Option<u32> {
    database.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (found, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (found == name && !name.is_empty()).then(|| id.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::check::Verdict;

    fn key(seed: u8) -> CaKey {
        CaKey::from_ed25519_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn a_key_signs_under_its_own_public_half_and_no_other() {
        assert_eq!(signs(&key(1), key(1).public()).verdict, Verdict::Pass);
        let other = signs(&key(1), key(2).public());
        assert_eq!(
            other.to_string(),
            "FAIL ca_key_signs reason=signature_key_differs"
        );
    }

    #[test]
    fn a_key_is_paired_with_something_known() {
        let (one, two) = (key(1), key(2));
        let (one, two) = (one.public().fingerprint(), two.public().fingerprint());
        for (beside, given, verdict) in [
            (None, None, Verdict::Fail),
            (Some(one.as_str()), None, Verdict::Pass),
            (None, Some(one), Verdict::Pass),
            (Some(one.as_str()), Some(one), Verdict::Pass),
            (Some(two.as_str()), None, Verdict::Fail),
            (None, Some(two), Verdict::Fail),
            (Some(one.as_str()), Some(two), Verdict::Fail),
            (Some(two.as_str()), Some(one), Verdict::Fail),
            (Some("not-a-public-key"), Some(one), Verdict::Fail),
        ] {
            assert_eq!(
                pair(one, beside, given).verdict,
                verdict,
                "{beside:?} {given:?}"
            );
        }
    }

    #[test]
    fn the_new_key_is_another_one_unless_the_plan_says_the_same() {
        let (one, two) = (key(1), key(2));
        let (one, two) = (one.public().fingerprint(), two.public().fingerprint());
        for (old, verdict) in [
            (OldCa::Unknown, Verdict::Skip),
            (OldCa::Another(two), Verdict::Pass),
            (OldCa::Another(one), Verdict::Fail),
            (OldCa::Same(one), Verdict::Pass),
            (OldCa::Same(two), Verdict::Fail),
        ] {
            assert_eq!(not_old(one, old).verdict, verdict, "{old:?}");
        }
    }

    #[test]
    fn names_are_looked_up_whole() {
        let text = "root:x:0:0:root:/root:/bin/sh\nsigner:x:104:112::/:/bin/false\nbad:x:y:\n::7\n";
        for (name, id) in [
            ("root", Some(0)),
            ("signer", Some(104)),
            ("sign", None),
            ("bad", None),
            ("", None),
        ] {
            assert_eq!(id_of(text, name), id, "{name}");
        }
    }

    #[test]
    fn a_path_that_is_not_absolute_fails_and_the_rest_is_skipped() {
        let key = CaKeyFile {
            path: "ca/key".into(),
            passphrase_file: None,
        };
        let report = plain(&key).run();
        assert_eq!(
            report.checks()[0].to_string(),
            "FAIL ca_key_path path=ca/key"
        );
        assert_eq!(report.count(Verdict::Skip), CODES.len() - 1);
    }

    fn plain(key: &CaKeyFile) -> Preflight<'_> {
        Preflight {
            key,
            owner: Owner {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            },
            service: None,
            read_only_mount: false,
            container: None,
            fingerprint: None,
            old: OldCa::Unknown,
        }
    }
}
