//! The CAs of an SSH engine, and the limits of its roles: what a cutover reads and changes there.
//!
//! - An issuer is named by its id, never by `config/ca`, whose deletion would take every CA at once.
//! - Each change is one request, which is not repeated.
//! - HashiCorp Vault, and OpenBao before 2.3.1, have one CA and no issuers.

use super::scope::Capabilities;
use super::server::Server;
use super::settings::{PathName, Settings};
use super::{BackendError, Credential, credential, repeated};
use crate::certificate::CaPublicKey;
use crate::exchange::ExchangeError;
use crate::failure::Class;
use crate::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

/// An SSH engine, for whoever may change it.
#[derive(Debug)]
pub struct Engine<'a> {
    settings: &'a Settings,
    credential: Option<&'a Credential>,
    server: Server,
}

impl<'a> Engine<'a> {
    /// The engine of some settings; nothing is sent yet. Without a credential only public keys are
    /// read.
    ///
    /// # Errors
    /// If no connection can be prepared.
    pub fn new(
        settings: &'a Settings,
        credential: Option<&'a Credential>,
    ) -> Result<Self, BackendError> {
        let server =
            Server::new(settings).map_err(|error| error.while_doing("cannot reach the engine"))?;
        Ok(Self {
            settings,
            credential,
            server,
        })
    }

    /// The CA key of an issuer, or the one that signs by default; `None` if the engine says that
    /// there is none.
    ///
    /// # Errors
    /// If the engine gives no answer that can be understood.
    pub fn public_key(
        &self,
        issuer: Option<&PathName>,
    ) -> Result<Option<CaPublicKey>, BackendError> {
        let path = match issuer {
            Some(id) => self.path(&format!("issuer/{}/public_key", id.as_str())),
            None => self.path("public_key"),
        };
        let deadline = self.server.deadline();
        let failed = |error: ExchangeError| error.while_doing("cannot read the engine's CA key");
        match repeated(deadline, || self.server.read(&path, None, deadline)) {
            Ok(line) => CaPublicKey::from_openssh(&line).map(Some).map_err(|error| {
                failed(ExchangeError::NotUnderstood {
                    detail: error.to_string(),
                })
            }),
            // With its own words, so that another server's 404 does not pass for an answer.
            Err(ExchangeError::Status {
                status: 400 | 404,
                errors,
                ..
            }) if is_about_a_ca(&errors) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The id of the issuer that signs by default; `None` on a server without issuers.
    ///
    /// # Errors
    /// If it may not be read, or is not understood.
    pub fn default_issuer(&self) -> Result<Option<PathName>, BackendError> {
        let what = "cannot read the engine's issuers";
        match self.read_json(&self.path("config/issuers")) {
            Ok(answer) => {
                let id = answer["data"]["default"].as_str().and_then(PathName::role);
                let detail = "no id of a default issuer".to_owned();
                id.map(Some)
                    .ok_or_else(|| ExchangeError::NotUnderstood { detail }.while_doing(what))
            }
            Err(ExchangeError::Status {
                status: 404 | 405, ..
            }) => Ok(None),
            Err(error) => Err(error.while_doing(what)),
        }
    }

    /// `ttl` and `max_ttl` of a role, in seconds.
    ///
    /// # Errors
    /// If it may not be read, is not there, or is not understood.
    pub fn role_limits(&self, role: &PathName) -> Result<(u64, u64), BackendError> {
        let answer = self.role(role)?;
        let seconds = |name: &str| answer["data"][name].as_u64();
        match (seconds("ttl"), seconds("max_ttl")) {
            (Some(ttl), Some(max)) => Ok((ttl, max)),
            _ => Err(ExchangeError::NotUnderstood {
                detail: "no `ttl` and `max_ttl` in seconds".to_owned(),
            }
            .while_doing(&cannot_read(role))),
        }
    }

    /// The names of every role of the mount, if they may be listed.
    pub fn role_names(&self) -> Option<Vec<PathName>> {
        let answer = self.read_json(&self.path("roles?list=true")).ok()?;
        let names = answer["data"]["keys"].as_array()?.iter();
        names.map(|name| PathName::role(name.as_str()?)).collect()
    }

    /// A role as the server reads it out.
    ///
    /// # Errors
    /// If it may not be read, is not there, or is not JSON.
    pub fn role(&self, role: &PathName) -> Result<Value, BackendError> {
        self.read_json(&self.path(&format!("roles/{}", role.as_str())))
            .map_err(|error| error.while_doing(&cannot_read(role)))
    }

    /// The longest any certificate of the mount may live, in seconds, if it may be read.
    pub fn mount_max_ttl(&self) -> Option<u64> {
        let path = format!("v1/sys/mounts/{}/tune", self.settings.mount.as_str());
        let answer = self.read_json(&path).ok()?;
        answer["data"]["max_lease_ttl"]
            .as_u64()
            .or_else(|| answer["max_lease_ttl"].as_u64())
    }

    /// What the token may do at these paths, which begin after `/v1/`. Nothing is renewed.
    ///
    /// # Errors
    /// If it may not look that up, or the answer is not understood.
    pub fn capabilities(&self, paths: &[String]) -> Result<Capabilities, BackendError> {
        self.with_token(|token, _| Capabilities::look_up(&self.server, token, paths))
            .map_err(|error| error.while_doing("cannot look up what the token may do"))
    }

    /// The path of something of the engine, as capabilities are asked about it.
    pub fn path_of(&self, rest: &str) -> String {
        format!("{}/{rest}", self.settings.mount.as_str())
    }

    /// Has another issuer sign by default.
    ///
    /// # Errors
    /// If the server does not say that it did.
    pub fn set_default_issuer(&self, id: &PathName) -> Result<(), BackendError> {
        let body = json!({"default": id.as_str()}).to_string().into_bytes();
        let path = self.path("config/issuers");
        self.with_token(|token, deadline| {
            self.server.send(Method::POST, &path, body, token, deadline)
        })
        .map(drop)
        .map_err(|error| error.while_doing("the default issuer was not changed"))
    }

    /// Deletes one issuer and its key. This cannot be undone.
    ///
    /// # Errors
    /// If the server does not say that it did.
    pub fn delete_issuer(&self, id: &PathName) -> Result<(), BackendError> {
        let path = self.path(&format!("issuer/{}", id.as_str()));
        self.with_token(|token, deadline| {
            self.server
                .send(Method::DELETE, &path, Vec::new(), token, deadline)
        })
        .map(drop)
        .map_err(|error| error.while_doing("the issuer was not deleted"))
    }

    fn path(&self, rest: &str) -> String {
        format!("v1/{}", self.path_of(rest))
    }

    fn read_json(&self, path: &str) -> Result<Value, ExchangeError> {
        let body = self.with_token(|token, deadline| {
            repeated(deadline, || self.server.read(path, Some(token), deadline))
        })?;
        serde_json::from_slice(&body).map_err(|error| ExchangeError::NotUnderstood {
            detail: error.to_string(),
        })
    }

    fn with_token<T>(
        &self,
        ask: impl FnOnce(&Secret, Instant) -> Result<T, ExchangeError>,
    ) -> Result<T, ExchangeError> {
        let Some(credential) = self.credential else {
            return Err(ExchangeError::Request {
                detail: "no credential is configured".to_owned(),
            });
        };
        let deadline = self.server.deadline();
        let token = credential.token(&self.server, deadline)?;
        let answer = ask(token.secret(), deadline);
        if let credential::Token::Made(secret) = &token {
            // A token that cannot be revoked now ends by itself; what was asked does not depend on it.
            drop(credential::revoke(
                &self.server,
                secret,
                Instant::now() + super::REVOCATION_TIME,
            ));
        }
        answer
    }
}

fn cannot_read(role: &PathName) -> String {
    format!("cannot read the role {}", role.as_str())
}

/// Whether a server's error is the engine's, about a CA that is not there.
fn is_about_a_ca(errors: &[String]) -> bool {
    // OpenBao: "no default issuer currently configured", "unable to find issuer ..."; Vault: "keys
    // haven't been configured yet".
    let about = |text: &String| {
        ["issuer", "configured"]
            .iter()
            .any(|word| text.contains(word))
    };
    errors.iter().any(about)
}

/// An id as an engine gives it.
///
/// # Errors
/// If it is not one path segment.
pub fn issuer_id(text: &str) -> Result<PathName, BackendError> {
    PathName::role(text).ok_or_else(|| {
        BackendError::new(
            Class::Malformed,
            "issuer_malformed",
            format!("`{text}` is not the id of an issuer"),
        )
    })
}
