//! The `[vault]` table: how OpenBao or Vault is reached, and where the credential is kept.

use super::{problem, resolve, variable_name};
use crate::certificate::{Fingerprint, Ttl, TtlError};
use crate::diagnostic::{Problem, SourceText};
use crate::exchange::{Address, AddressError};
use crate::sign::KeyIdRule;
use crate::sign::openbao::{
    DEFAULT_CLOCK_SKEW, DEFAULT_TIMEOUT, MAX_CLOCK_SKEW, PathName, Roles, Settings,
};
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The longest `timeout`, in seconds: whoever runs `warden sign` waits for it.
const MAX_TIMEOUT_SECONDS: u64 = 60;

/// An OpenBao server and where the credential for it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// The server.
    pub settings: Settings,
    /// Where the credential is.
    pub credential: CredentialPlace,
}

/// Where a credential is kept. The configuration never holds one itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialPlace {
    /// A token in the environment variable of this name.
    TokenVariable(String),
    /// A token in this file, mode 0600.
    TokenFile(PathBuf),
    /// An AppRole.
    AppRole {
        /// Where AppRole is mounted.
        mount: PathName,
        /// The role id, which is no secret.
        role_id: String,
        /// The file with the secret id, mode 0600; `None` for stdin.
        secret_id_file: Option<PathBuf>,
        /// Whether what is kept there is response-wrapped.
        wrapped: bool,
    },
    /// A JWT of a service, in a file that its platform renews.
    Jwt {
        /// Where the method is mounted.
        mount: PathName,
        /// The role.
        role: String,
        /// The file.
        token_file: PathBuf,
    },
    /// The TLS client certificate.
    TlsCertificate {
        /// Where the method is mounted.
        mount: PathName,
        /// The name of the certificate role.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultTable {
    addr: Spanned<String>,
    mount: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    roles: Option<Spanned<String>>,
    role_map: Option<RoleMap>,
    ca_fingerprint: Option<Spanned<String>>,
    key_id: Option<Spanned<String>>,
    clock_skew: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    ca_cert: Option<Spanned<String>>,
    client_cert: Option<Spanned<String>>,
    proxy: Option<Spanned<String>>,
    dangerous_plain_http: Option<bool>,
    token_env: Option<Spanned<String>>,
    token_file: Option<Spanned<String>>,
    approle: Option<Spanned<AppRoleTable>>,
    jwt: Option<Spanned<JwtTable>>,
    cert: Option<Spanned<CertTable>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RoleMap {
    adm: Option<Spanned<String>>,
    agt: Option<Spanned<String>>,
    atm: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppRoleTable {
    mount: Option<Spanned<String>>,
    role_id: String,
    secret_id_file: Spanned<String>,
    wrapped: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtTable {
    mount: Option<Spanned<String>>,
    role: String,
    token_file: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertTable {
    mount: Option<Spanned<String>>,
    name: String,
}

/// Reads one table.
pub(super) struct Reader<'a> {
    pub(super) source: &'a SourceText,
    pub(super) home: Option<&'a Path>,
}

impl Reader<'_> {
    pub(super) fn vault(&self, table: VaultTable) -> Result<Vault, Problem> {
        let credential = self.credential(&table)?;
        let settings = Settings {
            address: self.address(&table)?,
            mount: self.mount(table.mount.as_ref(), "ssh")?,
            namespace: table
                .namespace
                .as_ref()
                .map(|text| self.mount(Some(text), ""))
                .transpose()?,
            roles: self.roles(&table)?,
            ca_fingerprint: table
                .ca_fingerprint
                .as_ref()
                .map(|text| self.fingerprint(text))
                .transpose()?,
            key_id: self.key_id(table.key_id.as_ref())?,
            clock_skew: self.clock_skew(table.clock_skew.as_ref())?,
            timeout: Duration::from_secs(self.seconds(
                table.timeout.as_ref(),
                DEFAULT_TIMEOUT.as_secs(),
                MAX_TIMEOUT_SECONDS,
            )?),
            tls_ca_file: self.path(table.ca_cert.as_ref())?,
            tls_client_file: self.path(table.client_cert.as_ref())?,
            proxy: table
                .proxy
                .as_ref()
                .map(|text| self.proxy(text))
                .transpose()?,
        };
        Ok(Vault {
            settings,
            credential,
        })
    }

    pub(super) fn path(&self, text: Option<&Spanned<String>>) -> Result<Option<PathBuf>, Problem> {
        text.map(|text| resolve(self.source, text, self.home))
            .transpose()
    }

    fn at(&self, at: Range<usize>, message: impl Into<String>) -> Problem {
        self.source.problem(&at, message)
    }

    fn address(&self, table: &VaultTable) -> Result<Address, Problem> {
        self.address_at(&table.addr, table.dangerous_plain_http.unwrap_or(false))
    }

    pub(super) fn address_at(
        &self,
        text: &Spanned<String>,
        permitted: bool,
    ) -> Result<Address, Problem> {
        Address::parse(text.get_ref(), permitted).map_err(|error| {
            let problem = self.at(text.span(), error.to_string());
            match error {
                AddressError::PlainHttp { .. } => problem.with_hint(
                    "use https; inside a trusted cluster `dangerous_plain_http = true` permits it",
                ),
                _ => problem,
            }
        })
    }

    fn mount(&self, text: Option<&Spanned<String>>, default: &str) -> Result<PathName, Problem> {
        let given = text.map_or(default, |text| text.get_ref());
        PathName::mount(given).ok_or_else(|| {
            let at = text.map_or(0..0, Spanned::span);
            self.at(
                at,
                format!("`{given}` is not a path of letters, digits, `_`, `.` and `-`"),
            )
        })
    }

    fn roles(&self, table: &VaultTable) -> Result<Roles, Problem> {
        let per_type = match table
            .roles
            .as_ref()
            .map(|text| (text.get_ref().as_str(), text.span()))
        {
            None | Some(("per-type", _)) => true,
            Some(("per-actor", at)) => {
                if table.role_map.is_some() {
                    return Err(self.at(
                        at,
                        "`roles = \"per-actor\"` and `role_map` exclude each other",
                    ));
                }
                false
            }
            Some((other, at)) => {
                return Err(self.at(at, format!("`{other}` is neither per-type nor per-actor")));
            }
        };
        if !per_type {
            return Ok(Roles::PerActor);
        }
        let none = RoleMap::default();
        let map = table.role_map.as_ref().unwrap_or(&none);
        let role = |text: &Option<Spanned<String>>, default: &str| {
            let given = text.as_ref().map_or(default, |text| text.get_ref());
            PathName::role(given).ok_or_else(|| {
                let at = text.as_ref().map_or(0..0, Spanned::span);
                self.at(at, format!("`{given}` is not the name of a role"))
            })
        };
        Ok(Roles::PerType {
            adm: role(&map.adm, "adm-role")?,
            agt: role(&map.agt, "agt-role")?,
            atm: role(&map.atm, "atm-role")?,
        })
    }

    fn fingerprint(&self, text: &Spanned<String>) -> Result<Fingerprint, Problem> {
        Fingerprint::parse(text.get_ref()).ok_or_else(|| {
            self.at(text.span(), "not a SHA-256 fingerprint")
                .with_hint("`warden ca pin` prints the line")
        })
    }

    fn key_id(&self, text: Option<&Spanned<String>>) -> Result<KeyIdRule, Problem> {
        match text.map(|text| (text.get_ref().as_str(), text.span())) {
            None | Some(("actor", _)) => Ok(KeyIdRule::Actor),
            Some(("role", _)) => Ok(KeyIdRule::AnyPrintable),
            Some((other, at)) => Err(self.at(at, format!("`{other}` is neither actor nor role"))),
        }
    }

    pub(super) fn seconds(
        &self,
        text: Option<&Spanned<String>>,
        default: u64,
        most: u64,
    ) -> Result<u64, Problem> {
        let Some(text) = text else { return Ok(default) };
        let seconds = Ttl::parse(text.get_ref())
            .map_err(|error| self.at(text.span(), error.to_string()))?
            .seconds();
        if seconds > most {
            return Err(self.at(
                text.span(),
                format!("{seconds} s is over the most allowed here, {most} s"),
            ));
        }
        Ok(seconds)
    }

    /// Unlike any other duration, this one may be zero.
    fn clock_skew(&self, text: Option<&Spanned<String>>) -> Result<u64, Problem> {
        match text.map(|text| Ttl::parse(text.get_ref())) {
            Some(Err(TtlError::Zero)) => Ok(0),
            _ => self.seconds(text, DEFAULT_CLOCK_SKEW, MAX_CLOCK_SKEW),
        }
    }

    fn proxy(&self, text: &Spanned<String>) -> Result<String, Problem> {
        match Address::parse(text.get_ref(), true) {
            Ok(_) => Ok(text.get_ref().clone()),
            Err(error) => Err(self.at(text.span(), error.to_string())),
        }
    }

    fn credential(&self, table: &VaultTable) -> Result<CredentialPlace, Problem> {
        let ways = [
            table.token_env.as_ref().map(Spanned::span),
            table.token_file.as_ref().map(Spanned::span),
            table.approle.as_ref().map(Spanned::span),
            table.jwt.as_ref().map(Spanned::span),
            table.cert.as_ref().map(Spanned::span),
        ];
        if let Some(second) = ways.into_iter().flatten().nth(1) {
            return Err(self.at(second, "more than one credential is configured; keep one of token_env, token_file, approle, jwt, cert"));
        }
        if let Some(file) = &table.token_file {
            return Ok(CredentialPlace::TokenFile(resolve(
                self.source,
                file,
                self.home,
            )?));
        }
        if let Some(approle) = table.approle.as_ref().map(Spanned::get_ref) {
            let secret_id_file = match approle.secret_id_file.get_ref().as_str() {
                "-" => None,
                _ => Some(resolve(self.source, &approle.secret_id_file, self.home)?),
            };
            return Ok(CredentialPlace::AppRole {
                mount: self.mount(approle.mount.as_ref(), "approle")?,
                role_id: approle.role_id.clone(),
                secret_id_file,
                wrapped: approle.wrapped.unwrap_or(false),
            });
        }
        if let Some(jwt) = table.jwt.as_ref().map(Spanned::get_ref) {
            return Ok(CredentialPlace::Jwt {
                mount: self.mount(jwt.mount.as_ref(), "jwt")?,
                role: jwt.role.clone(),
                token_file: resolve(self.source, &jwt.token_file, self.home)?,
            });
        }
        if let Some(cert) = table.cert.as_ref() {
            if table.client_cert.is_none() {
                return Err(problem(
                    self.source,
                    cert,
                    "a login by TLS certificate needs `client_cert`",
                ));
            }
            let cert = cert.get_ref();
            return Ok(CredentialPlace::TlsCertificate {
                mount: self.mount(cert.mount.as_ref(), "cert")?,
                name: cert.name.clone(),
            });
        }
        match &table.token_env {
            Some(name) => Ok(CredentialPlace::TokenVariable(variable_name(
                self.source,
                name,
            )?)),
            None => Ok(CredentialPlace::TokenVariable("VAULT_TOKEN".to_owned())),
        }
    }
}
