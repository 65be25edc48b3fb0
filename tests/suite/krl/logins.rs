//! A real sshd with `RevokedKeys`.

use crate::logins::site::{Site, VISITOR};
use std::path::Path;
use warden_core::host::krl::Krl;

fn site() -> Option<Site> {
    let nothing = Krl::new(1, warden_core::certificate::UnixTime(1), "").encode();
    Site::open_with(|sshd| sshd.revoked(nothing))
}

/// Builds the list and has sshd take it.
fn deliver(site: &Site) {
    let file = site.desk.sandbox().join("revoked");
    let out = file.to_str().unwrap();
    site.desk
        .warden(["krl", "build", "--allow-empty", "--out", out])
        .check();
    site.sshd.set_revoked(&std::fs::read(file).unwrap());
}

fn serial_of(certificate: &Path) -> String {
    let line = std::fs::read(certificate).unwrap();
    let parsed = warden_core::certificate::Parsed::from_line(&line).unwrap();
    parsed.serial().to_string()
}

#[test]
fn revoking_one_certificate_keeps_exactly_that_one_out() {
    let Some(site) = site() else { return };
    let (one, neighbour) = (site.certify(), site.certify());
    site.expect_admission(&one);
    let serial = serial_of(&one);
    let revoke = |undo: &[&str]| {
        let program = site
            .desk
            .program()
            .args(["revoke", "--serial", &serial, "--reason", "test"]);
        program.args(undo).run().check();
        deliver(&site);
    };
    revoke(&[]);
    site.expect_refusal(&one, "revoked by file");
    site.expect_admission(&neighbour);
    revoke(&["--undo"]);
    site.expect_admission(&one);
    site.expect_admission(&neighbour);
}

#[test]
fn a_revoked_actor_is_out_with_all_it_has_and_another_is_not() {
    let Some(site) = site() else { return };
    site.desk
        .set_actor("agt-other", "principals = [\"deploy\"]\nextensions = []");
    let other = site.desk.sign("agt-other", &site.user.public_path());
    let (first, second) = (site.certify(), site.certify());
    site.desk
        .warden(["revoke", VISITOR, "--reason", "test"])
        .check();
    deliver(&site);
    site.expect_refusal(&first, "revoked by file");
    site.expect_refusal(&second, "revoked by file");
    site.expect_admission(&other);
    site.desk
        .warden(["revoke", "--undo", VISITOR, "--reason", "test"])
        .check();
    deliver(&site);
    site.expect_admission(&first);
}

#[test]
fn a_revoked_ca_or_key_lets_none_of_its_certificates_in() {
    let Some(site) = site() else { return };
    let certificate = site.certify();
    let key = site.user.public_path();
    for what in [vec!["--ca"], vec!["--key", key.to_str().unwrap()]] {
        let run = |undo: &[&str]| {
            let program = site.desk.program().args(["revoke", "--reason", "test"]);
            program.args(undo).args(&what).run().check();
            deliver(&site);
        };
        run(&[]);
        site.expect_refusal(&certificate, "revoked by file");
        run(&["--undo"]);
        site.expect_admission(&certificate);
    }
}
