//! `warden backend check` against good roles, and against one bad setting at a time.

use super::office::{ADM, AGT, ATM, Office, is_here, json_of};
use serde_json::{Value, json};
use warden_tests::bao::Bao;
use warden_tests::process::Outcome;

/// The findings about roles, but those that pass: level, code and setting.
fn findings(checked: &Outcome) -> Vec<(String, String, String)> {
    let document = json_of(checked);
    let list = document["findings"].as_array().unwrap().iter();
    let about_roles = list
        .filter(|one| one["level"] != "PASS" && one["code"].as_str().unwrap().starts_with("role"));
    let field = |one: &Value, name| one[name].as_str().unwrap_or_default().to_owned();
    about_roles
        .map(|one| (field(one, "level"), field(one, "code"), field(one, "set")))
        .collect()
}

#[test]
fn roles_as_warden_prints_them_have_nothing_against_them() {
    let Some(mut office) = Office::open() else {
        return;
    };
    // A token that may read the roles, besides what signing takes.
    let policy = office.bao.name("reader");
    let rules = format!(
        "path \"{}/roles/*\" {{ capabilities = [\"read\"] }}",
        office.mount
    );
    office.bao.write_policy(&policy, &rules);
    let policies = json!({"policies": [office.mount, policy]});
    office.token = office.bao.token("", policies);
    let checked = office.warden(["backend", "check"]).expect_success();
    let mount = &office.mount;
    for role in ["adm-role", "agt-role", "atm-role"] {
        let fits = format!("role {role} allows what the inventory gives, and nothing more");
        let lines = [
            format!("PASS role: {fits}\n"),
            format!("PASS may_sign: the token may sign at {mount}/sign/{role}\n"),
        ];
        for line in lines {
            assert!(checked.stdout.contains(&line), "{line}: {checked}");
        }
    }
    assert!(
        checked
            .stdout
            .contains("PASS ca: the engine's default CA is the pinned one"),
        "{checked}"
    );
    assert!(checked.stdout.contains(" fail=0 "), "{checked}");
}

#[test]
fn each_bad_setting_has_its_own_finding_and_the_setting_that_closes_it() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = office.bao.root().to_owned();
    let users = "allowed_users=agt-bridge,agt-relay";
    let extensions = "allowed_extensions=permit-port-forwarding";
    let options = "allowed_critical_options=none";
    let table = [
        (
            json!({"allowed_users": "*"}),
            "FAIL",
            "role_any_principal",
            users,
        ),
        (
            json!({"allowed_users": "agt-bridge,agt-relay,root"}),
            "FAIL",
            "role_principals",
            users,
        ),
        (
            json!({"allowed_users": "agt-bridge"}),
            "FAIL",
            "role_principals",
            users,
        ),
        (
            json!({"allowed_users": ""}),
            "FAIL",
            "role_principals",
            users,
        ),
        (
            json!({"allowed_users_template": true}),
            "WARN",
            "role_principals_template",
            "allowed_users_template=false",
        ),
        (
            json!({"allow_empty_principals": true}),
            "FAIL",
            "role_empty_principals",
            "allow_empty_principals=false",
        ),
        (
            json!({"default_user": "agt-bridge"}),
            "WARN",
            "role_default_user",
            "default_user=",
        ),
        (
            json!({"allowed_extensions": "*"}),
            "FAIL",
            "role_any_extension",
            extensions,
        ),
        (
            json!({"allowed_extensions": "permit-port-forwarding,permit-pty"}),
            "FAIL",
            "role_extensions",
            extensions,
        ),
        (
            json!({"allowed_extensions": ""}),
            "FAIL",
            "role_extensions",
            extensions,
        ),
        (
            json!({"default_extensions": {"permit-pty": ""}}),
            "FAIL",
            "role_default_extensions",
            "default_extensions={}",
        ),
        (
            json!({"allowed_critical_options": ""}),
            "WARN",
            "role_any_critical_option",
            options,
        ),
        (
            json!({"allowed_critical_options": "force-command"}),
            "FAIL",
            "role_critical_options",
            options,
        ),
        (
            json!({"default_critical_options": {"force-command": "id"}}),
            "FAIL",
            "role_default_critical_options",
            "default_critical_options={}",
        ),
        (
            json!({"allow_user_key_ids": false}),
            "FAIL",
            "role_key_ids",
            "allow_user_key_ids=true",
        ),
        (
            json!({"max_ttl": 0, "ttl": 0}),
            "FAIL",
            "role_max_ttl",
            "max_ttl=7200",
        ),
        (
            json!({"max_ttl": "25h"}),
            "FAIL",
            "role_max_ttl",
            "max_ttl=7200",
        ),
        (
            json!({"max_ttl": "1h", "ttl": "1h"}),
            "FAIL",
            "role_max_ttl",
            "max_ttl=7200",
        ),
        (
            json!({"max_ttl": "3h"}),
            "WARN",
            "role_max_ttl",
            "max_ttl=7200",
        ),
        (
            json!({"not_before_duration": "10m"}),
            "FAIL",
            "role_backdate",
            "not_before_duration=30",
        ),
        (
            json!({"allow_host_certificates": true}),
            "FAIL",
            "role_host_certificates",
            "allow_host_certificates=false",
        ),
    ];
    for (setting, level, code, fix) in table {
        office.change_role("agt-role", setting.clone());
        let checked = office.warden(["backend", "check", "--json"]);
        let found = findings(&checked);
        let wanted = [(level.to_owned(), code.to_owned(), fix.to_owned())];
        assert_eq!(found, wanted, "{setting}");
        let (status, reason) = match level {
            "FAIL" => (Some(1), "backend_check_failed"),
            _ => (Some(0), ""),
        };
        assert_eq!(checked.code, status, "{setting}: {checked}");
        assert!(checked.stderr.contains(reason), "{setting}: {checked}");
        // What it says to set, set.
        office.change_role("agt-role", json!({}));
    }
    assert!(findings(&office.warden(["backend", "check", "--json"])).is_empty());
    office.bao.api(
        "DELETE",
        &format!("{}/roles/agt-role", office.mount),
        Value::Null,
    );
    // The server insists on one of the two, so this one comes with the other.
    office.change_role(
        "agt-role",
        json!({"allow_user_certificates": false, "allow_host_certificates": true}),
    );
    let found = findings(&office.warden(["backend", "check", "--json"]));
    let codes: Vec<_> = found.iter().map(|one| one.1.as_str()).collect();
    assert_eq!(codes, ["role_user_certificates", "role_host_certificates"]);
    office.bao.api(
        "DELETE",
        &format!("{}/roles/agt-role", office.mount),
        Value::Null,
    );
    let otp = json!({"key_type": "otp", "default_user": "agt-bridge", "cidr_list": "10.0.0.0/8"});
    office.write_role("agt-role", otp);
    let found = findings(&office.warden(["backend", "check", "--json"]));
    assert!(
        found.iter().any(|one| one.1 == "role_key_type"),
        "{found:?}"
    );
    office.bao.api(
        "DELETE",
        &format!("{}/roles/agt-role", office.mount),
        Value::Null,
    );
    let found = findings(&office.warden(["backend", "check", "--json"]));
    let missing = (
        "FAIL".to_owned(),
        "role_missing".to_owned(),
        "warden backend roles".to_owned(),
    );
    assert_eq!(found, [missing]);
}

#[test]
fn a_role_that_signs_with_sha1_is_found_and_its_certificates_are_not_accepted() {
    if !is_here() {
        return;
    }
    let mut office = Office::on(Bao::shared(), "ssh-rsa");
    office.change_role("agt-role", json!({"algorithm_signer": "ssh-rsa"}));
    let said = office.refused(AGT, 4, "signature_mismatch");
    assert!(
        said.contains("algorithm_signer must not be ssh-rsa"),
        "{said}"
    );
    office.token = office.bao.root().to_owned();
    let found = findings(&office.warden(["backend", "check", "--json"]));
    let sha1 = (
        "FAIL".to_owned(),
        "role_sha1".to_owned(),
        "algorithm_signer=default".to_owned(),
    );
    assert_eq!(found, [sha1]);
}

#[test]
fn the_roles_that_the_predecessor_published_are_told_apart_from_these() {
    // key_type=ca, allowed_users=*, a default user, ttl and max_ttl of the type, and nothing else.
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = office.bao.root().to_owned();
    for (role, user, hours) in [
        ("adm-role", "adm", "48h"),
        ("agt-role", "agt", "24h"),
        ("atm-role", "atm", "8h"),
    ] {
        office.bao.api(
            "DELETE",
            &format!("{}/roles/{role}", office.mount),
            Value::Null,
        );
        let published = json!({"key_type": "ca", "allow_user_certificates": true, "allowed_users": "*",
            "default_user": user, "ttl": hours, "max_ttl": hours});
        office.write_role(role, published);
    }
    let found = findings(&office.warden(["backend", "check", "--json"]));
    let codes: Vec<_> = found.iter().map(|one| one.1.as_str()).collect();
    for code in [
        "role_any_principal",
        "role_default_user",
        "role_any_critical_option",
        "role_key_ids",
        "role_extensions",
        "role_max_ttl",
    ] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    // They refuse the key id and give no extension. With one setting an actor without any is served.
    office.refused(ATM, 3, "backend_refused");
    office.configure("key_id = \"role\"");
    office.sign(ATM);
    let said = office.refused(ADM, 3, "backend_refused");
    assert!(said.contains("are not on allowed list"), "{said}");
}

#[test]
fn a_token_that_may_only_sign_is_told_what_could_not_be_read() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = office.bao.token(&office.mount, json!({}));
    let checked = office.warden(["backend", "check"]).expect_success();
    for role in ["adm-role", "agt-role", "atm-role"] {
        let line = format!(
            "SKIP role_not_readable: {}/roles/{role} could not be read with this token, so it was not judged; signing does not need it\n",
            office.mount
        );
        assert!(checked.stdout.contains(&line), "{checked}");
    }
    assert!(checked.stdout.ends_with("fail=0 skip=3\n"), "{checked}");
    // Without even the `default` policy it cannot look at itself.
    office.token = office
        .bao
        .token(&office.mount, json!({"no_default_policy": true}));
    office.sign(AGT);
    let checked = office.warden(["backend", "check"]).expect_success();
    for line in ["SKIP token: ", "SKIP capabilities: "] {
        assert!(checked.stdout.contains(line), "{line}: {checked}");
    }
}

#[test]
fn a_token_that_is_wider_than_signing_needs_is_told() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = office.bao.root().to_owned();
    let checked = office.warden(["backend", "check"]).expect_success();
    let mount = &office.mount;
    let lines = [
        "WARN token_root: this is a root token: it may do anything\n".to_owned(),
        "PASS token: the token has no end\n".to_owned(),
        format!(
            "WARN token_too_wide: the token may change {mount}/config/ca; signing needs no such power\n"
        ),
    ];
    for line in lines {
        assert!(checked.stdout.contains(&line), "{line}: {checked}");
    }
}

#[test]
fn without_a_credential_the_server_and_its_ca_are_looked_at() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = String::new();
    let checked = office.warden(["backend", "check"]);
    assert_eq!(checked.code, Some(4), "{checked}");
    assert!(checked.stderr.contains("(token_missing)"), "{checked}");
    let lines: Vec<_> = checked.stdout.lines().collect();
    let starts = [
        "PASS reachable: ",
        "WARN version: ",
        "PASS ca: ",
        "SKIP token: ",
        "RESULT ",
    ];
    let version =
        |line: &str| line.starts_with("PASS version: ") || line.starts_with("WARN version: ");
    assert_eq!(lines.len(), starts.len(), "{checked}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start) || version(line), "{checked}");
    }
    office.token = "s.wrong".to_owned();
    let checked = office.warden(["backend", "check"]);
    assert_eq!(checked.code, Some(1), "{checked}");
    assert!(
        checked.stdout.contains("FAIL token_not_valid: "),
        "{checked}"
    );
}

#[test]
fn a_name_in_a_role_cannot_forge_a_line_of_the_report() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.token = office.bao.root().to_owned();
    let forged = "x\nPASS role: role agt-role allows what the inventory gives, and nothing more";
    let changes = json!({
        "default_extensions": {forged: ""},
        "default_critical_options": {forged: ""},
        "default_user": forged,
        "allowed_users": forged,
        "allowed_extensions": forged,
    });
    office.change_role("agt-role", changes);
    let checked = office.warden(["backend", "check"]);
    let judged = |line: &&str| line.starts_with("PASS role: ");
    assert_eq!(
        checked.stdout.lines().filter(judged).count(),
        2,
        "{checked}"
    );
}

#[test]
fn blanks_in_a_list_are_judged_as_the_engine_takes_them() {
    let Some(office) = Office::open() else { return };
    let check = |office: &Office| {
        let policies = json!({"policies": ["root"]});
        let root = office.bao.token("", policies);
        let program = office.program().args(["backend", "check", "--json"]);
        findings(&program.env("VAULT_TOKEN", root).run())
    };
    let of_roles = |found: Vec<(String, String, String)>| {
        let codes = found.into_iter().map(|(_, code, _)| code);
        codes
            .filter(|code| code.starts_with("role_"))
            .collect::<Vec<_>>()
    };
    office.change_role(
        "agt-role",
        json!({"allowed_users": " agt-bridge , agt-relay "}),
    );
    assert_eq!(of_roles(check(&office)), Vec::<String>::new());
    office.sign(AGT);
    office.change_role(
        "agt-role",
        json!({"allowed_extensions": " permit-port-forwarding"}),
    );
    // One it allows that nobody can use, and one it refuses.
    assert_eq!(
        of_roles(check(&office)),
        ["role_extensions", "role_extensions"]
    );
    let said = office.refused(AGT, 3, "backend_refused");
    assert!(said.contains("not on allowed list"), "{said}");
}
