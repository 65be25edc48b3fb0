//! What is refused before anything is touched, each with its own reason.

use super::site::Site;

#[test]
fn what_cannot_be_planned_or_approved_is_said() {
    let Some(site) = Site::open() else { return };
    let trusted = site.trusted().display().to_string();
    let plan = ["plan", "--owner", "o", "--trust-file", &trusted];
    let refused = |args: &[&str], code: i32, reason: &str| {
        let refused = site.cutover(args);
        assert_eq!(refused.code, Some(code), "{refused}");
        assert!(
            refused.stderr.contains(&format!("({reason})")),
            "{reason}: {refused}"
        );
    };
    let with = |further: &[&'static str]| [&plan[..], further].concat();
    refused(&with(&[]), 2, "plan_malformed");
    refused(&with(&["--ca-key", "ca/nowhere"]), 2, "ca_key_not_found");
    refused(
        &with(&["--ca-key", "ca/new", "--probe-actor", "agt-nobody"]),
        2,
        "probe_actor_unfit",
    );
    refused(
        &with(&["--ca-key", "ca/new", "--phrase", "shut=whatever"]),
        2,
        "usage",
    );
    refused(
        &with(&["--ca-key", "ca/new", "--apply", "--operator", "a b"]),
        2,
        "operator_malformed",
    );
    refused(&["smoke", "--login", "nobody"], 2, "login_malformed");
    site.plan(&[]).check();
    let anonymous = site
        .program(&["cutover", "bundle"])
        .env("WARDEN_OPERATOR", "")
        .run();
    assert!(
        anonymous.stderr.contains("(operator_missing)"),
        "{anonymous}"
    );
    // A plan is about one configuration file.
    let copy = site.write("other.toml", site.text(&site.config()), 0o600);
    let other = site
        .sandbox()
        .warden_program()
        .arg("--config")
        .arg(copy)
        .env("WARDEN_OPERATOR", "ada")
        .args(["cutover", "bundle"])
        .run();
    assert!(
        other.code == Some(2) && other.stderr.contains("(plan_of_another_config)"),
        "{other}"
    );
    // A trust file that does not hold today's CA is not the host's.
    std::fs::write(site.trusted(), format!("{}\n", site.user.public_line())).unwrap();
    refused(&with(&["--ca-key", "ca/new"]), 1, "trust_without_active_ca");
}

#[test]
fn a_trust_file_that_is_mounted_by_itself_is_not_replaced() {
    let Some(site) = Site::open() else { return };
    site.plan(&[]).check();
    let (trusted, before) = (
        site.trusted().display().to_string(),
        site.text(&site.trusted()),
    );
    // In a mount namespace of its own, which ends with the command.
    let phrase = format!("{}-trust-approved", site.plan_id());
    let script = "mount --bind \"$1\" \"$1\" && shift && exec \"$@\"";
    let warden = warden_tests::sandbox::warden_binary();
    let program = site
        .sandbox()
        .program("unshare")
        .args(["-m", "sh", "-c", script, "sh", &trusted])
        .arg(warden)
        .arg("--config")
        .arg(site.config());
    let refused = program
        .env("WARDEN_OPERATOR", "ada")
        .args(["cutover", "bundle", "--apply", "--confirm", &phrase])
        .run();
    assert!(
        refused.code == Some(1) && refused.stderr.contains("(trust_file_mounted)"),
        "{refused}"
    );
    assert_eq!(site.text(&site.trusted()), before);
}

#[test]
fn a_host_that_is_not_reached_refuses_nobody_and_no_other_ssh_is_asked() {
    let Some(site) = Site::open() else { return };
    site.plan(&[]).check();
    site.gated("bundle", &[]).check();
    // An `ssh` in the way that would let everybody in.
    site.write("bin/ssh", "#!/bin/sh\nexit 0\n", 0o755);
    let path = format!("{}:/usr/bin:/bin", site.path("bin").display());
    let untried = site
        .program(&["cutover", "smoke", "--login", "a@127.0.0.1:1"])
        .env("PATH", path)
        .run();
    assert!(
        untried.code == Some(1) && untried.stderr.contains("(login_not_tried)"),
        "{untried}"
    );
    assert!(untried.stderr.contains("Connection refused"), "{untried}");
    let switch = site.gated("switch", &[]);
    assert!(switch.stderr.contains("(switch_not_ready)"), "{switch}");
}
