//! Which files are read for one actor, and which are not looked at.

use super::BEGIN;
use crate::scene::{Inventory, actor};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use warden_core::failure::Failure;
use warden_core::inventory::InventoryPath;

fn one_actor() -> Inventory {
    Inventory::of([("types.toml", "# none\n"), ("agt/agt-a.toml", BEGIN)])
}

/// Makes a FIFO, from which a careless read never returns.
fn fifo(inventory: &Inventory, name: &str) {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(inventory.directory(), flags, Mode::empty()).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(directory.as_fd(), name, kind, mode, 0).unwrap();
}

#[test]
fn a_broken_neighbour_stops_nobody() {
    let inventory = one_actor();
    let alone = inventory.path().standing_of(&actor("agt-a")).unwrap();
    inventory.write("agt/agt-b.toml", "<<<<<<< HEAD\n");
    inventory.write("agt/agt-c.toml", [0xff, 0xfe, 0]);
    inventory.write("agt/junk", "x");
    inventory.write("adm/adm-a.toml", vec![b'#'; 200_000]);
    fifo(&inventory, "agt/agt-d.toml");
    fifo(&inventory, "atm");
    let beside = inventory.path().standing_of(&actor("agt-a")).unwrap();
    assert_eq!(beside.actor(), alone.actor());
    assert!(beside.actor().is_some());
    assert_eq!(beside.source_digest, alone.source_digest);
    assert!(inventory.path().load().is_err());
}

#[test]
fn a_file_that_is_read_may_be_broken_in_no_way() {
    let reason = |inventory: &Inventory| {
        let standing = inventory.path().standing_of(&actor("agt-a"));
        standing.unwrap_err().reason()
    };
    let inventory = Inventory::of([("agt/agt-b.toml", BEGIN)]);
    fifo(&inventory, "agt/agt-a.toml");
    assert_eq!(reason(&inventory), "inventory_not_readable");

    let inventory = Inventory::of([("agt/agt-a.toml/x", "")]);
    assert_eq!(reason(&inventory), "inventory_not_readable");

    let inventory = one_actor();
    inventory.write("agt/agt-a.toml", [0xff]);
    assert_eq!(reason(&inventory), "inventory_not_readable");

    let large = |bytes: usize| format!("{BEGIN}#{}", "x".repeat(bytes - BEGIN.len() - 1));
    inventory.write("agt/agt-a.toml", large(64 * 1024 + 1));
    assert_eq!(reason(&inventory), "inventory_not_readable");
    inventory.write("agt/agt-a.toml", large(64 * 1024));
    assert!(inventory.path().standing_of(&actor("agt-a")).is_ok());

    inventory.write("types.toml", "[usr]\n");
    assert_eq!(reason(&inventory), "inventory_malformed");
    let unknown = inventory.path().standing_of(&actor("agt-unknown"));
    assert_eq!(unknown.unwrap_err().reason(), "inventory_malformed");
}

#[test]
fn an_actor_without_a_file_is_unknown_and_not_an_error() {
    let inventory = one_actor();
    let standing = inventory.path().standing_of(&actor("agt-unknown")).unwrap();
    assert!(standing.actor().is_none());
    // Another type's directory is not searched.
    inventory.write("adm/agt-b.toml", BEGIN);
    let standing = inventory.path().standing_of(&actor("agt-b")).unwrap();
    assert!(standing.actor().is_none());
}

#[test]
fn no_inventory_at_all_is_an_error() {
    let inventory = one_actor();
    let nowhere = InventoryPath::new(inventory.directory().join("elsewhere"));
    let error = nowhere.standing_of(&actor("agt-a")).unwrap_err();
    assert_eq!(error.reason(), "inventory_not_found");
    assert_eq!(nowhere.load().unwrap_err().reason(), "inventory_not_found");
}

#[test]
fn other_things_beside_the_three_types_are_ignored() {
    let inventory = one_actor();
    let before = inventory.path().load().unwrap();
    inventory.write("hosts/web.toml", "whatever = \n");
    inventory.write("notes.txt", "x");
    inventory.write("agents/agt-a.toml", "x");
    inventory.write(".git/config", "x");
    inventory.write("agt/.agt-a.toml.swp", [0xff]);
    inventory.write("agt/README.md", "x");
    let after = inventory.path().load().unwrap();
    assert_eq!(before.actors().len(), 1);
    assert!(before.actors().eq(after.actors()));
    assert_eq!(before.source_digest(), after.source_digest());
}

#[test]
fn reading_one_and_reading_all_give_the_same_actor() {
    let text = format!(
        "{BEGIN}ttl = \"1h\"\nmax_ttl = \"2h\"\nmin_ttl = \"1m\"\ndescription = \"d\"\n\
         extensions = []\nforce_command = \"/bin/x\"\nsource_address = [\"10.0.0.1\"]\n\
         verify_required = true\npublic_keys = [\"SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g\"]\n\
         subjects = [\"iam:a\", \"iam:b\"]\ndisabled = true\nexpires = 2027-01-01\nowner = \"team:a\"\n\
         reviewed = 2026-11-22\n"
    );
    let inventory = Inventory::of([("agt/agt-a.toml", &*text)]);
    let one = inventory.path().standing_of(&actor("agt-a")).unwrap();
    let one = one.actor();
    let all = inventory.path().load().unwrap();
    assert_eq!(one, all.actor(&actor("agt-a")));
    let one = one.unwrap();
    assert_eq!(one.place().principals_line, 2);
    assert!(one.disabled() && one.critical_options().verify_required);
    assert_eq!(one.expires().unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(one.reviewed().unwrap().to_string(), "2026-11-22T00:00:00Z");
    assert_eq!(
        (one.description(), one.owner()),
        (Some("d"), Some("team:a"))
    );
    assert_eq!(one.subjects(), ["iam:a", "iam:b"]);
    assert_eq!(one.min_ttl().unwrap().to_string(), "1m");
    assert_eq!(one.public_keys().unwrap().len(), 1);
}

#[test]
fn type_settings_that_may_be_missing_for_a_moment_widen_nothing() {
    let inventory = Inventory::of([("agt/agt-a.toml", BEGIN)]);
    let path = inventory.directory().join("types.toml");
    let reasons = || {
        let one = inventory.path().standing_of(&actor("agt-a")).unwrap_err();
        let all = inventory.path().load().unwrap_err();
        (one.reason(), all.reason())
    };
    // An update that writes files one by one has just made it.
    std::fs::write(&path, "").unwrap();
    assert_eq!(reasons(), ("inventory_malformed", "inventory_malformed"));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(reasons(), ("inventory_malformed", "inventory_malformed"));
    std::fs::remove_file(&path).unwrap();
    assert!(inventory.path().standing_of(&actor("agt-a")).is_ok());
}
