//! Actor names, times to live and principals that no request can have.

use crate::setup::{ACTOR, Setup};
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
            assert!(said.contains("hint: it may have: demo"), "{said}");
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
