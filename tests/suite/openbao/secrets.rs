//! A token and a secret id are nowhere but where they were put.

use super::office::{AGT, Office};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Program;

/// The whole of every command line on this machine, but those of the servers of these tests.
fn command_lines(into: &mut BTreeSet<String>) {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        if let Ok(line) = std::fs::read(process.path().join("cmdline")) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("warden") && !line.contains("-dev-root-token-id") {
                into.insert(line);
            }
        }
    }
}

/// Everything that was ever seen of some runs.
#[derive(Default)]
struct Seen {
    text: String,
    codes: BTreeSet<Option<i32>>,
}

impl Seen {
    fn add(&mut self, program: Program) {
        let outcome = program
            .env("RUST_BACKTRACE", "full")
            .env("RUST_LOG", "trace")
            .run();
        self.add_outcome(&outcome);
    }

    fn add_outcome(&mut self, outcome: &Outcome) {
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
        self.codes.insert(outcome.code);
        self.text += &outcome.stdout;
        self.text += &outcome.stderr;
    }
}

#[test]
fn no_stream_file_or_command_line_ever_holds_a_token_or_a_secret_id() {
    let Some(mut office) = Office::open() else {
        return;
    };
    let token = "warden-planted-token-5f0c1e".to_owned();
    office.token = office.bao.token(&office.mount, json!({"id": token}));
    let login = office.bao.name("approle");
    office.bao.enable_login(&login, "approle");
    let role_id = office.bao.approle(&login, "warden", &office.mount);
    let secret_id = "warden-planted-secret-id-77aa".to_owned();
    let custom = format!("auth/{login}/role/warden/custom-secret-id");
    office.bao.write(&custom, json!({"secret_id": secret_id}));
    let file = office.sandbox.write("secret-id", &secret_id, 0o600);

    let stop = AtomicBool::new(false);
    let (seen, lines) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut lines = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                command_lines(&mut lines);
            }
            lines
        });
        let approle = format!(
            "[vault.approle]\nmount = \"{login}\"\nrole_id = \"{role_id}\"\nsecret_id_file = \"secret-id\""
        );
        let mut seen = Seen::default();
        for credential in ["", &approle] {
            office.configure(credential);
            everything(&office, &mut seen);
            let address = "addr = \"http://127.0.0.1:1\"";
            let pin = format!(
                "{address}\nca_fingerprint = \"{}\"\n{credential}",
                office.pin
            );
            office.configure_whole(&pin);
            seen.add(office.signing(AGT));
            office.configure_whole(&format!("{address}\n{credential}"));
            seen.add(office.signing(AGT));
        }
        office.configure(&approle);
        for (content, mode) in [
            (secret_id.as_str(), 0o644),
            (&format!("{secret_id} x"), 0o600),
            (&format!("{secret_id}x"), 0o600),
        ] {
            office.sandbox.write("secret-id", content, mode);
            seen.add(office.signing(AGT));
            seen.add(office.signing(AGT).arg("--json"));
        }
        // Given in the wrong place.
        office.sandbox.write("secret-id", &secret_id, 0o600);
        let config = office.sandbox.warden_program();
        seen.add(config.args(["--config", "secret-id", "backend", "check"]));
        stop.store(true, Ordering::Relaxed);
        (seen, watcher.join().unwrap())
    });
    assert_eq!(seen.codes, [0, 1, 2, 3, 4].map(Some).into());
    assert!(lines.iter().any(|line| line.contains("sign")), "{lines:?}");
    let files = office.files_but(&[&file]);
    assert!(
        files.contains("\"outcome\":\"issued\"") && files.contains("token_not_valid"),
        "{files}"
    );
    for secret in [&token, &secret_id, &token[7..], &secret_id[7..]] {
        assert!(!seen.text.contains(secret), "in a stream");
        assert!(!files.contains(secret), "in a file");
        assert!(!lines.iter().any(|line| line.contains(secret)), "{lines:?}");
    }
}

/// Success and every failure that a real server gives.
fn everything(office: &Office, seen: &mut Seen) {
    let both = |seen: &mut Seen| {
        seen.add(office.signing(AGT));
        seen.add(office.signing(AGT).arg("--json"));
    };
    both(seen);
    seen.add(office.program().args(["backend", "check"]));
    seen.add(office.program().args(["backend", "check", "--json"]));
    seen.add(office.program().args(["ca", "pin"]));
    for changes in [
        json!({"max_ttl": "1m", "ttl": "1m"}),
        json!({"allow_user_key_ids": false}),
        json!({"not_before_duration": "3h"}),
    ] {
        office.change_role("agt-role", changes);
        both(seen);
        seen.add(office.program().args(["backend", "check"]));
    }
    office.set_up();
    office.bao.write_policy(
        &office.mount,
        "path \"secret/x\" { capabilities = [\"read\"] }",
    );
    both(seen);
    office.set_up();
    let wrong = office
        .signing(AGT)
        .env("VAULT_TOKEN", "warden-planted-other");
    seen.add(wrong);
    let wrong = office.program().args(["backend", "check"]);
    seen.add(wrong.env("VAULT_TOKEN", "warden-planted-other"));
    office.bao.api(
        "DELETE",
        &format!("{}/roles/agt-role", office.mount),
        Value::Null,
    );
    both(seen);
    office.set_up();
    both(seen);
}
