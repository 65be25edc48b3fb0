//! Programs that see the sandbox only, and keys on disk.

use std::os::unix::fs::PermissionsExt;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};
use warden_tests::keygen::{Key, KeyType, ssh_keygen};
use warden_tests::sandbox::Sandbox;

/// What a panic said.
fn panic_text(action: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = catch_unwind(action).unwrap_err();
    payload.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_program_sees_the_sandbox_and_nothing_else() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.program("env").env("EXTRA", "yes").run();
    let outcome = outcome.expect_success();
    let mut names: Vec<_> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, value)| {
            let inside = value.starts_with(sandbox.path().to_str().unwrap());
            assert!(
                inside
                    || ["PATH", "LC_ALL", "EXTRA"].contains(name)
                    || *name == "LLVM_PROFILE_FILE"
            );
            inside
        })
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    let places = [
        "HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    ];
    assert_eq!(names, places);
}

#[test]
fn a_program_gets_its_input_and_its_output_is_kept() {
    let sandbox = Sandbox::new();
    let script = "cat; printf '\\377' ; echo oops >&2; exit 3";
    let outcome = sandbox.program("sh").args(["-c", script]);
    let outcome = outcome.stdin("some text").run();
    assert_eq!(outcome.code, Some(3));
    assert_eq!(outcome.stdout_bytes, b"some text\xff");
    assert_eq!(outcome.stdout, "some text\u{fffd}");
    assert_eq!(outcome.stderr, "oops\n");
    assert_eq!(
        sandbox.run("cat", [""; 0]).stdout,
        "",
        "no input unless given"
    );
}

#[test]
fn a_program_may_leave_a_large_input_unread() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.program("true").stdin(vec![b'x'; 1 << 20]).run();
    outcome.check();
    let outcome = sandbox.program("cat").stdin(vec![b'x'; 1 << 20]).run();
    assert_eq!(outcome.stdout.len(), 1 << 20);
}

#[test]
fn a_program_past_its_deadline_is_killed_with_all_it_started() {
    let sandbox = Sandbox::new();
    let began = Instant::now();
    let said = panic_text(|| {
        let script = "sleep 300 & echo $! > pid; echo working; wait";
        let program = sandbox.program("sh").args(["-c", script]);
        drop(program.timeout(Duration::from_secs(2)).run());
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(
        said.contains("sleep 300") && said.contains("working"),
        "{said}"
    );
    let pid = std::fs::read_to_string(sandbox.join("pid")).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim_end());
    let gone = || match std::fs::read_to_string(&stat) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(60), "still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn files_and_directories_have_exactly_the_mode_asked_for() {
    let sandbox = Sandbox::new();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(sandbox.path()), 0o700);
    assert_eq!(mode(&sandbox.write("a/b/open", "x", 0o666)), 0o666);
    assert_eq!(mode(&sandbox.write("closed", "x", 0o400)), 0o400);
    assert_eq!(mode(&sandbox.directory("shared", 0o777)), 0o777);
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let sandbox = Sandbox::new();
    let directory = sandbox.path();
    for cipher in [
        "aes256-ctr",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ] {
        let name = cipher.split('-').next().unwrap();
        let name = format!("{name}-{}", cipher.len());
        let key = Key::make_encrypted(directory, &name, KeyType::Ed25519, "secret", Some(cipher));
        let open = |passphrase: &str| {
            let path = key.path().to_str().unwrap();
            ssh_keygen(["-y", "-P", passphrase, "-f", path])
        };
        assert_eq!(
            open("secret").expect_success().stdout.trim_end(),
            key.public_line()
        );
        assert!(!open("").succeeded());
    }
}
