//! Configurations that are refused, each with its place.

use crate::setup::{ACTOR, Setup};

/// Each: the whole file, the place named, the line shown, the caret under it.
const MALFORMED: [(&str, &str, &str); 9] = [
    (
        "backend = \"local\"\nca_kee = \"x\"\n",
        "warden.toml:2:1: unknown field",
        "2 | ca_kee = (value not shown)\n  | ^^^^^^",
    ),
    (
        "ca_key = \"a\"\nca_key_env = \"B\"\n",
        "warden.toml:2:14: both `ca_key` and `ca_key_env`",
        "2 | ca_key_env = \"B\"\n  |              ^^^",
    ),
    (
        "backend = \"magic\"\n",
        "warden.toml:1:11: backend `magic` is not known",
        "1 | backend = \"magic\"\n  |           ^^^^^^^",
    ),
    (
        "ca_key = \n",
        "warden.toml:1:",
        "1 | ca_key = (value not shown)\n",
    ),
    ("ca_key = 7\n", "warden.toml:1:10: ", "  |          ^"),
    (
        "ca_key = \"a\"\nca_key = \"b\"\n",
        "warden.toml:2:1: ",
        "2 | ca_key = (value not shown)\n",
    ),
    (
        "ca_key = \"\"\n",
        "warden.toml:1:10: the path is empty",
        "  |          ^^",
    ),
    (
        "ca_key_env = \"1 x\"\n",
        "warden.toml:1:14: not the name of an environment variable",
        "1 | ca_key_env = (value not shown)\n  |              ^",
    ),
    (
        "<<<<<<< HEAD\nca_key = \"a\"\n=======\n>>>>>>> b\n",
        "warden.toml:1:1: a merge conflict",
        "1 | <<<<<<< HEAD\n  | ^^^^^^^",
    ),
];

#[test]
fn a_malformed_configuration_is_pointed_at() {
    let setup = Setup::new();
    let key = setup.key();
    for (content, place, excerpt) in MALFORMED {
        std::fs::write(setup.config(), content).unwrap();
        for args in [
            vec!["inventory", "check"],
            vec!["audit", "verify"],
            vec!["ca", "show"],
            vec!["sign", ACTOR, "--pubkey", key.to_str().unwrap()],
        ] {
            let said = setup.refused(&args, 2, "config_malformed", 0);
            assert!(said.contains(place), "{said}");
            let lines: String = said
                .lines()
                .filter_map(|line| line.strip_prefix("warden:   "))
                .map(|line| format!("{line}\n"))
                .collect();
            assert!(lines.contains(excerpt), "{excerpt}\nis not in\n{lines}");
        }
    }
}

#[test]
fn a_configuration_that_is_no_text_file_is_refused() {
    let setup = Setup::new();
    let config = setup.config();
    let args = ["inventory", "check"];
    std::fs::write(&config, b"\xff\xfe").unwrap();
    setup.refused(&args, 2, "file_not_text", 0);
    std::fs::write(&config, "\u{feff}backend = \"local\"\n").unwrap();
    let said = setup.refused(&args, 2, "config_malformed", 0);
    assert!(said.contains("byte order mark"), "{said}");
    std::fs::write(&config, "#".repeat(256 * 1024 + 1)).unwrap();
    setup.refused(&args, 2, "file_too_large", 0);
    std::fs::remove_file(&config).unwrap();
    let said = setup.refused(&args, 2, "file_not_found", 0);
    assert!(said.contains("hint: name another with --config"), "{said}");
    std::fs::create_dir(&config).unwrap();
    setup.refused(&args, 2, "file_not_regular", 0);
}

#[test]
fn a_configuration_with_windows_line_ends_means_the_same() {
    let setup = Setup::new();
    for file in [setup.config(), setup.actor_file()] {
        let text = std::fs::read_to_string(&file)
            .unwrap()
            .replace('\n', "\r\n");
        std::fs::write(&file, text).unwrap();
    }
    setup.sign().check();
}

#[test]
fn a_ca_key_that_is_not_named_is_said_and_recorded() {
    let setup = Setup::new();
    let key = setup.key();
    let args = ["sign", ACTOR, "--pubkey", key.to_str().unwrap()];
    std::fs::write(setup.config(), "state_dir = \"state\"\n").unwrap();
    setup.refused(&args, 2, "ca_key_not_configured", 1);
    std::fs::write(
        setup.config(),
        "state_dir = \"state\"\nca_key_env = \"CA_HERE\"\n",
    )
    .unwrap();
    let said = setup.refused(&args, 2, "ca_key_not_configured", 1);
    assert!(said.contains("CA_HERE"), "{said}");
    setup.signing().env("CA_HERE", setup.ca_key()).run().check();
}

#[test]
fn an_inventory_that_is_not_there_is_said_and_recorded() {
    let setup = Setup::new();
    let key = setup.key();
    let args = ["sign", ACTOR, "--pubkey", key.to_str().unwrap()];
    std::fs::rename(setup.join("inventory"), setup.join("elsewhere")).unwrap();
    setup.refused(&args, 2, "inventory_not_found", 1);
    setup.refused(&["inventory", "list"], 2, "inventory_not_found", 0);
    std::fs::create_dir(setup.join("inventory")).unwrap();
    setup.refused(&args, 3, "unknown_actor_resource", 1);
    std::fs::create_dir_all(setup.actor_file()).unwrap();
    setup.refused(&args, 2, "inventory_not_readable", 1);
    setup.refused(&["inventory", "check"], 2, "inventory_not_readable", 0);
}
