pub(crate) use check::{
    KeyFileArgs, finish, inspected, parsed_fingerprint, parsed_owner, running, shown,
};

mod check;

use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use warden_core::failure::Class;
use warden_core::file;
use warden_core::sign::local::{CaKey, CaKeyFile, KeyKind, generate_ca_key};
use warden_core::sign::openbao;

/// Make, show and check the local CA's key
#[derive(Args)]
pub(crate) struct Ca {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Subcommand)]
enum CaCommand {
    /// Make a CA key where the configuration names one; never over anything that exists
    ///
    /// With `ca_passphrase_file` in the configuration the key is encrypted.
    Init {
        /// ed25519, ecdsa-p256, ecdsa-p384, ecdsa-p521, rsa-3072 or rsa-4096
        #[arg(long = "type", value_name = "TYPE", default_value = "ed25519")]
        kind: String,

        /// The CA for hosts, `host_ca_key`
        #[arg(long)]
        host: bool,
    },
    /// Print the CA's public key, which hosts trust
    Show {
        /// The CA for hosts, which clients trust
        #[arg(long)]
        host: bool,
    },
    /// Print the line that pins the CA key of the OpenBao engine
    ///
    /// The engine gives its key to anybody, without a token. Compare the fingerprint with one you
    /// know before you put the line into the configuration.
    Pin,
    /// Judge the CA key file: its mode, owner, links, the directories above it, and the key itself
    ///
    /// With any option every rule is one line; with --service none has an exception, and the key is
    /// judged as the service sees it too. Nothing is changed.
    Check(KeyFileArgs),
}

impl Ca {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        if let CaCommand::Check(args) = &self.command
            && args.is_any()
        {
            let checks = args.judge(config)?;
            return finish(&checks, "preflight_failed", "the CA key file is not ready");
        }
        let setup = Setup::load(config)?;
        if let CaCommand::Pin = self.command {
            return pin(&setup);
        }
        let host = matches!(
            self.command,
            CaCommand::Init { host: true, .. } | CaCommand::Show { host: true }
        );
        let key_file = match host {
            true => setup.host_ca_key_file()?,
            false => setup.ca_key_file()?,
        };
        match self.command {
            CaCommand::Init { kind, .. } => init(&key_file, &kind),
            CaCommand::Show { .. } | CaCommand::Pin => {
                let key = key_file.open()?;
                Ok(Report {
                    text: format!("{}\n", public_line(&key)),
                    json: to_json(&key, &key_file),
                    ..Report::default()
                })
            }
            CaCommand::Check(_) => {
                let key = key_file
                    .open()
                    .map_err(|error| CliError::from(error).with_class(Class::Failed))?;
                let public = key.public().key();
                let text = format!(
                    "CA key {} can be used: {} {}\n",
                    key_file.path.display(),
                    public.key_type(),
                    public.fingerprint()
                );
                Ok(Report {
                    text,
                    json: to_json(&key, &key_file),
                    ..Report::default()
                })
            }
        }
    }
}

fn pin(setup: &Setup) -> Result<Report, CliError> {
    let vault = setup.vault()?;
    let key = openbao::public_key(&vault.settings)?;
    let line = format!("ca_fingerprint = \"{}\"", key.fingerprint());
    let json = json!({
        "public_key": key.key().to_openssh(),
        "ca_fingerprint": key.fingerprint().as_str(),
        "pinned": vault.settings.ca_fingerprint.as_ref().map(|pinned| pinned.as_str()),
    });
    let state = match &vault.settings.ca_fingerprint {
        Some(pinned) if pinned == key.fingerprint() => {
            "this is the key that is pinned already".to_owned()
        }
        Some(pinned) => format!("the configuration pins another key, {pinned}"),
        None => format!(
            "compare it with a key you know, then put the line under [vault] in {}",
            setup.config_path.display()
        ),
    };
    let notes = vec![
        format!(
            "the engine at {} has the CA key {}",
            vault.settings.address.as_str(),
            key.key().to_openssh()
        ),
        state,
    ];
    Ok(Report {
        text: format!("{line}\n"),
        json,
        notes,
    })
}

fn init(key_file: &CaKeyFile, kind: &str) -> Result<Report, CliError> {
    let kind = KeyKind::parse(kind).ok_or_else(|| {
        let names = KeyKind::ALL.map(KeyKind::as_str).join(", ");
        CliError::new(
            Class::Malformed,
            "key_type_unknown",
            format!("`{kind}` is not a type of key"),
        )
        .hint(format!("one of {names}"))
    })?;
    let passphrase = match &key_file.passphrase_file {
        Some(path) => Some(file::read_secret(path, 4096)?),
        None => None,
    };
    let passphrase = passphrase
        .as_ref()
        .map(|secret| secret.strip_suffix(b"\n").unwrap_or(secret.as_slice()));
    if passphrase.is_some_and(<[u8]>::is_empty) {
        return Err(CliError::new(
            Class::Malformed,
            "passphrase_empty",
            "the passphrase file is empty",
        ));
    }
    generate_ca_key(&key_file.path, kind, passphrase)?;
    let key = key_file.open()?;
    let notes = vec![format!(
        "made {} and {}.pub",
        key_file.path.display(),
        key_file.path.display()
    )];
    Ok(Report {
        text: format!("{}\n", public_line(&key)),
        json: to_json(&key, key_file),
        notes,
    })
}

fn public_line(key: &CaKey) -> String {
    format!("{} warden CA", key.public().key().to_openssh())
}

fn to_json(key: &CaKey, key_file: &CaKeyFile) -> serde_json::Value {
    json!({
        "path": key_file.path.display().to_string(),
        "type": key.public().key().key_type(),
        "public_key": key.public().key().to_openssh(),
        "ca_fingerprint": key.public().fingerprint().as_str(),
    })
}
