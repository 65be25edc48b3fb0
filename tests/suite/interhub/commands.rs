//! Both halves hold the actor to a command, and who is given no certificate.

use super::scene::{ACTOR, Lane, repository};
use warden_tests::desk::quoted;

/// Writes the actor of the example with further lines.
fn set_actor(lane: &Lane, lines: &str) {
    let example = repository("inventory/agt").join(format!("{ACTOR}.toml"));
    let example = std::fs::read_to_string(example).unwrap();
    let rest = example.replace("type = \"agt\"\n", "");
    lane.desk.set_actor(ACTOR, &format!("{rest}{lines}\n"));
}

#[test]
fn a_certificate_with_the_same_command_is_let_in_and_one_with_another_is_found_first() {
    let Some(lane) = Lane::open() else { return };
    set_actor(
        &lane,
        &format!("force_command = {}", quoted(&lane.command())),
    );
    lane.check().check();
    let same = lane.certify();
    assert!(warden_tests::keygen::list(&same).contains("force-command"));
    assert_eq!(lane.explain(&same)["verdict"], "let_in");
    lane.expect("created", 0);

    let other = format!("{} ", lane.command());
    for command in ["/bin/true", &other] {
        set_actor(&lane, &format!("force_command = {}", quoted(command)));
        // Found on the host before anybody tries to log in.
        let found = lane.check();
        assert_eq!(found.code, Some(1), "{found}");
        assert_eq!(found.stdout.lines().count(), 1, "{found}");
        assert!(found.stdout.contains("(force_command_conflict)"), "{found}");
        let differs = lane.certify();
        let explained = lane.explain(&differs);
        assert_eq!(explained["refused_by"], "commands_agree", "{explained}");
        let since = lane.sshd.mark();
        let refused = lane.login(&differs).run();
        assert_eq!(refused.code, Some(255), "{refused}");
        assert_eq!(refused.stdout, "");
        lane.sshd
            .wait_for_log(since, "forced command options do not match");
    }
    lane.expect_runs(1, true);
}

#[test]
fn a_disabled_actor_gets_no_certificate() {
    let Some(lane) = Lane::open() else { return };
    set_actor(&lane, "disabled = true");
    let refused = lane.desk.ask(ACTOR, &lane.user.public_path(), &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""));
    assert!(refused.stderr.contains("(actor_disabled)"), "{refused}");
    // The host needs no change for it, and keeps out the key without a certificate.
    lane.check().check();
    let bare = warden_tests::ssh::Login::new(lane.account(), lane.sshd.port());
    assert_eq!(bare.identity(lane.user.path()).run().code, Some(255));
    set_actor(&lane, "");
    lane.expect("created", 0);
}

#[test]
fn a_live_certificate_that_is_revoked_is_shut_out_by_the_list() {
    let Some(lane) = Lane::open() else { return };
    let live = lane.certify();
    lane.login(&live).run().check();
    let revoke = ["revoke", ACTOR, "--reason", "the bootstrap is done"];
    lane.desk.warden(revoke).check();
    lane.build_list();
    // Until the host has the new list, the check says so.
    let before = lane.check();
    assert_eq!(before.code, Some(1), "{before}");
    lane.login(&live).run().check();
    lane.render();
    lane.check().check();
    let since = lane.sshd.mark();
    assert_eq!(lane.login(&live).run().code, Some(255));
    lane.sshd.wait_for_log(since, "revoked");
    assert_eq!(lane.explain(&live)["refused_by"], "not_revoked");
    let again = lane.desk.ask(ACTOR, &lane.user.public_path(), &[]);
    assert_eq!(again.code, Some(3), "{again}");
    assert!(again.stderr.contains("(actor_revoked)"), "{again}");
    // Nobody else is shut out with it.
    let undo = ["revoke", "--undo", ACTOR, "--reason", "once more"];
    lane.desk.warden(undo).check();
    lane.build_list();
    lane.render();
    lane.expect("unchanged", 0);
}
