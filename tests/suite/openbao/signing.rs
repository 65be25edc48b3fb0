//! Certificates of every kind of actor, user key and CA key, as the engine signs them.

use super::office::{ADM, AGT, ATM, Office, is_here};
use serde_json::{Value, json};
use warden_tests::bao::Bao;
use warden_tests::keygen::{Key, KeyType, fingerprint};
use warden_tests::sk_agent::{SkAgent, SkKind};

#[test]
fn every_type_of_actor_is_signed_for_with_the_roles_that_warden_prints() {
    let Some(office) = Office::open() else { return };
    let all = json!([
        "no-touch-required",
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
        "permit-user-rc"
    ]);
    let actors = [
        (ADM, "adm", json!(["adm-root"]), 3600, all),
        (
            AGT,
            "agt",
            json!(["agt-bridge", "agt-relay"]),
            3600,
            json!(["permit-port-forwarding"]),
        ),
        (ATM, "atm", json!(["atm-backup"]), 1800, json!([])),
    ];
    for (actor, actor_type, principals, ttl, extensions) in actors {
        let signed = office.sign(actor);
        let shown = office.stored(actor);
        assert_eq!(shown["cert_type"], "user");
        assert_eq!(shown["key_id"], actor);
        assert_eq!(shown["principals"], principals);
        assert_eq!(shown["critical_options"], json!([]));
        assert_eq!(names(&shown["extensions"]), extensions);
        assert_eq!(shown["ca_fingerprint"], office.pin.as_str());
        assert_eq!(shown["serial"], signed["serial"]);

        let record = office.record();
        assert_eq!(record["outcome"], "issued", "{record}");
        assert_eq!(record["backend"], "vault");
        assert_eq!(record["actor_type"], actor_type);
        assert_eq!(record["key_id"], actor);
        assert_eq!(record["key_id_rule"], Value::Null);
        assert_eq!(record["principals"], principals);
        assert_eq!(record["ttl_seconds"], ttl);
        assert_eq!(record["extensions"], extensions);
        assert_eq!(record["serial"], signed["serial"]);
        assert_eq!(record["valid_before"], shown["valid_before"]);
        assert_eq!(record["ca_fingerprint"], office.pin.as_str());
    }
    office.warden(["audit", "verify"]).check();
}

#[test]
fn every_type_of_user_key_is_certified() {
    let Some(office) = Office::open() else { return };
    let agent = SkAgent::start();
    let mut keys: Vec<_> = KeyType::ALL
        .into_iter()
        .enumerate()
        .map(|(at, kind)| {
            Key::make(office.sandbox.path(), &format!("key-{at}"), kind).public_path()
        })
        .collect();
    for (at, kind) in SkKind::ALL.into_iter().enumerate() {
        let file = office.sandbox.join(format!("sk-{at}.pub"));
        agent.write_public(kind, &file);
        keys.push(file);
    }
    for key in keys {
        let program = office.program().args(["sign", ADM, "--pubkey"]).arg(&key);
        program.run().check();
        assert_eq!(
            office.stored(ADM)["public_key"],
            fingerprint(&key).as_str(),
            "{}",
            key.display()
        );
        assert_eq!(office.record()["public_key"], fingerprint(&key).as_str());
    }
}

#[test]
fn every_type_of_ca_key_that_the_engine_makes_signs() {
    if !is_here() {
        return;
    }
    let kinds = [
        ("ed25519", "ssh-ed25519"),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
        ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
        ("ssh-rsa", "rsa-sha2-"),
    ];
    for (kind, algorithm) in kinds {
        let office = Office::on(Bao::shared(), kind);
        office.sign(AGT);
        let shown = office.stored(AGT);
        let found = shown["signature_algorithm"].as_str().unwrap();
        assert!(found.starts_with(algorithm), "{kind}: {found}");
        assert_eq!(shown["ca_fingerprint"], office.pin.as_str(), "{kind}");
    }
}

#[test]
fn a_request_narrows_principals_and_time() {
    let Some(office) = Office::open() else { return };
    let narrow = ["--principal", "agt-relay", "--ttl", "90s"];
    office.signing(AGT).args(narrow).run().check();
    assert_eq!(office.stored(AGT)["principals"], json!(["agt-relay"]));
    let record = office.record();
    assert_eq!(record["ttl_seconds"], 90);
    assert_eq!(record["principals"], json!(["agt-relay"]));
    let outside = office.signing(AGT).args(["--ttl", "3h"]).run();
    assert_eq!(outside.code, Some(3), "{outside}");
}

#[test]
fn with_a_role_for_each_actor_none_can_sign_for_another() {
    let Some(office) = Office::open() else { return };
    office.configure("roles = \"per-actor\"");
    office.set_actor("agt-other", "principals = [\"agt-other\"]\nttl = \"1h\"");
    office.set_up();
    for actor in [ADM, AGT, ATM, "agt-other"] {
        assert_eq!(office.sign(actor)["key_id"], actor);
    }
    office.warden(["backend", "check"]).check();
    // A token for one of them alone.
    let policy = office.bao.name("one-actor");
    let rules = format!(
        "path \"{}/sign/{AGT}\" {{ capabilities = [\"update\"] }}",
        office.mount
    );
    office.bao.write_policy(&policy, &rules);
    let token = office.bao.token(&policy, json!({}));
    let asked = |actor| office.signing(actor).env("VAULT_TOKEN", &token);
    asked(AGT).run().check();
    let said = office.refused_as(&|| asked("agt-other"), "agt-other", 4, "backend_forbidden");
    assert!(said.contains("/sign/agt-other: "), "{said}");
}

#[test]
fn the_names_of_roles_are_taken_from_the_configuration() {
    let Some(office) = Office::open() else { return };
    office.configure("role_map = { agt = \"the-agents\" }");
    office.set_up();
    office.sign(AGT);
    let absent = office
        .bao
        .api("LIST", &format!("{}/roles", office.mount), Value::Null);
    let keys = absent["data"]["keys"].as_array().unwrap();
    assert!(keys.contains(&json!("the-agents")), "{keys:?}");
    office.configure("role_map = { agt = \"nobody-made-this\" }");
    let said = office.refused_as(&|| office.signing(AGT), AGT, 4, "backend_forbidden");
    assert!(said.contains("/sign/nobody-made-this: "), "{said}");
}

#[test]
fn a_namespace_is_a_server_of_its_own() {
    let Some(mut office) = Office::open() else {
        return;
    };
    let namespace = office.bao.name("team");
    let path = format!("sys/namespaces/{namespace}");
    office.bao.write(&path, json!({}));
    office.sign(AGT);
    // The same mount within the namespace is another engine with another CA.
    let outside = office.mount.clone();
    let within = format!("{namespace}/{outside}");
    let bao = &office.bao;
    bao.write(
        &format!("{namespace}/sys/mounts/{outside}"),
        json!({"type": "ssh"}),
    );
    let ca = json!({"generate_signing_key": true, "key_type": "ed25519"});
    bao.write(&format!("{within}/config/ca"), ca);
    let settings = format!("namespace = \"{namespace}\"");
    office.configure(&settings);
    let printed = office.warden(["ca", "pin"]).expect_success().stdout;
    let pin = printed.split('"').nth(1).unwrap().to_owned();
    assert_ne!(pin, office.pin);
    office.token = office.bao.root().to_owned();
    // Nothing is in the namespace but the CA.
    office.refused(AGT, 3, "backend_refused");
    office.mount = within;
    office.configure_whole(&config(&office, &outside, &settings));
    office.write_printed_roles();
    office.refused(AGT, 4, "ca_mismatch");
    office.pin = pin;
    office.configure_whole(&config(&office, &outside, &settings));
    assert_eq!(office.sign(AGT)["ca_fingerprint"], office.pin.as_str());
}

fn config(office: &Office, mount: &str, lines: &str) -> String {
    format!(
        "addr = \"{}\"\nmount = \"{mount}\"\nca_fingerprint = \"{}\"\n{lines}",
        office.bao.address(),
        office.pin
    )
}

fn names(list: &Value) -> Value {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["name"].clone()).collect()
}
