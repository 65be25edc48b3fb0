use super::sources::Form;
use crate::environment::SystemClock;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::clock::Clock;
use warden_core::diagnostic::SourceText;
use warden_core::failure::Class;
use warden_core::file::{self, Links};
use warden_core::host::check::{Finding, Owners, command_conflicts, files, listed};
use warden_core::host::grants::Grants;
use warden_core::host::listed::{Listed, MAX_LISTED_BYTES};
use warden_core::host::render::{SSHD_CONFIG, render};

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

    /// Compare this list of principals, in YAML, instead of a tree
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    principals: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let material = self.form.read(config)?;
        let host = material.host()?;
        let grants = Grants::of(material.fleet.inventory());
        let conflicts = command_conflicts(&grants.on(host), SystemClock.now());
        let mut findings: Vec<_> = conflicts.iter().map(|one| one.finding()).collect();
        let (mut notes, mut asked) = (Vec::new(), json!({"asked": false}));
        if let Some(path) = &self.principals {
            findings.extend(listed(&read_list(path, host)?, host));
        }
        if let Some(root) = &self.root {
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
            (notes, asked) = (proof.notes, proof.json);
        }
        report(&material.name.to_string(), &findings, notes, asked)
    }
}

fn read_list(path: &Path, host: &warden_core::inventory::Host) -> Result<Listed, CliError> {
    let text = file::read_text(path, MAX_LISTED_BYTES, Links::Follow)?;
    Listed::read(&SourceText::new(path, text), host).map_err(|problem| {
        CliError::from_problems("principals_malformed", std::slice::from_ref(&problem))
    })
}

fn report(
    host: &str,
    findings: &[Finding],
    notes: Vec<String>,
    asked: serde_json::Value,
) -> Result<Report, CliError> {
    let list = findings
        .iter()
        .map(|one| json!({"code": one.code, "path": one.path, "line": one.line, "text": one.text}));
    let json = json!({
        "host": host,
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
