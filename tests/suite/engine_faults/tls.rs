//! Servers that cannot prove who they are.

use crate::remote::{Remote, SIGN_LINE};
use std::net::TcpListener;
use warden_tests::process::Outcome;
use warden_tests::stand_in::{Pki, Server, StandIn};

const TRUSTING: &str = "token_file = \"token\"\nca_cert = \"tls-ca.pem\"";

fn remote(server: &Server, trusted: &str) -> Remote {
    let remote = Remote::at(StandIn::start_tls(server));
    remote.setup.sandbox.write("q/tls-ca.pem", trusted, 0o644);
    remote.configure(TRUSTING);
    remote
}

/// Refused before the first byte of a request.
#[track_caller]
fn refused(remote: &Remote) -> Outcome {
    let outcome = remote.fails(4, "backend_tls");
    assert!(outcome.stderr.contains("vault.ca_cert"), "{outcome}");
    assert_eq!(remote.bao.take_lines(), Vec::<String>::new());
    outcome
}

#[test]
fn a_ca_of_ones_own_is_trusted_where_it_is_named() {
    let pki = Pki::new();
    let remote = remote(&pki.server("127.0.0.1"), &pki.pem());
    remote.signs();
    assert_eq!(remote.bao.take_lines(), [SIGN_LINE]);
    // Among others as well.
    let bundle = Pki::new().pem() + &pki.pem();
    remote.setup.sandbox.write("q/tls-ca.pem", bundle, 0o644);
    remote.signs();
}

#[test]
fn a_server_of_an_unknown_ca_is_refused() {
    let pki = Pki::new();
    refused(&remote(&pki.server("127.0.0.1"), &Pki::new().pem()));
}

#[test]
fn the_systems_cas_do_not_know_a_ca_of_ones_own() {
    let pki = Pki::new();
    let remote = remote(&pki.server("127.0.0.1"), &pki.pem());
    remote.configure("token_file = \"token\"");
    if std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        refused(&remote);
    } else {
        remote.fails(2, "ca_cert_unusable");
    }
}

#[test]
fn a_server_that_vouches_for_itself_is_refused() {
    let server = Server::self_signed("127.0.0.1");
    refused(&remote(&server, &Pki::new().pem()));
}

#[test]
fn a_server_with_another_name_is_refused() {
    let pki = Pki::new();
    for name in ["127.0.0.2", "bao.example", "localhost", "*.example"] {
        refused(&remote(&pki.server(name), &pki.pem()));
    }
}

#[test]
fn a_server_whose_certificate_has_expired_is_refused() {
    let pki = Pki::new();
    refused(&remote(&pki.expired_server("127.0.0.1"), &pki.pem()));
}

#[test]
fn a_server_that_speaks_no_tls_is_refused() {
    let pki = Pki::new();
    let remote = remote(&pki.server("127.0.0.1"), &pki.pem());
    let plain = StandIn::start();
    remote.configure_at(&format!("https://{}", plain.socket()), TRUSTING);
    refused(&remote);
    assert!(plain.take_requests().is_empty());
}

#[test]
fn a_server_that_knows_only_tls_1_1_is_refused() {
    let pki = Pki::new();
    let remote = remote(&pki.server("127.0.0.1"), &pki.pem());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let old = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 4096];
        let length = stream.read(&mut hello).unwrap();
        // A ServerHello that chooses TLS 1.1 and TLS_RSA_WITH_AES_128_CBC_SHA.
        let mut chosen = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        chosen.extend([9; 32]);
        chosen.extend([0, 0, 47, 0]);
        stream.write_all(&chosen).unwrap();
        drop(stream.read(&mut hello));
        length
    });
    remote.configure_at(&format!("https://{address}"), TRUSTING);
    refused(&remote);
    assert!(old.join().unwrap() > 0);
}

#[test]
fn a_client_certificate_is_shown_where_one_is_configured() {
    let (pki, clients) = (Pki::new(), Pki::new());
    let server = pki.server("127.0.0.1").wanting_clients_of(&clients);
    let remote = remote(&server, &pki.pem());
    let refused = || {
        let outcome = remote.fails(4, "client_cert_refused");
        assert!(outcome.stderr.contains("`vault.client_cert`"), "{outcome}");
        assert!(remote.bao.take_requests().is_empty());
    };
    refused();

    remote.configure(&format!("{TRUSTING}\nclient_cert = \"client.pem\""));
    remote
        .setup
        .sandbox
        .write("q/client.pem", clients.client().pem, 0o600);
    remote.signs();
    remote
        .setup
        .sandbox
        .write("q/client.pem", Pki::new().client().pem, 0o600);
    drop(remote.bao.take_requests());
    refused();
}

#[test]
fn files_for_tls_that_cannot_be_used_are_named() {
    let (pki, clients) = (Pki::new(), Pki::new());
    let remote = remote(&pki.server("127.0.0.1"), &pki.pem());
    let client = clients.client().pem;
    remote.configure(&format!("{TRUSTING}\nclient_cert = \"client.pem\""));
    let write = |content: &str, mode| remote.setup.sandbox.write("q/client.pem", content, mode);
    let named = |file: &str, reason: &str, key: &str| {
        let outcome = remote.fails(2, reason);
        assert!(outcome.stderr.contains(file), "{outcome}");
        let hint = outcome.stderr.lines().find(|line| line.contains("hint: "));
        assert!(hint.unwrap().contains(key), "{outcome}");
        // Neither half of it, whatever is wrong with it.
        for line in client.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!outcome.stderr.contains(line), "{outcome}");
        }
    };
    named("client.pem", "client_cert_unusable", "`vault.client_cert`");
    write(&client, 0o644);
    named("client.pem", "client_cert_unusable", "`vault.client_cert`");
    write("nothing of the sort", 0o600);
    named("client.pem", "client_cert_unusable", "`vault.client_cert`");
    write(client.split("-----BEGIN PRIVATE").next().unwrap(), 0o600);
    named("client.pem", "client_cert_unusable", "`vault.client_cert`");
    // A key that is not the certificate's.
    let other = Pki::new().client().pem;
    let (certificate, _) = client.split_once("-----BEGIN PRIVATE").unwrap();
    let (_, key) = other.split_once("-----BEGIN PRIVATE").unwrap();
    write(&format!("{certificate}-----BEGIN PRIVATE{key}"), 0o600);
    named("client.pem", "client_cert_unusable", "`vault.client_cert`");
    write(&client, 0o600);
    remote.signs();
    for content in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        remote.setup.sandbox.write("q/tls-ca.pem", content, 0o644);
        named("tls-ca.pem", "ca_cert_unusable", "`vault.ca_cert`");
    }
    std::fs::remove_file(remote.setup.join("tls-ca.pem")).unwrap();
    named("tls-ca.pem", "ca_cert_unusable", "`vault.ca_cert`");
}
