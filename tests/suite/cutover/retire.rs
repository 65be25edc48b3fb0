//! Destroying the old CA: what has to hold before, and that nothing else is touched.

use super::drain::{accepted, with_a_log_of_the_new_ca};
use super::site::Site;
use std::time::Duration;
use warden_tests::keygen::fingerprint;

#[test]
fn a_local_key_is_removed_only_when_everything_before_it_is_done() {
    let Some(site) = Site::open() else { return };
    let old = site.path("ca/old");
    site.plan(&[]).check();
    let early = site.gated("retire", &["--second-operator", "bob"]);
    assert!(early.stderr.contains("(cutover_wrong_state)"), "{early}");
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    site.gated("switch", &[]).check();
    site.gated("freeze", &[]).check();
    std::thread::sleep(Duration::from_secs(63));
    site.cutover(&["drain", "--apply", "--without-logs"])
        .check();
    site.gated("prune", &[]).check();
    // Neither rehearsed, nor drained without doubt, nor watched.
    let refused = site.gated("retire", &[]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("(retire_not_ready)"),
        "{refused}"
    );
    for line in ["FAIL drained", "FAIL rehearsed", "FAIL second_operator"] {
        assert!(refused.stdout.contains(line), "{refused}");
    }
    assert!(old.exists());
    // The way back by somebody else, and forward again.
    let trust = format!("{}-trust-approved", site.plan_id());
    site.cutover(&[
        "rollback",
        "--apply",
        "--operator",
        "bob",
        "--confirm",
        &trust,
    ])
    .check();
    site.cutover(&["smoke"]).check();
    site.gated("switch", &[]).check();
    site.gated("freeze", &[]).check();
    std::thread::sleep(Duration::from_secs(63));
    let new = fingerprint(&site.new.public_path());
    let drain = with_a_log_of_the_new_ca(&site);
    let drain = drain.each_ref().map(String::as_str);
    // A log that proves too little is on record, and nothing goes on from it.
    let short = site.sandbox().write("short.log", accepted(1, &new), 0o600);
    let doubt = site.cutover(&[
        "drain",
        "--apply",
        "--quiet-hours",
        "0",
        "--sshd-log",
        short.to_str().unwrap(),
        "--sshd-log",
        drain[5],
    ]);
    assert!(
        doubt.stdout.contains("reason=begins_too_late") && doubt.stderr.contains("(not_drained)"),
        "{doubt}"
    );
    site.expect_state("frozen");
    site.cutover(&drain).check();
    site.gated("prune", &[]).check();
    let alone = site.gated("retire", &["--second-operator", "ada"]);
    assert!(alone.stdout.contains("FAIL second_operator"), "{alone}");
    let dry = site
        .cutover(&["retire", "--second-operator", "bob"])
        .expect_success();
    assert!(dry.stdout.contains("no way back") && old.exists(), "{dry}");
    site.gated("retire", &["--second-operator", "bob"]).check();
    assert!(!old.exists() && !site.path("ca/old.pub").exists() && site.path("ca/new").exists());
    site.expect_state("retired");
    let back = site.cutover(&["rollback", "--apply"]);
    assert!(!back.succeeded(), "{back}");
    assert!(site.admits(&site.certificate("afterwards")));
    site.cutover(&["evidence", "verify"]).check();
    assert!(site.journal().contains("\"second_operator\":\"bob\""));
}

#[test]
fn a_protected_ca_is_never_frozen() {
    let Some(site) = Site::open() else { return };
    site.plan(&["--protect", &fingerprint(&site.old.public_path())])
        .check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    site.gated("switch", &[]).check();
    let refused = site.gated("freeze", &[]);
    assert!(
        refused.code == Some(3) && refused.stderr.contains("(ca_protected)"),
        "{refused}"
    );
    site.expect_state("switched");
    // Without the old key there is no way back, and that is said before anything is touched.
    std::fs::remove_file(site.path("ca/old")).unwrap();
    let refused = site.cutover(&["rollback", "--apply"]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("(old_signer_missing)"),
        "{refused}"
    );
}

#[test]
fn a_compromised_ca_is_revoked_without_waiting_and_nothing_leads_back() {
    let Some(site) = Site::open_with(|sshd| sshd.revoked(Vec::new())) else {
        return;
    };
    let revoked = site.sshd.directory().join("revoked");
    let args = [
        "--reason",
        "compromise",
        "--revoked-keys",
        revoked.to_str().unwrap(),
    ];
    site.plan(&args).check();
    let of_old = site.certificate("of-old");
    assert!(site.admits(&of_old));
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    site.gated("switch", &[]).check();
    std::fs::remove_file(&revoked).unwrap();
    let refused = site.gated("prune", &[]);
    assert!(
        refused.stderr.contains("(file_not_found)"),
        "a missing RevokedKeys file is not made up: {refused}"
    );
    // What cannot be read as keys, such as a KRL, is not written either.
    std::fs::write(&revoked, "SSHKRL\n\0").unwrap();
    std::fs::set_permissions(
        &revoked,
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let refused = site.gated("prune", &[]);
    assert!(
        refused.stderr.contains("(trust_line_malformed)"),
        "{refused}"
    );
    site.expect_state("switched");
    std::fs::write(&revoked, "").unwrap();
    site.gated("prune", &[]).check();
    site.expect_state("new-only");
    assert!(
        site.text(&revoked)
            .contains(site.old.public_line().split(' ').nth(1).unwrap())
    );
    assert!(!site.admits(&of_old) && site.admits(&site.certificate("of-new")));
    // It is the revocation that keeps it out, also where a host trusts it still.
    let both = format!("{}\n{}\n", site.old.public_line(), site.new.public_line());
    let pruned = site.text(&site.trusted());
    std::fs::write(site.trusted(), both).unwrap();
    assert!(!site.admits(&of_old));
    std::fs::write(site.trusted(), pruned).unwrap();
    let trust = format!("{}-trust-approved", site.plan_id());
    let refused = site.cutover(&["rollback", "--apply", "--confirm", &trust]);
    assert!(
        refused.code == Some(3) && refused.stderr.contains("(old_ca_revoked)"),
        "{refused}"
    );
}
