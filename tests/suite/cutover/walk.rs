//! The whole way, and the whole way back.

use super::site::Site;

#[test]
fn the_way_to_the_switch_and_back() {
    let Some(site) = Site::open() else { return };
    site.expect_state("standby");
    let config = site.text(&site.config());
    site.plan(&[]).check();
    site.expect_state("staged");
    let early = site.gated("switch", &[]);
    assert_eq!(early.code, Some(1), "{early}");
    assert!(early.stderr.contains("cutover_wrong_state"), "{early}");
    site.gated("bundle", &[]).check();
    site.expect_state("dual-trust");
    let unproved = site.gated("switch", &[]);
    assert_eq!(unproved.code, Some(1), "{unproved}");
    assert!(
        unproved.stderr.contains("switch_not_ready") && unproved.stdout.contains("FAIL smoke"),
        "{unproved}"
    );
    assert_eq!(site.text(&site.config()), config);
    let smoke = site.smoke().expect_success();
    for line in [
        "PASS login_accepted",
        "PASS login_refused_other_account",
        "PASS login_refused_foreign_ca",
        "PASS login_refused_expired",
    ] {
        assert!(smoke.stdout.contains(line), "{smoke}");
    }
    let of_old = site.certificate("of-old");
    let dry = site.cutover(&["switch"]).expect_success();
    assert!(dry.stdout.contains("switch-approved"), "{dry}");
    site.gated("switch", &[]).check();
    site.expect_state("switched");
    assert_eq!(
        site.text(&site.config()),
        config.replace("ca/old", "ca/new")
    );
    let of_new = site.certificate("of-new");
    assert!(site.admits(&of_old) && site.admits(&of_new));
    let listed = warden_tests::keygen::list(&of_new);
    assert!(
        listed.contains(&warden_tests::keygen::fingerprint(&site.new.public_path())),
        "{listed}"
    );
    site.gated("freeze", &[]).check();
    site.expect_state("frozen");
    site.cutover(&["rollback", "--apply"]).check();
    site.expect_state("dual-trust");
    assert_eq!(site.text(&site.config()), config);
    assert!(site.admits(&site.certificate("again")));
    site.cutover(&["evidence", "verify"]).check();
}

#[test]
fn the_switch_looks_at_every_proof_anew() {
    let Some(site) = Site::open() else { return };
    site.plan(&["--smoke-max-age", "2s"]).check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let config = site.text(&site.config());
    let refused = |line: &str| {
        let refused = site.gated("switch", &[]);
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(refused.stderr.contains("(switch_not_ready)"), "{refused}");
        let failed: Vec<_> = refused
            .stdout
            .lines()
            .filter(|one| one.starts_with("FAIL"))
            .collect();
        assert!(
            failed.len() == 1 && failed[0].starts_with(line),
            "{line}: {refused}"
        );
        assert_eq!(site.text(&site.config()), config);
    };
    refused("FAIL smoke age=");
    site.cutover(&["smoke"]).check();
    // Nothing but the preflight minds a work tree of git around the key.
    std::fs::create_dir(site.path("ca/.git")).unwrap();
    refused("FAIL ca_key_git");
    std::fs::remove_dir(site.path("ca/.git")).unwrap();
    // Nothing but the parity minds an actor that may have no certificate of a minute.
    site.cutover(&["smoke"]).check();
    site.set_actor("disabled = true\n");
    let refused = site.gated("switch", &[]);
    assert!(
        refused.stdout.contains("FAIL parity_old_signed"),
        "{refused}"
    );
    assert_eq!(site.text(&site.config()), config);
    site.set_actor("");
    site.gated("switch", &[]).check();
}
