//! Judges a role of the engine: what could be signed through it that the inventory does not give.
//!
//! - Each finding says what could be signed, or why signing will fail, and the setting that closes it.
//! - Pure: a role as the server reads it out, and the definition it should be.

use super::KeyIdRule;
use super::roles::{NO_CRITICAL_OPTION, RoleDefinition};
use super::state::{Finding, Level};
use serde_json::Value;
use std::collections::BTreeSet;

/// The longest backdate the post-sign check accepts, in seconds.
const LONGEST_BACKDATE: u64 = 300;

/// Compares a role, the `data` of `GET <mount>/roles/<name>`, with what it should be.
pub fn lint(role: &Value, expected: &RoleDefinition, key_id: KeyIdRule) -> Vec<Finding> {
    let mut lint = Lint {
        role,
        expected,
        findings: Vec::new(),
    };
    lint.kind();
    lint.principals();
    lint.extensions();
    lint.critical_options();
    lint.key_ids(key_id);
    lint.times();
    if lint.findings.is_empty() {
        let text = format!(
            "role {} allows what the inventory gives, and nothing more",
            expected.name.as_str()
        );
        lint.findings.push(Finding::new(Level::Pass, "role", text));
    }
    lint.findings
}

struct Lint<'a> {
    role: &'a Value,
    expected: &'a RoleDefinition,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn report(&mut self, level: Level, code: &'static str, what: &str, setting: &str) {
        let text = format!("role {}: {what}", self.expected.name.as_str());
        self.findings
            .push(Finding::new(level, code, text).with_fix(setting));
    }

    fn is_true(&self, key: &str) -> bool {
        self.role.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn text(&self, key: &str) -> &str {
        self.role
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.role.get(key).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The parts of a list. The engine takes the blanks off principals, and off nothing else: for
    /// `a, b` it knows the option ` b`, which nobody asks for.
    fn names(&self, key: &str) -> BTreeSet<String> {
        self.text(key)
            .split(',')
            .filter(|name| !name.trim().is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The names in a map, such as `default_extensions`.
    fn keys(&self, key: &str) -> Vec<String> {
        self.role
            .get(key)
            .and_then(Value::as_object)
            .map_or_else(Vec::new, |map| {
                map.keys()
                    .map(|key| super::ExchangeError::cut(key))
                    .collect()
            })
    }

    fn kind(&mut self) {
        if self.text("key_type") != "ca" {
            self.report(
                Level::Fail,
                "role_key_type",
                "it signs no certificates at all",
                "key_type=ca",
            );
        }
        if !self.is_true("allow_user_certificates") {
            self.report(
                Level::Fail,
                "role_user_certificates",
                "it refuses every user certificate",
                "allow_user_certificates=true",
            );
        }
        if self.is_true("allow_host_certificates") {
            self.report(
                Level::Fail,
                "role_host_certificates",
                "a host certificate could be signed by the users' CA",
                "allow_host_certificates=false",
            );
        }
        if self.text("algorithm_signer") == "ssh-rsa" {
            self.report(
                Level::Fail,
                "role_sha1",
                "it signs with SHA-1, which servers refuse",
                "algorithm_signer=default",
            );
        }
    }

    fn principals(&mut self) {
        let wanted = self.expected.principals.clone();
        let setting = format!(
            "allowed_users={}",
            wanted.iter().cloned().collect::<Vec<_>>().join(",")
        );
        let allowed: BTreeSet<_> = self
            .names("allowed_users")
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        if allowed.contains("*") {
            let what = "any principal could be signed, and a certificate without principals as well, which old servers take for everybody";
            self.report(Level::Fail, "role_any_principal", what, &setting);
        } else {
            self.compare(&allowed, &wanted, "role_principals", "principals", &setting);
        }
        if self.is_true("allowed_users_template") {
            self.report(
                Level::Warn,
                "role_principals_template",
                "principals depend on who asks, not on the inventory",
                "allowed_users_template=false",
            );
        }
        if self.is_true("allow_empty_principals") {
            self.report(
                Level::Fail,
                "role_empty_principals",
                "a certificate without principals could be signed (CVE-2024-7594)",
                "allow_empty_principals=false",
            );
        }
        if !self.text("default_user").is_empty() {
            let what = format!(
                "a request without principals would get `{}`",
                super::ExchangeError::cut(self.text("default_user"))
            );
            self.report(Level::Warn, "role_default_user", &what, "default_user=");
        }
    }

    fn extensions(&mut self) {
        let wanted: BTreeSet<String> = self
            .expected
            .extensions
            .iter()
            .map(|one| (*one).to_owned())
            .collect();
        let setting = format!(
            "allowed_extensions={}",
            wanted.iter().cloned().collect::<Vec<_>>().join(",")
        );
        let allowed = self.names("allowed_extensions");
        if allowed.contains("*") {
            self.report(
                Level::Fail,
                "role_any_extension",
                "any extension could be signed",
                &setting,
            );
        } else {
            self.compare(&allowed, &wanted, "role_extensions", "extensions", &setting);
        }
        let defaults = self.keys("default_extensions");
        if !defaults.is_empty() {
            let what = format!(
                "a certificate that is granted no extension would get {}",
                defaults.join(", ")
            );
            self.report(
                Level::Fail,
                "role_default_extensions",
                &what,
                "default_extensions={}",
            );
        }
    }

    fn critical_options(&mut self) {
        let wanted: BTreeSet<String> = self
            .expected
            .critical_options
            .iter()
            .map(|one| (*one).to_owned())
            .collect();
        let names = if wanted.is_empty() {
            NO_CRITICAL_OPTION.to_owned()
        } else {
            wanted.iter().cloned().collect::<Vec<_>>().join(",")
        };
        let setting = format!("allowed_critical_options={names}");
        let mut allowed = self.names("allowed_critical_options");
        allowed.remove(NO_CRITICAL_OPTION);
        if self.text("allowed_critical_options").is_empty() {
            self.report(
                Level::Warn,
                "role_any_critical_option",
                "any critical option could be signed: an empty list means any",
                &setting,
            );
        } else {
            self.compare(
                &allowed,
                &wanted,
                "role_critical_options",
                "critical options",
                &setting,
            );
        }
        let defaults = self.keys("default_critical_options");
        if !defaults.is_empty() {
            let what = format!(
                "{} is added where the inventory sets no critical option, and dropped where it sets any",
                defaults.join(", ")
            );
            self.report(
                Level::Fail,
                "role_default_critical_options",
                &what,
                "default_critical_options={}",
            );
        }
    }

    fn key_ids(&mut self, rule: KeyIdRule) {
        if rule == KeyIdRule::Actor && !self.is_true("allow_user_key_ids") {
            let what =
                "it refuses a key id, so sshd's log would name the token instead of the actor";
            self.report(Level::Fail, "role_key_ids", what, "allow_user_key_ids=true");
        }
    }

    fn times(&mut self) {
        let (max_ttl, wanted) = (self.number("max_ttl"), self.expected.max_ttl);
        let setting = format!("max_ttl={wanted}");
        let ceiling = self.expected.actor_type.ceiling().seconds();
        if max_ttl == 0 {
            let what = "certificates could live as long as the server allows at all, 768 h by default: 0 means no limit of its own";
            self.report(Level::Fail, "role_max_ttl", what, &setting);
        } else if max_ttl > ceiling {
            let what = format!(
                "certificates could live {max_ttl} s, over the ceiling of type `{}`, {ceiling} s",
                self.expected.actor_type
            );
            self.report(Level::Fail, "role_max_ttl", &what, &setting);
        } else if max_ttl < wanted {
            let what =
                format!("it refuses over {max_ttl} s, but the inventory gives up to {wanted} s");
            self.report(Level::Fail, "role_max_ttl", &what, &setting);
        } else if max_ttl > wanted {
            let what = format!(
                "certificates could live {max_ttl} s; the inventory gives up to {wanted} s"
            );
            self.report(Level::Warn, "role_max_ttl", &what, &setting);
        }
        let backdate = self.number("not_before_duration");
        if backdate > LONGEST_BACKDATE {
            let what = format!(
                "certificates begin {backdate} s in the past; more than {LONGEST_BACKDATE} s is refused"
            );
            self.report(
                Level::Fail,
                "role_backdate",
                &what,
                "not_before_duration=30",
            );
        }
    }

    /// What the role allows beyond the inventory, and what it refuses that the inventory gives.
    fn compare(
        &mut self,
        allowed: &BTreeSet<String>,
        wanted: &BTreeSet<String>,
        code: &'static str,
        kind: &str,
        setting: &str,
    ) {
        let listed = |names: Vec<&String>| {
            names
                .into_iter()
                .map(|name| super::ExchangeError::cut(name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let beyond: Vec<_> = allowed.difference(wanted).collect();
        if !beyond.is_empty() {
            let what = format!(
                "{kind} beyond the inventory could be signed: {}",
                listed(beyond)
            );
            self.report(Level::Fail, code, &what, setting);
        }
        let missing: Vec<_> = wanted.difference(allowed).collect();
        if !missing.is_empty() {
            let what = format!("{kind} of the inventory are refused: {}", listed(missing));
            self.report(Level::Fail, code, &what, setting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::roles::definitions;
    use super::super::settings::{PathName, Roles};
    use super::*;
    use crate::certificate::UnixTime;
    use crate::inventory::InventoryPath;
    use serde_json::json;

    fn expected(restrained: bool) -> RoleDefinition {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let types = "[agt]\nextensions = [\"permit-port-forwarding\", \"permit-pty\"]\n";
        write("types.toml", types);
        let command = if restrained {
            "force_command = \"id\"\n"
        } else {
            ""
        };
        let actor = "type = \"agt\"\nprincipals = [\"a\", \"b\"]\nttl = \"1h\"\nmax_ttl = \"2h\"\n";
        write("agt/agt-x.toml", &format!("{actor}{command}"));
        let inventory = InventoryPath::new(directory.path()).load().unwrap();
        let mut found = definitions(&inventory, &Roles::PerActor, UnixTime(1_800_000_000));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn sound() -> Value {
        json!({
            "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": false,
            "allowed_users": "a,b", "allowed_users_template": false, "default_user": "",
            "allow_user_key_ids": true, "allowed_extensions": "permit-pty,permit-port-forwarding",
            "default_extensions": {}, "allowed_critical_options": "force-command",
            "default_critical_options": {}, "ttl": 7200, "max_ttl": 7200,
            "not_before_duration": 30, "algorithm_signer": "default",
        })
    }

    #[test]
    fn a_sound_role_passes() {
        let found = lint(&sound(), &expected(true), KeyIdRule::Actor);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].level, found[0].code), (Level::Pass, "role"));
    }

    #[test]
    fn each_fault_of_a_role_is_one_finding_with_the_setting_that_closes_it() {
        let table: [(&str, Value, Level, &str, &str); 23] = [
            (
                "key_type",
                json!("otp"),
                Level::Fail,
                "role_key_type",
                "key_type=ca",
            ),
            (
                "allow_user_certificates",
                json!(false),
                Level::Fail,
                "role_user_certificates",
                "allow_user_certificates=true",
            ),
            (
                "allow_host_certificates",
                json!(true),
                Level::Fail,
                "role_host_certificates",
                "allow_host_certificates=false",
            ),
            (
                "algorithm_signer",
                json!("ssh-rsa"),
                Level::Fail,
                "role_sha1",
                "algorithm_signer=default",
            ),
            (
                "allowed_users",
                json!("*"),
                Level::Fail,
                "role_any_principal",
                "allowed_users=a,b",
            ),
            (
                "allowed_users",
                json!("a,b,*"),
                Level::Fail,
                "role_any_principal",
                "allowed_users=a,b",
            ),
            (
                "allowed_users",
                json!("a,b,root"),
                Level::Fail,
                "role_principals",
                "allowed_users=a,b",
            ),
            (
                "allowed_users",
                json!("a"),
                Level::Fail,
                "role_principals",
                "allowed_users=a,b",
            ),
            (
                "allowed_users",
                json!(""),
                Level::Fail,
                "role_principals",
                "allowed_users=a,b",
            ),
            (
                "allowed_users_template",
                json!(true),
                Level::Warn,
                "role_principals_template",
                "allowed_users_template=false",
            ),
            (
                "allow_empty_principals",
                json!(true),
                Level::Fail,
                "role_empty_principals",
                "allow_empty_principals=false",
            ),
            (
                "default_user",
                json!("ubuntu"),
                Level::Warn,
                "role_default_user",
                "default_user=",
            ),
            (
                "allowed_extensions",
                json!("*"),
                Level::Fail,
                "role_any_extension",
                "allowed_extensions=permit-port-forwarding,permit-pty",
            ),
            (
                "allowed_extensions",
                json!("permit-pty"),
                Level::Fail,
                "role_extensions",
                "allowed_extensions=permit-port-forwarding,permit-pty",
            ),
            (
                "default_extensions",
                json!({"permit-pty": ""}),
                Level::Fail,
                "role_default_extensions",
                "default_extensions={}",
            ),
            (
                "allowed_critical_options",
                json!(""),
                Level::Warn,
                "role_any_critical_option",
                "allowed_critical_options=force-command",
            ),
            (
                "allowed_critical_options",
                json!("source-address,force-command"),
                Level::Fail,
                "role_critical_options",
                "allowed_critical_options=force-command",
            ),
            (
                "default_critical_options",
                json!({"force-command": "sh"}),
                Level::Fail,
                "role_default_critical_options",
                "default_critical_options={}",
            ),
            (
                "allow_user_key_ids",
                json!(false),
                Level::Fail,
                "role_key_ids",
                "allow_user_key_ids=true",
            ),
            (
                "max_ttl",
                json!(0),
                Level::Fail,
                "role_max_ttl",
                "max_ttl=7200",
            ),
            (
                "max_ttl",
                json!(999_999_999),
                Level::Fail,
                "role_max_ttl",
                "max_ttl=7200",
            ),
            (
                "max_ttl",
                json!(7201),
                Level::Warn,
                "role_max_ttl",
                "max_ttl=7200",
            ),
            (
                "not_before_duration",
                json!(301),
                Level::Fail,
                "role_backdate",
                "not_before_duration=30",
            ),
        ];
        let expected = expected(true);
        for (key, value, level, code, setting) in table {
            let mut role = sound();
            role[key] = value.clone();
            let found = lint(&role, &expected, KeyIdRule::Actor);
            assert_eq!(found.len(), 1, "{key}={value}: {found:?}");
            assert_eq!(
                (found[0].level, found[0].code),
                (level, code),
                "{key}={value}"
            );
            assert_eq!(found[0].fix.as_deref(), Some(setting), "{key}={value}");
        }
    }

    #[test]
    fn a_role_that_shows_nothing_is_not_taken_for_a_sound_one() {
        for role in [json!(null), json!({}), json!([]), json!("x")] {
            let found = lint(&role, &expected(true), KeyIdRule::Actor);
            assert!(found.iter().any(|one| one.level == Level::Fail), "{role}");
        }
    }

    #[test]
    fn key_ids_of_the_role_need_no_permission() {
        let mut role = sound();
        role["allow_user_key_ids"] = json!(false);
        let found = lint(&role, &expected(true), KeyIdRule::AnyPrintable);
        assert_eq!(found[0].level, Level::Pass, "{found:?}");
    }

    #[test]
    fn a_name_that_means_nothing_stands_for_no_critical_option() {
        let expected = expected(false);
        assert!(expected.critical_options.is_empty());
        let mut role = sound();
        role["allowed_critical_options"] = json!("none");
        assert_eq!(
            lint(&role, &expected, KeyIdRule::Actor)[0].level,
            Level::Pass
        );
        role["allowed_critical_options"] = json!("force-command");
        assert_eq!(
            lint(&role, &expected, KeyIdRule::Actor)[0].level,
            Level::Fail
        );
        assert_eq!(expected.name, PathName::role("agt-x").unwrap());
    }
    #[test]
    fn blanks_count_where_the_engine_counts_them() {
        let with = |key: &str, value: &str| {
            let mut role = sound();
            role[key] = json!(value);
            lint(&role, &expected(true), KeyIdRule::Actor)
        };
        assert_eq!(with("allowed_users", " a , b ")[0].level, Level::Pass);
        let found = with("allowed_extensions", "permit-pty, permit-port-forwarding");
        assert!(found.iter().all(|one| one.code == "role_extensions"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].text.contains("refused: permit-port-forwarding"));
        let found = with("allowed_critical_options", "force-command ");
        assert!(found.iter().all(|one| one.code == "role_critical_options"));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
