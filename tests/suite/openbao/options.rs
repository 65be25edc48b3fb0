//! Critical options, extensions and key ids come back exactly, or nothing comes back.

use super::office::{ADM, AGT, ATM, Office};
use serde_json::{Value, json};
use warden_tests::desk::quoted;

#[test]
fn critical_options_come_back_as_the_inventory_has_them() {
    let Some(office) = Office::open() else { return };
    let commands = [
        "/usr/bin/backup",
        "echo \"a, b\" 'c' \\ $HOME `id` # x; = é ✓ 日本 \u{202e}\ttab",
        "force-command=id,no-pty",
    ];
    for command in commands {
        let lines = format!(
            "principals = [\"atm-backup\"]\nttl = \"30m\"\nextensions = []\nverify_required = true\n\
             source_address = [\"10.0.0.0/8\", \"2001:db8::/32\", \"127.0.0.1\"]\nforce_command = {}",
            quoted(command)
        );
        office.set_actor(ATM, &lines);
        office.set_up();
        office.sign(ATM);
        let options = &office.stored(ATM)["critical_options"];
        let wanted = json!([
            {"name": "force-command", "value": command},
            {"name": "source-address", "value": "10.0.0.0/8,2001:db8::/32,127.0.0.1/32"},
            {"name": "verify-required", "value": null},
        ]);
        assert_eq!(*options, wanted);
        assert_eq!(
            office.record()["critical_options"]["force-command"],
            command
        );
        office.warden(["backend", "check"]).check();
    }
}

#[test]
fn extensions_are_those_granted_whatever_else_the_role_allows() {
    let Some(office) = Office::open() else { return };
    let sets = [
        json!(["permit-agent-forwarding", "permit-pty"]),
        json!(["no-touch-required"]),
        json!(["permit-X11-forwarding", "permit-user-rc"]),
    ];
    office.change_role("adm-role", json!({"allowed_extensions": "*"}));
    for set in sets {
        office.set_actor(
            ADM,
            &format!("principals = [\"adm-root\"]\nttl = \"1h\"\nextensions = {set}"),
        );
        office.sign(ADM);
        let stored = office.stored(ADM);
        let names = stored["extensions"].as_array().unwrap().iter();
        let names: Value = names.map(|one| one["name"].clone()).collect();
        assert_eq!(names, set);
    }
}

#[test]
fn a_role_that_adds_default_extensions_where_none_is_granted_gets_nothing_past() {
    let Some(office) = Office::open() else { return };
    office.sign(ATM);
    let defaults = json!({"default_extensions": {"permit-pty": ""}});
    office.change_role("atm-role", defaults);
    let said = office.refused(ATM, 4, "extensions_mismatch");
    let (role, found) = (
        format!(
            "warden: hint: role {}/roles/atm-role: default_extensions must be empty",
            office.mount
        ),
        "the signer wrote extensions [\"permit-pty\"], not []",
    );
    assert!(said.contains(&role) && said.contains(found), "{said}");
    // Where an extension is granted the role's own are left out, and the certificate is right.
    let defaults = json!({"default_extensions": {"permit-pty": ""}});
    office.change_role("agt-role", defaults);
    office.sign(AGT);
}

#[test]
fn a_role_that_adds_a_forced_command_gets_nothing_past() {
    let Some(office) = Office::open() else { return };
    let defaults = json!({"default_critical_options": {"force-command": "/bin/other"}});
    office.change_role("agt-role", defaults.clone());
    let said = office.refused(AGT, 4, "critical_options_mismatch");
    let role = format!(
        "warden: hint: role {}/roles/agt-role: default_critical_options must be empty",
        office.mount
    );
    assert!(
        said.contains(&role) && said.contains("/bin/other"),
        "{said}"
    );
}

#[test]
fn a_time_over_the_maximum_of_role_or_mount_is_refused_and_never_cut() {
    let Some(office) = Office::open() else { return };
    let limits = json!({"default_lease_ttl": "60s", "max_lease_ttl": "120s"});
    let tune = format!("sys/mounts/{}/tune", office.mount);
    office.bao.write(&tune, limits);
    // The role's own maximum counts, and only without one the mount's.
    office.sign(AGT);
    office.change_role("agt-role", json!({"max_ttl": 0, "ttl": 0}));
    let said = office.refused(AGT, 3, "backend_refused");
    assert!(
        said.contains("ttl is larger than maximum allowed 120"),
        "{said}"
    );
    office.signing(AGT).args(["--ttl", "2m"]).run().check();
}

#[test]
fn a_role_that_backdates_by_hours_gets_nothing_past() {
    let Some(office) = Office::open() else { return };
    office.change_role("agt-role", json!({"not_before_duration": "2h"}));
    let said = office.refused(AGT, 4, "valid_after_mismatch");
    assert!(said.contains("not_before_duration must be 30s"), "{said}");
}

#[test]
fn a_key_id_made_by_the_role_is_accepted_by_one_setting_and_recorded() {
    let Some(office) = Office::open() else { return };
    office.configure("key_id = \"role\"");
    office.set_up();
    let signed = office.sign(AGT);
    let key_id = signed["key_id"].as_str().unwrap();
    assert!(key_id.starts_with("vault-token-"), "{signed}");
    assert_eq!(office.stored(AGT)["key_id"], key_id);
    let record = office.record();
    assert_eq!(record["key_id"], key_id, "{record}");
    assert_eq!(record["key_id_rule"], "role", "{record}");
    assert_eq!(record["actor"], AGT);
    office.warden(["backend", "check"]).check();
    // Nothing else is negotiable.
    let defaults = json!({"default_critical_options": {"force-command": "id"}});
    office.change_role("agt-role", defaults);
    office.refused(AGT, 4, "critical_options_mismatch");
}

#[test]
fn a_key_id_that_could_forge_a_line_is_not_accepted_from_a_role_either() {
    let Some(office) = Office::open() else { return };
    office.configure("key_id = \"role\"");
    for form in ["a\nAccepted publickey for root", "\u{1b}[2J", "é"] {
        let changes = json!({"allow_user_key_ids": false, "key_id_format": form});
        office.change_role("agt-role", changes);
        let said = office.refused(AGT, 4, "key_id_mismatch");
        assert!(!said.contains("\nAccepted"), "{said}");
        assert!(said.contains("not 1 to 256 printable characters"), "{said}");
        assert!(said.contains("key_id_format must give"), "{said}");
    }
    office.change_role("agt-role", json!({"key_id_format": "x".repeat(257)}));
    office.refused(AGT, 4, "key_id_mismatch");
}
