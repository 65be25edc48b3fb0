//! Looks at what a plan is about, and changes nothing.

use super::plan::Signer;
use super::state::{Holds, Seen, TrustSeen};
use super::step::with_causes;
use crate::certificate::{CaPublicKey, Fingerprint};
use crate::host::trust;
use crate::sign::local::CaKeyFile;
use crate::sign::openbao::Settings;
use crate::sign::openbao::issuers::{Engine, issuer_id};
use std::path::{Path, PathBuf};

/// Where a signer is.
#[derive(Debug)]
pub enum Place<'a> {
    /// In a file of this machine.
    Key(CaKeyFile),
    /// In an engine.
    Engine(&'a Settings),
}

/// Which of the two CAs each trust file holds.
pub fn trust_files(paths: &[PathBuf], old: &Fingerprint, new: &Fingerprint) -> Vec<TrustSeen> {
    let holds = |path: &Path| match trust::read(path) {
        Ok(bundle) => Ok(Holds {
            old: bundle.holds(old),
            new: bundle.holds(new),
        }),
        Err(error) => Err(with_causes(&error)),
    };
    paths
        .iter()
        .map(|path| TrustSeen {
            path: path.clone(),
            holds: holds(path),
        })
        .collect()
}

/// Whether a signer is there, with the key of the plan.
pub fn signer(place: &Place<'_>, signer: &Signer) -> Seen {
    match place {
        Place::Key(file) => match std::fs::symlink_metadata(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Seen::Gone,
            _ => match file.open() {
                Ok(key) => same(key.public(), signer),
                Err(error) => Seen::Unknown(with_causes(&error)),
            },
        },
        Place::Engine(settings) => match engine_key(settings, signer.issuer.as_deref()) {
            Ok(Some(key)) => same(&key, signer),
            Ok(None) => Seen::Gone,
            Err(why) => Seen::Unknown(why),
        },
    }
}

/// The CA key that an engine signs with now; the reason if that cannot be seen.
///
/// # Errors
/// In words, for a report.
pub fn engine_key(
    settings: &Settings,
    issuer: Option<&str>,
) -> Result<Option<CaPublicKey>, String> {
    let look = || {
        let id = issuer.map(issuer_id).transpose()?;
        Engine::new(settings, None)?.public_key(id.as_ref())
    };
    look().map_err(|error| with_causes(&error))
}

fn same(key: &CaPublicKey, signer: &Signer) -> Seen {
    match key.fingerprint().as_str() == signer.ca_fingerprint {
        true => Seen::Present,
        false => Seen::Another(key.fingerprint().to_string()),
    }
}
