//! What a host has, compared with what it should have.
//!
//! - A finding is something that must change on the host or in the inventory; no finding means that
//!   with a certificate the host lets in whom the inventory lets in. Who has another way in, such as a
//!   key or a `cert-authority` line in a home directory, is not looked at; with
//!   [`certificates_only`](super::render::Sources::certificates_only) it is judged that there is none.
//! - Principals and CA keys are compared as sshd reads them, and named one by one.
//! - Nothing on the host is written or run.

mod configuration;
mod files;

pub use configuration::{Probe, configuration, lines};
pub use files::{Owners, files};

use super::grants::{Grant, Opening};
use super::listed::Listed;
use crate::certificate::UnixTime;
use crate::failure::{Class, Failure};
use crate::inventory::Host;
use std::collections::BTreeSet;
use std::fmt;

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable word.
    pub code: &'static str,
    /// The file, as the host or the inventory names it.
    pub path: String,
    /// The line, from 1, if one is meant.
    pub line: Option<usize>,
    /// A sentence without a full stop.
    pub text: String,
}

impl Finding {
    fn new(code: &'static str, path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            line: None,
            text: text.into(),
        }
    }

    fn at(self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }
}

/// `path:line: text (code)`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {} ({})", self.text, self.code)
    }
}

/// A lane and an actor that are held to different commands: sshd refuses such a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{lane}: principal `{principal}` on account `{account}` is held to {lane_command:?}, but {actor_place} holds `{actor}` to {certificate_command:?}; sshd refuses a certificate that differs from the lane"
)]
pub struct CommandConflict {
    lane: String,
    lane_file: String,
    lane_line: usize,
    principal: String,
    account: String,
    lane_command: String,
    actor: String,
    actor_place: String,
    certificate_command: String,
}

impl Failure for CommandConflict {
    fn class(&self) -> Class {
        Class::Refused
    }

    fn reason(&self) -> &'static str {
        "force_command_conflict"
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "give both the same command, byte for byte, or take it out of one of the two files"
                .to_owned(),
        ]
    }
}

impl CommandConflict {
    /// The conflict as something that was found.
    pub fn finding(&self) -> Finding {
        let text = format!(
            "the lane of principal `{}` into `{}` and {} hold `{}` to different commands, and sshd refuses it",
            self.principal, self.account, self.actor_place, self.actor
        );
        Finding::new("force_command_conflict", self.lane_file.as_str(), text).at(self.lane_line)
    }
}

/// The lanes that an actor cannot use at the moment `now` because of their commands.
pub fn command_conflicts(grants: &[Grant<'_>], now: UnixTime) -> Vec<CommandConflict> {
    let mut conflicts = Vec::new();
    for grant in grants {
        let (Opening::CommandsDiffer, Some(lane), Some(certificate)) = (
            grant.opening(now),
            &grant.lane.force_command,
            grant.certificate_command(),
        ) else {
            continue;
        };
        let actor = grant.actor.place();
        conflicts.push(CommandConflict {
            lane: grant.lane.place.to_string(),
            lane_file: grant.lane.place.file.to_string(),
            lane_line: grant.lane.place.line as usize,
            principal: grant.principal.to_string(),
            account: grant.account.to_string(),
            lane_command: lane.as_str().to_owned(),
            actor: grant.actor.name().to_string(),
            actor_place: format!("{}:{}", actor.file, actor.principals_line),
            certificate_command: certificate.as_str().to_owned(),
        });
    }
    conflicts
}

/// Compares a list of principals kept elsewhere with the inventory.
pub fn listed(listed: &Listed, host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lanes = host.lanes();
    let nobody = BTreeSet::new();
    let accounts: BTreeSet<_> = listed.accounts().chain(lanes.keys().copied()).collect();
    let path = listed.path().display().to_string();
    for account in accounts {
        let found = listed.principals(account);
        let wanted: BTreeSet<_> = match lanes.get(account) {
            Some(lanes) => lanes.keys().copied().collect(),
            None => BTreeSet::new(),
        };
        if found.is_none() {
            let text = format!("account `{account}` is not in the list");
            findings.push(Finding::new("missing", path.as_str(), text));
        }
        let found = found.unwrap_or(&nobody);
        if !lanes.contains_key(account) {
            let text = format!("account `{account}` is not in the inventory");
            findings.push(Finding::new("extra", path.as_str(), text));
        }
        for principal in found.iter().filter(|one| !wanted.contains(one)) {
            let text =
                format!("`{principal}` is let into `{account}`, which the inventory does not say");
            findings.push(Finding::new("principal_gained", path.as_str(), text));
        }
        for principal in wanted.iter().filter(|one| !found.contains(**one)) {
            let text = format!("`{principal}` is not let into `{account}`, as the inventory says");
            findings.push(Finding::new("principal_lost", path.as_str(), text));
        }
    }
    findings
}
