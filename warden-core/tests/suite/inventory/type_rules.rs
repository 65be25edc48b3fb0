//! Every rule of `types.toml`, of a single file and of file names, broken once.

use super::{BEGIN, assert_each, relative, wrong_in};
use crate::scene::{Inventory, actor};
use warden_core::failure::Failure;
use warden_core::inventory::InventoryError;

fn types(text: &str) -> String {
    let files = [("types.toml", text), ("agt/agt-a.toml", BEGIN)];
    wrong_in(&files, "agt-a")
}

#[test]
fn a_broken_rule_of_the_types_is_named_at_its_place() {
    let rows = [
        (
            "[adm]\nmax_ttl = \"48h1s\"\n",
            "2:11: max_ttl 48h1s is over the ceiling of type `adm`, 48h",
        ),
        (
            "[agt]\nmax_ttl = \"24h1s\"\n",
            "2:11: max_ttl 24h1s is over the ceiling of type `agt`, 24h",
        ),
        (
            "[atm]\nmax_ttl = \"8h1s\"\n",
            "2:11: max_ttl 8h1s is over the ceiling of type `atm`, 8h",
        ),
        (
            "[atm]\nmax_ttl = \"0h\"\n",
            "2:11: a duration of zero would give a certificate that is never valid",
        ),
        (
            "[agt]\nextensions = [\"a\"]\n",
            "2:15: `a` is not an extension OpenSSH knows",
        ),
        (
            "[agt]\nextensions = [\"permit-pty\", \"permit-pty\"]\n",
            "2:29: extension `permit-pty` stands twice in the list",
        ),
        (
            "[agt]\nttl = \"1h\"\n",
            "2:1: unknown field `ttl`, expected `max_ttl` or `extensions`",
        ),
        (
            "[usr]\nmax_ttl = \"1h\"\n",
            "1:2: unknown field `usr`, expected one of `adm`, `agt`, `atm`",
        ),
        ("[agt]\n[agt]\n", "2:2: duplicate key"),
        (
            "<<<<<<< HEAD\n",
            "1:1: a merge conflict was left in the file",
        ),
    ];
    assert_each(&rows, "types.toml:", types);
}

#[test]
fn a_lowered_ceiling_holds_for_every_actor_of_the_type() {
    let files = [
        ("types.toml", "[agt]\nmax_ttl = \"1h\"\nextensions = []\n"),
        ("agt/agt-a.toml", &*format!("{BEGIN}ttl = \"1h1s\"\n")),
    ];
    assert_eq!(
        wrong_in(&files, "agt-a"),
        "agt/agt-a.toml:3:7: ttl 1h1s is over the ceiling of type `agt`, 1h"
    );
    let wide = format!("{BEGIN}extensions = [\"permit-port-forwarding\"]\n");
    let files = [files[0], ("agt/agt-a.toml", &*wide)];
    assert_eq!(
        wrong_in(&files, "agt-a"),
        "agt/agt-a.toml:3:15: extension `permit-port-forwarding` is not among those of type `agt`"
    );
}

#[test]
fn a_broken_rule_of_a_single_file_is_named_at_its_place() {
    let single = |text: &str| wrong_in(&[("inventory.toml", text)], "agt-a");
    let rows = [
        // The column counts characters, though the one before it takes two bytes.
        (
            "actors.agt-a = { owner = \"é\", type = \"agt\", principals = [] }\n",
            "1:58: the list of principals is empty; an empty list would fit any account",
        ),
        (
            "[actors.agt-a]\nprincipals = [\"a\"]\n",
            "1:9: `agt-a` has no `type`",
        ),
        (
            "[actors.agt-a]\ntype = \"agt\"\nprincipals = []\n",
            "3:14: the list of principals is empty; an empty list would fit any account",
        ),
        (
            "[types.agt]\nmax_ttl = \"25h\"\n\n[actors]\n",
            "2:11: max_ttl 25h is over the ceiling of type `agt`, 24h",
        ),
        (
            "[actors.agt-a]\ntype = \"agt\"\nprincipals = [\"a\"]\n[actors.agt-a]\n",
            "4:9: duplicate key",
        ),
        (
            "[actors.agt-a]\ncolour = 1\n",
            "2:1: unknown field `colour`, expected one of ...",
        ),
        (
            "[actor.agt-a]\n",
            "1:2: unknown field `actor`, expected `types` or `actors`",
        ),
    ];
    assert_each(&rows, "inventory.toml:", single);
}

#[test]
fn a_name_that_is_none_is_found_when_the_whole_single_file_is_read() {
    let text = "[actors.root]\ntype = \"adm\"\nprincipals = [\"a\"]\n\n[actors.agt-a]\ntype = \"agt\"\nprincipals = [\"a\"]\n";
    let inventory = Inventory::of([("inventory.toml", text)]);
    assert!(
        inventory
            .path()
            .standing_of(&actor("agt-a"))
            .unwrap()
            .actor()
            .is_some()
    );
    let error = inventory.path().load().unwrap_err().to_string();
    assert!(
        error.contains("inventory.toml:1:9: `root` is not an actor's name"),
        "{error}"
    );
}

#[test]
fn every_broken_file_is_reported_at_once() {
    let good = "type = \"adm\"\nprincipals = [\"a\"]\n";
    let inventory = Inventory::of([
        ("adm/adm-good.toml", good),
        ("adm/adm-broken.toml", "type = \"adm\"\n"),
        ("adm/agt-astray.toml", BEGIN),
        ("agt/agt-ttl.toml", &*format!("{BEGIN}ttl = \"25h\"\n")),
        ("agt/notes.txt", "x"),
        ("agt/AGT-A.toml", BEGIN),
        ("agt/agt-a.toml~", BEGIN),
        ("atm/atm-syntax.toml", "type = \n"),
        ("atm/README.md", "what atm is"),
        ("atm/.hidden", "x"),
    ]);
    std::os::unix::fs::symlink("nowhere", inventory.directory().join("atm/atm-link.toml")).unwrap();
    let InventoryError::Problems(problems) = inventory.path().load().unwrap_err() else {
        panic!("no problem");
    };
    let mut found: Vec<_> = problems
        .iter()
        .map(|one| relative(&inventory, one))
        .collect();
    found.sort();
    let beginnings = [
        "adm/adm-broken.toml:1:1: `adm-broken` has no `principals`",
        "adm/agt-astray.toml: not an actor's file; files here are named adm-WORDS.toml",
        "agt/AGT-A.toml: not an actor's file; files here are named agt-WORDS.toml",
        "agt/agt-a.toml~: not an actor's file; files here are named agt-WORDS.toml",
        "agt/agt-ttl.toml:3:7: ttl 25h is over the ceiling of type `agt`, 24h",
        "agt/notes.txt: not an actor's file; files here are named agt-WORDS.toml",
        "atm/atm-link.toml: a link that leads nowhere",
        "atm/atm-syntax.toml:1:8: string values must be quoted, expected literal string",
    ];
    assert_eq!(found, beginnings);
}

#[test]
fn every_broken_actor_of_a_single_file_is_reported_at_once() {
    let text =
        "[actors.agt-a]\ntype = \"agt\"\n\n[actors.atm-b]\ntype = \"adm\"\nprincipals = [\"a\"]\n";
    let inventory = Inventory::of([("inventory.toml", text)]);
    let error = inventory.path().load().unwrap_err();
    assert_eq!(error.reason(), "inventory_malformed");
    let InventoryError::Problems(problems) = error else {
        panic!("no problem");
    };
    let found: Vec<_> = problems
        .iter()
        .map(|one| relative(&inventory, one))
        .collect();
    let expected = [
        "inventory.toml:1:9: `agt-a` has no `principals`",
        "inventory.toml:5:8: type `adm` disagrees with the name `atm-b`, which begins with `atm`",
    ];
    assert_eq!(found, expected);
}
