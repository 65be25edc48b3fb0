//! Inventory files that are refused, each with its place, its line and a caret.

use crate::setup::{ACTOR, Setup};

/// What stands in the file after `type`, the place and message, and what the caret marks.
const ACTOR_FILES: [(&str, &str, &str); 30] = [
    (
        "principals = [\"demo\"]\nttl = \"1h\"\ncolour = 1\n",
        "4:1: unknown field `colour`",
        "colour",
    ),
    (
        "principals = [\"demo\"]\nttl = \"1h\"\nttl = \"2h\"\n",
        "4:1: duplicate key",
        "ttl",
    ),
    (
        "principals = [\"demo\"]\n<<<<<<< HEAD\nttl = \"1h\"\n",
        "3:1: a merge conflict",
        "<<<<<<<",
    ),
    (
        "principals = [\"demo\"]\n=======\nttl = \"1h\"\n",
        "3:1: a merge conflict",
        "=======",
    ),
    (
        "principals = [\"demo\"]\nttl = \"25h\"\n",
        "3:7: ttl 25h is over the ceiling of type `agt`, 24h",
        "\"25h\"",
    ),
    (
        "principals = [\"demo\"]\nttl_hours = 25\n",
        "3:13: ttl_hours 25h is over the ceiling",
        "25",
    ),
    (
        "principals = [\"demo\"]\nttl_hours = 0\n",
        "3:13: ttl_hours 0 is no time to live",
        "0",
    ),
    ("principals = [\"demo\"]\nttl_hours = -1\n", "3:13: ", "-1"),
    (
        "principals = [\"demo\"]\nttl_hours = 9223372036854775807\n",
        "3:13: ttl_hours 9223372036854775807 is no",
        "9223372036854775807",
    ),
    (
        "principals = [\"demo\"]\nttl = \"1h\"\nttl_hours = 1\n",
        "4:13: both `ttl` and `ttl_hours`",
        "1",
    ),
    (
        "principals = [\"demo\"]\nttl = \"1.5h\"\n",
        "3:7: `1.5h` is not a duration",
        "\"1.5h\"",
    ),
    (
        "principals = [\"demo\"]\nttl = \"0\"\n",
        "3:7: a duration of zero",
        "\"0\"",
    ),
    (
        "principals = [\"a,b\"]\n",
        "2:15: principal `a,b` holds ','",
        "\"a,b\"",
    ),
    (
        "principals = [\"ok\", \"\"]\n",
        "2:21: a principal is empty",
        "\"\"",
    ),
    (
        "principals = [\"\\u001B[31m\"]\n",
        "2:15: principal",
        "\"\\u001B[31m\"",
    ),
    ("principals = [\"a\\nb\"]\n", "2:15: principal", "\"a\\nb\""),
    ("principals = [\"*\"]\n", "2:15: principal `*`", "\"*\""),
    (
        "principals = [\"-a\"]\n",
        "2:15: principal `-a` begins with `-`",
        "\"-a\"",
    ),
    (
        "principals = []\n",
        "2:14: the list of principals is empty",
        "[]",
    ),
    (
        "principals = [\"a\", \"a\"]\n",
        "2:20: principal `a` stands twice",
        "\"a\"",
    ),
    ("principals = \"a\"\n", "2:14: ", "\"a\""),
    (
        "principals = [\"a\"]\nextensions = [\"permit-magic\"]\n",
        "3:15: `permit-magic` is not an extension",
        "\"permit-magic\"",
    ),
    (
        "principals = [\"a\"]\nextensions = [\"permit-pty\"]\n",
        "3:15: extension `permit-pty` is not among those of type `agt`",
        "\"permit-pty\"",
    ),
    (
        "principals = [\"a\"]\nsource_address = [\"10.0.0.1/8\"]\n",
        "3:19: ",
        "\"10.0.0.1/8\"",
    ),
    (
        "principals = [\"a\"]\nsource_address = []\n",
        "3:18: ",
        "[]",
    ),
    (
        "principals = [\"a\"]\npublic_keys = []\n",
        "3:15: the list of keys is empty",
        "[]",
    ),
    (
        "principals = [\"a\"]\npublic_keys = [\"MD5:00\"]\n",
        "3:16: `MD5:00` is not a SHA-256 fingerprint",
        "\"MD5:00\"",
    ),
    ("principals = [\"a\"]\nexpires = 2027-02-30\n", "3:", ""),
    (
        "principals = [\"a\"]\nexpires = 2027-01-01T00:00:00Z\n",
        "3:11: expected a day, found a time",
        "2027-01-01T00:00:00Z",
    ),
    (
        "principals = [\"a\"]\nttl = \"1h\"\nmin_ttl = \"2h\"\n",
        "4:11: min_ttl 2h is over this actor's ttl, 1h",
        "\"2h\"",
    ),
];

#[track_caller]
fn pointed_at(said: &str, place: &str, marked: &str) {
    assert!(
        said.contains(&format!("{ACTOR}.toml:{place}")),
        "expected {place}: {said}"
    );
    let lines: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("warden:   "))
        .collect();
    let [line, caret] = lines[..] else {
        panic!("no line and caret: {said}")
    };
    let at = caret.find('^').unwrap();
    let width = caret.len() - at;
    assert!(line.starts_with(place.split(':').next().unwrap()), "{said}");
    assert_eq!(&caret[at..], "^".repeat(width));
    assert!(
        marked.is_empty() || line.get(at..at + width) == Some(marked),
        "{marked}: {said}"
    );
}

#[test]
fn a_malformed_actor_file_is_pointed_at_and_recorded() {
    let setup = Setup::new();
    let key = setup.key();
    for (content, place, marked) in ACTOR_FILES {
        std::fs::write(setup.actor_file(), format!("type = \"agt\"\n{content}")).unwrap();
        let args = ["sign", ACTOR, "--pubkey", key.to_str().unwrap()];
        pointed_at(
            &setup.refused(&args, 2, "inventory_malformed", 1),
            place,
            marked,
        );
        for args in [
            vec!["inventory", "check"],
            vec!["inventory", "show", ACTOR],
            vec!["inventory", "digest"],
        ] {
            pointed_at(
                &setup.refused(&args, 2, "inventory_malformed", 0),
                place,
                marked,
            );
        }
    }
    setup.verify().check();
}

#[test]
fn host_bits_name_the_network_meant() {
    let setup = Setup::new();
    let content = "type = \"agt\"\nprincipals = [\"a\"]\nsource_address = [\"10.0.0.1/8\"]\n";
    std::fs::write(setup.actor_file(), content).unwrap();
    let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
    assert!(said.contains("10.0.0.0/8"), "{said}");
}

#[test]
fn the_type_and_the_name_must_agree() {
    let setup = Setup::new();
    std::fs::write(setup.actor_file(), "type = \"adm\"\nprincipals = [\"a\"]\n").unwrap();
    let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
    pointed_at(
        &said,
        "1:8: type `adm` disagrees with the name `agt-demo-agent`",
        "\"adm\"",
    );
    for (content, missing) in [
        ("principals = [\"a\"]\n", "type"),
        ("type = \"agt\"\n", "principals"),
        ("", "type"),
    ] {
        std::fs::write(setup.actor_file(), content).unwrap();
        let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
        assert!(
            said.contains(&format!("has no `{missing}`")) && said.contains("hint: add a line"),
            "{said}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_named() {
    let setup = Setup::new();
    let text = std::fs::read_to_string(setup.actor_file()).unwrap();
    std::fs::write(setup.actor_file(), format!("\u{feff}{text}")).unwrap();
    let key = setup.key();
    let said = setup.refused(
        &["sign", ACTOR, "--pubkey", key.to_str().unwrap()],
        2,
        "inventory_malformed",
        1,
    );
    assert!(
        said.contains("byte order mark") && said.contains("hint: save the file as plain UTF-8"),
        "{said}"
    );
    std::fs::write(setup.actor_file(), b"type = \"agt\" # \xff\n").unwrap();
    setup.refused(&["inventory", "check"], 2, "inventory_not_readable", 0);
}

#[test]
fn the_settings_of_a_type_only_lower_its_ceiling() {
    let setup = Setup::new();
    let types = setup.join("inventory/types.toml");
    let key = setup.key();
    let malformed = [
        (
            "[agt]\nmax_ttl = \"25h\"\n",
            "types.toml:2:11: max_ttl 25h is over the ceiling of type `agt`, 24h",
        ),
        (
            "[agt]\nextensions = [\"x\"]\n",
            "types.toml:2:15: `x` is not an extension",
        ),
        (
            "[usr]\nmax_ttl = \"1h\"\n",
            "types.toml:1:2: unknown field `usr`",
        ),
        (
            "[agt]\nttl = \"1h\"\n",
            "types.toml:2:1: unknown field `ttl`",
        ),
    ];
    for (content, place) in malformed {
        std::fs::write(&types, content).unwrap();
        let args = ["sign", ACTOR, "--pubkey", key.to_str().unwrap()];
        let said = setup.refused(&args, 2, "inventory_malformed", 1);
        assert!(said.contains(place), "{said}");
    }
    std::fs::write(&types, "[agt]\nmax_ttl = \"30m\"\n").unwrap();
    let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
    pointed_at(
        &said,
        "4:7: ttl 1h is over the ceiling of type `agt`, 30m",
        "\"1h\"",
    );
}
