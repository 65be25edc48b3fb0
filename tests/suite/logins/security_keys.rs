//! Certificates for security keys: touch and verification.

use super::site::{Site, VISITOR};
use std::path::PathBuf;
use warden_tests::keygen::{list, read_line};
use warden_tests::process::Outcome;
use warden_tests::sk_agent::{SkAgent, SkKind, USER_PRESENT, USER_VERIFIED};
use warden_tests::ssh::Login;

fn certify(site: &Site, agent: &SkAgent, kind: SkKind) -> PathBuf {
    let public = site.desk.sandbox().join("sk.pub");
    agent.write_public(kind, &public);
    let certificate = site.desk.sign(VISITOR, &public);
    agent.withdraw_certificates();
    agent.offer_certificate(&read_line(&certificate));
    certificate
}

fn login(site: &Site, agent: &SkAgent, certificate: &std::path::Path) -> Login {
    Login::new(site.account.name(), site.sshd.port())
        .agent(&agent.socket())
        .identity(certificate)
}

#[test]
fn both_security_key_types_log_in_when_somebody_touches_them() {
    let Some(site) = Site::open() else { return };
    let agent = SkAgent::start();
    for kind in SkKind::ALL {
        let certificate = certify(&site, &agent, kind);
        agent.set_flags(USER_PRESENT);
        let mark = site.sshd.mark();
        login(&site, &agent, &certificate).run().check();
        let log = site.sshd.wait_for_log(mark, "Accepted publickey");
        assert!(log.contains("-SK-CERT "), "{kind:?}: {log}");

        agent.set_flags(0);
        let reason = "user presence (authenticator touch) requirement not met";
        site.expect_refused(&login(&site, &agent, &certificate), reason);
    }
}

#[test]
fn verify_required_asks_for_the_pin_and_not_only_for_a_touch() {
    let Some(site) = Site::open() else { return };
    let agent = SkAgent::start();
    site.set_visitor("verify_required = true");
    for kind in SkKind::ALL {
        let certificate = certify(&site, &agent, kind);
        assert!(list(&certificate).contains("verify-required\n"));
        agent.set_flags(USER_PRESENT);
        let reason = "user verification requirement not met";
        site.expect_refused(&login(&site, &agent, &certificate), reason);
        agent.set_flags(USER_PRESENT | USER_VERIFIED);
        login(&site, &agent, &certificate).run().check();
    }
}

#[test]
fn no_touch_required_needs_the_hosts_consent_too() {
    let Some(site) = Site::open() else { return };
    let agent = SkAgent::start();
    agent.set_flags(0);
    let untouched = |extensions: &str| -> Outcome {
        site.set_visitor(&format!("extensions = [{extensions}]"));
        let certificate = certify(&site, &agent, SkKind::Ed25519);
        login(&site, &agent, &certificate).run()
    };
    assert_eq!(untouched("\"no-touch-required\"").code, Some(255));
    let account = site.account.name();
    site.sshd
        .set_principals(account, &["no-touch-required deploy"]);
    untouched("\"no-touch-required\"").check();
    assert_eq!(untouched("").code, Some(255));
}
