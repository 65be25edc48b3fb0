use super::sources::Form;
use crate::commands::grants::known_host;
use crate::environment::SystemClock;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::certificate::UnixTime;
use warden_core::clock::Clock;
use warden_core::diagnostic::SourceText;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::host::check::{Finding, Owners, command_conflicts, files, listed};
use warden_core::host::grants::Grants;
use warden_core::host::listed::{Listed, MAX_LISTED_BYTES};
use warden_core::host::render::{SSHD_CONFIG, render};
use warden_core::inventory::{Fleet, Host, HostName};

/// Compare what a host has with what it should have; ends with 1 if they differ
///
/// Give the same options as for `render`. Nothing is changed.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    form: Form,

    /// The root of the host: / or a copy of the host's etc/
    #[arg(long, value_name = "DIR", required_unless_present = "principals")]
    root: Option<PathBuf>,

    /// Files may belong to anybody, as in a copy
    #[arg(long, conflicts_with = "principals")]
    no_owner: bool,

    /// Judge sshd's configuration by its lines alone where no sshd can be asked
    #[arg(long, conflicts_with = "principals")]
    without_sshd: bool,

    /// Compare this list of principals, in YAML, instead of a tree
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    principals: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let now = SystemClock.now();
        let Some(root) = &self.root else {
            let (_, fleet, name) = self.form.read_inventory(config)?;
            let host = known_host(&fleet, &name)?;
            let mut findings = conflicts(&fleet, host, now);
            if let Some(path) = &self.principals {
                findings.extend(listed(&read_list(path, host)?, host));
            }
            return report(&name, &findings, Vec::new(), json!({"asked": false}));
        };
        let material = self.form.read(config)?;
        let host = material.host()?;
        let mut findings = conflicts(&material.fleet, host, now);
        if !root.is_dir() {
            let message = format!("--root: {} is no directory", root.display());
            return Err(CliError::new(Class::Malformed, "path_malformed", message));
        }
        let rendering = render(&material.sources(host))?;
        let owners = match self.no_owner {
            true => Owners::Any,
            false => Owners::Root,
        };
        findings.extend(files(&rendering, root, &material.prefix, owners)?);
        let proof = material.prove(&rendering, root, &[])?;
        findings.extend(proof.findings);
        findings.extend(proof.refused.map(|said| Finding {
            code: "sshd_refuses",
            path: material.prefix.on_host(SSHD_CONFIG),
            line: None,
            text: format!("sshd would not start: {said}"),
        }));
        let unproven = proof.not_asked.filter(|_| !self.without_sshd);
        findings.extend(unproven.map(|why| Finding {
            code: "sshd_not_asked",
            path: material.prefix.on_host(SSHD_CONFIG),
            line: None,
            text: format!(
                "whether sshd would start, and what holds where no line says anything, is not known: {why}; --without-sshd does without"
            ),
        }));
        let mut notes = proof.notes;
        if !material.certificates_only {
            notes.push("note: keys in home directories (AuthorizedKeysFile, AuthorizedKeysCommand, and `cert-authority` lines there) are another way in that is not looked at; --certificates-only shuts it".to_owned());
        }
        report(&material.name, &findings, notes, proof.json)
    }
}

/// Lanes that nobody can use because of their commands.
fn conflicts(fleet: &Fleet, host: &Host, now: UnixTime) -> Vec<Finding> {
    let grants = Grants::of(fleet.inventory());
    let conflicts = command_conflicts(&grants.on(host), now);
    conflicts.iter().map(|one| one.finding()).collect()
}

fn read_list(path: &Path, host: &Host) -> Result<Listed, CliError> {
    let text = file::read_text(path, MAX_LISTED_BYTES, Links::Follow)?;
    Listed::read(&SourceText::new(path, text), host).map_err(|problem| {
        CliError::from_problems("principals_malformed", std::slice::from_ref(&problem))
    })
}

fn report(
    host: &HostName,
    findings: &[Finding],
    notes: Vec<String>,
    asked: serde_json::Value,
) -> Result<Report, CliError> {
    let list = findings
        .iter()
        .map(|one| json!({"code": one.code, "path": one.path, "line": one.line, "text": one.text}));
    let json = json!({
        "host": host.as_str(),
        "same": findings.is_empty(),
        "findings": list.collect::<Vec<_>>(),
        "sshd": asked,
        "notes": notes,
    });
    let mut text: String = findings.iter().map(|one| format!("{one}\n")).collect();
    if findings.is_empty() {
        text = format!("{host} has what it should have\n");
    }
    let report = Report { text, json, notes };
    if findings.is_empty() {
        return Ok(report);
    }
    let message = match findings.len() {
        1 => format!("{host} differs in 1 place"),
        count => format!("{host} differs in {count} places"),
    };
    Err(CliError::new(Class::Failed, "host_differs", message)
        .hint(format!(
            "`warden host render {host} --out DIR` makes the files it should have"
        ))
        .with_report(report))
}
