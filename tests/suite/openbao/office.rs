//! What most tests here begin with: an SSH engine of its own on the shared server, the roles that
//! warden prints for an inventory of three actors, and a configuration that pins the engine's CA.

use crate::setup::{refusal_of_json, refusal_of_text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use warden_tests::bao::Bao;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, Sandbox};
use warden_tests::skipped;

/// An administrator with every extension.
pub(super) const ADM: &str = "adm-ada";
/// An agent with two principals and one extension.
pub(super) const AGT: &str = "agt-bridge";
/// An automation without any extension.
pub(super) const ATM: &str = "atm-backup";

const INVENTORY: [(&str, &str); 4] = [
    (
        "types.toml",
        "[adm]\nextensions = ALL\n[agt]\nextensions = ALL\n[atm]\nextensions = ALL\n",
    ),
    (
        "adm/adm-ada.toml",
        "type = \"adm\"\nprincipals = [\"adm-root\"]\nmax_ttl = \"48h\"\nttl = \"1h\"\n",
    ),
    (
        "agt/agt-bridge.toml",
        "type = \"agt\"\nprincipals = [\"agt-bridge\", \"agt-relay\"]\nttl = \"1h\"\nmax_ttl = \"2h\"\nextensions = [\"permit-port-forwarding\"]\n",
    ),
    (
        "atm/atm-backup.toml",
        "type = \"atm\"\nprincipals = [\"atm-backup\"]\nttl = \"30m\"\nextensions = []\n",
    ),
];

const ALL: &str = "[\"no-touch-required\", \"permit-X11-forwarding\", \"permit-agent-forwarding\", \
\"permit-port-forwarding\", \"permit-pty\", \"permit-user-rc\"]";

/// Whether there is an OpenBao to test with; says so where there is none.
pub(super) fn is_here() -> bool {
    skipped::wanted("the OpenBao suite", Bao::program().map(drop))
}

/// An engine, its roles, and whoever signs with it.
pub(super) struct Office {
    pub(super) bao: Arc<Bao>,
    pub(super) sandbox: Sandbox,
    /// Where the engine is mounted; also the name of the policy.
    pub(super) mount: String,
    pub(super) pin: String,
    pub(super) token: String,
    pub(super) key: Key,
}

impl Office {
    /// Nothing, said aloud, where there is no OpenBao.
    pub(super) fn open() -> Option<Self> {
        is_here().then(|| Self::on(Bao::shared(), "ed25519"))
    }

    /// On this server, with a CA key of this type.
    #[track_caller]
    pub(super) fn on(bao: Arc<Bao>, ca: &str) -> Self {
        let mount = bao.name("ssh");
        bao.enable_ssh(&mount, ca);
        let sandbox = Sandbox::new();
        for (file, text) in INVENTORY {
            let text = text.replace("ALL", ALL);
            sandbox.write(format!("inventory/{file}"), text, 0o644);
        }
        let key = Key::make(sandbox.path(), "user", KeyType::Ed25519);
        let mut office = Self {
            bao,
            sandbox,
            mount,
            pin: String::new(),
            token: String::new(),
            key,
        };
        office.configure("");
        let pinned = office.warden(["ca", "pin", "--json"]).expect_success();
        office.pin = text(&json_of(&pinned)["ca_fingerprint"]);
        office.configure("");
        office.set_up();
        office.token = office.bao.token(&office.mount, json!({}));
        office
    }

    /// The configuration with these lines in `[vault]`, and the pin.
    #[track_caller]
    pub(super) fn configure(&self, lines: &str) {
        let pin = match self.pin.is_empty() {
            true => String::new(),
            false => format!("ca_fingerprint = \"{}\"\n", self.pin),
        };
        self.configure_whole(&format!(
            "addr = \"{}\"\nmount = \"{}\"\n{pin}{lines}",
            self.bao.address(),
            self.mount
        ));
    }

    /// The configuration with exactly these lines in `[vault]`.
    #[track_caller]
    pub(super) fn configure_whole(&self, lines: &str) {
        let config = format!("backend = \"vault\"\nstate_dir = \"state\"\n\n[vault]\n{lines}\n");
        self.sandbox.write("warden.toml", config, 0o600);
    }

    /// Replaces an actor; the lines are all of its file but the type.
    #[track_caller]
    pub(super) fn set_actor(&self, name: &str, lines: &str) {
        let actor_type = &name[..3];
        let text = format!("type = \"{actor_type}\"\n{lines}\n");
        let file = format!("inventory/{actor_type}/{name}.toml");
        self.sandbox.write(file, text, 0o644);
    }

    /// What `warden backend roles --json` prints for the inventory as it is now.
    #[track_caller]
    pub(super) fn printed(&self) -> Value {
        json_of(&self.warden(["backend", "roles", "--json"]).expect_success())
    }

    /// Applies the roles and the policy that warden prints.
    #[track_caller]
    pub(super) fn set_up(&self) {
        self.write_printed_roles();
        let printed = self.printed();
        let rules = printed["policy"]["rules"].as_str().unwrap();
        self.bao.write_policy(&self.mount, rules);
    }

    /// Applies the roles alone.
    #[track_caller]
    pub(super) fn write_printed_roles(&self) {
        for role in self.printed()["roles"].as_array().unwrap() {
            self.write_role(&text(&role["name"]), role["role"].clone());
        }
    }

    /// Writes a role whole.
    #[track_caller]
    pub(super) fn write_role(&self, name: &str, role: Value) {
        let path = format!("{}/roles/{name}", self.mount);
        self.bao.write(&path, role);
    }

    /// The role of a name as warden prints it, with some settings changed.
    #[track_caller]
    pub(super) fn change_role(&self, name: &str, changes: Value) {
        let printed = self.printed();
        let roles = printed["roles"].as_array().unwrap();
        let printed = roles.iter().find(|role| role["name"] == name).unwrap();
        let mut role = printed["role"].as_object().unwrap().clone();
        role.extend(changes.as_object().unwrap().clone());
        self.write_role(name, Value::Object(role));
    }

    /// `warden --config ...`, with the token where it is looked for.
    pub(super) fn program(&self) -> Program {
        let program = self.sandbox.warden_program();
        program
            .arg("--config")
            .arg(self.sandbox.join("warden.toml"))
            .env("VAULT_TOKEN", &self.token)
    }

    #[track_caller]
    pub(super) fn warden<const N: usize>(&self, args: [&str; N]) -> Outcome {
        self.program().args(args).run()
    }

    /// `warden ... sign ACTOR --pubkey ...`
    pub(super) fn signing(&self, actor: &str) -> Program {
        self.program()
            .args(["sign", actor, "--pubkey"])
            .arg(self.key.public_path())
    }

    /// Has a certificate signed; gives the JSON that `sign` prints.
    #[track_caller]
    pub(super) fn sign(&self, actor: &str) -> Value {
        json_of(&self.signing(actor).arg("--json").run().expect_success())
    }

    /// What `warden show` says of the certificate that is stored for an actor.
    #[track_caller]
    pub(super) fn stored(&self, actor: &str) -> Value {
        let file = self.certificate(actor);
        let shown = self.program().args(["--json", "show"]).arg(file).run();
        json_of(&shown.expect_success())
    }

    pub(super) fn certificate(&self, actor: &str) -> PathBuf {
        self.sandbox.join(format!("state/{actor}-cert.pub"))
    }

    /// The last record.
    #[track_caller]
    pub(super) fn record(&self) -> Value {
        let text = std::fs::read_to_string(self.sandbox.join("state/journal.jsonl")).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Expects signing to be refused, as text and as JSON, recorded so, and to leave the certificate
    /// that was there; returns what was said.
    #[track_caller]
    pub(super) fn refused(&self, actor: &str, code: i32, reason: &str) -> String {
        self.refused_as(&|| self.signing(actor), actor, code, reason)
    }

    /// As [`Office::refused`], however the signing is asked for.
    #[track_caller]
    pub(super) fn refused_as(
        &self,
        asked: &dyn Fn() -> Program,
        actor: &str,
        code: i32,
        reason: &str,
    ) -> String {
        let before = std::fs::read(self.certificate(actor)).ok();
        let said = asked().run();
        refusal_of_text(&said, code, reason);
        refusal_of_json(&asked().arg("--json").run(), code, reason);
        assert_eq!(std::fs::read(self.certificate(actor)).ok(), before);
        let record = self.record();
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["outcome"], "failed", "{record}");
        assert_eq!(record["serial"], Value::Null, "{record}");
        said.stderr
    }

    /// Every file below the sandbox but these, as text.
    pub(super) fn files_but(&self, left_out: &[&Path]) -> String {
        let mut text = String::new();
        let mut pending = vec![self.sandbox.path().to_owned()];
        while let Some(path) = pending.pop() {
            if left_out.contains(&path.as_path()) {
                continue;
            }
            match path.is_dir() {
                true => pending.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                ),
                false => text += &String::from_utf8_lossy(&std::fs::read(&path).unwrap()),
            }
        }
        text
    }
}

/// The JSON document on stdout.
#[track_caller]
pub(super) fn json_of(outcome: &Outcome) -> Value {
    match serde_json::from_str(&outcome.stdout) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {outcome}"),
    }
}

/// The text of a value.
#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
