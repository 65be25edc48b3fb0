//! A server with a certificate of `warden sign-host`, before a client that trusts the CA for hosts.

use std::path::PathBuf;
use warden_tests::account::privileged;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::Sshd;

/// A desk with a CA for hosts and the host `hub-1`, a server with a certificate for it, and what a
/// client trusts.
struct Site {
    desk: Desk,
    sshd: Sshd,
    known_hosts: PathBuf,
}

impl Site {
    fn open(key_type: KeyType, ttl: &[&str]) -> Option<Self> {
        if !skipped::require("a host certificate before a real ssh", privileged()) {
            return None;
        }
        let desk = Desk::new();
        desk.set_config("host_ca_key = \"ca/host_key\"\n");
        let host = "names = [\"hub-1.example.org\"]\naddresses = [\"192.0.2.7\"]\n";
        desk.sandbox()
            .write("inventory/hosts/hub-1.toml", host, 0o644);
        let made = desk.warden(["ca", "init", "--host"]).expect_success();
        let key = Key::make(desk.sandbox().path(), "hostkey", key_type);
        let asked = desk.program().args(["sign-host", "hub-1", "--pubkey"]);
        let signed = asked
            .arg(key.public_path())
            .args(ttl)
            .run()
            .expect_success();
        let certificate = desk
            .sandbox()
            .write("hostkey-cert.pub", signed.stdout, 0o644);
        let known = format!(
            "@cert-authority hub-1.example.org,192.0.2.7,elsewhere {}",
            made.stdout
        );
        let known_hosts = desk.sandbox().write("known_hosts", known, 0o600);
        let sshd = Sshd::builder().host_certificate(&key, &certificate).start();
        Some(Self {
            desk,
            sshd,
            known_hosts,
        })
    }

    /// Connects as if to a host of this name. Nobody is let in; how it ends tells what the client
    /// thought of the host.
    fn connect_as(&self, name: &str, known_hosts: &str) -> Outcome {
        Login::new("nobody", self.sshd.port())
            .args(["-o", &format!("UserKnownHostsFile={known_hosts}")])
            .args([
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                &format!("HostKeyAlias={name}"),
            ])
            .run()
    }

    #[track_caller]
    fn trusts(&self, name: &str) {
        let outcome = self.connect_as(name, &self.known_hosts.display().to_string());
        assert!(outcome.stderr.contains("Permission denied"), "{outcome}");
    }

    #[track_caller]
    fn distrusts(&self, name: &str) -> Outcome {
        let outcome = self.connect_as(name, &self.known_hosts.display().to_string());
        assert!(
            outcome.stderr.contains("Host key verification failed"),
            "{outcome}"
        );
        outcome
    }
}

#[test]
fn a_client_believes_the_names_of_the_inventory_and_no_other() {
    for key_type in [KeyType::Ed25519, KeyType::Ecdsa(256)] {
        let Some(site) = Site::open(key_type, &[]) else {
            return;
        };
        site.trusts("hub-1.example.org");
        site.trusts("192.0.2.7");
        // Trusted for this name too is the CA, but the certificate does not have it.
        site.distrusts("elsewhere");
        let stranger = site.connect_as("hub-1.example.org", "/dev/null");
        assert!(
            stranger.stderr.contains("Host key verification failed"),
            "{stranger}"
        );
    }
}

#[test]
fn a_host_certificate_ends() {
    let Some(site) = Site::open(KeyType::Ed25519, &["--ttl", "3s"]) else {
        return;
    };
    site.trusts("hub-1.example.org");
    std::thread::sleep(std::time::Duration::from_secs(4));
    let ended = site.distrusts("hub-1.example.org");
    assert!(ended.stderr.contains("expired"), "{ended}");
}

#[test]
fn a_host_certificate_opens_no_account() {
    let Some(site) = Site::open(KeyType::Ed25519, &[]) else {
        return;
    };
    let sandbox = site.desk.sandbox();
    let server = Sshd::builder()
        .trust(&site.desk.ca_line())
        .trust(&site.desk.warden(["ca", "show", "--host"]).stdout)
        .principals("nobody", &["hub-1.example.org"])
        .start();
    let login = Login::new("nobody", server.port())
        .identity(&sandbox.join("hostkey"))
        .certificate(&sandbox.join("hostkey-cert.pub"));
    let outcome = login.run();
    assert_ne!(outcome.code, Some(0), "{outcome}");
}
