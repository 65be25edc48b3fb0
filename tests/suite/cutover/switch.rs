//! What the switch rests on, what stands in its way, and what it must not disturb.

use super::site::Site;

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
