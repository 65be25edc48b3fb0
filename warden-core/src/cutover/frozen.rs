//! The CAs that this machine must not sign with any more.
//!
//! - One file in the state directory, a line for each: backend, fingerprint, since when.
//! - The backend in front of the real one refuses before anything is sent. A file that cannot be read
//!   stops every signature.

use crate::authorize::Authorization;
use crate::certificate::{Fingerprint, UnixTime};
use crate::failure::Class;
use crate::file::{self, FileError, Links};
use crate::inventory::Holder;
use crate::sign::{BackendError, KeyIdRule, Reply, SigningBackend, TrustedCa};
use std::path::{Path, PathBuf};

/// The largest file, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The frozen CAs of a state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrozenCas(Vec<FrozenCa>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FrozenCa {
    backend: String,
    fingerprint: Fingerprint,
    since: UnixTime,
}

impl FrozenCas {
    /// The file of a state directory.
    pub fn path_in(state_dir: &Path) -> PathBuf {
        state_dir.join("frozen-cas")
    }

    /// Reads the file; one that is not there freezes nothing.
    ///
    /// # Errors
    /// If it cannot be read or holds something else.
    pub fn read(state_dir: &Path) -> Result<Self, BackendError> {
        let path = Self::path_in(state_dir);
        let text = match file::read_text(&path, MAX_BYTES, Links::Refuse) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            Err(error) => {
                return Err(BackendError::from_failure(
                    "cannot see which CAs are frozen",
                    error,
                ));
            }
        };
        let line = |line: &str| {
            let mut words = line.split(' ');
            let found = FrozenCa {
                backend: words.next()?.to_owned(),
                fingerprint: Fingerprint::parse(words.next()?)?,
                since: UnixTime::parse(words.next()?)?,
            };
            words.next().is_none().then_some(found)
        };
        let lines: Option<Vec<_>> = text.lines().map(line).collect();
        lines.map(Self).ok_or_else(|| {
            let message = format!(
                "{} is not a list of frozen CAs, so nothing is signed",
                path.display()
            );
            BackendError::new(Class::Failed, "frozen_list_malformed", message).with_hint(
                "each line is: BACKEND FINGERPRINT MOMENT; mend it, or see `warden cutover status`",
            )
        })
    }

    /// Since when a CA is frozen for a backend.
    pub fn since(&self, backend: &str, fingerprint: &str) -> Option<UnixTime> {
        let same =
            |one: &&FrozenCa| one.backend == backend && one.fingerprint.as_str() == fingerprint;
        self.0.iter().find(same).map(|one| one.since)
    }

    /// The same list with a CA more, or as it is if it stands there already.
    pub fn with(mut self, backend: &str, fingerprint: &Fingerprint, since: UnixTime) -> Self {
        if self.since(backend, fingerprint.as_str()).is_none() {
            self.0.push(FrozenCa {
                backend: backend.to_owned(),
                fingerprint: fingerprint.clone(),
                since,
            });
        }
        self
    }

    /// The same list without a CA.
    pub fn without(mut self, backend: &str, fingerprint: &str) -> Self {
        self.0
            .retain(|one| one.backend != backend || one.fingerprint.as_str() != fingerprint);
        self
    }

    /// Writes the list; an empty one removes the file.
    ///
    /// # Errors
    /// If it cannot be written and synced.
    pub fn write(&self, state_dir: &Path) -> Result<(), FileError> {
        let path = Self::path_in(state_dir);
        if self.0.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(FileError::io("remove", &path)(error))
                }
                _ => file::sync_directory(state_dir),
            };
        }
        let line = |one: &FrozenCa| format!("{} {} {}\n", one.backend, one.fingerprint, one.since);
        let text: String = self.0.iter().map(line).collect();
        file::replace(&path, text.as_bytes())?;
        file::sync_directory(state_dir)
    }

    /// Puts itself in front of a backend.
    pub fn guard(self, backend: Box<dyn SigningBackend>) -> Box<dyn SigningBackend> {
        match self.0.is_empty() {
            true => backend,
            false => Box::new(Guarded {
                frozen: self,
                backend,
            }),
        }
    }
}

struct Guarded {
    frozen: FrozenCas,
    backend: Box<dyn SigningBackend>,
}

impl SigningBackend for Guarded {
    fn name(&self) -> &'static str {
        self.backend.name()
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        let ca = self.backend.trusted_ca()?;
        let fingerprint = match ca {
            TrustedCa::Key(key) => key.fingerprint(),
            TrustedCa::Pinned(pinned) => pinned,
        };
        match self.frozen.since(self.name(), fingerprint.as_str()) {
            None => Ok(ca),
            Some(since) => {
                let message = format!(
                    "the CA {fingerprint} is frozen since {since}: a cutover has replaced it"
                );
                Err(BackendError::new(Class::Refused, "ca_frozen", message)
                    .with_hint("sign with the CA that followed it; `warden cutover status` says where the cutover stands"))
            }
        }
    }

    fn clock_skew(&self) -> u64 {
        self.backend.clock_skew()
    }

    fn key_id_rule(&self) -> KeyIdRule {
        self.backend.key_id_rule()
    }

    fn mismatch_hint(&self, holder: &Holder, reason: &'static str) -> Option<String> {
        self.backend.mismatch_hint(holder, reason)
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        // Asked again, so that no way of calling leads past it.
        self.trusted_ca()?;
        self.backend.sign(authorization, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn a_list_is_read_back_and_an_unreadable_one_freezes_all() {
        let directory = tempfile::tempdir().unwrap();
        let fingerprint =
            Fingerprint::parse("SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g").unwrap();
        let read = || FrozenCas::read(directory.path());
        assert_eq!(read().unwrap(), FrozenCas::default());
        let list = FrozenCas::default().with("vault", &fingerprint, UnixTime(1_800_000_000));
        let list = list.with("vault", &fingerprint, UnixTime(1_900_000_000));
        list.write(directory.path()).unwrap();
        assert_eq!(read().unwrap(), list);
        assert_eq!(
            list.since("vault", fingerprint.as_str()),
            Some(UnixTime(1_800_000_000))
        );
        assert_eq!(list.since("local", fingerprint.as_str()), None);
        std::fs::write(FrozenCas::path_in(directory.path()), "vault\n").unwrap();
        assert_eq!(read().unwrap_err().reason(), "frozen_list_malformed");
        list.without("vault", fingerprint.as_str())
            .write(directory.path())
            .unwrap();
        assert!(!FrozenCas::path_in(directory.path()).exists());
    }
}
