//! Only the pinned CA signs.

use super::office::{AGT, Office, json_of, text};
use serde_json::{Value, json};
use warden_tests::keygen::fingerprint;

#[test]
fn the_pin_needs_no_token_and_is_the_line_of_the_configuration() {
    let Some(office) = Office::open() else { return };
    let pin = office.pin.clone();
    let asked = |lines: &str| {
        office.configure_whole(&format!(
            "addr = \"{}\"\nmount = \"{}\"\n{lines}",
            office.bao.address(),
            office.mount
        ));
        let program = office.sandbox.warden_program().arg("--config");
        program
            .arg(office.sandbox.join("warden.toml"))
            .args(["ca", "pin"])
    };
    let printed = asked("").run().expect_success();
    assert_eq!(printed.stdout, format!("ca_fingerprint = \"{pin}\"\n"));
    assert!(
        printed.stderr.contains("compare it with a key you know"),
        "{printed}"
    );
    let line = printed.stdout.trim_end();
    let again = asked(line).run().expect_success();
    assert_eq!(again.stdout, printed.stdout);
    assert!(again.stderr.contains("pinned already"), "{again}");
    let other = format!(
        "ca_fingerprint = \"{}\"",
        fingerprint(&office.key.public_path())
    );
    let differs = asked(&other).run().expect_success();
    assert!(differs.stderr.contains("pins another key"), "{differs}");

    let json = json_of(&asked(line).arg("--json").run().expect_success());
    assert_eq!(json["ca_fingerprint"], pin.as_str());
    assert_eq!(json["pinned"], pin.as_str());
    let file = office
        .sandbox
        .write("ca.pub", text(&json["public_key"]), 0o644);
    assert_eq!(fingerprint(&file), pin);
}

#[test]
fn without_a_pin_nothing_is_asked() {
    let Some(office) = Office::open() else { return };
    let lines = format!(
        "addr = \"{}\"\nmount = \"{}\"",
        office.bao.address(),
        office.mount
    );
    office.configure_whole(&lines);
    let said = office.refused(AGT, 2, "ca_not_pinned");
    assert!(
        said.contains("hint: `warden ca pin` prints the line to add"),
        "{said}"
    );
    // Not even where nobody answers.
    office.configure_whole("addr = \"http://127.0.0.1:1\"");
    office.refused(AGT, 2, "ca_not_pinned");
}

#[test]
fn a_certificate_of_another_ca_is_never_delivered() {
    let Some(mut office) = Office::open() else {
        return;
    };
    office.sign(AGT);
    office.pin = fingerprint(&office.key.public_path());
    office.configure("");
    let said = office.refused(AGT, 4, "ca_mismatch");
    assert!(said.contains("pin it anew with `warden ca pin`"), "{said}");
}

#[test]
fn of_two_issuers_the_pinned_one_signs_or_none() {
    let Some(office) = Office::open() else { return };
    office.sign(AGT);
    let other = office.bao.write(
        &format!("{}/issuers/import/other", office.mount),
        json!({"generate_signing_key": true, "key_type": "ed25519"}),
    );
    assert!(other["data"]["issuer_id"].is_string(), "{other}");
    // Its default is still the pinned one.
    office.sign(AGT);
    office.change_role("agt-role", json!({"issuer_ref": "other"}));
    let said = office.refused(AGT, 4, "ca_mismatch");
    let role = format!(
        "role {}/roles/agt-role: issuer_ref must name the pinned CA",
        office.mount
    );
    assert!(said.contains(&role), "{said}");

    // The other becomes the default: what `ca pin` offers is then not what is pinned, and a role
    // that names the pinned one signs on.
    let issuers = office.bao.api(
        "GET",
        &format!("{}/config/issuers", office.mount),
        Value::Null,
    );
    let first = text(&issuers["data"]["default"]);
    let default = json!({"default": other["data"]["issuer_id"]});
    office
        .bao
        .write(&format!("{}/config/issuers", office.mount), default);
    office.change_role("agt-role", json!({"issuer_ref": "default"}));
    office.refused(AGT, 4, "ca_mismatch");
    let checked = office.warden(["backend", "check"]);
    assert!(
        checked
            .stdout
            .contains("WARN ca: the engine's default CA is"),
        "{checked}"
    );
    let pin = office.warden(["ca", "pin"]).expect_success();
    assert!(pin.stderr.contains("pins another key"), "{pin}");
    office.change_role("agt-role", json!({"issuer_ref": first}));
    assert_eq!(office.sign(AGT)["ca_fingerprint"], office.pin.as_str());
}

#[test]
fn an_engine_without_a_ca_is_told_from_one_that_is_not_there() {
    let Some(office) = Office::open() else { return };
    let empty = office.bao.name("empty");
    office
        .bao
        .write(&format!("sys/mounts/{empty}"), json!({"type": "ssh"}));
    let pin = |mount: &str| {
        office.configure_whole(&format!(
            "addr = \"{}\"\nmount = \"{mount}\"",
            office.bao.address()
        ));
        office.warden(["ca", "pin"])
    };
    let without = pin(&empty);
    assert_eq!(without.code, Some(3), "{without}");
    assert!(without.stderr.contains("(backend_refused)"), "{without}");
    let missing = pin("nothing-here");
    assert_eq!(missing.code, Some(4), "{missing}");
}

#[test]
fn a_local_backend_has_no_engine_to_pin_or_check() {
    let Some(office) = Office::open() else { return };
    let local = "backend = \"local\"\nca_key = \"ca\"\n";
    office.sandbox.write("warden.toml", local, 0o600);
    for args in [["ca", "pin"], ["backend", "check"], ["backend", "roles"]] {
        let outcome = office.warden(args);
        assert_eq!(outcome.code, Some(2), "{outcome}");
        assert!(
            outcome.stderr.contains("(vault_not_configured)"),
            "{outcome}"
        );
    }
}
