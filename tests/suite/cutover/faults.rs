//! A failure, or the end of the process, at each call by which a verb makes anything durable.

use super::site::Site;
use std::collections::BTreeSet;
use warden_tests::process::Outcome;
use warden_tests::sandbox::warden_binary;
use warden_tests::skipped;

/// The calls that change a file or a name, or make it durable.
const CALLS: &str =
    "rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat,ftruncate,fchown,fchmod";

/// More than any verb makes.
const MOST: usize = 80;

fn strace() -> bool {
    let found = std::process::Command::new("strace").arg("-V").output();
    let here = found.is_ok_and(|found| found.status.success());
    skipped::wanted(
        "faults at each call",
        if here {
            Ok(())
        } else {
            Err("there is no strace".to_owned())
        },
    )
}

/// A verb, run so that its call number `at` fails or ends it; whether there was such a call.
fn faulted(site: &Site, args: &[&str], fault: &str, at: usize) -> (Outcome, bool) {
    let (trace, inject) = (
        format!("trace={CALLS}"),
        format!("inject={CALLS}:{fault}:when={at}"),
    );
    let log = site.sandbox().join("strace.log");
    let program = site
        .sandbox()
        .program("strace")
        .args(["-f", "-qq", "-e", &trace, "-e", &inject, "-o"]);
    let program = program
        .arg(&log)
        .arg(warden_binary())
        .arg("--config")
        .arg(site.config());
    let outcome = program.env("WARDEN_OPERATOR", "ada").args(args).run();
    let log = std::fs::read_to_string(&log).unwrap();
    let hit = log.contains("INJECTED") || outcome.signal == Some(9);
    (outcome, hit)
}

/// Runs a verb with a fault at each of its calls in turn. Whatever happens, the state is the one
/// before or the one behind, somebody can log in, and the same verb run again completes it. Gives the
/// exit statuses.
fn at_every_call(
    site: &Site,
    verb: &[&str],
    fault: &str,
    states: [&str; 2],
    reset: impl Fn(),
) -> BTreeSet<i32> {
    let mut ends = BTreeSet::new();
    for at in 1..MOST {
        let (outcome, hit) = faulted(site, verb, fault, at);
        let status = site.cutover(&["status"]).expect_success();
        let state = status
            .stdout
            .lines()
            .next()
            .unwrap()
            .trim_start_matches("state: ")
            .to_owned();
        assert!(
            states.contains(&state.as_str()),
            "call {at}: {outcome}\n{status}"
        );
        if !hit {
            assert!(outcome.succeeded() && at > 5, "call {at}: {outcome}");
            return ends;
        }
        ends.insert(outcome.code.unwrap_or(-9));
        if state == states[0] {
            assert!(!outcome.succeeded(), "call {at}: {outcome}");
        }
        assert!(
            site.admits(&site.certificate("at-every-call")),
            "call {at}: {outcome}\n{status}"
        );
        site.warden(verb).check();
        site.expect_state(states[1]);
        reset();
        site.expect_state(states[0]);
    }
    panic!("{verb:?} makes more calls than {MOST}");
}

/// A site whose trust is dual and whose smoke test is fresh, and the arguments of gated verbs.
fn ready() -> Option<(Site, impl Fn(&'static str) -> Vec<String>)> {
    if !strace() {
        return None;
    }
    let site = Site::open()?;
    site.plan(&[]).check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    let id = site.plan_id();
    let args = move |verb: &'static str| {
        let gate = if verb == "bundle" { "trust" } else { verb };
        let mut args = ["cutover", verb, "--apply"].map(str::to_owned).to_vec();
        if verb != "rollback" {
            args.extend(["--confirm".to_owned(), format!("{id}-{gate}-approved")]);
        }
        args
    };
    Some((site, args))
}

fn both(
    test: impl Fn(&Site, &dyn Fn(&'static str) -> Vec<String>, &str) -> BTreeSet<i32>,
) -> Option<[BTreeSet<i32>; 2]> {
    let (site, args) = ready()?;
    let errors = test(&site, &args, "error=EIO");
    let kills = test(&site, &args, "signal=KILL");
    assert_eq!(kills, BTreeSet::from([-9]));
    site.warden(&["audit", "verify"]).check();
    Some([errors, kills])
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn adding_the_new_ca_survives_a_fault_at_each_call() {
    both(|site, args, fault| {
        let only_old = format!("{}\n", site.old.public_line());
        let reset = || std::fs::write(site.trusted(), &only_old).unwrap();
        reset();
        at_every_call(
            site,
            &words(&args("bundle")),
            fault,
            ["staged", "dual-trust"],
            reset,
        )
    });
}

#[test]
fn the_switch_survives_a_fault_at_each_call() {
    let config = |site: &Site| site.text(&site.config());
    let ends = both(|site, args, fault| {
        let before = config(site);
        let reset = || {
            site.cutover(&["rollback", "--apply"]).check();
            assert_eq!(config(site), before);
        };
        at_every_call(
            site,
            &words(&args("switch")),
            fault,
            ["dual-trust", "switched"],
            reset,
        )
    });
    let Some([errors, _]) = ends else { return };
    // Between the write and the proof: switched back, and said so.
    assert!(errors.contains(&5) && errors.contains(&6), "{errors:?}");
}

#[test]
fn the_freeze_and_the_way_back_survive_a_fault_at_each_call() {
    both(|site, args, fault| {
        let (switch, freeze) = (args("switch"), args("freeze"));
        let forward = || {
            site.warden(&words(&switch)).check();
        };
        forward();
        let reset = || {
            site.cutover(&["rollback", "--apply"]).check();
            forward();
        };
        let mut ends = at_every_call(site, &words(&freeze), fault, ["switched", "frozen"], reset);
        site.cutover(&["rollback", "--apply"]).check();
        forward();
        ends.extend(at_every_call(
            site,
            &words(&args("rollback")),
            fault,
            ["switched", "dual-trust"],
            forward,
        ));
        ends
    });
}

#[test]
fn a_switch_whose_result_cannot_be_proved_is_taken_back() {
    let Some((site, args)) = ready() else { return };
    let before = site.text(&site.config());
    let mut undone = 0;
    for at in 1..MOST {
        let (outcome, hit) = faulted(&site, &words(&args("switch")), "error=EIO", at);
        if outcome.stderr.contains("(switch_undone)") {
            assert_eq!(
                (outcome.code, site.text(&site.config())),
                (Some(5), before.clone()),
                "{outcome}"
            );
            site.expect_state("dual-trust");
            undone += 1;
        }
        if !hit {
            break;
        }
        site.cutover(&["rollback", "--apply"]).check();
    }
    assert!(undone > 0, "no fault fell between the write and its proof");
}
