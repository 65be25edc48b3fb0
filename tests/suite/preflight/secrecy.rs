//! Asking changes nothing, and says nothing of a secret.

use super::Scene;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use warden_tests::keygen::{Key, KeyType, Signing, ssh_keygen};
use warden_tests::process::Outcome;

/// Everything below a directory, by all that a change would change but the time it was last read.
fn everything_below(directory: &Path) -> BTreeMap<PathBuf, Vec<i64>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            pending.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let facts = [stat.mode(), stat.uid(), stat.gid()].map(i64::from);
        let numbers = [stat.ino(), stat.nlink(), stat.size()].map(u64::cast_signed);
        let times = [
            stat.mtime(),
            stat.mtime_nsec(),
            stat.ctime(),
            stat.ctime_nsec(),
        ];
        found.insert(path, [&facts[..], &numbers, &times].concat());
    }
    found
}

const PASSPHRASE: &str = "planted-passphrase-words";
const TOKEN: &str = "s.planted-token-0123456789";

/// Every way to ask, well and badly; in none a secret may be told, by none anything changed.
fn asked(scene: &Scene) -> Vec<Outcome> {
    let at = |name: &str| scene.sandbox.join(name).display().to_string();
    let (key, plain) = (at("ca/key"), at("plain/key"));
    let source = at("ca/passphrase");
    let preflights = [
        vec![
            "ca",
            "check",
            "--service",
            "--key",
            &key,
            "--passphrase-file",
            &source,
        ],
        vec!["ca", "check", "--key", &key],
        vec!["ca", "check", "--key", &key, "--passphrase-file", &key],
        vec!["ca", "check", "--key", &source],
        vec!["ca", "check", "--key", &plain, "--service-uid", "1"],
        vec!["ca", "check", "--key", &plain, "--inspect", &plain],
        vec!["ca", "check", "--key", &plain, "--fingerprint", "x"],
        vec![
            "cutover",
            "preflight",
            "--key",
            &plain,
            "--sshd-config",
            &plain,
        ],
        vec![
            "cutover",
            "preflight",
            "--key",
            &plain,
            "--service",
            "--inspect",
            &source,
        ],
    ];
    let (certificate, role, torn) = (at("certificate.pub"), at("role.json"), at("torn.json"));
    let parities = [
        vec![
            "cutover",
            "parity",
            "--old-role",
            &role,
            "--new-role",
            &role,
        ],
        vec![
            "cutover",
            "parity",
            "--old-role",
            &torn,
            "--new-role",
            &role,
        ],
        vec![
            "cutover",
            "parity",
            "--old-role",
            &plain,
            "--new-role",
            &source,
        ],
        vec![
            "cutover",
            "parity",
            "--old-certificate",
            &certificate,
            "--new-certificate",
            &certificate,
        ],
        vec![
            "cutover",
            "parity",
            "--old-certificate",
            &plain,
            "--new-certificate",
            &source,
        ],
        vec!["cutover", "parity", "--live", "--actor", "agt-visitor"],
    ];
    let mut outcomes = Vec::new();
    for args in preflights.iter().chain(&parities) {
        for form in [&[][..], &["--json"]] {
            let program = scene.sandbox.warden_program().args(args).args(form);
            outcomes.push(program.env("WARDEN_VAULT_TOKEN", TOKEN).run());
        }
    }
    outcomes
}

fn scene() -> Scene {
    let scene = Scene::new();
    let plain = scene.sandbox.directory("plain", 0o700);
    let plain = Key::make(&plain, "key", KeyType::Ed25519);
    let signing = Signing::new(&plain, &plain.public_line(), "x").principal("deploy");
    signing.write(&scene.sandbox.join("certificate.pub"));
    for file in ["ca/key", "ca/key.pub"] {
        std::fs::remove_file(scene.sandbox.join(file)).unwrap();
    }
    let directory = scene.sandbox.join("ca");
    drop(Key::make_encrypted(
        &directory,
        "key",
        KeyType::Ed25519,
        PASSPHRASE,
        None,
    ));
    scene.sandbox.write("ca/passphrase", PASSPHRASE, 0o600);
    scene
        .sandbox
        .write("role.json", crate::parity::sound().to_string(), 0o600);
    let torn = format!("{{\"data\": {{\"token\": \"{TOKEN}\", \"ttl\": \"{TOKEN}\"}}}}");
    scene.sandbox.write("torn.json", torn, 0o600);
    scene
}

#[test]
fn no_check_tells_anything_of_a_key_a_passphrase_or_a_token() {
    let scene = scene();
    let mut secrets = vec![
        PASSPHRASE.to_owned(),
        TOKEN.to_owned(),
        "PRIVATE KEY".to_owned(),
    ];
    for key in ["ca/key", "plain/key"] {
        let text = std::fs::read_to_string(scene.sandbox.join(key)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        // Of the first line the beginning is the same in all key files; runs from anywhere count.
        for line in lines.skip(1) {
            let runs = line.as_bytes().windows(16).step_by(8);
            secrets.extend(runs.map(|run| String::from_utf8(run.to_vec()).unwrap()));
        }
    }
    // The public half stands in the private file too, and may be told.
    let public = ["ca/key", "plain/key"].map(|key| {
        let path = scene.sandbox.join(format!("{key}.pub"));
        ssh_keygen(["-l".as_ref(), "-f".as_ref(), path.as_os_str()])
            .expect_success()
            .stdout
    });
    let mut statuses = std::collections::BTreeSet::new();
    for outcome in asked(&scene) {
        statuses.insert(outcome.code);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        for secret in &secrets {
            assert!(
                !said.contains(secret),
                "{secret} of {public:?} in {outcome}"
            );
        }
    }
    // Said on success, on a check that does not hold, and on bad input.
    assert_eq!(statuses, [Some(0), Some(1), Some(2)].into());
}

#[test]
fn no_check_changes_anything() {
    let scene = scene();
    let before = everything_below(scene.sandbox.path());
    drop(asked(&scene));
    assert_eq!(everything_below(scene.sandbox.path()), before);
}
