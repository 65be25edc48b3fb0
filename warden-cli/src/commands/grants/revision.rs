//! The inventory as git has it at a revision.
//!
//! - Only objects are read: nothing is checked out, no hook, filter or pager of the repository runs.
//! - A link in a revision is refused: where it leads is not in the revision.

use crate::error::CliError;
use crate::program::{Program, Ran};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;
use warden_core::failure::Class;
use warden_core::file;
use warden_core::inventory::InventoryPath;

/// An inventory written out for as long as this lives.
pub(super) struct Revision {
    directory: TempDir,
    name: OsString,
}

struct Repository {
    git: Program,
    directory: PathBuf,
}

impl Revision {
    /// Writes out what `inventory` was at `revision`.
    pub(super) fn read(inventory: &Path, revision: &str) -> Result<Self, CliError> {
        let git = Program::find("git").ok_or_else(|| {
            failed("git is not installed, so that no revision can be read")
                .hint("give two inventories instead: warden grants diff BEFORE AFTER")
        })?;
        let (directory, name) = match inventory.is_dir() {
            true => (inventory, OsStr::new(".")),
            false => (
                inventory.parent().unwrap_or(Path::new(".")),
                inventory.file_name().unwrap_or(OsStr::new(".")),
            ),
        };
        let repository = Repository {
            git,
            directory: directory.to_owned(),
        };
        let commit = repository.commit(revision)?;
        let scratch = tempfile::tempdir().map_err(|error| {
            failed("no temporary directory can be made").cause(error.to_string())
        })?;
        let blobs = repository.blobs(&commit, name, revision)?;
        repository.write(&blobs, scratch.path())?;
        Ok(Self {
            directory: scratch,
            name: name.to_owned(),
        })
    }

    /// Where it lies.
    pub(super) fn inventory(&self) -> InventoryPath {
        InventoryPath::new(self.directory.path().join(&self.name))
    }
}

impl Repository {
    fn ask<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stdin: Vec<u8>,
    ) -> Result<Ran, CliError> {
        let home = std::env::var_os("HOME").unwrap_or_default();
        let variables = [
            // Where the user says that a repository of another owner may be read.
            ("HOME", home.as_os_str()),
            ("GIT_OPTIONAL_LOCKS", OsStr::new("0")),
            ("GIT_TERMINAL_PROMPT", OsStr::new("0")),
            ("GIT_NO_LAZY_FETCH", OsStr::new("1")),
            ("GIT_NO_REPLACE_OBJECTS", OsStr::new("1")),
        ];
        let mut all: Vec<OsString> = vec!["-C".into(), self.directory.clone().into()];
        all.extend(args.into_iter().map(|one| one.as_ref().to_owned()));
        self.git.run(all, &variables, stdin)
    }

    fn commit(&self, revision: &str) -> Result<String, CliError> {
        let asked = format!("{revision}^{{commit}}");
        let args = ["rev-parse", "--verify", "--end-of-options", &asked];
        let ran = self.ask(args, Vec::new())?;
        let commit = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
        if ran.success && !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(commit);
        }
        let message = format!(
            "`{revision}` is neither an inventory nor a revision in {}",
            self.directory.display()
        );
        Err(CliError::new(Class::Malformed, "revision_unknown", message)
            .cause(ran.complaint())
            .hint("name a commit, branch or tag of the inventory's repository, such as origin/main or HEAD~1"))
    }

    /// The object of every inventory file at a commit, by its path below the inventory.
    fn blobs(
        &self,
        commit: &str,
        name: &OsStr,
        revision: &str,
    ) -> Result<BTreeMap<PathBuf, String>, CliError> {
        let args = [
            OsStr::new("ls-tree"),
            OsStr::new("-r"),
            OsStr::new("-z"),
            OsStr::new("--end-of-options"),
            OsStr::new(commit),
            OsStr::new("--"),
            name,
        ];
        let ran = self.ask(args, Vec::new())?;
        if !ran.success {
            return Err(failed(format!("git cannot list {revision}")).cause(ran.complaint()));
        }
        let mut blobs = BTreeMap::new();
        for entry in ran.stdout.split(|byte| *byte == 0) {
            let Some((kind, object, path)) = entry_of(entry) else {
                continue;
            };
            let plain = path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            match kind {
                _ if path.extension() != Some(OsStr::new("toml")) || !plain => {}
                "100644" | "100755" => drop(blobs.insert(path, object)),
                _ => {
                    let message = format!(
                        "{} is not a regular file in {revision}; a link is not followed there",
                        path.display()
                    );
                    return Err(CliError::new(Class::Malformed, "revision_not_plain", message)
                        .hint("give two checked out inventories instead: warden grants diff BEFORE AFTER"));
                }
            }
        }
        Ok(blobs)
    }

    /// Writes the objects below `root`, reading them all from one git.
    fn write(&self, blobs: &BTreeMap<PathBuf, String>, root: &Path) -> Result<(), CliError> {
        let asked: String = blobs.values().map(|object| format!("{object}\n")).collect();
        let ran = self.ask(["cat-file", "--batch"], asked.into_bytes())?;
        let mut rest = ran.stdout.as_slice();
        for path in blobs.keys() {
            let (content, after) = next_object(rest).ok_or_else(|| {
                failed(format!("git cannot read {}", path.display())).cause(ran.complaint())
            })?;
            rest = after;
            let target = root.join(path);
            let parent = target.parent().unwrap_or(root);
            std::fs::create_dir_all(parent).map_err(|error| {
                failed(format!("cannot make {}", parent.display())).cause(error.to_string())
            })?;
            file::create_new(&target, content, 0o600)?;
        }
        Ok(())
    }
}

/// `MODE SP blob SP OBJECT TAB PATH`
fn entry_of(entry: &[u8]) -> Option<(&str, String, PathBuf)> {
    let (head, path) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
    let mut words = head.split(' ');
    let (kind, _, object) = (words.next()?, words.next()?, words.next()?);
    Some((kind, object.to_owned(), PathBuf::from(path)))
}

/// `OBJECT SP blob SP SIZE LF CONTENT LF`, and what follows it.
fn next_object(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut words = head.split(' ').skip(1);
    let ("blob", size) = (words.next()?, words.next()?.parse::<usize>().ok()?) else {
        return None;
    };
    let content = bytes.get(end + 1..)?.get(..size)?;
    Some((content, bytes.get(end + 2 + size..)?))
}

fn failed(message: impl Into<String>) -> CliError {
    CliError::new(Class::Failed, "revision_not_read", message)
}
