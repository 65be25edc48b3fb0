//! How OpenBao is reached, and what is expected of it.
//!
//! - https, except to loopback or where plain http is permitted by a name that says so.
//! - Nothing of a URL but scheme, host and port: no user, no query, no path to climb out of.
//! - Mount and role names are path segments; nothing else can be built.

use crate::certificate::Fingerprint;
use crate::inventory::{ActorName, ActorType};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The default of `timeout`: how long one signature may take, retries included.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of `clock_skew`, in seconds.
pub const DEFAULT_CLOCK_SKEW: u64 = 30;

/// The most `clock_skew` may be, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 300;

/// Where an OpenBao server listens: `https://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    plain_http: PlainHttp,
}

/// Whether an address is http, and why that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// It is https.
    No,
    /// To this machine only.
    Loopback,
    /// By `dangerous_plain_http`.
    Permitted,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL of scheme, host and port.
    #[error("`{text}` is not an address; an address is https://HOST or https://HOST:PORT")]
    Form {
        /// The text, cut to 100 characters.
        text: String,
    },
    /// http to another machine.
    #[error(
        "`{text}` is plain http to another machine, which shows the token to everybody on the way"
    )]
    PlainHttp {
        /// The text.
        text: String,
    },
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// For anything but scheme, host and port, and for http to another machine unless
    /// `dangerous_plain_http`.
    pub fn parse(text: &str, dangerous_plain_http: bool) -> Result<Self, AddressError> {
        let form = || AddressError::Form {
            text: text.chars().take(100).collect(),
        };
        let url = reqwest::Url::parse(text).map_err(|_| form())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host_str().ok_or_else(form)?;
        if !bare || url.path() != "/" || text.contains(char::is_whitespace) {
            return Err(form());
        }
        let plain_http = match url.scheme() {
            "https" => PlainHttp::No,
            "http" if is_loopback(host) => PlainHttp::Loopback,
            "http" if dangerous_plain_http => PlainHttp::Permitted,
            "http" => {
                return Err(AddressError::PlainHttp {
                    text: text.to_owned(),
                });
            }
            _ => return Err(form()),
        };
        Ok(Self {
            url: url.as_str().trim_end_matches('/').to_owned(),
            plain_http,
        })
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether it is http.
    pub fn plain_http(&self) -> PlainHttp {
        self.plain_http
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A mount or a role: path segments of letters, digits, `_`, `.` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathName(String);

impl PathName {
    /// A mount, which may have several segments joined by `/`.
    pub fn mount(text: &str) -> Option<Self> {
        text.split('/')
            .all(is_segment)
            .then(|| Self(text.to_owned()))
    }

    /// A role, which is one segment.
    pub fn role(text: &str) -> Option<Self> {
        is_segment(text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.is_empty()
        && text.len() <= 128
        && text != "."
        && text != ".."
        && text.bytes().all(allowed)
}

/// Which role signs for which actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// One role for each type.
    PerType {
        /// For administrators.
        adm: PathName,
        /// For agents.
        agt: PathName,
        /// For automations.
        atm: PathName,
    },
    /// One role for each actor, named like it.
    PerActor,
}

impl Roles {
    /// The role that signs for an actor.
    pub fn of(&self, actor: &ActorName) -> PathName {
        match self {
            Self::PerType { .. } => self
                .of_type(actor.actor_type())
                .unwrap_or_else(|| PathName(actor.to_string())),
            Self::PerActor => PathName(actor.to_string()),
        }
    }

    /// The role of a type, where there is one for each.
    pub fn of_type(&self, actor_type: ActorType) -> Option<PathName> {
        match (self, actor_type) {
            (Self::PerActor, _) => None,
            (Self::PerType { adm, .. }, ActorType::Adm) => Some(adm.clone()),
            (Self::PerType { agt, .. }, ActorType::Agt) => Some(agt.clone()),
            (Self::PerType { atm, .. }, ActorType::Atm) => Some(atm.clone()),
        }
    }
}

/// Everything about the server but the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// Where the SSH engine is mounted.
    pub mount: PathName,
    /// The namespace, if it has any.
    pub namespace: Option<PathName>,
    /// Which role signs for which actor.
    pub roles: Roles,
    /// The CA whose certificates are accepted; without it nothing is signed.
    pub ca_fingerprint: Option<Fingerprint>,
    /// Whose key id a certificate carries.
    pub key_id: super::super::KeyIdRule,
    /// How far the server's clock may differ from ours, in seconds.
    pub clock_skew: u64,
    /// How long one signature may take, retries included.
    pub timeout: Duration,
    /// PEM file of the only CAs accepted for TLS; the system's if there is none.
    pub tls_ca_file: Option<PathBuf>,
    /// PEM file with a client certificate and its key, mode 0600.
    pub tls_client_file: Option<PathBuf>,
    /// The proxy to go through. The environment is never asked for one.
    pub proxy: Option<String>,
}
