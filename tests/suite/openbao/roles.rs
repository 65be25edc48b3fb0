//! The roles and the policy that warden prints.

use super::office::{ADM, AGT, ATM, Office, json_of};
use serde_json::{Value, json};
use warden_tests::bao::Bao;

#[test]
fn what_is_printed_is_what_the_server_keeps() {
    let Some(office) = Office::open() else { return };
    let lines = "principals = [\"agt-bridge\"]\nttl = \"1h\"\nextensions = [\"permit-pty\"]\nforce_command = \"id\"\nsource_address = [\"10.0.0.0/8\"]";
    office.set_actor("agt-other", lines);
    office.set_up();
    for role in office.printed()["roles"].as_array().unwrap() {
        let name = role["name"].as_str().unwrap();
        let path = format!("{}/roles/{name}", office.mount);
        let kept = office.bao.api("GET", &path, Value::Null);
        for (key, value) in role["role"].as_object().unwrap() {
            assert_eq!(kept["data"][key], *value, "{name}: {key}");
        }
    }
    let path = format!("{}/roles/agt-role", office.mount);
    let agents = office.bao.api("GET", &path, Value::Null)["data"].clone();
    // The union of its actors, and nothing more.
    assert_eq!(agents["allowed_users"], "agt-bridge,agt-relay");
    assert_eq!(
        agents["allowed_extensions"],
        "permit-port-forwarding,permit-pty"
    );
    assert_eq!(
        agents["allowed_critical_options"],
        "force-command,source-address"
    );
    assert_eq!(agents["max_ttl"], 7200);
}

#[test]
fn an_actor_that_is_disabled_or_has_expired_is_in_no_role() {
    let Some(office) = Office::open() else { return };
    office.set_actor(
        "agt-gone",
        "principals = [\"intruder\"]\nttl = \"2h\"\nexpires = 2020-01-01",
    );
    office.set_actor(
        "adm-off",
        "principals = [\"intruder\"]\nttl = \"2h\"\ndisabled = true",
    );
    assert!(!office.printed().to_string().contains("intruder"));
}

#[test]
fn the_printed_commands_can_be_pasted_into_a_shell() {
    let Some(mut office) = Office::open() else {
        return;
    };
    let mount = office.bao.name("pasted");
    office.bao.enable_ssh(&mount, "ed25519");
    let script = office.warden(["backend", "roles"]).expect_success().stdout;
    // The one policy name of all servers, and the mount of this test.
    let script = script.replace(&office.mount, &mount);
    let path = Bao::program().unwrap();
    let path = format!("{}:/usr/bin:/bin", path.parent().unwrap().display());
    let pasted = office
        .sandbox
        .program("sh")
        .args(["-euc", &script])
        .env("PATH", path);
    let pasted = pasted
        .env("BAO_ADDR", office.bao.address())
        .env("BAO_TOKEN", office.bao.root());
    let pasted = pasted.run().expect_success();
    assert_eq!(pasted.stdout.matches("Success!").count(), 4, "{pasted}");
    office.mount = mount;
    office.pin = String::new();
    office.configure("");
    let pin = office.warden(["ca", "pin", "--json"]).expect_success();
    office.pin = super::office::text(&json_of(&pin)["ca_fingerprint"]);
    office.configure("");
    office.token = office.bao.token("warden-sign", json!({}));
    for actor in [ADM, AGT, ATM] {
        office.sign(actor);
    }
    office.warden(["backend", "check"]).check();
}
