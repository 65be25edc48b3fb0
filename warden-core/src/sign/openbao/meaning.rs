//! What a failed exchange means when the server is OpenBao: its reason, its class, what to do.
//!
//! - A 503 is asked again only if the server itself says that it did nothing. A proxy's 503 may stand
//!   before a signature that was made, and a second one would leave the first without a record.

use super::super::BackendError;
use crate::exchange::ExchangeError;
use crate::failure::Class;

/// All that OpenBao and Vault say in a 503 where no engine was asked yet, in lower case:
/// `consts.ErrSealed`, `consts.ErrNamespaceSealed`, and the two of `respondStandby` in `http/handler.go`.
const NO_ENGINE_ASKED: [&str; 4] = [
    "vault is sealed",
    "namespace is sealed",
    "node is not active",
    "no active vault instance found",
];

impl ExchangeError {
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
        match self {
            Self::Refused | Self::Status { status: 429, .. } => true,
            Self::Status {
                status: 503,
                errors,
                ..
            } => match errors.as_slice() {
                [only] => NO_ENGINE_ASKED.contains(&only.to_lowercase().as_str()),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a 403 is said to come from the policies of a token that lives. The server says so only
    /// by wrapping its words; without them it may as well be a token that does not live.
    pub(super) fn is_of_a_live_token(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. })
            && self.says("error occurred")
            && !self.says("invalid token")
    }

    /// The stable reason.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Dns => "backend_dns",
            Self::Refused => "backend_connection_refused",
            Self::Unreachable { .. } => "backend_unreachable",
            Self::Tls { .. } => "backend_tls",
            Self::ClientRefused { .. } => "client_cert_refused",
            Self::Timeout { .. } | Self::ConnectTimeout { .. } => "backend_timeout",
            Self::CutShort => "backend_answer_cut_short",
            Self::TooLarge { .. } => "backend_answer_too_large",
            Self::NotUnderstood { .. } => "backend_answer_not_understood",
            Self::Redirect { .. } => "backend_redirect",
            Self::LoginRefused { .. } => "login_refused",
            Self::TrustedCas { .. } => "ca_cert_unusable",
            Self::ClientCertificate { .. } => "client_cert_unusable",
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
                503 if self.says("standby")
                    || self.says("not active")
                    || self.says("no active") =>
                {
                    "backend_standby"
                }
                503 if self.says("sealed") => "backend_sealed",
                503 => "backend_unavailable",
                _ => "backend_server_error",
            },
        }
    }

    /// A 400 is the role's refusal; everything else is a server that cannot be relied on.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Status { status: 400, .. } => Class::Refused,
            Self::TrustedCas { .. } | Self::ClientCertificate { .. } | Self::Request { .. } => {
                Class::Malformed
            }
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
            "ca_cert_unusable" => "name a PEM file of trusted CAs as `vault.ca_cert`",
            "client_cert_unusable" => {
                "`vault.client_cert` names a PEM file, mode 0600, with a client certificate and its key"
            }
            "client_cert_refused" => {
                "set `vault.client_cert` to a certificate of the CA that the server trusts for clients"
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
    use std::time::Duration;

    fn status(status: u16, body: &str) -> ExchangeError {
        ExchangeError::from_status(status, body.as_bytes(), None, None)
    }

    #[test]
    fn only_what_surely_did_nothing_may_be_asked_again() {
        let again = (100..600).filter(|code| status(*code, "").nothing_was_done());
        assert_eq!(again.collect::<Vec<_>>(), [429]);
        let says = |errors: serde_json::Value| {
            status(503, &serde_json::json!({ "errors": errors }).to_string()).nothing_was_done()
        };
        for own in [
            "Vault is sealed",
            "namespace is sealed",
            "node is not active",
            "no active Vault instance found",
        ] {
            assert!(says(serde_json::json!([own])), "{own}");
            for other in [
                serde_json::json!([own, "upstream gave up"]),
                serde_json::json!([format!("1 error occurred: {own}")]),
                serde_json::json!({ "error": own }),
            ] {
                assert!(!says(other), "{own}");
            }
        }
        assert!(!says(serde_json::json!([])));
        assert!(!status(503, "Vault is sealed").nothing_was_done());
        assert!(!status(500, "{\"errors\": [\"Vault is sealed\"]}").nothing_was_done());
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
}
