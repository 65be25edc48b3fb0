//! Certificates from the engine at the door of a real `sshd`.

use super::office::{AGT, Office, text};
use serde_json::Value;
use warden_tests::account::{Account, privileged};
use warden_tests::desk::quoted;
use warden_tests::keygen::fingerprint;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::Sshd;

#[test]
fn a_certificate_from_the_engine_opens_the_door_and_its_forced_command_holds() {
    let Some(office) = Office::open() else { return };
    if !skipped::require("logging in to a real sshd", privileged()) {
        return;
    }
    let ca = office.warden(["ca", "pin", "--json"]).expect_success();
    let ca: Value = serde_json::from_str(&ca.stdout).unwrap();
    let account = Account::new();
    let sshd = Sshd::builder()
        .trust(&text(&ca["public_key"]))
        .principals(account.name(), &["agt-relay"])
        .start();
    let login = || {
        Login::new(account.name(), sshd.port())
            .identity(office.key.path())
            .certificate(&office.certificate(AGT))
    };

    let mark = sshd.mark();
    let serial = text(&office.sign(AGT)["serial"]);
    let admitted = login().command("id -un").run().expect_success();
    assert_eq!(admitted.stdout.trim_end(), account.name());
    // sshd, the journal and the pin agree about who got in by which certificate of which CA.
    let log = sshd.wait_for_log(mark, "Accepted publickey");
    let entry = format!("ID {AGT} (serial {serial}) CA ED25519 {}", office.pin);
    assert!(log.contains(&entry), "{entry}: {log}");
    assert_eq!(office.record()["serial"], serial.as_str());

    let principals = "principals = [\"agt-relay\"]\nttl = \"1h\"\nextensions = []\n";
    let command = "printf '[%s]' \"$SSH_ORIGINAL_COMMAND\"; exit 7";
    office.set_actor(
        AGT,
        &format!("{principals}force_command = {}", quoted(command)),
    );
    office.set_up();
    office.sign(AGT);
    let forced = login().command("id -un").run();
    assert_eq!(
        (forced.stdout.as_str(), forced.code),
        ("[id -un]", Some(7)),
        "{forced}"
    );

    office.set_actor(
        AGT,
        &format!("{principals}source_address = [\"10.0.0.0/8\"]"),
    );
    office.set_up();
    office.sign(AGT);
    assert_eq!(login().run().code, Some(255));

    // A principal that the account does not list.
    office.set_actor(AGT, "principals = [\"agt-bridge\"]\nttl = \"1h\"");
    office.set_up();
    office.sign(AGT);
    assert_eq!(login().run().code, Some(255));
    assert_eq!(
        office.stored(AGT)["public_key"],
        fingerprint(&office.key.public_path()).as_str()
    );
}
