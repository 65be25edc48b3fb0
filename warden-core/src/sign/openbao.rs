//! OpenBao's (or Vault's) SSH engine as a signing backend.
//!
//! - The request states every granted option and extension; what comes back is compared with the
//!   authorization like any other backend's, so a role can never widen a certificate.
//! - The CA is pinned in the configuration. Without a pin nothing is asked.
//! - Signing is not repeated unless the server surely did nothing; everything ends at one deadline.
//!
//! References: the engine's API documents; `wiki/guides/openbao.md`.

mod credential;
pub mod issuers;
pub mod lint;
mod meaning;
pub mod roles;
pub mod scope;
mod server;
mod settings;
pub mod state;

pub use credential::{Credential, TokenState};
pub use settings::{
    DEFAULT_CLOCK_SKEW, DEFAULT_TIMEOUT, MAX_CLOCK_SKEW, PathName, Roles, Settings,
};

use super::{BackendError, KeyIdRule, Reply, SigningBackend, TrustedCa};
use crate::authorize::Authorization;
use crate::certificate::{CaPublicKey, Serial, UnixTime};
use crate::exchange::ExchangeError;
use crate::failure::Class;
use rand_core::TryRng;
use serde::Deserialize;
use server::Server;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use vaultrs::api::ssh::requests::SignSSHKeyRequest;

/// How often a request is made that the server surely did not act on.
const MAX_ATTEMPTS: u32 = 3;

/// The pause before the first repetition; it doubles, and half of it again is random.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How long the revocation of a token may take after everything else.
const REVOCATION_TIME: Duration = Duration::from_secs(2);

/// The SSH engine of an OpenBao server.
#[derive(Debug)]
pub struct OpenBao {
    settings: Settings,
    credential: Credential,
    server: OnceCell<Server>,
}

impl OpenBao {
    /// A backend on this server; nothing is sent or built yet.
    pub fn new(settings: Settings, credential: Credential) -> Self {
        Self {
            settings,
            credential,
            server: OnceCell::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn server(&self) -> Result<&Server, ExchangeError> {
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let server = Server::new(&self.settings)?;
        Ok(self.server.get_or_init(|| server))
    }

    /// Logs in if need be, signs, and ends a token that was made for it.
    fn signed_by_role(
        &self,
        role: &PathName,
        request: &SignSSHKeyRequest,
    ) -> Result<Vec<u8>, BackendError> {
        let reach = || format!("cannot reach OpenBao at {}", self.settings.address.as_str());
        let server = self.server().map_err(|error| error.while_doing(&reach()))?;
        let deadline = server.deadline();
        let token = self.credential.token(server, deadline);
        let token = token.map_err(|error| error.while_doing("cannot log in to OpenBao"))?;
        let asked = || server.execute(request, Some(token.secret()), deadline);
        let mut answer = repeated(deadline, asked);
        if let (Err(ExchangeError::Status { status: 403, .. }), credential::Token::Given(secret)) =
            (&answer, &token)
        {
            answer = renewed(server, secret, deadline)?.and_then(|()| asked());
        }
        if let credential::Token::Made(secret) = &token {
            // A token that cannot be revoked now ends by itself; the certificate does not depend on it.
            // It has a moment of its own: that signing took all the time is no reason to leave it.
            drop(credential::revoke(
                server,
                secret,
                Instant::now() + REVOCATION_TIME,
            ));
        }
        let path = format!("{}/sign/{}", self.settings.mount.as_str(), role.as_str());
        answer.map_err(|error| error.while_doing(&format!("OpenBao did not sign at {path}")))
    }
}

/// After a 403: whether the token is at fault. A token that lives is renewed if it can be, and what
/// was asked may be asked once more.
fn renewed(
    server: &Server,
    token: &crate::secret::Secret,
    deadline: Instant,
) -> Result<Result<(), ExchangeError>, BackendError> {
    match credential::look_up(server, token, deadline) {
        Ok(state) if state.renewable => Ok(credential::renew(server, token, deadline)),
        Ok(_) => Ok(Ok(())),
        Err(error @ ExchangeError::Status { status: 403, .. }) if !error.is_of_a_live_token() => {
            let message = "the token is expired, revoked or not known to this server, or may neither sign here nor look itself up";
            Err(
                BackendError::new(Class::Untrusted, "token_not_valid", message)
                    .with_hint("get a new token with the policy that `warden backend roles` prints, or configure a login such as [vault.approle]"),
            )
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Repeats what the server surely did not do, inside the deadline, as late as it asks.
fn repeated<T>(
    deadline: Instant,
    attempt: impl Fn() -> Result<T, ExchangeError>,
) -> Result<T, ExchangeError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..MAX_ATTEMPTS {
        match attempt() {
            Err(error) if error.nothing_was_done() => {
                let wait = error.retry_after().unwrap_or_else(|| jittered(pause));
                // What a server asks for may be beyond any time there is.
                if Instant::now()
                    .checked_add(wait)
                    .is_none_or(|end| end >= deadline)
                {
                    return Err(error);
                }
                std::thread::sleep(wait);
                pause *= 2;
            }
            other => return other,
        }
    }
    attempt()
}

fn jittered(pause: Duration) -> Duration {
    let random = getrandom::SysRng.try_next_u32().unwrap_or(0) % 512;
    pause + pause * random / 1024
}

#[derive(Deserialize)]
struct Answer {
    data: SignedKey,
}

#[derive(Deserialize)]
struct SignedKey {
    signed_key: String,
    serial_number: String,
}

impl SigningBackend for OpenBao {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        self.settings.ca_fingerprint.as_ref().map(TrustedCa::Pinned).ok_or_else(|| {
            BackendError::new(Class::Malformed, "ca_not_pinned", "the configuration does not pin the engine's CA (`vault.ca_fingerprint`)")
                .with_hint("`warden ca pin` prints the line to add, after you compared the key with one you know")
        })
    }

    fn clock_skew(&self) -> u64 {
        self.settings.clock_skew
    }

    fn key_id_rule(&self) -> KeyIdRule {
        self.settings.key_id
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        let Some(ttl) = authorization.ttl_at(now) else {
            return Err(BackendError::new(
                Class::Refused,
                "actor_expired",
                "the actor has expired",
            ));
        };
        let Some(actor) = authorization.holder().actor() else {
            let message = "the OpenBao engine signs for actors here, not for hosts";
            return Err(
                BackendError::new(Class::Refused, "ca_of_other_type", message)
                    .with_hint("host certificates come from `host_ca_key`, a CA of their own"),
            );
        };
        let role = self.settings.roles.of(actor);
        let request = SignSSHKeyRequest {
            mount: self.settings.mount.as_str().to_owned(),
            name: role.as_str().to_owned(),
            cert_type: Some(authorization.cert_type().as_str().to_owned()),
            critical_options: Some(owned(authorization.critical_options().to_map())),
            extensions: Some(
                authorization
                    .extensions()
                    .iter()
                    .map(|one| (one.to_string(), String::new()))
                    .collect(),
            ),
            key_id: match self.settings.key_id {
                KeyIdRule::Actor => Some(actor.to_string()),
                KeyIdRule::AnyPrintable => None,
            },
            public_key: authorization.public_key().to_openssh(),
            ttl: Some(format!("{}s", ttl.seconds())),
            valid_principals: Some(authorization.principals().to_strings().join(",")),
        };
        let answer = self.signed_by_role(&role, &request)?;
        let not_understood = |detail: String| {
            ExchangeError::NotUnderstood { detail }.while_doing("OpenBao's signature")
        };
        let found: Answer =
            serde_json::from_slice(&answer).map_err(|error| not_understood(error.to_string()))?;
        // The certificate's own serial counts; one beside it that differs is a reason to stop.
        let serial = Some(found.data.serial_number.as_str())
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .and_then(Serial::new);
        let serial = serial
            .ok_or_else(|| not_understood("the serial is not a hexadecimal number".to_owned()))?;
        Ok(Reply {
            certificate: found.data.signed_key.into_bytes(),
            serial: Some(serial),
        })
    }

    fn mismatch_hint(
        &self,
        holder: &crate::inventory::Holder,
        reason: &'static str,
    ) -> Option<String> {
        let actor = holder.actor()?;
        let role = format!(
            "{}/roles/{}",
            self.settings.mount.as_str(),
            self.settings.roles.of(actor).as_str()
        );
        let setting = match reason {
            "key_id_mismatch" if self.settings.key_id == KeyIdRule::AnyPrintable => {
                "key_id_format must give 1 to 256 printable ASCII characters"
            }
            "key_id_mismatch" => {
                "allow_user_key_ids must be true, or set `vault.key_id = \"role\"` in the configuration"
            }
            "extensions_mismatch" => {
                "default_extensions must be empty, and allowed_extensions name the actor's"
            }
            "critical_options_mismatch" => {
                "default_critical_options must be empty, and allowed_critical_options name the actor's"
            }
            "principals_mismatch" => {
                "allowed_users must name exactly the inventory's principals, and default_user be empty"
            }
            "valid_before_mismatch" => {
                "max_ttl must not be below the actor's; otherwise the clocks differ by more than `vault.clock_skew`"
            }
            "valid_after_mismatch" => {
                "not_before_duration must be 30s; otherwise the clocks differ by more than `vault.clock_skew`"
            }
            "cert_type_mismatch" => {
                "allow_user_certificates must be true and allow_host_certificates false"
            }
            "ca_mismatch" => {
                "issuer_ref must name the pinned CA; if the CA was changed on purpose, pin it anew with `warden ca pin`"
            }
            "signature_mismatch" => "algorithm_signer must not be ssh-rsa",
            _ => return None,
        };
        Some(format!("role {role}: {setting}"))
    }
}

fn owned(map: std::collections::BTreeMap<&'static str, String>) -> HashMap<String, String> {
    map.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The CA key of an SSH engine, as the server gives it to anybody without a token. It says who would
/// sign, not who should: compare it with a key that is known before pinning it.
///
/// # Errors
/// If the server cannot be reached or the engine has no CA.
pub fn public_key(settings: &Settings) -> Result<CaPublicKey, BackendError> {
    let server = Server::new(settings).map_err(no_public_key)?;
    public_key_over(&server, settings)
}

fn no_public_key(error: ExchangeError) -> BackendError {
    error.while_doing("cannot read the engine's CA key")
}

/// [`public_key`] over a server that is there already.
fn public_key_over(server: &Server, settings: &Settings) -> Result<CaPublicKey, BackendError> {
    let path = format!("v1/{}/public_key", settings.mount.as_str());
    let deadline = server.deadline();
    let answer =
        repeated(deadline, || server.read(&path, None, deadline)).map_err(no_public_key)?;
    CaPublicKey::from_openssh(&answer).map_err(|error| {
        no_public_key(ExchangeError::NotUnderstood {
            detail: error.to_string(),
        })
    })
}
