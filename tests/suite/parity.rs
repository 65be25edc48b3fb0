//! `cutover parity`: what differs between two signers, each difference by its own name.

mod certificates;
mod roles;

use serde_json::{Value, json};
use warden_tests::process::Outcome;

/// The role of [`INVENTORY`]'s actor.
pub(crate) fn sound() -> Value {
    json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": false,
        "allowed_users": "a,b", "allowed_users_template": false, "default_user": "",
        "allow_user_key_ids": true, "allowed_extensions": "permit-port-forwarding,permit-pty",
        "default_extensions": {}, "allowed_critical_options": "none",
        "default_critical_options": {}, "ttl": 7200, "max_ttl": 7200,
        "not_before_duration": 30, "algorithm_signer": "default", "allow_empty_principals": false,
    })
}

/// The codes that failed.
#[track_caller]
fn failing(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("FAIL "));
    let failing: Vec<&str> = lines.map(|line| line.split(' ').next().unwrap()).collect();
    let code = i32::from(!failing.is_empty());
    assert_eq!(outcome.code, Some(code), "{outcome}");
    assert_eq!(
        outcome.stderr.contains("(parity_differs)"),
        code == 1,
        "{outcome}"
    );
    failing
}
