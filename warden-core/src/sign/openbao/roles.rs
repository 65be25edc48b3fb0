//! The role definitions and the policy that fit the inventory exactly.
//!
//! - What a role allows is what its actors may have, and nothing by default: whatever is not asked
//!   for is not in the certificate.
//! - An empty `allowed_critical_options` would mean any, so a name that no server knows stands for none.

use super::settings::{PathName, Roles, Settings};
use crate::certificate::UnixTime;
use crate::inventory::{Actor, ActorType, Inventory};
use serde_json::json;
use std::collections::BTreeSet;

/// Stands in `allowed_critical_options` where none is allowed.
pub(super) const NO_CRITICAL_OPTION: &str = "none";

/// What one role is to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its name.
    pub name: PathName,
    /// The type of its actors.
    pub actor_type: ActorType,
    /// The principals, in order of their names.
    pub principals: BTreeSet<String>,
    /// The extensions.
    pub extensions: BTreeSet<&'static str>,
    /// The critical options.
    pub critical_options: BTreeSet<&'static str>,
    /// The longest time to live any of its actors may ask for, in seconds.
    pub max_ttl: u64,
}

/// The roles of every actor that is given anything at `now`, in order of their names.
pub fn definitions(inventory: &Inventory, roles: &Roles, now: UnixTime) -> Vec<RoleDefinition> {
    let mut found: Vec<RoleDefinition> = Vec::new();
    for actor in inventory.actors().filter(|actor| is_live(actor, now)) {
        let name = roles.of(actor.name());
        match found.iter_mut().find(|role| role.name == name) {
            Some(role) => role.include(actor),
            None => {
                let mut role = RoleDefinition {
                    name,
                    actor_type: actor.name().actor_type(),
                    principals: BTreeSet::new(),
                    extensions: BTreeSet::new(),
                    critical_options: BTreeSet::new(),
                    max_ttl: 0,
                };
                role.include(actor);
                found.push(role);
            }
        }
    }
    found.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    found
}

fn is_live(actor: &Actor, now: UnixTime) -> bool {
    !actor.disabled() && actor.expires().is_none_or(|end| end > now)
}

impl RoleDefinition {
    fn include(&mut self, actor: &Actor) {
        self.principals.extend(actor.principals().to_strings());
        self.extensions
            .extend(actor.extensions().iter().map(|one| one.as_str()));
        self.critical_options
            .extend(actor.critical_options().to_map().into_keys());
        self.max_ttl = self.max_ttl.max(actor.max_ttl().seconds());
    }

    /// The body of `POST <mount>/roles/<name>`.
    pub fn to_json(&self, settings: &Settings) -> serde_json::Value {
        let joined = |names: Vec<&str>| names.join(",");
        let options = match self.critical_options.is_empty() {
            true => NO_CRITICAL_OPTION.to_owned(),
            false => joined(self.critical_options.iter().copied().collect()),
        };
        json!({
            "key_type": "ca",
            "allow_user_certificates": true,
            "allow_host_certificates": false,
            "allowed_users": joined(self.principals.iter().map(String::as_str).collect()),
            "allowed_users_template": false,
            "default_user": "",
            "allow_user_key_ids": settings.key_id == super::KeyIdRule::Actor,
            "allowed_extensions": joined(self.extensions.iter().copied().collect()),
            "default_extensions": {},
            "allowed_critical_options": options,
            "default_critical_options": {},
            "ttl": self.max_ttl,
            "max_ttl": self.max_ttl,
            "not_before_duration": 30,
        })
    }

    /// The same as a command for a shell.
    pub fn to_command(&self, settings: &Settings) -> String {
        let (mount, name) = (settings.mount.as_str(), self.name.as_str());
        format!(
            "bao write {mount}/roles/{name} - <<'EOF'\n{:#}\nEOF\n",
            self.to_json(settings)
        )
    }
}

/// The policy of a token that may sign with these roles and do nothing else.
pub fn sign_policy(roles: &[RoleDefinition], settings: &Settings) -> String {
    let mount = settings.mount.as_str();
    let path = |role: &RoleDefinition| {
        format!(
            "path \"{mount}/sign/{}\" {{\n  capabilities = [\"update\"]\n}}\n",
            role.name.as_str()
        )
    };
    roles.iter().map(path).collect()
}
