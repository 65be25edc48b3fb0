//! sshd's configuration in effect, for every account, compared with what was rendered.
//!
//! - The first line of a keyword wins, and a `Match` may say otherwise for some connections: what
//!   counts is what `sshd -T` answers. Where no sshd can be asked, the lines are judged by themselves.
//! - Beside the lines that warden writes, those are judged that could shut the door to every
//!   certificate or open one to weak signatures.

use super::Finding;
use crate::host::ca_keys::CaKeys;
use crate::host::render::{Directive, Rendering, SSHD_CONFIG};
use crate::host::sshd_config::{ConfigFiles, Effective};
use crate::inventory::{AccountName, Host};
use std::collections::BTreeMap;

/// What sshd says for one account and one address of a client.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The account.
    pub account: AccountName,
    /// The address.
    pub address: String,
    /// What is in effect.
    pub effective: Effective,
}

/// Compares what is in effect with what was rendered. `files` are the configuration's own.
pub fn configuration(
    rendering: &Rendering<'_>,
    host: &Host,
    user_cas: &CaKeys,
    files: &ConfigFiles,
    probes: &[Probe],
) -> Vec<Finding> {
    // What differs, with the connections it was seen for.
    let mut seen: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for probe in probes {
        let connection = format!("`{}` from {}", probe.account, probe.address);
        let mut differs = |keyword: &'static str, text: String| {
            seen.entry((keyword, text))
                .or_default()
                .push(connection.clone());
        };
        let effective = &probe.effective;
        for directive in &rendering.directives {
            if !holds(effective, directive) {
                let text = format!(
                    "{} is {}, expected {}",
                    directive.keyword,
                    said(effective.values(directive.keyword)),
                    directive.value
                );
                differs(directive.keyword, text);
            }
        }
        for keyword in ["StrictModes", "PubkeyAuthentication"] {
            let values = effective.values(keyword);
            if values != ["yes"] {
                differs(
                    keyword,
                    format!("{keyword} is {}, expected yes", said(values)),
                );
            }
        }
        let algorithms = effective.values("CASignatureAlgorithms").join(",");
        let algorithms: Vec<_> = algorithms.split(',').collect();
        for text in unfit_algorithms(&algorithms, user_cas) {
            differs("CASignatureAlgorithms", text);
        }
        let permitted = effective.values("PermitRootLogin").first();
        if probe.account.as_str() == "root"
            && let Some(text) = permitted.and_then(|value| root_is_shut_out(host, value))
        {
            differs("PermitRootLogin", text);
        }
    }
    let own = files.named_as(SSHD_CONFIG);
    let mut findings: Vec<_> = not_included(files).into_iter().collect();
    for ((keyword, text), connections) in seen {
        let mut set = files.that_set(keyword);
        let elsewhere = set.find(|(file, _)| Some(file.path.as_str()) != own);
        let who = match connections.as_slice() {
            [only] => only.clone(),
            [first, more @ ..] => format!("{first} and {} more", more.len()),
            [] => continue,
        };
        let text = format!("{text}, for {who}");
        match (elsewhere, own) {
            (Some((file, setting)), _) => {
                let finding = Finding::new("not_in_effect", file.path.as_str(), text);
                findings.push(finding.at(setting.line));
            }
            (None, Some(own)) => findings.push(Finding::new("not_in_effect", own, text)),
            (None, None) => {}
        }
    }
    findings.extend(overridden(&rendering.directives, files, &findings));
    findings.extend(not_followed(files));
    findings
}

/// Judges the lines by themselves, where no sshd can be asked. What sshd takes where no line says
/// anything, and whether it would start, is not known then.
pub fn lines(
    rendering: &Rendering<'_>,
    host: &Host,
    user_cas: &CaKeys,
    files: &ConfigFiles,
) -> Vec<Finding> {
    let mut findings: Vec<_> = not_included(files).into_iter().collect();
    let yes = ["StrictModes", "PubkeyAuthentication"].map(|keyword| Directive {
        keyword,
        value: "yes".to_owned(),
    });
    let wanted: Vec<_> = rendering.directives.iter().chain(&yes).cloned().collect();
    for directive in &wanted {
        let mut set = files
            .that_set(directive.keyword)
            .filter(|(_, one)| !one.conditional);
        // sshd takes every host certificate.
        let decides = match directive.keyword {
            "HostCertificate" => set.find(|(_, one)| one.value == directive.value),
            _ => set.next(),
        };
        let Some((file, setting)) = decides else {
            continue;
        };
        let effective = Effective::read(&format!("{} {}", directive.keyword, setting.value));
        if !holds(&effective, directive) {
            let text = format!(
                "{} is {}, expected {}",
                directive.keyword, setting.value, directive.value
            );
            let finding = Finding::new("not_in_effect", file.path.as_str(), text);
            findings.push(finding.at(setting.line));
        }
    }
    findings.extend(overridden(&wanted, files, &findings));
    for (file, setting) in files.that_set("CASignatureAlgorithms") {
        let algorithms: Vec<_> = setting.value.split(',').collect();
        for text in unfit_algorithms(&algorithms, user_cas) {
            let finding = Finding::new("not_in_effect", file.path.as_str(), text);
            findings.push(finding.at(setting.line));
        }
    }
    for (file, setting) in files.that_set("PermitRootLogin") {
        if let Some(text) = root_is_shut_out(host, &setting.value) {
            let finding = Finding::new("not_in_effect", file.path.as_str(), text);
            findings.push(finding.at(setting.line));
        }
    }
    findings.extend(not_followed(files));
    findings
}

fn not_included(files: &ConfigFiles) -> Option<Finding> {
    if files.named_as(SSHD_CONFIG).is_some() {
        return None;
    }
    let text = format!("it does not include {SSHD_CONFIG}, so none of it is in effect");
    Some(Finding::new("not_included", files.main(), text))
}

/// Every `Include` whose files were not part of what sshd was asked about.
fn not_followed(files: &ConfigFiles) -> impl Iterator<Item = Finding> {
    files.unread().map(|(file, unread)| {
        let text = format!(
            "`Include {}` was not followed, so what it sets is not judged: {}",
            unread.named, unread.why
        );
        Finding::new("include_unread", file.path.as_str(), text).at(unread.line)
    })
}

/// Lines below a `Match` that say something else than warden's, for connections nobody probed.
fn overridden(directives: &[Directive], files: &ConfigFiles, known: &[Finding]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for directive in directives {
        for (file, setting) in files.that_set(directive.keyword) {
            let other = setting.conditional && setting.value != directive.value;
            let told = known
                .iter()
                .any(|one| one.path == file.path && one.line == Some(setting.line));
            if other && !told {
                let text = format!(
                    "below a `Match`, {} is {}, expected {} for everybody",
                    directive.keyword, setting.value, directive.value
                );
                let finding = Finding::new("overridden", file.path.as_str(), text);
                findings.push(finding.at(setting.line));
            }
        }
    }
    findings
}

fn holds(effective: &Effective, directive: &Directive) -> bool {
    // More than VERBOSE says all that VERBOSE does.
    let louder = directive.keyword == "LogLevel"
        && matches!(effective.values("LogLevel"), [level] if level.starts_with("DEBUG"));
    louder || effective.holds(directive)
}

fn said(values: &[String]) -> String {
    match values.is_empty() {
        true => "not set".to_owned(),
        false => values.join(" and "),
    }
}

/// What is wrong with the algorithms that a CA may sign with.
fn unfit_algorithms(algorithms: &[&str], user_cas: &CaKeys) -> Vec<String> {
    let mut unfit = Vec::new();
    if algorithms.contains(&"ssh-rsa") {
        unfit.push("CASignatureAlgorithms takes SHA-1 signatures, `ssh-rsa`".to_owned());
    }
    for (ca, _) in user_cas.iter() {
        let needed = match ca.key().key_type().as_str() {
            "ssh-rsa" => "rsa-sha2-512".to_owned(),
            plain => plain.to_owned(),
        };
        if !algorithms.contains(&needed.as_str()) {
            unfit.push(format!(
                "CASignatureAlgorithms lacks {needed}, so CA {} certifies nobody",
                ca.fingerprint()
            ));
        }
    }
    unfit
}

/// Whether lanes into root are there that sshd does not let anybody use.
fn root_is_shut_out(host: &Host, permitted: &str) -> Option<String> {
    let lanes = host.lanes();
    let (_, lanes) = lanes.iter().find(|(one, _)| one.as_str() == "root")?;
    let free = lanes.values().any(|lane| lane.force_command.is_none());
    let shut = permitted == "no" || (permitted == "forced-commands-only" && free);
    (shut && !lanes.is_empty()).then(|| {
        format!("PermitRootLogin is {permitted}, but the inventory lets principals into root")
    })
}
