//! How warden proves itself: tokens, their end and renewal, and logins.

use super::office::{AGT, Office};
use crate::setup::refusal_of_text;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use warden_tests::sandbox::{Program, warden_binary};

#[test]
fn a_token_comes_from_a_named_variable_or_a_private_file() {
    let Some(office) = Office::open() else { return };
    office.configure("token_env = \"THE_TOKEN\"");
    let named = office.signing(AGT).env("THE_TOKEN", &office.token);
    named.env("VAULT_TOKEN", "not-this-one").run().check();
    let said = office.refused(AGT, 4, "token_missing");
    assert!(said.contains("the variable THE_TOKEN is not set"), "{said}");

    office.configure("token_file = \"token\"");
    let line = format!("{}\n", office.token);
    office.sandbox.write("token", &line, 0o600);
    office.signing(AGT).env("VAULT_TOKEN", "no").run().check();
    office.sandbox.write("token", &line, 0o644);
    office.refused(AGT, 2, "file_exposed");
    office.sandbox.write("token", "two words", 0o600);
    office.refused(AGT, 2, "secret_unusable");
}

#[test]
fn a_token_that_has_ended_is_told_from_one_that_may_not() {
    let Some(office) = Office::open() else { return };
    let short = office.bao.token(&office.mount, json!({"ttl": "1s"}));
    let asked = || office.signing(AGT).env("VAULT_TOKEN", &short);
    asked().run().check();
    sleep(Duration::from_millis(1500));
    let said = office.refused_as(&asked, AGT, 4, "token_not_valid");
    assert!(said.contains("hint: get a new token"), "{said}");
    let revoked = office.bao.token(&office.mount, json!({}));
    office.bao.ask(
        Some(&revoked),
        "POST",
        "auth/token/revoke-self",
        &Value::Null,
    );
    let asked = || office.signing(AGT).env("VAULT_TOKEN", &revoked);
    office.refused_as(&asked, AGT, 4, "token_not_valid");
    let never = || {
        office
            .signing(AGT)
            .env("VAULT_TOKEN", "s.never-was-a-token")
    };
    office.refused_as(&never, AGT, 4, "token_not_valid");
}

#[test]
fn a_token_that_may_only_sign_signs_and_is_not_called_ended_where_it_may_not() {
    let Some(office) = Office::open() else { return };
    let fields = json!({"no_default_policy": true});
    let narrow = office.bao.token(&office.mount, fields);
    let asked = || office.signing(AGT).env("VAULT_TOKEN", &narrow);
    asked().run().check();
    office.bao.write_policy(
        &office.mount,
        "path \"secret/x\" { capabilities = [\"read\"] }",
    );
    let said = office.refused_as(&asked, AGT, 4, "backend_forbidden");
    let line = "the server answered 403: 1 error occurred: * permission denied (backend_forbidden)";
    assert!(said.contains(line), "{said}");
}

#[test]
fn a_refused_token_that_can_be_renewed_is_renewed_once() {
    let Some(office) = Office::open() else { return };
    let token = office.bao.token(&office.mount, json!({"period": "30s"}));
    let left = || {
        let state = office
            .bao
            .ask(Some(&token), "GET", "auth/token/lookup-self", &Value::Null);
        state.body["data"]["ttl"].as_u64().unwrap()
    };
    let asked = || office.signing(AGT).env("VAULT_TOKEN", &token);
    let deadline = Instant::now() + Duration::from_secs(10);
    while left() > 28 && Instant::now() < deadline {
        sleep(Duration::from_millis(100));
    }
    // A signature alone renews nothing.
    asked().run().check();
    assert!(left() <= 28, "{}", left());
    office.bao.write_policy(
        &office.mount,
        "path \"secret/x\" { capabilities = [\"read\"] }",
    );
    let refused = asked().run();
    assert!(refused.stderr.contains("(backend_forbidden)"), "{refused}");
    assert!(left() >= 29, "{}", left());
}

#[test]
fn a_check_renews_a_token_that_can_be_renewed() {
    let Some(office) = Office::open() else { return };
    let token = office.bao.token(&office.mount, json!({"period": "2h"}));
    let checked = office
        .program()
        .args(["backend", "check"])
        .env("VAULT_TOKEN", &token);
    let checked = checked.run().expect_success();
    assert!(
        checked.stdout.contains("s left, and was renewed"),
        "{checked}"
    );
    let short = office
        .bao
        .token(&office.mount, json!({"ttl": "60s", "renewable": false}));
    let checked = office
        .program()
        .args(["backend", "check"])
        .env("VAULT_TOKEN", &short);
    let checked = checked.run().expect_success();
    assert!(
        checked.stdout.contains("WARN token: the token ends in "),
        "{checked}"
    );
}

/// An AppRole on a mount of its own; its mount, role id and configuration.
fn approle(office: &Office, secret_id_file: &str, more: &str) -> String {
    let mount = office.bao.name("approle");
    office.bao.enable_login(&mount, "approle");
    let role_id = office.bao.approle(&mount, "warden", &office.mount);
    office.configure(&format!(
        "[vault.approle]\nmount = \"{mount}\"\nrole_id = \"{role_id}\"\nsecret_id_file = \"{secret_id_file}\"\n{more}"
    ));
    mount
}

/// Without a token in the environment.
fn signing(office: &Office) -> Program {
    office.signing(AGT).env("VAULT_TOKEN", "")
}

/// How many tokens live that a login on this mount made.
pub(super) fn tokens_of(office: &Office, mount: &str) -> usize {
    let made_there = |accessor: &String| {
        let body = json!({"accessor": accessor});
        let found = office.bao.ask(
            Some(office.bao.root()),
            "POST",
            "auth/token/lookup-accessor",
            &body,
        );
        found.body["data"]["path"] == format!("auth/{mount}/login")
    };
    office
        .bao
        .accessors()
        .iter()
        .filter(|one| made_there(one))
        .count()
}

#[test]
fn an_approle_logs_in_signs_and_leaves_no_token() {
    let Some(office) = Office::open() else { return };
    let mount = approle(&office, "secret-id", "");
    let secret_id = office.bao.secret_id(&mount, "warden");
    office
        .sandbox
        .write("secret-id", format!("{secret_id}\n"), 0o600);
    signing(&office).run().check();
    signing(&office).run().check();
    let checked = office
        .program()
        .args(["backend", "check"])
        .env("VAULT_TOKEN", "")
        .run();
    checked.check();
    assert!(
        checked.stdout.contains("may_sign: the token may sign at"),
        "{checked}"
    );
    assert_eq!(tokens_of(&office, &mount), 0, "a token is left");
    // Nor after a failure.
    office.change_role("agt-role", json!({"max_ttl": "5m", "ttl": "5m"}));
    office.refused_as(&|| signing(&office), AGT, 3, "backend_refused");
    office.bao.api(
        "DELETE",
        &format!("{}/roles/agt-role", office.mount),
        Value::Null,
    );
    office.refused_as(&|| signing(&office), AGT, 3, "backend_refused");
    assert_eq!(tokens_of(&office, &mount), 0, "a token is left");
    // The measure itself: a login that nobody ends is counted.
    let role_id = office.bao.api(
        "GET",
        &format!("auth/{mount}/role/warden/role-id"),
        Value::Null,
    );
    let body = json!({"role_id": role_id["data"]["role_id"], "secret_id": secret_id});
    office.bao.write(&format!("auth/{mount}/login"), body);
    assert_eq!(tokens_of(&office, &mount), 1);
}

#[test]
fn a_secret_id_is_read_from_stdin() {
    let Some(office) = Office::open() else { return };
    let mount = approle(&office, "-", "");
    let secret_id = office.bao.secret_id(&mount, "warden");
    signing(&office)
        .stdin(format!("{secret_id}\n"))
        .run()
        .check();
    signing(&office).stdin(secret_id.clone()).run().check();
    office.refused_as(&|| signing(&office), AGT, 2, "secret_unusable");
    let script = "exec \"$0\" --config warden.toml sign agt-bridge --pubkey user.pub < .";
    let directory = office.sandbox.program("sh").args(["-c", script]);
    let directory = directory.arg(warden_binary()).run();
    refusal_of_text(&directory, 2, "secret_not_readable");
    let wrong = || signing(&office).stdin("00000000-0000-0000-0000-000000000000");
    let said = office.refused_as(&wrong, AGT, 4, "login_refused");
    assert!(
        said.contains("cannot log in to OpenBao: the login was refused: invalid"),
        "{said}"
    );
}

#[test]
fn a_wrapped_secret_id_works_once() {
    let Some(office) = Office::open() else { return };
    let mount = approle(&office, "-", "wrapped = true");
    let wrapped = office.bao.wrapped_secret_id(&mount, "warden");
    signing(&office).stdin(wrapped.clone()).run().check();
    let again = || signing(&office).stdin(wrapped.clone());
    let said = office.refused_as(&again, AGT, 4, "login_refused");
    assert!(said.contains("wrapping token is not valid"), "{said}");
    // Nor does a secret id pass for a wrapped one, nor the other way round.
    let bare = office.bao.secret_id(&mount, "warden");
    assert_eq!(signing(&office).stdin(bare).run().code, Some(4));
    approle(&office, "-", "");
    let wrapped = office.bao.wrapped_secret_id(&mount, "warden");
    assert_eq!(signing(&office).stdin(wrapped).run().code, Some(4));
    assert_eq!(tokens_of(&office, &mount), 0, "a token is left");
}

#[test]
fn a_service_logs_in_with_its_jwt() {
    let Some(office) = Office::open() else { return };
    let mount = office.bao.name("jwt");
    office.bao.enable_login(&mount, "jwt");
    let issuer = Issuer::new();
    let keys = json!({"jwt_validation_pubkeys": [issuer.public_pem()]});
    office.bao.write(&format!("auth/{mount}/config"), keys);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["warden"],
        "token_policies": [office.mount], "token_ttl": "10m",
    });
    office
        .bao
        .write(&format!("auth/{mount}/role/service"), role);
    office.configure(&format!(
        "[vault.jwt]\nmount = \"{mount}\"\nrole = \"service\"\ntoken_file = \"jwt\""
    ));
    // The platform decides about its mode.
    office
        .sandbox
        .write("jwt", issuer.jwt("warden", 600), 0o644);
    signing(&office).run().check();
    assert_eq!(tokens_of(&office, &mount), 0, "a token is left");
    for (audience, ends_in) in [("somebody-else", 600), ("warden", -600)] {
        office
            .sandbox
            .write("jwt", issuer.jwt(audience, ends_in), 0o644);
        office.refused_as(&|| signing(&office), AGT, 4, "login_refused");
    }
}

/// Signs JWTs with a P-256 key.
struct Issuer(p256::ecdsa::SigningKey);

impl Issuer {
    fn new() -> Self {
        let mut scalar = [0; 32];
        let random = std::fs::File::open("/dev/urandom").unwrap();
        std::io::Read::read_exact(&mut &random, &mut scalar).unwrap();
        Self(p256::ecdsa::SigningKey::from_slice(&scalar).unwrap())
    }

    fn public_pem(&self) -> String {
        // SubjectPublicKeyInfo of a P-256 key (RFC 5480) is this and the uncompressed point.
        let mut der = vec![
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        der.extend(self.0.verifying_key().to_sec1_point(false).as_bytes());
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64(&der)
        )
    }

    fn jwt(&self, audience: &str, ends_in: i64) -> String {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        let header = json!({"alg": "ES256", "typ": "JWT"});
        let begins = now.min(now + ends_in) - 60;
        let claims = json!({"sub": "service", "aud": audience, "iat": begins, "nbf": begins, "exp": now + ends_in});
        let url = |bytes: &[u8]| {
            base64(bytes)
                .trim_end_matches('=')
                .replace('+', "-")
                .replace('/', "_")
        };
        let signed = format!(
            "{}.{}",
            url(header.to_string().as_bytes()),
            url(claims.to_string().as_bytes())
        );
        let signature: p256::ecdsa::Signature =
            p256::ecdsa::signature::Signer::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", url(&signature.to_bytes()))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            text.push(match at <= piece.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]),
                false => '=',
            });
        }
    }
    text
}
