//! The inventory: who may be given which certificate, kept in git and reviewed.
//!
//! - One actor per file, `adm|agt|atm/<actor>.toml`, and `types.toml` for whole types; or one file
//!   with `[actors.<name>]` tables.
//! - Signing reads one actor's file and `types.toml`, nothing else: its cost does not grow with the
//!   fleet, and a broken neighbour stops nobody.
//! - All or nothing: a file with any problem gives no actor.
//! - Every answer carries the digest of the files it was read from.

mod actor;
mod bounds;
mod digest;
mod fleet;
mod host;
mod host_file;
mod parsed;
mod standing;
mod toml_syntax;

pub use actor::{Actor, ActorName, ActorNameError, ActorType, Defined};
pub use bounds::{TypeBounds, Types};
pub use digest::SourceDigest;
pub use fleet::Fleet;
pub use host::{
    AccountName, AccountNameError, Accounts, Group, HOST_CEILING, Host, HostName, HostNameError,
    Lane, LanePlace,
};

pub(crate) use standing::Bounds;
pub use standing::{Entry, Holder, Standing};

use crate::diagnostic::{Problem, SourceText};
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest file of one actor, and the largest `types.toml`, in bytes.
const MAX_ACTOR_FILE_BYTES: usize = 64 * 1024;

/// The largest single-file inventory, in bytes: room for about 200,000 actors.
const MAX_SINGLE_FILE_BYTES: usize = 64 * 1024 * 1024;

/// Where an inventory lies: a directory, or a single file.
#[derive(Debug, Clone)]
pub struct InventoryPath(PathBuf);

/// A whole inventory.
#[derive(Debug, Clone)]
pub struct Inventory {
    types: Types,
    actors: BTreeMap<ActorName, Actor>,
    source_digest: SourceDigest,
}

/// Why an inventory gives no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// There is no inventory at the path.
    #[error("there is no inventory at {}", path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory cannot be read.
    #[error("cannot read the inventory")]
    File(#[from] FileError),
    /// One or more files break a rule; every one is listed.
    #[error("{}", summary(.0))]
    Problems(Vec<Problem>),
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        [] => "no problem".to_owned(),
    }
}

impl From<Problem> for InventoryError {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl Failure for InventoryError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "inventory_not_found",
            Self::File(_) => "inventory_not_readable",
            Self::Problems(_) => "inventory_malformed",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { .. } => {
                vec!["set `inventory_path` in the config to a directory with adm/, agt/ and atm/, or to a .toml file".to_owned()]
            }
            Self::File(error) => error.hints(),
            Self::Problems(problems) => problems
                .iter()
                .take(1)
                .filter_map(|one| one.hint.clone())
                .collect(),
        }
    }

    fn excerpt(&self) -> Option<&Problem> {
        match self {
            Self::Problems(problems) => problems.first(),
            _ => None,
        }
    }
}

impl InventoryPath {
    /// The inventory at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads what the inventory says about an actor or a host.
    ///
    /// # Errors
    /// As [`standing_of`](Self::standing_of) and [`standing_of_host`](Self::standing_of_host).
    pub fn standing(&self, holder: &Holder) -> Result<Standing, InventoryError> {
        match holder {
            Holder::Actor(name) => self.standing_of(name),
            Holder::Host(name) => self.standing_of_host(name),
        }
    }

    /// Reads what the inventory says about one actor, from that actor's file and the type settings
    /// alone.
    ///
    /// # Errors
    /// If there is no inventory, or one of the two files cannot be read or breaks a rule.
    pub fn standing_of(&self, name: &ActorName) -> Result<Standing, InventoryError> {
        if !self.is_directory()? {
            let mut whole = self.single_file(Some(name))?;
            return Ok(Standing {
                entry: whole.actors.remove(name).map(Entry::Actor),
                source_digest: whole.source_digest,
            });
        }
        let types_file = self.types_file()?;
        let types = types_file
            .as_ref()
            .map_or_else(|| Ok(Types::default()), TextFile::types)?;
        let relative = format!("{}/{name}.toml", name.actor_type());
        let actor_file = TextFile::read_if_there(&self.0, relative)?;
        let actor = actor_file
            .as_ref()
            .map(|file| file.actor(name, &types))
            .transpose()?;
        self.types_did_not_change(types_file.as_ref())?;
        let files = [&types_file, &actor_file]
            .into_iter()
            .flatten()
            .map(TextFile::digested)
            .collect();
        Ok(Standing {
            entry: actor.map(Entry::Actor),
            source_digest: SourceDigest::of(files),
        })
    }

    /// Reads the whole inventory.
    ///
    /// # Errors
    /// Lists every problem found, not only the first.
    pub fn load(&self) -> Result<Inventory, InventoryError> {
        if !self.is_directory()? {
            return self.single_file(None);
        }
        let types_file = self.types_file()?;
        let types = types_file
            .as_ref()
            .map_or_else(|| Ok(Types::default()), TextFile::types)?;
        let (files, mut problems) = self.actor_files()?;
        let mut actors = BTreeMap::new();
        for (name, file) in &files {
            match file.actor(name, &types) {
                Ok(actor) => drop(actors.insert(name.clone(), actor)),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(InventoryError::Problems(problems));
        }
        let digested = types_file
            .iter()
            .chain(files.iter().map(|(_, file)| file))
            .map(TextFile::digested)
            .collect();
        Ok(Inventory {
            types,
            actors,
            source_digest: SourceDigest::of(digested),
        })
    }

    /// The type settings. That there is none must be certain, since without them bounds are wider:
    /// an empty file is one that is being written, and a link that leads nowhere was meant to lead
    /// somewhere.
    fn types_file(&self) -> Result<Option<TextFile>, InventoryError> {
        let file = TextFile::read_if_there(&self.0, "types.toml".to_owned())?;
        let path = self.0.join("types.toml");
        match &file {
            Some(found) if found.source.text().is_empty() => {
                let problem = Problem::of_file(&path, "the file is empty");
                Err(problem
                    .with_hint(
                        "if no type has settings, remove it; if it is being written, ask again",
                    )
                    .into())
            }
            None if path.symlink_metadata().is_ok() => {
                Err(Problem::of_file(&path, "a link that leads nowhere").into())
            }
            _ => Ok(file),
        }
    }

    /// Reads the type settings once more: an update that replaces files one by one may have left
    /// them out for a moment.
    fn types_did_not_change(&self, before: Option<&TextFile>) -> Result<(), InventoryError> {
        let now = self.types_file()?;
        if now.as_ref().map(TextFile::digested) == before.map(TextFile::digested) {
            return Ok(());
        }
        let problem = Problem::of_file(
            &self.0.join("types.toml"),
            "the file changed while it was read",
        );
        Err(problem
            .with_hint("ask again; replace the whole inventory in one rename to avoid this")
            .into())
    }

    fn is_directory(&self) -> Result<bool, InventoryError> {
        match std::fs::metadata(&self.0) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(InventoryError::NotFound {
                    path: self.0.clone(),
                })
            }
            Err(error) => Err(FileError::io("read", &self.0)(error).into()),
        }
    }

    /// Every actor's file in order of its name, and the files that are none.
    fn actor_files(&self) -> Result<(ActorFiles, Vec<Problem>), InventoryError> {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for actor_type in ActorType::ALL {
            let named = |stem: &str| {
                let name = stem.parse::<ActorName>().ok();
                name.filter(|name| name.actor_type() == actor_type)
            };
            let form = format!("not an actor's file; files here are named {actor_type}-WORDS.toml");
            let (found, wrong) = self.files_in(actor_type.as_str(), named, &form)?;
            files.extend(found);
            problems.extend(wrong);
        }
        Ok((files, problems))
    }

    /// Every file of a directory of the inventory in order of its name, and the files that are not
    /// named as they should be. There need not be such a directory.
    fn files_in<N>(
        &self,
        directory: &str,
        named: impl Fn(&str) -> Option<N>,
        form: &str,
    ) -> Result<(NamedFiles<N>, Vec<Problem>), InventoryError> {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        let path = self.0.join(directory);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((files, problems));
            }
            Err(error) => return Err(FileError::io("list", &path)(error).into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(FileError::io("list", &path))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        for file_name in names
            .iter()
            .filter(|name| !name.starts_with('.') && *name != "README.md")
        {
            let Some(name) = file_name.strip_suffix(".toml").and_then(&named) else {
                problems.push(Problem::of_file(&path.join(file_name), form));
                continue;
            };
            match TextFile::read_if_there(&self.0, format!("{directory}/{file_name}"))? {
                Some(file) => files.push((name, file)),
                None => problems.push(Problem::of_file(
                    &path.join(file_name),
                    "a link that leads nowhere",
                )),
            }
        }
        Ok((files, problems))
    }

    /// Reads a single-file inventory; only the actor named, if one is.
    fn single_file(&self, only: Option<&ActorName>) -> Result<Inventory, InventoryError> {
        let text = file::read_text(&self.0, MAX_SINGLE_FILE_BYTES, Links::Follow)?;
        let source = SourceText::new(&self.0, text);
        let (types, parsed) = toml_syntax::single_file(&source)?;
        let types = Types::build(&source, types)?;
        let mut actors = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, parsed) in parsed {
            let name = match key.value.parse::<ActorName>() {
                Ok(name) if only.is_none_or(|only| *only == name) => name,
                Ok(_) => continue,
                Err(_) if only.is_some() => continue,
                Err(error) => {
                    problems.push(source.problem(&key.at, error.to_string()));
                    continue;
                }
            };
            match Actor::build(&source, &name, &types, parsed) {
                Ok(actor) => drop(actors.insert(name, actor)),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(InventoryError::Problems(problems));
        }
        let source_digest = SourceDigest::of(vec![("inventory.toml", source.text().as_bytes())]);
        Ok(Inventory {
            types,
            actors,
            source_digest,
        })
    }
}

impl Inventory {
    /// The bounds of the three types.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// Every actor in order of its name.
    pub fn actors(&self) -> impl ExactSizeIterator<Item = &Actor> {
        self.actors.values()
    }

    /// One actor.
    pub fn actor(&self, name: &ActorName) -> Option<&Actor> {
        self.actors.get(name)
    }

    /// The digest of every file it was read from.
    pub fn source_digest(&self) -> SourceDigest {
        self.source_digest
    }
}

/// The files of actors, each under its name.
type ActorFiles = NamedFiles<ActorName>;

/// Files, each under what it is about.
type NamedFiles<N> = Vec<(N, TextFile)>;

/// A file of an inventory directory, with its path relative to it.
struct TextFile {
    relative: String,
    source: SourceText,
}

impl TextFile {
    fn read_if_there(root: &Path, relative: String) -> Result<Option<Self>, InventoryError> {
        let path = root.join(&relative);
        match file::read_text(&path, MAX_ACTOR_FILE_BYTES, Links::Follow) {
            Ok(text) => Ok(Some(Self {
                relative,
                source: SourceText::new(&path, text),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn types(&self) -> Result<Types, Problem> {
        Types::build(&self.source, toml_syntax::types(&self.source)?)
    }

    fn actor(&self, name: &ActorName, types: &Types) -> Result<Actor, Problem> {
        Actor::build(&self.source, name, types, toml_syntax::actor(&self.source)?)
    }

    fn digested(&self) -> (&str, &[u8]) {
        (&self.relative, self.source.text().as_bytes())
    }
}
