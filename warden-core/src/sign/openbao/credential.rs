//! How warden proves itself to OpenBao.
//!
//! - A token that was given costs no request. After a 403 it is looked up and renewed, once.
//! - A token that warden made by a login is revoked when it is done with.
//! - A secret is never in an error, a record, an argument or a child's environment.

use super::repeated;
use super::server::Server;
use super::settings::PathName;
use crate::exchange::ExchangeError;
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use std::time::Instant;
use vaultrs::api::auth::{approle, oidc};
use vaultrs::api::sys::requests::UnwrapRequest;
use vaultrs::api::token::requests::{RenewTokenSelfRequest, RevokeTokenSelfRequest};
use zeroize::Zeroizing;

/// A credential.
#[derive(Debug)]
#[non_exhaustive]
pub enum Credential {
    /// A token somebody else made and will end.
    Token(Secret),
    /// An AppRole login.
    AppRole {
        /// Where AppRole is mounted.
        mount: PathName,
        /// The role id, which is no secret.
        role_id: String,
        /// The secret id, or the token that unwraps it.
        secret_id: Secret,
        /// Whether `secret_id` is response-wrapped.
        wrapped: bool,
    },
    /// A login with a signed JWT of a service.
    Jwt {
        /// Where the method is mounted.
        mount: PathName,
        /// The role.
        role: String,
        /// The JWT.
        jwt: Secret,
    },
    /// A login with the TLS client certificate.
    TlsCertificate {
        /// Where the method is mounted.
        mount: PathName,
        /// The name of the certificate role.
        name: String,
    },
}

/// A token to work with.
pub(super) enum Token<'a> {
    /// It was given, and stays.
    Given(&'a Secret),
    /// It was made by a login, and is revoked at the end.
    Made(Secret),
}

impl Token<'_> {
    pub(super) fn secret(&self) -> &Secret {
        match self {
            Self::Given(secret) => secret,
            Self::Made(secret) => secret,
        }
    }
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
}

#[derive(Deserialize)]
struct Unwrapped {
    data: WrappedSecretId,
}

#[derive(Deserialize)]
struct WrappedSecretId {
    secret_id: String,
}

impl Credential {
    /// A token to work with: the one given, or one made by a login.
    pub(super) fn token(
        &self,
        server: &Server,
        deadline: Instant,
    ) -> Result<Token<'_>, ExchangeError> {
        if let Self::Token(secret) = self {
            return Ok(Token::Given(secret));
        }
        let answer = self.log_in(server, deadline);
        let answer = Zeroizing::new(answer.map_err(ExchangeError::of_login)?);
        let found: LoggedIn = serde_json::from_slice(&answer)
            .map_err(|_| not_understood("no token in the login's answer"))?;
        secret(found.auth.client_token).map(Token::Made)
    }

    /// The answer to a login; none is asked for a token that was given.
    fn log_in(&self, server: &Server, deadline: Instant) -> Result<Vec<u8>, ExchangeError> {
        match self {
            Self::Token(_) => Ok(Vec::new()),
            Self::AppRole {
                mount,
                role_id,
                secret_id,
                wrapped,
            } => {
                let unwrapped;
                let secret_id = if *wrapped {
                    // Each by itself: what was unwrapped is gone from the server.
                    unwrapped = repeated(deadline, || unwrap(server, secret_id, deadline))?;
                    &unwrapped
                } else {
                    secret_id
                };
                let request = approle::requests::LoginWithApproleRequest {
                    mount: mount.as_str().to_owned(),
                    role_id: role_id.clone(),
                    secret_id: secret_id.expose().to_owned(),
                };
                repeated(deadline, || server.log_in(&request, secret_id, deadline))
            }
            Self::Jwt { mount, role, jwt } => {
                let request = oidc::requests::JWTLoginRequest {
                    mount: mount.as_str().to_owned(),
                    jwt: jwt.expose().to_owned(),
                    role: Some(role.clone()),
                };
                repeated(deadline, || server.log_in(&request, jwt, deadline))
            }
            Self::TlsCertificate { mount, name } => {
                // `vaultrs` misspells the field, and the server would choose a role by itself.
                let path = format!("v1/auth/{}/login", mount.as_str());
                let body = json!({ "name": name });
                repeated(deadline, || server.post(&path, &body, None, deadline))
            }
        }
    }

    /// Whether a login makes the token.
    pub fn is_login(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// The word for this kind of credential.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::AppRole { .. } => "approle",
            Self::Jwt { .. } => "jwt",
            Self::TlsCertificate { .. } => "cert",
        }
    }
}

fn not_understood(detail: &str) -> ExchangeError {
    ExchangeError::NotUnderstood {
        detail: detail.to_owned(),
    }
}

fn secret(text: String) -> Result<Secret, ExchangeError> {
    Secret::new(Zeroizing::new(text.into_bytes()))
        .ok_or_else(|| not_understood("a secret that cannot be one"))
}

/// Exchanges a wrapping token for the secret id inside; it works once.
fn unwrap(server: &Server, wrapping: &Secret, deadline: Instant) -> Result<Secret, ExchangeError> {
    let answer =
        Zeroizing::new(server.execute(&UnwrapRequest { token: None }, Some(wrapping), deadline)?);
    let found: Unwrapped = serde_json::from_slice(&answer)
        .map_err(|_| not_understood("no secret_id in the wrapped answer"))?;
    secret(found.data.secret_id)
}

/// What a token says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenState {
    /// Seconds left; zero for a token without an end.
    pub ttl: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// Its policies.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// Looks up the token used.
pub(super) fn look_up(
    server: &Server,
    token: &Secret,
    deadline: Instant,
) -> Result<TokenState, ExchangeError> {
    #[derive(Deserialize)]
    struct Found {
        data: TokenState,
    }
    let answer = server.read("v1/auth/token/lookup-self", Some(token), deadline)?;
    let found: Found =
        serde_json::from_slice(&answer).map_err(|_| not_understood("the state of the token"))?;
    Ok(found.data)
}

/// Renews the token used.
pub(super) fn renew(
    server: &Server,
    token: &Secret,
    deadline: Instant,
) -> Result<(), ExchangeError> {
    server
        .execute(
            &RenewTokenSelfRequest { increment: None },
            Some(token),
            deadline,
        )
        .map(drop)
}

/// Ends a token that warden made.
pub(super) fn revoke(
    server: &Server,
    token: &Secret,
    deadline: Instant,
) -> Result<(), ExchangeError> {
    server
        .execute(&RevokeTokenSelfRequest {}, Some(token), deadline)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::{OpenBao, Roles, Settings};
    use super::*;
    use crate::exchange::Address;
    use std::time::Duration;

    const PLANTED: &str = "s.PlantedInDebug";

    #[test]
    fn nothing_that_holds_a_secret_shows_it_for_debugging() {
        let planted = || Secret::new(Zeroizing::new(PLANTED.as_bytes().to_vec())).unwrap();
        let mount = || PathName::mount("x").unwrap();
        let settings = Settings {
            address: Address::parse("http://127.0.0.1:1", false).unwrap(),
            mount: mount(),
            namespace: None,
            roles: Roles::PerActor,
            ca_fingerprint: None,
            key_id: crate::sign::KeyIdRule::Actor,
            clock_skew: 30,
            timeout: Duration::from_secs(1),
            tls_ca_file: None,
            tls_client_file: None,
            proxy: None,
        };
        for credential in [
            Credential::Token(planted()),
            Credential::AppRole {
                mount: mount(),
                role_id: "r".to_owned(),
                secret_id: planted(),
                wrapped: true,
            },
            Credential::Jwt {
                mount: mount(),
                role: "r".to_owned(),
                jwt: planted(),
            },
        ] {
            let shown = format!("{credential:?} {credential:#?}");
            assert!(
                shown.contains("Secret(..)") && !shown.contains(PLANTED),
                "{shown}"
            );
            let backend = OpenBao::new(settings.clone(), credential);
            let server = backend.server().unwrap();
            let shown = format!(
                "{:?} {backend:?} {server:?} {backend:#?}",
                backend.settings()
            );
            assert!(
                shown.contains("Secret(..)") && !shown.contains(PLANTED),
                "{shown}"
            );
        }
    }
}
