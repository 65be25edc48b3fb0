//! Where a CA key may stand, who may own it, and what may be in it.

use crate::setup::{ACTOR, Setup, as_root, refusal_of_text};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use warden_core::failure::Failure;
use warden_core::file::read_secret;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn reason(path: &Path) -> &'static str {
    match read_secret(path, 100) {
        Ok(content) if *content == b"secret" => "read",
        Ok(_) => "another content",
        Err(error) => error.reason(),
    }
}

#[test]
fn of_all_modes_a_secret_has_one_of_two() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("key", "secret", 0o600);
    for mode in (0..0o1000).flat_map(|mode| [mode, mode | 0o1000, mode | 0o2000, mode | 0o4000]) {
        set_mode(&path, mode);
        if path.metadata().unwrap().permissions().mode() & 0o7777 != mode {
            continue;
        }
        // Who is not root cannot even open it without the right to read.
        let expected: &[_] = match mode {
            0o400 | 0o600 => &["read"],
            _ if mode & 0o400 == 0 => &["file_exposed", "file_not_readable"],
            _ => &["file_exposed"],
        };
        assert!(
            expected.contains(&reason(&path)),
            "mode {mode:04o}: {}",
            reason(&path)
        );
    }
}

#[test]
fn of_all_modes_of_its_directories_none_lets_others_write() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("above/own/key", "secret", 0o600);
    for directory in ["above", "above/own"] {
        let directory = sandbox.join(directory);
        for mode in (0o700..0o1000).flat_map(|mode| [mode, mode | 0o1000, mode | 0o2000]) {
            set_mode(&directory, mode);
            if directory.metadata().unwrap().permissions().mode() & 0o7777 != mode {
                continue;
            }
            let sticky_above =
                mode & 0o1000 != 0 && directory.ends_with("above") && as_root().is_ok();
            let expected = if mode & 0o022 == 0 || sticky_above {
                "read"
            } else {
                "file_exposed"
            };
            assert_eq!(
                reason(&path),
                expected,
                "mode {mode:04o} of {}",
                directory.display()
            );
        }
        set_mode(&directory, 0o700);
    }
}

#[test]
fn a_secret_is_no_link_has_no_second_name_and_is_a_file() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("key", "secret", 0o600);
    symlink(&path, sandbox.join("link")).unwrap();
    assert_eq!(reason(&sandbox.join("link")), "file_is_link");
    assert_eq!(reason(&sandbox.join("none")), "file_not_found");
    assert_eq!(reason(sandbox.path()), "file_exposed");
    assert_eq!(
        reason(&sandbox.directory("directory", 0o700)),
        "file_not_regular"
    );
    sandbox.run("mkfifo", ["-m", "600", "fifo"]).check();
    assert_eq!(reason(&sandbox.join("fifo")), "file_not_regular");
    assert_eq!(reason(Path::new("/")), "file_not_regular");
    assert_eq!(
        reason(&sandbox.write("large", "x".repeat(101), 0o600)),
        "file_too_large"
    );
    symlink(sandbox.path(), sandbox.join("by")).unwrap();
    assert_eq!(
        reason(&sandbox.join("by/key")),
        "read",
        "a link above is resolved, then judged"
    );
    std::fs::hard_link(&path, sandbox.join("second")).unwrap();
    assert_eq!(reason(&path), "file_exposed");
}

#[test]
fn a_secret_and_its_directories_belong_to_root_or_the_user() {
    if !skipped::require("files of another owner", as_root()) {
        return;
    }
    let sandbox = Sandbox::new();
    let path = sandbox.write("above/own/key", "secret", 0o600);
    for place in ["above", "above/own", "above/own/key"] {
        chown(sandbox.join(place), Some(65534), None).unwrap();
        assert_eq!(reason(&path), "file_exposed", "{place} is nobody's");
        chown(sandbox.join(place), Some(0), None).unwrap();
        assert_eq!(reason(&path), "read");
    }
    chown(sandbox.join("above"), Some(65534), None).unwrap();
    set_mode(&sandbox.join("above"), 0o1777);
    assert_eq!(
        reason(&path),
        "file_exposed",
        "a sticky directory must be root's"
    );
}

#[track_caller]
fn signing_fails(setup: &Setup, reason: &str) -> String {
    let key = setup.key();
    let said = setup.refused(
        &["sign", ACTOR, "--pubkey", key.to_str().unwrap()],
        2,
        reason,
        1,
    );
    setup.refused(&["ca", "show"], 2, reason, 0);
    refusal_of_text(&setup.warden(["ca", "check"]), 1, reason);
    said
}

#[test]
fn an_exposed_ca_key_signs_nothing_and_the_hint_mends_it() {
    let setup = Setup::new();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o602, 0o700, 0o4600] {
        set_mode(&setup.ca_key(), mode);
        let said = signing_fails(&setup, "ca_key_exposed");
        let hint = said
            .lines()
            .find_map(|line| line.strip_prefix("warden: hint: "))
            .unwrap();
        setup.sandbox.run("sh", ["-c", hint]).check();
        setup.sign().check();
    }
    set_mode(&setup.join("ca"), 0o777);
    signing_fails(&setup, "ca_key_exposed");
    set_mode(&setup.join("ca"), 0o700);
    std::fs::hard_link(setup.ca_key(), setup.join("second")).unwrap();
    signing_fails(&setup, "ca_key_exposed");
    std::fs::remove_file(setup.join("second")).unwrap();
    std::fs::rename(setup.ca_key(), setup.join("ca/moved")).unwrap();
    signing_fails(&setup, "ca_key_not_found");
    symlink("moved", setup.ca_key()).unwrap();
    signing_fails(&setup, "ca_key_not_readable");
}

#[test]
fn what_is_no_ca_key_signs_nothing() {
    let setup = Setup::new();
    let rsa = Key::make(setup.sandbox.path(), "rsa", KeyType::Rsa(2048));
    let other = Key::make(setup.sandbox.path(), "other", KeyType::Ed25519);
    let pem = Key::make_with(
        setup.sandbox.path(),
        "pem",
        KeyType::Ecdsa(256),
        "",
        &["-m", "PEM"],
    );
    let public = std::fs::read(setup.join("ca/ca_key.pub")).unwrap();
    let text = std::fs::read_to_string(setup.ca_key()).unwrap();
    std::fs::remove_file(setup.join("ca/ca_key.pub")).unwrap();
    let damaged = text.replacen("\nb3Bl", "\n!3Bl", 1);
    let cases: [(Vec<u8>, &str); 7] = [
        (std::fs::read(rsa.path()).unwrap(), "ca_key_rsa_size"),
        (std::fs::read(pem.path()).unwrap(), "ca_key_format"),
        (public.clone(), "ca_key_format"),
        (Vec::new(), "ca_key_format"),
        (text.as_bytes()[..text.len() / 2].to_vec(), "ca_key_damaged"),
        (damaged.into_bytes(), "ca_key_damaged"),
        (vec![b'x'; 64 * 1024 + 1], "ca_key_not_readable"),
    ];
    for (content, reason) in cases {
        std::fs::write(setup.ca_key(), content).unwrap();
        signing_fails(&setup, reason);
    }
    std::fs::write(setup.ca_key(), std::fs::read(other.path()).unwrap()).unwrap();
    setup.sign().check();
    std::fs::write(setup.join("ca/ca_key.pub"), public).unwrap();
    signing_fails(&setup, "ca_public_half_differs");
}

#[test]
fn a_key_file_whose_halves_disagree_signs_nothing() {
    use ssh_encoding::base64::{Base64, Encoding};
    let setup = Setup::new();
    std::fs::remove_file(setup.join("ca/ca_key.pub")).unwrap();
    let text = std::fs::read_to_string(setup.ca_key()).unwrap();
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("---"))
        .collect();
    let good = Base64::decode_vec(&body).unwrap();
    // The private half of an ed25519 key is its seed and the public half again.
    let public = &good[good
        .windows(11)
        .position(|at| at == b"ssh-ed25519")
        .unwrap()
        + 15..][..32];
    let last = good.windows(32).rposition(|at| at == public).unwrap();
    let write = |bytes: &[u8]| {
        let body = Base64::encode_string(bytes);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(70)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let text = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            lines.join("\n")
        );
        std::fs::write(setup.ca_key(), text).unwrap();
    };
    write(&good);
    setup.sign().check();
    let mut other_seed = good.clone();
    other_seed[last - 32] ^= 1;
    write(&other_seed);
    signing_fails(&setup, "ca_key_halves_disagree");
    let mut other_type = good.clone();
    let types: Vec<_> = good
        .windows(11)
        .enumerate()
        .filter(|(_, at)| *at == b"ssh-ed25519")
        .map(|(at, _)| at)
        .collect();
    other_type[types[1] + 4..types[1] + 11].copy_from_slice(b"unknown");
    write(&other_type);
    signing_fails(&setup, "ca_key_unsupported");
}

fn encrypted(setup: &Setup, passphrase_file: bool) {
    for file in ["ca/ca_key", "ca/ca_key.pub"] {
        std::fs::remove_file(setup.join(file)).unwrap();
    }
    drop(Key::make_encrypted(
        &setup.join("ca"),
        "ca_key",
        KeyType::Ed25519,
        "hunter2 wording",
        None,
    ));
    if passphrase_file {
        let config = std::fs::read_to_string(setup.config()).unwrap();
        std::fs::write(
            setup.config(),
            format!("{config}ca_passphrase_file = \"ca/pass\"\n"),
        )
        .unwrap();
    }
}

#[test]
fn an_encrypted_ca_key_never_prompts() {
    let setup = Setup::new();
    encrypted(&setup, false);
    let said = signing_fails(&setup, "passphrase_required");
    assert!(
        said.contains("hint: put the passphrase into a file of mode 0600"),
        "{said}"
    );
    // With a terminal of its own it asks no more than without.
    let asked = setup
        .script("script -qec \"$SIGN\" /dev/null </dev/null")
        .timeout(std::time::Duration::from_secs(20))
        .run();
    assert!(asked.stdout.contains("(passphrase_required)"), "{asked}");
    assert!(!asked.stdout.to_lowercase().contains("enter"), "{asked}");
}

#[test]
fn the_passphrase_comes_from_a_private_file_and_must_be_right() {
    let setup = Setup::new();
    encrypted(&setup, true);
    signing_fails(&setup, "passphrase_file_not_found");
    let file = setup.sandbox.write("q/ca/pass", "hunter2 wording\n", 0o600);
    setup.sign().check();
    set_mode(&file, 0o640);
    signing_fails(&setup, "passphrase_file_exposed");
    setup
        .sandbox
        .write("q/ca/pass", "hunter2 wording\n\n", 0o600);
    let said = signing_fails(&setup, "passphrase_wrong");
    assert!(!said.contains("hunter2"), "{said}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    signing_fails(&setup, "passphrase_file_not_readable");
}
