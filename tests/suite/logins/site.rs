//! What a login with a certificate of warden's takes: a desk that signs, a server that trusts its
//! CA, an account, and a user with a key.

use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::{Builder, Sshd};

/// The actor all certificates are for.
pub(crate) const VISITOR: &str = "agt-visitor";

/// One account that principal `deploy` may enter, and [`VISITOR`] with that principal and no
/// extension.
pub(crate) struct Site {
    pub(crate) desk: Desk,
    pub(crate) user: Key,
    pub(crate) account: Account,
    pub(crate) sshd: Sshd,
}

impl Site {
    /// Nothing, said aloud, where there can be no server.
    pub(crate) fn open() -> Option<Self> {
        Self::open_with(|sshd| sshd)
    }

    pub(crate) fn open_with(adjust: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        if !skipped::require("logging in to a real sshd", privileged()) {
            return None;
        }
        let desk = Desk::new();
        desk.set_actor(VISITOR, "principals = [\"deploy\"]\nextensions = []");
        let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
        let account = Account::new();
        let builder = Sshd::builder()
            .trust(&desk.ca_line())
            .principals(account.name(), &["deploy"]);
        let sshd = adjust(builder).start();
        Some(Self {
            desk,
            user,
            account,
            sshd,
        })
    }

    /// Writes further lines into the file of [`VISITOR`], who keeps principal `deploy`.
    #[track_caller]
    pub(crate) fn set_visitor(&self, lines: &str) {
        let lines = format!("principals = [\"deploy\"]\n{lines}");
        self.desk.set_actor(VISITOR, &lines);
    }

    /// Has warden certify the user's key for [`VISITOR`].
    #[track_caller]
    pub(crate) fn certify(&self) -> PathBuf {
        self.desk.sign(VISITOR, &self.user.public_path())
    }

    /// A login to the account with the user's key and a certificate.
    pub(crate) fn login(&self, certificate: &Path) -> Login {
        Login::new(self.account.name(), self.sshd.port())
            .identity(self.user.path())
            .certificate(certificate)
    }

    /// Logs in and runs a command that shows who got in.
    #[track_caller]
    pub(crate) fn expect_admission(&self, certificate: &Path) {
        let admitted = self.login(certificate).command("id -un").run();
        let admitted = admitted.expect_success();
        assert_eq!(admitted.stdout.trim_end(), self.account.name());
        let explained = self.explain(certificate);
        assert_eq!(explained["verdict"], "let_in", "{explained}");
    }

    /// Expects a login to be refused, and the server to say why.
    #[track_caller]
    pub(crate) fn expect_refusal(&self, certificate: &Path, reason: &str) {
        self.expect_refused(&self.login(certificate), reason);
        let explained = self.explain(certificate);
        let rule = rule_behind(reason);
        assert_eq!(explained["refused_by"], rule, "{reason}: {explained}");
    }

    /// What `warden explain-login` says about a certificate, from a copy of the server's files.
    #[track_caller]
    pub(super) fn explain(&self, certificate: &Path) -> serde_json::Value {
        let root = self.desk.sandbox().join("copy");
        self.sshd.copy_into(&root);
        let login = format!("{}@{}", self.account.name(), root.display());
        let program = self.desk.program().arg("explain-login").arg(certificate);
        let outcome = program
            .args([&login, "--from", "127.0.0.1", "--json"])
            .run();
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"))
    }

    /// As [`Site::expect_refusal`], for a login of any kind.
    #[track_caller]
    pub(crate) fn expect_refused(&self, login: &Login, reason: &str) -> Outcome {
        let mark = self.sshd.mark();
        let refused = login.run();
        assert_eq!(refused.code, Some(255), "{refused}");
        assert!(refused.stderr.contains("Permission denied"), "{refused}");
        let log = self.sshd.wait_for_log(mark, reason);
        assert!(!log.contains("Accepted publickey"), "{log}");
        refused
    }
}

/// The rule of `explain-login` for what sshd logs.
fn rule_behind(reason: &str) -> &'static str {
    let known = [
        ("authorized principal", "principal_listed"),
        ("expired", "window"),
        ("not yet valid", "window"),
        ("is not listed in", "ca_trusted"),
        ("permitted source address", "source_address"),
        ("revoked", "not_revoked"),
        ("is not supported", "critical_options"),
        ("forced command options do not match", "commands_agree"),
        ("not a user certificate", "user_certificate"),
        ("certificate signature algorithm", "ca_signature_algorithm"),
        ("not in PubkeyAcceptedAlgorithms", "key_algorithm"),
        ("bad ownership or modes", "principals_file_safe"),
        ("ROOT LOGIN REFUSED", "root_login"),
        ("DenyUsers", "account_allowed"),
    ];
    let found = known.iter().find(|(text, _)| reason.contains(text));
    found.map_or("no rule", |(_, rule)| rule)
}
