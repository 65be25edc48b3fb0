//! Tokens and logins: what is asked in which order, and where a secret may be kept.

use crate::remote::{Remote, SIGN, SIGN_LINE, TOKEN};
use serde_json::json;
use std::os::unix::fs::symlink;
use warden_tests::stand_in::{Answer, Token};

const LOGIN: &str = "POST /v1/auth/approle/login";
const LOOK_UP: &str = "GET /v1/auth/token/lookup-self";
const RENEW: &str = "POST /v1/auth/token/renew-self";
const REVOKE: &str = "POST /v1/auth/token/revoke-self";
const UNWRAP: &str = "POST /v1/sys/wrapping/unwrap";
const MADE: &str = "s.MadeByLogin0000000000";
const SECRET_ID: &str = "7f3c1e2a-planted-secret-id";

fn approle(file: &str, wrapped: bool) -> Remote {
    let remote = Remote::new();
    remote
        .setup
        .sandbox
        .write("q/secret-id", format!("{SECRET_ID}\n"), 0o600);
    remote.bao.engine(|engine| {
        engine.secret_ids.insert(SECRET_ID.to_owned());
        engine.tokens.clear();
    });
    remote.configure(&format!(
        "[vault.approle]\nrole_id = \"stand-in-role-id\"\nsecret_id_file = \"{file}\"\nwrapped = {wrapped}"
    ));
    remote
}

#[test]
fn an_approle_logs_in_signs_and_revokes_what_it_made() {
    let remote = approle("secret-id", false);
    remote.signs();
    let asked = remote.bao.take_requests();
    let lines: Vec<_> = asked.iter().map(|one| one.line()).collect();
    assert_eq!(lines, [LOGIN, SIGN_LINE, REVOKE]);
    assert_eq!(asked[0].header("x-vault-token"), None);
    assert_eq!(
        asked[0].json(),
        json!({"role_id": "stand-in-role-id", "secret_id": SECRET_ID})
    );
    assert_eq!(asked[1].header("x-vault-token"), Some(MADE));
    assert_eq!(asked[2].header("x-vault-token"), Some(MADE));
    assert!(remote.bao.engine(|engine| engine.tokens.is_empty()));
}

#[test]
fn a_token_of_a_login_is_revoked_when_signing_fails_too() {
    let remote = approle("secret-id", false);
    for (answer, code, reason) in [
        (Answer::errors(400, &["Unknown role"]), 3, "backend_refused"),
        (
            Answer::errors(403, &["permission denied"]),
            4,
            "backend_forbidden",
        ),
        (Answer::errors(500, &[]), 4, "backend_server_error"),
        (Answer::text(200, "{}"), 4, "backend_answer_not_understood"),
    ] {
        remote.bao.heal();
        remote.bao.always(SIGN, answer);
        remote.fails(code, reason);
        assert_eq!(
            remote.bao.take_lines(),
            [LOGIN, SIGN_LINE, REVOKE],
            "{reason}"
        );
        assert!(remote.bao.engine(|engine| engine.tokens.is_empty()));
    }
    remote.bao.heal();
    remote
        .bao
        .alter(|forgery| forgery.fields.principals.push(b"root".to_vec()));
    remote.fails(4, "principals_mismatch");
    assert_eq!(remote.bao.take_lines(), [LOGIN, SIGN_LINE, REVOKE]);
}

#[test]
fn a_token_that_cannot_be_revoked_costs_no_certificate() {
    let remote = approle("secret-id", false);
    remote
        .bao
        .always("auth/token/revoke-self", Answer::errors(500, &[]));
    remote.signs();
}

#[test]
fn a_login_that_is_refused_asks_for_no_signature() {
    let remote = approle("secret-id", false);
    remote.bao.engine(|engine| engine.secret_ids.clear());
    // It is not the actor that is denied.
    let outcome = remote.fails(4, "login_refused");
    assert!(
        outcome.stderr.contains("cannot log in to OpenBao"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("invalid role or secret ID"),
        "{outcome}"
    );
    assert_eq!(outcome.stdout, "");
    assert_eq!(remote.bao.take_lines(), [LOGIN]);
    for body in [
        "{}",
        "{\"auth\": null}",
        "{\"auth\": {\"client_token\": \"a b\"}}",
        "{\"auth\": {\"client_token\": \"\"}}",
        "<html>",
    ] {
        remote
            .bao
            .always("auth/approle/login", Answer::text(200, body));
        remote.fails(4, "backend_answer_not_understood");
        assert_eq!(remote.bao.take_lines(), [LOGIN]);
    }
}

#[test]
fn a_secret_id_comes_from_stdin_where_that_is_configured() {
    let remote = approle("-", false);
    remote.signs_as(remote.setup.signing().stdin(format!("{SECRET_ID}\n")));
    assert_eq!(remote.bao.take_lines(), [LOGIN, SIGN_LINE, REVOKE]);
    for nothing in ["", "two words", "x\ny"] {
        let outcome = remote.setup.signing().stdin(nothing).run();
        assert_eq!(outcome.code, Some(2), "{outcome}");
        assert!(outcome.stderr.contains("(secret_unusable)"), "{outcome}");
    }
    // A directory is no input.
    let signing = remote.setup.script("exec $SIGN </");
    let outcome = signing.run();
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(
        outcome.stderr.contains("(secret_not_readable)"),
        "{outcome}"
    );
    assert!(remote.bao.take_lines().is_empty());
}

#[test]
fn a_wrapped_secret_id_is_unwrapped_once() {
    let remote = approle("secret-id", true);
    let wrapping = "s.Wrapping0001";
    remote.setup.sandbox.write("q/secret-id", wrapping, 0o600);
    remote.bao.engine(|engine| {
        engine
            .wrapped
            .insert(wrapping.to_owned(), SECRET_ID.to_owned());
    });
    remote.signs();
    let asked = remote.bao.take_requests();
    let lines: Vec<_> = asked.iter().map(|one| one.line()).collect();
    assert_eq!(lines, [UNWRAP, LOGIN, SIGN_LINE, REVOKE]);
    assert_eq!(asked[0].header("x-vault-token"), Some(wrapping));
    assert_eq!(asked[1].header("x-vault-token"), None);
    assert_eq!(asked[1].json()["secret_id"], SECRET_ID);
    // Whoever used it before us got what was inside.
    let outcome = remote.fails(4, "login_refused");
    assert!(
        outcome.stderr.contains("wrapping token is not valid"),
        "{outcome}"
    );
    assert_eq!(remote.bao.take_lines(), [UNWRAP]);
}

#[test]
fn a_login_is_repeated_without_unwrapping_again() {
    let remote = approle("secret-id", true);
    let wrapping = "s.Wrapping0002";
    remote.setup.sandbox.write("q/secret-id", wrapping, 0o600);
    remote.bao.engine(|engine| {
        engine
            .wrapped
            .insert(wrapping.to_owned(), SECRET_ID.to_owned());
    });
    remote.bao.once(
        "auth/approle/login",
        Answer::errors(503, &["Vault is sealed"]),
    );
    remote.signs();
    assert_eq!(
        remote.bao.take_lines(),
        [UNWRAP, LOGIN, LOGIN, SIGN_LINE, REVOKE]
    );
}

#[test]
fn a_jwt_logs_in_from_a_file_that_its_platform_keeps() {
    let remote = Remote::new();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3YXJkZW4ifQ.c2ln";
    remote.bao.engine(|engine| {
        engine.tokens.clear();
        engine.jwts.insert(jwt.to_owned());
    });
    remote.setup.sandbox.write("q/projected", jwt, 0o644);
    symlink("projected", remote.setup.join("jwt")).unwrap();
    remote.configure("[vault.jwt]\nrole = \"warden\"\ntoken_file = \"jwt\"");
    remote.signs();
    let asked = remote.bao.take_requests();
    let lines: Vec<_> = asked.iter().map(|one| one.line()).collect();
    assert_eq!(lines, ["POST /v1/auth/jwt/login", SIGN_LINE, REVOKE]);
    assert_eq!(asked[0].json(), json!({"jwt": jwt, "role": "warden"}));
}

#[test]
fn a_file_with_a_secret_must_be_ones_own() {
    for (name, remote) in [
        ("token", Remote::new()),
        ("secret-id", approle("secret-id", false)),
    ] {
        let file = remote.setup.join(name);
        let kept = std::fs::read(&file).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660, 0o602] {
            remote.setup.sandbox.write(&file, &kept, mode);
            remote.fails(2, "file_exposed");
        }
        for (content, reason) in [
            ("", "secret_unusable"),
            ("a b", "secret_unusable"),
            ("a\nb", "secret_unusable"),
        ] {
            remote.setup.sandbox.write(&file, content, 0o600);
            let outcome = remote.setup.sign();
            assert_eq!(outcome.code, Some(2), "{outcome}");
            assert!(outcome.stderr.contains(reason), "{outcome}");
        }
        std::fs::remove_file(&file).unwrap();
        let outcome = remote.setup.sign();
        assert_eq!(outcome.code, Some(4), "{outcome}");
        assert!(outcome.stderr.contains("(token_missing)"), "{outcome}");
        remote.setup.sandbox.write("q/elsewhere", &kept, 0o600);
        symlink("elsewhere", &file).unwrap();
        remote.fails(2, "file_is_link");
        assert_eq!(remote.bao.connections(), 0);
        std::fs::remove_file(&file).unwrap();
        remote.setup.sandbox.write(&file, &kept, 0o400);
        remote.signs();
    }
}

#[test]
fn after_a_403_the_token_is_looked_up_and_the_request_repeated_once() {
    let remote = Remote::new();
    let denied = || Answer::errors(403, &["permission denied"]);
    remote.bao.once(SIGN, denied());
    remote.signs();
    assert_eq!(remote.bao.take_lines(), [SIGN_LINE, LOOK_UP, SIGN_LINE]);

    remote.bao.always(SIGN, denied());
    let outcome = remote.fails(4, "backend_forbidden");
    assert!(outcome.stderr.contains("warden backend check"), "{outcome}");
    assert_eq!(remote.bao.take_lines(), [SIGN_LINE, LOOK_UP, SIGN_LINE]);

    let renewable = Token {
        renewable: true,
        may_sign: true,
    };
    remote
        .bao
        .engine(|engine| engine.tokens.insert(TOKEN.to_owned(), renewable));
    remote.fails(4, "backend_forbidden");
    assert_eq!(
        remote.bao.take_lines(),
        [SIGN_LINE, LOOK_UP, RENEW, SIGN_LINE]
    );
    remote.bao.heal();
    remote.bao.once(SIGN, denied());
    remote.signs();
    let asked = remote.bao.take_requests();
    assert_eq!(asked[2].line(), RENEW);
    assert!(
        asked
            .iter()
            .all(|one| one.header("x-vault-token") == Some(TOKEN))
    );
}

#[test]
fn a_token_that_has_ended_is_told_from_one_that_may_not() {
    let remote = Remote::new();
    remote.bao.engine(|engine| engine.tokens.clear());
    let outcome = remote.fails(4, "token_not_valid");
    assert!(outcome.stderr.contains("get a new token"), "{outcome}");
    assert_eq!(remote.bao.take_lines(), [SIGN_LINE, LOOK_UP]);
}
