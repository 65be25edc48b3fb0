//! Every rule of an actor's file, broken once, and the place that is named.

use super::{BEGIN, assert_each, wrong_in};

/// The problem of an actor's file that has this line as its third.
fn third_line(line: &str) -> String {
    whole(&format!("{BEGIN}{line}\n"))
}

/// The problem of an actor's file.
fn whole(text: &str) -> String {
    wrong_in(&[("agt/agt-a.toml", text)], "agt-a")
}

#[test]
fn a_broken_rule_of_time_is_named_at_its_place() {
    let rows = [
        (
            r#"ttl = "25h""#,
            "3:7: ttl 25h is over the ceiling of type `agt`, 24h",
        ),
        (
            r#"max_ttl = "24h1s""#,
            "3:11: max_ttl 24h1s is over the ceiling of type `agt`, 24h",
        ),
        (
            "ttl_hours = 25",
            "3:13: ttl_hours 25h is over the ceiling of type `agt`, 24h",
        ),
        ("ttl_hours = 0", "3:13: ttl_hours 0 is no time to live"),
        (
            "ttl_hours = 18446744073709551615",
            "3:13: ttl_hours 18446744073709551615 is no time to live",
        ),
        (
            "ttl_hours = -1",
            "3:13: invalid value: integer `-1`, expected u64",
        ),
        (
            "ttl_hours = 1.5",
            "3:13: invalid type: floating point `1.5`, expected u64",
        ),
        (
            r#"ttl = "1h"
ttl_hours = 1"#,
            "4:13: both `ttl` and `ttl_hours` are given; keep one",
        ),
        (
            r#"ttl = "2h"
max_ttl = "1h""#,
            "3:7: ttl 2h is over this actor's max_ttl, 1h",
        ),
        (
            r#"ttl_hours = 2
max_ttl = "1h""#,
            "3:13: ttl 2h is over this actor's max_ttl, 1h",
        ),
        (
            r#"ttl = "1h"
min_ttl = "1h1s""#,
            "4:11: min_ttl 1h1s is over this actor's ttl, 1h",
        ),
        (
            r#"min_ttl = "24h1s""#,
            "3:11: min_ttl 24h1s is over this actor's ttl, 24h",
        ),
        (
            r#"ttl = "0""#,
            "3:7: a duration of zero would give a certificate that is never valid",
        ),
        (
            r#"ttl = "forever""#,
            "3:7: `forever` is not a duration; it is written like 45s, 30m, 2h or 1h30m (a bare number is hours)",
        ),
        (
            r#"max_ttl = """#,
            "3:11: `` is not a duration; it is written like 45s, 30m, 2h or 1h30m (a bare number is hours)",
        ),
        (
            r#"min_ttl = "1d""#,
            "3:11: `1d` is not a duration; it is written like 45s, 30m, 2h or 1h30m (a bare number is hours)",
        ),
        (
            r#"ttl = "99999999999h""#,
            "3:7: `99999999999h` is more seconds than a duration can hold",
        ),
        (
            "ttl = 1",
            "3:7: invalid type: integer `1`, expected a string",
        ),
        (
            "expires = 2026-11-23T00:00:00Z",
            "3:11: expected a day, found a time",
        ),
        ("expires = 12:00:00", "3:11: expected a day, found a time"),
        (
            "reviewed = 2026-11-23 10:00:00",
            "3:12: expected a day, found a time",
        ),
        (
            "expires = 1969-12-31",
            "3:11: there is no such day after 1970",
        ),
        (
            "expires = 2026-02-30",
            "3:11: invalid date, expected day between 01 and 28",
        ),
        (
            r#"expires = "2026-11-23""#,
            "3:11: invalid type: string \"2026-11-23\", expected a TOML datetime",
        ),
    ];
    assert_each(&rows, "agt/agt-a.toml:", third_line);
}

#[test]
fn a_broken_rule_of_principals_and_type_is_named_at_its_place() {
    let rows = [
        ("principals = [\"a\"]\n", "1:1: `agt-a` has no `type`"),
        ("# nothing\n", "1:1: `agt-a` has no `type`"),
        ("", "1:1: `agt-a` has no `type`"),
        ("type = \"agt\"\n", "1:1: `agt-a` has no `principals`"),
        (
            "type = \"adm\"\nprincipals = [\"a\"]\n",
            "1:8: type `adm` disagrees with the name `agt-a`, which begins with `agt`",
        ),
        (
            "type = \"AGT\"\nprincipals = [\"a\"]\n",
            "1:8: type `AGT` disagrees with the name `agt-a`, which begins with `agt`",
        ),
        (
            "type = \"agt\"\nprincipals = []\n",
            "2:14: the list of principals is empty; an empty list would fit any account",
        ),
        (
            "type = \"agt\"\nprincipals = [\"a\", \"b\", \"a\"]\n",
            "2:25: principal `a` stands twice in the list",
        ),
        (
            "type = \"agt\"\nprincipals = [\"a\", \"\"]\n",
            "2:20: a principal is empty",
        ),
        (
            "type = \"agt\"\nprincipals = [\n  \"a\",\n  \"b c\",\n]\n",
            "4:3: principal `b c` holds ' '; allowed are letters, digits and . _ @ / + -",
        ),
        (
            "type = \"agt\"\nprincipals = [\"*\"]\n",
            "2:15: principal `*` holds '*'; allowed are letters, digits and . _ @ / + -",
        ),
        (
            "type = \"agt\"\nprincipals = [\"a,b\"]\n",
            "2:15: principal `a,b` holds ','; allowed are letters, digits and . _ @ / + -",
        ),
        (
            "type = \"agt\"\nprincipals = [\"-a\"]\n",
            "2:15: principal `-a` begins with `-`",
        ),
        (
            "type = \"agt\"\nprincipals = [\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\n",
            "2:15: principal `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is 65 bytes long; at most 64 are allowed",
        ),
        (
            "type = \"agt\"\nprincipals = \"a\"\n",
            "2:14: invalid type: string \"a\", expected a sequence",
        ),
        (
            "type = \"agt\"\nprincipals = [1]\n",
            "2:15: invalid type: integer `1`, expected a string",
        ),
    ];
    assert_each(&rows, "agt/agt-a.toml:", whole);
}

#[test]
fn more_principals_than_openssh_reads_are_refused() {
    let listed = |count: usize| {
        let list: Vec<_> = (0..count).map(|n| format!("\"p{n}\"")).collect();
        format!("type = \"agt\"\nprincipals = [{}]\n", list.join(", "))
    };
    assert_eq!(
        whole(&listed(257)),
        "agt/agt-a.toml:2:14: 257 principals; OpenSSH reads at most 256 in a certificate"
    );
    let inventory = crate::scene::Inventory::of([("agt/agt-a.toml", &*listed(256))]);
    let all = inventory.path().load().unwrap();
    assert_eq!(all.actors().next().unwrap().principals().len(), 256);
}

#[test]
fn a_broken_rule_of_options_and_keys_is_named_at_its_place() {
    const KEY: &str = "SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g";
    let twice = format!("public_keys = [\"{KEY}\", \"{KEY}\"]");
    let key_twice = format!("3:70: key {KEY} stands twice in the list");
    let long = format!("force_command = \"{}\"", "x".repeat(8193));
    let subject = format!("subjects = [\"{}\"]", "s".repeat(257));
    let networks: Vec<_> = (0..65).map(|n| format!("\"10.0.0.{n}\"")).collect();
    let networks = format!("source_address = [{}]", networks.join(", "));
    let rows = [
        (
            r#"extensions = ["permit-pty"]"#,
            "3:15: extension `permit-pty` is not among those of type `agt`",
        ),
        (
            r#"extensions = ["permit-everything"]"#,
            "3:15: `permit-everything` is not an extension OpenSSH knows",
        ),
        (
            r#"extensions = ["permit-x11-forwarding"]"#,
            "3:15: `permit-x11-forwarding` is not an extension OpenSSH knows",
        ),
        (
            r#"extensions = ["permit-port-forwarding", "permit-port-forwarding"]"#,
            "3:41: extension `permit-port-forwarding` stands twice in the list",
        ),
        (
            r#"force_command = """#,
            "3:17: the forced command is empty; leave the key out to force none",
        ),
        (
            r#"force_command = "a\nb""#,
            "3:17: the forced command holds '\\n', which cannot be carried to the host unchanged",
        ),
        (
            r#"force_command = "a\u0000""#,
            "3:17: the forced command holds '\\0', which cannot be carried to the host unchanged",
        ),
        (
            &long,
            "3:17: the forced command is 8193 bytes long; at most 8192 are allowed",
        ),
        (
            "source_address = []",
            "3:18: the list of source addresses is empty; leave the key out to allow any address",
        ),
        (
            r#"source_address = ["10.0.0.0/8", "10.1.2.3/8"]"#,
            "3:33: `10.1.2.3/8` has bits set beyond its prefix; the network is 10.0.0.0/8",
        ),
        (
            r#"source_address = ["host.example"]"#,
            "3:19: `host.example` is not an address or a network in CIDR form, such as 10.0.0.0/8",
        ),
        (
            r#"source_address = ["10.0.0.1", "10.0.0.1/32"]"#,
            "3:18: source address 10.0.0.1/32 stands twice in the list",
        ),
        (
            &networks,
            "3:18: 65 source addresses; at most 64 are allowed",
        ),
        (
            "verify_required = 1",
            "3:19: invalid type: integer `1`, expected a boolean",
        ),
        (
            "disabled = \"no\"",
            "3:12: invalid type: string \"no\", expected a boolean",
        ),
        (
            "public_keys = []",
            "3:15: the list of keys is empty; leave the key out to allow any",
        ),
        (
            r#"public_keys = ["MD5:00:11"]"#,
            "3:16: `MD5:00:11` is not a SHA-256 fingerprint",
        ),
        (&twice, &key_twice),
        (
            r#"subjects = ["iam:a", "iam:a"]"#,
            "3:22: subject `iam:a` stands twice in the list",
        ),
        (
            r#"subjects = [""]"#,
            "3:13: a subject is 1 to 256 printable characters without a blank",
        ),
        (
            r#"subjects = ["a b"]"#,
            "3:13: a subject is 1 to 256 printable characters without a blank",
        ),
        (
            &subject,
            "3:13: a subject is 1 to 256 printable characters without a blank",
        ),
        (
            r#"description = "a\u001b[31m""#,
            "3:15: the text holds the control character '\\u{1b}'",
        ),
        (
            r#"owner = "a\tb""#,
            "3:9: the text holds the control character '\\t'",
        ),
    ];
    assert_each(&rows, "agt/agt-a.toml:", third_line);
}

#[test]
fn broken_syntax_is_named_at_its_place() {
    let rows = [
        (
            "principal = [\"a\"]",
            "3:1: unknown field `principal`, expected one of ...",
        ),
        (
            "ceiling = 1",
            "3:1: unknown field `ceiling`, expected one of ...",
        ),
        (
            "[section]\na = 1",
            "3:2: unknown field `section`, expected one of ...",
        ),
        ("type = \"agt\"", "3:1: duplicate key"),
        ("ttl = \"1h\"\nttl = \"2h\"", "4:1: duplicate key"),
        ("ttl \"1h\"", "3:5: key with no value, expected `=`"),
        ("ttl = \"1h", "3:10: invalid basic string, expected `\"`"),
        (
            "é = 1",
            "3:1: invalid unquoted key, expected letters, numbers, `-`, `_`",
        ),
        ("<<<<<<< HEAD", "3:1: a merge conflict was left in the file"),
        ("=======", "3:1: a merge conflict was left in the file"),
        (
            ">>>>>>> other",
            "3:1: a merge conflict was left in the file",
        ),
        ("||||||| base", "3:1: a merge conflict was left in the file"),
    ];
    assert_each(&rows, "agt/agt-a.toml:", third_line);
    assert_eq!(
        whole("\u{feff}type = \"agt\"\n"),
        "agt/agt-a.toml: the file begins with a byte order mark"
    );
}
