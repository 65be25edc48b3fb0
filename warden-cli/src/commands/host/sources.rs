//! What both commands need: the host, whose certificates it trusts, and how its files are to look.

use crate::commands::grants::known_host;
use crate::commands::inventory::problems;
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::sshd::{Trial, Verdict};
use crate::typed::{address, host_name};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::clock::Clock;
use warden_core::diagnostic::SourceText;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::host::ca_keys::{CaKeys, MAX_CA_KEYS_BYTES};
use warden_core::host::check::{Finding, configuration, lines};
use warden_core::host::krl::Krl;
use warden_core::host::render::{HostCertificate, Prefix, Rendering, SSHD_CONFIG, Sources};
use warden_core::host::sshd_config::{MAIN, Tree};
use warden_core::host::tree::{MAX_FILE_BYTES, TreeError};
use warden_core::inventory::{Fleet, Host, HostName};
use warden_core::revocation;

/// The largest host certificate, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;

/// The clients sshd is asked about: one on the host itself, and one that is nowhere.
const ADDRESSES: [&str; 2] = ["127.0.0.1", "192.0.2.1"];

/// How the files of a host are to look
#[derive(Args)]
pub(super) struct Form {
    /// The host, as inventory/hosts/HOST.toml names it
    pub(super) host: String,

    /// The CA keys that certify users, instead of inventory/trust/user-ca.pub
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The KRL
    #[arg(long, value_name = "FILE")]
    krl: Option<PathBuf>,

    /// The host's own certificate
    #[arg(long, value_name = "FILE")]
    host_certificate: Option<PathBuf>,

    /// Shut every other way of logging in: keys in home directories, passwords
    #[arg(long)]
    certificates_only: bool,

    /// What paths on the host begin with
    #[arg(long, value_name = "PATH", default_value = "/")]
    prefix: String,

    /// Ask sshd about clients from this address too; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    from: Vec<String>,

    /// The sshd to ask
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/sshd")]
    sshd: PathBuf,
}

/// Everything read.
pub(super) struct Material {
    pub(super) fleet: Fleet,
    pub(super) name: HostName,
    pub(super) prefix: Prefix,
    user_cas: CaKeys,
    host_cas: Option<CaKeys>,
    krl: Option<Vec<u8>>,
    /// How much is revoked in the state directory.
    revoked: usize,
    host_certificate: Option<HostCertificate>,
    pub(super) certificates_only: bool,
    addresses: Vec<String>,
    sshd: PathBuf,
}

/// What came of asking sshd.
pub(super) struct Proof {
    pub(super) findings: Vec<Finding>,
    pub(super) refused: Option<String>,
    /// Why no sshd was asked.
    pub(super) not_asked: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) json: serde_json::Value,
}

impl Form {
    /// Reads the inventory alone, for whoever compares nothing but principals.
    pub(super) fn read_inventory(
        &self,
        config: Option<&Path>,
    ) -> Result<(Setup, Fleet, HostName), CliError> {
        let name = host_name(&self.host)?;
        let setup = Setup::load(config)?;
        let fleet = setup.inventory.fleet().map_err(problems)?;
        known_host(&fleet, &name)?;
        Ok((setup, fleet, name))
    }

    /// Reads everything; the command line is judged first.
    pub(super) fn read(self, config: Option<&Path>) -> Result<Material, CliError> {
        let prefix = Prefix::new(&self.prefix)?;
        let addresses = addresses(&self.from)?;
        let (setup, fleet, name) = self.read_inventory(config)?;
        let host = known_host(&fleet, &name)?;
        let trust = setup.inventory.path().join("trust");
        let user_ca_file = match &self.ca {
            Some(named) => named.clone(),
            None => trust.join("user-ca.pub"),
        };
        let user_cas = match ca_keys(&user_ca_file)? {
            Some(keys) => keys,
            None => own_ca(&setup, &user_ca_file, self.ca.is_some())?,
        };
        let host_ca_file = trust.join("host-ca.pub");
        let host_cas = ca_keys(&host_ca_file)?;
        if let Some((user, host)) = host_cas
            .as_ref()
            .and_then(|keys| user_cas.shared_with(keys))
        {
            let message = format!(
                "one CA key certifies users, at line {user} of {}, and hosts, at {}:{host}",
                user_ca_file.display(),
                host_ca_file.display()
            );
            return Err(
                CliError::new(Class::Malformed, "ca_key_shared", message).hint(
                    "make a CA key of its own for hosts, and keep the key in one of the two files",
                ),
            );
        }
        let krl = self.krl.as_deref().map(krl).transpose()?;
        let host_certificate = match &self.host_certificate {
            Some(path) => {
                let line = file::read_bounded(path, MAX_CERTIFICATE_BYTES, Links::Follow)?;
                let now = SystemClock.now();
                Some(HostCertificate::read(&line, host, host_cas.as_ref(), now)?)
            }
            None => None,
        };
        Ok(Material {
            fleet,
            name,
            prefix,
            user_cas,
            host_cas,
            krl,
            revoked: revocation::load(&setup.state_dir)?.items().count(),
            host_certificate,
            certificates_only: self.certificates_only,
            addresses,
            sshd: self.sshd,
        })
    }
}

impl Material {
    pub(super) fn host(&self) -> Result<&Host, CliError> {
        known_host(&self.fleet, &self.name)
    }

    /// What the host's files are made of.
    pub(super) fn sources<'a>(&'a self, host: &'a Host) -> Sources<'a> {
        Sources {
            host,
            user_cas: &self.user_cas,
            host_cas: self.host_cas.as_ref(),
            krl: self.krl.as_deref(),
            host_certificate: self.host_certificate.as_ref(),
            prefix: &self.prefix,
            certificates_only: self.certificates_only,
        }
    }

    /// Asks sshd about the configuration below `root`, where `overlay` are files about to be written.
    pub(super) fn prove(
        &self,
        rendering: &Rendering<'_>,
        root: &Path,
        overlay: &[(&str, &[u8])],
    ) -> Result<Proof, CliError> {
        let host = self.host()?;
        let tree = Tree {
            root,
            prefix: &self.prefix,
            overlay,
        };
        let trial = Trial::prepare(&tree, &self.sshd)?;
        let lanes = host.lanes();
        let accounts: Vec<_> = lanes.keys().copied().collect();
        let mut proof = Proof {
            findings: Vec::new(),
            refused: None,
            not_asked: None,
            notes: Vec::new(),
            json: json!({"asked": false}),
        };
        if self.krl.is_none() && self.revoked > 0 {
            proof.notes.push(format!(
                "note: without --krl none of the {} things revoked here is refused by the host; `warden krl build --out FILE` makes the list",
                self.revoked
            ));
        }
        if !root.join(MAIN).exists() {
            proof.notes.push(format!(
                "note: {} is not there, so {SSHD_CONFIG} was judged alone",
                root.join(MAIN).display()
            ));
        }
        match trial.ask(&accounts, &self.addresses)? {
            Verdict::NotAsked(why) => {
                proof.notes.push(format!(
                    "note: no sshd was asked: {why}; lines were judged by themselves, without sshd's defaults"
                ));
                proof.json = json!({"asked": false, "why": &why});
                proof.not_asked = Some(why);
                proof.findings = lines(rendering, host, &self.user_cas, &trial.files);
            }
            Verdict::Refused(said) => {
                proof.json = json!({"asked": true, "starts": false, "said": &said});
                proof.refused = Some(said);
            }
            Verdict::InEffect(probes) => {
                proof.findings =
                    configuration(rendering, host, &self.user_cas, &trial.files, &probes);
                let (accounts, addresses) = (accounts.len(), &self.addresses);
                proof.json = json!({"asked": true, "starts": true, "accounts": accounts, "addresses": addresses});
            }
        }
        Ok(proof)
    }
}

fn addresses(more: &[String]) -> Result<Vec<String>, CliError> {
    let mut all: Vec<_> = ADDRESSES.map(str::to_owned).into();
    for text in more {
        all.push(address(text)?.to_string());
    }
    Ok(all)
}

/// The CA keys in a file, or nothing if there is none.
fn ca_keys(path: &Path) -> Result<Option<CaKeys>, CliError> {
    let text = match file::read_text(path, MAX_CA_KEYS_BYTES, Links::Follow) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    CaKeys::read(&SourceText::new(path, text))
        .map(Some)
        .map_err(|problem| {
            CliError::from_problems("ca_keys_malformed", std::slice::from_ref(&problem))
        })
}

/// The public half of the local CA's key, where no file says whom hosts trust. The private half is
/// never read for this.
fn own_ca(setup: &Setup, looked_at: &Path, named: bool) -> Result<CaKeys, CliError> {
    let missing = |message: String| {
        CliError::new(Class::Malformed, "user_ca_missing", message)
            .hint("for a local CA: warden ca show > inventory/trust/user-ca.pub")
            .hint("for OpenBao: `warden ca pin` prints the engine's key")
    };
    let looked_at = looked_at.display();
    if named {
        return Err(missing(format!("{looked_at} is not there")));
    }
    if !setup.signs_locally() {
        let message = format!("{looked_at} is not there, and the CA's key is elsewhere");
        return Err(missing(message));
    }
    let mut public = setup.ca_key_file()?.path.into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    ca_keys(&public)?.ok_or_else(|| {
        let public = public.display();
        missing(format!("neither {looked_at} nor {public} is there"))
    })
}

fn krl(path: &Path) -> Result<Vec<u8>, CliError> {
    let krl = file::read_bounded(path, MAX_FILE_BYTES, Links::Follow)?;
    Krl::parse(&krl).map_err(|error| {
        let malformed = TreeError::KrlMalformed {
            path: path.to_owned(),
        };
        CliError::from(malformed).cause(error.to_string())
    })?;
    Ok(krl)
}
