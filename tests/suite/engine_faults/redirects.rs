//! Redirects, which take a token along if they are followed.

use crate::remote::{Remote, SIGN};
use warden_tests::stand_in::{Answer, StandIn};

#[test]
fn no_redirect_is_followed_and_the_other_host_hears_nothing() {
    let remote = Remote::new();
    let other = StandIn::start();
    other.engine(|engine| engine.add_token(crate::remote::TOKEN));
    for status in [301, 302, 303, 307, 308] {
        for target in [
            format!("{}/v1/{SIGN}", other.url()),
            format!("//{}/v1/{SIGN}", other.socket()),
            format!("http://localhost:{}/v1/{SIGN}", other.socket().port()),
        ] {
            let answer = Answer::text(status, "").header("Location", &target);
            let outcome = remote.fails_for(answer, 4, "backend_redirect");
            assert!(outcome.stderr.contains(&target), "{outcome}");
            assert!(outcome.stderr.contains("vault.addr"), "{outcome}");
        }
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_redirect_on_the_same_host_is_not_followed_either() {
    let remote = Remote::new();
    for target in [
        Some("/v1/ssh/sign/adm-role"),
        Some("\u{9b}2J"),
        Some(""),
        None,
    ] {
        let answer = Answer::text(307, "");
        let answer = match target {
            Some(target) => answer.header("Location", target),
            None => answer,
        };
        remote.fails_for(answer, 4, "backend_redirect");
    }
    // 300 and 304 are no redirects, but no success either.
    for status in [300, 304] {
        remote.fails_for(Answer::text(status, ""), 4, "backend_redirect");
    }
}

#[test]
fn a_redirect_of_a_login_or_of_the_ca_key_is_not_followed() {
    let remote = Remote::new();
    let other = StandIn::start();
    let elsewhere = |path: &str| {
        Answer::text(307, "").header("Location", &format!("{}/v1/{path}", other.url()))
    };
    remote.setup.sandbox.write("q/secret-id", "sid-1234", 0o600);
    remote.configure("[vault.approle]\nrole_id = \"r\"\nsecret_id_file = \"secret-id\"");
    remote
        .bao
        .always("auth/approle/login", elsewhere("auth/approle/login"));
    remote.fails(4, "backend_redirect");
    remote
        .bao
        .always("ssh/public_key", elsewhere("ssh/public_key"));
    let pin = remote.setup.warden(["ca", "pin"]);
    crate::setup::refusal_of_text(&pin, 4, "backend_redirect");
    for path in ["sys/health", "ssh/public_key"] {
        remote.bao.always(path, elsewhere(path));
        let checked = remote.setup.warden(["backend", "check"]);
        assert_eq!(checked.code, Some(1), "{checked}");
        assert!(
            checked.stderr.contains("(backend_check_failed)"),
            "{checked}"
        );
        assert!(
            checked.stdout.contains("FAIL backend_redirect"),
            "{checked}"
        );
    }
    assert_eq!(other.connections(), 0);
}
