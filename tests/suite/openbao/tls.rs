//! A server that speaks TLS: its CA, a login by client certificate, and the way through a proxy.

use super::credentials::tokens_of;
use super::office::{AGT, Office, is_here};
use serde_json::json;
use std::sync::Arc;
use warden_tests::bao::Bao;
use warden_tests::process::free_port;
use warden_tests::proxy::Proxy;
use warden_tests::sandbox::{Program, Sandbox};
use warden_tests::stand_in::Pki;

/// The name in the server's certificate, which no resolver knows.
const NAME: &str = "bao.invalid";

const PROXIES: [&str; 7] = [
    "VAULT_HTTP_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// An office whose server listens for TLS as well.
struct Secured {
    office: Office,
    port: u16,
    clients: Pki,
}

impl Secured {
    /// Nothing, said aloud, where there is no OpenBao.
    fn open(server_name: &str) -> Option<Self> {
        if !is_here() {
            return None;
        }
        let (port, pki, sandbox) = (free_port(), Pki::new(), Sandbox::new());
        let server = pki.server(server_name);
        let certificate = sandbox.write("server.pem", server.pem(), 0o600);
        let key = sandbox.write("server.key", server.key_pem(), 0o600);
        // It asks for a client certificate, and leaves it to the login what to make of it.
        let listener = format!(
            "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  tls_cert_file = \"{}\"\n  tls_key_file = \"{}\"\n}}\n",
            certificate.display(),
            key.display()
        );
        let config = sandbox.write("listener.hcl", listener, 0o600);
        let bao = Bao::start_with(&[&format!("-config={}", config.display())]);
        let office = Office::on(Arc::new(bao), "ed25519");
        office.sandbox.write("server-ca.pem", pki.pem(), 0o644);
        Some(Self {
            office,
            port,
            clients: Pki::new(),
        })
    }

    /// Over TLS to this host, with these lines besides.
    #[track_caller]
    fn configure(&self, host: &str, lines: &str) {
        let Office { mount, pin, .. } = &self.office;
        self.office.configure_whole(&format!(
            "addr = \"https://{host}\"\nmount = \"{mount}\"\nca_fingerprint = \"{pin}\"\nca_cert = \"server-ca.pem\"\n{lines}"
        ));
    }

    /// Over TLS, logging in with a client certificate under this name.
    #[track_caller]
    fn configure_login(&self, name: &str) {
        let host = format!("127.0.0.1:{}", self.port);
        let login = format!("client_cert = \"client.pem\"\n[vault.cert]\nname = \"{name}\"");
        self.configure(&host, &login);
    }

    #[track_caller]
    fn show(&self, pki: &Pki) {
        let pem = pki.client().pem;
        self.office.sandbox.write("client.pem", pem, 0o600);
    }

    /// Lets clients of this CA log in under a name, with a policy.
    #[track_caller]
    fn admit(&self, name: &str, pki: &Pki, policy: &str) {
        self.office.bao.write(
            &format!("auth/cert/certs/{name}"),
            json!({"certificate": pki.pem(), "token_policies": [policy], "token_ttl": "10m"}),
        );
    }

    /// Signing without any token in the environment.
    fn signing(&self) -> Program {
        self.office.signing(AGT).env("VAULT_TOKEN", "")
    }
}

#[test]
fn a_client_certificate_logs_in_and_its_token_is_revoked() {
    let Some(secured) = Secured::open("127.0.0.1") else {
        return;
    };
    let office = &secured.office;
    office.bao.enable_login("cert", "cert");
    secured.admit("signer", &secured.clients, &office.mount);
    // Another name for the same clients, which may do nothing.
    secured.admit("bystander", &secured.clients, "default");
    secured.show(&secured.clients);
    secured.configure_login("signer");
    let outcome = secured.signing().run().expect_success();
    assert_eq!(outcome.stderr, "");
    assert_eq!(office.record()["ca_fingerprint"], office.pin);
    assert_eq!(tokens_of(office, "cert"), 0, "a token is left");
    let checked = secured.office.program().env("VAULT_TOKEN", "");
    let checked = checked.args(["backend", "check"]).run();
    assert!(
        checked
            .stdout
            .contains("PASS may_sign: the token may sign at"),
        "{checked}"
    );
    assert_eq!(tokens_of(office, "cert"), 0, "a token is left");

    // The name is the one that is configured, not any that would do.
    secured.configure_login("bystander");
    office.refused_as(&|| secured.signing(), AGT, 4, "backend_forbidden");
    assert_eq!(tokens_of(office, "cert"), 0, "a token is left");
    secured.configure_login("nobody");
    office.refused_as(&|| secured.signing(), AGT, 4, "login_refused");

    // A certificate of somebody else's CA.
    secured.configure_login("signer");
    secured.show(&Pki::new());
    let said = office.refused_as(&|| secured.signing(), AGT, 4, "login_refused");
    assert!(said.contains("invalid certificate"), "{said}");
    secured.show(&secured.clients);
    secured.signing().run().check();
}

#[test]
fn the_named_ca_vouches_for_the_server_that_signs() {
    let Some(secured) = Secured::open("127.0.0.1") else {
        return;
    };
    let host = format!("127.0.0.1:{}", secured.port);
    secured.configure(&host, "");
    secured.office.sign(AGT);
    let other = Pki::new().pem();
    secured.office.sandbox.write("server-ca.pem", other, 0o644);
    secured.office.refused(AGT, 4, "backend_tls");
}

#[test]
fn every_request_goes_through_the_configured_proxy() {
    let Some(secured) = Secured::open(NAME) else {
        return;
    };
    let office = &secured.office;
    let mount = office.bao.name("approle");
    office.bao.enable_login(&mount, "approle");
    let role_id = office.bao.approle(&mount, "signer", &office.mount);
    let secret = office.bao.secret_id(&mount, "signer");
    office.sandbox.write("secret", secret, 0o600);
    let login = format!(
        "[vault.approle]\nmount = \"{mount}\"\nrole_id = \"{role_id}\"\nsecret_id_file = \"secret\""
    );

    // In a tunnel. Only the proxy knows the way to that name, so nothing went past it.
    let tunnel = Proxy::to(secured.port);
    let proxied = format!("proxy = \"{}\"\n{login}", tunnel.url());
    secured.configure(NAME, &proxied);
    secured.signing().run().check();
    assert_eq!(tokens_of(office, &mount), 0, "a token is left");
    assert_eq!(tunnel.take_lines(), [format!("CONNECT {NAME}:443")]);

    // Unencrypted, where each request is seen.
    let plain = Proxy::to(office.bao.port());
    let Office {
        mount: engine, pin, ..
    } = office;
    let lines = format!(
        "addr = \"http://{NAME}\"\ndangerous_plain_http = true\nmount = \"{engine}\"\nca_fingerprint = \"{pin}\"\n"
    );
    let proxied = format!("{lines}proxy = \"{}\"\n{login}", plain.url());
    office.configure_whole(&proxied);
    secured.signing().run().check();
    let asked = [
        format!("POST http://{NAME}/v1/auth/{mount}/login"),
        format!("POST http://{NAME}/v1/{engine}/sign/agt-role"),
        format!("POST http://{NAME}/v1/auth/token/revoke-self"),
    ];
    assert_eq!(plain.take_lines(), asked);

    // Without it there is no way.
    office.configure_whole(&format!("{lines}{login}"));
    office.refused_as(&|| secured.signing(), AGT, 4, "backend_dns");
    assert!(plain.take_lines().is_empty());
}

#[test]
fn no_request_goes_through_a_proxy_of_the_environment() {
    let Some(secured) = Secured::open("127.0.0.1") else {
        return;
    };
    let office = &secured.office;
    let proxy = Proxy::to(secured.port);
    let all = |program: Program, name: &&str| program.env(name, proxy.url());
    let signing = || PROXIES.iter().fold(office.signing(AGT), all);
    signing().run().check();
    secured.configure(&format!("127.0.0.1:{}", secured.port), "");
    signing().run().check();
    assert_eq!(proxy.take_lines(), Vec::<String>::new());
}
