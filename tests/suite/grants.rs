//! `warden grants diff` against a revision: only objects of git are read, and nothing runs.

use std::path::PathBuf;
use warden_tests::desk::Desk;
use warden_tests::process::Outcome;

/// A desk whose inventory is a repository with one commit: an actor and a host.
struct Repository {
    desk: Desk,
}

impl Repository {
    fn new() -> Self {
        let repository = Self {
            desk: Desk::without_ca(),
        };
        repository
            .desk
            .set_actor("agt-hub", "principals = [\"task\"]\nttl = \"1h\"\n");
        repository.write(
            "hosts/hub-1.toml",
            "names = [\"hub-1\"]\n[accounts.tunnel]\nprincipals = [\"task\"]\n",
        );
        repository.git(&["init", "-q"]);
        repository.commit();
        repository
    }

    fn write(&self, relative: &str, content: &str) {
        let path = format!("inventory/{relative}");
        self.desk.sandbox().write(path, content, 0o644);
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> Outcome {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let git = self
            .desk
            .sandbox()
            .program("git")
            .arg("-C")
            .arg(self.root());
        git.args(who).args(args).run().expect_success()
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x", "--allow-empty"]);
    }

    fn root(&self) -> PathBuf {
        self.desk.inventory()
    }

    fn diff(&self, revision: &str) -> Outcome {
        self.desk.warden(["grants", "diff", revision])
    }
}

#[track_caller]
fn refused(outcome: &Outcome, status: i32, reason: &str) {
    assert_eq!(outcome.code, Some(status), "{outcome}");
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains(&format!("({reason})")), "{outcome}");
}

#[test]
fn a_change_is_told_against_a_revision() {
    let repository = Repository::new();
    let same = repository.diff("HEAD").expect_success();
    assert_eq!(same.stdout, "nobody gains or loses an account\n");
    repository.write(
        "hosts/hub-1.toml",
        "names = [\"hub-1\"]\n[accounts.ops]\nprincipals = [\"task\"]\n",
    );
    let told = repository.diff("HEAD").expect_success();
    let sentences: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(sentences.len(), 2, "{told}");
    assert!(
        sentences[0].starts_with("`agt-hub` gains `ops` on `hub-1`"),
        "{told}"
    );
    assert!(
        sentences[1].starts_with("`agt-hub` loses `tunnel` on `hub-1`"),
        "{told}"
    );
    repository.commit();
    assert_eq!(
        repository.diff("HEAD~1").expect_success().stdout,
        told.stdout
    );
    assert_eq!(repository.diff("HEAD").expect_success().stdout, same.stdout);
}

#[test]
fn a_revision_that_cannot_be_read_says_why() {
    let repository = Repository::new();
    for unknown in [
        "nowhere",
        "HEAD~9",
        "",
        "--upload-pack=touch x",
        "HEAD:hosts",
        "a\nb",
    ] {
        let outcome = repository
            .desk
            .program()
            .args(["grants", "diff", "--", unknown])
            .run();
        refused(&outcome, 2, "revision_unknown");
    }
    repository.write("hosts/bad.toml", "names = []\n");
    repository.commit();
    repository.git(&["rm", "-q", "hosts/bad.toml"]);
    let bad = repository.diff("HEAD");
    refused(&bad, 2, "inventory_malformed");
    assert!(
        bad.stderr.contains("this is the inventory at HEAD"),
        "{bad}"
    );
    std::os::unix::fs::symlink(
        "../agt/agt-hub.toml",
        repository.root().join("hosts/link.toml"),
    )
    .unwrap();
    repository.commit();
    repository.git(&["rm", "-q", "hosts/link.toml"]);
    refused(&repository.diff("HEAD"), 2, "revision_not_plain");
}

#[test]
fn a_damaged_repository_is_an_error_and_not_an_empty_inventory() {
    let repository = Repository::new();
    let blob = repository
        .git(&["rev-parse", "HEAD:hosts/hub-1.toml"])
        .stdout;
    let (directory, file) = blob.trim().split_at(2);
    std::fs::remove_file(
        repository
            .root()
            .join(".git/objects")
            .join(directory)
            .join(file),
    )
    .unwrap();
    refused(&repository.diff("HEAD"), 1, "revision_not_read");
}

#[test]
fn nothing_of_the_repository_or_of_the_path_is_run() {
    let repository = Repository::new();
    let sandbox = repository.desk.sandbox();
    let mark = sandbox.join("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    let trap = sandbox.write("bin/git", &script, 0o755);
    for setting in [
        "core.fsmonitor",
        "core.pager",
        "filter.x.smudge",
        "core.sshCommand",
    ] {
        repository.git(&["config", setting, trap.to_str().unwrap()]);
    }
    repository.write(".gitattributes", "*.toml filter=x\n");
    let trapped = repository.desk.program().args(["grants", "diff", "HEAD"]);
    let path = format!("{}:/usr/bin:/bin", sandbox.join("bin").display());
    let outcome = trapped.env("PATH", path).env("GIT_DIR", "/nowhere").run();
    outcome.check();
    assert!(!mark.exists(), "something of the repository was run");
}
