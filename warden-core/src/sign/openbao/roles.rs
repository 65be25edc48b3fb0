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
pub(crate) const NO_CRITICAL_OPTION: &str = "none";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::InventoryPath;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn inventory() -> (tempfile::TempDir, Inventory) {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "types.toml",
            "[agt]\nextensions = [\"permit-pty\"]\n[adm]\nextensions = [\"permit-pty\"]\n",
        );
        let agt = |principal: &str, lines: &str| {
            format!("type = \"agt\"\nprincipals = [\"{principal}\"]\nttl = \"1h\"\n{lines}")
        };
        write(
            "agt/agt-b.toml",
            &agt("b", "max_ttl = \"3h\"\nforce_command = \"id\"\n"),
        );
        write(
            "agt/agt-a.toml",
            &agt("a", "max_ttl = \"2h\"\nextensions = []\n"),
        );
        write("agt/agt-off.toml", &agt("off", "disabled = true\n"));
        write("agt/agt-gone.toml", &agt("gone", "expires = 2020-01-01\n"));
        write(
            "agt/agt-later.toml",
            &agt("later", "expires = 2099-01-01\n"),
        );
        write(
            "adm/adm-x.toml",
            "type = \"adm\"\nprincipals = [\"x\"]\nttl = \"1h\"\n",
        );
        let inventory = InventoryPath::new(directory.path()).load().unwrap();
        (directory, inventory)
    }

    fn per_type() -> Roles {
        let name = |text| PathName::role(text).unwrap();
        Roles::PerType {
            adm: name("adm-role"),
            agt: name("agt-role"),
            atm: name("atm-role"),
        }
    }

    #[test]
    fn a_role_of_a_type_holds_what_its_live_actors_are_given() {
        let (_directory, inventory) = inventory();
        let found = definitions(&inventory, &per_type(), NOW);
        let names: Vec<_> = found.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["adm-role", "agt-role"]);
        let agt = &found[1];
        let principals: Vec<_> = agt.principals.iter().map(String::as_str).collect();
        assert_eq!(principals, ["a", "b", "later"]);
        assert_eq!(agt.extensions, BTreeSet::from(["permit-pty"]));
        assert_eq!(agt.critical_options, BTreeSet::from(["force-command"]));
    }

    #[test]
    fn a_role_of_an_actor_holds_what_it_is_given() {
        let (_directory, inventory) = inventory();
        let found = definitions(&inventory, &Roles::PerActor, NOW);
        let names: Vec<_> = found.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["adm-x", "agt-a", "agt-b", "agt-later"]);
        let [_, a, b, _] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((a.max_ttl, b.max_ttl), (7200, 10800));
        assert!(a.extensions.is_empty() && a.critical_options.is_empty());
        assert_eq!(b.critical_options, BTreeSet::from(["force-command"]));
        assert_eq!(a.principals, BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn an_actor_that_expires_this_very_second_has_no_role() {
        let (_directory, inventory) = inventory();
        let end = UnixTime(4_070_908_800);
        let names = |now| {
            let found = definitions(&inventory, &Roles::PerActor, now);
            found.iter().any(|role| role.name.as_str() == "agt-later")
        };
        assert!(names(UnixTime(end.0 - 1)));
        assert!(!names(end));
    }
}
