//! The configuration: which backend, which inventory, which state directory.
//!
//! - Strict: an unknown key is an error at its place. A secret never stands in it, only the path of a
//!   file of mode 0600 or the name of a variable.
//! - Relative paths start at the file's own directory, so that it means the same from everywhere.
//! - Reading it looks at nothing else: the caller finds the file and resolves variables.

mod policy;
mod vault;

pub use policy::{Policy, PolicyMode};
pub use vault::{CredentialPlace, Vault};

use crate::diagnostic::{Problem, SourceText};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The largest configuration file, in bytes.
pub const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What signs.
    pub backend: Backend,
    /// The local CA's key, whether or not it is what signs.
    pub local: Local,
    /// The CA for hosts: a key of its own, never the one for users.
    pub host_ca: Local,
    /// The OpenBao or Vault server, whether or not it is what signs.
    pub vault: Option<Vault>,
    /// Whether a policy gate is asked.
    pub policy: Policy,
    /// The inventory: a directory or a single file.
    pub inventory_path: PathBuf,
    /// Where the journal and the stored certificates are; `None` for the user's default.
    pub state_dir: Option<PathBuf>,
}

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A CA key in a file on this machine.
    Local,
    /// The SSH engine of OpenBao or Vault.
    Vault,
}

/// A CA key in a file on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Local {
    /// Where the key is; `None` if the configuration does not say.
    pub ca_key: Option<CaKeyPlace>,
    /// The file with its passphrase.
    pub ca_passphrase_file: Option<PathBuf>,
}

/// Where a CA key file is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaKeyPlace {
    /// In the configuration itself.
    Path(PathBuf),
    /// In the environment variable of this name.
    Variable(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    backend: Option<Spanned<String>>,
    ca_key: Option<Spanned<String>>,
    ca_key_env: Option<Spanned<String>>,
    ca_passphrase_file: Option<Spanned<String>>,
    host_ca_key: Option<Spanned<String>>,
    host_ca_passphrase_file: Option<Spanned<String>>,
    inventory_path: Option<Spanned<String>>,
    state_dir: Option<Spanned<String>>,
    vault: Option<vault::VaultTable>,
    policy: Option<policy::PolicyTable>,
}

impl Config {
    /// Reads a configuration in TOML. `~/` stands for `home`.
    ///
    /// # Errors
    /// Names the first place that is wrong.
    pub fn from_toml(source: &SourceText, home: Option<&Path>) -> Result<Self, Problem> {
        source.refuse_leftovers()?;
        let table: Table = toml::from_str(source.text()).map_err(|error| match error.span() {
            Some(at) => source.problem(&at, error.message()).without_value(),
            None => source.problem_of_file(error.message()),
        })?;
        let backend = match table
            .backend
            .as_ref()
            .map(|name| (name.get_ref().as_str(), name))
        {
            None | Some(("local", _)) => Backend::Local,
            Some(("vault", _)) if table.vault.is_some() => Backend::Vault,
            Some(("vault", name)) => {
                return Err(
                    problem(source, name, "backend `vault` needs a [vault] table")
                        .with_hint("add [vault] with at least `addr`"),
                );
            }
            Some((other, name)) => {
                let message = format!("backend `{other}` is not known");
                return Err(problem(source, name, message)
                    .with_hint("it is `local` or `vault` (which means OpenBao too)"));
            }
        };
        let path = |text: &Option<Spanned<String>>| {
            text.as_ref()
                .map(|text| resolve(source, text, home))
                .transpose()
        };
        let ca_key = match (path(&table.ca_key)?, &table.ca_key_env) {
            (Some(_), Some(variable)) => {
                return Err(source.problem(
                    &variable.span(),
                    "both `ca_key` and `ca_key_env` are given; keep one",
                ));
            }
            (Some(path), None) => Some(CaKeyPlace::Path(path)),
            (None, Some(variable)) => Some(CaKeyPlace::Variable(variable_name(source, variable)?)),
            (None, None) => None,
        };
        let host_ca_key = path(&table.host_ca_key)?.map(CaKeyPlace::Path);
        if let (Some(_), true, Some(named)) =
            (&host_ca_key, host_ca_key == ca_key, &table.host_ca_key)
        {
            return Err(
                problem(source, named, "`host_ca_key` is the CA key for users").with_hint(
                    "whoever trusts it for users would trust it for hosts too; make another key",
                ),
            );
        }
        let beside = source
            .path()
            .parent()
            .unwrap_or(Path::new(""))
            .join("inventory");
        Ok(Self {
            backend,
            local: Local {
                ca_key,
                ca_passphrase_file: path(&table.ca_passphrase_file)?,
            },
            host_ca: Local {
                ca_key: host_ca_key,
                ca_passphrase_file: path(&table.host_ca_passphrase_file)?,
            },
            vault: table
                .vault
                .map(|table| vault::Reader { source, home }.vault(table))
                .transpose()?,
            policy: vault::Reader { source, home }.policy(table.policy)?,
            inventory_path: path(&table.inventory_path)?.unwrap_or(beside),
            state_dir: path(&table.state_dir)?,
        })
    }
}

fn problem<T>(source: &SourceText, at: &Spanned<T>, message: impl Into<String>) -> Problem {
    source.problem(&at.span(), message)
}

fn resolve(
    source: &SourceText,
    text: &Spanned<String>,
    home: Option<&Path>,
) -> Result<PathBuf, Problem> {
    let problem = |message: &str| Err(source.problem(&text.span(), message));
    match text.get_ref().as_str() {
        "" => problem("the path is empty"),
        nul if nul.contains('\0') => problem("the path holds a NUL"),
        under_home if under_home == "~" || under_home.starts_with("~/") => match home {
            Some(home) => Ok(home.join(under_home.trim_start_matches('~').trim_start_matches('/'))),
            None => problem("`~` stands for the home directory, but HOME is not set"),
        },
        relative => Ok(source
            .path()
            .parent()
            .unwrap_or(Path::new(""))
            .join(relative)),
    }
}

fn variable_name(source: &SourceText, text: &Spanned<String>) -> Result<String, Problem> {
    let name = text.get_ref();
    let sound = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if sound {
        Ok(name.clone())
    } else {
        Err(source
            .problem(&text.span(), "not the name of an environment variable")
            .without_value())
    }
}
