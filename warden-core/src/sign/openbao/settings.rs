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
        // A URL with one slash or three is read as one with two.
        let slashes = text.split_once("://");
        let bare = bare && slashes.is_some_and(|(_, host)| !host.starts_with(['/', '\\']));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for (text, kept) in [
            ("https://bao.example", "https://bao.example"),
            ("https://bao.example/", "https://bao.example"),
            ("https://BAO.example:8200", "https://bao.example:8200"),
            ("https://bao.example:443", "https://bao.example"),
            ("https://[2001:db8::1]:8200", "https://[2001:db8::1]:8200"),
            ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ] {
            assert_eq!(Address::parse(text, false).unwrap().as_str(), kept);
        }
        for text in [
            "",
            "bao.example",
            "bao.example:8200",
            "https://",
            "https:///v1",
            "https:h",
            "https:/h",
            "https:\\\\h",
            "https://\\h",
            "https://u@h",
            "https://u:p@h",
            "https://:p@h",
            "https://h?q",
            "https://h#f",
            "https://h/v1",
            "https://h//",
            " https://h",
            "https://h ",
            "https://h\n",
            "ht\ttps://h",
            "file:///h",
            "ws://h",
            "unix:///h",
            "https://h:65536",
        ] {
            let error = Address::parse(text, true).unwrap_err();
            assert!(matches!(error, AddressError::Form { .. }), "{text:?}");
        }
    }

    #[test]
    fn plain_http_leaves_the_machine_only_by_permission() {
        for local in [
            "127.0.0.1",
            "127.8.9.10",
            "[::1]",
            "localhost",
            "2130706433",
        ] {
            let address = Address::parse(&format!("http://{local}:8200"), false).unwrap();
            assert_eq!(address.plain_http(), PlainHttp::Loopback, "{local}");
        }
        for other in [
            "bao.example",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:10.0.0.1]",
            "localhost.example",
            "127.0.0.1.example",
        ] {
            let text = format!("http://{other}");
            let error = Address::parse(&text, false).unwrap_err();
            assert!(matches!(error, AddressError::PlainHttp { .. }), "{other}");
            let address = Address::parse(&text, true).unwrap();
            assert_eq!(address.plain_http(), PlainHttp::Permitted, "{other}");
        }
        let address = Address::parse("https://127.0.0.1", true).unwrap();
        assert_eq!(address.plain_http(), PlainHttp::No);
    }

    #[test]
    fn a_path_cannot_be_climbed_out_of() {
        let longest = "x".repeat(128);
        for good in ["ssh", "a.b-c_D9", "...", "-", &longest] {
            assert!(PathName::role(good).is_some(), "{good}");
            assert!(PathName::mount(good).is_some(), "{good}");
        }
        assert!(PathName::mount("teams/access/ssh").is_some());
        let long = "x".repeat(129);
        for bad in [
            "", ".", "..", "a b", "a%2fb", "a?b", "a#b", "a\\b", "a\n", "\u{e9}", "a;b", "a:b",
            "a@b", &long,
        ] {
            assert!(PathName::role(bad).is_none(), "{bad:?}");
            assert!(PathName::mount(bad).is_none(), "{bad:?}");
            assert!(PathName::mount(&format!("a/{bad}")).is_none(), "a/{bad:?}");
            assert!(PathName::mount(&format!("{bad}/a")).is_none(), "{bad:?}/a");
        }
        assert!(PathName::role("a/b").is_none());
    }

    #[test]
    fn each_actor_has_the_role_of_its_type_or_its_own() {
        let name = |text| PathName::role(text).unwrap();
        let per_type = Roles::PerType {
            adm: name("a"),
            agt: name("g"),
            atm: name("t"),
        };
        for (actor, role) in [("adm-x", "a"), ("agt-x", "g"), ("atm-x", "t")] {
            let actor = actor.parse().unwrap();
            assert_eq!(per_type.of(&actor).as_str(), role);
            assert_eq!(Roles::PerActor.of(&actor).as_str(), actor.as_str());
        }
    }
}
