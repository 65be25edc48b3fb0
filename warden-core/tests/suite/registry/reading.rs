//! A snapshot made by hand is refused at its place.

use super::three;
use proptest::prelude::*;
use std::path::Path;
use warden_core::diagnostic::Problem;
use warden_core::failure::Failure;
use warden_core::registry::{Snapshot, SnapshotError};

fn problem(text: &str) -> Problem {
    Snapshot::read(Path::new("r.json"), text.to_owned()).unwrap_err()
}

/// What is put in place of what, what is said, and the text that the caret stands under.
const BROKEN: [(&str, &str, &str, &str); 33] = [
    (
        "\"systems\"",
        "\"sistems\"",
        "unknown field `sistems`",
        "\"sistems\"",
    ),
    (
        "\"metadata\": {",
        "\"metadata\": {\n          \"note\": 1,",
        "unknown field `note`",
        "\"note\"",
    ),
    (
        "\"actor_type\": \"adm\",",
        "\"actor_type\": \"adm\", \"colour\": 3,",
        "unknown field `colour`",
        "\"colour\"",
    ),
    (
        "\"type\": \"Human\",",
        "\"type\": \"Human\", \"type\": \"Human\",",
        "duplicate field `type`",
        "\"type\"",
    ),
    (
        "\"tenants\": [",
        "\"systems\": [], \"tenants\": [",
        "duplicate field `systems`",
        "\"systems\"",
    ),
    (
        "\"resources\": [",
        "\"resources\": 7, \"x\": [",
        "invalid type: integer `7`",
        "7",
    ),
    (
        "\"max_ttl_seconds\": 172800",
        "\"max_ttl_seconds\": 172801",
        "max_ttl 48h1s is over the ceiling of type `adm`, 48h",
        "172801",
    ),
    (
        "\"max_ttl_seconds\": 172800",
        "\"max_ttl_seconds\": \"48h\"",
        "expected a whole number",
        "\"48h\"",
    ),
    (
        "\"max_ttl_seconds\": 172800",
        "\"max_ttl_seconds\": 1.5",
        "expected a whole number",
        "1.5",
    ),
    (
        "\"max_ttl_seconds\": 172800",
        "\"max_ttl_seconds\": -1",
        "expected a whole number",
        "-1",
    ),
    (
        "\"max_ttl_seconds\": 172800",
        "\"max_ttl_seconds\": 0",
        "0 s is no time to live",
        "0",
    ),
    (
        "\"max_ttl_hours\": 48",
        "\"max_ttl_hours\": 47",
        "47 h, but 48h in whole hours, rounded up, is 48",
        "47",
    ),
    (
        "\"default_ttl_seconds\": 28800",
        "\"default_ttl_seconds\": 172801",
        "the default 48h1s is over this actor's longest, 48h",
        "172801",
    ),
    (
        "\"default_ttl_hours\": 2",
        "\"default_ttl_hours\": 1",
        "1 h, but 1h30m in whole hours, rounded up, is 2",
        "1",
    ),
    (
        "actor/atm-backup",
        "actor/atm-Backup",
        "`atm-Backup` is not an actor's name",
        "\"ssh-cert:actor/atm-Backup\"",
    ),
    (
        "\"id\": \"ssh-cert:actor/atm-backup",
        "\"id\": \"ssh-cert/atm-backup",
        "begins with `ssh-cert:actor/`",
        "\"ssh-cert/atm-backup\"",
    ),
    (
        "\"actor_type\": \"atm\"",
        "\"actor_type\": \"adm\"",
        "found `adm`, expected `atm`",
        "\"adm\"",
    ),
    (
        "ssh-cert:actor/atm-backup",
        "ssh-cert:actor/agt-hub",
        "actor `agt-hub` stands twice",
        "\"ssh-cert:actor/agt-hub\"",
    ),
    (
        "\"deploy\"",
        "\"root\"",
        "principal `root` stands twice",
        "\"root\"",
    ),
    (
        "\"deploy\"",
        "\"a,b\"",
        "principal `a,b` holds ','",
        "\"a,b\"",
    ),
    ("\"deploy\"", "[]", "expected a string", "[]"),
    (
        "\"kc:hub\"",
        "\"iam:agt-hub\"",
        "subject `iam:agt-hub` stands twice",
        "\"iam:agt-hub\"",
    ),
    (
        "\"kc:hub\"",
        "\"a b\"",
        "expected 1 to 256 printable characters",
        "\"a b\"",
    ),
    ("\"kc:hub\"", "null", "expected a string", "null"),
    (
        "\"type\": \"Human\"",
        "\"type\": \"adm\"",
        "one of Human, Agent, Automation",
        "\"adm\"",
    ),
    (
        "\"id\": \"iam:agt-hub\"",
        "\"id\": \"agt-hub\"",
        "subject `agt-hub` stands twice",
        "\"agt-hub\"",
    ),
    (
        "\"id\": \"group:ops-warden/agt\"",
        "\"id\": \"group:ops-warden/adm\"",
        "group `group:ops-warden/adm` stands twice",
        "\"group:ops-warden/adm\"",
    ),
    (
        "        \"iam:adm-alice\"\n      ]",
        "        \"adm-alice\"\n      ]",
        "member `adm-alice` stands twice",
        "\"adm-alice\"",
    ),
    (
        "\"can_sign\"",
        "\"owns\"",
        "found `owns`, expected `can_sign`",
        "\"owns\"",
    ),
    (
        "\"resource-registration-v0\"",
        "\"v1\"",
        "found `v1`, expected `resource-registration-v0`",
        "\"v1\"",
    ),
    (
        "\"inventory_digest\": \"",
        "\"inventory_digest\": \"X",
        "64 lower-case hexadecimal digits",
        "\"X",
    ),
    (
        "\"sign\"",
        "\"read\"",
        "found `read`, expected `sign`",
        "\"read\"",
    ),
    (
        "\"system\": \"ops-warden\"",
        "\"system\": \"other\"",
        "found `other`, expected `ops-warden`",
        "\"other\"",
    ),
];

#[test]
fn every_broken_rule_is_pointed_at() {
    for (what, with, message, pointed) in BROKEN {
        let good = three();
        assert!(good.contains(what), "{what}");
        let text = good.replacen(what, with, 1);
        let problem = problem(&text);
        assert!(problem.message.contains(message), "{with}: {problem}");
        let place = problem.place.as_ref().unwrap();
        let line = text.lines().nth(place.line - 1).unwrap();
        assert_eq!(place.text, line, "{with}: {problem}");
        let meant: String = line.chars().skip(place.column - 1).collect();
        assert!(meant.starts_with(pointed), "{with}: {problem}: {meant}");
    }
}

#[test]
fn a_relationship_twice_and_lists_that_are_empty_are_refused() {
    let line = "    {\n      \"subject\": \"adm-alice\",\n      \"relation\": \"can_sign\",\n      \"object\": \"ssh-cert:actor/adm-alice\"\n    },\n";
    let twice = three().replacen(line, &line.repeat(2), 1);
    assert!(
        problem(&twice)
            .message
            .contains("the relationship stands twice")
    );
    let text = three();
    let principals = text.replace("[\n              \"backup\"\n            ]", "[]");
    assert_ne!(principals, text);
    assert!(
        problem(&principals)
            .message
            .contains("the list of principals is empty")
    );
    let subjects = text.replace(
        "[\n              \"atm-backup\",\n              \"iam:atm-backup\"\n            ]",
        "[]",
    );
    assert_ne!(subjects, text);
    assert!(
        problem(&subjects)
            .message
            .contains("the list of allowed subjects is empty")
    );
    let tenants = text.replace(
        "[\n    {\n      \"id\": \"tenant:platform\"\n    }\n  ]",
        "[]",
    );
    assert_ne!(tenants, text);
    assert!(
        problem(&tenants)
            .message
            .contains("0 tenants; a snapshot has exactly one")
    );
}

#[test]
fn the_same_snapshot_on_one_line_or_with_escapes_is_the_same() {
    let value: serde_json::Value = serde_json::from_str(&three()).unwrap();
    let read = |text: String| Snapshot::read(Path::new("r.json"), text).unwrap();
    for text in [
        value.to_string(),
        three().replace("agt-hub", "agt\\u002dhub"),
    ] {
        let found = warden_core::registry::differences(&read(three()), &read(text));
        assert_eq!(found, []);
    }
}

#[test]
fn what_is_not_a_snapshot_is_not_quoted() {
    for secret in [
        "{\"client_token\": \"hvs.secret\"}",
        "\"hvs.secret\"",
        "hvs.secret\n",
        "[1, \"hvs.secret\"]",
        "",
    ] {
        let problem = problem(secret);
        let said = format!("{problem} {:?} {:?}", problem.excerpt(), problem.hint);
        assert!(!said.contains("hvs"), "{said}");
        assert!(said.contains("this is no registry snapshot"), "{said}");
    }
    assert!(problem("\u{feff}{}").message.contains("byte order mark"));
    assert!(
        problem("<<<<<<< HEAD\n{}")
            .message
            .contains("merge conflict")
    );
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let error = Snapshot::read_file(Path::new("/nowhere/r.json")).unwrap_err();
    assert!(matches!(error, SnapshotError::File(_)));
    assert_eq!(error.reason(), "file_not_found");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_damage_of_one_byte_is_read_as_something_that_breaks_a_rule(at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut bytes = three().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        // Either refused at a place, or as sound as any other: written and read again it is the same.
        if let Ok(found) = Snapshot::read(Path::new("r.json"), text) {
            let mut written = Vec::new();
            found.write(&mut written).unwrap();
            let again = Snapshot::read(Path::new("r.json"), String::from_utf8(written).unwrap()).unwrap();
            prop_assert_eq!(found.entries().len(), again.entries().len());
            for (one, other) in found.entries().iter().zip(again.entries()) {
                prop_assert_eq!(one.name(), other.name());
                prop_assert!(one.max_ttl() <= one.name().actor_type().ceiling());
            }
        }
    }
}
