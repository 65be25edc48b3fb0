//! Actors and hosts together: what is only true of both at once.
//!
//! - Hosts lie in `hosts/<host>.toml`, what many hosts share in `groups/<group>.toml`.
//! - A lane for a principal that no actor has is an error: it is a misspelling, or a door left open
//!   for whoever is given that name next.
//! - A certificate for one host reads that host's file and its groups', nothing else.

use super::host::{Accounts, Group, Host, HostName};
use super::standing::{Entry, Standing};
use super::{Inventory, InventoryError, InventoryPath, SourceDigest, TextFile, host_file};
use crate::certificate::Principal;
use crate::diagnostic::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every actor and every host.
#[derive(Debug, Clone)]
pub struct Fleet {
    inventory: Inventory,
    hosts: BTreeMap<HostName, Host>,
}

impl Fleet {
    /// The actors.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Every host in order of its name.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &Host> {
        self.hosts.values()
    }

    /// One host.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)
    }
}

impl InventoryPath {
    /// Reads every actor and every host.
    ///
    /// # Errors
    /// Lists every problem found, not only the first.
    pub fn fleet(&self) -> Result<Fleet, InventoryError> {
        let inventory = self.load()?;
        if !self.is_directory()? {
            let hosts = BTreeMap::new();
            return Ok(Fleet { inventory, hosts });
        }
        let name = |stem: &str| stem.parse::<HostName>().ok();
        let form = "files here are named HOST.toml, in lower case";
        let (host_files, mut problems) = self.files_in("hosts", name, form)?;
        let form = "files here are named GROUP.toml, in lower case";
        let (group_files, wrong) = self.files_in("groups", name, form)?;
        problems.extend(wrong);

        let granted: BTreeSet<&Principal> = inventory
            .actors()
            .flat_map(|actor| actor.principals().iter())
            .collect();
        let mut groups: BTreeMap<HostName, Option<Arc<Group>>> = BTreeMap::new();
        for (name, file) in &group_files {
            let group = host_file::group(&file.source, name);
            let group = group.map_err(|problem| problems.push(problem)).ok();
            if let Some(group) = &group {
                problems.extend(not_granted(file, &group.accounts, &granted));
            }
            groups.insert(name.clone(), group.map(Arc::new));
        }
        let mut hosts = BTreeMap::new();
        for (name, file) in &host_files {
            // A group that cannot be read is a problem already; hosts are judged once it can be.
            let mut unread = false;
            let found = host_file::host(&file.source, name, |group| match groups.get(group) {
                Some(None) => {
                    unread = true;
                    Ok(None)
                }
                Some(Some(group)) => Ok(Some(Arc::clone(group))),
                None => Ok(None),
            });
            match found {
                Ok(host) => {
                    problems.extend(not_granted(file, &host.accounts, &granted));
                    hosts.insert(name.clone(), host);
                }
                Err(_) if unread => {}
                Err(InventoryError::Problems(found)) => problems.extend(found),
                Err(other) => return Err(other),
            }
        }
        match problems.is_empty() {
            true => Ok(Fleet { inventory, hosts }),
            false => Err(InventoryError::Problems(problems)),
        }
    }

    /// Reads what the inventory says about one host.
    ///
    /// # Errors
    /// If there is no inventory, or a file of the host or of its groups cannot be read or breaks a
    /// rule.
    pub fn standing_of_host(&self, name: &HostName) -> Result<Standing, InventoryError> {
        let read = |directory: &str, name: &HostName| match self.is_directory()? {
            true => TextFile::read_if_there(&self.0, format!("{directory}/{name}.toml")),
            false => Ok(None),
        };
        let Some(file) = read("hosts", name)? else {
            return Ok(Standing {
                entry: None,
                source_digest: SourceDigest::of(Vec::new()),
            });
        };
        let mut files = Vec::new();
        let host = host_file::host(&file.source, name, |group| {
            let Some(file) = read("groups", group)? else {
                return Ok(None);
            };
            let read = host_file::group(&file.source, group)?;
            files.push(file);
            Ok(Some(Arc::new(read)))
        })?;
        files.push(file);
        Ok(Standing {
            entry: Some(Entry::Host(host)),
            source_digest: SourceDigest::of(files.iter().map(TextFile::digested).collect()),
        })
    }
}

/// The lanes of a file whose principal no actor has.
fn not_granted(
    file: &TextFile,
    accounts: &Accounts,
    granted: &BTreeSet<&Principal>,
) -> Vec<Problem> {
    let lanes = accounts
        .iter()
        .flat_map(|(account, lanes)| lanes.iter().map(move |lane| (account, lane)));
    lanes
        .filter(|(_, (principal, _))| !granted.contains(principal))
        .map(|(account, (principal, lane))| {
            let message = format!(
                "account `{account}` is open to principal `{principal}`, which no actor has"
            );
            file.source
                .problem_in_line(lane.place.line as usize, principal.as_str(), message)
                .with_hint("`warden inventory list` shows the principals of every actor")
        })
        .collect()
}
