//! What the switch rests on, what stands in its way, and what it must not disturb.

use super::site::Site;
use std::time::{Duration, Instant};
use warden_tests::sandbox::warden_binary;

/// A site at which the switch may begin.
fn ready() -> Option<Site> {
    let site = Site::open()?;
    site.plan(&[]).check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    Some(site)
}

#[test]
fn one_key_at_one_backend_is_no_other_ca() {
    let Some(site) = Site::open() else { return };
    site.write("ca/copy", site.text(&site.path("ca/old")), 0o600);
    for same in ["./ca/old", "ca/copy"] {
        let trusted = site.trusted().display().to_string();
        let refused = site.cutover(&[
            "plan",
            "--ca-key",
            same,
            "--owner",
            "o",
            "--trust-file",
            &trusted,
            "--apply",
        ]);
        assert!(
            refused.code == Some(2)
                && refused.stderr.contains("(plan_malformed)")
                && refused.stderr.contains("one key at one backend"),
            "{refused}"
        );
    }
    site.expect_state("standby");
}

#[test]
fn an_edit_meanwhile_is_kept_and_no_other_step_begins_meanwhile() {
    if !super::faults::strace() {
        return;
    }
    let Some(site) = ready() else { return };
    let phrase = format!("{}-switch-approved", site.plan_id());
    let records = site.journal().lines().count();
    // Slow wherever something is made durable.
    let slow = site.sandbox().program("strace").args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:delay_enter=1500000",
    ]);
    let slow = slow
        .arg(warden_binary())
        .arg("--config")
        .arg(site.config())
        .env("WARDEN_OPERATOR", "ada")
        .args(["cutover", "switch", "--apply", "--confirm", &phrase])
        .start();
    let began = Instant::now();
    let intended = |line: &str| line.contains("intended") && line.contains("\"verb\":\"switch\"");
    while !site.journal().lines().skip(records).any(intended) {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let edited = format!("{}# somebody's note\n", site.text(&site.config()));
    std::fs::write(site.config(), &edited).unwrap();
    let busy = site.cutover(&["rollback", "--apply"]);
    assert!(
        busy.code == Some(1) && busy.stderr.contains("(cutover_busy)"),
        "{busy}"
    );
    site.cutover(&["status"]).check();
    let refused = slow.finish(Duration::from_secs(60)).unwrap();
    assert!(
        refused.code == Some(1) && refused.stderr.contains("(config_changed_meanwhile)"),
        "{refused}"
    );
    assert_eq!(site.text(&site.config()), edited);
    site.expect_state("dual-trust");
    site.gated("switch", &[]).check();
    assert!(site.text(&site.config()).ends_with("# somebody's note\n"));
}

#[test]
fn a_ca_that_was_frozen_once_signs_again_only_where_that_is_said() {
    let Some(site) = ready() else { return };
    site.gated("switch", &[]).check();
    site.gated("freeze", &[]).check();
    // The way back as a cutover of its own.
    std::fs::remove_file(site.path("state/cutover.toml")).unwrap();
    let trusted = site.trusted().display().to_string();
    let plan = ["plan", "--ca-key", "ca/old", "--owner", "o", "--apply"];
    site.cutover(&[&plan[..], &["--trust-file", &trusted]].concat())
        .check();
    site.expect_state("dual-trust");
    site.cutover(&["smoke"]).check();
    let config = site.text(&site.config());
    let refused = site.gated("switch", &[]);
    assert!(
        refused.code == Some(1)
            && refused.stderr.contains("(switch_not_ready)")
            && refused.stdout.contains("FAIL new_ca_not_frozen since="),
        "{refused}"
    );
    assert_eq!(site.text(&site.config()), config);
    let frozen = site.path("state/frozen-cas");
    let list = site.text(&frozen);
    if super::faults::strace() {
        // Where the switch fails, the freeze is as it was.
        let phrase = format!("{}-switch-approved", site.plan_id());
        let args = ["cutover", "switch", "--apply", "--lift-freeze", "--confirm"];
        let args = [&args[..], &[&phrase]].concat();
        let undone = |at| {
            let (outcome, _) = super::faults::faulted(&site, &args, "error=EIO", "fdatasync", at);
            assert!(!outcome.succeeded(), "no fault undid it: {outcome}");
            outcome.stderr.contains("(switch_undone)")
        };
        assert!((1..20).any(undone));
        assert_eq!(site.text(&frozen), list);
        assert_eq!(site.text(&site.config()), config);
    }
    site.gated("switch", &["--lift-freeze"]).check();
    assert!(!frozen.exists(), "{list}");
    site.expect_state("switched");
    assert!(site.admits(&site.certificate("of-the-old-one-again")));
}

#[test]
fn a_services_key_is_judged_as_the_service_sees_it() {
    let Some(site) = Site::open() else { return };
    for (given, reason) in [
        ("root", "owner_unknown"),
        ("0:nobody-has-it", "owner_unknown"),
    ] {
        let refused = site.plan(&["--service", given]);
        assert!(
            refused.code == Some(2) && refused.stderr.contains(reason),
            "{refused}"
        );
    }
    site.plan(&["--service", "0:0"]).check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    let writable = site.gated("switch", &[]);
    assert!(
        writable.code == Some(1) && writable.stdout.contains("FAIL consumer_mount_ro"),
        "{writable}"
    );
    // A container that mounts it writable, and one that does not.
    let inspected = |writable: bool| {
        let text = serde_json::json!([{
            "Mounts": [{"Source": site.path("ca"), "Destination": "/ca", "RW": writable}],
            "HostConfig": {"Privileged": false},
            "Config": {"User": "0:0"},
        }]);
        site.write("inspect.json", text.to_string(), 0o600)
    };
    let file = inspected(true);
    let refused = site.gated("switch", &["--inspect", file.to_str().unwrap()]);
    assert!(
        refused.code == Some(1) && refused.stdout.contains("FAIL consumer_container_mount_ro"),
        "{refused}"
    );
    inspected(false);
    site.cutover(&["switch", "--inspect", file.to_str().unwrap()])
        .check();
    // A mount that is read-only here does too.
    let phrase = format!("{}-switch-approved", site.plan_id());
    let script =
        "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && shift && exec \"$@\"";
    let switched = site
        .sandbox()
        .program("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(site.path("ca"))
        .arg(warden_binary())
        .arg("--config")
        .arg(site.config())
        .env("WARDEN_OPERATOR", "ada")
        .args(["cutover", "switch", "--apply", "--confirm", &phrase])
        .run();
    switched.check();
    assert!(
        site.journal()
            .contains("\"consumer_key_readable\":\"PASS uid=0\"")
    );
}

#[test]
fn a_service_that_cannot_read_the_key_does_not_sign_with_it() {
    let Some(site) = Site::open() else { return };
    site.plan(&["--service", "12345:12345", "--key-owner", "12345:0"])
        .check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    let refused = site.gated("switch", &[]);
    for line in [
        "FAIL consumer_key_readable uid=12345",
        "FAIL ca_key_owner",
        "FAIL consumer_mount_ro",
    ] {
        assert!(refused.stdout.contains(line), "{line}: {refused}");
    }
    assert_eq!(refused.code, Some(1), "{refused}");
    site.expect_state("dual-trust");
}
