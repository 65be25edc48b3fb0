//! Saved roles, beside each other and beside the inventory.

use super::{failing, sound};
use crate::setup::refusal_of_text;
use serde_json::{Value, json};
use warden_tests::desk::Desk;
use warden_tests::process::Outcome;

fn desk() -> Desk {
    let desk = Desk::without_ca();
    desk.set_actor(
        "agt-visitor",
        "principals = [\"a\", \"b\"]\nttl = \"1h\"\nmax_ttl = \"2h\"\nextensions = [\"permit-port-forwarding\", \"permit-pty\"]",
    );
    desk
}

fn compared(desk: &Desk, old: &Value, new: Option<&Value>) -> Outcome {
    let write = |name: &str, role: &Value| desk.sandbox().write(name, role.to_string(), 0o600);
    let program = desk.program().args(["cutover", "parity", "--old-role"]);
    let program = program.arg(write("old.json", old));
    match new {
        Some(new) => program.arg("--new-role").arg(write("new.json", new)).run(),
        None => program.args(["--actor", "agt-visitor"]).run(),
    }
}

#[test]
fn alike_signers_end_with_0_and_each_difference_is_one_finding() {
    let desk = desk();
    for new in [Some(&sound()), None] {
        let outcome = compared(&desk, &sound(), new);
        assert_eq!(failing(&outcome), Vec::<&str>::new(), "{outcome}");
    }
    for (key, value, code) in [
        (
            "allowed_extensions",
            json!("permit-port-forwarding"),
            "parity_extensions",
        ),
        (
            "allowed_extensions",
            json!("permit-port-forwarding,permit-pty,permit-user-rc"),
            "parity_extensions",
        ),
        ("max_ttl", json!(7201), "parity_ttl"),
        ("allow_user_key_ids", json!(false), "parity_key_id"),
        (
            "default_critical_options",
            json!({"force-command": "/bin/x"}),
            "parity_critical_options",
        ),
        (
            "allow_empty_principals",
            json!(true),
            "parity_empty_principals",
        ),
    ] {
        let mut other = sound();
        other[key] = value;
        for outcome in [
            compared(&desk, &sound(), Some(&other)),
            compared(&desk, &other, Some(&sound())),
            compared(&desk, &other, None),
        ] {
            assert_eq!(failing(&outcome), [code], "{key}: {outcome}");
        }
    }
}

#[test]
fn bad_input_ends_with_status_2() {
    let desk = desk();
    let role = desk
        .sandbox()
        .write("role.json", sound().to_string(), 0o600);
    let role = role.display().to_string();
    let bad = desk
        .sandbox()
        .write("bad.json", "{}", 0o600)
        .display()
        .to_string();
    for (args, reason) in [
        (
            &["--old-role", &bad, "--actor", "agt-visitor"][..],
            "role_malformed",
        ),
        (
            &["--old-role", "missing.json", "--new-role", &role],
            "file_not_found",
        ),
        (
            &["--old-role", &role, "--actor", "agt-nobody"],
            "parity_no_actor",
        ),
        (
            &["--old-role", &role, "--actor", "nobody"],
            "actor_name_malformed",
        ),
        (&["--old-role", &role], "usage"),
        (&["--live"], "usage"),
        (&[], "usage"),
        (&["--live", "--old-role", &role], "usage"),
        (
            &["--live", "--actor", "agt-visitor"],
            "vault_not_configured",
        ),
        (
            &["--old-role", &role, "--new-role", &role, "--old-ca", "x"],
            "fingerprint_malformed",
        ),
        (
            &["--old-certificate", &role, "--new-certificate", &role],
            "not_a_certificate",
        ),
    ] {
        refusal_of_text(
            &desk.program().args(["cutover", "parity"]).args(args).run(),
            2,
            reason,
        );
    }
}
