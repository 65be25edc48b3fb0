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
