//! The roles that `warden backend roles` prints, and what the engine makes of them.

use crate::remote::Remote;
use crate::setup::ACTOR;
use serde_json::Value;

/// The fields of a role as the engine names them; a field of any other name is ignored there.
const FIELDS: [&str; 28] = [
    "key_type",
    "default_user",
    "default_user_template",
    "cidr_list",
    "exclude_cidr_list",
    "port",
    "allowed_users",
    "allowed_users_template",
    "allowed_domains",
    "allowed_domains_template",
    "ttl",
    "max_ttl",
    "allowed_critical_options",
    "allowed_extensions",
    "default_critical_options",
    "default_extensions",
    "default_extensions_template",
    "allow_user_certificates",
    "allow_host_certificates",
    "allow_bare_domains",
    "allow_subdomains",
    "allow_user_key_ids",
    "key_id_format",
    "allowed_user_key_lengths",
    "algorithm_signer",
    "not_before_duration",
    "allow_empty_principals",
    "issuer_ref",
];

fn printed(remote: &Remote) -> Value {
    let outcome = remote
        .setup
        .warden(["backend", "roles", "--json"])
        .expect_success();
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn no_field_of_a_printed_role_is_misspelt() {
    let remote = Remote::new();
    for lines in ["", "roles = \"per-actor\"", "key_id = \"role\""] {
        remote.configure(&format!("token_file = \"token\"\n{lines}"));
        let document = printed(&remote);
        let roles = document["roles"].as_array().unwrap();
        assert_eq!(roles.len(), 1);
        for (field, _) in roles[0]["role"].as_object().unwrap() {
            assert!(FIELDS.contains(&field.as_str()), "{field}");
        }
    }
}

#[test]
fn the_engine_signs_with_the_printed_roles_and_the_lint_passes_them() {
    let remote = Remote::new();
    for lines in ["", "roles = \"per-actor\"", "key_id = \"role\""] {
        remote.configure(&format!("token_file = \"token\"\n{lines}"));
        let document = printed(&remote);
        remote.bao.engine(|engine| {
            engine.roles.clear();
            for one in document["roles"].as_array().unwrap() {
                let name = one["name"].as_str().unwrap().to_owned();
                engine.roles.insert(name, one["role"].clone());
            }
        });
        remote.signs();
        let checked = remote.setup.warden(["backend", "check"]).expect_success();
        assert!(checked.stdout.contains("PASS role: "), "{checked}");
        assert!(
            checked.stdout.ends_with("warn=0 fail=0 skip=0\n"),
            "{checked}"
        );
    }
}

#[test]
fn only_live_actors_have_roles() {
    let remote = Remote::new();
    remote.configure("token_file = \"token\"\nroles = \"per-actor\"");
    let write = |name: &str, lines: &str| {
        let text = format!("type = \"agt\"\nprincipals = [\"p-{name}\"]\nttl = \"1h\"\n{lines}\n");
        remote
            .setup
            .sandbox
            .write(format!("q/inventory/agt/agt-{name}.toml"), text, 0o644);
    };
    write("live", "");
    write("off", "disabled = true");
    write("gone", "expires = 2020-01-01");
    let text = printed(&remote).to_string();
    assert!(text.contains("agt-live") && text.contains(ACTOR), "{text}");
    assert!(!text.contains("-off") && !text.contains("-gone"), "{text}");
    // Nor has a role of a type what only they are given.
    remote.configure("token_file = \"token\"");
    let text = printed(&remote).to_string();
    assert!(text.contains("p-live"), "{text}");
    assert!(
        !text.contains("p-off") && !text.contains("p-gone"),
        "{text}"
    );
}
