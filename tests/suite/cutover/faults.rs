//! A failure, or the end of the process, at each call by which a verb makes anything durable.

use super::site::Site;
use std::collections::BTreeSet;
use warden_tests::process::Outcome;
use warden_tests::sandbox::warden_binary;
use warden_tests::skipped;

/// The calls that change a file or a name, or make it durable.
const CALLS: [&str; 9] = [
    "rename",
    "renameat",
    "fsync",
    "fdatasync",
    "unlink",
    "unlinkat",
    "ftruncate",
    "fchown",
    "fchmod",
];

/// More than any verb makes of one of them.
const MOST: usize = 40;

pub(super) fn strace() -> bool {
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

/// A verb, run so that its `at`th `call` fails or ends it; whether there was such a call.
pub(super) fn faulted(
    site: &Site,
    args: &[&str],
    fault: &str,
    call: &str,
    at: usize,
) -> (Outcome, bool) {
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:{fault}:when={at}"),
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
/// exit statuses, and how many faults there were.
fn at_every_call(
    site: &Site,
    verb: &[&str],
    fault: &str,
    states: [&str; 2],
    reset: impl Fn(),
) -> Ends {
    let mut ends = Ends::default();
    for call in CALLS {
        for at in 1..=MOST {
            assert!(at < MOST, "{verb:?} makes too many of {call}");
            let (outcome, hit) = faulted(site, verb, fault, call, at);
            let said = format!("{fault} at {call} {at}: {outcome}");
            let status = site.cutover(&["status"]).expect_success();
            let state = status
                .stdout
                .lines()
                .next()
                .unwrap()
                .trim_start_matches("state: ")
                .to_owned();
            assert!(states.contains(&state.as_str()), "{said}\n{status}");
            assert!(
                state == states[1] || !outcome.succeeded(),
                "{said}\n{status}"
            );
            // What is said to be taken back is taken back.
            let undone = outcome.stderr.contains("(switch_undone)");
            assert!(state == states[0] || !undone, "{said}\n{status}");
            if hit {
                ends.faults += 1;
                ends.statuses.insert(outcome.code.unwrap_or(-9));
                let reason = outcome.stderr.lines().find(|line| line.contains("error: "));
                ends.reasons.extend(
                    reason
                        .and_then(|line| line.rsplit('(').next())
                        .map(|rest| rest.trim_end_matches(')').to_owned()),
                );
                assert!(
                    site.admits(&site.certificate("at-every-call")),
                    "{said}\n{status}"
                );
                site.warden(verb).check();
                site.expect_state(states[1]);
            }
            reset();
            site.expect_state(states[0]);
            if !hit {
                assert!(outcome.succeeded(), "{said}");
                break;
            }
        }
    }
    assert!(ends.faults >= 5, "only {} faults", ends.faults);
    ends
}

/// What came of the faults.
#[derive(Debug, Default)]
struct Ends {
    statuses: BTreeSet<i32>,
    reasons: BTreeSet<String>,
    faults: usize,
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

/// With errors, and with `kill -9`.
fn both(test: impl Fn(&Site, &dyn Fn(&'static str) -> Vec<String>, &str) -> Ends) -> Option<Ends> {
    let (site, args) = ready()?;
    let errors = test(&site, &args, "error=EIO");
    let kills = test(&site, &args, "signal=KILL");
    assert_eq!(kills.statuses, BTreeSet::from([-9]));
    site.warden(&["audit", "verify"]).check();
    Some(errors)
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn adding_the_new_ca_survives_a_fault_at_each_call() {
    both(|site, args, fault| {
        let only_old = format!("{}\n", site.old.public_line());
        let reset = || {
            std::fs::write(site.trusted(), &only_old).unwrap();
            for entry in std::fs::read_dir(site.sshd.directory()).unwrap() {
                let path = entry.unwrap().path();
                if path.to_string_lossy().contains("trusted.before-") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        };
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
fn the_switch_survives_a_fault_at_each_call_and_is_taken_back_where_it_is_not_proved() {
    let ends = both(|site, args, fault| {
        let before = site.text(&site.config());
        let reset = || {
            site.cutover(&["rollback", "--apply"]).check();
            assert_eq!(site.text(&site.config()), before);
        };
        at_every_call(
            site,
            &words(&args("switch")),
            fault,
            ["dual-trust", "switched"],
            reset,
        )
    });
    let Some(ends) = ends else { return };
    // Without an intent nothing is done; between the write and the proof it is taken back; what is
    // done and not recorded is said to be.
    assert!(
        ends.statuses.contains(&5) && ends.statuses.contains(&6),
        "{ends:?}"
    );
    for reason in [
        "switch_undone",
        "result_not_recorded",
        "journal_not_writable",
    ] {
        assert!(ends.reasons.contains(reason), "{reason}: {ends:?}");
    }
}

#[test]
fn the_freeze_and_the_way_back_survive_a_fault_at_each_call() {
    both(|site, args, fault| {
        let (switch, freeze) = (args("switch"), args("freeze"));
        let back = || site.cutover(&["rollback", "--apply"]).check();
        let forward = || site.warden(&words(&switch)).check();
        forward();
        let reset = || {
            back();
            forward();
        };
        let ends = at_every_call(site, &words(&freeze), fault, ["switched", "frozen"], reset);
        let ways_back = at_every_call(
            site,
            &words(&args("rollback")),
            fault,
            ["switched", "dual-trust"],
            forward,
        );
        back();
        Ends {
            statuses: &ends.statuses | &ways_back.statuses,
            ..ends
        }
    });
}

#[test]
fn where_it_cannot_be_taken_back_either_that_is_said_and_people_still_log_in() {
    let Some((site, args)) = ready() else { return };
    let mut said = 0;
    for at in 1..MOST {
        // Nothing is recorded from some point on, and the configuration is written once only.
        let program = site.sandbox().program("strace").args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=renameat,fdatasync",
        ]);
        let program = program.args([
            "-e",
            &format!("inject=fdatasync:error=EIO:when={at}+"),
            "-e",
            "inject=renameat:error=EIO:when=2+",
        ]);
        let program = program
            .arg(warden_binary())
            .arg("--config")
            .arg(site.config())
            .env("WARDEN_OPERATOR", "ada");
        let outcome = program.args(words(&args("switch"))).run();
        if outcome.stderr.contains("(switch_not_undone)") {
            assert_eq!(outcome.code, Some(5), "{outcome}");
            site.expect_state("switched");
            assert!(site.admits(&site.certificate("not-undone")));
            said += 1;
        }
        let done = outcome.succeeded();
        site.cutover(&["rollback", "--apply"]).check();
        site.expect_state("dual-trust");
        if done {
            break;
        }
    }
    assert!(said > 0, "no fault fell there");
}

#[test]
fn the_last_two_steps_survive_a_fault_at_each_call() {
    let Some((site, args)) = ready() else { return };
    let switch = args("switch");
    site.warden(&words(&switch)).check();
    site.cutover(&["rollback", "--apply", "--operator", "bob"])
        .check();
    site.warden(&words(&switch)).check();
    site.warden(&words(&args("freeze"))).check();
    std::thread::sleep(std::time::Duration::from_secs(63));
    let drain = super::drain::with_a_log_of_the_new_ca(&site);
    site.cutover(&drain.each_ref().map(String::as_str)).check();
    let both = site.text(&site.trusted());
    let trust_both = || {
        std::fs::write(site.trusted(), &both).unwrap();
        for entry in std::fs::read_dir(site.sshd.directory()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("trusted.before-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    };
    let keys = ["ca/old", "ca/old.pub"].map(|name| (name, std::fs::read(site.path(name)).unwrap()));
    let put_keys_back = || {
        for ((name, content), mode) in keys.iter().zip([0o600, 0o644]) {
            site.write(name, content, mode);
        }
    };
    let (prune, mut retire) = (args("prune"), args("retire"));
    retire.extend(["--second-operator".to_owned(), "bob".to_owned()]);
    for fault in ["error=EIO", "signal=KILL"] {
        trust_both();
        let states = ["drained", "new-only"];
        at_every_call(&site, &words(&prune), fault, states, trust_both);
        site.warden(&words(&prune)).check();
        let states = ["new-only", "retired"];
        at_every_call(&site, &words(&retire), fault, states, put_keys_back);
    }
    site.warden(&["audit", "verify"]).check();
}

#[test]
fn a_switch_that_fails_is_taken_back_where_the_configuration_names_the_home_directory() {
    let Some((site, args)) = ready() else { return };
    let text = site.text(&site.config()).replace(
        "inventory_path = \"inventory\"",
        "inventory_path = \"~/inventory\"",
    );
    let home = site.sandbox().directory("home", 0o700);
    std::os::unix::fs::symlink(site.path("inventory"), home.join("inventory")).unwrap();
    std::fs::write(site.config(), &text).unwrap();
    let mut undone = 0;
    for at in 1..MOST {
        let (outcome, hit) = faulted(&site, &words(&args("switch")), "error=EIO", "fdatasync", at);
        assert!(!outcome.stderr.contains("switch_not_undone"), "{outcome}");
        if outcome.stderr.contains("(switch_undone)") {
            assert_eq!(site.text(&site.config()), text);
            undone += 1;
        }
        site.cutover(&["rollback", "--apply"]).check();
        if !hit {
            break;
        }
    }
    assert!(undone > 0, "no fault fell between the write and the proof");
}
