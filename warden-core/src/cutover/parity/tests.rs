use super::*;
use crate::cutover::check::Verdict;
use crate::inventory::ActorType;
use crate::sign::openbao::PathName;
use serde_json::{Value, json};

/// The role that warden prints for [`definition`].
fn sound() -> Value {
    json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": false,
        "allowed_users": "a,b", "allowed_users_template": false, "default_user": "",
        "allow_user_key_ids": true, "allowed_extensions": "permit-pty,permit-port-forwarding",
        "default_extensions": {}, "allowed_critical_options": "force-command",
        "default_critical_options": {}, "ttl": 7200, "max_ttl": 7200,
        "not_before_duration": 30, "algorithm_signer": "default",
        "allow_empty_principals": false, "allowed_user_key_lengths": {},
    })
}

fn definition() -> RoleDefinition {
    RoleDefinition {
        name: PathName::role("agt-x").unwrap(),
        actor_type: ActorType::Agt,
        principals: ["a", "b"].map(str::to_owned).into(),
        extensions: ["permit-pty", "permit-port-forwarding"].into(),
        critical_options: ["force-command"].into(),
        max_ttl: 7200,
    }
}

fn role(json: &Value) -> Signer {
    Signer::Role(Box::new(
        Role::from_json(json.to_string().as_bytes()).unwrap(),
    ))
}

fn with(key: &str, value: Value) -> Value {
    let mut role = sound();
    role[key] = value;
    role
}

fn failing(report: &Report) -> Vec<&'static str> {
    let checks = report.checks().iter();
    let failing = checks.filter(|check| check.verdict == Verdict::Fail);
    failing.map(|check| check.code).collect()
}

/// A setting of a role, and the one finding it causes in a role and beside the inventory.
fn planted() -> Vec<(&'static str, Value, &'static str, bool)> {
    vec![
        (
            "allowed_extensions",
            json!("permit-port-forwarding"),
            "parity_extensions",
            true,
        ),
        (
            "allowed_extensions",
            json!("permit-pty,permit-port-forwarding,permit-user-rc"),
            "parity_extensions",
            true,
        ),
        ("allowed_extensions", json!("*"), "parity_extensions", true),
        (
            "default_extensions",
            json!({"permit-pty": ""}),
            "parity_extensions",
            true,
        ),
        ("max_ttl", json!(7201), "parity_ttl", true),
        ("max_ttl", json!(0), "parity_ttl", true),
        ("ttl", json!(7199), "parity_default_ttl", false),
        ("key_id_format", json!("x"), "parity_key_id", false),
        ("allow_user_key_ids", json!(false), "parity_key_id", true),
        ("allowed_users", json!("a"), "parity_principals", true),
        (
            "allowed_users",
            json!("a,b,root"),
            "parity_principals",
            true,
        ),
        (
            "allow_empty_principals",
            json!(true),
            "parity_empty_principals",
            true,
        ),
        ("default_user", json!("a"), "parity_default_user", false),
        (
            "allowed_critical_options",
            json!("none"),
            "parity_critical_options",
            true,
        ),
        (
            "allowed_critical_options",
            json!(""),
            "parity_critical_options",
            true,
        ),
        (
            "allowed_critical_options",
            json!("force-command,source-address"),
            "parity_critical_options",
            true,
        ),
        (
            "default_critical_options",
            json!({"force-command": "/bin/x"}),
            "parity_critical_options",
            true,
        ),
        ("not_before_duration", json!(31), "parity_backdate", true),
        (
            "algorithm_signer",
            json!("ssh-rsa"),
            "parity_algorithm",
            true,
        ),
        (
            "allow_user_certificates",
            json!(false),
            "parity_cert_type",
            true,
        ),
        (
            "allow_host_certificates",
            json!(true),
            "parity_cert_type",
            true,
        ),
        (
            "allowed_user_key_lengths",
            json!({"ed25519": [0], "rsa": [3072]}),
            "parity_key_types",
            true,
        ),
        (
            "allowed_user_key_lengths",
            json!({"rsa": 2048}),
            "parity_key_types",
            true,
        ),
    ]
}

#[test]
fn equal_roles_are_alike() {
    let report = decisions(&role(&sound()), &role(&sound()), &Expected::default());
    assert_eq!(failing(&report), Vec::<&str>::new(), "{report}");
    assert_eq!(report.count(Verdict::Warn), 0, "{report}");
    assert!(report.ready());
    // Alike in what they refuse, too.
    for (key, value, code, _) in planted()
        .into_iter()
        .filter(|row| row.2 != "parity_algorithm")
    {
        let one = role(&with(key, value.clone()));
        let other = role(&with(key, value.clone()));
        let report = decisions(&one, &other, &Expected::default());
        assert!(report.ready(), "{code} {key}={value}\n{report}");
    }
}

#[test]
fn a_role_that_fits_the_inventory_is_alike_but_for_the_keys_it_does_not_list() {
    let new = Signer::Inventory(definition());
    let report = decisions(&role(&sound()), &new, &Expected::default());
    assert_eq!(failing(&report), Vec::<&str>::new(), "{report}");
    assert!(report.ready());
    let warned: Vec<_> = report
        .checks()
        .iter()
        .filter(|check| check.verdict == Verdict::Warn)
        .collect();
    assert_eq!(warned.len(), 1, "{report}");
    assert_eq!(
        warned[0].to_string(),
        "WARN parity_key_types asked=rsa-1024 old=rsa-1024 new=refused differing=1 requests=10"
    );
    let listed = json!({"rsa": [2048, 3072, 4096], "ec": [256, 384, 521], "ed25519": [0]});
    let report = decisions(
        &role(&with("allowed_user_key_lengths", listed)),
        &new,
        &Expected::default(),
    );
    assert_eq!(failing(&report), Vec::<&str>::new(), "{report}");
    assert_eq!(report.count(Verdict::Warn), 0, "{report}");
}

#[test]
fn each_planted_difference_is_one_finding_either_way_round() {
    for (key, value, code, _) in planted() {
        let (one, other) = (role(&sound()), role(&with(key, value.clone())));
        for report in [
            decisions(&one, &other, &Expected::default()),
            decisions(&other, &one, &Expected::default()),
        ] {
            assert_eq!(failing(&report), [code], "{key}={value}\n{report}");
            assert!(!report.ready());
        }
    }
}

#[test]
fn each_planted_difference_is_one_finding_beside_the_inventory() {
    for (key, value, code, is_seen) in planted() {
        let new = Signer::Inventory(definition());
        let report = decisions(&role(&with(key, value.clone())), &new, &Expected::default());
        let expected: &[&str] = if is_seen { &[code] } else { &[] };
        assert_eq!(failing(&report), expected, "{key}={value}\n{report}");
    }
}

#[test]
fn any_principal_is_two_findings_because_none_at_all_comes_with_it() {
    let report = decisions(
        &role(&sound()),
        &role(&with("allowed_users", json!("*"))),
        &Expected::default(),
    );
    assert_eq!(
        failing(&report),
        ["parity_principals", "parity_empty_principals"],
        "{report}"
    );
}

#[test]
fn an_expected_key_id_of_the_old_role_is_no_difference() {
    let mut old = with("allow_user_key_ids", json!(false));
    let format = "vault-{{token_display_name}}-{{public_key_hash}}";
    let expected = |format: &str| Expected {
        old_key_id: Some(format.to_owned()),
        ..Expected::default()
    };
    let new = Signer::Inventory(definition());
    assert_eq!(
        failing(&decisions(&role(&old), &new, &expected(format))),
        Vec::<&str>::new()
    );
    assert_eq!(
        failing(&decisions(&role(&old), &new, &expected("x"))),
        ["parity_key_id"]
    );
    old["key_id_format"] = json!("x");
    assert_eq!(
        failing(&decisions(&role(&old), &new, &expected("x"))),
        Vec::<&str>::new()
    );
    assert_eq!(
        failing(&decisions(&role(&old), &new, &expected(format))),
        ["parity_key_id"]
    );
}

#[test]
fn what_depends_on_who_asks_is_never_a_pass() {
    let mut templated = with("allowed_users", json!("{{identity.entity.name}}"));
    templated["allowed_users_template"] = json!(true);
    let new = Signer::Inventory(definition());
    let report = decisions(&role(&templated), &new, &Expected::default());
    assert!(failing(&report).contains(&"parity_principals"), "{report}");
    let report = decisions(&role(&templated), &role(&templated), &Expected::default());
    let check = report.check("parity_principals").unwrap();
    assert_eq!(
        check.to_string(),
        "SKIP parity_principals reason=depends_on_who_asks"
    );
}

#[test]
fn a_role_that_does_not_say_what_decides_is_refused_and_never_quoted() {
    for field in [
        "key_type",
        "allow_user_certificates",
        "allowed_users",
        "ttl",
        "max_ttl",
        "allowed_critical_options",
    ] {
        let mut role = sound();
        role.as_object_mut().unwrap().remove(field);
        let error = Role::from_json(role.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
    let wrong = [
        with("max_ttl", json!("planted")).to_string(),
        with("max_ttl", json!(-1)).to_string(),
        with("allowed_users", json!(["planted"])).to_string(),
        with("default_extensions", json!("planted")).to_string(),
        json!({"auth": {"client_token": "planted"}}).to_string(),
        "planted".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    for text in wrong {
        let error = Role::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(crate::failure::Failure::reason(&error), "role_malformed");
        assert!(!error.to_string().contains("planted"), "{error}");
    }
}

#[test]
fn the_answer_of_a_server_and_the_data_in_it_are_the_same_role() {
    let wrapped = json!({"request_id": "x", "data": sound()});
    let report = decisions(&role(&wrapped), &role(&sound()), &Expected::default());
    assert!(report.ready(), "{report}");
}

#[test]
fn every_report_has_every_aspect_once() {
    let report = decisions(&role(&sound()), &role(&sound()), &Expected::default());
    let codes: Vec<_> = report.checks().iter().map(|check| check.code).collect();
    assert_eq!(codes, Aspect::ALL.map(Aspect::code));
}
