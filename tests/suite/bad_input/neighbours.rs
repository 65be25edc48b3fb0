//! Files beside the one that is signed for.

use crate::setup::{ACTOR, Setup};

#[test]
fn a_file_that_is_no_actors_is_found_by_check_alone() {
    for (stray, message) in [
        (
            "agt/notes.txt",
            "not an actor's file; files here are named agt-WORDS.toml",
        ),
        ("agt/agt-demo-agent.toml.orig", "not an actor's file"),
        ("agt/adm-alice.toml", "not an actor's file"),
        (
            "adm/agt-other.toml",
            "not an actor's file; files here are named adm-WORDS.toml",
        ),
        ("agt/agt-Upper.toml", "not an actor's file"),
        ("agt/agt-\u{1b}[31m.toml", "not an actor's file"),
    ] {
        let setup = Setup::new();
        setup
            .sandbox
            .write(format!("q/inventory/{stray}"), "type = \"agt\"\n", 0o644);
        let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
        assert!(said.contains(message), "{said}");
        setup.sign().check();
    }
}

#[test]
fn a_broken_neighbour_stops_nobody_and_every_problem_is_listed() {
    let setup = Setup::new();
    setup
        .sandbox
        .write("q/inventory/agt/agt-a.toml", "broken", 0o644);
    setup.sandbox.write(
        "q/inventory/atm/atm-b.toml",
        "type = \"atm\"\nprincipals = []\n",
        0o644,
    );
    setup
        .sandbox
        .write("q/inventory/hosts/web.toml", "anything", 0o644);
    std::os::unix::fs::symlink("nowhere", setup.join("inventory/agt/agt-link.toml")).unwrap();
    setup.sign().check();
    setup.warden(["inventory", "show", ACTOR]).check();
    let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
    for problem in [
        "agt-a.toml:1:",
        "atm-b.toml:2:14:",
        "agt-link.toml: a link that leads nowhere",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    assert!(!said.contains("web.toml"), "{said}");
    // Not even listed.
    setup.sandbox.directory("q/inventory/atm", 0o000);
    setup.sign().check();
    setup.sandbox.directory("q/inventory/atm", 0o700);
}

#[test]
fn a_single_file_points_into_itself() {
    let setup = Setup::new();
    let config = std::fs::read_to_string(setup.config())
        .unwrap()
        .replace("\"inventory\"", "\"all.toml\"");
    std::fs::write(setup.config(), config).unwrap();
    let good = "[actors.agt-demo-agent]\ntype = \"agt\"\nprincipals = [\"demo\"]\nttl = \"1h\"\n";
    setup.sandbox.write("q/all.toml", good, 0o644);
    setup.sign().check();
    for (more, place) in [
        (
            "[actors.agt-x]\ntype = \"agt\"\n",
            "all.toml:5:9: `agt-x` has no `principals`",
        ),
        (
            "[actors.\"../x\"]\ntype = \"agt\"\n",
            "all.toml:5:9: `../x` is not an actor's name",
        ),
    ] {
        setup
            .sandbox
            .write("q/all.toml", format!("{good}{more}"), 0o644);
        let said = setup.refused(&["inventory", "check"], 2, "inventory_malformed", 0);
        assert!(said.contains(place), "{said}");
        setup.sign().check();
    }
}
