//! What can go wrong between us and a server.
//!
//! - Text from a server is cut and later escaped; it goes to the reader of the error, never into the
//!   journal.

use std::time::Duration;

/// How much of a server's own words is repeated, in characters.
const MAX_SERVER_TEXT: usize = 256;

/// The alerts by which a server refuses a client's certificate; ours about the server's we send
/// ourselves.
const ABOUT_OUR_CERTIFICATE: [&str; 9] = [
    "accessdenied",
    "badcertificate",
    "certificateexpired",
    "certificaterequired",
    "certificaterevoked",
    "certificateunknown",
    "decrypterror",
    "unknownca",
    "unsupportedcertificate",
];

/// A failed exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The host's name has no address.
    #[error("the server's name cannot be resolved")]
    Dns,
    /// Nobody listens there.
    #[error("the connection is refused")]
    Refused,
    /// The connection failed in another way.
    #[error("the server cannot be reached: {detail}")]
    Unreachable {
        /// What the system says.
        detail: String,
    },
    /// TLS could not be agreed on, or the server's certificate is not trusted.
    #[error("TLS failed: {detail}")]
    Tls {
        /// What is wrong.
        detail: String,
    },
    /// The server does not accept our TLS certificate, or wants one and we have none.
    #[error("the server does not accept our TLS client certificate: {detail}")]
    ClientRefused {
        /// The server's alert.
        detail: String,
    },
    /// No connection in time.
    #[error("no connection within {} s", limit.as_secs_f32())]
    ConnectTimeout {
        /// The limit.
        limit: Duration,
    },
    /// It took too long altogether.
    #[error("no whole answer within {} s", limit.as_secs_f32())]
    Timeout {
        /// The limit for the whole operation.
        limit: Duration,
    },
    /// The connection ended in the middle of an answer.
    #[error("the answer was cut short")]
    CutShort,
    /// The answer is larger than any real one.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not what the endpoint gives.
    #[error("the answer is not understood: {}", Self::cut(detail))]
    NotUnderstood {
        /// What is wrong.
        detail: String,
    },
    /// The server sends us elsewhere; a token is never taken along.
    #[error("the server redirects to {location}, and redirects are not followed")]
    Redirect {
        /// Where to, cut.
        location: String,
    },
    /// An answer that is no success.
    #[error("the server answered {status}{}", said(errors))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's own words, cut.
        errors: Vec<String>,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The server does not accept what was given to log in with.
    #[error("the login was refused{}", said(errors))]
    LoginRefused {
        /// The server's own words, cut.
        errors: Vec<String>,
    },
    /// The list of trusted CAs cannot be used.
    #[error("the trusted CAs cannot be read: {detail}")]
    TrustedCas {
        /// What is wrong.
        detail: String,
    },
    /// The client certificate, or its key, cannot be used.
    #[error("the client certificate cannot be used: {detail}")]
    ClientCertificate {
        /// What is wrong.
        detail: String,
    },
    /// The request could not be made.
    #[error("the request cannot be made: {detail}")]
    Request {
        /// What is wrong.
        detail: String,
    },
}

fn said(errors: &[String]) -> String {
    if errors.is_empty() {
        String::new()
    } else {
        format!(": {}", errors.join("; "))
    }
}

impl ExchangeError {
    /// Cuts a server's text to a bearable length, on one line: another line could pass for ours.
    pub(crate) fn cut(text: &str) -> String {
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        one_line.chars().take(MAX_SERVER_TEXT).collect()
    }

    /// From an answer that is no success.
    pub(crate) fn from_status(
        status: u16,
        body: &[u8],
        location: Option<&str>,
        retry_after: Option<Duration>,
    ) -> Self {
        if (300..400).contains(&status) {
            return Self::Redirect {
                location: Self::cut(location.unwrap_or("nowhere")),
            };
        }
        #[derive(serde::Deserialize)]
        struct Errors {
            errors: Vec<String>,
        }
        let errors =
            serde_json::from_slice(body).map_or_else(|_| Vec::new(), |found: Errors| found.errors);
        let errors = errors.iter().take(4).map(|text| Self::cut(text)).collect();
        Self::Status {
            status,
            errors,
            retry_after,
        }
    }

    /// From a failure of the HTTP client.
    pub(super) fn from_client(error: &reqwest::Error, limit: Duration) -> Self {
        let mut chain = Vec::new();
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(one) = source {
            chain.push(one.to_string());
            if let Some(io) = one.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::ConnectionRefused
            {
                return Self::Refused;
            }
            source = one.source();
        }
        let all = chain.join(": ").to_lowercase();
        let detail = || Self::cut(chain.last().map_or("", String::as_str));
        match () {
            () if error.is_timeout() && error.is_connect() => Self::ConnectTimeout { limit },
            () if error.is_timeout() => Self::Timeout { limit },
            () if all.contains("dns error") => Self::Dns,
            // With TLS 1.3 the alert comes only after the connection is made.
            () if let Some((_, alert)) = all.split_once("received fatal alert: ")
                && ABOUT_OUR_CERTIFICATE
                    .iter()
                    .any(|one| alert.starts_with(one)) =>
            {
                Self::ClientRefused { detail: detail() }
            }
            () if [
                "certificate",
                "tls",
                "handshake",
                "invalidcontenttype",
                "unexpected eof",
            ]
            .iter()
            .any(|word| all.contains(word))
                && error.is_connect() =>
            {
                Self::Tls { detail: detail() }
            }
            () if error.is_connect() => Self::Unreachable { detail: detail() },
            () if error.is_body() || error.is_decode() || error.is_request() => Self::CutShort,
            () => Self::Unreachable { detail: detail() },
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The server's own words.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Self::Status { errors, .. } => errors,
            _ => &[],
        }
    }

    /// Whether any of the server's own words holds `word`, which is in lower case.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.words()
            .iter()
            .any(|text| text.to_lowercase().contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, body: &str) -> ExchangeError {
        ExchangeError::from_status(status, body.as_bytes(), None, None)
    }

    #[test]
    fn what_the_server_says_is_cut() {
        let long = "x".repeat(1000);
        let body = serde_json::json!({"errors": [long, long, long, long, "fifth"]}).to_string();
        let text = status(500, &body).to_string();
        assert!(text.len() < 4 * 256 + 100, "{}", text.len());
        assert!(!text.contains("fifth"));
        let wrong = ExchangeError::NotUnderstood {
            detail: long.clone(),
        };
        assert!(wrong.to_string().len() < 400);
        let away = ExchangeError::from_status(307, b"", Some(&long), None);
        assert!(away.to_string().len() < 400);
        assert!(matches!(away, ExchangeError::Redirect { .. }));
    }

    #[test]
    fn a_body_that_is_no_list_of_errors_says_nothing() {
        for body in [
            "",
            "<html>",
            "{}",
            "{\"errors\": 7}",
            "{\"errors\": [7]}",
            "{\"errors\": null}",
        ] {
            assert_eq!(status(500, body).to_string(), "the server answered 500");
        }
    }
}
