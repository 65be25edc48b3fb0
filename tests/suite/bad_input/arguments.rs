//! Actor names, times to live and principals that no request can have.

use crate::setup::{ACTOR, Setup, nothing_raw};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[test]
fn an_actor_name_never_becomes_a_path() {
    let setup = Setup::new();
    let key = setup.key();
    let key = key.to_str().unwrap();
    let long = format!("agt-{}", "a".repeat(300));
    let names = [
        "../../etc/cron.d/x",
        "/etc/x",
        "a/b",
        ".",
        "..",
        "",
        &long,
        "agt-../x",
        "agt-a\n",
        "agt-a b",
        "agt-\u{1b}[31m",
        "agt-\u{2028}",
        "agt-*",
        "root",
        "AGT-DEMO-AGENT",
        "agt-demo-agent.toml",
    ];
    for name in names {
        setup.refused(
            &["sign", name, "--pubkey", key],
            2,
            "actor_name_malformed",
            0,
        );
        setup.refused(&["inventory", "show", name], 2, "actor_name_malformed", 0);
        setup.refused(
            &["sign", name, "--pubkey", key, "--dry-run"],
            2,
            "actor_name_malformed",
            0,
        );
    }
    let option = "-oProxyCommand=touch /tmp/x";
    setup.refused(&["sign", option, "--pubkey", key], 2, "usage", 0);
    setup.refused(
        &["sign", "--pubkey", key, "--", option],
        2,
        "actor_name_malformed",
        0,
    );
    let not_text = OsStr::from_bytes(b"agt-\xff");
    setup.refused(
        &[
            OsStr::new("sign"),
            not_text,
            OsStr::new("--pubkey"),
            OsStr::new(key),
        ],
        2,
        "usage",
        0,
    );
}

#[test]
fn an_actor_the_inventory_does_not_know_is_denied_and_recorded() {
    let setup = Setup::new();
    let key = setup.key();
    let args = ["sign", "agt-nobody", "--pubkey", key.to_str().unwrap()];
    let said = setup.refused(&args, 3, "unknown_actor_resource", 1);
    assert!(said.contains("hint: `warden inventory list`"), "{said}");
    assert_eq!(setup.records().last().unwrap()["outcome"], "denied");
    setup.refused(
        &["inventory", "show", "agt-nobody"],
        3,
        "unknown_actor_resource",
        0,
    );
}

#[test]
fn a_time_to_live_that_is_none_is_malformed() {
    let setup = Setup::new();
    let key = setup.key();
    let times = [
        "0",
        "0h",
        "0h0m0s",
        "-1",
        "-1h",
        "1.5",
        "1.5h",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "18446744073709551615",
        "9223372036854775808",
        "4294967296s",
        "1e3",
        "0x10",
        " 5",
        "5 ",
        "",
        "+1",
        "1d",
        "1h1h",
        "30m1h",
        "h",
        "1H",
        "\u{0661}h",
        "1_0",
        "forever",
        "always",
        "1h\n",
        "1\u{1b}[31m",
    ];
    for ttl in times {
        let args = [
            "sign",
            ACTOR,
            "--pubkey",
            key.to_str().unwrap(),
            "--ttl",
            ttl,
        ];
        let said = setup.refused(&args, 2, "ttl_malformed", 1);
        assert!(said.contains("hint: leave --ttl out"), "{said}");
        assert_eq!(setup.records().last().unwrap()["outcome"], "failed");
    }
}

#[test]
fn a_time_to_live_over_the_actors_longest_is_denied() {
    let setup = Setup::new();
    let key = setup.key();
    for ttl in ["3601s", "2", "25h", "48h", "999", "1193046h"] {
        let args = [
            "sign",
            ACTOR,
            "--pubkey",
            key.to_str().unwrap(),
            "--ttl",
            ttl,
        ];
        let said = setup.refused(&args, 3, "ttl_out_of_bounds", 1);
        assert!(said.contains("hint: ask for at most --ttl 1h"), "{said}");
        let args = [
            "sign",
            ACTOR,
            "--pubkey",
            key.to_str().unwrap(),
            "--ttl",
            ttl,
            "--dry-run",
        ];
        setup.refused(&args, 3, "ttl_out_of_bounds", 0);
    }
}

#[test]
fn a_principal_outside_the_grammar_is_malformed() {
    let setup = Setup::new();
    let key = setup.key();
    let long = "a".repeat(65);
    let principals = [
        "demo,root",
        "demo\nroot",
        "demo\0root",
        "*",
        "de?o",
        "!root",
        "",
        " ",
        "demo ",
        " demo",
        "\u{1b}[31mdemo",
        "-demo",
        "-",
        "#demo",
        "\"demo\"",
        "d\u{e9}mo",
        "demo\u{202e}",
        "demo\u{200b}",
        "%u",
        &long,
    ];
    for principal in principals.iter().filter(|one| !one.contains('\0')) {
        let args = [
            "sign",
            ACTOR,
            "--pubkey",
            key.to_str().unwrap(),
            "--principal",
            principal,
        ];
        let said = setup.refused(&args, 2, "principal_malformed", 1);
        assert!(said.contains("hint: leave --principal out"), "{said}");
    }
    let twice = [
        "sign",
        ACTOR,
        "--pubkey",
        key.to_str().unwrap(),
        "--principal",
        "demo",
        "--principal",
        "demo",
    ];
    setup.refused(&twice, 2, "principal_malformed", 1);
}

#[test]
fn a_principal_the_actor_does_not_have_is_denied() {
    let setup = Setup::new();
    let key = setup.key();
    for principal in ["root", "Demo", "dem", "demo2", "demo/x"] {
        for together_with in [None, Some("demo")] {
            let mut args = vec![
                "sign",
                ACTOR,
                "--pubkey",
                key.to_str().unwrap(),
                "--principal",
                principal,
            ];
            args.extend(
                together_with
                    .into_iter()
                    .flat_map(|one| ["--principal", one]),
            );
            let said = setup.refused(&args, 3, "principal_not_allowed", 1);
            assert!(said.contains("hint: this actor may have: demo"), "{said}");
            assert!(said.contains("agt-demo-agent.toml:3"), "{said}");
        }
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_malformed() {
    let setup = Setup::new();
    let lines: [&[&str]; 13] = [
        &[],
        &["sing"],
        &["sign"],
        &["sign", ACTOR],
        &["sign", ACTOR, "--pubkey"],
        &["sign", ACTOR, "--pubkey", "a", "--ttl"],
        &["sign", ACTOR, "--token", "x", "--pubkey", "a"],
        &["sign", ACTOR, "extra", "--pubkey", "a"],
        &["audit"],
        &["ca"],
        &["inventory"],
        &["show"],
        &["--\u{1b}[31m\nx"],
    ];
    for line in lines {
        setup.refused(line, 2, "usage", 0);
    }
}

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
