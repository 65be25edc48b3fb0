//! A state directory in which something stands that is not warden's.

use crate::setup::{ACTOR, Setup};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use warden_tests::sandbox::Program;

fn sign(setup: &Setup) -> impl Fn(Program) -> Program {
    let key = setup.key();
    move |program| program.args(["sign", ACTOR, "--pubkey"]).arg(&key)
}

#[test]
fn a_link_in_place_of_the_certificate_is_refused_and_its_target_untouched() {
    for target in ["victim", "nowhere"] {
        let setup = Setup::new();
        let victim = setup.sandbox.write("victim", "kept\n", 0o644);
        std::fs::remove_file(setup.certificate()).unwrap();
        symlink(setup.sandbox.join(target), setup.certificate()).unwrap();
        setup.refused_as(&sign(&setup), 1, "output_occupied", 1);
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "kept\n");
    }
}

#[test]
fn a_link_in_place_of_a_journal_file_is_refused_and_its_target_untouched() {
    for (name, reason) in [
        ("journal.jsonl", "journal_not_writable"),
        ("journal.lock", "journal_not_writable"),
        ("journal.head", "journal_broken"),
    ] {
        for target in ["victim", "nowhere"] {
            let setup = Setup::new();
            let victim = setup.sandbox.write("victim", "kept\n", 0o644);
            let path = setup.state().join(name);
            let kept = std::fs::read(setup.certificate()).unwrap();
            std::fs::remove_file(&path).unwrap();
            symlink(setup.sandbox.join(target), &path).unwrap();
            let said = setup.refused_as(&sign(&setup), 6, reason, 0);
            assert!(
                said.contains("symbolic link") && said.contains("nothing was issued"),
                "{said}"
            );
            assert_eq!(std::fs::read_to_string(victim).unwrap(), "kept\n");
            assert!(!setup.sandbox.join("nowhere").exists());
            assert_eq!(std::fs::read(setup.certificate()).unwrap(), kept);
            let verified = setup.verify();
            assert_eq!(verified.succeeded(), name == "journal.lock", "{verified}");
        }
    }
}

#[test]
fn a_journal_file_that_is_no_file_is_refused_without_waiting() {
    for (name, reason) in [
        ("journal.jsonl", "journal_not_writable"),
        ("journal.lock", "journal_not_writable"),
        ("journal.head", "journal_broken"),
    ] {
        for make in ["mkdir", "mkfifo"] {
            let setup = Setup::new();
            let path = setup.state().join(name);
            std::fs::remove_file(&path).unwrap();
            setup.sandbox.run(make, [&path]).check();
            let outcome = setup.sign();
            crate::setup::refusal_of_text(&outcome, 6, reason);
        }
    }
}

#[test]
fn what_is_not_a_certificate_is_refused_before_anything_is_signed() {
    let private = |setup: &Setup| std::fs::read(setup.join(format!("keys/{ACTOR}"))).unwrap();
    let contents: [fn(&Setup) -> Vec<u8>; 5] = [
        private,
        |setup| std::fs::read(setup.key()).unwrap(),
        |_| Vec::new(),
        |_| b"notes\n".to_vec(),
        |setup| {
            [
                std::fs::read(setup.certificate()).unwrap(),
                b"more\n".to_vec(),
            ]
            .concat()
        },
    ];
    for content in contents {
        let setup = Setup::new();
        std::fs::write(setup.certificate(), content(&setup)).unwrap();
        let said = setup.refused_as(&sign(&setup), 1, "output_occupied", 1);
        assert!(said.contains("hint: look at it"), "{said}");
        assert_eq!(setup.records().last().unwrap()["outcome"], "failed");
    }
    let setup = Setup::new();
    std::fs::remove_file(setup.certificate()).unwrap();
    std::fs::create_dir(setup.certificate()).unwrap();
    setup.refused_as(&sign(&setup), 1, "output_occupied", 1);
}

#[test]
fn a_state_directory_that_others_can_write_is_refused() {
    for mode in [0o770, 0o707, 0o777, 0o1777, 0o720, 0o702] {
        let setup = Setup::new();
        std::fs::set_permissions(setup.state(), Permissions::from_mode(mode)).unwrap();
        let said = setup.refused_as(&sign(&setup), 6, "state_directory_exposed", 0);
        assert!(said.contains(&format!("mode {mode:04o}")), "{said}");
        assert!(said.contains("hint: chmod go-w"), "{said}");
    }
    for mode in [0o700, 0o750, 0o755] {
        let setup = Setup::new();
        std::fs::set_permissions(setup.state(), Permissions::from_mode(mode)).unwrap();
        setup.sign().check();
    }
}

#[test]
fn a_state_directory_of_somebody_else_is_refused() {
    if !warden_tests::skipped::require(
        "a state directory of another owner",
        crate::setup::as_root(),
    ) {
        return;
    }
    let setup = Setup::new();
    std::os::unix::fs::chown(setup.state(), Some(65534), None).unwrap();
    let said = setup.refused_as(&sign(&setup), 6, "state_directory_exposed", 0);
    assert!(said.contains("owner uid 65534"), "{said}");
}

#[test]
fn a_state_directory_is_made_private_and_a_file_in_its_place_is_refused() {
    let setup = Setup::new();
    std::fs::remove_dir_all(setup.state()).unwrap();
    setup.sign().check();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&setup.state()), 0o700);
    for name in [
        "journal.jsonl",
        "journal.head",
        "journal.lock",
        "agt-demo-agent-cert.pub",
    ] {
        assert_eq!(mode(&setup.state().join(name)), 0o600, "{name}");
    }
    std::fs::remove_dir_all(setup.state()).unwrap();
    std::fs::write(setup.state(), "a file\n").unwrap();
    crate::setup::refusal_of_text(&setup.sign(), 6, "journal_not_writable");
    assert_eq!(std::fs::read_to_string(setup.state()).unwrap(), "a file\n");
}

#[test]
fn the_mask_of_the_shell_changes_no_mode() {
    for mask in ["000", "077", "022"] {
        let setup = Setup::new();
        std::fs::remove_dir_all(setup.state()).unwrap();
        setup.script(&format!("umask {mask}; $SIGN")).run().check();
        let script = format!(
            "umask {mask}; $W ca check && cd .. && umask {mask} && ${{W%% *}} quickstart {}",
            setup.sandbox.join("r").display()
        );
        setup.script(&script).run().check();
        for below in ["q/state", "r/state", "r/ca", "r/keys", "r"] {
            let found = setup
                .sandbox
                .join(below)
                .metadata()
                .unwrap()
                .permissions()
                .mode()
                & 0o7777;
            assert_eq!(found, 0o700, "{below} under umask {mask}");
        }
        for below in [
            "q/state/journal.jsonl",
            "r/ca/ca_key",
            "r/keys/agt-demo-agent",
            "r/warden.toml",
            "r/state/journal.lock",
        ] {
            let found = setup
                .sandbox
                .join(below)
                .metadata()
                .unwrap()
                .permissions()
                .mode()
                & 0o7777;
            assert_eq!(found, 0o600, "{below} under umask {mask}");
        }
    }
}
