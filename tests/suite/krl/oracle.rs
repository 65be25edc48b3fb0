//! `ssh-keygen -Q` and `-k`.

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use warden_core::certificate::{CaPublicKey, Parsed, PublicKey, Serial, UnixTime};
use warden_core::host::krl::{Krl, KrlError};
use warden_tests::keygen::{Key, KeyType, Signing, ssh_keygen};

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn key(&self, name: &str) -> Key {
        Key::make(self.directory.path(), name, KeyType::Ed25519)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn ca_of(key: &Key) -> CaPublicKey {
    CaPublicKey::from_openssh(&std::fs::read(key.public_path()).unwrap()).unwrap()
}

/// What `ssh-keygen -Q` says: revoked or not, or `None` if the list cannot be read.
fn asked(krl: &Path, subject: &Path) -> Option<bool> {
    let args = [
        "-Q".as_ref(),
        "-f".as_ref(),
        krl.as_os_str(),
        subject.as_os_str(),
    ];
    let outcome = ssh_keygen(args);
    match outcome.code {
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(255) => None,
        _ => panic!("{outcome}"),
    }
}

fn listing(krl: &Path) -> Vec<String> {
    let args = ["-Q".as_ref(), "-l".as_ref(), "-f".as_ref(), krl.as_os_str()];
    let listed = ssh_keygen(args).expect_success().stdout;
    let kept = |line: &&str| !line.is_empty() && !line.starts_with("# Generated");
    listed.lines().filter(kept).map(str::to_owned).collect()
}

/// What our reader says about the same files.
fn ours(krl: &Krl, subject: &Path) -> bool {
    let content = std::fs::read(subject).unwrap();
    match Parsed::from_line(&content) {
        Ok(certificate) => krl.revokes(&certificate).is_some(),
        Err(_) => krl
            .revokes_key(&PublicKey::from_openssh(&content).unwrap())
            .is_some(),
    }
}

fn serial(number: u64) -> Serial {
    Serial::new(number).unwrap()
}

#[test]
fn ssh_keygen_lists_exactly_what_was_written() {
    let bench = Bench::new();
    let (ca, user) = (bench.key("ca"), bench.key("user"));
    let ca_key = ca_of(&ca);
    let mut numbers = Numbers(1);
    for round in 0..40u64 {
        let mut krl = Krl::new(round + 1, UnixTime(1), "a comment");
        let width = [10, 300, 20_000, u64::MAX - 1][usize::try_from(round % 4).unwrap()];
        let count = numbers.below(3000);
        let all: Vec<Serial> = (0..count)
            .map(|_| serial(1 + numbers.below(width)))
            .collect();
        krl.revoke_serials(Some(&ca_key), all);
        krl.revoke_range(Some(&ca_key), serial(1 + numbers.below(50)), serial(60));
        assert!(krl.revoke_key_id(Some(&ca_key), "agt-a"));
        assert!(krl.revoke_key_id(Some(&ca_key), "agt-b b"));
        let public = PublicKey::from_openssh(user.public_line().as_bytes()).unwrap();
        krl.revoke_key(&public);
        let path = bench.write("krl", krl.encode());
        let mut expected = vec![
            format!("# KRL version {}", round + 1),
            "# Comment: a comment".to_owned(),
        ];
        expected.push(format!("hash: {} # ssh-ed25519", public.fingerprint()));
        expected.push(format!("# CA key ssh-ed25519 {}", ca_key.fingerprint()));
        expected.extend(krl.serial_lines());
        expected.extend(["id: agt-a".to_owned(), "id: agt-b b".to_owned()]);
        assert_eq!(listing(&path), expected, "round {round}");
    }
}

#[test]
fn keys_and_fingerprints_are_listed_in_the_order_of_ssh_keygen() {
    let bench = Bench::new();
    let mut krl = Krl::new(1, UnixTime(1), "");
    for number in 0..8 {
        let key = bench.key(&format!("key-{number}"));
        let public = PublicKey::from_openssh(key.public_line().as_bytes()).unwrap();
        match number % 2 {
            0 => krl.revoke_key(&public),
            _ => krl.revoke_fingerprint(public.fingerprint()),
        }
    }
    for name in ["ca", "other"] {
        let ca = ca_of(&bench.key(name));
        krl.revoke_serials(Some(&ca), [serial(9), serial(2)]);
        assert!(krl.revoke_key_id(Some(&ca), "agt-a"));
    }
    let listed = listing(&bench.write("krl", krl.encode()));
    let listed = listed.iter().filter(|line| !line.starts_with('#'));
    let listed: Vec<&str> = listed
        .map(|line| line.split(" # ").next().unwrap())
        .collect();
    assert_eq!(listed, krl.lines().collect::<Vec<_>>());
    assert_eq!(listed.len(), 8 + 2 * 3);
}

#[test]
fn eight_thousand_one_hundred_and_ninety_three_odd_serials_load() {
    let bench = Bench::new();
    let ca = bench.key("ca");
    let user = bench.key("user");
    let certificate = |number: u64| {
        let to = bench.path(&format!("{number}-cert.pub"));
        Signing::new(&ca, &user.public_line(), "x")
            .serial(number)
            .write(&to)
    };
    for count in [8192, 8193, 100_000] {
        let mut krl = Krl::new(1, UnixTime(1), "");
        krl.revoke_serials(Some(&ca_of(&ca)), (0..count).map(|one| serial(2 * one + 1)));
        let path = bench.write("krl", krl.encode());
        for (number, revoked) in [
            (1, true),
            (2, false),
            (2 * count - 1, true),
            (2 * count, false),
            (2 * count + 1, false),
        ] {
            assert_eq!(
                asked(&path, &certificate(number)),
                Some(revoked),
                "{number} of {count}"
            );
        }
    }
}

/// Lists of every form `ssh-keygen -k` takes, and everything that may be asked about.
#[test]
fn about_every_list_ssh_keygen_wrote_both_say_the_same() {
    let bench = Bench::new();
    let (first, second) = (bench.key("ca1"), bench.key("ca2"));
    let (user, other) = (bench.key("user"), bench.key("other"));
    let mut subjects = vec![user.public_path(), other.public_path(), first.public_path()];
    for (ca, name) in [(&first, "first"), (&second, "second")] {
        for number in [0, 1, 4, 5, 6, 7, 100, 999, u64::MAX] {
            for (key, whose) in [(&user, "user"), (&other, "other")] {
                let to = bench.path(&format!("{name}-{number}-{whose}-cert.pub"));
                let signing = Signing::new(ca, &key.public_line(), &format!("id-{number}"));
                subjects.push(signing.serial(number).write(&to));
            }
        }
    }
    let line = |key: &Key| key.public_line();
    let zero = std::fs::read_to_string(bench.path("first-0-user-cert.pub")).unwrap();
    let five = std::fs::read_to_string(bench.path("second-5-user-cert.pub")).unwrap();
    let specs: Vec<(&str, String)> = vec![
        ("serials", "serial: 1\nserial: 5\nserial: 100\n".to_owned()),
        (
            "range",
            "serial: 4-6\nserial: 999-18446744073709551615\n".to_owned(),
        ),
        (
            "bitmap",
            (0..500)
                .map(|one| format!("serial: {}\n", 2 * one + 1))
                .collect(),
        ),
        (
            "mixture",
            (0..300)
                .map(|one| format!("serial: {}\n", one * one + 1))
                .collect(),
        ),
        ("ids", "id: id-4\nid: id-0\n".to_owned()),
        ("key", line(&user)),
        ("explicit", format!("key: {}\n", line(&user))),
        ("sha1", format!("sha1: {}\n", line(&user))),
        ("sha256", format!("sha256: {}\n", line(&other))),
        (
            "hash",
            format!(
                "hash: {}\n",
                PublicKey::from_openssh(line(&user).as_bytes())
                    .unwrap()
                    .fingerprint()
            ),
        ),
        ("ca", line(&first)),
        ("ca-sha1", format!("sha1: {}\n", line(&second))),
        ("certificate", five),
        ("certificate-zero", zero),
        ("nothing", String::new()),
    ];
    let ca_key = first.public_path();
    let mut revoked = 0;
    for (name, spec) in &specs {
        let spec = bench.write(&format!("{name}.spec"), spec);
        for scope in [ca_key.to_str().unwrap(), "none"] {
            let path = bench.path("krl");
            let args = [
                "-k".as_ref(),
                "-q".as_ref(),
                "-f".as_ref(),
                path.as_os_str(),
                "-s".as_ref(),
                scope.as_ref(),
                spec.as_os_str(),
            ];
            ssh_keygen(args).check();
            let krl = Krl::parse(&std::fs::read(&path).unwrap()).unwrap();
            // Written anew by us, it means the same to both.
            let again = bench.write("again", krl.encode());
            for subject in &subjects {
                let expected = asked(&path, subject);
                assert_eq!(
                    Some(ours(&krl, subject)),
                    expected,
                    "{name}, {scope}: {}",
                    subject.display()
                );
                revoked += usize::from(expected == Some(true));
            }
            for subject in &subjects[..6] {
                assert_eq!(
                    asked(&again, subject),
                    asked(&path, subject),
                    "{name}: {}",
                    subject.display()
                );
            }
            assert_eq!(listing(&again)[1..], listing(&path)[1..], "{name}, {scope}");
        }
    }
    assert!(revoked > 100, "{revoked}");
}

#[test]
fn what_matched_is_named_in_sshds_order() {
    let bench = Bench::new();
    let (ca, user) = (bench.key("ca"), bench.key("user"));
    let to = bench.path("user-cert.pub");
    let certificate = Signing::new(&ca, &user.public_line(), "agt-a")
        .serial(5)
        .write(&to);
    let certificate = Parsed::from_line(&std::fs::read(certificate).unwrap()).unwrap();
    let public = PublicKey::from_openssh(user.public_line().as_bytes()).unwrap();
    let mut krl = Krl::new(1, UnixTime(1), "");
    let matched = |krl: &Krl| krl.revokes(&certificate).map(|one| one.matched());
    assert_eq!(matched(&krl), None);
    krl.revoke_key(ca_of(&ca).key());
    assert_eq!(matched(&krl), Some("ca_key"));
    krl.revoke_serials(None, [serial(5)]);
    assert_eq!(matched(&krl), Some("serial"));
    krl.revoke_range(Some(&ca_of(&ca)), serial(5), serial(6));
    assert_eq!(matched(&krl), Some("range"));
    assert!(krl.revoke_key_id(Some(&ca_of(&ca)), "agt-a"));
    assert_eq!(matched(&krl), Some("key_id"));
    krl.revoke_fingerprint(public.fingerprint());
    assert_eq!(matched(&krl), Some("subject_key"));
    let words = krl.revokes(&certificate).unwrap().to_string();
    assert_eq!(
        words,
        format!("key {} is listed by its SHA-256", public.fingerprint())
    );
}

#[test]
fn altered_bytes_are_refused_by_both_or_by_none() {
    let bench = Bench::new();
    let (ca, user) = (bench.key("ca"), bench.key("user"));
    let mut krl = Krl::new(1, UnixTime(1), "c");
    let ca_key = ca_of(&ca);
    krl.revoke_serials(Some(&ca_key), [1, 900, 70_000, 1 << 40].map(serial));
    krl.revoke_serials(Some(&ca_key), (0..60).map(|one| serial(2000 + 2 * one)));
    krl.revoke_range(Some(&ca_key), serial(5000), serial(9000));
    assert!(krl.revoke_key_id(Some(&ca_key), "agt-a"));
    krl.revoke_fingerprint(ca_key.fingerprint());
    let sound = krl.encode();
    let mut numbers = Numbers(7);
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..600u64 {
        let mut bytes = sound.clone();
        let at = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
        match round % 3 {
            0 => bytes[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 => bytes[at] ^= 1 << numbers.below(8),
            _ => bytes.truncate(at),
        }
        let path = bench.write("altered", &bytes);
        let theirs = asked(&path, &user.public_path());
        match Krl::parse(&bytes) {
            // This release of OpenSSH verifies signatures, and newer ones refuse them.
            Err(KrlError::Signed) => {}
            Ok(read) => {
                accepted += 1;
                assert_eq!(
                    theirs,
                    Some(ours(&read, &user.public_path())),
                    "round {round}, byte {at}"
                );
            }
            Err(error) => {
                refused += 1;
                assert_eq!(theirs, None, "round {round}, byte {at}: {error}");
            }
        }
    }
    assert!(
        refused > 200 && accepted > 100,
        "{refused} refused, {accepted} accepted"
    );
}
