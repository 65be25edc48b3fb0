//! `contrib/ops-ssh-wrapper`: a certificate for this login, and then `ssh` as it was asked for.

use super::scene::repository;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use warden_core::certificate::Parsed;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, warden_binary};
use warden_tests::skipped;

const ACTOR: &str = "agt-lane";

/// Notes what it was given, asks the real client what it would do with it, and ends with 7.
const SSH: &str = "#!/bin/sh
printf '%s\\0' \"$@\" >called.$$
/usr/bin/ssh -G -F none \"$@\" >would.$$
cat \"$WARDEN_KEY-$WARDEN_ACTOR-cert.pub\" >certificate.$$
exit 7
";

struct Caller {
    desk: Desk,
    key: Key,
}

impl Caller {
    fn new(name: &str) -> Self {
        let desk = Desk::new();
        desk.set_actor(ACTOR, "principals = [\"lane\"]\nttl = \"2h\"\n");
        desk.set_actor("agt-off", "principals = [\"lane\"]\ndisabled = true\n");
        desk.sandbox().directory("keys", 0o700);
        let key = Key::make(&desk.sandbox().join("keys"), name, KeyType::Ed25519);
        desk.sandbox().write("bin/ssh", SSH, 0o755);
        Self { desk, key }
    }

    fn program(&self) -> Program {
        let bin = self.desk.sandbox().join("bin");
        let warden = warden_binary().parent().unwrap();
        let path = format!("{}:{}:/usr/bin:/bin", bin.display(), warden.display());
        let program = self.desk.sandbox().program("sh");
        program
            .arg(repository("contrib/ops-ssh-wrapper"))
            .env("PATH", path)
            .env("WARDEN_CONFIG", self.desk.config())
            .env("WARDEN_KEY", self.key.path())
    }

    fn run(&self, actor: &str, args: &[&str]) -> Outcome {
        self.program().env("WARDEN_ACTOR", actor).args(args).run()
    }

    /// What every start of `ssh` left under this name.
    fn left(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.desk.sandbox().path()).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.file_stem().is_some_and(|stem| stem == name))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    fn certificate(&self) -> PathBuf {
        let mut path = self.key.path().as_os_str().to_owned();
        path.push(format!("-{ACTOR}-cert.pub"));
        path.into()
    }

    /// The names beside the key, but for its two halves.
    fn beside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.desk.sandbox().join("keys")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let key = self.key.path().file_name().unwrap().to_str().unwrap();
        let public = format!("{key}.pub");
        names
            .filter(|name| name != key && *name != public)
            .collect()
    }

    /// Refused with this status and word, and without a start of `ssh`.
    #[track_caller]
    fn expect_refused(&self, ran: &Outcome, status: i32, word: &str) {
        assert_eq!(ran.code, Some(status), "{ran}");
        assert_eq!(ran.stdout, "", "{ran}");
        assert!(ran.stderr.contains(word), "{word}: {ran}");
        assert!(self.left("called").is_empty(), "ssh was started: {ran}");
    }
}

#[test]
fn arguments_reach_ssh_unchanged_and_its_status_comes_back() {
    let caller = Caller::new("a key");
    let args = [
        "-T",
        "-p",
        "2222",
        "-o",
        "ControlPath=shared",
        "hub-1",
        "echo  'a  b'",
        "",
        "*",
        "é\n$HOME `id`",
        "--",
        "-x",
    ];
    let ran = caller.run(ACTOR, &args);
    assert_eq!(ran.code, Some(7), "{ran}");
    let called = caller.left("called");
    assert_eq!(called.len(), 1, "{called:?}");
    let mut given: Vec<&str> = called[0].split('\0').collect();
    assert_eq!(given.pop(), Some(""));
    assert_eq!(given[given.len() - args.len()..], args);

    let would = &caller.left("would")[0];
    let line = |text: &str| assert!(would.lines().any(|one| one == text), "{text}: {would}");
    line(&format!(
        "certificatefile {}",
        caller.certificate().display()
    ));
    line(&format!("identityfile {}", caller.key.path().display()));
    line("identitiesonly yes");
    assert!(!would.contains("shared"), "{would}");
    let mode = caller.certificate().metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(caller.beside().len(), 1);

    // The next login has a certificate of its own.
    caller.run(ACTOR, &[]);
    let mut certificates = caller.left("certificate");
    certificates.dedup();
    assert_eq!(certificates.len(), 2);
}

#[test]
fn without_a_certificate_ssh_is_not_started_and_wardens_status_comes_through() {
    let caller = Caller::new("key");
    let unset = caller.program().run();
    caller.expect_refused(&unset, 2, "WARDEN_ACTOR is not set");
    for bad in [
        "",
        "../x",
        "-h",
        "agt lane",
        "agt/lane",
        "agt-lane\n",
        "AGT",
    ] {
        caller.expect_refused(&caller.run(bad, &["hub-1"]), 2, "WARDEN_ACTOR");
    }
    caller.run(ACTOR, &[]);
    let kept = std::fs::read(caller.certificate()).unwrap();
    for file in ["called", "would", "certificate"] {
        let args = ["-c", &format!("rm {file}.*")];
        caller.desk.sandbox().run("sh", args).check();
    }
    let cases = [
        ("agt-nobody", 3, "(unknown_actor_resource)"),
        ("agt-off", 3, "(actor_disabled)"),
        ("nobody", 2, "(actor_name_malformed)"),
    ];
    for (actor, status, word) in cases {
        caller.expect_refused(&caller.run(actor, &["hub-1"]), status, word);
    }
    std::fs::remove_file(caller.desk.ca_key()).unwrap();
    let failed = caller.run(ACTOR, &["hub-1"]);
    let own = caller.desk.ask(ACTOR, &caller.key.public_path(), &[]);
    assert!(own.code.is_some_and(|code| code != 0), "{own}");
    caller.expect_refused(&failed, own.code.unwrap(), &own.stderr);
    // What was there stays, and nothing is left beside it.
    assert_eq!(std::fs::read(caller.certificate()).unwrap(), kept);
    assert_eq!(caller.beside().len(), 1, "{:?}", caller.beside());
}

#[test]
fn a_key_that_cannot_be_used_is_refused_before_anything_is_signed() {
    let caller = Caller::new("key");
    let with = |key: &str| {
        let program = caller.program().env("WARDEN_KEY", key);
        program.env("WARDEN_ACTOR", ACTOR).arg("hub-1").run()
    };
    let there = |name: &str| {
        let path = format!("keys/{name}.pub");
        caller
            .desk
            .sandbox()
            .write(path, caller.key.public_line(), 0o600);
        with(
            &caller
                .desk
                .sandbox()
                .join("keys")
                .join(name)
                .display()
                .to_string(),
        )
    };
    caller.expect_refused(&with("/nowhere/key"), 2, "there is no public key");
    for odd in ["a%h", "a\"b", "a$b", "a\\b"] {
        caller.expect_refused(&there(odd), 2, "another path");
    }
    // Nothing can be written beside it: its name leaves no room.
    caller.expect_refused(&there(&"k".repeat(245)), 2, "cannot write a certificate");
    assert!(!caller.desk.state().join("journal.jsonl").exists());
    caller.run(ACTOR, &[]);
    assert!(caller.desk.state().join("journal.jsonl").exists());
}

#[test]
fn many_logins_at_once_each_have_a_whole_certificate() {
    let caller = Caller::new("key");
    let start = |_| caller.program().env("WARDEN_ACTOR", ACTOR).start();
    let running: Vec<_> = (0..8).map(start).collect();
    for one in running {
        let ended = one.finish(Duration::from_secs(60)).unwrap();
        assert_eq!(ended.code, Some(7), "{ended}");
    }
    let certificates = caller.left("certificate");
    assert_eq!(certificates.len(), 8);
    for one in certificates {
        Parsed::from_line(one.as_bytes()).unwrap();
    }
    assert_eq!(caller.beside().len(), 1, "{:?}", caller.beside());
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let desk = Desk::without_ca();
    let found = std::process::Command::new("shellcheck")
        .arg("--version")
        .output();
    let found = found.map(drop).map_err(|error| error.to_string());
    if !skipped::require("shellcheck of contrib", found) {
        return;
    }
    for script in ["interhub-bootstrap", "ops-ssh-wrapper"] {
        let path = repository("contrib").join(script);
        let args = ["-s".as_ref(), "sh".as_ref(), path.as_os_str()];
        desk.sandbox().run("shellcheck", args).check();
    }
}
