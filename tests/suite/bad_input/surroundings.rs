//! Variables, directories and privileges around the command.

use crate::setup::{ACTOR, Setup, refusal_of_text};
use warden_tests::sandbox::warden_binary;

#[test]
fn nothing_but_the_configuration_decides() {
    let setup = Setup::new();
    let surroundings = [
        "TZ=Asia/Kathmandu",
        "LC_ALL=tr_TR.UTF-8",
        "LANG=C",
        "COLUMNS=10",
        "NO_COLOR=1",
        "CLICOLOR_FORCE=1",
        "RUST_LOG=trace",
        "XDG_CONFIG_HOME=relative",
        "XDG_STATE_HOME=/nonexistent",
        "WARDEN_CONFIG=/nonexistent",
        "SSH_AUTH_SOCK=/nonexistent",
        "SOURCE_DATE_EPOCH=0",
        "TMPDIR=/nonexistent",
        "PATH=/nonexistent",
    ];
    let denied = setup
        .program()
        .args(["sign", ACTOR, "--ttl", "9", "--pubkey"])
        .arg(setup.key());
    let denied = denied.run();
    for variable in surroundings {
        let (name, value) = variable.split_once('=').unwrap();
        let signed = setup.signing().env(name, value).run().expect_success();
        assert_eq!(signed.stderr, "", "{variable}");
        let record = setup.records().pop().unwrap();
        assert!(record["at"].as_str().unwrap().ends_with('Z'), "{variable}");
        let again = setup
            .program()
            .args(["sign", ACTOR, "--ttl", "9", "--pubkey"])
            .arg(setup.key());
        assert_eq!(
            again.env(name, value).run().stderr,
            denied.stderr,
            "{variable}"
        );
    }
    let shown = setup
        .script("TZ=Asia/Kathmandu LC_ALL=tr_TR.UTF-8 $W show $S/agt-demo-agent-cert.pub")
        .run();
    let plain = setup.script("$W show $S/agt-demo-agent-cert.pub").run();
    assert_eq!(shown.expect_success().stdout, plain.stdout);
}

#[test]
fn without_a_home_the_configuration_must_be_named() {
    let setup = Setup::new();
    let unset = "unset HOME XDG_CONFIG_HOME XDG_STATE_HOME;";
    setup.script(&format!("{unset} $SIGN")).run().check();
    let bare = setup
        .script(&format!("{unset} ${{W%% *}} inventory list"))
        .run();
    refusal_of_text(&bare, 2, "home_not_set");
    assert!(
        bare.stderr
            .contains("hint: name the configuration with --config"),
        "{bare}"
    );
    let relative = setup
        .script("unset XDG_CONFIG_HOME; HOME=relative ${W%% *} inventory list")
        .run();
    refusal_of_text(&relative, 2, "home_not_set");
    std::fs::write(setup.config(), "ca_key = \"ca/ca_key\"\n").unwrap();
    refusal_of_text(
        &setup.script(&format!("{unset} $SIGN")).run(),
        2,
        "home_not_set",
    );
    std::fs::write(
        setup.config(),
        "ca_key = \"~/ca_key\"\nstate_dir = \"state\"\n",
    )
    .unwrap();
    refusal_of_text(
        &setup.script(&format!("{unset} $SIGN")).run(),
        2,
        "config_malformed",
    );
}

#[test]
fn the_configuration_is_found_by_flag_then_variable_then_home() {
    let setup = Setup::new();
    let home = setup.sandbox.directory("home/.config/warden", 0o700);
    let list = |script: &str| setup.script(script).run();
    refusal_of_text(&list("${W%% *} inventory list"), 2, "file_not_found");
    std::fs::copy(setup.config(), home.join("warden.toml")).unwrap();
    refusal_of_text(&list("${W%% *} inventory list"), 2, "inventory_not_found");
    let config = setup.config();
    let by_variable = format!(
        "WARDEN_CONFIG={} ${{W%% *}} inventory list",
        config.display()
    );
    assert!(list(&by_variable).expect_success().stdout.contains(ACTOR));
    refusal_of_text(
        &list("WARDEN_CONFIG=/nonexistent ${W%% *} inventory list"),
        2,
        "file_not_found",
    );
    let elsewhere = setup.sandbox.directory("xdg/warden", 0o700);
    std::fs::write(
        elsewhere.join("warden.toml"),
        "inventory_path = \"../../q/inventory\"\n",
    )
    .unwrap();
    let by_xdg = format!(
        "XDG_CONFIG_HOME={} ${{W%% *}} inventory list",
        setup.sandbox.join("xdg").display()
    );
    assert!(list(&by_xdg).expect_success().stdout.contains(ACTOR));
}

#[test]
fn a_working_directory_that_is_gone_matters_only_to_relative_paths() {
    let setup = Setup::new();
    let gone = "mkdir gone; cd gone; rmdir ../gone;";
    setup.script(&format!("{gone} $SIGN")).run().check();
    let relative = setup
        .script(&format!(
            "{gone} ${{W%% *}} --config warden.toml inventory list"
        ))
        .run();
    refusal_of_text(&relative, 2, "file_not_found");
    let quickstart = setup
        .script(&format!("{gone} ${{W%% *}} quickstart r"))
        .run();
    refusal_of_text(&quickstart, 2, "path_malformed");
}

#[test]
fn programs_on_the_path_are_not_asked() {
    let setup = Setup::new();
    for name in ["ssh-keygen", "git", "ssh", "sh"] {
        let script = format!(
            "#!/bin/sh\ntouch {}\n",
            setup.sandbox.join("asked").display()
        );
        setup.sandbox.write(format!("bin/{name}"), script, 0o755);
    }
    setup
        .signing()
        .env("PATH", setup.sandbox.join("bin"))
        .run()
        .check();
    assert!(!setup.sandbox.join("asked").exists());
}

#[test]
fn a_setuid_warden_refuses_to_run() {
    let setup = Setup::new();
    if !warden_tests::skipped::require("a setuid copy of warden", crate::setup::as_root()) {
        return;
    }
    for bits in [0o4755, 0o2755] {
        let copy = setup
            .sandbox
            .write("warden", std::fs::read(warden_binary()).unwrap(), 0o755);
        std::os::unix::fs::chown(&copy, Some(65534), Some(65534)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(bits);
        std::fs::set_permissions(&copy, mode).unwrap();
        let outcome = setup.sandbox.run(&copy, ["inventory", "list"]);
        if outcome.stderr.contains("file_not_found") {
            let nosuid = Err("the file system ignores the setuid bit".to_owned());
            assert!(!warden_tests::skipped::require(
                "a setuid copy of warden",
                nosuid
            ));
            return;
        }
        refusal_of_text(&outcome, 2, "setuid_refused");
    }
}
