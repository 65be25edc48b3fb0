use crate::error::CliError;
use crate::output::Report;
use crate::sshd::{Trial, Verdict};
use crate::typed::{account_name, address, moment};
use clap::Args;
use serde_json::json;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use warden_core::certificate::Parsed;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::host::login::{
    AccountRules, Admission, Attempt, Explanation, HostFile, HostView, Outcome, PasswdEntry,
    explain, guards, stands_in_place,
};
use warden_core::host::render::Prefix;
use warden_core::host::sshd_config::{ConfigFiles, Effective, Tree};
use warden_core::inventory::AccountName;

/// The largest certificate that is looked at, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 256 * 1024;

/// The largest file of a host, in bytes: as large as any KRL that OpenSSH reads.
const MAX_HOST_FILE_BYTES: usize = 128 * 1024 * 1024;

/// The largest `passwd` of a host, in bytes.
const MAX_PASSWD_BYTES: usize = 16 * 1024 * 1024;

/// Say whether a host lets a certificate in, and which of sshd's rules refuses it first
///
/// Walks sshd's own rules in sshd's own order over the files of a host: rendered, copied, or the
/// host's own with `/`. Ends with 0 if every rule holds, with 1 if one refuses or cannot be told.
/// Nobody is logged in, and nothing is changed.
#[derive(Args)]
pub(crate) struct ExplainLogin {
    /// The certificate
    certificate: PathBuf,

    /// The account, and the directory that is the root of the host
    #[arg(value_name = "ACCOUNT@HOST_DIR")]
    login: String,

    /// Where the login comes from
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,

    /// The moment by the host's clock: 2027-01-01, or RFC 3339 [default: now]
    #[arg(long, value_name = "DATE", allow_hyphen_values = true)]
    at: Option<String>,

    /// What paths on the host begin with
    #[arg(long, value_name = "PATH", default_value = "/")]
    prefix: String,

    /// The sshd to ask what the configuration means
    #[arg(long, value_name = "FILE", default_value = "/usr/sbin/sshd")]
    sshd: PathBuf,
}

impl ExplainLogin {
    pub(crate) fn run(self) -> Result<Report, CliError> {
        let malformed = |reason, message: String| CliError::new(Class::Malformed, reason, message);
        let (account, root) = self.login.split_once('@').ok_or_else(|| {
            let message = format!("`{}` names no account", self.login);
            malformed("login_malformed", message).hint("write ACCOUNT@HOST_DIR, such as deploy@/")
        })?;
        let account = account_name(account)?;
        let root = Path::new(root);
        if !root.is_dir() {
            let message = format!("{} is no directory", root.display());
            return Err(malformed("path_malformed", message));
        }
        let from = self.from.as_deref().map(address).transpose()?;
        let now = moment(self.at.as_deref())?;
        let prefix = Prefix::new(&self.prefix)?;
        let line = file::read_bounded(&self.certificate, MAX_CERTIFICATE_BYTES, Links::Follow)?;
        let certificate = Parsed::from_line(&line)?;
        // A SHA-1 signature is not even verified here; sshd refuses it by its algorithm, and that is said.
        if certificate.signature_algorithm() != "ssh-rsa" {
            certificate.verify()?;
        }
        let host = Host {
            root,
            prefix: &prefix,
            account: &account,
        };
        let (view, notes) = host.view(&self.sshd, from)?;
        let attempt = Attempt {
            account: account.as_str(),
            from,
            now,
        };
        report(&explain(&certificate, &view, &attempt), &self.login, notes)
    }
}

/// The files of a host, and whom it is asked about.
struct Host<'a> {
    root: &'a Path,
    prefix: &'a Prefix,
    account: &'a AccountName,
}

impl Host<'_> {
    /// What the host's configuration says, with what could not be asked.
    fn view(&self, sshd: &Path, from: Option<IpAddr>) -> Result<(HostView, Vec<String>), CliError> {
        let tree = Tree {
            root: self.root,
            prefix: self.prefix,
            overlay: &[],
        };
        let trial = Trial::prepare(&tree, sshd)?;
        let address = from.map_or_else(|| "127.0.0.1".to_owned(), |one| one.to_string());
        let unread = trial.files.unread().next().map(|(file, unread)| {
            format!(
                "{}:{}: `Include {}` was not followed: {}",
                file.path, unread.line, unread.named, unread.why
            )
        });
        match trial.ask(&[self.account], &[address])? {
            Verdict::InEffect(probes) => {
                let effective = probes.into_iter().next().map(|probe| probe.effective);
                let effective = effective.unwrap_or_else(|| Effective::read(""));
                let all = |keyword: &str| effective.values(keyword).to_vec();
                let mut view = self.files(&all)?;
                let list = |keyword: &str| {
                    let value = effective.values(keyword).first()?;
                    Some(value.split(',').map(str::to_owned).collect())
                };
                view.ca_algorithms = list("CASignatureAlgorithms");
                view.key_algorithms = list("PubkeyAcceptedAlgorithms");
                view.not_known = unread;
                Ok((view, Vec::new()))
            }
            Verdict::NotAsked(why) => {
                let all = |keyword: &str| set_for_all(&trial.files, keyword);
                let notes = vec![format!(
                    "note: no sshd was asked ({why}): `Match` blocks and defaults are not known"
                )];
                let mut view = self.files(&all)?;
                let why = "no sshd was asked: `Match` blocks and defaults are not known";
                view.not_known = Some(unread.unwrap_or_else(|| why.to_owned()));
                Ok((view, notes))
            }
            Verdict::Refused(said) => Err(CliError::new(
                Class::Failed,
                "sshd_refuses",
                "sshd would not start with this configuration",
            )
            .cause(said)),
        }
    }

    /// Reads what the configuration names; `set` gives the values of a keyword.
    fn files(&self, set: &dyn Fn(&str) -> Vec<String>) -> Result<HostView, CliError> {
        let one = |keyword: &str| set(keyword).into_iter().next();
        let named = |keyword: &str| one(keyword).filter(|value| value != "none");
        let words = |keyword: &str| -> Vec<String> {
            let values = set(keyword).into_iter();
            let words = values.flat_map(|value| {
                let words = value.split_whitespace().map(str::to_owned);
                words.collect::<Vec<_>>()
            });
            words.collect()
        };
        let entry = self.passwd_entry()?;
        let admission = match named("AuthorizedPrincipalsFile") {
            None => Admission::AccountName,
            Some(path) => match self.expanded(&path, entry.as_ref()) {
                Some(path) => Admission::File(self.read(&path)?),
                None => Admission::NotKnown(format!(
                    "what AuthorizedPrincipalsFile {path} means for the account is not known: etc/passwd does not have it"
                )),
            },
        };
        let methods = one("AuthenticationMethods").unwrap_or_default();
        Ok(HostView {
            not_known: None,
            account: AccountRules {
                deny_users: words("DenyUsers"),
                allow_users: words("AllowUsers"),
                groups: [words("DenyGroups"), words("AllowGroups")].concat(),
                publickey: one("PubkeyAuthentication"),
                methods: methods.split_whitespace().map(str::to_owned).collect(),
                root: one("PermitRootLogin"),
                names: one("UseDNS").is_some_and(|value| value == "yes"),
            },
            strict_modes: one("StrictModes").is_none_or(|value| value != "no"),
            guards: match &admission {
                Admission::File(file) if file.content.is_some() => {
                    guards(self.root, self.prefix, &file.path, entry.as_ref())
                }
                _ => Vec::new(),
            },
            trusted: named("TrustedUserCAKeys")
                .map(|path| self.read(&path))
                .transpose()?,
            admission,
            asks_a_command: named("AuthorizedPrincipalsCommand").is_some(),
            revoked: match named("RevokedKeys") {
                Some(paths) => paths
                    .split_whitespace()
                    .map(|path| self.read(path))
                    .collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
            ca_algorithms: None,
            key_algorithms: None,
        })
    }

    /// The account's line in the host's `passwd`, if it has one.
    fn passwd_entry(&self) -> Result<Option<PasswdEntry>, CliError> {
        let path = match stands_in_place(self.root, self.prefix) {
            true => PathBuf::from("/etc/passwd"),
            false => self.root.join("etc/passwd"),
        };
        match file::read_bounded(&path, MAX_PASSWD_BYTES, Links::Follow) {
            Ok(passwd) => Ok(PasswdEntry::find(&passwd, self.account.as_str())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The path for the account, as sshd expands it; `None` if its home directory or its number is
    /// wanted and not known.
    fn expanded(&self, path: &str, entry: Option<&PasswdEntry>) -> Option<String> {
        let mut expanded = String::new();
        let mut rest = path.chars();
        while let Some(next) = rest.next() {
            match (next, (next == '%').then(|| rest.next())) {
                (_, None) => expanded.push(next),
                (_, Some(Some('%'))) => expanded.push('%'),
                (_, Some(Some('u'))) => expanded += self.account.as_str(),
                (_, Some(Some('h'))) => expanded += &entry?.home,
                (_, Some(Some('U'))) => expanded += &entry?.uid.to_string(),
                (_, Some(_)) => return None,
            }
        }
        match expanded.starts_with('/') {
            true => Some(expanded),
            false => Some(format!("{}/{expanded}", entry?.home)),
        }
    }

    fn read(&self, path: &str) -> Result<HostFile, CliError> {
        let place = self
            .prefix
            .inside(path)
            .map(|inside| self.root.join(inside));
        let content = match place {
            None => None,
            Some(place) => match file::read_bounded(&place, MAX_HOST_FILE_BYTES, Links::Follow) {
                Ok(content) => Some(content),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(HostFile {
            path: path.to_owned(),
            content,
        })
    }
}

/// The values of the lines that set a keyword for every connection.
fn set_for_all(files: &ConfigFiles, keyword: &str) -> Vec<String> {
    files
        .that_set(keyword)
        .filter(|(_, setting)| !setting.conditional)
        .map(|(_, setting)| setting.value.clone())
        .collect()
}

fn report(explanation: &Explanation, login: &str, notes: Vec<String>) -> Result<Report, CliError> {
    let word = |outcome| match outcome {
        Outcome::Holds => "holds",
        Outcome::Refuses => "refuses",
        Outcome::Unknown => "unknown",
    };
    let mut text = String::new();
    for step in &explanation.steps {
        let place = step
            .place
            .as_ref()
            .map_or_else(String::new, |place| format!(" ({place})"));
        text += &format!(
            "{:<8} {:<23} {}{place}\n",
            word(step.outcome),
            step.rule,
            step.said
        );
    }
    let verdict = match explanation.refusal() {
        Some(_) => "refused",
        None if explanation.lets_in() => "let_in",
        None => "unknown",
    };
    let steps = explanation.steps.iter().map(|step| {
        json!({"rule": step.rule, "outcome": word(step.outcome), "text": step.said, "place": step.place})
    });
    let json = json!({
        "login": login,
        "verdict": verdict,
        "refused_by": explanation.refusal().map(|step| step.rule),
        "steps": steps.collect::<Vec<_>>(),
        "notes": notes,
    });
    let report = Report { text, json, notes };
    match explanation.refusal() {
        Some(step) => {
            let message = format!(
                "sshd refuses this login by rule `{}`: {}",
                step.rule, step.said
            );
            let error = CliError::new(Class::Failed, "login_refused", message);
            Err(match &step.place {
                Some(place) => error.hint(format!("it is decided in {place}")),
                None => error,
            }
            .with_report(report))
        }
        None if explanation.lets_in() => Ok(report),
        None => {
            let message = "no rule refuses this login, but not every rule is known";
            Err(CliError::new(Class::Failed, "login_unclear", message).with_report(report))
        }
    }
}
