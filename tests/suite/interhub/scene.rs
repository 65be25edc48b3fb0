//! The example inventory with the lane led into an account that is real, and a hub that is not.

use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType};
use warden_tests::process::Outcome;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::{Builder, Sshd};

pub(super) const ACTOR: &str = "agt-codex-interhub-bootstrap";

/// What the operator brings, and what the hub shows once.
pub(super) const OPERATOR_KEY: &str = "operator-5d1f0c77a4e94b0d";
pub(super) const RUNTIME_KEY: &str = "runtime-93be6a2f18c74d55";

/// Asks a hub that is a file. It notes that it ran, with what input and which variables, and says on
/// standard error what nobody may see. `wait` in the store holds it until there is `go`, and at most
/// half a minute; `instead` is what it does instead of giving the key.
const PROGRAM: &str = "#!/bin/sh
cd \"${0%/*}/../store\" || exit 9
echo \"$PPID\" >>runs
cat >input
cat /proc/$$/environ >variables
cat input hub >&2
[ ! -e wait ] || for i in $(seq 1500); do [ ! -e go ] || break; sleep 0.02; done
if [ -e instead ]; then . ./instead; fi
cat hub
";

/// A file of the repository.
pub(super) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The desk, the user's key, and the host with its account.
pub(super) struct Lane {
    pub(super) desk: Desk,
    pub(super) user: Key,
    pub(super) sshd: Sshd,
    account: Account,
}

impl Lane {
    /// Nothing, said aloud, where there can be no server.
    pub(super) fn open() -> Option<Self> {
        Self::open_with(|sshd| sshd)
    }

    pub(super) fn open_with(adjust: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        if !skipped::require("the lane of the inter-hub", privileged()) {
            return None;
        }
        let (desk, account) = (Desk::new(), Account::new());
        let example = repository("inventory/.");
        let args = [Path::new("-R"), &example, &desk.inventory()];
        desk.sandbox().run("cp", args).check();
        let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
        let host = std::fs::read_to_string(desk.inventory().join("hosts/hub-1.toml")).unwrap();
        let command = "\"/usr/local/libexec/interhub-bootstrap\"";
        assert_eq!(host.matches(command).count(), 1, "{host}");
        assert_eq!(host.matches("[accounts.interhub.lanes]").count(), 1);
        let host = host.replace(command, &warden_tests::desk::quoted(&command_of(&account)));
        let account_table = format!("[accounts.{}.lanes]", account.name());
        desk.set_host(
            "hub-1",
            &host.replace("[accounts.interhub.lanes]", &account_table),
        );
        build_list(&desk);
        let builder = adjust(Sshd::builder().line("LogLevel DEBUG3"));
        let sshd = builder.start_rendered(|place| render(&desk, place));
        let lane = Self {
            desk,
            user,
            sshd,
            account,
        };
        lane.install();
        Some(lane)
    }

    /// What root puts on the host, and what the operator brings.
    fn install(&self) {
        let sandbox = self.desk.sandbox();
        let home = self.account.home().display().to_string();
        let settings = format!(
            "OPERATOR_KEY_FILE={home}/store/operator-key\n\
             RUNTIME_KEY_FILE={home}/store/runtime-key\nBOOTSTRAP_PROGRAM={home}/lane/program\n"
        );
        for (name, text) in [
            ("settings", settings.as_str()),
            ("program", PROGRAM),
            ("operator-key", &format!("{OPERATOR_KEY}\n")),
            ("runtime-key", &format!("{RUNTIME_KEY}\n")),
        ] {
            sandbox.write(format!("bring/{name}"), text, 0o600);
        }
        let bring = sandbox.join("bring").display().to_string();
        let script = repository("contrib/interhub-bootstrap");
        self.as_root(&format!(
            "chmod 755 .; install -d -o 0 -g 0 -m 755 lane; \
             install -d -o {0} -m 700 store; \
             install -m 755 {1} lane/interhub-bootstrap; install -m 755 {bring}/program lane/program; \
             install -m 644 {bring}/settings lane/settings; \
             install -o {0} -m 600 {bring}/runtime-key store/hub; \
             install -o {0} -m 600 {bring}/operator-key store/operator-key",
            self.account.name(),
            script.display()
        ));
    }

    /// Runs a line of `sh` as root in the home of the account; it must succeed.
    #[track_caller]
    pub(super) fn as_root(&self, line: &str) {
        let home = self.account.home();
        self.sshd
            .meddle(&format!("set -e; cd {}; {line}", home.display()));
    }

    pub(super) fn account(&self) -> &str {
        self.account.name()
    }

    /// The path of a file below the home of the account.
    pub(super) fn at(&self, path: &str) -> String {
        self.account.home().join(path).display().to_string()
    }

    /// The command the host holds the lane to.
    pub(super) fn command(&self) -> String {
        command_of(&self.account)
    }

    /// The line the lane prints.
    pub(super) fn says(&self, status: &str) -> String {
        let key = self.at("store/runtime-key");
        format!(
            "{{\"lane\":\"agt-interhub-bootstrap\",\"status\":\"{status}\",\"runtime_key_file\":\"{key}\"}}\n"
        )
    }

    #[track_caller]
    pub(super) fn certify(&self) -> PathBuf {
        self.desk.sign(ACTOR, &self.user.public_path())
    }

    pub(super) fn login(&self, certificate: &Path) -> Login {
        Login::new(self.account(), self.sshd.port())
            .identity(self.user.path())
            .certificate(certificate)
    }

    /// Logs in and expects this one line and status.
    #[track_caller]
    pub(super) fn expect(&self, status: &str, code: i32) {
        let ran = self.login(&self.certify()).run();
        assert_eq!(
            (ran.stdout.as_str(), ran.code),
            (self.says(status).as_str(), Some(code)),
            "{ran}"
        );
    }

    /// How often the program ran, and that the account has the runtime key or none.
    #[track_caller]
    pub(super) fn expect_runs(&self, runs: u32, kept: bool) {
        let name = self.account();
        self.as_root(&format!(
            "touch store/runs; test \"$(wc -l <store/runs)\" -eq {runs}"
        ));
        self.as_root(&match kept {
            false => "test ! -e store/runtime-key && test ! -L store/runtime-key".to_owned(),
            true => format!(
                "cmp store/hub store/runtime-key; \
                 test \"$(stat -c '%a %U %h' store/runtime-key)\" = '600 {name} 1'"
            ),
        });
        self.as_root("test ! -e store/runtime-key.new");
    }

    /// Renders the inventory as it is now, and installs it.
    #[track_caller]
    pub(super) fn render(&self) {
        self.sshd
            .install(&render(&self.desk, self.sshd.directory()));
    }

    /// What `warden host check` says of the server.
    #[track_caller]
    pub(super) fn check(&self) -> Outcome {
        let directory = self.sshd.directory();
        let program = self.desk.program().args(["host", "check", "hub-1"]);
        let program = program.arg("--root").arg(directory);
        let program = program.arg("--prefix").arg(directory);
        let program = program.arg("--krl").arg(list(&self.desk));
        program.arg("--certificates-only").run()
    }

    /// What `warden explain-login` says, from a copy of the server's files.
    #[track_caller]
    pub(super) fn explain(&self, certificate: &Path) -> serde_json::Value {
        let root = self.desk.sandbox().join("copy");
        self.sshd.copy_into(&root);
        let login = format!("{}@{}", self.account(), root.display());
        let program = self.desk.program().arg("explain-login").arg(certificate);
        let args = [&login, "--from", "127.0.0.1", "--json"];
        let explained = program.args(args).run();
        serde_json::from_str(&explained.stdout).unwrap_or_else(|_| panic!("{explained}"))
    }

    /// Has `warden krl build` write what is revoked now.
    #[track_caller]
    pub(super) fn build_list(&self) {
        build_list(&self.desk);
    }
}

fn command_of(account: &Account) -> String {
    let lane = account.home().join("lane");
    let lane = lane.display();
    format!("{lane}/interhub-bootstrap {lane}/settings")
}

fn list(desk: &Desk) -> PathBuf {
    desk.sandbox().join("revoked-keys.krl")
}

#[track_caller]
fn build_list(desk: &Desk) {
    let program = desk.program().args(["krl", "build", "--allow-empty"]);
    program.arg("--out").arg(list(desk)).run().check();
}

#[track_caller]
fn render(desk: &Desk, place: &Path) -> PathBuf {
    let out = desk.sandbox().join("rendered");
    let program = desk.program().args(["host", "render", "hub-1"]);
    let program = program.arg("--certificates-only").arg("--out").arg(&out);
    let program = program.arg("--krl").arg(list(desk));
    program.arg("--prefix").arg(place).run().check();
    out
}
