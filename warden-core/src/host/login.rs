//! Why sshd lets a certificate in, or which of its rules refuses it first.
//!
//! - Walks sshd's own order: the account and the ways of logging in, algorithms, revocation, trusted CA,
//!   principals, kind, window, options, source address, the options of the principals line, the two
//!   commands together, what a security key must show, and root.
//! - Judges what it is given: the host's files and settings, the moment, the address. Nothing is read
//!   here, and nobody is asked.
//! - What cannot be known, such as the answer of an `AuthorizedPrincipalsCommand`, is said to be
//!   unknown. It is never taken for a yes.
//!
//! References: \[SSHD\]; `user_cert_trusted_ca` and `auth_authorise_keyopts` of OpenSSH.

mod account;
mod strict_modes;

pub use account::AccountRules;
pub use strict_modes::{Guard, Owner, PasswdEntry, guards, stands_in_place};

use super::ca_keys::{self, AsRead};
use super::krl::{Krl, KrlError};
use super::principals::{self, PrincipalsLine};
use crate::certificate::{CertType, Parsed, SourceAddress, UnixTime, option_value};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A file of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Where it is, for messages.
    pub path: String,
    /// What it holds; `None` if it is not there or cannot be read.
    pub content: Option<Vec<u8>>,
}

/// Whom a host lets in as an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The principals of this file, `AuthorizedPrincipalsFile`.
    File(HostFile),
    /// Only a principal that is the account's name: neither a file nor a command is set.
    AccountName,
    /// Which file it is, is not known; why.
    NotKnown(String),
}

/// What a host's configuration says about logins as one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// What of the configuration is not known, if anything.
    pub not_known: Option<String>,
    /// Whom and what it lets log in, whatever the certificate.
    pub account: AccountRules,
    /// `StrictModes`.
    pub strict_modes: bool,
    /// The principals file and the directories above it.
    pub guards: Vec<Guard>,
    /// `TrustedUserCAKeys`; `None` if it is not set.
    pub trusted: Option<HostFile>,
    /// `AuthorizedPrincipalsFile`.
    pub admission: Admission,
    /// Whether `AuthorizedPrincipalsCommand` is set: what it answers is not known.
    pub asks_a_command: bool,
    /// `RevokedKeys`, every file.
    pub revoked: Vec<HostFile>,
    /// `CASignatureAlgorithms`; `None` if they are not known.
    pub ca_algorithms: Option<Vec<String>>,
    /// `PubkeyAcceptedAlgorithms`; `None` if they are not known.
    pub key_algorithms: Option<Vec<String>>,
}

/// One login that is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The account.
    pub account: &'a str,
    /// Where it comes from, if that is known.
    pub from: Option<IpAddr>,
    /// The moment by the host's clock.
    pub now: UnixTime,
}

/// What came of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It lets the certificate on.
    Holds,
    /// It refuses the certificate.
    Refuses,
    /// It cannot be told from what was given.
    Unknown,
}

/// One rule, in sshd's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stable name of the rule.
    pub rule: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub said: String,
    /// The file that decided, with its line where one did.
    pub place: Option<String>,
}

/// What sshd does with a certificate, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Every rule up to the first that refuses.
    pub steps: Vec<Step>,
}

impl Explanation {
    /// Whether every rule is known to hold.
    pub fn lets_in(&self) -> bool {
        self.steps.iter().all(|step| step.outcome == Outcome::Holds)
    }

    /// The rule that refuses.
    pub fn refusal(&self) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.outcome == Outcome::Refuses)
    }
}

/// What a rule found: the outcome, a sentence, and a place.
type Found = (Outcome, String, Option<String>);

fn holds(said: impl Into<String>) -> Found {
    (Outcome::Holds, said.into(), None)
}

fn refuses(said: impl Into<String>) -> Found {
    (Outcome::Refuses, said.into(), None)
}

fn unknown(said: impl Into<String>) -> Found {
    (Outcome::Unknown, said.into(), None)
}

fn at(place: impl Into<String>, found: Found) -> Found {
    (found.0, found.1, Some(place.into()))
}

/// Walks sshd's rules for a login with this certificate.
pub fn explain(certificate: &Parsed, host: &HostView, attempt: &Attempt<'_>) -> Explanation {
    let login = Login {
        certificate,
        host,
        attempt,
        line: host.line_for(certificate),
    };
    let rules: [Rule<'_>; 17] = [
        ("configuration", Login::configuration),
        ("account_allowed", Login::account_allowed),
        ("publickey_enabled", Login::publickey_enabled),
        ("key_algorithm", Login::key_algorithm),
        ("ca_signature_algorithm", Login::ca_algorithm),
        ("not_revoked", Login::not_revoked),
        ("ca_trusted", Login::ca_trusted),
        ("principals_file_safe", Login::principals_file_safe),
        ("principal_listed", Login::principal_listed),
        ("user_certificate", Login::user_certificate),
        ("window", Login::window),
        ("critical_options", Login::critical_options),
        ("source_address", Login::source_address),
        ("line_options", Login::line_options),
        ("commands_agree", Login::commands_agree),
        ("security_key", Login::security_key),
        ("root_login", Login::root_login),
    ];
    let mut steps = Vec::new();
    for (rule, judge) in rules {
        let (outcome, said, place) = judge(&login);
        steps.push(Step {
            rule,
            outcome,
            said,
            place,
        });
        if outcome == Outcome::Refuses {
            break;
        }
    }
    Explanation { steps }
}

/// The name of a rule, and its judge.
type Rule<'a> = (&'static str, fn(&Login<'a>) -> Found);

impl HostView {
    /// The first line of the principals file with a principal of the certificate that sshd can read.
    fn line_for(&self, certificate: &Parsed) -> Option<(usize, PrincipalsLine)> {
        let Admission::File(file) = &self.admission else {
            return None;
        };
        let listed = |line: &PrincipalsLine| {
            certificate
                .principals()
                .any(|one| one == line.principal.as_slice())
        };
        principals::read(file.content.as_deref()?).find_map(|(number, line)| {
            let line = line.ok().filter(listed)?;
            Some((number, line))
        })
    }
}

struct Login<'a> {
    certificate: &'a Parsed,
    host: &'a HostView,
    attempt: &'a Attempt<'a>,
    line: Option<(usize, PrincipalsLine)>,
}

impl Login<'_> {
    fn configuration(&self) -> Found {
        match &self.host.not_known {
            None => holds("sshd says what is in effect"),
            Some(why) => unknown(why.as_str()),
        }
    }

    fn key_algorithm(&self) -> Found {
        let own = self.certificate.key_type();
        let names: Vec<String> = match own.strip_prefix("ssh-rsa-") {
            Some(rest) => vec![
                format!("rsa-sha2-512-{rest}"),
                format!("rsa-sha2-256-{rest}"),
            ],
            None => vec![own.to_owned()],
        };
        let Some(algorithms) = &self.host.key_algorithms else {
            return unknown("PubkeyAcceptedAlgorithms is not known without sshd");
        };
        let accepted = names.iter().find(|name| algorithms.contains(name));
        match accepted {
            Some(name) => holds(format!("PubkeyAcceptedAlgorithms has {name}")),
            None => refuses(format!("PubkeyAcceptedAlgorithms does not have {own}")),
        }
    }

    fn ca_algorithm(&self) -> Found {
        let own = self.certificate.signature_algorithm();
        let Some(algorithms) = &self.host.ca_algorithms else {
            return unknown("CASignatureAlgorithms is not known without sshd");
        };
        match algorithms.contains(&own) {
            true => holds(format!("CASignatureAlgorithms has {own}")),
            false => refuses(format!(
                "the CA signed with {own}, which CASignatureAlgorithms does not have"
            )),
        }
    }

    fn not_revoked(&self) -> Found {
        for file in &self.host.revoked {
            let found = self.revoked_by(file);
            if found.0 != Outcome::Holds {
                return at(file.path.clone(), found);
            }
        }
        match self.host.revoked.as_slice() {
            [] => holds("RevokedKeys is not set"),
            [first, ..] => at(
                first.path.clone(),
                holds("neither the key, the certificate nor its CA is listed"),
            ),
        }
    }

    fn revoked_by(&self, file: &HostFile) -> Found {
        let Some(content) = &file.content else {
            return refuses("the file cannot be read, so sshd refuses every key");
        };
        match Krl::parse(content) {
            Ok(krl) => match krl.revokes(self.certificate) {
                Some(entry) => refuses(format!("revoked: {entry}")),
                None => holds("not listed"),
            },
            Err(KrlError::NotAKrl) => self.listed_as_text(content),
            Err(error) => refuses(format!(
                "sshd cannot read the list, so it refuses every key: {error}"
            )),
        }
    }

    /// A list in text: one key on a line.
    fn listed_as_text(&self, content: &[u8]) -> Found {
        let AsRead { keys, stopped, .. } = ca_keys::as_sshd_reads(content);
        let fingerprints = [
            self.certificate.public_key_fingerprint(),
            self.certificate.ca_fingerprint(),
        ];
        let listed = keys
            .iter()
            .find(|key| fingerprints.contains(key.fingerprint()));
        match (listed, stopped) {
            (Some(key), _) => refuses(format!("key {} is listed", key.fingerprint())),
            (None, Some((line, error))) => refuses(format!(
                "line {line} is no key, so sshd refuses every key: {error}"
            )),
            (None, None) => holds("not listed"),
        }
    }

    fn ca_trusted(&self) -> Found {
        let ca = self.certificate.ca_fingerprint();
        let Some(file) = &self.host.trusted else {
            return refuses("TrustedUserCAKeys is not set, so no certificate logs in");
        };
        let Some(content) = &file.content else {
            return at(
                file.path.clone(),
                refuses("the file cannot be read, so sshd trusts no CA"),
            );
        };
        let AsRead { keys, stopped, .. } = ca_keys::as_sshd_reads(content);
        if keys.iter().any(|key| *key.fingerprint() == ca) {
            return at(file.path.clone(), holds(format!("CA {ca} is listed")));
        }
        match stopped {
            None => at(file.path.clone(), refuses(format!("CA {ca} is not listed"))),
            Some((line, error)) => at(
                format!("{}:{line}", file.path),
                refuses(format!(
                    "CA {ca} is not listed before this line, where sshd stops reading: {error}"
                )),
            ),
        }
    }

    fn principal_listed(&self) -> Found {
        let own: Vec<String> = self
            .certificate
            .principals()
            .map(|one| String::from_utf8_lossy(one).into_owned())
            .collect();
        let said = match own.is_empty() {
            true => "the certificate has no principal".to_owned(),
            false => format!("the certificate's principals are {}", own.join(", ")),
        };
        match (&self.host.admission, &self.line) {
            (Admission::File(file), Some((number, line))) => at(
                format!("{}:{number}", file.path),
                holds(format!(
                    "principal `{}` is listed",
                    String::from_utf8_lossy(&line.principal)
                )),
            ),
            (Admission::File(_), None) if self.host.asks_a_command => unknown(format!(
                "{said}; AuthorizedPrincipalsCommand would be asked"
            )),
            (Admission::File(file), None) => at(
                file.path.clone(),
                refuses(match &file.content {
                    None => format!("the file cannot be read, so nobody is let in; {said}"),
                    Some(content) => format!("{said}; none is listed{}", passed_over(content)),
                }),
            ),
            (Admission::NotKnown(why), _) => unknown(format!("{said}; {why}")),
            (Admission::AccountName, _) if self.host.asks_a_command => unknown(format!(
                "{said}; AuthorizedPrincipalsCommand would be asked"
            )),
            (Admission::AccountName, _) if own.iter().any(|one| one == self.attempt.account) => {
                holds("one principal is the account's name, and no AuthorizedPrincipalsFile is set")
            }
            (Admission::AccountName, _) => refuses(format!(
                "{said}; without AuthorizedPrincipalsFile one must be `{}`",
                self.attempt.account
            )),
        }
    }

    fn user_certificate(&self) -> Found {
        match self.certificate.cert_type() {
            CertType::User => holds("it is a user certificate"),
            CertType::Host => refuses("it is a host certificate"),
        }
    }

    fn window(&self) -> Found {
        let (after, before) = (
            UnixTime(self.certificate.valid_after()),
            UnixTime(self.certificate.valid_before()),
        );
        let now = self.attempt.now;
        if now < after {
            refuses(format!(
                "not yet valid: it begins at {after}, and the clock says {now}; compare the host's clock with the signer's"
            ))
        } else if now >= before {
            refuses(format!(
                "expired: it ended at {before}, and the clock says {now}"
            ))
        } else {
            holds(format!("valid from {after} to {before}"))
        }
    }

    fn critical_options(&self) -> Found {
        let mut seen: Vec<&[u8]> = Vec::new();
        for (name, data) in self.certificate.critical_options() {
            let shown = String::from_utf8_lossy(name);
            if seen.contains(&name) {
                return refuses(format!("critical option `{shown}` stands twice"));
            }
            seen.push(name);
            let sound = match name {
                b"force-command" => option_value(data).is_some(),
                b"source-address" => self.networks().is_some(),
                b"verify-required" => data.is_empty(),
                _ => return refuses(format!("sshd does not know critical option `{shown}`")),
            };
            if !sound {
                return refuses(format!("sshd cannot read critical option `{shown}`"));
            }
        }
        holds(match seen.len() {
            0 => "there are none".to_owned(),
            _ => "sshd knows each of them".to_owned(),
        })
    }

    /// The networks of the certificate's `source-address`, if sshd can read them.
    fn networks(&self) -> Option<SourceAddress> {
        let (_, data) = self
            .certificate
            .critical_options()
            .find(|(name, _)| *name == b"source-address")?;
        let text = std::str::from_utf8(option_value(data)?).ok()?;
        let distinct: BTreeSet<&str> = text.split(',').collect();
        SourceAddress::new(distinct).ok()
    }

    fn source_address(&self) -> Found {
        let Some(networks) = self.networks() else {
            return holds("the certificate may be used from anywhere");
        };
        let listed = networks.networks().join(", ");
        match self.attempt.from {
            None => unknown(format!(
                "the certificate may only be used from {listed}; --from says where the login comes from"
            )),
            Some(from) if networks.contains(from) => holds(format!("{from} is in {listed}")),
            Some(from) => refuses(format!(
                "the login comes from {from}; the certificate may only be used from {listed}"
            )),
        }
    }

    fn line_options(&self) -> Found {
        let (Some((number, line)), Admission::File(file)) = (&self.line, &self.host.admission)
        else {
            return holds("no line has options");
        };
        let place = format!("{}:{number}", file.path);
        let judged: Vec<&str> = line.options.valued.keys().copied().collect();
        let restraint = judged
            .iter()
            .find(|name| matches!(**name, "expiry-time" | "principals"));
        let hosts = line.options.valued.get("from").and_then(|one| one.first());
        let hosts = hosts.map(|hosts| String::from_utf8_lossy(hosts));
        let comes_from = hosts.as_ref().map(|hosts| self.host_matches(hosts));
        let hosts = hosts.as_deref().unwrap_or_default();
        at(
            place,
            match (comes_from, restraint) {
                _ if line.options.cert_authority => {
                    refuses("`cert-authority` has no place in a principals file")
                }
                (Some(Some(false)), _) => refuses(format!("the line only lets in from {hosts}")),
                (_, Some(name)) => unknown(format!("the line's `{name}` is not judged here")),
                (Some(None), None) => unknown(format!(
                    "the line only lets in from {hosts}; --from says where the login comes from"
                )),
                (Some(Some(true)) | None, None) => holds("the line's options let it on"),
            },
        )
    }

    /// The commands that the certificate and the line force.
    fn commands(&self) -> (Option<&[u8]>, Option<&[u8]>) {
        let own = self
            .certificate
            .critical_options()
            .find(|(name, _)| *name == b"force-command")
            .and_then(|(_, data)| option_value(data));
        let line = self
            .line
            .as_ref()
            .and_then(|(_, line)| line.options.command.as_deref());
        (own, line)
    }

    fn commands_agree(&self) -> Found {
        let (own, line) = self.commands();
        let place = match (&self.line, &self.host.admission) {
            (Some((number, _)), Admission::File(file)) => Some(format!("{}:{number}", file.path)),
            _ => None,
        };
        let shown = |command: &[u8]| format!("{:?}", String::from_utf8_lossy(command));
        let found = match (own, line) {
            (Some(own), Some(line)) if own != line => refuses(format!(
                "the certificate forces {}, the host {}; sshd wants them equal",
                shown(own),
                shown(line)
            )),
            (Some(command), _) | (None, Some(command)) => {
                holds(format!("only {} runs", shown(command)))
            }
            (None, None) => return holds("no command is forced"),
        };
        (found.0, found.1, place)
    }
}

impl Login<'_> {
    /// What the signature of a FIDO key must show. There is no signature before there is a login.
    fn security_key(&self) -> Found {
        if !self.certificate.key_type().starts_with("sk-") {
            return holds("it is no security key");
        }
        let options = self.line.as_ref().map(|(_, line)| &line.options);
        let untouched = self
            .certificate
            .extensions()
            .any(|(name, _)| name == b"no-touch-required");
        let touched = !untouched || options.is_some_and(|line| line.touch_required);
        let verified = options.is_some_and(|line| line.verify_required)
            || self
                .certificate
                .critical_options()
                .any(|(name, _)| name == b"verify-required");
        let only = "; only a login shows that";
        match (touched, verified) {
            (_, true) => unknown(format!("the key must have verified its user{only}")),
            (true, false) => unknown(format!("somebody must touch the key{only}")),
            (false, false) => holds("the key need not be touched"),
        }
    }
}

/// Which lines sshd passes over because it cannot read their options.
fn passed_over(content: &[u8]) -> String {
    let lines: Vec<String> = principals::read(content)
        .filter_map(|(number, line)| line.err().map(|error| format!("line {number}: {error}")))
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("; sshd passes over {}", lines.join("; ")),
    }
}
