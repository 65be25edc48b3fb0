//! The `[policy]` table: whether a gate is asked, where, and what its answer is worth.

use super::vault::Reader;
use crate::diagnostic::Problem;
use crate::exchange::Address;
use crate::gate::flex_auth::{
    DEFAULT_ADDRESS, DEFAULT_SYSTEM, DEFAULT_TENANT, DEFAULT_TIMEOUT, Settings,
};
use serde::Deserialize;
use std::time::Duration;
use toml::Spanned;

/// The longest `timeout`, in seconds.
const MAX_TIMEOUT_SECONDS: u64 = 30;

/// The variable that names the subject, unless the configuration names another.
const DEFAULT_SUBJECT_VARIABLE: &str = "WARDEN_POLICY_SUBJECT";

/// Whether a gate is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What its answer is worth.
    pub mode: PolicyMode,
    /// Whether a gate that cannot even be reached denies.
    pub fail_closed: bool,
    /// The environment variable that names the subject, if it is set.
    pub subject_variable: String,
    /// The gate.
    pub settings: Settings,
}

/// What a gate's answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyMode {
    /// It is not asked.
    Off,
    /// It is asked and recorded.
    Shadow,
    /// What it denies is not signed.
    Enforce,
}

impl PolicyMode {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTable {
    enabled: Option<Spanned<bool>>,
    mode: Option<Spanned<String>>,
    flex_auth_url: Option<Spanned<String>>,
    fail_closed: Option<bool>,
    tenant: Option<Spanned<String>>,
    system: Option<Spanned<String>>,
    subject_env: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    ca_cert: Option<Spanned<String>>,
    dangerous_plain_http: Option<bool>,
}

impl Reader<'_> {
    /// The policy of a table, or of a configuration without one.
    pub(super) fn policy(&self, table: Option<PolicyTable>) -> Result<Policy, Problem> {
        let table = table.unwrap_or_default();
        let permitted = table.dangerous_plain_http.unwrap_or(false);
        let address = match &table.flex_auth_url {
            Some(text) => self.address_at(text, permitted)?,
            None => Address::parse(DEFAULT_ADDRESS, false)
                .map_err(|error| self.source.problem_of_file(error.to_string()))?,
        };
        Ok(Policy {
            mode: self.mode(&table)?,
            fail_closed: table.fail_closed.unwrap_or(true),
            subject_variable: match &table.subject_env {
                Some(name) => super::variable_name(self.source, name)?,
                None => DEFAULT_SUBJECT_VARIABLE.to_owned(),
            },
            settings: Settings {
                address,
                tenant: self.word(table.tenant.as_ref(), DEFAULT_TENANT)?,
                system: self.word(table.system.as_ref(), DEFAULT_SYSTEM)?,
                timeout: Duration::from_secs(self.seconds(
                    table.timeout.as_ref(),
                    DEFAULT_TIMEOUT.as_secs(),
                    MAX_TIMEOUT_SECONDS,
                )?),
                tls_ca_file: self.path(table.ca_cert.as_ref())?,
            },
        })
    }

    /// `enabled = true` is the older way to say `mode = "enforce"`.
    fn mode(&self, table: &PolicyTable) -> Result<PolicyMode, Problem> {
        let modes = [PolicyMode::Off, PolicyMode::Shadow, PolicyMode::Enforce];
        let named = match &table.mode {
            None => None,
            Some(text) => match modes
                .into_iter()
                .find(|mode| mode.as_str() == text.get_ref())
            {
                Some(mode) => Some(mode),
                None => {
                    return Err(self.source.problem(
                        &text.span(),
                        format!("`{}` is none of off, shadow, enforce", text.get_ref()),
                    ));
                }
            },
        };
        match (named, &table.enabled) {
            (None, None) => Ok(PolicyMode::Off),
            (None, Some(enabled)) => Ok(if *enabled.get_ref() {
                PolicyMode::Enforce
            } else {
                PolicyMode::Off
            }),
            (Some(mode), None) => Ok(mode),
            (Some(mode), Some(enabled)) => {
                let fits = if *enabled.get_ref() {
                    mode == PolicyMode::Enforce
                } else {
                    mode == PolicyMode::Off
                };
                match fits {
                    true => Ok(mode),
                    false => Err(self
                        .source
                        .problem(
                            &enabled.span(),
                            format!(
                                "`enabled = {}` contradicts `mode = \"{}\"`",
                                enabled.get_ref(),
                                mode.as_str()
                            ),
                        )
                        .with_hint("`mode` says it all; leave `enabled` out")),
                }
            }
        }
    }

    fn word(&self, text: Option<&Spanned<String>>, default: &str) -> Result<String, Problem> {
        let Some(text) = text else {
            return Ok(default.to_owned());
        };
        let word = text.get_ref();
        let sound =
            (1..=128).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
        match sound {
            true => Ok(word.clone()),
            false => Err(self.source.problem(
                &text.span(),
                "expected 1 to 128 printable characters without a blank",
            )),
        }
    }
}
