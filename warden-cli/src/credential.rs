//! Fetches the credential for OpenBao from where the configuration says it is kept.
//!
//! - From a variable, a file of mode 0600, or stdin; never from an argument.
//! - No error repeats any of it.

use crate::error::CliError;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use warden_core::config::CredentialPlace;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::secret::Secret;
use warden_core::sign::openbao::Credential;
use zeroize::Zeroizing;

/// The largest secret, in bytes. A JWT with many claims takes a few KiB.
const MAX_SECRET_BYTES: usize = 32 * 1024;

/// The credential itself.
pub(crate) fn credential(place: &CredentialPlace) -> Result<Credential, CliError> {
    Ok(match place {
        CredentialPlace::TokenVariable(name) => Credential::Token(from_variable(name)?),
        CredentialPlace::TokenFile(path) => Credential::Token(from_file(path)?),
        CredentialPlace::AppRole {
            mount,
            role_id,
            secret_id_file,
            wrapped,
        } => Credential::AppRole {
            mount: mount.clone(),
            role_id: role_id.clone(),
            secret_id: match secret_id_file {
                Some(path) => from_file(path)?,
                None => from_stdin()?,
            },
            wrapped: *wrapped,
        },
        CredentialPlace::Jwt {
            mount,
            role,
            token_file,
        } => {
            // The platform that renews it decides about its mode, and often serves it through a link.
            let content = Zeroizing::new(file::read_bounded(
                token_file,
                MAX_SECRET_BYTES,
                Links::Follow,
            )?);
            let jwt =
                Secret::new(content).ok_or_else(|| unusable(&token_file.display().to_string()))?;
            Credential::Jwt {
                mount: mount.clone(),
                role: role.clone(),
                jwt,
            }
        }
        CredentialPlace::TlsCertificate { mount, name } => Credential::TlsCertificate {
            mount: mount.clone(),
            name: name.clone(),
        },
        _ => return Err(unusable("the configured place")),
    })
}

fn from_variable(name: &str) -> Result<Secret, CliError> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else {
        let message = format!("Vault token not found: the variable {name} is not set");
        return Err(CliError::new(Class::Untrusted, "token_missing", message)
            .hint("run this through whatever hands out the token, or configure `token_file` or a login such as [vault.approle]"));
    };
    Secret::new(Zeroizing::new(value.into_vec()))
        .ok_or_else(|| unusable(&format!("the variable {name}")))
}

fn from_file(path: &Path) -> Result<Secret, CliError> {
    let content =
        file::read_secret(path, MAX_SECRET_BYTES).map_err(|error| match error.is_not_found() {
            true => CliError::new(
                Class::Untrusted,
                "token_missing",
                "Vault token not found: the file with the secret is not there",
            )
            .cause(error.to_string())
            .hint("put it there with mode 0600, or correct the path in the configuration"),
            false => error.into(),
        })?;
    Secret::new(content).ok_or_else(|| unusable(&path.display().to_string()))
}

fn from_stdin() -> Result<Secret, CliError> {
    if std::io::stdin().is_terminal() {
        let message =
            "the secret is to come from stdin, and stdin is a terminal; warden never prompts";
        return Err(CliError::new(Class::Malformed, "secret_unusable", message)
            .hint("pipe it in, or name a file as `secret_id_file`"));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    std::io::stdin()
        .take(MAX_SECRET_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| {
            CliError::new(
                Class::Malformed,
                "secret_not_readable",
                "stdin cannot be read",
            )
            .cause(error.to_string())
        })?;
    Secret::new(content).ok_or_else(|| unusable("stdin"))
}

fn unusable(place: &str) -> CliError {
    CliError::new(
        Class::Malformed,
        "secret_unusable",
        format!("{place} holds no secret: one word of printable characters is expected"),
    )
}
