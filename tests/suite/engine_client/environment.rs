//! The environment, which a client of Vault commonly obeys and this one does not.

use crate::remote::{Remote, SIGN_LINE, TOKEN};
use warden_tests::sandbox::Program;
use warden_tests::stand_in::{Pki, Server, StandIn};

const PROXIES: [&str; 7] = [
    "VAULT_HTTP_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

#[test]
fn no_variable_changes_where_a_request_goes() {
    let remote = Remote::new();
    let other = StandIn::start();
    let servers = [
        "VAULT_ADDR",
        "BAO_ADDR",
        "VAULT_AGENT_ADDR",
        "VAULT_PROXY_ADDR",
    ];
    for name in servers.into_iter().chain(PROXIES) {
        remote.signs_as(remote.setup.signing().env(name, other.url()));
        assert_eq!(remote.bao.take_lines(), [SIGN_LINE], "{name}");
        assert_eq!(other.connections(), 0, "{name}");
    }
    let all = |program: Program, name: &&str| program.env(name, other.url());
    remote.signs_as(PROXIES.iter().fold(remote.setup.signing(), all));
    assert_eq!(other.connections(), 0);
}

#[test]
fn no_variable_takes_a_request_off_the_configured_proxy() {
    let remote = Remote::new();
    let proxy = StandIn::start();
    let lines = format!("token_file = \"token\"\nproxy = \"{}\"", proxy.url());
    remote.configure(&lines);
    for (name, value) in [
        ("NO_PROXY", "*"),
        ("no_proxy", "127.0.0.1"),
        ("NO_PROXY", "127.0.0.0/8"),
    ] {
        drop(remote.setup.signing().env(name, value).run());
        assert!(!proxy.take_requests().is_empty(), "{name}={value}");
    }
    assert_eq!(remote.bao.connections(), 0);
}

#[test]
fn no_variable_changes_what_is_sent() {
    let remote = Remote::new();
    remote.signs();
    let plain = remote.bao.take_requests().pop().unwrap();
    let signing = remote
        .setup
        .signing()
        .env("VAULT_TOKEN", "s.OfTheEnvironment")
        .env("BAO_TOKEN", "s.OfTheEnvironment")
        .env("VAULT_NAMESPACE", "of-the-environment")
        .env("VAULT_WRAP_TTL", "60")
        .env("VAULT_MFA", "x")
        .env("VAULT_HEADERS", "{\"X-Extra\": \"1\"}");
    remote.signs_as(signing);
    let changed = remote.bao.take_requests().pop().unwrap();
    assert_eq!(changed.headers, plain.headers);
    assert_eq!(changed.header("x-vault-token"), Some(TOKEN));
}

#[test]
fn no_variable_turns_the_checks_of_tls_off() {
    let pki = Pki::new();
    let wrong: [(&str, Server); 3] = [
        ("self-signed", Server::self_signed("127.0.0.1")),
        ("another name", pki.server("bao.example")),
        ("expired", pki.expired_server("127.0.0.1")),
    ];
    for (what, server) in wrong {
        let remote = Remote::at(StandIn::start_tls(&server));
        let sandbox = &remote.setup.sandbox;
        sandbox.write("q/tls-ca.pem", pki.pem(), 0o644);
        remote.configure("token_file = \"token\"\nca_cert = \"tls-ca.pem\"");
        let bundle = sandbox.write("bundle.pem", pki.pem() + server.pem(), 0o644);
        for skip in ["", "1", "true", "0", "false"] {
            let signing = remote
                .setup
                .signing()
                .env("VAULT_SKIP_VERIFY", skip)
                .env("BAO_SKIP_VERIFY", skip)
                .env("VAULT_TLS_SERVER_NAME", "bao.example")
                .env("VAULT_CACERT", &bundle)
                .env("VAULT_CAPATH", sandbox.path())
                .env("SSL_CERT_FILE", &bundle)
                .env("SSL_CERT_DIR", sandbox.path())
                .env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
            remote.fails_as(signing, 4, "backend_tls");
        }
        assert!(remote.bao.take_requests().is_empty(), "{what}");
    }
}

#[test]
fn no_variable_adds_a_trusted_ca() {
    let pki = Pki::new();
    let remote = Remote::at(StandIn::start_tls(&pki.server("127.0.0.1")));
    let own = remote.setup.sandbox.write("own.pem", pki.pem(), 0o644);
    let with = |lines: &str| {
        remote.configure(lines);
        let signing = remote.setup.signing();
        signing.env("SSL_CERT_FILE", &own).env("VAULT_CACERT", &own)
    };
    remote
        .setup
        .sandbox
        .write("q/tls-ca.pem", Pki::new().pem(), 0o644);
    let signing = with("token_file = \"token\"\nca_cert = \"tls-ca.pem\"");
    remote.fails_as(signing, 4, "backend_tls");
    if std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        let signing = with("token_file = \"token\"");
        remote.fails_as(signing, 4, "backend_tls");
    }
}

#[test]
fn the_variable_with_the_token_is_the_one_that_is_named() {
    let remote = Remote::new();
    remote.configure("token_env = \"OUR_TOKEN\"");
    let signing = remote.setup.signing().env("VAULT_TOKEN", "s.Other");
    let outcome = remote.fails_as(signing, 4, "token_missing");
    assert!(outcome.stderr.contains("OUR_TOKEN"), "{outcome}");
    remote.signs_as(remote.setup.signing().env("OUR_TOKEN", TOKEN));
    for unsound in ["a b", "line\nX-Header: 1", "\u{e9}", " "] {
        let signing = remote.setup.signing().env("OUR_TOKEN", unsound);
        let outcome = signing.run();
        assert_eq!(outcome.code, Some(2), "{outcome}");
        assert!(outcome.stderr.contains("(secret_unusable)"), "{outcome}");
    }
    remote.configure("");
    remote.signs_as(remote.setup.signing().env("VAULT_TOKEN", TOKEN));
}
