//! Where a server listens.
//!
//! - https, except to loopback or where plain http is permitted by a name that says so.
//! - Nothing of a URL but scheme, host and port: no user, no query, no path to climb out of.

use std::net::IpAddr;

/// Where a server listens: `https://host[:port]`.
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
}
