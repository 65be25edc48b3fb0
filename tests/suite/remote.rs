//! What the suites of the engine begin with: a sandbox whose `warden` signs through a stand-in, and
//! in which a certificate is stored already.

use crate::setup::{ACTOR, Setup, refusal_of_text};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Program;
use warden_tests::stand_in::{Answer, StandIn};

/// The token in the configured file.
pub(crate) const TOKEN: &str = "s.PlantedToken7d1f0c9a";

/// Where the actor's certificates are signed, after `/v1/`.
pub(crate) const SIGN: &str = "ssh/sign/agt-role";

/// The same as a line of the stand-in's records.
pub(crate) const SIGN_LINE: &str = "POST /v1/ssh/sign/agt-role";

const ACTOR_FILE: &str = "\
type = \"agt\"
principals = [\"hub-b\", \"hub-a\"]
ttl = \"1h\"
force_command = \"/usr/bin/true\"
";

const TYPES_FILE: &str = "\
[agt]
extensions = [\"permit-port-forwarding\", \"permit-pty\"]
";

/// A role that allows exactly what the inventory above gives.
pub(crate) fn sound_role() -> Value {
    json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": false,
        "allowed_users": "hub-a,hub-b", "allowed_users_template": false, "default_user": "",
        "allow_user_key_ids": true, "allowed_extensions": "permit-port-forwarding,permit-pty",
        "default_extensions": {}, "allowed_critical_options": "force-command",
        "default_critical_options": {}, "ttl": 3600, "max_ttl": 86400, "not_before_duration": 30,
    })
}

pub(crate) struct Remote {
    pub(crate) setup: Setup,
    pub(crate) bao: StandIn,
}

impl Remote {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::at(StandIn::start())
    }

    #[track_caller]
    pub(crate) fn at(bao: StandIn) -> Self {
        let setup = Setup::new();
        let sandbox = &setup.sandbox;
        sandbox.write(format!("q/inventory/agt/{ACTOR}.toml"), ACTOR_FILE, 0o644);
        sandbox.write("q/inventory/types.toml", TYPES_FILE, 0o644);
        sandbox.write("q/token", format!("{TOKEN}\n"), 0o600);
        bao.engine(|engine| {
            engine.add_token(TOKEN);
            engine.roles.insert("agt-role".to_owned(), sound_role());
        });
        let remote = Self { setup, bao };
        remote.configure("token_file = \"token\"");
        remote
    }

    /// Writes the configuration anew, with these lines at the end of `[vault]`.
    #[track_caller]
    pub(crate) fn configure(&self, lines: &str) {
        self.configure_at(&self.bao.url(), lines);
    }

    #[track_caller]
    pub(crate) fn configure_at(&self, address: &str, lines: &str) {
        let pin = self.bao.engine(|engine| engine.ca_fingerprint());
        let text = format!(
            "backend = \"vault\"\nca_key = \"ca/ca_key\"\nstate_dir = \"state\"\n\n[vault]\n\
             addr = \"{address}\"\nca_fingerprint = \"{pin}\"\n{lines}\n"
        );
        self.setup.sandbox.write("q/warden.toml", text, 0o600);
    }

    /// Signs, and sees that it is the stand-in's certificate that is printed, stored and recorded.
    #[track_caller]
    pub(crate) fn signs(&self) -> Outcome {
        self.signs_as(self.setup.signing())
    }

    #[track_caller]
    pub(crate) fn signs_as(&self, program: Program) -> Outcome {
        let outcome = program.run().expect_success();
        assert_eq!(outcome.stderr, "");
        let stored = std::fs::read(self.setup.certificate()).unwrap();
        assert_eq!(outcome.stdout_bytes, stored);
        let record = self.setup.records().pop().unwrap();
        let pin = self.bao.engine(|engine| engine.ca_fingerprint());
        assert_eq!(record["ca_fingerprint"], pin, "{record}");
        assert_eq!(record["backend"], "vault");
        self.holds_no_secret(&outcome);
        outcome
    }

    /// Signs in vain: this reason, a hint, nothing on stdout, one record, and every file as it was.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, reason: &str) -> Outcome {
        self.fails_as(self.setup.signing(), code, reason)
    }

    #[track_caller]
    pub(crate) fn fails_as(&self, program: Program, code: i32, reason: &str) -> Outcome {
        let (files, before) = (self.setup.files(), self.setup.records().len());
        assert!(files.contains_key(&self.setup.certificate()));
        let outcome = program.env("RUST_BACKTRACE", "full").run();
        refusal_of_text(&outcome, code, reason);
        assert!(outcome.stderr.contains("\nwarden: hint: "), "{outcome}");
        assert!(outcome.stderr.len() < 4096, "{outcome}");
        let records = self.setup.records();
        assert_eq!(records.len(), before + 1, "{outcome}");
        let record = &records[before];
        assert_eq!(record["outcome"], "failed", "{record}");
        assert_eq!(record["reason"], reason, "{record}");
        assert_eq!(record["serial"], Value::Null, "{record}");
        assert_eq!(self.setup.files(), files, "files after {outcome}");
        self.holds_no_secret(&outcome);
        outcome
    }

    /// [`fails`](Self::fails), and how often signing was asked for.
    #[track_caller]
    pub(crate) fn fails_after(&self, attempts: usize, code: i32, reason: &str) -> Outcome {
        drop(self.bao.take_requests());
        let outcome = self.fails(code, reason);
        let asked = self.bao.take_lines();
        assert_eq!(asked, vec![SIGN_LINE; attempts], "{outcome}");
        outcome
    }

    /// [`fails`](Self::fails) for one answer to the request for a signature.
    #[track_caller]
    pub(crate) fn fails_for(&self, answer: Answer, code: i32, reason: &str) -> Outcome {
        self.bao.heal();
        self.bao.always(SIGN, answer);
        self.fails_after(1, code, reason)
    }

    #[track_caller]
    fn holds_no_secret(&self, outcome: &Outcome) {
        let journal = self.setup.journal_text();
        for text in [&outcome.stdout, &outcome.stderr, &journal] {
            assert!(!text.contains(TOKEN), "{text}");
        }
    }
}

/// Runs something, and how long it took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = run();
    (result, begun.elapsed())
}
