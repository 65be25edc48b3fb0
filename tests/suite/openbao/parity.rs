//! The model of a role beside the engine itself, and both signers live.

use super::office::{AGT, Office, json_of, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use warden_core::cutover::parity::{Aspect, Key as Kind, Request, Role, Signer, matrix};
use warden_tests::keygen::{Key, KeyType, fingerprint};
use warden_tests::process::Outcome;
use warden_tests::sk_agent::{SkAgent, SkKind};

/// The role of the type of [`AGT`].
const ROLE: &str = "agt-role";

/// Settings that decide, each over [`ROLE`].
fn roles() -> Vec<Value> {
    vec![
        json!({}),
        json!({"allowed_users": "*"}),
        json!({"allowed_users": "agt-bridge, agt-relay ,root"}),
        json!({"allowed_users": "agt-bridge,*"}),
        json!({"allowed_users": ""}),
        json!({"allowed_users": "", "allow_empty_principals": true}),
        json!({"allow_empty_principals": true}),
        json!({"default_user": "agt-relay"}),
        json!({"default_user": "root"}),
        json!({"default_user": "agt-relay,agt-bridge"}),
        json!({"allowed_extensions": ""}),
        json!({"allowed_extensions": "*"}),
        json!({"allowed_extensions": "permit-pty, permit-user-rc"}),
        json!({"default_extensions": {"permit-pty": "", "permit-user-rc": ""}}),
        json!({"allowed_critical_options": ""}),
        json!({"allowed_critical_options": "force-command,source-address"}),
        json!({"default_critical_options": {"force-command": "/bin/x"}}),
        json!({"allow_user_key_ids": false}),
        json!({"allow_user_key_ids": false, "key_id_format": "x"}),
        json!({"max_ttl": 0, "ttl": 0}),
        json!({"max_ttl": 0, "ttl": 60}),
        json!({"max_ttl": 61, "ttl": 60}),
        json!({"max_ttl": 61, "ttl": 0}),
        json!({"allow_user_certificates": false, "allow_host_certificates": true, "allowed_domains": "x"}),
        json!({"allow_host_certificates": true, "allowed_domains": "agt-bridge", "allow_bare_domains": true}),
        json!({"allow_host_certificates": true, "allowed_domains": "bridge", "allow_subdomains": true}),
        json!({"allow_host_certificates": true, "allowed_domains": "*"}),
        json!({"not_before_duration": 100}),
        json!({"allowed_user_key_lengths": {"rsa": [2048, 4096]}}),
        json!({"allowed_user_key_lengths": {"ed25519": 0}}),
        json!({"allowed_user_key_lengths": {"ec": [256]}}),
        json!({"allowed_user_key_lengths": {"ecdsa-sha2-nistp384": 0, "ssh-rsa": 3072}}),
        json!({"allowed_user_key_lengths": {"ecdsa": [521], "ssh-ed25519": 0}}),
    ]
}

fn keys(office: &Office) -> BTreeMap<&'static str, String> {
    let make = |kind: Kind, key_type| {
        let key = Key::make(office.sandbox.path(), kind.as_str(), key_type);
        (kind.as_str(), key.public_line())
    };
    let agent = SkAgent::start();
    let fido = |kind: Kind, sk| (kind.as_str(), agent.public_line(sk));
    BTreeMap::from([
        fido(Kind::SkEd25519, SkKind::Ed25519),
        fido(Kind::SkEcdsa, SkKind::EcdsaP256),
        make(Kind::Ed25519, KeyType::Ed25519),
        make(Kind::Ecdsa(256), KeyType::Ecdsa(256)),
        make(Kind::Ecdsa(384), KeyType::Ecdsa(384)),
        make(Kind::Ecdsa(521), KeyType::Ecdsa(521)),
        make(Kind::Rsa(1024), KeyType::Rsa(1024)),
        make(Kind::Rsa(2048), KeyType::Rsa(2048)),
        make(Kind::Rsa(3072), KeyType::Rsa(3072)),
        make(Kind::Rsa(4096), KeyType::Rsa(4096)),
    ])
}

/// The body of the request for the engine.
fn body(request: &Request, key: &str) -> Value {
    let mut body = json!({"public_key": key, "cert_type": request.cert_type.as_str()});
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    set("key_id", request.key_id.as_ref().map(|id| json!(id)));
    set(
        "valid_principals",
        request
            .principals
            .as_ref()
            .map(|names| json!(names.join(","))),
    );
    set(
        "ttl",
        request.ttl.map(|seconds| json!(format!("{seconds}s"))),
    );
    let extensions: BTreeMap<&String, &str> =
        request.extensions.iter().map(|name| (name, "")).collect();
    set("extensions", Some(json!(extensions)));
    set("critical_options", Some(json!(request.critical_options)));
    body
}

/// What the certificate says, in the words of the model.
fn said(office: &Office, line: &str) -> BTreeMap<Aspect, String> {
    let file = office.sandbox.write("answer-cert.pub", line, 0o600);
    let shown = json_of(
        &office
            .sandbox
            .warden_program()
            .args(["--json", "show"])
            .arg(file)
            .run()
            .expect_success(),
    );
    let list = |value: &Value| {
        let mut names: Vec<String> = value
            .as_array()
            .unwrap()
            .iter()
            .map(|one| match one {
                Value::String(name) => name.clone(),
                pair => match pair["value"].as_str() {
                    Some(value) => format!("{}={value}", text(&pair["name"])),
                    None => text(&pair["name"]),
                },
            })
            .collect();
        names.sort();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(",")
        }
    };
    BTreeMap::from([
        (Aspect::CertType, text(&shown["cert_type"])),
        (Aspect::Principals, list(&shown["principals"])),
        (Aspect::Extensions, list(&shown["extensions"])),
        (Aspect::CriticalOptions, list(&shown["critical_options"])),
    ])
}

#[test]
fn the_model_of_a_role_decides_and_fills_in_as_the_engine_does() {
    let Some(office) = Office::open() else { return };
    let keys = keys(&office);
    let (mut allowed, mut refused) = (0, 0);
    for changes in roles() {
        office.change_role(ROLE, changes.clone());
        let saved = office.bao.api(
            "GET",
            &format!("{}/roles/{ROLE}", office.mount),
            Value::Null,
        );
        let read = || {
            Signer::Role(Box::new(
                Role::from_json(saved.to_string().as_bytes()).unwrap(),
            ))
        };
        let role = read();
        for (aspect, request) in matrix(&role, &read()) {
            let key = &keys[request.key.as_str()];
            let path = format!("{}/sign/{ROLE}", office.mount);
            let answer =
                office
                    .bao
                    .ask(Some(office.bao.root()), "POST", &path, &body(&request, key));
            let model = role.decide(&request);
            let is_signed = answer.status == 200;
            assert_eq!(
                model.allows(),
                is_signed,
                "{changes} {aspect:?} {request:?}: {answer:?}"
            );
            if !is_signed {
                assert_eq!(answer.status, 400, "{answer:?}");
                refused += 1;
                continue;
            }
            allowed += 1;
            // One of a kind is enough to look into; each costs a run of a program.
            if !matches!(aspect, Aspect::KeyTypes) {
                let line = text(&answer.body["data"]["signed_key"]);
                for (aspect, value) in said(&office, &line) {
                    assert_eq!(
                        model.about(aspect),
                        value,
                        "{changes} {aspect:?} {request:?}"
                    );
                }
                let parsed = warden_core::certificate::Parsed::from_line(line.as_bytes()).unwrap();
                let seconds = |aspect| {
                    model
                        .about(aspect)
                        .trim_end_matches('s')
                        .parse::<u64>()
                        .unwrap()
                };
                let window = parsed.valid_before() - parsed.valid_after();
                assert_eq!(
                    window,
                    seconds(Aspect::Ttl) + seconds(Aspect::Backdate),
                    "{changes} {request:?}"
                );
                let key_id = String::from_utf8(parsed.key_id().to_vec()).unwrap();
                match model.about(Aspect::KeyId) {
                    "vault-{{token_display_name}}-{{public_key_hash}}" => {
                        assert!(key_id.starts_with("vault-"))
                    }
                    expected => assert_eq!(key_id, expected),
                }
            }
        }
    }
    assert!(
        allowed > 300 && refused > 300,
        "{allowed} allowed, {refused} refused"
    );
}

#[test]
fn the_roles_that_warden_prints_are_alike_with_the_inventory() {
    let Some(office) = Office::open() else { return };
    for actor in [AGT, super::office::ADM, super::office::ATM] {
        let saved = office.bao.api(
            "GET",
            &format!("{}/roles/{}-role", office.mount, &actor[..3]),
            Value::Null,
        );
        office.sandbox.write("role.json", saved.to_string(), 0o600);
        let outcome = office.warden([
            "cutover",
            "parity",
            "--old-role",
            "role.json",
            "--actor",
            actor,
        ]);
        assert_eq!(outcome.code, Some(0), "{outcome}");
        assert!(outcome.stdout.contains("fail=0 warn=1 "), "{outcome}");
    }
}

/// The configuration names both signers.
fn both(office: &Office) -> Key {
    let directory = office.sandbox.directory("ca", 0o700);
    let key = Key::make(&directory, "key", KeyType::Ed25519);
    let vault = format!(
        "addr = \"{}\"\nmount = \"{}\"\nca_fingerprint = \"{}\"",
        office.bao.address(),
        office.mount,
        office.pin
    );
    let config = format!(
        "backend = \"vault\"\nca_key = \"ca/key\"\nstate_dir = \"state\"\n\n[vault]\n{vault}\n"
    );
    office.sandbox.write("warden.toml", config, 0o600);
    key
}

#[test]
fn both_signers_live_are_alike_and_on_record() {
    let Some(office) = Office::open() else { return };
    let key = both(&office);
    let new_ca = fingerprint(&key.public_path());
    let ask = |args: &[&str]| -> Outcome {
        office
            .program()
            .args(["cutover", "parity", "--live", "--actor", AGT])
            .args(args)
            .run()
    };
    let outcome = ask(&["--old-ca", &office.pin, "--new-ca", &new_ca]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stdout.contains("PASS parity_ca"), "{outcome}");
    let journal = std::fs::read_to_string(office.sandbox.join("state/journal.jsonl")).unwrap();
    let records: Vec<Value> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [one, other] = &records[records.len() - 2..] else {
        panic!("{journal}")
    };
    assert_eq!(
        (&one["backend"], &other["backend"]),
        (&json!("vault"), &json!("local"))
    );
    for record in [one, other] {
        assert_eq!(record["outcome"], "issued");
        assert!(record["ttl_seconds"].as_u64().unwrap() <= 60, "{record}");
        assert!(
            outcome.stdout.contains(&text(&record["serial"])),
            "{outcome}"
        );
        assert!(
            outcome.stdout.contains(&text(&record["event_id"])),
            "{outcome}"
        );
    }
    assert_eq!(one["public_key"], other["public_key"]);
    // Nothing was kept of the certificates, nor of the key.
    assert!(!office.certificate(AGT).exists());
    // Not the CAs that were expected.
    let outcome = ask(&["--old-ca", &new_ca]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stdout.contains("FAIL parity_ca"), "{outcome}");
    // A role that begins its certificates earlier, and one that refuses.
    office.change_role(ROLE, json!({"not_before_duration": 60}));
    let outcome = ask(&[]);
    let failed: Vec<&str> = outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert_eq!(failed.len(), 1, "{outcome}");
    assert!(failed[0].starts_with("FAIL parity_backdate "), "{outcome}");
    office.change_role(ROLE, json!({"allowed_users": "agt-relay"}));
    let outcome = ask(&[]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(
        outcome
            .stdout
            .contains("FAIL parity_old_signed backend=vault reason=backend_refused"),
        "{outcome}"
    );
    assert!(!outcome.stdout.contains("parity_principals"), "{outcome}");
}
