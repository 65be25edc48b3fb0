//! Who gets in: the right principal, at the right time, from the right CA.

use super::site::{Site, VISITOR};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use warden_core::certificate::{PublicKey, UnixTime};
use warden_core::clock::FixedClock;
use warden_core::inventory::{ActorName, InventoryPath};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;
use warden_core::sign::local::{CaKeyFile, LocalCa};
use warden_tests::account::Account;
use warden_tests::desk::Desk;
use warden_tests::keygen::{fingerprint, list};
use warden_tests::ssh::Login;

#[test]
fn the_right_principal_gets_in_and_sshd_logs_key_id_serial_and_ca() {
    let Some(site) = Site::open() else { return };
    let certificate = site.certify();
    let mark = site.sshd.mark();
    site.expect_admission(&certificate);
    let log = site.sshd.wait_for_log(mark, "Accepted publickey");

    let listed = list(&certificate);
    let serial = listed.split_once("Serial: ").unwrap().1;
    let serial = serial.lines().next().unwrap();
    let ca = fingerprint(&site.desk.ca_key().with_extension("pub"));
    let line = format!(
        "Accepted certificate ID \"{VISITOR}\" (serial {serial}) signed by ED25519 CA {ca} via"
    );
    assert!(log.contains(&line), "{line}\n{log}");
}

#[test]
fn a_wrong_principal_is_refused_and_sshd_says_why() {
    let Some(site) = Site::open() else { return };
    let reason = "Certificate does not contain an authorized principal";
    // The account's own name counts for nothing, nor does a name that only begins or ends alike.
    for principal in [
        "backup",
        site.account.name(),
        "deploy2",
        "Deploy",
        "x.deploy",
    ] {
        let lines = format!("principals = [\"{principal}\"]");
        site.desk.set_actor(VISITOR, &lines);
        site.expect_refusal(&site.certify(), reason);
    }
}

#[test]
fn a_narrowed_certificate_opens_only_the_account_it_names() {
    let mut account = None;
    let Some(site) = Site::open_with(|sshd| {
        let made = account.insert(Account::new());
        sshd.principals(made.name(), &["backup"])
    }) else {
        return;
    };
    let account = account.unwrap();
    let lines = "principals = [\"deploy\", \"backup\"]";
    site.desk.set_actor(VISITOR, lines);
    let both = site.certify();
    let public = site.user.public_path();
    let narrowed = site
        .desk
        .sign_with(VISITOR, &public, &["--principal", "deploy"]);
    let elsewhere = |certificate: &Path| {
        Login::new(account.name(), site.sshd.port())
            .identity(site.user.path())
            .certificate(certificate)
    };
    site.expect_admission(&both);
    elsewhere(&both).run().check();
    site.expect_admission(&narrowed);
    let reason = "Certificate does not contain an authorized principal";
    site.expect_refused(&elsewhere(&narrowed), reason);
}

#[test]
fn a_certificate_is_refused_from_the_second_it_expires() {
    let Some(site) = Site::open() else { return };
    let public = site.user.public_path();
    let brief = site.desk.sign_with(VISITOR, &public, &["--ttl", "1s"]);
    sleep(Duration::from_millis(1100));
    site.expect_refusal(&brief, "Certificate invalid: expired");
    // The same request with more time gets in, so time was all that was wrong.
    let longer = site.desk.sign_with(VISITOR, &public, &["--ttl", "1m"]);
    site.expect_admission(&longer);
}

#[test]
fn a_certificate_is_refused_before_it_is_valid_and_admitted_up_to_30_s_early() {
    let Some(site) = Site::open() else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // A CA whose clock is 25 s ahead is made up for by the backdating; one 10 minutes ahead is not.
    let ahead = signed_at(&site, UnixTime(now.as_secs() + 25));
    site.expect_admission(&ahead);
    let early = signed_at(&site, UnixTime(now.as_secs() + 600));
    site.expect_refusal(&early, "Certificate invalid: not yet valid");
}

/// What warden's library signs when its clock shows another time.
fn signed_at(site: &Site, now: UnixTime) -> PathBuf {
    let inventory = InventoryPath::new(site.desk.inventory());
    let backend = LocalCa::new(CaKeyFile {
        path: site.desk.ca_key(),
        passphrase_file: None,
    });
    let state = site.desk.sandbox().join(format!("state-{}", now.0));
    let journal = FileJournal::open(&state).unwrap();
    let issuer = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: &inventory,
        backend: &backend,
        journal: &journal,
        clock: &FixedClock(now),
    };
    let line = site.user.public_line();
    let key = PublicKey::from_openssh(line.as_bytes()).unwrap();
    let request = CertificateRequest::new(VISITOR.parse::<ActorName>().unwrap(), key);
    let issued = match issue(request, &issuer).unwrap() {
        Outcome::Issued(issued) => Some(issued),
        Outcome::Denied(..) => None,
    };
    let issued = issued.unwrap();
    let name = format!("certificates/at-{}-cert.pub", now.0);
    let line = issued.to_openssh();
    site.desk.sandbox().write(name, line.as_bytes(), 0o600)
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let Some(site) = Site::open_with(|sshd| sshd.line("LogLevel DEBUG2")) else {
        return;
    };
    let stranger = Desk::new();
    stranger.set_actor(VISITOR, "principals = [\"deploy\"]");
    let certificate = stranger.sign(VISITOR, &site.user.public_path());
    let ca = fingerprint(&stranger.ca_key().with_extension("pub"));
    let reason = format!("CA ED25519 {ca} is not listed in");
    site.expect_refusal(&certificate, &reason);

    let trusted = [site.desk.ca_line(), stranger.ca_line()];
    site.sshd.set_trusted(&[&trusted[0], &trusted[1]]);
    site.expect_admission(&certificate);
    site.expect_admission(&site.certify());
}
