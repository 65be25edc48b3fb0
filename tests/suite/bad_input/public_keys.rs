//! Files that hold no public key to certify, or are no files.

use crate::setup::{ACTOR, Setup};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;

#[track_caller]
fn refused(setup: &Setup, file: &Path, reason: &str) -> String {
    // Far below what waiting for a writer, or reading a device to its end, would take.
    let adjust = |program: warden_tests::sandbox::Program| {
        program
            .args(["sign", ACTOR, "--pubkey"])
            .arg(file)
            .timeout(Duration::from_secs(10))
    };
    setup.refused_as(&adjust, 2, reason, 1)
}

#[test]
fn a_public_key_that_is_no_regular_file_is_refused_without_waiting() {
    let setup = Setup::new();
    let directory = setup.sandbox.directory("directory", 0o700);
    refused(&setup, &directory, "file_not_regular");
    let fifo = setup.sandbox.join("fifo");
    setup.sandbox.run("mkfifo", [&fifo]).check();
    refused(&setup, &fifo, "file_not_regular");
    let socket = setup.sandbox.join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    refused(&setup, &socket, "file_not_regular");
    drop(listener);
    for device in ["/dev/zero", "/dev/full", "/dev/null", "/dev/tty"] {
        let found = setup.signing_of(Path::new(device));
        assert_eq!(
            (found.code, found.stdout.as_str()),
            (Some(2), ""),
            "{found}"
        );
    }
    refused(&setup, Path::new("/dev/zero"), "file_not_regular");
}

impl Setup {
    fn signing_of(&self, file: &Path) -> Outcome {
        self.program()
            .args(["sign", ACTOR, "--pubkey"])
            .arg(file)
            .timeout(Duration::from_secs(10))
            .run()
    }
}

#[test]
fn a_public_key_file_that_is_too_large_is_not_read() {
    let setup = Setup::new();
    let sparse = setup.sandbox.write("sparse", "", 0o600);
    std::fs::OpenOptions::new()
        .write(true)
        .open(&sparse)
        .unwrap()
        .set_len(3 << 30)
        .unwrap();
    refused(&setup, &sparse, "file_too_large");
    let line = setup
        .sandbox
        .write("line", "a".repeat(16 * 1024 + 1), 0o600);
    refused(&setup, &line, "file_too_large");
}

#[test]
fn a_public_key_file_that_is_not_there_is_named_with_a_hint() {
    let setup = Setup::new();
    let said = refused(&setup, &setup.sandbox.join("missing"), "file_not_found");
    assert!(said.contains("hint: name an existing public key"), "{said}");
    refused(&setup, &setup.key().join("below"), "file_not_readable");
}

#[test]
fn what_is_not_one_plain_strong_public_key_is_refused_and_never_repeated() {
    let setup = Setup::new();
    let public = std::fs::read_to_string(setup.key()).unwrap();
    let private = setup.join(format!("keys/{ACTOR}"));
    let said = refused(&setup, &private, "private_key_given");
    let body = std::fs::read_to_string(&private).unwrap();
    assert!(!said.contains(body.lines().nth(1).unwrap()), "{said}");
    refused(&setup, &setup.certificate(), "certificate_given");
    let weak = Key::make(setup.sandbox.path(), "weak", KeyType::Rsa(1024));
    refused(&setup, &weak.public_path(), "public_key_rsa_size");

    let words: Vec<_> = public.split_whitespace().collect();
    let cut = &words[1][..words[1].len() - 8];
    let contents = [
        (String::new(), "public_key_empty"),
        ("\n\n".to_owned(), "public_key_empty"),
        (format!("{public}{public}"), "several_public_keys"),
        (
            format!("{} {}\r\n", words[0], words[1]),
            "public_key_control_character",
        ),
        (
            format!("{} {} a\u{1b}[31m\n", words[0], words[1]),
            "public_key_control_character",
        ),
        (format!("restrict {public}"), "public_key_type_unknown"),
        (format!("ssh-dss {}\n", words[1]), "public_key_dsa"),
        (
            format!("ssh-rsa {}\n", words[1]),
            "public_key_label_disagrees",
        ),
        (format!("ssh-ed25519 {cut}\n"), "public_key_damaged"),
        ("ssh-ed25519\n".to_owned(), "public_key_damaged"),
        ("hello\n".to_owned(), "public_key_type_unknown"),
    ];
    for (content, reason) in contents {
        let file = setup.sandbox.write("key.pub", &content, 0o600);
        refused(&setup, &file, reason);
    }
}

#[test]
fn a_public_key_that_cannot_be_read_is_refused() {
    let setup = Setup::new();
    if !warden_tests::skipped::require("reading as another user", crate::setup::as_root()) {
        return;
    }
    // Root reads everything, so somebody else asks; the binary and the setup must be theirs to use.
    let script = "set -e; d=$(mktemp -d); cp \"$0\" \"$d/warden\"; chmod 755 \"$d\"; chown nobody \"$d\"; cd \"$d\"
setpriv --reuid nobody --clear-groups -- ./warden quickstart q >/dev/null 2>&1
chmod 000 q/keys/agt-demo-agent.pub; code=0
setpriv --reuid nobody --clear-groups -- ./warden --config q/warden.toml sign agt-demo-agent --pubkey q/keys/agt-demo-agent.pub || code=$?
cd /; rm -rf \"$d\"; exit $code";
    let warden = warden_tests::sandbox::warden_binary();
    let outcome = setup
        .sandbox
        .program("sh")
        .args(["-c", script])
        .arg(warden)
        .run();
    crate::setup::refusal_of_text(&outcome, 2, "file_not_readable");
    assert!(
        outcome.stderr.contains("caused by: Permission denied"),
        "{outcome}"
    );
}
