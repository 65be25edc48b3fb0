//! The desk where certificates are asked for: a configuration, an inventory and a CA key in a
//! sandbox, and the real `warden` to sign with.

use crate::keygen::Key;
use crate::process::Outcome;
use crate::sandbox::{Program, Sandbox};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the configuration says unless told otherwise.
const CONFIG: &str = "\
backend = \"local\"
ca_key = \"ca/key\"
inventory_path = \"inventory\"
state_dir = \"state\"
";

/// Every extension is within reach of every type, so that only an actor's own list decides. Without
/// a list of its own an actor has all six.
const TYPES: &str = "\
[adm]
extensions = ALL

[agt]
extensions = ALL

[atm]
extensions = ALL
";

const ALL_EXTENSIONS: &str = "[\"no-touch-required\", \"permit-X11-forwarding\", \
\"permit-agent-forwarding\", \"permit-port-forwarding\", \"permit-pty\", \"permit-user-rc\"]";

/// A configuration, an inventory without actors, and room for a CA key, in a sandbox of its own.
pub struct Desk {
    sandbox: Sandbox,
    signed: AtomicU32,
}

impl Desk {
    /// A desk with an Ed25519 CA key that `warden ca init` made.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        let desk = Self::without_ca();
        desk.make_ca("ed25519");
        desk
    }

    /// A desk whose configuration names a CA key that is not there yet.
    #[track_caller]
    #[must_use]
    pub fn without_ca() -> Self {
        let desk = Self {
            sandbox: Sandbox::new(),
            signed: AtomicU32::new(0),
        };
        desk.sandbox.directory("ca", 0o700);
        desk.sandbox.directory("certificates", 0o700);
        desk.set_config("");
        desk.set_types(&TYPES.replace("ALL", ALL_EXTENSIONS));
        desk
    }

    /// The sandbox: a place for the test's own files.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.sandbox.join("warden.toml")
    }

    /// The CA key that the configuration names.
    #[must_use]
    pub fn ca_key(&self) -> PathBuf {
        self.sandbox.join("ca/key")
    }

    /// The state directory: the journal and the stored certificates.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.sandbox.join("state")
    }

    /// The inventory.
    #[must_use]
    pub fn inventory(&self) -> PathBuf {
        self.sandbox.join("inventory")
    }

    /// Writes the configuration anew, with further lines at its end.
    #[track_caller]
    pub fn set_config(&self, lines: &str) {
        let text = format!("{CONFIG}{lines}\n");
        self.sandbox.write("warden.toml", text, 0o600);
    }

    /// Writes the settings of the three types anew.
    #[track_caller]
    pub fn set_types(&self, text: &str) {
        self.sandbox.write("inventory/types.toml", text, 0o644);
    }

    /// Puts an actor into the inventory, or replaces it. The type follows from the name; the lines
    /// are the rest of its file.
    #[track_caller]
    pub fn set_actor(&self, name: &str, lines: &str) {
        let (actor_type, _) = name.split_once('-').unwrap_or((name, ""));
        let file = format!("inventory/{actor_type}/{name}.toml");
        let text = format!("type = \"{actor_type}\"\n{}\n", lines.trim_end());
        self.sandbox.write(file, text, 0o644);
    }

    /// Puts a host into the inventory, or replaces it.
    #[track_caller]
    pub fn set_host(&self, name: &str, text: &str) {
        self.sandbox
            .write(format!("inventory/hosts/{name}.toml"), text, 0o644);
    }

    /// Has `warden ca init` make a CA key of a type; returns its public line. A key that was there
    /// is removed first.
    #[track_caller]
    pub fn make_ca(&self, key_type: &str) -> String {
        self.remove_ca();
        let made = self.warden(["ca", "init", "--type", key_type]);
        made.expect_success().stdout.trim_end().to_owned()
    }

    /// Puts a CA key and the public half beside it in place, instead of the one that was there;
    /// returns its public line.
    #[track_caller]
    pub fn use_ca(&self, key: &Key) -> String {
        self.remove_ca();
        let read = |path: &Path| match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        };
        self.sandbox.write("ca/key", read(key.path()), 0o600);
        let public = read(&key.public_path());
        self.sandbox.write("ca/key.pub", public, 0o644);
        key.public_line()
    }

    /// Writes a CA key file of these bytes without a public half beside it.
    #[track_caller]
    pub fn use_ca_file(&self, contents: impl AsRef<[u8]>) {
        self.remove_ca();
        self.sandbox.write("ca/key", contents, 0o600);
    }

    /// Names a file with this passphrase in the configuration, for the keys made or used from now
    /// on.
    #[track_caller]
    pub fn set_passphrase(&self, passphrase: &str) {
        self.sandbox
            .write("ca/passphrase", format!("{passphrase}\n"), 0o600);
        self.set_config("ca_passphrase_file = \"ca/passphrase\"");
    }

    /// The public line of the CA, as `warden ca show` prints it.
    #[track_caller]
    #[must_use]
    pub fn ca_line(&self) -> String {
        let shown = self.warden(["ca", "show"]).expect_success();
        shown.stdout.trim_end().to_owned()
    }

    /// Prepares `warden` with the desk's configuration.
    #[track_caller]
    #[must_use]
    pub fn program(&self) -> Program {
        let program = self.sandbox.warden_program();
        program.arg("--config").arg(self.config())
    }

    /// Runs `warden` with the desk's configuration.
    #[track_caller]
    pub fn warden<I: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        self.program().args(args).run()
    }

    /// Runs `warden sign` for an actor and a public key file, whatever comes of it.
    #[track_caller]
    pub fn ask(&self, actor: &str, public: &Path, args: &[&str]) -> Outcome {
        let program = self.program().args(["sign", actor, "--pubkey"]);
        program.arg(public).args(args).run()
    }

    /// Has `warden sign` certify a public key, and returns the file with the certificate that came
    /// out of standard output.
    #[track_caller]
    #[must_use]
    pub fn sign(&self, actor: &str, public: &Path) -> PathBuf {
        self.sign_with(actor, public, &[])
    }

    /// As [`Desk::sign`], with further arguments such as `--ttl 1s`.
    #[track_caller]
    #[must_use]
    pub fn sign_with(&self, actor: &str, public: &Path, args: &[&str]) -> PathBuf {
        let signed = self.ask(actor, public, args).expect_success();
        let count = self.signed.fetch_add(1, Ordering::Relaxed);
        let name = format!("certificates/{actor}-{count}-cert.pub");
        self.sandbox.write(name, signed.stdout_bytes, 0o600)
    }

    #[track_caller]
    fn remove_ca(&self) {
        for name in ["ca/key", "ca/key.pub"] {
            match std::fs::remove_file(self.sandbox.join(name)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("cannot remove {name}: {error}"),
            }
        }
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

/// A text as TOML has it between double quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    // Every string of JSON is one of TOML's basic strings.
    serde_json::Value::from(text).to_string()
}
