//! Real logins with the software security keys.

use super::scene::Scene;
use warden_tests::keygen::{Signing, read_line};
use warden_tests::sk_agent::{SkAgent, SkKind, USER_PRESENT, USER_VERIFIED};

#[test]
fn both_security_key_types_log_in_through_the_software_agent() {
    let Some(scene) = Scene::set() else { return };
    for kind in SkKind::ALL {
        let agent = SkAgent::start();
        let line = agent.public_line(kind);
        let signing = Signing::new(&scene.ca, &line, "somebody").principal("deploy");
        let certificate = signing.write(&scene.certificate());

        // The agent holds the key, and the certificate is a file.
        let public = scene.sandbox.join("sk.pub");
        agent.write_public(kind, &public);
        let mark = scene.sshd.mark();
        scene
            .login()
            .agent(&agent.socket())
            .identity(&public)
            .certificate(&certificate)
            .run()
            .check();
        let log = scene.sshd.wait_for_log(mark, "Accepted publickey");
        assert!(log.contains("-SK-CERT "), "{kind:?}: {log}");

        // The agent holds both.
        agent.offer_certificate(&read_line(&certificate));
        scene
            .login()
            .agent(&agent.socket())
            .identity(&certificate)
            .run()
            .check();
        assert!(agent.signatures() >= 2);
    }
}

#[test]
fn a_security_key_that_nobody_touched_is_refused() {
    let Some(scene) = Scene::set() else { return };
    let agent = SkAgent::start();
    let line = agent.public_line(SkKind::Ed25519);
    let signing = Signing::new(&scene.ca, &line, "somebody").principal("deploy");
    let log_in = |signing: Signing| {
        agent.withdraw_certificates();
        let certificate = signing.write(&scene.certificate());
        agent.offer_certificate(&read_line(&certificate));
        let login = scene.login().agent(&agent.socket());
        login.identity(&certificate).run()
    };

    agent.set_flags(0);
    let mark = scene.sshd.mark();
    assert_eq!(log_in(signing.clone()).code, Some(255));
    let reason = "user presence (authenticator touch) requirement not met";
    scene.sshd.wait_for_log(mark, reason);
    // The certificate and the principals file must agree to do without.
    let untouched = signing.clone().option("no-touch-required");
    assert_eq!(log_in(untouched.clone()).code, Some(255));
    let account = scene.account.name();
    let lines = ["no-touch-required deploy"];
    scene.sshd.set_principals(account, &lines);
    log_in(untouched).check();

    agent.set_flags(USER_PRESENT);
    let mark = scene.sshd.mark();
    let verified = signing.option("verify-required");
    assert_eq!(log_in(verified.clone()).code, Some(255));
    let reason = "user verification requirement not met";
    scene.sshd.wait_for_log(mark, reason);
    agent.set_flags(USER_PRESENT | USER_VERIFIED);
    log_in(verified).check();
}
