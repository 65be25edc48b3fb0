//! The files of a host, their content, mode and owner.

use super::Finding;
use crate::file::{self, FileError, Links};
use crate::host::ca_keys;
use crate::host::principals::{self, KeyOptions, PrincipalsLine};
use crate::host::render::{
    FILE_MODE, FileKind, PRINCIPALS_DIRECTORY, Prefix, RenderedFile, Rendering, headed,
};
use crate::host::tree::{MAX_FILE_BYTES, krl_version, names_in};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether files must belong to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// They must, as on a host.
    Root,
    /// They need not, as in a copy that somebody made.
    Any,
}

/// Compares the files below a root with a rendering.
///
/// # Errors
/// If a directory cannot be listed.
pub fn files(
    rendering: &Rendering<'_>,
    root: &Path,
    prefix: &Prefix,
    owners: Owners,
) -> Result<Vec<Finding>, FileError> {
    let mut findings = Vec::new();
    let mut other_head = None;
    for file in rendering
        .files
        .iter()
        .filter(|file| file.kind != FileKind::Client)
    {
        let name = prefix.on_host(&file.path);
        let path = root.join(&file.path);
        match file::read_bounded(&path, MAX_FILE_BYTES, Links::Refuse) {
            Ok(found) => {
                findings.extend(mode(&path, &name, FILE_MODE, owners));
                let before = findings.len();
                findings.extend(content(file, &name, &found));
                let differs = match (headed(&found), headed(&file.content)) {
                    (Some(found), Some(wanted)) => {
                        if found.host != wanted.host {
                            let text = format!("it was rendered for host `{}`", found.host);
                            findings.push(Finding::new("other_host", name.as_str(), text));
                        } else if found.digest != wanted.digest && found.body == wanted.body {
                            let text = format!(
                                "its head says digest {}, and the files are those of {}",
                                found.digest, wanted.digest
                            );
                            other_head = other_head.or(Some(Finding::new("edited", &*name, text)));
                        }
                        found.body != wanted.body
                    }
                    _ => found != *file.content,
                };
                if differs && findings.len() == before {
                    let text = "it says the same in other words than warden's";
                    findings.push(Finding::new("edited", name, text));
                }
            }
            Err(error) if error.is_not_found() => {
                findings.push(Finding::new("missing", name, missing(file)));
            }
            Err(error) => findings.push(Finding::new("unreadable", name, error.to_string())),
        }
    }
    findings.extend(strangers(rendering, root, prefix)?);
    findings.extend(directories(rendering, root, prefix, owners));
    if findings.is_empty() {
        findings.extend(other_head);
    }
    Ok(findings)
}

fn missing(file: &RenderedFile<'_>) -> String {
    match &file.kind {
        FileKind::Principals(account) => {
            format!("it is not there, so no certificate logs in as `{account}`")
        }
        FileKind::UserCas => "it is not there, so no certificate logs in".to_owned(),
        FileKind::Krl => "it is not there, so sshd refuses every key that names it".to_owned(),
        _ => "it is not there".to_owned(),
    }
}

fn content(file: &RenderedFile<'_>, name: &str, found: &[u8]) -> Vec<Finding> {
    match &file.kind {
        FileKind::Principals(account) => principals_of(file, name, account.as_str(), found),
        FileKind::UserCas => user_cas(file, name, found),
        FileKind::Krl => krl(file, name, found),
        FileKind::HostCertificate if found != &*file.content => {
            let text = "it is another certificate than the one given";
            vec![Finding::new("host_certificate_differs", name, text)]
        }
        FileKind::SshdConfig => directives(file, name, found),
        FileKind::HostCertificate | FileKind::Client => Vec::new(),
    }
}

/// The first line for each principal, with its number; the lines that sshd passes over.
type Lanes = BTreeMap<Vec<u8>, (usize, KeyOptions)>;

fn lanes(content: &[u8], mut passed_over: impl FnMut(usize, String)) -> Lanes {
    let mut lanes = Lanes::new();
    for (number, read) in principals::read(content) {
        match read {
            Ok(PrincipalsLine { options, .. }) if options.cert_authority => {
                passed_over(number, "`cert-authority` has no place here".to_owned());
            }
            Ok(PrincipalsLine { principal, options }) => {
                lanes.entry(principal).or_insert((number, options));
            }
            Err(error) => passed_over(number, error.to_string()),
        }
    }
    lanes
}

fn principals_of(file: &RenderedFile<'_>, name: &str, account: &str, found: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let there = lanes(found, |line, why| {
        let text = format!("sshd passes over this line: {why}");
        findings.push(Finding::new("line_passed_over", name, text).at(line));
    });
    let wanted = lanes(&file.content, |_, _| {});
    for (principal, (line, options)) in &there {
        let said = String::from_utf8_lossy(principal);
        let finding = match wanted.get(principal) {
            None => {
                let text =
                    format!("`{said}` is let into `{account}`, which the inventory does not say");
                Finding::new("principal_gained", name, text)
            }
            Some((_, expected)) if expected != options => {
                let text = format!(
                    "`{said}` logs in as `{account}` {}; expected: {}",
                    described(options),
                    described(expected)
                );
                Finding::new("lane_differs", name, text)
            }
            Some(_) => continue,
        };
        findings.push(finding.at(*line));
    }
    for principal in wanted.keys().filter(|one| !there.contains_key(*one)) {
        let said = String::from_utf8_lossy(principal);
        let text = format!("`{said}` is not let into `{account}`, as the inventory says");
        findings.push(Finding::new("principal_lost", name, text));
    }
    findings
}

/// What a login by a line may do.
fn described(options: &KeyOptions) -> String {
    let mut said = Vec::new();
    if let Some(command) = &options.command {
        said.push(format!(
            "only to run {:?}",
            String::from_utf8_lossy(command)
        ));
    }
    let permits = options.permits;
    let taken = [
        ("agent-forwarding", permits.agent_forwarding),
        ("port-forwarding", permits.port_forwarding),
        ("pty", permits.pty),
        ("user-rc", permits.user_rc),
        ("x11-forwarding", permits.x11_forwarding),
    ];
    let taken: Vec<_> = taken
        .iter()
        .filter(|(_, left)| !left)
        .map(|(name, _)| *name)
        .collect();
    if !taken.is_empty() {
        said.push(format!("without {}", taken.join(", ")));
    }
    said.extend((!options.touch_required).then(|| "without a touch".to_owned()));
    said.extend(
        options
            .verify_required
            .then(|| "with verification".to_owned()),
    );
    said.extend(
        options
            .valued
            .keys()
            .map(|name| format!("with option `{name}`")),
    );
    match said.is_empty() {
        true => "without restraint".to_owned(),
        false => said.join(", "),
    }
}

fn user_cas(file: &RenderedFile<'_>, name: &str, found: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let read = ca_keys::as_sshd_reads(found);
    let (there, wanted) = (read.keys, ca_keys::as_sshd_reads(&file.content).keys);
    for (line, error) in read.unsound {
        let text = format!("sshd may trust this key, and should not: {error}");
        findings.push(Finding::new("ca_line_unsound", name, text).at(line));
    }
    if let Some((line, error)) = read.stopped {
        let text = format!("sshd stops reading here, and trusts no key that follows: {error}");
        findings.push(Finding::new("ca_line_malformed", name, text).at(line));
    }
    for ca in &there {
        if !wanted
            .iter()
            .any(|one| one.fingerprint() == ca.fingerprint())
        {
            let text = format!("CA {} is trusted, and should not be", ca.fingerprint());
            findings.push(Finding::new("ca_gained", name, text));
        }
    }
    for ca in &wanted {
        if !there
            .iter()
            .any(|one| one.fingerprint() == ca.fingerprint())
        {
            let text = format!("CA {} is not trusted, and should be", ca.fingerprint());
            findings.push(Finding::new("ca_lost", name, text));
        }
    }
    findings
}

fn krl(file: &RenderedFile<'_>, name: &str, found: &[u8]) -> Vec<Finding> {
    let finding = match (krl_version(found), krl_version(&file.content)) {
        (None, _) if found.is_empty() => {
            Finding::new("krl_malformed", name, "it is empty, so nobody is revoked")
        }
        (None, _) => Finding::new(
            "krl_malformed",
            name,
            "it is no KRL, so sshd refuses every key",
        ),
        (Some(there), Some(wanted)) if there < wanted => {
            let text =
                format!("version {there}, expected {wanted}: what was revoked since is let in");
            Finding::new("krl_older", name, text)
        }
        (Some(there), Some(wanted)) if there > wanted => {
            let text = format!("version {there}, newer than the one given, {wanted}");
            Finding::new("krl_newer", name, text)
        }
        _ if found != &*file.content => {
            Finding::new("krl_differs", name, "the same version with another content")
        }
        _ => return Vec::new(),
    };
    vec![finding]
}

fn directives(file: &RenderedFile<'_>, name: &str, found: &[u8]) -> Vec<Finding> {
    let said = |content: &[u8]| -> Vec<(usize, String)> {
        let text = String::from_utf8_lossy(content).into_owned();
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim().to_owned()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .collect()
    };
    let (there, wanted) = (said(found), said(&file.content));
    let mut findings = Vec::new();
    for (number, line) in &there {
        if !wanted.iter().any(|(_, one)| one == line) {
            let text = format!("`{line}` should not be there");
            findings.push(Finding::new("line_gained", name, text).at(*number));
        }
    }
    for (_, line) in &wanted {
        if !there.iter().any(|(_, one)| one == line) {
            let text = format!("`{line}` is not there");
            findings.push(Finding::new("line_lost", name, text));
        }
    }
    findings
}

/// Principals files of accounts that the inventory does not name: each is a door.
fn strangers(
    rendering: &Rendering<'_>,
    root: &Path,
    prefix: &Prefix,
) -> Result<Vec<Finding>, FileError> {
    let mut findings = Vec::new();
    for name in names_in(&root.join(PRINCIPALS_DIRECTORY))? {
        let path = format!("{PRINCIPALS_DIRECTORY}/{name}");
        if rendering.files.iter().any(|file| file.path == path) {
            continue;
        }
        let found = file::read_bounded(&root.join(&path), MAX_FILE_BYTES, Links::Follow);
        let text = match found {
            Err(error) => format!("the inventory names no account `{name}`: {error}"),
            Ok(found) => {
                let lanes = lanes(&found, |_, _| {});
                let said: Vec<_> = lanes
                    .keys()
                    .map(|one| format!("`{}`", String::from_utf8_lossy(one)))
                    .collect();
                match said.is_empty() {
                    true => format!("the inventory names no account `{name}`; it lets nobody in"),
                    false => format!(
                        "the inventory names no account `{name}`; it lets in {}",
                        said.join(", ")
                    ),
                }
            }
        };
        findings.push(Finding::new("extra", prefix.on_host(&path), text));
    }
    Ok(findings)
}

/// Every directory above a file of the host, from the root of the tree: with `StrictModes` sshd reads
/// no principals below one that others may write. Where the tree stands in place, those above it too.
fn directories(
    rendering: &Rendering<'_>,
    root: &Path,
    prefix: &Prefix,
    owners: Owners,
) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    for file in rendering
        .files
        .iter()
        .filter(|file| file.kind != FileKind::Client)
    {
        for parent in Path::new(&file.path).ancestors().skip(1) {
            let name = prefix.on_host(&parent.display().to_string());
            seen.insert(name, root.join(parent));
        }
    }
    if !prefix.is_root() {
        let above = root.ancestors().skip(1);
        seen.extend(above.map(|one| (one.display().to_string(), one.to_owned())));
    }
    let judged = seen.iter();
    judged
        .flat_map(|(name, path)| directory(path, name, owners))
        .collect()
}

fn directory(path: &Path, name: &str, owners: Owners) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(found) = path.metadata() else {
        return findings;
    };
    if found.mode() & 0o022 != 0 {
        let text = format!(
            "mode {:04o}: others may write there; expected 0755",
            found.mode() & 0o7777
        );
        findings.push(Finding::new("mode", name, text));
    }
    if owners == Owners::Root && found.uid() != 0 {
        let text = format!("it belongs to uid {}; expected root", found.uid());
        findings.push(Finding::new("owner", name, text));
    }
    findings
}

fn mode(path: &Path, name: &str, expected: u32, owners: Owners) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(found) = path.symlink_metadata() else {
        return findings;
    };
    let mode = found.mode() & 0o7777;
    if mode != expected {
        let text = format!("mode {mode:04o}; expected {expected:04o}");
        findings.push(Finding::new("mode", name, text));
    }
    if owners == Owners::Root && (found.uid(), found.gid()) != (0, 0) {
        let text = format!(
            "it belongs to {}:{}; expected root:root, 0:0",
            found.uid(),
            found.gid()
        );
        findings.push(Finding::new("owner", name, text));
    }
    findings
}
