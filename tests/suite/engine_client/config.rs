//! Configurations of `[vault]` that are refused, each with its place.

use crate::remote::Remote;

const PIN: &str = "ca_fingerprint = \"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"";

/// Each: what follows `[vault]`, the line and column named, a word of the message.
const MALFORMED: [(&str, &str, &str); 46] = [
    ("", "1:1", "addr"),
    ("addr = 7", "3:8", ""),
    ("addr = \"https://b\"\nadr = \"x\"", "4:1", "unknown field"),
    (
        "addr = \"https://b\"\ntoken = \"s.x\"",
        "4:1",
        "unknown field",
    ),
    (
        "addr = \"https://b\"\ninsecure = true",
        "4:1",
        "unknown field",
    ),
    ("addr = \"\"", "3:8", "is not an address"),
    ("addr = \"b\"", "3:8", "is not an address"),
    ("addr = \"b:8200\"", "3:8", "is not an address"),
    ("addr = \"https://\"", "3:8", "is not an address"),
    ("addr = \"https://user@b\"", "3:8", "is not an address"),
    ("addr = \"https://user:pw@b\"", "3:8", "is not an address"),
    ("addr = \"https://b?x=1\"", "3:8", "is not an address"),
    ("addr = \"https://b#x\"", "3:8", "is not an address"),
    ("addr = \"https://b/v1\"", "3:8", "is not an address"),
    ("addr = \"https://b/../x\"", "3:8", "is not an address"),
    ("addr = \"file:///etc/passwd\"", "3:8", "is not an address"),
    ("addr = \"ftp://b\"", "3:8", "is not an address"),
    ("addr = \"unix:///run/bao\"", "3:8", "is not an address"),
    ("addr = \"https://b:99999\"", "3:8", "is not an address"),
    ("addr = \" https://b\"", "3:8", "is not an address"),
    ("addr = \"http://b\"", "3:8", "plain http"),
    ("addr = \"http://10.0.0.1:8200\"", "3:8", "plain http"),
    ("addr = \"http://localhost.example\"", "3:8", "plain http"),
    ("addr = \"http://127.0.0.1.example\"", "3:8", "plain http"),
    (
        "addr = \"http://b\"\ndangerous_plain_http = false",
        "3:8",
        "plain http",
    ),
    (
        "addr = \"http://b\"\ndangerous_plain_http = \"yes\"",
        "4:24",
        "",
    ),
    (
        "addr = \"https://b\"\nmount = \"../sys\"",
        "4:9",
        "is not a path",
    ),
    ("addr = \"https://b\"\nmount = \"\"", "4:9", "is not a path"),
    (
        "addr = \"https://b\"\nmount = \"/ssh\"",
        "4:9",
        "is not a path",
    ),
    (
        "addr = \"https://b\"\nnamespace = \"a b\"",
        "4:13",
        "is not a path",
    ),
    (
        "addr = \"https://b\"\nrole_map = { agt = \"a/b\" }",
        "4:20",
        "is not the name of a role",
    ),
    (
        "addr = \"https://b\"\nrole_map = { agt = \"..\" }",
        "4:20",
        "is not the name of a role",
    ),
    (
        "addr = \"https://b\"\nrole_map = { age = \"a\" }",
        "4:14",
        "unknown field",
    ),
    (
        "addr = \"https://b\"\nroles = \"per-actor\"\nrole_map = { agt = \"a\" }",
        "4:9",
        "exclude each other",
    ),
    (
        "addr = \"https://b\"\nroles = \"per-host\"",
        "4:9",
        "neither per-type nor per-actor",
    ),
    (
        "addr = \"https://b\"\nkey_id = \"any\"",
        "4:10",
        "neither actor nor role",
    ),
    (
        "addr = \"https://b\"\nca_fingerprint = \"SHA256:short\"",
        "4:18",
        "not a SHA-256 fingerprint",
    ),
    (
        "addr = \"https://b\"\nca_fingerprint = \"MD5:00:11\"",
        "4:18",
        "not a SHA-256 fingerprint",
    ),
    (
        "addr = \"https://b\"\nclock_skew = \"301s\"",
        "4:14",
        "over the most allowed here, 300 s",
    ),
    (
        "addr = \"https://b\"\nclock_skew = \"6m\"",
        "4:14",
        "over the most allowed here, 300 s",
    ),
    (
        "addr = \"https://b\"\ntimeout = \"61s\"",
        "4:11",
        "over the most allowed here, 60 s",
    ),
    ("addr = \"https://b\"\ntimeout = \"0s\"", "4:11", ""),
    (
        "addr = \"https://b\"\ntoken_env = \"A\"\ntoken_file = \"b\"",
        "5:14",
        "more than one credential",
    ),
    (
        "addr = \"https://b\"\ntoken_env = \"A B\"",
        "4:13",
        "not the name of an environment variable",
    ),
    (
        "addr = \"https://b\"\ncert = { name = \"a\" }",
        "4:8",
        "needs `client_cert`",
    ),
    (
        "addr = \"https://b\"\nproxy = \"socks5://b\"",
        "4:9",
        "is not an address",
    ),
];

#[test]
fn a_malformed_vault_table_is_pointed_at() {
    let remote = Remote::new();
    for (lines, place, word) in MALFORMED {
        let place = if lines.is_empty() { "2:1" } else { place };
        let text = format!("backend = \"vault\"\n[vault]\n{lines}\n");
        std::fs::write(remote.setup.config(), &text).unwrap();
        let said = remote
            .setup
            .refused(&["inventory", "check"], 2, "config_malformed", 0);
        assert!(
            said.contains(&format!("warden.toml:{place}: ")),
            "{lines}\n{said}"
        );
        assert!(said.contains(word), "{lines}\n{said}");
        assert!(!said.contains(":pw@") || said.contains("user:pw"), "{said}");
    }
    assert_eq!(remote.bao.connections(), 0);
}

#[test]
fn two_credentials_are_one_too_many_whichever_they_are() {
    let remote = Remote::new();
    let ways = [
        "token_env = \"A\"",
        "token_file = \"a\"",
        "approle = { role_id = \"a\", secret_id_file = \"b\" }",
        "jwt = { role = \"a\", token_file = \"b\" }",
        "cert = { name = \"a\" }",
    ];
    for (at, one) in ways.iter().enumerate() {
        for other in &ways[at + 1..] {
            let text =
                format!("[vault]\naddr = \"https://b\"\nclient_cert = \"c\"\n{other}\n{one}\n");
            std::fs::write(remote.setup.config(), &text).unwrap();
            let said = remote
                .setup
                .refused(&["inventory", "check"], 2, "config_malformed", 0);
            assert!(said.contains("more than one credential"), "{text}{said}");
        }
    }
}

#[test]
fn a_backend_without_its_table_is_refused() {
    let remote = Remote::new();
    std::fs::write(remote.setup.config(), "backend = \"vault\"\n").unwrap();
    let said = remote
        .setup
        .refused(&["inventory", "check"], 2, "config_malformed", 0);
    assert!(
        said.contains("warden.toml:1:11: backend `vault` needs a [vault] table"),
        "{said}"
    );
    std::fs::write(remote.setup.config(), "backend = \"local\"\n").unwrap();
    for args in [
        &["ca", "pin"][..],
        &["backend", "check"],
        &["backend", "roles"],
    ] {
        let said = remote.setup.refused(args, 2, "vault_not_configured", 0);
        assert!(said.contains("hint: add [vault]"), "{said}");
    }
}

#[test]
fn addresses_of_this_machine_and_permitted_ones_may_be_plain_http() {
    let remote = Remote::new();
    for lines in [
        "addr = \"http://127.0.0.1:8200\"",
        "addr = \"http://127.9.9.9\"",
        "addr = \"http://[::1]:8200\"",
        "addr = \"http://localhost:8200/\"",
        "addr = \"http://b\"\ndangerous_plain_http = true",
        "addr = \"https://b.example:8200\"",
        "addr = \"https://10.0.0.1\"\nclock_skew = \"5m\"\ntimeout = \"60s\"",
        "addr = \"https://10.0.0.1\"\nclock_skew = \"0s\"",
    ] {
        let text = format!("backend = \"vault\"\n[vault]\n{lines}\n{PIN}\n");
        std::fs::write(remote.setup.config(), &text).unwrap();
        remote.setup.warden(["inventory", "check"]).check();
    }
}
