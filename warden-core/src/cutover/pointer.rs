//! What says who signs: three values of one configuration file.
//!
//! - Only these values are replaced, at their place; every other byte of the file stays.
//! - What was made is read back as a configuration before it is used: nothing but these may differ.

use crate::config::Config;
use crate::diagnostic::SourceText;
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The three values, as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// `backend`, or what it is if it is left out.
    pub backend: String,
    /// `ca_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_key: Option<String>,
    /// `vault.ca_fingerprint`, the pin of the engine's CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
}

/// Why a configuration does not follow.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// The file cannot be read or written.
    #[error("the configuration cannot be used")]
    File(#[from] FileError),
    /// It cannot be read as a configuration.
    #[error("the configuration cannot be read: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// A value is not there to be replaced.
    #[error("the configuration has no `{key}` to be replaced")]
    NoPlace {
        /// The key.
        key: &'static str,
    },
    /// Somebody else wrote the file meanwhile.
    #[error("{} was changed since it was read, and is left as it is", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file that came out is not the one that was meant.
    #[error("the configuration does not say afterwards who is to sign")]
    NotReached,
}

impl Failure for PointerError {
    fn class(&self) -> Class {
        match self {
            Self::File(error) => error.class(),
            Self::Malformed { .. } | Self::NoPlace { .. } => Class::Malformed,
            Self::Changed { .. } | Self::NotReached => Class::Failed,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::File(error) => error.reason(),
            Self::Malformed { .. } => "config_malformed",
            Self::NoPlace { .. } => "config_key_missing",
            Self::Changed { .. } => "config_changed_meanwhile",
            Self::NotReached => "config_not_switched",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::NoPlace { key } => vec![format!("write `{key} = \"...\"` into the file first")],
            Self::Changed { .. } => {
                vec!["look at what was changed, then run the same command again".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Places {
    backend: Option<Spanned<String>>,
    ca_key: Option<Spanned<String>>,
    vault: Option<VaultPlaces>,
}

#[derive(Deserialize)]
struct VaultPlaces {
    ca_fingerprint: Option<Spanned<String>>,
}

fn places(text: &str) -> Result<Places, PointerError> {
    toml::from_str(text).map_err(|error| PointerError::Malformed {
        detail: error.message().to_owned(),
    })
}

impl Pointer {
    /// The three values of a configuration's text.
    ///
    /// # Errors
    /// If it is not TOML, or one of them is not text.
    pub fn of(text: &str) -> Result<Self, PointerError> {
        let found = places(text)?;
        let value = |place: Option<Spanned<String>>| place.map(Spanned::into_inner);
        Ok(Self {
            backend: value(found.backend).unwrap_or_else(|| "local".to_owned()),
            ca_key: value(found.ca_key),
            ca_fingerprint: found.vault.and_then(|vault| value(vault.ca_fingerprint)),
        })
    }

    /// The same configuration with these three values instead.
    ///
    /// # Errors
    /// If a value that is to change is not there, or anything else would change.
    pub fn put_into(&self, text: &str) -> Result<String, PointerError> {
        let found = places(text)?;
        let before = Self::of(text)?;
        let mut edits: Vec<(Range<usize>, &str)> = Vec::new();
        let mut first_line = String::new();
        match &found.backend {
            _ if before.backend == self.backend => {}
            Some(place) => edits.push((place.span(), &self.backend)),
            None => first_line = format!("backend = {}\n", quoted(&self.backend)),
        }
        let pin = found
            .vault
            .as_ref()
            .and_then(|vault| vault.ca_fingerprint.as_ref());
        for (key, place, wanted) in [
            ("ca_key", found.ca_key.as_ref(), &self.ca_key),
            ("vault.ca_fingerprint", pin, &self.ca_fingerprint),
        ] {
            match (place, wanted) {
                (Some(place), Some(wanted)) if place.get_ref() != wanted => {
                    edits.push((place.span(), wanted))
                }
                (Some(_), Some(_)) | (None, None) => {}
                _ => return Err(PointerError::NoPlace { key }),
            }
        }
        // From the end, so that the places before stay where they are.
        edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut out = text.to_owned();
        for (place, value) in edits {
            out.replace_range(place, &quoted(value));
        }
        out.insert_str(0, &first_line);
        match Self::of(&out)? == *self && says_the_same(text, &out) {
            true => Ok(out),
            false => Err(PointerError::NotReached),
        }
    }
}

/// A text between TOML's double quotes. Every string of JSON is one of them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether two texts differ in nothing but the three values.
fn says_the_same(one: &str, other: &str) -> bool {
    let rest = |text: &str| {
        let mut table: toml::Table = toml::from_str(text).ok()?;
        table.remove("backend");
        table.remove("ca_key");
        if let Some(vault) = table.get_mut("vault").and_then(toml::Value::as_table_mut) {
            vault.remove("ca_fingerprint");
        }
        Some(table)
    };
    rest(one).is_some_and(|one| Some(one) == rest(other))
}

/// Writes a configuration in one step and reads it back, if the file still holds the text it was made
/// from. One that says `pointer` already is left as it is. Where a link leads to it, the file behind
/// the link is replaced.
///
/// # Errors
/// If somebody else changed it, it cannot be written, or is no configuration that says `pointer`.
pub fn write(
    path: &Path,
    from: &str,
    to: &str,
    pointer: &Pointer,
    home: Option<&Path>,
) -> Result<(), PointerError> {
    let source = SourceText::new(path, to.to_owned());
    Config::from_toml(&source, home).map_err(|problem| PointerError::Malformed {
        detail: problem.to_string(),
    })?;
    let read = || file::read_text(path, crate::config::MAX_CONFIG_BYTES, Links::Follow);
    let found = read()?;
    if found != from {
        return match Pointer::of(&found)? == *pointer {
            true => Ok(()),
            false => Err(PointerError::Changed {
                path: path.to_owned(),
            }),
        };
    }
    let resolved = path
        .canonicalize()
        .map_err(FileError::io("resolve", path))?;
    file::replace_keeping_owner(&resolved, to.as_bytes())?;
    let now = read()?;
    match now == to && Pointer::of(&now)? == *pointer {
        true => Ok(()),
        false => Err(PointerError::NotReached),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# who signs\nbackend = 'vault'   # until the sunset\r\nca_key=\"\"\"ca/key\"\"\"\nstate_dir = \"state\"\n\n[vault]\naddr = \"http://127.0.0.1:1\" # no change\nca_fingerprint = \"SHA256:old\"\n";

    fn pointer(backend: &str, key: Option<&str>, pin: Option<&str>) -> Pointer {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Pointer {
            backend: backend.to_owned(),
            ca_key: owned(key),
            ca_fingerprint: owned(pin),
        }
    }

    #[test]
    fn only_the_three_values_change_and_the_way_back_is_byte_exact_but_for_quotes() {
        let old = Pointer::of(TEXT).unwrap();
        assert_eq!(old, pointer("vault", Some("ca/key"), Some("SHA256:old")));
        let new = pointer("local", Some("ca/\"next\"\\"), Some("SHA256:new"));
        let edited = new.put_into(TEXT).unwrap();
        let expected = TEXT
            .replace("'vault'", "\"local\"")
            .replace("\"\"\"ca/key\"\"\"", r#""ca/\"next\"\\""#)
            .replace("SHA256:old", "SHA256:new");
        assert_eq!(edited, expected);
        let back = old.put_into(&edited).unwrap();
        assert_eq!(
            back,
            TEXT.replace("'vault'", "\"vault\"").replace("\"\"\"", "\"")
        );
        assert_eq!(old.put_into(&back).unwrap(), back);
    }

    #[test]
    fn a_backend_that_was_left_out_is_written_and_nothing_else_is_made_up() {
        let text = "# c\nca_key = \"a\"\n\n[vault]\naddr = \"x\"\n";
        assert_eq!(
            pointer("vault", Some("a"), None).put_into(text).unwrap(),
            format!("backend = \"vault\"\n{text}")
        );
        for missing in [
            pointer("vault", Some("a"), Some("SHA256:x")),
            pointer("vault", None, None),
        ] {
            assert_eq!(
                missing.put_into(text).unwrap_err().reason(),
                "config_key_missing"
            );
        }
        assert_eq!(
            Pointer::of("a = [").unwrap_err().reason(),
            "config_malformed"
        );
    }

    #[test]
    fn dotted_and_inline_tables_are_edited_too() {
        for text in [
            "vault.ca_fingerprint = \"a\"\nbackend = \"vault\"\n",
            "backend = \"vault\"\nvault = { addr = \"x\", ca_fingerprint = \"a\" }\n",
        ] {
            let edited = pointer("vault", None, Some("b")).put_into(text).unwrap();
            assert_eq!(edited, text.replace("\"a\"", "\"b\""));
        }
    }
}
