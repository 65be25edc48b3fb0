//! Neither key is seen by anybody but the two files and the program between them.

use super::runs::wait_for;
use super::scene::{Lane, OPERATOR_KEY, RUNTIME_KEY};
use std::time::Duration;

/// Finds a line of the file in the arguments and variables of every process.
const LOOK: &str = "grep -qsaF -f";
const EVERYWHERE: &str = "/proc/[0-9]*/cmdline /proc/[0-9]*/environ";

#[test]
fn neither_key_is_in_an_output_a_log_a_journal_or_a_process() {
    let Some(lane) = Lane::open() else { return };
    let sandbox = lane.desk.sandbox();
    let keys = format!("{OPERATOR_KEY}\n{RUNTIME_KEY}\n");
    let keys = sandbox.write("bring/keys", keys, 0o600);
    let control = sandbox.write("bring/control", "control-70e1a4\n", 0o600);
    lane.as_root("touch store/wait");
    let certificate = lane.certify();
    let running = lane.login(&certificate).args(["-vvv"]).start();
    wait_for(&lane, "store/runs");
    let seen = sandbox.program("sleep").arg("30");
    let seen = seen.env("PLANTED", "control-70e1a4").start();
    lane.as_root(&format!("{LOOK} {} {EVERYWHERE}", control.display()));
    drop(seen);
    lane.as_root(&format!("! {LOOK} {} {EVERYWHERE}", keys.display()));
    lane.as_root("touch store/go");
    let created = running.finish(Duration::from_secs(30)).unwrap();
    let mut outputs = vec![created.expect_success()];
    lane.expect_runs(1, true);
    outputs.push(lane.login(&certificate).args(["-vvv"]).run());
    // One that fails after it has read the operator's key.
    lane.as_root("rm store/runtime-key; echo 'cat input hub >&2; exit 3' >store/instead; chmod 644 store/instead");
    outputs.push(lane.login(&certificate).args(["-vvv"]).run());
    outputs.push(lane.check());
    outputs.push(lane.desk.warden(["audit", "verify"]));
    let statuses: Vec<_> = outputs.iter().map(|one| one.code).collect();
    assert_eq!(statuses, [0, 0, 1, 0, 0].map(Some));
    let said: String = outputs.iter().map(ToString::to_string).collect();
    assert!(
        said.contains("bootstrap_failed") && said.contains("debug3: "),
        "{said}"
    );
    for key in [OPERATOR_KEY, RUNTIME_KEY] {
        assert!(!said.contains(key), "{said}");
        assert!(!lane.sshd.log().contains(key));
    }
    // What is kept on disk: the state of the desk, what was rendered, and the home of the account.
    let state = lane.desk.state().display().to_string();
    let rendered = sandbox.join("rendered").display().to_string();
    let server = lane.sshd.directory().display().to_string();
    let keys = keys.display();
    lane.as_root(&format!(
        "grep -rlaF -f {keys} {state} {rendered} {server} . | sort >{state}.found || true; \
         printf '%s\\n' ./store/hub ./store/input ./store/operator-key | cmp - {state}.found"
    ));
}
