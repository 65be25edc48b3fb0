//! A certificate of the host itself, judged before it is handed to sshd.

use crate::certificate::{CertType, CertificateError, Parsed, UnixTime};
use crate::failure::{Class, Failure};
use crate::host::ca_keys::CaKeys;
use crate::inventory::Host;

/// A host certificate that clients of the host accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCertificate(Vec<u8>);

/// Why a certificate does not certify a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostCertificateError {
    /// No certificate, or a damaged one.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It does not certify this host.
    #[error("the certificate does not certify host `{host}`: {detail}")]
    Refused {
        /// The host.
        host: String,
        /// What was found and what is expected.
        detail: String,
    },
}

impl Failure for HostCertificateError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(error) => error.reason(),
            Self::Refused { .. } => "host_certificate_refused",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Certificate(error) => error.hints(),
            Self::Refused { host, .. } => {
                vec![format!(
                    "`warden sign-host {host} --pubkey KEY.pub` makes one"
                )]
            }
        }
    }
}

impl HostCertificate {
    /// Judges a certificate at the moment `now`: of the host type, signed by a CA of hosts, for names of
    /// this host only, without options, and not over.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn read(
        line: &[u8],
        host: &Host,
        cas: Option<&CaKeys>,
        now: UnixTime,
    ) -> Result<Self, HostCertificateError> {
        let certificate = Parsed::from_line(line)?;
        let refused = |detail: String| HostCertificateError::Refused {
            host: host.name().to_string(),
            detail,
        };
        if certificate.cert_type() != CertType::Host {
            return Err(refused("it is a user certificate".to_owned()));
        }
        let known = cas.is_some_and(|cas| cas.iter().any(|(ca, _)| certificate.signed_by(ca)));
        if !known {
            let ca = certificate.ca_fingerprint();
            return Err(refused(format!("its CA {ca} is none of the CAs of hosts")));
        }
        let names = host.names().to_strings();
        let foreign = certificate
            .principals()
            .find(|one| !names.iter().any(|name| name.as_bytes() == *one));
        if let Some(foreign) = foreign {
            let foreign = String::from_utf8_lossy(foreign);
            let names = names.join(", ");
            return Err(refused(format!(
                "it names `{foreign}`; the host's names are {names}"
            )));
        }
        if certificate.principals().next().is_none() {
            return Err(refused(
                "it names no host, which older clients take for any".to_owned(),
            ));
        }
        if certificate.critical_options().next().is_some() {
            return Err(refused(
                "it has critical options, which ssh refuses".to_owned(),
            ));
        }
        let end = certificate.valid_before();
        if end <= now.0 {
            return Err(refused(format!("it ended at {}", UnixTime(end))));
        }
        let mut line = line.trim_ascii_end().to_vec();
        line.push(b'\n');
        Ok(Self(line))
    }

    /// The line, with a newline.
    pub fn line(&self) -> &[u8] {
        &self.0
    }
}
