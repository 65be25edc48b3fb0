//! One run makes one key: again, at once, interrupted, or with a hub that fails.

use super::scene::{ACTOR, Lane};
use std::time::{Duration, Instant};
use warden_core::certificate::Parsed;
use warden_tests::keygen::list;

#[test]
fn the_lane_makes_one_key_and_then_says_unchanged() {
    let Some(lane) = Lane::open() else { return };
    lane.check().check();
    let certificate = lane.certify();
    let listed = list(&certificate);
    for line in [
        "Principals: \n                agt-interhub-bootstrap\n        Critical Options: (none)",
        "Extensions: (none)",
        &format!("Key ID: \"{ACTOR}\""),
    ] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    assert_eq!(lane.explain(&certificate)["verdict"], "let_in");
    let bytes = std::fs::read(&certificate).unwrap();
    let parsed = Parsed::from_line(&bytes).unwrap();
    // Two hours, and the half minute by which every certificate begins early.
    assert_eq!(parsed.valid_before() - parsed.valid_after(), 2 * 3600 + 30);

    lane.expect("created", 0);
    lane.expect_runs(1, true);
    let listed = "find store lane -printf '%p %i %T@ %C@ %s\\n' | sort";
    lane.as_root(&format!(
        "cmp store/input store/operator-key; {listed} >before"
    ));
    let unchanged = |what: &str| {
        lane.expect("unchanged", 0);
        lane.as_root(&format!("{listed} | cmp before - # {what}"));
    };
    unchanged("with the operator's key still there");
    lane.as_root("rm store/operator-key");
    lane.as_root(&format!("{listed} >before"));
    unchanged("with the operator's key removed");
    lane.expect_runs(1, true);
}

#[test]
fn more_than_two_hours_are_refused_and_less_are_given() {
    let Some(lane) = Lane::open() else { return };
    let public = lane.user.public_path();
    let refused = lane.desk.ask(ACTOR, &public, &["--ttl", "3h"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("(ttl_out_of_bounds)"), "{refused}");
    let other = lane.desk.ask(ACTOR, &public, &["--principal", "adm-full"]);
    assert_eq!(
        (other.code, other.stdout.as_str()),
        (Some(3), ""),
        "{other}"
    );
    let brief = lane.desk.sign_with(ACTOR, &public, &["--ttl", "1h"]);
    lane.login(&brief).run().check();
}

#[test]
fn two_runs_at_once_ask_for_one_key() {
    let Some(lane) = Lane::open() else { return };
    lane.as_root("touch store/wait");
    let certificate = lane.certify();
    let running: Vec<_> = (0..3).map(|_| lane.login(&certificate).start()).collect();
    wait_for(&lane, "store/runs");
    // The others have the time to come that far too.
    std::thread::sleep(Duration::from_millis(700));
    lane.as_root("touch store/go");
    let mut said: Vec<_> = running
        .into_iter()
        .map(|one| one.finish(Duration::from_secs(30)).unwrap())
        .map(|one| one.expect_success().stdout)
        .collect();
    said.sort();
    let [created, unchanged] = ["created", "unchanged"].map(|word| lane.says(word));
    assert_eq!(said, [created, unchanged.clone(), unchanged]);
    lane.expect_runs(1, true);
}

#[test]
fn a_hub_that_fails_leaves_nothing_and_may_be_asked_again() {
    let Some(lane) = Lane::open() else { return };
    let before = "ls -A store | grep -vx -e runs -e input -e variables -e instead";
    for (instead, word) in [
        ("head -c 9 hub; exit 3", "bootstrap_failed"),
        ("kill -9 $$", "bootstrap_failed"),
        ("exit 0", "bootstrap_gave_no_key"),
    ] {
        lane.as_root(&format!(
            "rm -f store/runs; echo '{instead}' >store/instead; chmod 644 store/instead; {before} >before"
        ));
        lane.expect(word, 1);
        lane.expect_runs(1, false);
        lane.as_root(&format!("{before} | cmp before -"));
    }
    lane.as_root("chmod 644 lane/program");
    lane.expect("bootstrap_failed", 1);
    lane.as_root("chmod 755 lane/program; rm store/instead store/runs");
    lane.expect("created", 0);
    lane.expect_runs(1, true);
}

#[test]
fn a_key_that_came_from_elsewhere_meanwhile_is_not_overwritten_and_none_is_lost() {
    let Some(lane) = Lane::open() else { return };
    lane.as_root(
        "echo 'umask 077; echo theirs >runtime-key' >store/instead; chmod 644 store/instead",
    );
    lane.expect("runtime_key_not_kept", 1);
    lane.as_root("test \"$(cat store/runtime-key)\" = theirs; cmp store/hub store/runtime-key.new");
    lane.as_root("test \"$(stat -c %a store/runtime-key.new)\" = 600");
    // Nor is it asked for again while it waits for somebody to look.
    lane.as_root("rm store/runtime-key store/runs store/instead");
    lane.expect("unfinished_run", 2);
    lane.as_root("cmp store/hub store/runtime-key.new; test ! -e store/runs");
}

#[test]
fn after_a_run_that_was_killed_an_operator_has_to_look() {
    let Some(lane) = Lane::open() else { return };
    lane.as_root("touch store/wait");
    let running = lane.login(&lane.certify()).start();
    wait_for(&lane, "store/runs");
    lane.as_root("kill -KILL \"$(cat store/runs)\"");
    let killed = running.finish(Duration::from_secs(30));
    // The program outlives it, and may have been given a key.
    lane.as_root("touch store/go");
    assert!(killed.is_ok_and(|one| !one.succeeded() && one.stdout.is_empty()));
    lane.expect("unfinished_run", 2);
    lane.as_root("test \"$(wc -l <store/runs)\" -eq 1; test ! -e store/runtime-key");
    lane.as_root("rm -f store/wait store/runs store/runtime-key.new");
    lane.expect("created", 0);
    lane.expect_runs(1, true);
}

/// Waits until a file of the account is there.
#[track_caller]
pub(super) fn wait_for(lane: &Lane, path: &str) {
    let begun = Instant::now();
    lane.as_root(&format!(
        "for i in $(seq 500); do [ ! -s {path} ] || exit 0; sleep 0.02; done; exit 1"
    ));
    assert!(begun.elapsed() < Duration::from_secs(20));
}
