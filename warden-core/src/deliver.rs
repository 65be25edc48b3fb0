//! Hands an issued certificate over: into the state directory, or to a writer.
//!
//! - Takes an [`IssuedCertificate`] only, so nothing that is not recorded can get here.
//! - The stored certificate is replaced in one step and never removed before the new one is whole.
//! - What is not a certificate is never overwritten, and a link is never followed.

use crate::certificate::Parsed;
use crate::failure::{Class, Failure};
use crate::file::{self, FileError, Links};
use crate::inventory::Holder;
use crate::journal::IssuedCertificate;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The largest stored certificate that is looked at, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 256 * 1024;

/// Proof of where a certificate went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    place: String,
}

impl Receipt {
    /// Where it went: a path, or `stdout`.
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// Why a certificate was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// Something that is not a certificate stands where it would go.
    #[error("{} is not a certificate and is not overwritten", path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The place cannot be used.
    #[error("cannot store the certificate")]
    File(#[from] FileError),
    /// The writer took it not or not whole.
    #[error("the certificate was recorded, but {place} did not take it")]
    Writer {
        /// Where it was to go.
        place: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl Failure for DeliverError {
    fn class(&self) -> Class {
        Class::Failed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Occupied { .. } => "output_occupied",
            Self::File(FileError::Link { .. } | FileError::NotRegular { .. }) => "output_occupied",
            Self::File(_) | Self::Writer { .. } => "not_delivered",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Occupied { path } => vec![format!(
                "look at it and move it away: ls -l {}",
                path.display()
            )],
            Self::File(error) => error.hints(),
            Self::Writer { .. } => Vec::new(),
        }
    }
}

/// The file `<state_dir>/<actor>-cert.pub` or `<state_dir>/host-<host>-cert.pub`, known to be absent or
/// a certificate. No actor's name begins with `host-`.
#[derive(Debug)]
pub struct CertificateFile {
    path: PathBuf,
}

impl CertificateFile {
    /// Looks at the place before anything is signed for it.
    ///
    /// # Errors
    /// If a directory, a link, or anything but a certificate stands there.
    pub fn prepare(state_dir: &Path, holder: &Holder) -> Result<Self, DeliverError> {
        let path = state_dir.join(match holder {
            Holder::Actor(name) => format!("{name}-cert.pub"),
            Holder::Host(name) => format!("host-{name}-cert.pub"),
        });
        match file::read_bounded(&path, MAX_CERTIFICATE_BYTES, Links::Refuse) {
            Ok(content) if Parsed::from_line(&content).is_ok() => Ok(Self { path }),
            Ok(_) => Err(DeliverError::Occupied { path }),
            Err(error) if error.is_not_found() => Ok(Self { path }),
            Err(error) => Err(error.into()),
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the certificate there, mode 0600.
    ///
    /// # Errors
    /// If it cannot be written; what stood there before stands there still.
    pub fn deliver(&self, certificate: &IssuedCertificate) -> Result<Receipt, DeliverError> {
        file::replace(&self.path, certificate.to_openssh().as_bytes())?;
        Ok(Receipt {
            place: self.path.display().to_string(),
        })
    }
}

/// Writes the certificate's line to `writer`, named `place` in messages.
///
/// # Errors
/// If the writer does not take all of it.
pub fn to_writer(
    certificate: &IssuedCertificate,
    writer: &mut dyn Write,
    place: &str,
) -> Result<Receipt, DeliverError> {
    let line = certificate.to_openssh();
    writer
        .write_all(line.as_bytes())
        .and_then(|()| writer.flush())
        .map_err(|source| DeliverError::Writer {
            place: place.to_owned(),
            source,
        })?;
    Ok(Receipt {
        place: place.to_owned(),
    })
}
