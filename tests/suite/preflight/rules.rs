//! Every rule that a key file has to keep, broken once.

use super::{Scene, failing, json_of, with_verdict};
use crate::setup::{as_root, refusal_of_json, refusal_of_text};
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use warden_core::cutover::parity::Aspect;
use warden_core::cutover::preflight::CODES;
use warden_tests::keygen::{Key, KeyType, fingerprint};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Program;
use warden_tests::skipped;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn remove_public(scene: &Scene) {
    std::fs::remove_file(scene.key.public_path()).unwrap();
}

#[test]
fn a_sound_key_fails_nothing_and_the_report_has_every_code_in_order() {
    let scene = Scene::new();
    let outcome = scene.check().run();
    assert_eq!(failing(&outcome), Vec::<String>::new(), "{outcome}");
    let lines = outcome
        .stdout
        .lines()
        .filter(|line| !line.starts_with("RESULT"));
    let codes: Vec<&str> = lines.map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(codes, CODES);
    assert!(
        outcome
            .stdout
            .contains(&fingerprint(&scene.key.public_path()))
    );
}

/// What is done to the scene, which further arguments are given, and the one check that fails.
type Row = (
    &'static str,
    fn(&Scene),
    &'static [&'static str],
    &'static str,
);

const ROWS: [Row; 18] = [
    (
        "mode 0640",
        |scene| set_mode(&scene.path(), 0o640),
        &[],
        "ca_key_mode",
    ),
    (
        "mode 0500",
        |scene| set_mode(&scene.path(), 0o500),
        &[],
        "ca_key_mode",
    ),
    (
        "mode 0700",
        |scene| set_mode(&scene.path(), 0o700),
        &[],
        "ca_key_mode",
    ),
    (
        "mode 04600",
        |scene| set_mode(&scene.path(), 0o4600),
        &[],
        "ca_key_mode",
    ),
    (
        "another owner",
        |_| {},
        &["--expect-owner", "4321:GID"],
        "ca_key_owner",
    ),
    (
        "another group",
        |_| {},
        &["--expect-owner", "UID:4321"],
        "ca_key_owner",
    ),
    (
        "a second name",
        |scene| std::fs::hard_link(scene.path(), scene.sandbox.join("ca/second")).unwrap(),
        &[],
        "ca_key_links",
    ),
    (
        "a git work tree above",
        |scene| drop(scene.sandbox.directory(".git", 0o755)),
        &[],
        "ca_key_git",
    ),
    (
        "a linked work tree",
        |scene| drop(scene.sandbox.write("ca/.git", "gitdir: /x\n", 0o644)),
        &[],
        "ca_key_git",
    ),
    (
        "another public half",
        |scene| {
            let other = Key::make(scene.sandbox.path(), "other", KeyType::Ed25519);
            std::fs::copy(other.public_path(), scene.key.public_path()).unwrap();
        },
        &[],
        "ca_key_pair",
    ),
    (
        "no public key beside it",
        |scene| drop(scene.sandbox.write("ca/key.pub", "nonsense\n", 0o644)),
        &[],
        "ca_key_pair",
    ),
    ("nothing to pair it with", remove_public, &[], "ca_key_pair"),
    (
        "another fingerprint",
        remove_public,
        &[
            "--fingerprint",
            "SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g",
        ],
        "ca_key_pair",
    ),
    (
        "the old key again",
        |_| {},
        &["--old-fingerprint", "OWN"],
        "ca_key_not_old",
    ),
    (
        "not a key",
        |scene| drop(scene.sandbox.write("ca/key", "nonsense", 0o600)),
        &[],
        "ca_key_parses",
    ),
    (
        "a short rsa key",
        |scene| remake(scene, KeyType::Rsa(2048), ""),
        &[],
        "ca_key_type",
    ),
    (
        "encrypted, and no passphrase",
        |scene| remake(scene, KeyType::Ed25519, "secret"),
        &[],
        "ca_key_passphrase",
    ),
    (
        "a service that cannot read it",
        |_| {},
        &["--service-uid", "4321"],
        "consumer_key_readable",
    ),
];

fn remake(scene: &Scene, key_type: KeyType, passphrase: &str) {
    remove_public(scene);
    std::fs::remove_file(scene.path()).unwrap();
    let directory = scene.sandbox.join("ca");
    drop(Key::make_with(
        &directory,
        "key",
        key_type,
        passphrase,
        &["-a", "1"],
    ));
}

fn filled_in(scene: &Scene, argument: &str) -> String {
    argument
        .replace("UID", &rustix::process::geteuid().as_raw().to_string())
        .replace("GID", &rustix::process::getegid().as_raw().to_string())
        .replace("OWN", &fingerprint(&scene.key.public_path()))
}

#[test]
fn each_rule_that_is_broken_changes_its_own_verdict_and_no_other() {
    for (what, break_it, args, code) in ROWS {
        let scene = Scene::new();
        let args: Vec<String> = args
            .iter()
            .map(|argument| filled_in(&scene, argument))
            .collect();
        break_it(&scene);
        let outcome = scene.check().args(&args).run();
        assert_eq!(failing(&outcome), [code], "{what}: {outcome}");
        assert!(outcome.stderr.contains("(preflight_failed)"), "{outcome}");
    }
}

#[test]
fn owner_and_group_of_the_file_itself_decide() {
    if !skipped::require("a key file of another owner", as_root()) {
        return;
    }
    for (uid, gid) in [(Some(1), None), (None, Some(1)), (Some(1), Some(1))] {
        let scene = Scene::new();
        chown(scene.path(), uid, gid).unwrap();
        let owner = format!("{}:{}", uid.unwrap_or(0), gid.unwrap_or(0));
        let outcome = scene.check().run();
        assert_eq!(failing(&outcome), ["ca_key_owner"], "{outcome}");
        assert!(
            outcome.stdout.contains(&format!("want=0:0 got={owner}")),
            "{outcome}"
        );
        let outcome = scene.check().args(["--expect-owner", &owner]).run();
        assert_eq!(failing(&outcome), Vec::<String>::new(), "{outcome}");
    }
    let scene = Scene::new();
    let outcome = scene.check().args(["--expect-owner", "root:root"]).run();
    assert_eq!(failing(&outcome), Vec::<String>::new(), "{outcome}");
    // What a rootless container shows of a file of the host's root.
    chown(scene.path(), Some(65534), Some(65534)).unwrap();
    let outcome = scene.check().args(["--expect-owner", "65534:65534"]).run();
    assert_eq!(failing(&outcome), ["consumer_owner_mapped"], "{outcome}");
}

#[test]
fn what_is_not_a_file_of_its_own_is_not_opened() {
    let scene = Scene::new();
    let at = |name: &str| scene.sandbox.join(name);
    symlink(scene.path(), at("ca/link")).unwrap();
    symlink("/nowhere", at("ca/dangling")).unwrap();
    scene.sandbox.directory("ca/directory", 0o700);
    scene.sandbox.run("mkfifo", [at("ca/fifo")]).check();
    for (path, code) in [
        (at("ca/link"), "ca_key_symlink"),
        (at("ca/dangling"), "ca_key_symlink"),
        (at("ca/directory"), "ca_key_regular"),
        (at("ca/fifo"), "ca_key_regular"),
        ("/dev/zero".into(), "ca_key_regular"),
        (at("ca/missing"), "ca_key_exists"),
        (at("missing/key"), "ca_key_exists"),
        (at("ca/key/beyond"), "ca_key_exists"),
        ("ca/key".into(), "ca_key_path"),
    ] {
        let outcome = scene.check_of(&path).run();
        assert_eq!(
            with_verdict("FAIL", &outcome)
                .into_iter()
                .collect::<Vec<_>>(),
            [code],
            "{outcome}"
        );
        for code in [
            "ca_key_mode",
            "ca_key_owner",
            "ca_key_parents",
            "ca_key_signs",
            "consumer_key_readable",
        ] {
            assert!(
                with_verdict("SKIP", &outcome).contains(code),
                "{code}: {outcome}"
            );
        }
    }
}

#[test]
fn the_passphrase_comes_from_its_file() {
    let scene = Scene::new();
    remake(&scene, KeyType::Ed25519, "planted words");
    for (content, mode, failed) in [
        ("planted words\n", 0o600, None),
        ("other words\n", 0o600, Some("ca_key_passphrase")),
        ("planted words\n", 0o644, Some("ca_key_passphrase")),
    ] {
        let file = scene.sandbox.write("ca/passphrase", content, mode);
        let outcome = scene.check().arg("--passphrase-file").arg(file).run();
        assert_eq!(
            failing(&outcome),
            failed.into_iter().collect::<Vec<_>>(),
            "{outcome}"
        );
    }
}

#[test]
fn a_fingerprint_stands_for_a_missing_public_file() {
    let scene = Scene::new();
    let own = fingerprint(&scene.key.public_path());
    remove_public(&scene);
    let old = "SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g";
    let outcome = scene
        .check()
        .args(["--fingerprint", &own, "--old-fingerprint", old])
        .run();
    assert_eq!(failing(&outcome), Vec::<String>::new(), "{outcome}");
    assert!(
        with_verdict("PASS", &outcome).contains("ca_key_not_old"),
        "{outcome}"
    );
}

#[test]
fn a_directory_that_others_can_write_is_found_behind_a_link_too() {
    let scene = Scene::new();
    scene.sandbox.directory("open", 0o777);
    symlink(scene.sandbox.join("ca"), scene.sandbox.join("open/link")).unwrap();
    let outcome = scene.check_of(&scene.sandbox.join("open/link/key")).run();
    let parents = |outcome: &Outcome| {
        let line = outcome
            .stdout
            .lines()
            .find(|line| line.contains(" ca_key_parents "));
        line.unwrap().to_owned()
    };
    // `/tmp` comes first on the way, whichever way it goes.
    assert!(
        parents(&outcome).starts_with("FAIL ca_key_parents directory="),
        "{outcome}"
    );
    assert!(
        parents(&outcome).contains("got=1777") || parents(&outcome).contains("/open "),
        "{outcome}"
    );
}

#[test]
fn a_container_is_judged_by_its_inspection() {
    let scene = Scene::new();
    let own = filled_in(&scene, "UID:GID");
    let inspect = |read_write: bool, privileged: bool, user: &str| {
        let text = json!([{
            "Config": {"User": user},
            "HostConfig": {"Privileged": privileged},
            "Mounts": [{"Source": scene.path(), "Destination": "/run/ca", "RW": read_write}],
        }]);
        scene.sandbox.write("inspect.json", text.to_string(), 0o600)
    };
    let run = |path: &Path| -> Outcome {
        let checked: Program =
            scene
                .check()
                .args(["--service", "--expect-owner", &own, "--inspect"]);
        checked.arg(path).run()
    };
    for (read_write, privileged, user, failed) in [
        (false, false, own.as_str(), None),
        (
            true,
            false,
            own.as_str(),
            Some("consumer_container_mount_ro"),
        ),
        (
            false,
            true,
            own.as_str(),
            Some("consumer_container_privileged"),
        ),
        (false, false, "4321", Some("consumer_key_readable")),
        (false, false, "signer", Some("consumer_container_user")),
    ] {
        let outcome = run(&inspect(read_write, privileged, user));
        assert_eq!(
            failing(&outcome),
            failed.into_iter().collect::<Vec<_>>(),
            "{outcome}"
        );
    }
    let bad = scene.sandbox.write("inspect.json", "[]", 0o600);
    refusal_of_text(&run(&bad), 2, "inspect_malformed");
}

#[test]
fn bad_input_ends_with_status_2() {
    let scene = Scene::new();
    for (args, reason) in [
        (&["--expect-owner", "root"][..], "owner_unknown"),
        (
            &["--expect-owner", "nobody-of-that-name:root"],
            "owner_unknown",
        ),
        (&["--fingerprint", "SHA256:x"], "fingerprint_malformed"),
        (&["--old-fingerprint", "MD5:00"], "fingerprint_malformed"),
        (&["--inspect", "missing.json"], "file_not_found"),
        (&["--service-uid", "-1"], "usage"),
    ] {
        refusal_of_text(&scene.check().args(args).run(), 2, reason);
        refusal_of_json(&scene.check().args(args).arg("--json").run(), 2, reason);
    }
}

#[test]
fn the_document_says_what_the_lines_say() {
    let scene = Scene::new();
    let text = scene.check().run();
    let document = json_of(&scene.check().arg("--json").run());
    let lines: Vec<&str> = text.stdout.lines().collect();
    for (line, check) in lines.iter().zip(document["checks"].as_array().unwrap()) {
        let words = [
            check["verdict"].as_str().unwrap(),
            check["code"].as_str().unwrap(),
        ];
        assert!(line.starts_with(&words.join(" ")), "{line}");
    }
    let count = |name: &str| document[name].as_u64().unwrap();
    let counts = format!(
        "RESULT pass={} fail={} warn={} skip={}",
        count("pass"),
        count("fail"),
        count("warn"),
        count("skip")
    );
    assert_eq!(lines.last(), Some(&counts.as_str()));
    assert_eq!(document["ready"], json!(count("fail") == 0));
}

#[test]
fn an_sshd_is_judged_by_what_it_says() {
    let scene = Scene::new();
    let run = |version: &str, level: &str| {
        let config = scene
            .sandbox
            .write("sshd-t", format!("port 22\nloglevel {level}\n"), 0o600);
        let program = scene
            .sandbox
            .warden_program()
            .args(["cutover", "preflight", "--key"]);
        let program = program.arg(scene.path()).arg("--sshd-config").arg(config);
        program.args(["--sshd-version", version]).run()
    };
    let sound = run("OpenSSH_9.2p1", "VERBOSE");
    assert_eq!(failing(&sound), Vec::<String>::new(), "{sound}");
    assert!(with_verdict("PASS", &sound).contains("sshd_loglevel"));
    let of_1970 = scene.sandbox.warden_program();
    let of_1970 = of_1970.args(["cutover", "preflight", "--target-clock", "0", "--key"]);
    assert_eq!(failing(&of_1970.arg(scene.path()).run()), ["target_clock"]);
    assert_eq!(failing(&run("OpenSSH_7.4", "VERBOSE")), ["sshd_version"]);
    assert_eq!(failing(&run("OpenSSH_9.2p1", "QUIET")), ["sshd_loglevel"]);
    assert!(with_verdict("WARN", &run("OpenSSH_9.2p1", "INFO")).contains("sshd_loglevel"));
    let version =
        scene
            .sandbox
            .warden(["cutover", "preflight", "--key", "/x", "--min-sshd", "nine"]);
    refusal_of_text(&version, 2, "version_malformed");
}

#[test]
fn every_code_is_explained() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../wiki/reference/preflight.md"
    );
    let page = std::fs::read_to_string(page).unwrap();
    let of_parity = Aspect::ALL.map(Aspect::code);
    let others = [
        "target_clock",
        "sshd_version",
        "sshd_loglevel",
        "parity_old_signed",
        "parity_new_signed",
    ];
    for code in CODES.iter().chain(&of_parity).chain(&others) {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}
