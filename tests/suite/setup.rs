//! What most suites begin with: a sandbox in which `warden quickstart q` has been run.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use warden_tests::process::Outcome;
use warden_tests::sandbox::{Program, Sandbox, warden_binary};

/// The actor that quickstart makes.
pub(crate) const ACTOR: &str = "agt-demo-agent";

/// A CA, a configuration, an inventory of one actor, and one certificate recorded.
pub(crate) struct Setup {
    pub(crate) sandbox: Sandbox,
}

impl Setup {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.warden(["quickstart", "q"]).check();
        Self { sandbox }
    }

    pub(crate) fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.sandbox.join("q").join(relative)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.join("warden.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.join("state")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.join("state/journal.jsonl")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.join(format!("state/{ACTOR}-cert.pub"))
    }

    pub(crate) fn actor_file(&self) -> PathBuf {
        self.join(format!("inventory/agt/{ACTOR}.toml"))
    }

    pub(crate) fn ca_key(&self) -> PathBuf {
        self.join("ca/ca_key")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.join(format!("keys/{ACTOR}.pub"))
    }

    /// `warden --config ...`
    pub(crate) fn program(&self) -> Program {
        let program = self.sandbox.warden_program();
        program.arg("--config").arg(self.config())
    }

    #[track_caller]
    pub(crate) fn warden<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        self.program().args(args).run()
    }

    /// `warden --config ... sign ACTOR --pubkey ...`
    pub(crate) fn signing(&self) -> Program {
        self.program()
            .args(["sign", ACTOR, "--pubkey"])
            .arg(self.key())
    }

    #[track_caller]
    pub(crate) fn sign(&self) -> Outcome {
        self.signing().run()
    }

    /// Runs a script in which `$W` is warden with its configuration, `$SIGN` signs, `$S` is the state.
    pub(crate) fn script(&self, script: &str) -> Program {
        let warden = format!(
            "{} --config {}",
            warden_binary().display(),
            self.config().display()
        );
        let sign = format!("{warden} sign {ACTOR} --pubkey {}", self.key().display());
        let program = self.sandbox.program("sh").args(["-c", script]);
        program
            .env("W", warden)
            .env("SIGN", sign)
            .env("S", self.state())
    }

    #[track_caller]
    pub(crate) fn verify(&self) -> Outcome {
        self.warden(["audit", "verify"])
    }

    /// Puts this in place of the journal, with the journal's mode.
    pub(crate) fn write_journal(&self, content: &str) {
        self.sandbox.write("q/state/journal.jsonl", content, 0o600);
    }

    pub(crate) fn journal_text(&self) -> String {
        std::fs::read_to_string(self.journal()).unwrap()
    }

    /// Every record, each known to be a JSON object on one line.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let text = self.journal_text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Everything below the sandbox but the journal: mode, links, and content or kind.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        walk(self.sandbox.path(), &mut found);
        for own in ["journal.jsonl", "journal.head", "journal.lock"] {
            found.remove(&self.state().join(own));
        }
        found
    }

    /// Runs a command that is to be refused, as text and as JSON, and sees that it leaves nothing
    /// but `records` records each time.
    #[track_caller]
    pub(crate) fn refused<I: AsRef<OsStr> + Clone>(
        &self,
        args: &[I],
        code: i32,
        reason: &str,
        records: usize,
    ) -> String {
        self.refused_as(&|program| program.args(args), code, reason, records)
    }

    #[track_caller]
    pub(crate) fn refused_as(
        &self,
        adjust: &dyn Fn(Program) -> Program,
        code: i32,
        reason: &str,
        records: usize,
    ) -> String {
        let lines =
            || std::fs::read_to_string(self.journal()).map_or(0, |text| text.lines().count());
        let (files, before) = (self.files(), lines());
        let text = adjust(self.program()).run();
        refusal_of_text(&text, code, reason);
        refusal_of_json(&adjust(self.program().arg("--json")).run(), code, reason);
        assert_eq!(lines(), before + 2 * records, "records after {text}");
        assert_eq!(self.files(), files, "files after {text}");
        text.stderr
    }
}

/// Sees that a refusal is said as text should be.
#[track_caller]
pub(crate) fn refusal_of_text(outcome: &Outcome, code: i32, reason: &str) {
    assert_eq!(outcome.code, Some(code), "{outcome}");
    assert_eq!(outcome.stdout, "", "{outcome}");
    let first = outcome.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("warden: error: "), "{outcome}");
    assert!(
        first.ends_with(&format!("({reason})")),
        "expected {reason}: {outcome}"
    );
    let lines_are_ours = outcome
        .stderr
        .lines()
        .all(|line| line.starts_with("warden: "));
    assert!(lines_are_ours, "{outcome}");
    nothing_raw(outcome);
}

/// Sees that a refusal is one JSON object with everything a program needs.
#[track_caller]
pub(crate) fn refusal_of_json(outcome: &Outcome, code: i32, reason: &str) {
    const KINDS: [&str; 7] = [
        "",
        "failed",
        "malformed",
        "denied",
        "untrusted",
        "partial",
        "not_recorded",
    ];
    assert_eq!(outcome.code, Some(code), "{outcome}");
    assert_eq!(outcome.stdout, "", "{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    let object: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
    let error = object["error"].as_object().unwrap();
    let keys: Vec<_> = error.keys().map(String::as_str).collect();
    assert_eq!(keys, ["code", "hints", "kind", "message", "reason"]);
    assert_eq!(error["code"], code);
    assert_eq!(error["reason"], reason);
    assert_eq!(error["kind"], KINDS[usize::try_from(code).unwrap()]);
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert!(
        error["hints"]
            .as_array()
            .unwrap()
            .iter()
            .all(serde_json::Value::is_string)
    );
    nothing_raw(outcome);
}

/// Nothing that moves a cursor, and no trace of a panic.
#[track_caller]
pub(crate) fn nothing_raw(outcome: &Outcome) {
    let raw = outcome
        .stderr
        .chars()
        .find(|c| c.is_control() && !"\n\t".contains(*c));
    assert_eq!(raw, None, "{outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
}

fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        let content = if kind.is_symlink() {
            format!("link to {}", path.read_link().unwrap().display())
        } else if kind.is_dir() {
            walk(&path, found);
            "directory".to_owned()
        } else if kind.is_fifo() || kind.is_socket() || metadata.len() > 1 << 20 {
            "special".to_owned()
        } else {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        };
        found.insert(
            path,
            format!("{:o} {} {content}", metadata.mode(), metadata.uid()),
        );
    }
}

/// Whether this process may mount, and change owners.
pub(crate) fn as_root() -> Result<(), String> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err("not root".to_owned()),
    }
}
