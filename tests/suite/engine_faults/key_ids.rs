//! Key ids that the role makes.

use crate::remote::{Remote, sound_role};
use serde_json::json;

fn remote() -> Remote {
    let remote = Remote::new();
    remote.configure("token_file = \"token\"\nkey_id = \"role\"");
    remote.bao.engine(|engine| {
        let mut role = sound_role();
        role["allow_user_key_ids"] = json!(false);
        engine.roles.insert("agt-role".to_owned(), role);
    });
    remote
}

#[test]
fn a_key_id_that_the_role_makes_is_accepted_where_that_is_configured_and_recorded() {
    let remote = remote();
    remote.signs();
    let asked = remote.bao.take_requests().pop().unwrap().json();
    assert!(
        asked.get("key_id").is_none_or(serde_json::Value::is_null),
        "{asked}"
    );
    let record = remote.setup.records().pop().unwrap();
    assert_eq!(record["key_id"], "vault-token-0a1b2c3d4e5f");
    assert_eq!(record["actor"], crate::setup::ACTOR);
    // Every record says that another key id was accepted than the actor's name.
    assert_eq!(record["key_id_rule"], "role", "{record}");
    remote.setup.verify().check();
}

#[test]
fn a_key_id_of_256_printable_bytes_is_the_longest() {
    let remote = remote();
    for key_id in ["x".repeat(256), "a b~!\"\\".to_owned(), "1".to_owned()] {
        let bytes = key_id.clone().into_bytes();
        remote
            .bao
            .alter(move |forgery| forgery.fields.key_id = bytes.clone());
        remote.signs();
        assert_eq!(remote.setup.records().pop().unwrap()["key_id"], key_id);
    }
    for key_id in [
        vec![b'x'; 257],
        Vec::new(),
        b"line\nAccepted publickey for root".to_vec(),
        b"esc\x1b[2J".to_vec(),
        b"nul\0".to_vec(),
        b"tab\t".to_vec(),
        b"del\x7f".to_vec(),
        "\u{202e}bidi".as_bytes().to_vec(),
        vec![0xff, 0xfe],
    ] {
        remote
            .bao
            .alter(move |forgery| forgery.fields.key_id = key_id.clone());
        remote.fails_after(1, 4, "key_id_mismatch");
    }
}

#[test]
fn nothing_else_is_negotiable_with_the_roles_key_id() {
    let remote = remote();
    remote
        .bao
        .alter(|forgery| forgery.fields.principals.push(b"root".to_vec()));
    remote.fails_after(1, 4, "principals_mismatch");
    remote
        .bao
        .alter(|forgery| forgery.fields.critical_options.clear());
    remote.fails_after(1, 4, "critical_options_mismatch");
}
