//! Texts that would forge a line or move a cursor, through every entrance.

use crate::setup::{ACTOR, Setup, nothing_raw};

/// Texts that mean something to a log, a terminal, a shell or a parser.
const HOSTILE: [&str; 9] = [
    "\n{\"event\":\"fake\"}\n",
    "x\r\n{\"v\":1,\"seq\":9}",
    "\u{1b}]0;title\u{7}",
    "\u{1b}[2J",
    "\u{9b}31m",
    "\u{2028}{\"event\":\"fake\"}\u{2029}",
    "\u{202e}gpj",
    "\"},{\"event\":\"fake\"",
    "$(touch here)`touch here`;touch here",
];

#[test]
fn no_argument_adds_a_line_to_the_journal_or_moves_the_cursor() {
    let setup = Setup::new();
    let key = setup.key();
    let key = key.to_str().unwrap();
    let lines = || setup.journal_text().lines().count();
    for hostile in HOSTILE {
        let actor = format!("agt-{hostile}");
        let commands: Vec<Vec<&str>> = vec![
            vec!["sign", hostile, "--pubkey", key],
            vec!["sign", &actor, "--pubkey", key],
            vec!["sign", ACTOR, "--pubkey", hostile],
            vec!["sign", ACTOR, "--pubkey", key, "--ttl", hostile],
            vec!["sign", ACTOR, "--pubkey", key, "--principal", hostile],
            vec![
                "sign",
                ACTOR,
                "--pubkey",
                key,
                "--dry-run",
                "--principal",
                hostile,
            ],
            vec!["--config", hostile, "sign", ACTOR, "--pubkey", key],
            vec!["sign", ACTOR, "--pubkey", key, hostile],
            vec!["audit", "verify", "--head", hostile],
            vec!["audit", "verify", "--from", hostile],
            vec!["audit", "verify", "--older", hostile],
            vec!["inventory", "show", hostile],
            vec!["ca", "init", "--type", hostile],
            vec!["show", hostile],
            vec![hostile],
        ];
        for command in commands {
            for json in [false, true] {
                let before = lines();
                let program = if command[0] == "--config" {
                    setup.sandbox.warden_program()
                } else {
                    setup.program()
                };
                let more = json.then_some("--json");
                let outcome = program.args(more).args(&command).run();
                assert!(!outcome.succeeded(), "{outcome}");
                assert_eq!(outcome.stdout, "");
                nothing_raw(&outcome);
                assert!(
                    !outcome.stderr.contains(['\u{2028}', '\u{202e}']),
                    "{outcome:?}"
                );
                assert!(lines() <= before + 1, "{outcome}");
            }
        }
    }
    // Each of them parses, or this panics.
    assert_eq!(setup.records().len(), lines());
    assert!(!setup.sandbox.join("here").exists());
    setup.verify().check();
}

#[test]
fn what_a_file_holds_cannot_move_the_cursor_either() {
    let setup = Setup::new();
    for hostile in HOSTILE {
        for file in [setup.key(), setup.actor_file(), setup.config()] {
            let kept = std::fs::read(&file).unwrap();
            std::fs::write(&file, hostile).unwrap();
            for command in [
                vec!["sign", ACTOR, "--pubkey", setup.key().to_str().unwrap()],
                vec!["inventory", "check"],
            ] {
                for json in [false, true] {
                    let more = json.then_some("--json");
                    let outcome = setup.program().args(more).args(&command).run();
                    nothing_raw(&outcome);
                    assert!(
                        !outcome.stderr.contains(['\u{2028}', '\u{202e}']),
                        "{outcome:?}"
                    );
                }
            }
            std::fs::write(&file, kept).unwrap();
        }
    }
    setup.verify().check();
}
