//! What is sent for a signature: exactly this, and nothing where there is nothing to ask.

use crate::remote::{Remote, SIGN_LINE, TOKEN};
use crate::setup::ACTOR;
use serde_json::json;
use warden_tests::stand_in::StandIn;

#[test]
fn a_given_token_costs_exactly_one_request_per_signature() {
    let remote = Remote::new();
    remote.signs();
    let asked = remote.bao.take_requests();
    let [request] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(request.line(), SIGN_LINE);
    assert_eq!(
        request.header_names(),
        [
            "accept",
            "content-length",
            "host",
            "user-agent",
            "x-vault-request",
            "x-vault-token"
        ]
    );
    assert_eq!(request.header("x-vault-token"), Some(TOKEN));
    assert_eq!(request.header("x-vault-request"), Some("true"));
    assert_eq!(
        request.header("host"),
        Some(remote.bao.socket().to_string().as_str())
    );
    assert!(
        request
            .header("user-agent")
            .is_some_and(|agent| agent.starts_with("warden/"))
    );
    let key = std::fs::read_to_string(remote.setup.key()).unwrap();
    let key = key.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut body = request.json();
    let ttl = body["ttl"].as_str().unwrap().to_owned();
    assert!(["3600s", "3599s"].contains(&ttl.as_str()), "{ttl}");
    body["ttl"] = json!("3600s");
    assert_eq!(
        body,
        json!({
            "cert_type": "user",
            "critical_options": {"force-command": "/usr/bin/true"},
            "extensions": {"permit-port-forwarding": "", "permit-pty": ""},
            "key_id": ACTOR,
            "public_key": key,
            "ttl": "3600s",
            "valid_principals": body["valid_principals"],
        })
    );
    let mut principals: Vec<_> = body["valid_principals"]
        .as_str()
        .unwrap()
        .split(',')
        .collect();
    principals.sort_unstable();
    assert_eq!(principals, ["hub-a", "hub-b"]);
    assert_eq!(remote.bao.connections(), 1);
}

#[test]
fn what_was_asked_for_is_what_is_sent() {
    let remote = Remote::new();
    let signing = remote
        .setup
        .signing()
        .args(["--ttl", "90s", "--principal", "hub-b"]);
    remote.signs_as(signing);
    let body = remote.bao.take_requests().pop().unwrap().json();
    assert_eq!(body["ttl"], "90s");
    assert_eq!(body["valid_principals"], "hub-b");
    let bare = "type = \"agt\"\nprincipals = [\"hub-a\"]\nttl = \"1h\"\nextensions = []\n";
    std::fs::write(remote.setup.actor_file(), bare).unwrap();
    remote.signs();
    let body = remote.bao.take_requests().pop().unwrap().json();
    assert_eq!(body["critical_options"], json!({}));
    assert_eq!(body["extensions"], json!({}));
}

#[test]
fn a_denied_request_is_not_sent() {
    let remote = Remote::new();
    for args in [
        &["--ttl", "999h"][..],
        &["--principal", "root"],
        &["--ttl", "25h"],
    ] {
        let outcome = remote.setup.signing().args(args).run();
        assert_eq!(outcome.code, Some(3), "{outcome}");
    }
    for bad in [&["--ttl", "x"][..], &["--principal", "a b"]] {
        let outcome = remote.setup.signing().args(bad).run();
        assert_eq!(outcome.code, Some(2), "{outcome}");
    }
    let other = remote.setup.warden([
        "sign",
        "agt-nobody",
        "--pubkey",
        remote.setup.key().to_str().unwrap(),
    ]);
    assert_eq!(other.code, Some(3), "{other}");
    let text = std::fs::read_to_string(remote.setup.actor_file()).unwrap();
    for line in ["disabled = true\n", "expires = 2020-01-01\n"] {
        std::fs::write(remote.setup.actor_file(), format!("{text}{line}")).unwrap();
        let outcome = remote.setup.sign();
        assert_eq!(outcome.code, Some(3), "{outcome}");
    }
    assert_eq!(remote.bao.connections(), 0);
}

#[test]
fn a_dry_run_sends_nothing() {
    let remote = Remote::new();
    remote.setup.signing().arg("--dry-run").run().check();
    // Nor does anything that only reads.
    for args in [
        &["inventory", "check"][..],
        &["audit", "verify"],
        &["backend", "roles"],
    ] {
        remote.setup.warden(args).check();
    }
    assert_eq!(remote.bao.connections(), 0);
}

#[test]
fn without_a_pinned_ca_nothing_is_asked() {
    let remote = Remote::new();
    let config = std::fs::read_to_string(remote.setup.config()).unwrap();
    let without: String = config
        .lines()
        .filter(|line| !line.starts_with("ca_fingerprint"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(remote.setup.config(), without).unwrap();
    let outcome = remote.fails(2, "ca_not_pinned");
    assert!(outcome.stderr.contains("warden ca pin"), "{outcome}");
    assert_eq!(remote.bao.connections(), 0);
    // The pin is offered without a token.
    std::fs::remove_file(remote.setup.join("token")).unwrap();
    let pin = remote.setup.warden(["ca", "pin"]).expect_success();
    let fingerprint = remote.bao.engine(|engine| engine.ca_fingerprint());
    assert_eq!(pin.stdout, format!("ca_fingerprint = \"{fingerprint}\"\n"));
    let asked = remote.bao.take_requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line(), "GET /v1/ssh/public_key");
    assert_eq!(asked[0].header("x-vault-token"), None);
}

#[test]
fn a_local_ca_never_touches_the_network() {
    let remote = Remote::new();
    let config = std::fs::read_to_string(remote.setup.config()).unwrap();
    let local = config.replace("backend = \"vault\"", "backend = \"local\"");
    std::fs::write(remote.setup.config(), local).unwrap();
    // Nor is the credential looked at.
    std::fs::remove_file(remote.setup.join("token")).unwrap();
    remote.setup.sign().check();
    assert_eq!(remote.setup.records().pop().unwrap()["backend"], "local");
    assert_eq!(remote.bao.connections(), 0);
}

#[test]
fn a_namespace_is_sent_only_where_it_is_configured() {
    let remote = Remote::new();
    remote.configure("token_file = \"token\"\nnamespace = \"teams/access\"");
    remote.signs();
    let asked = remote.bao.take_requests();
    assert_eq!(asked[0].header("x-vault-namespace"), Some("teams/access"));
    let pin = remote.setup.warden(["ca", "pin"]);
    pin.check();
    let asked = remote.bao.take_requests();
    assert_eq!(asked[0].header("x-vault-namespace"), Some("teams/access"));
}

#[test]
fn the_mount_and_the_role_come_from_the_configuration() {
    let remote = Remote::new();
    for (lines, path) in [
        ("mount = \"teams/ssh-a\"", "/v1/teams/ssh-a/sign/agt-role"),
        ("roles = \"per-actor\"", "/v1/ssh/sign/agt-demo-agent"),
        ("role_map = { agt = \"agents\" }", "/v1/ssh/sign/agents"),
        ("role_map = { adm = \"admins\" }", "/v1/ssh/sign/agt-role"),
    ] {
        remote.configure(&format!("token_file = \"token\"\n{lines}"));
        drop(remote.setup.sign());
        assert_eq!(remote.bao.take_lines()[0], format!("POST {path}"));
    }
}

#[test]
fn a_proxy_is_used_where_it_is_configured() {
    let remote = Remote::new();
    let proxy = StandIn::start();
    remote.configure_at(
        "http://127.0.0.9:8200",
        &format!("token_file = \"token\"\nproxy = \"{}\"", proxy.url()),
    );
    drop(remote.setup.sign());
    // A proxy gets the whole address.
    let asked = proxy.take_lines();
    assert_eq!(asked[0], "POST http://127.0.0.9:8200/v1/ssh/sign/agt-role");
    assert_eq!(remote.bao.connections(), 0);
}
