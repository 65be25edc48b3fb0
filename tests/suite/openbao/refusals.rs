//! What the engine refuses, and what it does not have.

use super::office::{ADM, AGT, Office, json_of};
use crate::setup::refusal_of_text;
use serde_json::{Value, json};

#[test]
fn what_a_role_does_not_allow_is_a_denial_with_the_way_to_mend_it() {
    let Some(office) = Office::open() else { return };
    office.sign(AGT);
    let settings = [
        (
            json!({"allow_user_key_ids": false}),
            "setting key_id is not allowed by role",
        ),
        (
            json!({"allowed_users": "agt-bridge"}),
            "agt-relay is not a valid value for valid_principals",
        ),
        (
            json!({"allowed_users": ""}),
            "not configured to allow any principals",
        ),
        (
            json!({"max_ttl": "10m", "ttl": "5m"}),
            "ttl is larger than maximum allowed",
        ),
        (
            json!({"allowed_extensions": "permit-pty"}),
            "are not on allowed list",
        ),
        (
            json!({"allow_user_certificates": false, "allow_host_certificates": true}),
            "is not allowed by role",
        ),
        (
            json!({"allowed_user_key_lengths": {"rsa": 4096}}),
            "failed to meet the key requirements",
        ),
    ];
    for (setting, words) in settings {
        office.change_role("agt-role", setting.clone());
        let said = office.refused(AGT, 3, "backend_refused");
        assert!(said.contains(words), "{setting}: {said}");
        assert!(
            said.contains("`warden backend roles` prints the right one"),
            "{said}"
        );
    }
    let role = format!("{}/roles/agt-role", office.mount);
    office.bao.api("DELETE", &role, Value::Null);
    let said = office.refused(AGT, 3, "backend_refused");
    assert!(said.contains("Unknown role: agt-role"), "{said}");
    // The others are untouched.
    office.sign(ADM);
}

#[test]
fn critical_options_that_a_role_does_not_allow_are_refused() {
    let Some(office) = Office::open() else { return };
    let lines =
        "principals = [\"agt-bridge\"]\nttl = \"1h\"\nextensions = []\nforce_command = \"id\"";
    office.set_actor(AGT, lines);
    // The role that fitted before, with `none` in place of an empty list, which would mean any.
    let said = office.refused(AGT, 3, "backend_refused");
    assert!(said.contains("force-command"), "{said}");
    office.set_up();
    office.sign(AGT);
}

#[test]
fn a_mount_that_is_not_there_is_not_found() {
    let Some(office) = Office::open() else { return };
    let elsewhere = |lines: &str| {
        let pin = &office.pin;
        let address = office.bao.address();
        office.configure_whole(&format!(
            "addr = \"{address}\"\nca_fingerprint = \"{pin}\"\n{lines}"
        ));
        office.signing(AGT).env("VAULT_TOKEN", office.bao.root())
    };
    let said = office.refused_as(
        &|| elsewhere("mount = \"nothing/here\""),
        AGT,
        4,
        "backend_not_found",
    );
    assert!(
        said.contains("check `vault.mount` and `vault.namespace`"),
        "{said}"
    );
    let empty = elsewhere("namespace = \"\"").run();
    refusal_of_text(&empty, 2, "config_malformed");
}

#[test]
fn a_policy_for_other_paths_is_forbidden() {
    let Some(office) = Office::open() else { return };
    let policy = office.bao.name("elsewhere");
    let rules = "path \"secret/*\" { capabilities = [\"read\"] }";
    office.bao.write_policy(&policy, rules);
    let token = office.bao.token(&policy, json!({}));
    let asked = || office.signing(AGT).env("VAULT_TOKEN", &token);
    let said = office.refused_as(&asked, AGT, 4, "backend_forbidden");
    assert!(said.contains("its policy lacks the path"), "{said}");
    let checked = office
        .program()
        .args(["backend", "check"])
        .env("VAULT_TOKEN", &token)
        .run();
    assert_eq!(checked.code, Some(1), "{checked}");
    let lines = [
        format!(
            "FAIL may_not_sign: the token may not sign at {}/sign/agt-role",
            office.mount
        ),
        format!(
            "     set: path \"{}/sign/agt-role\" {{ capabilities = [\"update\"] }}",
            office.mount
        ),
    ];
    for line in lines {
        assert!(
            checked.stdout.lines().any(|one| one == line),
            "{line}: {checked}"
        );
    }
}

#[test]
fn an_engine_under_a_long_path_signs() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.mount = office.bao.name("team/platform/ssh_client.signer");
    office.bao.enable_ssh(&office.mount, "ed25519");
    office.pin = String::new();
    office.configure("");
    let pinned = office.warden(["ca", "pin", "--json"]).expect_success();
    office.pin = super::office::text(&json_of(&pinned)["ca_fingerprint"]);
    office.configure("");
    office.write_printed_roles();
    office.token = office.bao.root().to_owned();
    office.sign(AGT);
}
