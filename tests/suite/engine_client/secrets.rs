//! Secrets are planted, everything that fails is made to fail, and everything is searched.

use crate::remote::{Remote, SIGN, TOKEN};
use std::time::Duration;
use warden_tests::stand_in::Answer;

const SECRET_ID: &str = "planted-secret-id-51c9e0";
const JWT: &str = "eyJwbGFudGVkIjoxfQ.cGxhbnRlZC1wYXlsb2Fk.cGxhbnRlZC1zaWc";
const MADE: &str = "s.PlantedMadeToken44e1";
const WRAPPING: &str = "s.PlantedWrapping90aa";
const SECRETS: [&str; 5] = [TOKEN, SECRET_ID, JWT, MADE, WRAPPING];

/// Each: the end of the configuration, the login's path.
const LOGINS: [(&str, &str); 4] = [
    ("token_file = \"token\"", "auth/token/lookup-self"),
    (
        "[vault.approle]\nrole_id = \"stand-in-role-id\"\nsecret_id_file = \"secret-id\"",
        "auth/approle/login",
    ),
    (
        "[vault.approle]\nrole_id = \"stand-in-role-id\"\nsecret_id_file = \"wrapping\"\nwrapped = true",
        "auth/approle/login",
    ),
    (
        "[vault.jwt]\nrole = \"warden\"\ntoken_file = \"jwt\"",
        "auth/jwt/login",
    ),
];

fn planted() -> Remote {
    let remote = Remote::new();
    for (file, secret) in [
        ("secret-id", SECRET_ID),
        ("jwt", JWT),
        ("wrapping", WRAPPING),
    ] {
        remote
            .setup
            .sandbox
            .write(format!("q/{file}"), secret, 0o600);
    }
    known(&remote);
    remote
}

fn known(remote: &Remote) {
    remote.bao.engine(|engine| {
        engine.add_token(TOKEN);
        engine.secret_ids.insert(SECRET_ID.to_owned());
        engine.jwts.insert(JWT.to_owned());
        engine
            .wrapped
            .insert(WRAPPING.to_owned(), SECRET_ID.to_owned());
        engine.next_token = MADE.to_owned();
    });
}

#[track_caller]
fn nothing_shows(text: &str, what: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {what}: {text}");
    }
}

#[test]
fn no_output_no_record_and_no_file_holds_a_secret_whatever_fails() {
    let remote = planted();
    let answers = || {
        [
            Answer::errors(400, &["no"]),
            Answer::errors(403, &["permission denied"]),
            Answer::errors(500, &[]),
            Answer::text(200, "{\"data\": 7, \"auth\": 7}"),
            Answer::text(200, "").cut_at(0).announcing(9),
            Answer::text(307, "").header("Location", "http://127.0.0.1:1/"),
        ]
    };
    for (lines, login) in LOGINS {
        for json in [false, true] {
            remote.configure(lines);
            let sign = || {
                known(&remote);
                let program = remote
                    .setup
                    .signing()
                    .env("RUST_BACKTRACE", "full")
                    .env("RUST_LOG", "trace");
                let program = if json { program.arg("--json") } else { program };
                let outcome = program.run();
                nothing_shows(&outcome.stdout, "standard output");
                nothing_shows(&outcome.stderr, "standard error");
                outcome.code
            };
            assert_eq!(sign(), Some(0));
            for answer in answers() {
                for path in [SIGN, login] {
                    remote.bao.heal();
                    remote.bao.always(path, answer.clone());
                    sign();
                }
            }
            remote.bao.heal();
            remote
                .bao
                .alter(|forgery| forgery.fields.key_id = b"other".to_vec());
            assert_eq!(sign(), Some(4));
            remote.bao.heal();
        }
    }
    nothing_shows(&remote.setup.journal_text(), "the journal");
    for (path, content) in remote.setup.files() {
        if path.starts_with(remote.setup.state()) {
            nothing_shows(&content, &path.display().to_string());
        }
    }
}

#[test]
fn a_login_does_not_say_back_what_it_sent() {
    let remote = planted();
    for (lines, login) in &LOGINS[1..] {
        remote.configure(lines);
        known(&remote);
        let sent = if lines.contains("jwt") {
            JWT
        } else {
            SECRET_ID
        };
        let echo = format!("not accepted: {sent}");
        remote.bao.always(login, Answer::errors(403, &[&echo]));
        let outcome = remote.fails(4, "backend_forbidden");
        assert!(
            outcome.stderr.contains("not accepted: (secret)"),
            "{outcome}"
        );
        nothing_shows(&outcome.stderr, "standard error");
    }
}

#[test]
fn no_argument_and_no_child_ever_holds_a_secret() {
    let remote = planted();
    for (lines, _) in LOGINS {
        remote.configure(lines);
        known(&remote);
        remote.bao.heal();
        remote.bao.always(
            SIGN,
            Answer::errors(500, &[]).after(Duration::from_millis(400)),
        );
        drop(remote.bao.take_requests());
        let mut running = remote.setup.signing().start();
        while !remote
            .bao
            .take_lines()
            .iter()
            .any(|line| line.ends_with(SIGN))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let own = running.id().to_string();
        let mut seen = 0;
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let command = read("cmdline");
            nothing_shows(&command, "a command line");
            let mine = entry.file_name().to_string_lossy() == own;
            seen += usize::from(mine && command.contains("sign"));
            // The parent's number is the fourth field, after the name in brackets.
            let stat = read("stat");
            let parent = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1));
            assert_ne!(parent, Some(own.as_str()), "warden has a child: {stat}");
            if mine {
                nothing_shows(&read("environ"), "the environment");
            }
        }
        assert_eq!(seen, 1, "it was looked at while it ran");
        running.kill();
    }
}
