//! What a real login takes: an authority, an account, a server, and a user.

use std::path::PathBuf;
use warden_tests::account::{Account, privileged};
use warden_tests::keygen::{Key, KeyType, Signing};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::{Builder, Sshd};

/// One account that principal `deploy` may enter, and a user with a key.
pub(super) struct Scene {
    pub(super) sandbox: Sandbox,
    pub(super) ca: Key,
    pub(super) user: Key,
    pub(super) account: Account,
    pub(super) sshd: Sshd,
}

impl Scene {
    /// Nothing, said aloud, where there can be no server.
    pub(super) fn set() -> Option<Self> {
        Self::set_with(|sshd| sshd)
    }

    pub(super) fn set_with(adjust: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        if !skipped::require("logging in to a real sshd", privileged()) {
            return None;
        }
        let sandbox = Sandbox::new();
        let ca = Key::make(sandbox.path(), "ca", KeyType::Ed25519);
        let user = Key::make(sandbox.path(), "user", KeyType::Ed25519);
        let account = Account::new();
        let builder = Sshd::builder()
            .trust(&ca.public_line())
            .principals(account.name(), &["deploy"]);
        let sshd = adjust(builder).start();
        Some(Self {
            sandbox,
            ca,
            user,
            account,
            sshd,
        })
    }

    pub(super) fn signing(&self) -> Signing {
        Signing::new(&self.ca, &self.user.public_line(), "somebody").principal("deploy")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.sandbox.join("certificate.pub")
    }

    pub(super) fn login(&self) -> Login {
        Login::new(self.account.name(), self.sshd.port())
    }

    pub(super) fn log_in(&self) -> Outcome {
        self.login()
            .identity(self.user.path())
            .certificate(&self.certificate())
            .command("id -un")
            .run()
    }

    /// Expects the login to be refused, and the server to say why.
    #[track_caller]
    pub(super) fn expect_refusal(&self, reason: &str) {
        let mark = self.sshd.mark();
        let refused = self.log_in();
        assert_eq!(refused.code, Some(255), "{refused}");
        assert!(refused.stderr.contains("Permission denied"), "{refused}");
        let log = self.sshd.wait_for_log(mark, reason);
        assert!(!log.contains("Accepted publickey"), "{log}");
    }
}
