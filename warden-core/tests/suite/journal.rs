//! The journal: what is in it, what is found when it was changed, and how it goes on.

mod appending;
mod chain;

use crate::forger::{Forger, inventory};
use crate::scene::{Inventory, NOW, actor, principals, ttl, user_key};
use std::path::{Path, PathBuf};
use warden_core::clock::FixedClock;
use warden_core::issue::{Issuer, issue};
use warden_core::journal::{ChainError, FileJournal, Head, Verified, read_head, verify};
use warden_core::request::CertificateRequest;
use warden_core::revocation::Revocations;
use warden_core::sign::SigningBackend;

static NOTHING_REVOKED: Revocations = Revocations::none();

/// A state directory that is removed with its last use.
struct State {
    directory: tempfile::TempDir,
    journal: FileJournal,
    inventory: Inventory,
}

impl State {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            journal: FileJournal::open(directory.path()).unwrap(),
            inventory: inventory(),
            directory,
        }
    }

    /// One record of each kind of outcome, and two denials more.
    fn with_five_records() -> Self {
        let state = Self::new();
        let asked = |name: &str| CertificateRequest::new(actor(name), user_key(1));
        state.issue(asked("agt-hub"));
        state.issue(asked("agt-nobody"));
        state.issue(asked("agt-hub").with_principals(principals(&["root"])));
        state.issue(asked("atm-nobody").with_ttl(ttl("1h")));
        state.issue_badly(asked("agt-hub"));
        state
    }

    fn issue(&self, request: CertificateRequest) {
        let _outcome = issue(request, &self.issuer(&Forger::new(|_| {}))).unwrap();
    }

    /// A record of a failure.
    fn issue_badly(&self, request: CertificateRequest) {
        let forger = Forger::new(|f| f.wire.serial = 0);
        assert!(issue(request, &self.issuer(&forger)).is_err());
    }

    /// Appends one record.
    fn append(&self) {
        self.issue(CertificateRequest::new(actor("agt-nobody"), user_key(1)));
    }

    fn issuer<'a>(&'a self, backend: &'a dyn SigningBackend) -> Issuer<'a> {
        Issuer {
            revocations: &NOTHING_REVOKED,
            gating: warden_core::gate::Gating::Off,
            subject: None,
            inventory: self.inventory.path(),
            backend,
            journal: &self.journal,
            clock: &FixedClock(NOW),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn journal(&self) -> PathBuf {
        FileJournal::path_in(self.path())
    }

    fn read(&self) -> Vec<u8> {
        std::fs::read(self.journal()).unwrap()
    }

    fn write(&self, content: &[u8]) {
        std::fs::write(self.journal(), content).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.journal(), private).unwrap();
    }

    fn head(&self) -> Head {
        read_head(self.path()).unwrap().unwrap()
    }

    fn forget_head(&self) {
        std::fs::remove_file(self.path().join("journal.head")).unwrap();
    }

    fn verify(&self) -> Result<Verified, ChainError> {
        verify(&[self.journal()], None, None)
    }

    /// The files here, in order of their names.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
