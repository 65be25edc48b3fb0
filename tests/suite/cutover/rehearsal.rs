//! A whole cutover and a whole rollback under somebody who logs in all the time.

use super::prober::while_logging_in;
use super::site::Site;
use std::time::Duration;

/// How many logins there are to be at least.
const LEAST: u32 = 500;

#[test]
fn from_the_plan_to_new_only_and_back_nobody_is_refused_once() {
    let Some(site) = Site::open() else { return };
    let config = site.text(&site.config());
    let logins = while_logging_in(&site, LEAST, || {
        site.plan(&[]).check();
        site.gated("bundle", &[]).check();
        site.smoke().check();
        site.gated("switch", &[]).check();
        // Somebody else rehearses the way back.
        site.cutover(&["rollback", "--apply", "--operator", "bob"])
            .check();
        site.expect_state("dual-trust");
        site.gated("switch", &[]).check();
        site.gated("freeze", &[]).check();
        let early = site.cutover(&["drain", "--apply"]);
        assert_eq!(early.code, Some(1), "{early}");
        assert!(
            early.stderr.contains("not_drained")
                && early.stdout.contains("FAIL drain_window ends="),
            "{early}"
        );
        site.expect_state("frozen");
        let pruned = site.gated("prune", &[]);
        assert!(pruned.stderr.contains("cutover_wrong_state"), "{pruned}");
        let of_old = site.sandbox().join("of-old-cert.pub");
        std::thread::sleep(Duration::from_secs(63));
        // Without a log nothing is proven, and nothing goes on from there, unless that is said.
        let unproven = site.cutover(&["drain", "--apply"]);
        assert!(unproven.stderr.contains("(not_drained)"), "{unproven}");
        site.expect_state("frozen");
        site.cutover(&["drain", "--apply", "--without-logs"])
            .check();
        site.expect_state("drained");
        site.gated("prune", &[]).check();
        site.expect_state("new-only");
        assert!(
            !site
                .text(&site.trusted())
                .contains(site.old.public_line().split(' ').nth(1).unwrap())
        );
        drop(of_old);
        let closed = site.cutover(&["rollback", "--apply"]);
        assert_eq!(closed.code, Some(3), "{closed}");
        let trust = format!("{}-trust-approved", site.plan_id());
        site.cutover(&["rollback", "--apply", "--confirm", &trust])
            .check();
        site.expect_state("dual-trust");
    });
    assert!(
        logins.refused.is_empty(),
        "{} of {}: {}",
        logins.refused.len(),
        logins.admitted,
        logins.refused[0]
    );
    assert!(logins.admitted >= LEAST, "{}", logins.admitted);
    let of = |key: &warden_tests::keygen::Key| {
        let fingerprint = warden_tests::keygen::fingerprint(&key.public_path());
        logins
            .cas
            .iter()
            .filter(|ca| ca.contains(&fingerprint))
            .count()
    };
    assert!(of(&site.old) > 0 && of(&site.new) > 0, "{:?}", logins.cas);
    assert_eq!(site.text(&site.config()), config);
    site.cutover(&["evidence", "verify"]).check();
}
