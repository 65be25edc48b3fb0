//! The guide to the sunset, followed on one machine: an engine that signs, an sshd that trusts it, and
//! a local CA that takes over from it.

mod compromise;
mod log;
mod overlay;

use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use warden_tests::account::{Account, privileged};
use warden_tests::bao::Bao;
use warden_tests::console::check_page_with;
use warden_tests::sandbox::{Sandbox, warden_binary};
use warden_tests::skipped;
use warden_tests::sshd::Sshd;
use warden_tests::stand_in::StandIn;

/// The account's certificates live so short that the window of the guide ends while it is watched.
const ACTOR: &str = "\
type = \"agt\"
principals = [\"llmops\"]
ttl = \"12s\"
max_ttl = \"12s\"
owner = \"team:platform\"
";

/// Who signs before the sunset.
enum Engine {
    Real(Arc<Bao>, String),
    StandIn(StandIn),
}

impl Engine {
    /// A real one; where there is none, aloud, the stand-in.
    fn start() -> Self {
        if skipped::wanted("the sunset of a real engine", Bao::program().map(drop)) {
            let bao = Bao::shared();
            let mount = bao.name("ssh");
            bao.enable_ssh(&mount, "ed25519");
            return Self::Real(bao, mount);
        }
        let server = StandIn::start();
        server.engine(|engine| engine.issuer = Some("a1b2".to_owned()));
        Self::StandIn(server)
    }

    fn address(&self) -> String {
        match self {
            Self::Real(bao, _) => bao.address(),
            Self::StandIn(server) => server.url(),
        }
    }

    fn mount(&self) -> &str {
        match self {
            Self::Real(_, mount) => mount,
            Self::StandIn(_) => "ssh",
        }
    }

    /// The CA's public line.
    fn ca(&self) -> String {
        match self {
            Self::Real(bao, mount) => {
                let ca = bao.api("GET", &format!("{mount}/config/ca"), Value::Null);
                let line = ca["data"]["public_key"].as_str().unwrap();
                line.trim().to_owned()
            }
            Self::StandIn(server) => server.engine(|engine| engine.ca_line()),
        }
    }

    /// Writes a role, and gives it as `bao read` prints it.
    fn set_role(&self, name: &str, role: Value) -> Value {
        match self {
            Self::Real(bao, mount) => {
                bao.write(&format!("{mount}/roles/{name}"), role);
                bao.api("GET", &format!("{mount}/roles/{name}"), Value::Null)
            }
            Self::StandIn(server) => {
                let read = json!({ "data": role });
                server.engine(|engine| engine.roles.insert(name.to_owned(), role));
                read
            }
        }
    }

    /// A token that may sign and look, and one that may delete an issuer too.
    fn tokens(&self) -> [String; 2] {
        match self {
            Self::Real(bao, mount) => {
                let look = format!(
                    "path \"{mount}/sign/agt-role\" {{ capabilities = [\"update\"] }}\n\
                     path \"{mount}/roles/agt-role\" {{ capabilities = [\"read\"] }}\n\
                     path \"{mount}/config/issuers\" {{ capabilities = [\"read\"] }}\n"
                );
                let delete =
                    format!("{look}path \"{mount}/issuer/*\" {{ capabilities = [\"delete\"] }}\n");
                [("look", look), ("delete", delete)].map(|(name, rules)| {
                    let policy = format!("{mount}-{name}");
                    bao.write_policy(&policy, &rules);
                    bao.token(&policy, json!({}))
                })
            }
            Self::StandIn(server) => ["s.Look", "s.Delete"].map(|token| {
                server.engine(|engine| engine.add_token(token));
                token.to_owned()
            }),
        }
    }
}

impl Engine {
    /// Whether its only CA was deleted, and by the one way that takes no other along.
    fn is_empty(&self) -> bool {
        match self {
            Self::Real(bao, mount) => {
                let issuers = bao.ask(
                    Some(bao.root()),
                    "LIST",
                    &format!("{mount}/issuers"),
                    &Value::Null,
                );
                issuers.status == 404
            }
            Self::StandIn(server) => {
                let mut deleted = server.take_lines();
                deleted.retain(|line| line.starts_with("DELETE"));
                deleted == ["DELETE /v1/ssh/issuer/a1b2"]
            }
        }
    }
}

/// What is on the machine before the first page of the guide.
fn tree(sandbox: &Sandbox, place: &Path, account: &str, ca: &str, config: &str) {
    let sshd = format!(
        "TrustedUserCAKeys {0}/etc/ssh/trusted-user-ca-keys.pem\n\
         AuthorizedPrincipalsFile {0}/etc/ssh/auth_principals/%u\n\
         AuthorizedKeysFile none\n\
         LogLevel VERBOSE\n",
        place.display()
    );
    let files = [
        ("ssh/sshd_config.d/50-warden.conf", sshd.as_str()),
        ("ssh/trusted-user-ca-keys.pem", ca),
        (&format!("ssh/auth_principals/{account}"), "llmops\n"),
        ("warden/warden.toml", config),
        ("warden/inventory/agt/agt-safe-session.toml", ACTOR),
    ];
    for (name, text) in files {
        sandbox.write(format!("tree/etc/{name}"), text, 0o644);
    }
}

#[test]
fn the_guide_to_the_sunset_works_as_written() {
    let as_root = privileged().and_then(|()| crate::setup::as_root());
    if !skipped::require("the sunset at a real sshd", as_root) {
        return;
    }
    let (engine, sandbox, account) = (Engine::start(), Sandbox::new(), Account::new());
    let line = engine.ca();
    let public = sandbox.write("engine.pub", format!("{line}\n"), 0o644);
    let pin = warden_tests::keygen::fingerprint(&public);
    let config = format!(
        "backend = \"vault\"\n\
         ca_key_env = \"PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE\"\n\
         inventory_path = \"inventory\"\n\
         state_dir = \"PLACE/var/lib/warden\"\n\n\
         [vault]\n\
         addr = \"{}\"\n\
         mount = \"{}\"\n\
         ca_fingerprint = \"{pin}\"\n\
         clock_skew = \"1s\"\n",
        engine.address(),
        engine.mount()
    );
    let sshd = Sshd::builder()
        .line("UsePAM no")
        .line("PasswordAuthentication no")
        .line("KbdInteractiveAuthentication no")
        .start_rendered(|place| {
            let trusted = format!("{line} the engine\n");
            let config = config.replace("PLACE", &place.display().to_string());
            tree(&sandbox, place, account.name(), &trusted, &config);
            sandbox.join("tree")
        });
    let at = |name: &str| sshd.directory().join(name).display().to_string();
    let printed = sandbox
        .warden_program()
        .args(["--json", "backend", "roles"])
        .env("WARDEN_CONFIG", at("etc/warden/warden.toml"))
        .run()
        .expect_success();
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    let role = engine.set_role("agt-role", printed["roles"][0]["role"].clone());
    // Without a `bao` there is none to read the role with, so one stands there that shows what it would.
    sandbox.write("role-as-read.json", role.to_string(), 0o644);
    sandbox.write("bin/bao", "#!/bin/sh\nexec cat role-as-read.json\n", 0o755);
    let path = format!(
        "{}:{}:{}",
        warden_binary().parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default(),
        sandbox.join("bin").display()
    );
    let [look, delete] = engine.tokens();
    let logs = log::Logs::new(&sandbox, &pin);
    let variables = [
        ("PATH", path),
        ("PREFIX", sshd.directory().display().to_string()),
        ("WARDEN_CONFIG", at("etc/warden/warden.toml")),
        ("WARDEN_OPERATOR", "ada".to_owned()),
        (
            "PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE",
            at("etc/safe-session/ca_key"),
        ),
        ("ACCOUNT", account.name().to_owned()),
        ("PORT", sshd.port().to_string()),
        ("MOUNT", engine.mount().to_owned()),
        ("BAO_ADDR", engine.address()),
        ("BAO_TOKEN", look.clone()),
        ("VAULT_TOKEN", look),
        ("RETIRE_TOKEN", delete),
        ("SSHD_LOG", logs.now.display().to_string()),
        ("SSHD_LOG_LATER", logs.later.display().to_string()),
    ];
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wiki/guides/vault-sunset.md");
    thread::scope(|scope| {
        let _writing = logs.write_while(scope, &sshd);
        check_page_with(&page, &sandbox, &variables);
    });
    // What the page cannot show: which of the two CAs is left.
    let trusted = std::fs::read_to_string(at("etc/ssh/trusted-user-ca-keys.pem")).unwrap();
    let public = std::fs::read_to_string(at("etc/safe-session/ca_key.pub")).unwrap();
    let key = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(trusted.lines().map(key).collect::<Vec<_>>(), [key(&public)]);
    assert!(engine.is_empty(), "the engine's CA is still there");
}
