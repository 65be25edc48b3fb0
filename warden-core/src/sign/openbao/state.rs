//! Looks at a server, a token and the roles, and says what is right and what is not.
//!
//! - Reads only, except that a token which can be renewed is renewed.
//! - What a narrow token may not read is said so; signing does not need it.

use super::credential::{self, Credential, Token};
use super::lint::lint;
use super::roles::{RoleDefinition, definitions};
use super::scope::Capabilities;
use super::server::Server;
use super::settings::Settings;
use crate::certificate::UnixTime;
use crate::exchange::{ExchangeError, PlainHttp};
use crate::inventory::Inventory;
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

/// The oldest OpenBao that is recommended: 2.0.2 refuses certificates without principals (CVE-2024-7594).
const MIN_OPENBAO: (u64, u64, u64) = (2, 0, 2);

/// The same for HashiCorp Vault.
const MIN_VAULT: (u64, u64, u64) = (1, 17, 6);

/// A token with less than this is about to stop working, in seconds.
const SHORT_TOKEN_SECONDS: u64 = 300;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It is as it should be.
    Pass,
    /// It works, but is wider or weaker than it need be.
    Warn,
    /// Signing will fail, or more than the inventory gives could be signed.
    Fail,
    /// It could not be looked at.
    Skip,
}

impl Level {
    /// The word in a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How to take it.
    pub level: Level,
    /// A stable token.
    pub code: &'static str,
    /// What was found.
    pub text: String,
    /// The setting that mends it.
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn new(level: Level, code: &'static str, text: impl Into<String>) -> Self {
        Self {
            level,
            code,
            text: text.into(),
            fix: None,
        }
    }

    pub(super) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Looks at everything signing depends on. `now` decides which actors are live.
pub fn check(
    settings: &Settings,
    credential: Option<&Credential>,
    inventory: &Inventory,
    now: UnixTime,
) -> Vec<Finding> {
    let mut look = Look {
        settings,
        findings: Vec::new(),
    };
    if settings.address.plain_http() == PlainHttp::Permitted {
        look.found(
            Level::Warn,
            "plain_http",
            "the token and every request travel unencrypted (`dangerous_plain_http`)",
        );
    }
    let server = match Server::new(settings) {
        Ok(server) => server,
        Err(error) => {
            look.found(Level::Fail, error.reason(), error.to_string());
            return look.findings;
        }
    };
    if look.server(&server) {
        look.ca(&server);
        match credential {
            Some(credential) => look.token(
                &server,
                credential,
                &definitions(inventory, &settings.roles, now),
            ),
            None => look.found(
                Level::Skip,
                "token",
                "no credential was given, so the token and the roles were not looked at",
            ),
        }
    }
    look.findings
}

#[derive(Deserialize)]
struct Health {
    initialized: bool,
    sealed: bool,
    #[serde(default)]
    standby: bool,
    #[serde(default)]
    version: String,
}

struct Look<'a> {
    settings: &'a Settings,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn found(&mut self, level: Level, code: &'static str, text: impl Into<String>) {
        self.findings.push(Finding::new(level, code, text));
    }

    /// Whether the server answers and can sign.
    fn server(&mut self, server: &Server) -> bool {
        let answer = match server.answer("v1/sys/health", server.deadline()) {
            Ok(answer) => answer,
            Err(error) => {
                self.found(Level::Fail, error.reason(), error.to_string());
                return false;
            }
        };
        let Ok(health) = serde_json::from_slice::<Health>(&answer.body) else {
            self.found(
                Level::Fail,
                "backend_answer_not_understood",
                format!("sys/health answered {} without a state", answer.status),
            );
            return false;
        };
        let state = match health {
            Health {
                initialized: false, ..
            } => Some((
                "backend_uninitialised",
                "the server was never set up: bao operator init",
            )),
            Health { sealed: true, .. } => Some((
                "backend_sealed",
                "the server is sealed: bao operator unseal",
            )),
            Health { standby: true, .. } => Some((
                "backend_standby",
                "this is a standby; set `vault.addr` to the active server",
            )),
            _ => None,
        };
        if let Some((code, text)) = state {
            self.found(Level::Fail, code, text);
            return false;
        }
        self.found(
            Level::Pass,
            "reachable",
            format!(
                "{} answers, unsealed and active",
                self.settings.address.as_str()
            ),
        );
        self.version(&health.version);
        true
    }

    fn version(&mut self, version: &str) {
        let shown = ExchangeError::cut(version);
        let minimum = |(major, minor, patch)| format!("{major}.{minor}.{patch}");
        match number(version) {
            None => self.found(Level::Warn, "version", format!("the server's version `{shown}` cannot be read")),
            Some(_) if version.contains("HEAD") || version.contains("-dev") => {
                self.found(Level::Warn, "version", format!("the server is a development build, `{shown}`"));
            }
            Some(found) if found >= MIN_OPENBAO || (found.0 == 1 && found >= MIN_VAULT) => {
                self.found(Level::Pass, "version", format!("version {shown}"));
            }
            Some(_) => self.found(
                Level::Fail,
                "version",
                format!(
                    "version {shown} can sign certificates without principals (CVE-2024-7594); OpenBao {} or Vault {} does not",
                    minimum(MIN_OPENBAO),
                    minimum(MIN_VAULT)
                ),
            ),
        }
    }

    /// Whether the engine's CA is the pinned one.
    fn ca(&mut self, server: &Server) {
        let found = match super::public_key_over(server, self.settings) {
            Ok(key) => key.fingerprint().clone(),
            Err(error) => return self.found(Level::Fail, "ca", error.to_string()),
        };
        match &self.settings.ca_fingerprint {
            None => self.found(Level::Fail, "ca", format!("no CA is pinned; the engine's default is {found}: warden ca pin")),
            Some(pinned) if *pinned == found => self.found(Level::Pass, "ca", format!("the engine's default CA is the pinned one, {found}")),
            Some(pinned) => self.found(
                Level::Warn,
                "ca",
                format!("the engine's default CA is {found}, the pinned one {pinned}; a role with another issuer_ref may still sign with it"),
            ),
        }
    }

    fn token(&mut self, server: &Server, credential: &Credential, roles: &[RoleDefinition]) {
        let deadline = server.deadline();
        let token = match credential.token(server, deadline) {
            Ok(token) => token,
            Err(error) => {
                return self.found(
                    Level::Fail,
                    error.reason(),
                    format!("login by {} failed: {error}", credential.kind()),
                );
            }
        };
        self.time_left(server, &token);
        self.capabilities(server, token.secret(), roles);
        for role in roles {
            self.role(server, token.secret(), role);
        }
        if let Token::Made(secret) = &token
            && let Err(error) = credential::revoke(server, secret, server.deadline())
        {
            self.found(
                Level::Warn,
                "token_not_revoked",
                format!("the token of this check was not revoked: {error}"),
            );
        }
    }

    fn time_left(&mut self, server: &Server, token: &Token<'_>) {
        let deadline = server.deadline();
        let state = match credential::look_up(server, token.secret(), deadline) {
            Ok(state) => state,
            Err(error) if error.is_of_a_live_token() => {
                return self.found(
                    Level::Skip,
                    "token",
                    "the token may not look itself up, so its time left is not known; signing does not need it",
                );
            }
            Err(error) => {
                return self.found(
                    Level::Fail,
                    "token_not_valid",
                    format!("the token is not accepted: {error}"),
                );
            }
        };
        if state.policies.iter().any(|policy| policy == "root") {
            self.findings.push(
                Finding::new(
                    Level::Warn,
                    "token_root",
                    "this is a root token: it may do anything",
                )
                .with_fix("use a token with the policy that `warden backend roles` prints"),
            );
        }
        let renewed = match token {
            Token::Given(secret) if state.renewable => {
                credential::renew(server, secret, deadline).is_ok()
            }
            _ => false,
        };
        match state.ttl {
            0 => self.found(Level::Pass, "token", "the token has no end"),
            left if left < SHORT_TOKEN_SECONDS && !renewed => self.found(
                Level::Warn,
                "token",
                format!("the token ends in {left} s and was not renewed"),
            ),
            left => self.found(
                Level::Pass,
                "token",
                format!(
                    "the token has {left} s left{}",
                    if renewed { ", and was renewed" } else { "" }
                ),
            ),
        }
    }

    /// Whether the token may do exactly what signing needs.
    fn capabilities(&mut self, server: &Server, token: &Secret, roles: &[RoleDefinition]) {
        let mount = self.settings.mount.as_str();
        let path_of = |role: &RoleDefinition| format!("{mount}/sign/{}", role.name.as_str());
        let wide = [
            format!("{mount}/config/ca"),
            format!("{mount}/roles/warden-probe"),
        ];
        let paths: Vec<String> = roles
            .iter()
            .map(path_of)
            .chain(wide.iter().cloned())
            .collect();
        let capabilities = match Capabilities::look_up(server, token, &paths) {
            Ok(found) => found,
            Err(error) => {
                return self.found(
                    Level::Skip,
                    "capabilities",
                    format!("the token's capabilities could not be read: {error}"),
                );
            }
        };
        for path in roles.iter().map(path_of) {
            match capabilities.may(&path, "update") {
                true => self.found(
                    Level::Pass,
                    "may_sign",
                    format!("the token may sign at {path}"),
                ),
                false => self.findings.push(
                    Finding::new(
                        Level::Fail,
                        "may_not_sign",
                        format!("the token may not sign at {path}"),
                    )
                    .with_fix(format!("path \"{path}\" {{ capabilities = [\"update\"] }}")),
                ),
            }
        }
        for path in wide.iter().filter(|path| capabilities.may_change(path)) {
            self.found(
                Level::Warn,
                "token_too_wide",
                format!("the token may change {path}; signing needs no such power"),
            );
        }
    }

    fn role(&mut self, server: &Server, token: &Secret, expected: &RoleDefinition) {
        let path = format!(
            "{}/roles/{}",
            self.settings.mount.as_str(),
            expected.name.as_str()
        );
        let read = server.read(&format!("v1/{path}"), Some(token), server.deadline());
        match read {
            Ok(body) => {
                let role: Value = serde_json::from_slice(&body).unwrap_or_default();
                let data = role.get("data").cloned().unwrap_or_default();
                self.findings.extend(lint(&data, expected, self.settings.key_id));
            }
            Err(ExchangeError::Status { status: 403, .. }) => self.found(
                Level::Skip,
                "role_not_readable",
                format!("{path} could not be read with this token, so it was not judged; signing does not need it"),
            ),
            Err(ExchangeError::Status { status: 404, .. }) => self.findings.push(
                Finding::new(Level::Fail, "role_missing", format!("there is no role {path}")).with_fix("warden backend roles"),
            ),
            Err(error) => self.found(Level::Skip, "role_not_readable", format!("{path}: {error}")),
        }
    }
}

/// The first three numbers of a version.
fn number(version: &str) -> Option<(u64, u64, u64)> {
    let core = version.trim_start_matches('v').split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}
