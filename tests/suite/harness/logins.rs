//! Real logins, with certificates of every kind a suite asks for.

use super::scene::Scene;
use warden_tests::account::privileged;
use warden_tests::keygen::{Key, KeyType, Signing, fingerprint, list, ssh_keygen};
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::Sshd;

#[test]
fn a_certificate_with_the_right_principal_logs_in() {
    let Some(scene) = Scene::set() else { return };
    let certificate = scene.signing().serial(7).write(&scene.certificate());

    let mark = scene.sshd.mark();
    let outcome = scene.log_in().expect_success();
    assert_eq!(outcome.stdout.trim_end(), scene.account.name());

    let log = scene.sshd.wait_for_log(mark, "Accepted certificate ID");
    let id = "Accepted certificate ID \"somebody\" (serial 7) signed by ED25519 CA ";
    let ca = fingerprint(&scene.ca.public_path());
    assert!(log.contains(&format!("{id}{ca}")), "{log}");
    assert!(list(&certificate).contains("Key ID: \"somebody\""));
}

#[test]
fn the_bare_key_behind_a_certificate_is_refused() {
    let Some(scene) = Scene::set() else { return };
    let refused = scene.login().identity(scene.user.path()).run();
    assert_eq!(refused.code, Some(255), "{refused}");
}

#[test]
fn a_wrong_principal_is_refused_until_the_server_lists_it() {
    let Some(scene) = Scene::set() else { return };
    Signing::new(&scene.ca, &scene.user.public_line(), "somebody")
        .principal("backup")
        .write(&scene.certificate());
    scene.expect_refusal("Certificate does not contain an authorized principal");

    let account = scene.account.name();
    scene.sshd.set_principals(account, &["deploy", "backup"]);
    scene.log_in().check();
}

#[test]
fn a_foreign_authority_is_refused_until_the_server_trusts_it() {
    // By default the log only names the authority of a certificate it refuses.
    let Some(scene) = Scene::set_with(|sshd| sshd.line("LogLevel DEBUG2")) else {
        return;
    };
    let foreign = Key::make(scene.sandbox.path(), "foreign", KeyType::Ecdsa(256));
    Signing::new(&foreign, &scene.user.public_line(), "somebody")
        .principal("deploy")
        .write(&scene.certificate());
    let ca = fingerprint(&foreign.public_path());
    scene.expect_refusal(&format!("CA ECDSA {ca} is not listed in"));

    let cas = [scene.ca.public_line(), foreign.public_line()];
    scene.sshd.set_trusted(&[&cas[0], &cas[1]]);
    scene.log_in().check();
}

#[test]
fn certificates_out_of_their_time_are_refused() {
    let Some(scene) = Scene::set() else { return };
    let expired = scene.signing().validity("-2h:-1h");
    expired.write(&scene.certificate());
    scene.expect_refusal("Certificate invalid: expired");

    let early = scene.signing().validity("+1h:+2h");
    early.write(&scene.certificate());
    scene.expect_refusal("Certificate invalid: not yet valid");
}

#[test]
fn a_revoked_serial_is_refused() {
    let Some(scene) = Scene::set_with(|sshd| sshd.revoked("")) else {
        return;
    };
    scene.signing().serial(7).write(&scene.certificate());
    scene.log_in().check();

    let orders = scene.sandbox.write("orders", "serial: 7\n", 0o600);
    let list = scene.sandbox.join("krl");
    let ca = scene.ca.public_path();
    let words = ["-k".as_ref(), "-f".as_ref(), list.as_os_str()];
    let more = ["-s".as_ref(), ca.as_os_str(), orders.as_os_str()];
    ssh_keygen(words.into_iter().chain(more)).check();
    scene.sshd.set_revoked(&std::fs::read(&list).unwrap());
    scene.expect_refusal("revoked by file");
}

#[test]
fn every_ssh_keygen_key_type_logs_in() {
    let Some(mut scene) = Scene::set() else {
        return;
    };
    for (index, key_type) in KeyType::ALL.into_iter().enumerate() {
        scene.user = Key::make(scene.sandbox.path(), &format!("user-{index}"), key_type);
        scene.signing().write(&scene.certificate());
        let mark = scene.sshd.mark();
        scene.log_in().check();
        let log = scene.sshd.wait_for_log(mark, "Accepted publickey");
        assert!(log.contains("-CERT "), "{key_type:?}: {log}");
    }
}

#[test]
fn an_authority_of_every_ssh_keygen_key_type_is_trusted() {
    let Some(mut scene) = Scene::set() else {
        return;
    };
    for (index, key_type) in KeyType::ALL.into_iter().enumerate() {
        scene.ca = Key::make(scene.sandbox.path(), &format!("ca-{index}"), key_type);
        scene.sshd.set_trusted(&[&scene.ca.public_line()]);
        scene.signing().write(&scene.certificate());
        scene.log_in().check();
    }
}

#[test]
fn several_servers_run_at_once_with_a_log_each() {
    let Some(scene) = Scene::set() else { return };
    let other = Sshd::builder().trust(&scene.ca.public_line()).start();
    scene.signing().write(&scene.certificate());
    scene.log_in().check();
    scene.sshd.wait_for_log(0, "Accepted certificate ID");
    assert!(!other.log().contains("somebody"), "{}", other.log());
    assert_ne!(scene.sshd.port(), other.port());
}

#[test]
fn a_host_certificate_proves_the_server() {
    if !skipped::require("logging in to a real sshd", privileged()) {
        return;
    }
    let sandbox = Sandbox::new();
    let ca = Key::make(sandbox.path(), "ca", KeyType::Ed25519);
    let host = Key::make(sandbox.path(), "host", KeyType::Ed25519);
    let certificate = Signing::new(&ca, &host.public_line(), "host")
        .principal("127.0.0.1")
        .host()
        .write(&sandbox.join("host-cert.pub"));
    let sshd = Sshd::builder()
        .host_certificate(&host, &certificate)
        .start();
    let known = format!("@cert-authority * {}\n", ca.public_line());
    let known = sandbox.write("known_hosts", known, 0o600);
    let strict = |known: &str| {
        Login::new("nobody", sshd.port())
            .args(["-o", &format!("UserKnownHostsFile={known}")])
            .args(["-o", "StrictHostKeyChecking=yes"])
            .run()
    };
    // Nobody gets in, but past the host key the refusal is the server's.
    let trusted = strict(&known.display().to_string());
    assert!(trusted.stderr.contains("Permission denied"), "{trusted}");
    let unknown = strict("/dev/null");
    assert!(
        unknown.stderr.contains("Host key verification failed"),
        "{unknown}"
    );
}

#[test]
fn everything_a_scene_set_up_is_gone_afterwards() {
    let Some(scene) = Scene::set() else { return };
    let (home, directory) = (scene.account.home(), scene.sshd.directory().to_owned());
    let port = scene.sshd.port();
    assert!(home.is_dir() && directory.is_dir());
    drop(scene);
    assert!(!home.exists() && !directory.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
