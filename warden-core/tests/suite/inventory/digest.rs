//! The digest says from which bytes an answer was read.

use super::BEGIN;
use crate::scene::{Inventory, actor};
use std::collections::HashSet;
use warden_core::inventory::SourceDigest;

const TYPES: &str = "[agt]\nmax_ttl = \"12h\"\n";

fn digest(inventory: &Inventory) -> SourceDigest {
    inventory
        .path()
        .standing_of(&actor("agt-a"))
        .unwrap()
        .source_digest
}

#[test]
fn it_is_of_the_two_files_and_of_nothing_else() {
    let inventory = Inventory::of([("types.toml", TYPES), ("agt/agt-a.toml", BEGIN)]);
    let both = vec![
        ("types.toml", TYPES.as_bytes()),
        ("agt/agt-a.toml", BEGIN.as_bytes()),
    ];
    assert_eq!(digest(&inventory), SourceDigest::of(both.clone()));
    inventory.write("agt/agt-b.toml", BEGIN);
    inventory.write("adm/adm-a.toml", "type = \"adm\"\nprincipals = [\"a\"]\n");
    inventory.write("hosts/web.toml", "x");
    assert_eq!(digest(&inventory), SourceDigest::of(both));
    let all = inventory.path().load().unwrap();
    let four = vec![
        ("types.toml", TYPES.as_bytes()),
        ("agt/agt-a.toml", BEGIN.as_bytes()),
        ("agt/agt-b.toml", BEGIN.as_bytes()),
        ("adm/adm-a.toml", b"type = \"adm\"\nprincipals = [\"a\"]\n"),
    ];
    assert_eq!(all.source_digest(), SourceDigest::of(four));
}

#[test]
fn an_absent_file_is_not_an_empty_one() {
    let inventory = Inventory::of([("agt/agt-a.toml", BEGIN)]);
    let absent = digest(&inventory);
    inventory.write("types.toml", "#");
    assert_ne!(digest(&inventory), absent);
    let unknown = |inventory: &Inventory| {
        let standing = inventory.path().standing_of(&actor("agt-x"));
        standing.unwrap().source_digest
    };
    assert_eq!(
        unknown(&inventory),
        SourceDigest::of(vec![("types.toml", b"#")])
    );
}

#[test]
fn every_byte_of_the_two_files_changes_it() {
    // A comment can hold any byte of ASCII, so each position can be changed to something valid.
    let inventory = Inventory::of([("types.toml", "#01234567\n"), ("agt/agt-a.toml", BEGIN)]);
    let actor_file = format!("{BEGIN}#abcdefgh\n");
    inventory.write("agt/agt-a.toml", &actor_file);
    let mut seen = HashSet::from([digest(&inventory).to_string()]);
    for at in 1..9 {
        let mut changed = "#01234567\n".to_owned().into_bytes();
        changed[at] ^= 1;
        inventory.write("types.toml", changed);
        assert!(seen.insert(digest(&inventory).to_string()), "{at}");
    }
    inventory.write("types.toml", "#01234567\n");
    for at in 1..9 {
        let mut changed = actor_file.clone().into_bytes();
        changed[BEGIN.len() + at] ^= 1;
        inventory.write("agt/agt-a.toml", changed);
        assert!(seen.insert(digest(&inventory).to_string()), "{at}");
    }
    for longer in ["\n", " ", "\t"] {
        inventory.write("agt/agt-a.toml", format!("{actor_file}{longer}"));
        assert!(seen.insert(digest(&inventory).to_string()));
    }
}

#[test]
fn it_does_not_depend_on_the_place() {
    let files = [("types.toml", TYPES), ("agt/agt-a.toml", BEGIN)];
    let (one, other) = (Inventory::of(files), Inventory::of(files));
    assert_ne!(one.directory(), other.directory());
    assert_eq!(digest(&one), digest(&other));
    let single = "[actors.agt-a]\ntype = \"agt\"\nprincipals = [\"a\"]\n";
    let one = Inventory::of([("inventory.toml", single)]);
    other.write("another-name.toml", single);
    let path = other.directory().join("another-name.toml");
    let renamed = warden_core::inventory::InventoryPath::new(path);
    let renamed = renamed.standing_of(&actor("agt-a")).unwrap();
    assert_eq!(digest(&one), renamed.source_digest);
}

#[test]
fn it_is_the_documented_hash() {
    use sha2::{Digest, Sha256};
    let inventory = Inventory::of([("agt/agt-a.toml", BEGIN)]);
    let mut bytes = b"warden-inventory-v1\n".to_vec();
    for part in ["agt/agt-a.toml", BEGIN] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    let expected: String = Sha256::digest(&bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(digest(&inventory).to_string(), expected);
}
