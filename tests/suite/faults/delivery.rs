//! An output that does not take what it is given.

use crate::setup::{ACTOR, Setup, nothing_raw};

#[test]
fn a_stdout_that_takes_nothing_is_told_and_the_certificate_is_stored() {
    let setup = Setup::new();
    for json in ["", "--json"] {
        for stdout in [">&-", ">/dev/full", "</dev/null >&0", "| exec true"] {
            let before = setup.records().len();
            let old = std::fs::read(setup.certificate()).unwrap();
            // A pipe whose reader is surely gone before the first byte.
            let script = match stdout.strip_prefix("| ") {
                Some(_) => format!(
                    "mkfifo p; (exec 3<p) & exec 4>p; wait; $SIGN {json} >&4; code=$?; rm p; exit $code"
                ),
                None => format!("$SIGN {json} {stdout}"),
            };
            let outcome = setup.script(&script).run();
            assert_eq!(outcome.code, Some(1), "{stdout}: {outcome}");
            assert_eq!(outcome.stdout, "");
            assert!(
                outcome.stderr.contains("not_delivered"),
                "{stdout}: {outcome}"
            );
            assert!(
                outcome.stderr.contains("was issued and recorded as"),
                "{stdout} {json}: {outcome}"
            );
            nothing_raw(&outcome);
            assert_eq!(setup.records().len(), before + 1);
            assert_ne!(
                std::fs::read(setup.certificate()).unwrap(),
                old,
                "the new one is stored"
            );
        }
    }
    setup.verify().check();
}

#[test]
fn other_commands_say_too_that_stdout_took_nothing() {
    let setup = Setup::new();
    for command in [
        "--help",
        "--version",
        "audit verify",
        "inventory list",
        "ca show",
        "sign --help",
        "audit head --json",
    ] {
        for stdout in [">&-", ">/dev/full"] {
            let outcome = setup.script(&format!("$W {command} {stdout}")).run();
            assert_eq!(outcome.code, Some(1), "{outcome}");
            assert!(outcome.stderr.contains("not_delivered"), "{outcome}");
            nothing_raw(&outcome);
        }
    }
}

#[test]
fn a_stderr_that_is_gone_changes_nothing() {
    let setup = Setup::new();
    for stderr in ["2>&-", "2>/dev/full"] {
        let signed = setup
            .script(&format!("$SIGN {stderr}"))
            .run()
            .expect_success();
        assert!(
            signed
                .stdout
                .starts_with("ssh-ed25519-cert-v01@openssh.com ")
        );
        let denied = setup.script(&format!("$SIGN --ttl 999 {stderr}")).run();
        assert_eq!(
            (denied.code, denied.stdout.as_str()),
            (Some(3), ""),
            "{denied}"
        );
        let gone = setup.script(&format!("$SIGN >&- {stderr}")).run();
        assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""), "{gone}");
    }
    setup.script("$SIGN <&- >/dev/null").run().check();
    setup.verify().check();
}

#[test]
fn one_certificate_line_is_printed_and_the_same_bytes_are_stored() {
    let setup = Setup::new();
    let signed = setup.sign().expect_success();
    assert_eq!(signed.stderr, "");
    assert_eq!(
        signed.stdout_bytes,
        std::fs::read(setup.certificate()).unwrap()
    );
    assert_eq!(signed.stdout.lines().count(), 1);
    let json = setup.signing().arg("--json").run().expect_success();
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["key_id"], ACTOR);
    let record = setup.records().pop().unwrap();
    for field in [
        "serial",
        "valid_after",
        "valid_before",
        "ca_fingerprint",
        "event_id",
    ] {
        assert_eq!(document[field], record[field], "{field}");
    }
}
