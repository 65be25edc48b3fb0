//! A signer host and a host to log in to, in one directory of root's: a configuration with two CA
//! keys, an inventory with one actor, an sshd that trusts the first CA.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, Sandbox};
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::{Builder, Sshd};

/// The only actor; its certificates live for a minute.
pub(super) const ACTOR: &str = "agt-probe";

pub(super) struct Site {
    pub(super) sshd: Sshd,
    pub(super) account: Account,
    pub(super) old: Key,
    pub(super) new: Key,
    pub(super) user: Key,
    sandbox: Sandbox,
    directory: PathBuf,
}

impl Site {
    /// Nothing, said aloud, where there can be no server. Trust files and keys belong to root, and
    /// nothing above them may be written by others.
    pub(super) fn open() -> Option<Self> {
        Self::open_with(|sshd| sshd)
    }

    pub(super) fn open_with(adjust: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        let as_root = privileged().and_then(|()| crate::setup::as_root());
        if !skipped::require("a cutover at a real sshd", as_root) {
            return None;
        }
        let sandbox = Sandbox::new();
        let account = Account::new();
        let keys = |name: &str| Key::make(sandbox.path(), name, KeyType::Ed25519);
        let (old, new, user) = (keys("old"), keys("new"), keys("user"));
        let builder = Sshd::builder().trust(&old.public_line());
        let sshd = adjust(builder.principals(account.name(), &["deploy"])).start();
        let directory = sshd.directory().join("desk");
        let site = Self {
            sshd,
            account,
            old,
            new,
            user,
            sandbox,
            directory,
        };
        for (name, key) in [("old", &site.old), ("new", &site.new)] {
            site.write(
                &format!("ca/{name}"),
                std::fs::read(key.path()).unwrap(),
                0o600,
            );
            site.write(
                &format!("ca/{name}.pub"),
                std::fs::read(key.public_path()).unwrap(),
                0o644,
            );
        }
        site.set_config("ca_key = \"ca/old\"   # today's CA\n");
        site.set_actor("");
        Some(site)
    }

    pub(super) fn set_config(&self, lines: &str) {
        let text = format!(
            "# who signs\nbackend = \"local\"\n{lines}inventory_path = \"inventory\"\nstate_dir = \"state\"\n"
        );
        self.write("warden.toml", text, 0o600);
    }

    pub(super) fn set_actor(&self, lines: &str) {
        let text = format!(
            "type = \"agt\"\nprincipals = [\"deploy\"]\nttl = \"1m\"\nextensions = []\n{lines}"
        );
        self.write(&format!("inventory/agt/{ACTOR}.toml"), text, 0o644);
    }

    /// Writes a file of the signer host.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.directory.join(name);
        let parent = path.parent().unwrap();
        if !parent.exists() {
            std::fs::create_dir_all(parent).unwrap();
            for one in parent
                .ancestors()
                .take_while(|one| one.starts_with(&self.directory))
            {
                std::fs::set_permissions(one, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path("warden.toml")
    }

    /// The trust file of the sshd.
    pub(super) fn trusted(&self) -> PathBuf {
        self.sshd.directory().join("trusted")
    }

    pub(super) fn text(&self, path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    pub(super) fn journal(&self) -> String {
        std::fs::read_to_string(self.path("state/journal.jsonl")).unwrap_or_default()
    }

    pub(super) fn program(&self, args: &[&str]) -> Program {
        let program = self
            .sandbox
            .warden_program()
            .arg("--config")
            .arg(self.config());
        program.env("WARDEN_OPERATOR", "ada").args(args)
    }

    pub(super) fn warden(&self, args: &[&str]) -> Outcome {
        self.program(args).run()
    }

    /// `warden cutover`, whatever comes of it.
    pub(super) fn cutover(&self, args: &[&str]) -> Outcome {
        self.program(&["cutover"]).args(args).run()
    }

    /// Makes the plan from the old key to the new one; further arguments such as `--phrase`.
    pub(super) fn plan(&self, args: &[&str]) -> Outcome {
        let trusted = self.trusted();
        let usual = [
            "plan",
            "--ca-key",
            "ca/new",
            "--owner",
            "team:platform",
            "--apply",
            "--trust-file",
            trusted.to_str().unwrap(),
        ];
        self.program(&["cutover"]).args(usual).args(args).run()
    }

    /// The id of the plan, from its first line.
    pub(super) fn plan_id(&self) -> String {
        let text = self.text(&self.path("state/cutover.toml"));
        text.lines()
            .next()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned()
    }

    /// A gated verb with its own phrase.
    pub(super) fn gated(&self, verb: &str, args: &[&str]) -> Outcome {
        self.gated_program(verb, args).run()
    }

    pub(super) fn gated_program(&self, verb: &str, args: &[&str]) -> Program {
        let gate = if verb == "bundle" { "trust" } else { verb };
        let phrase = format!("{}-{gate}-approved", self.plan_id());
        self.program(&["cutover", verb, "--apply", "--confirm", &phrase])
            .args(args)
    }

    /// The smoke test with logins, by which the switch is preceded.
    pub(super) fn smoke(&self) -> Outcome {
        let target = format!("{}@127.0.0.1:{}", self.account.name(), self.sshd.port());
        self.cutover(&["smoke", "--login", &target])
    }

    #[track_caller]
    pub(super) fn expect_state(&self, expected: &str) {
        let outcome = self.cutover(&["status"]).expect_success();
        assert_eq!(
            outcome.stdout.lines().next(),
            Some(format!("state: {expected}").as_str()),
            "{outcome}"
        );
    }

    /// A fresh certificate of whoever signs now; its file.
    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        let key = self.user.public_path();
        let signed = self
            .warden(&["sign", ACTOR, "--pubkey", key.to_str().unwrap()])
            .expect_success();
        self.sandbox
            .write(format!("{name}-cert.pub"), signed.stdout_bytes, 0o600)
    }

    /// Whether a certificate is let in.
    pub(super) fn admits(&self, certificate: &Path) -> bool {
        let login = Login::new(self.account.name(), self.sshd.port())
            .identity(self.user.path())
            .certificate(certificate);
        login.run().succeeded()
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}
