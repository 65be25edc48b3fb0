//! What the command takes from its surroundings: the clock, the home directory, variables.
//!
//! - The library sees none of this; here is the only place that looks.
//! - A variable names a file, never a secret of the local CA.

use crate::credential::credential;
use crate::error::CliError;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use warden_core::authorize::Subject;
use warden_core::certificate::{
    CaPublicKey, Fingerprint, MAX_PUBLIC_KEY_BYTES, PublicKey, UnixTime,
};
use warden_core::clock::Clock;
use warden_core::config::{
    Backend, CaKeyPlace, Config, Local, MAX_CONFIG_BYTES, Policy, PolicyMode, Vault,
};
use warden_core::cutover::frozen::FrozenCas;
use warden_core::cutover::pointer::{self, Pointer, PointerError};
use warden_core::diagnostic::SourceText;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::gate::Gating;
use warden_core::gate::flex_auth::FlexAuth;
use warden_core::inventory::InventoryPath;
use warden_core::sign::SigningBackend;
use warden_core::sign::local::{CaKeyError, CaKeyFile, LocalCa};
use warden_core::sign::openbao::{self, OpenBao};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 gives 1970, in which every actor's certificate has long ended.
        UnixTime(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

/// No certificate is asked of this version before it was written: a clock that says so is not set.
const EARLIEST: UnixTime = UnixTime(1_767_225_600);

/// A machine that lost its clock would make certificates that are valid at another time.
pub(crate) fn refuse_unset_clock() -> Result<(), CliError> {
    let now = SystemClock.now();
    if now >= EARLIEST {
        return Ok(());
    }
    Err(CliError::new(
        Class::Failed,
        "clock_not_set",
        format!("the system's clock says {now}; expected {EARLIEST} or later"),
    )
    .hint("set the clock, or wait until it is synchronised"))
}

/// Core dumps off, and no other process of this user may look into this one's memory.
pub(crate) fn keep_secrets_out_of_core_dumps() -> Result<(), CliError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| {
            rustix::process::setrlimit(
                Resource::Core,
                Rlimit {
                    current: Some(0),
                    maximum: Some(0),
                },
            )
        })
        .map_err(|error| {
            CliError::new(
                Class::Failed,
                "core_dumps_on",
                "core dumps cannot be switched off",
            )
            .cause(error.to_string())
        })
}

/// A setuid binary would read the inventory and the key of one user at the wish of another.
pub(crate) fn refuse_setuid() -> Result<(), CliError> {
    if rustix::process::getuid() == rustix::process::geteuid()
        && rustix::process::getgid() == rustix::process::getegid()
    {
        return Ok(());
    }
    Err(CliError::new(
        Class::Malformed,
        "setuid_refused",
        "warden does not run setuid or setgid",
    )
    .hint("take the bit off: chmod ug-s \"$(command -v warden)\""))
}

/// What the configuration and the surroundings say together.
pub(crate) struct Setup {
    config: Config,
    text: String,
    /// The configuration file.
    pub(crate) config_path: PathBuf,
    /// The inventory.
    pub(crate) inventory: InventoryPath,
    /// Where the journal and the stored certificates are.
    pub(crate) state_dir: PathBuf,
}

impl Setup {
    /// Finds and reads the configuration.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, CliError> {
        let path = find_config(named)?;
        let text = file::read_text(&path, MAX_CONFIG_BYTES, Links::Follow).map_err(|error| {
            CliError::from(error)
                .hint("name another with --config, or begin with `warden quickstart DIR`")
        })?;
        Self::of(path, text)
    }

    /// What a configuration of this text would say at this place.
    fn of(path: PathBuf, text: String) -> Result<Self, CliError> {
        let source = SourceText::new(&path, text.clone());
        let config = Config::from_toml(&source, home().as_deref()).map_err(|problem| {
            CliError::from_problems("config_malformed", std::slice::from_ref(&problem))
        })?;
        let state_dir = match &config.state_dir {
            Some(path) => path.clone(),
            None => user_directory("XDG_STATE_HOME", ".local/state")
                .ok_or_else(|| no_home("state_dir"))?
                .join("warden"),
        };
        let inventory = InventoryPath::new(&config.inventory_path);
        Ok(Self {
            config,
            text,
            config_path: path,
            inventory,
            state_dir,
        })
    }

    /// Whether the CA's key is on this machine.
    pub(crate) fn signs_locally(&self) -> bool {
        !matches!(self.config.backend, Backend::Vault)
    }

    /// Who signs by this configuration.
    pub(crate) fn pointer(&self) -> Result<Pointer, CliError> {
        Ok(Pointer::of(&self.text)?)
    }

    /// The same with another pointer; nothing is written.
    pub(crate) fn pointing_at(&self, pointer: &Pointer) -> Result<Self, CliError> {
        Self::of(self.config_path.clone(), pointer.put_into(&self.text)?)
    }

    /// Writes the pointer into the configuration file, and everything else of it as it was.
    pub(crate) fn write_pointer(&self, pointer: &Pointer) -> Result<(), PointerError> {
        let text = pointer.put_into(&self.text)?;
        let home = home();
        pointer::write(
            &self.config_path,
            &self.text,
            &text,
            pointer,
            home.as_deref(),
        )
    }

    /// Takes back what [`Setup::write_pointer`] wrote with this pointer: the very text of before.
    pub(crate) fn restore_pointer(&self, written: &Pointer) -> Result<(), PointerError> {
        let (text, before) = (written.put_into(&self.text)?, Pointer::of(&self.text)?);
        let home = home();
        pointer::write(
            &self.config_path,
            &text,
            &self.text,
            &before,
            home.as_deref(),
        )
    }

    /// Which backend signs.
    pub(crate) fn backend_kind(&self) -> Backend {
        self.config.backend
    }

    /// What signs, also if a cutover has frozen it: for a trial.
    pub(crate) fn unguarded_backend(&self) -> Result<Box<dyn SigningBackend>, CliError> {
        Ok(match self.config.backend {
            Backend::Vault => Box::new(self.engine()?),
            _ => Box::new(self.local_ca()?),
        })
    }

    /// What signs.
    pub(crate) fn backend(&self) -> Result<Box<dyn SigningBackend>, CliError> {
        let frozen = FrozenCas::read(&self.state_dir)?;
        Ok(frozen.guard(self.unguarded_backend()?))
    }

    /// The engine, whether or not it is what signs.
    pub(crate) fn engine(&self) -> Result<OpenBao, CliError> {
        let vault = self.vault()?;
        Ok(OpenBao::new(
            vault.settings.clone(),
            credential(&vault.credential)?,
        ))
    }

    /// The local CA, whether or not it is what signs.
    pub(crate) fn local_ca(&self) -> Result<LocalCa, CliError> {
        let ca = LocalCa::new(self.ca_key_file()?);
        let of_hosts = match self.config.host_ca.ca_key {
            Some(_) => fingerprint_of(&self.host_ca_key_file()?)?,
            None => None,
        };
        Ok(ca.apart_from(of_hosts))
    }

    /// What signs host certificates.
    pub(crate) fn host_backend(&self) -> Result<Box<dyn SigningBackend>, CliError> {
        let ca = LocalCa::for_hosts(self.host_ca_key_file()?);
        let vault = self.config.vault.as_ref();
        let pinned = vault.and_then(|vault| vault.settings.ca_fingerprint.clone());
        // Of a cutover to or from the engine, too: both of its CAs are for users.
        let local = match self.config.local.ca_key {
            Some(_) => fingerprint_of(&self.ca_key_file()?)?,
            None => None,
        };
        Ok(Box::new(ca.apart_from(pinned.into_iter().chain(local))))
    }

    /// The key file of the CA for hosts.
    pub(crate) fn host_ca_key_file(&self) -> Result<CaKeyFile, CliError> {
        let Some(CaKeyPlace::Path(path)) = &self.config.host_ca.ca_key else {
            let message = "the configuration names no CA key for hosts";
            return Err(
                CliError::new(Class::Malformed, "host_ca_not_configured", message).hint(format!(
                    "name a file as `host_ca_key` in {}, then `warden ca init --host` makes it",
                    self.config_path.display()
                )),
            );
        };
        Ok(CaKeyFile {
            path: path.clone(),
            passphrase_file: self.config.host_ca.ca_passphrase_file.clone(),
        })
    }

    /// Whether a policy gate is asked, and how.
    pub(crate) fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// The policy gate; nothing is sent or built before it is asked.
    pub(crate) fn gate(&self) -> FlexAuth {
        FlexAuth::new(self.config.policy.settings.clone())
    }

    /// What the gate's answer is worth.
    pub(crate) fn gating<'a>(&self, gate: &'a FlexAuth) -> Gating<'a> {
        let fail_closed = self.config.policy.fail_closed;
        match self.config.policy.mode {
            PolicyMode::Off => Gating::Off,
            PolicyMode::Shadow => Gating::Shadow(gate),
            PolicyMode::Enforce => Gating::Enforce { gate, fail_closed },
        }
    }

    /// Whom the gate is to judge instead of the actor, if the surroundings name somebody.
    pub(crate) fn subject(&self) -> Result<Option<Subject>, CliError> {
        let name = &self.config.policy.subject_variable;
        match std::env::var_os(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => match value.to_str().and_then(Subject::new) {
                Some(subject) => Ok(Some(subject)),
                None => Err(CliError::new(Class::Malformed, "subject_malformed", format!("the variable {name} names no subject"))
                    .hint("a subject is 1 to 256 printable characters without a blank, such as iam:agt-state-hub-bridge")),
            },
        }
    }

    /// The OpenBao or Vault server.
    pub(crate) fn vault(&self) -> Result<&Vault, CliError> {
        self.config.vault.as_ref().ok_or_else(|| {
            CliError::new(
                Class::Malformed,
                "vault_not_configured",
                "the configuration has no [vault] table",
            )
            .hint(format!(
                "add [vault] with at least `addr` to {}",
                self.config_path.display()
            ))
        })
    }

    /// Where the configuration says that the local CA's key file is.
    pub(crate) fn ca_key_place(&self) -> Option<&CaKeyPlace> {
        self.config.local.ca_key.as_ref()
    }

    /// The public key of the CA that signs.
    pub(crate) fn ca_public_key(&self) -> Result<CaPublicKey, CliError> {
        if self.config.backend != Backend::Vault {
            return Ok(self.ca_key_file()?.open()?.public().clone());
        }
        let settings = &self.vault()?.settings;
        let key = openbao::public_key(settings)?;
        match &settings.ca_fingerprint {
            Some(pinned) if pinned == key.fingerprint() => Ok(key),
            pinned => {
                let pinned = pinned.as_ref().map_or("none", |pinned| pinned.as_str());
                let message = format!(
                    "the engine has the CA key {}; pinned: {pinned}",
                    key.fingerprint()
                );
                Err(CliError::new(Class::Untrusted, "ca_mismatch", message)
                    .hint("name the file with the CA's public key instead"))
            }
        }
    }

    /// The local CA's key file.
    pub(crate) fn ca_key_file(&self) -> Result<CaKeyFile, CliError> {
        let not_named = |message: String| {
            let hint = format!(
                "name the file as `ca_key` in {}",
                self.config_path.display()
            );
            Err(CliError::new(Class::Malformed, "ca_key_not_configured", message).hint(hint))
        };
        let Local {
            ca_key,
            ca_passphrase_file,
        } = &self.config.local;
        let path = match ca_key {
            Some(CaKeyPlace::Path(path)) => path.clone(),
            Some(CaKeyPlace::Variable(name)) => {
                match std::env::var_os(name).filter(|value| !value.is_empty()) {
                    Some(path) => PathBuf::from(path),
                    None => {
                        return not_named(format!(
                            "`ca_key_env` names the variable {name}, which is not set"
                        ));
                    }
                }
            }
            None => return not_named("the configuration names no CA key".to_owned()),
        };
        Ok(CaKeyFile {
            path,
            passphrase_file: ca_passphrase_file.clone(),
        })
    }
}

/// The fingerprint of a CA key that is not to sign now: of the `.pub` beside it, which is enough for
/// whoever may not read the key, else of the key itself. `None` if there is no such key yet.
fn fingerprint_of(key_file: &CaKeyFile) -> Result<Option<Fingerprint>, CliError> {
    let (key, public) = (key_file.path.display(), key_file.public_path());
    let unknown = |cause: String| {
        let message = format!("it is not known whether CA key {key} is the one that is to sign");
        CliError::new(Class::Malformed, "other_ca_unknown", message)
            .cause(cause)
            .hint(format!(
                "users and hosts have a CA each; as the user who may read this key: ssh-keygen -y -f {key} > {}",
                public.display()
            ))
    };
    match file::read_bounded(&public, MAX_PUBLIC_KEY_BYTES, Links::Follow) {
        Ok(content) => {
            let found = PublicKey::from_openssh(&content).map_err(|error| {
                unknown(format!("{} is no public key: {error}", public.display()))
            })?;
            return Ok(Some(found.fingerprint().clone()));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(unknown(error.to_string())),
    }
    match key_file.open() {
        Ok(key) => Ok(Some(key.public().fingerprint().clone())),
        Err(CaKeyError::File(error)) if error.is_not_found() => Ok(None),
        Err(error) => Err(unknown(
            error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string),
        )),
    }
}

/// `--config`, else `WARDEN_CONFIG`, else the user's own.
fn find_config(named: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("WARDEN_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let directory =
        user_directory("XDG_CONFIG_HOME", ".config").ok_or_else(|| no_home("the configuration"))?;
    Ok(directory.join("warden").join("warden.toml"))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
}

/// A directory of the XDG base directories: the variable if it is absolute, else under the home.
fn user_directory(variable: &str, under_home: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    set.or_else(|| home().map(|home| home.join(under_home)))
}

fn no_home(what: &str) -> CliError {
    CliError::new(
        Class::Malformed,
        "home_not_set",
        format!("HOME is not set, so {what} cannot be found"),
    )
    .hint("name the configuration with --config FILE, and `state_dir` in it")
}
