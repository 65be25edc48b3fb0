//! What can go wrong between us and the server, each with its own reason.
//!
//! - Text from a server is cut and later escaped; it goes to the reader of the error, never into the
//!   journal.

use super::super::BackendError;
use crate::failure::Class;
use std::time::Duration;

/// How much of a server's own words is repeated, in characters.
const MAX_SERVER_TEXT: usize = 256;

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
    pub(super) fn from_status(
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

    /// The same failure, of a login: there a 400 is about the credential, not about a role.
    pub(super) fn of_login(self) -> Self {
        match self {
            Self::Status {
                status: 400,
                errors,
                ..
            } => Self::LoginRefused { errors },
            other => other,
        }
    }

    /// Whether the server surely did nothing, so that asking again cannot do it twice.
    pub(super) fn nothing_was_done(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Status { status: 429, .. } | Self::Status { status: 503, .. }
        )
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether any of the server's own words holds `word`.
    pub(super) fn says(&self, word: &str) -> bool {
        matches!(self, Self::Status { errors, .. } if errors.iter().any(|text| text.to_lowercase().contains(word)))
    }

    /// Whether a 403 is said to come from the policies of a token that lives. The server says so only
    /// by wrapping its words; without them it may as well be a token that does not live.
    pub(super) fn is_of_a_live_token(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. })
            && self.says("error occurred")
            && !self.says("invalid token")
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dns => "backend_dns",
            Self::Refused => "backend_connection_refused",
            Self::Unreachable { .. } => "backend_unreachable",
            Self::Tls { .. } => "backend_tls",
            Self::Timeout { .. } | Self::ConnectTimeout { .. } => "backend_timeout",
            Self::CutShort => "backend_answer_cut_short",
            Self::TooLarge { .. } => "backend_answer_too_large",
            Self::NotUnderstood { .. } => "backend_answer_not_understood",
            Self::Redirect { .. } => "backend_redirect",
            Self::LoginRefused { .. } => "login_refused",
            Self::Request { .. } => "backend_request",
            Self::Status { status, .. } => match status {
                400 => "backend_refused",
                403 => "backend_forbidden",
                404 => "backend_not_found",
                429 if self.says("standby") => "backend_standby",
                429 => "backend_rate_limited",
                472 | 473 => "backend_standby",
                501 => "backend_uninitialised",
                503 if self.says("not initialized") || self.says("uninitialized") => {
                    "backend_uninitialised"
                }
                503 if self.says("standby") => "backend_standby",
                503 if self.says("sealed") => "backend_sealed",
                503 => "backend_unavailable",
                _ => "backend_server_error",
            },
        }
    }

    /// A 400 is the role's refusal; everything else is a server that cannot be relied on.
    pub fn class(&self) -> Class {
        match self {
            Self::Status { status: 400, .. } => Class::Refused,
            Self::Request { .. } => Class::Malformed,
            _ => Class::Untrusted,
        }
    }

    fn hint(&self) -> &'static str {
        match self.reason() {
            "backend_dns" => "check `vault.addr`: getent hosts HOST",
            "backend_connection_refused" | "backend_unreachable" => {
                "check that the server runs and that `vault.addr` is right"
            }
            "backend_tls" => {
                "if the server's certificate has a CA of its own, name it as `vault.ca_cert`"
            }
            "backend_timeout" => {
                "`warden backend check` shows what answers; `vault.timeout` is the limit"
            }
            "backend_redirect" => {
                "set `vault.addr` to the server that answers itself, not to one that redirects"
            }
            "backend_sealed" => "somebody who may must unseal it: bao operator unseal",
            "backend_uninitialised" => "the server was never set up: bao operator init",
            "backend_standby" => "set `vault.addr` to the active server or to a load balancer",
            "backend_forbidden" => {
                "the token is expired, or its policy lacks the path; `warden backend check` says which"
            }
            "backend_not_found" => {
                "check `vault.mount` and `vault.namespace`; `warden backend check` says what is there"
            }
            "login_refused" => {
                "the credential is wrong, has ended or was used up; get a new one from whoever hands it out"
            }
            "backend_refused" => {
                "`warden backend check` compares the role with the inventory; `warden backend roles` prints the right one"
            }
            "backend_rate_limited" => "a quota on the server is used up; ask again later",
            _ => "`warden backend check` shows the state of the server",
        }
    }

    /// As the failure of a backend, with what was being done.
    pub(super) fn while_doing(self, what: &str) -> BackendError {
        BackendError::new(self.class(), self.reason(), format!("{what}: {self}"))
            .with_hint(self.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, body: &str) -> ExchangeError {
        ExchangeError::from_status(status, body.as_bytes(), None, None)
    }

    #[test]
    fn only_what_surely_did_nothing_may_be_asked_again() {
        let again = (100..600).filter(|code| status(*code, "").nothing_was_done());
        assert_eq!(again.collect::<Vec<_>>(), [429, 503]);
        assert!(ExchangeError::Refused.nothing_was_done());
        let limit = Duration::from_secs(1);
        let text = String::new;
        for error in [
            ExchangeError::Dns,
            ExchangeError::Unreachable { detail: text() },
            ExchangeError::Tls { detail: text() },
            ExchangeError::Timeout { limit },
            ExchangeError::CutShort,
            ExchangeError::TooLarge { limit: 1 },
            ExchangeError::NotUnderstood { detail: text() },
            ExchangeError::Redirect { location: text() },
            ExchangeError::Request { detail: text() },
        ] {
            assert!(!error.nothing_was_done(), "{error}");
        }
    }

    #[test]
    fn only_a_400_is_a_refusal() {
        for code in 300..600 {
            let refused = status(code, "").class() == Class::Refused;
            assert_eq!(refused, code == 400, "{code}");
            assert!(!status(code, "").hint().is_empty());
        }
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
        assert_eq!(away.reason(), "backend_redirect");
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
