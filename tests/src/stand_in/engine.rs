//! What a healthy server answers: health, tokens, logins, and the SSH engine mounted at `ssh`.
//!
//! - Statuses, envelopes and messages are the real server's, as far as the paths here go.
//! - A role refuses what the real engine refuses, and adds its defaults where the engine does.

use super::certificate::{Fields, Forgery, RawOption, base64, public_blob};
use super::{Answer, Recorded, flag, valued};
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};
use ssh_key::public::KeyData;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// A token the server knows.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Whether it may sign.
    pub may_sign: bool,
}

/// The server.
pub struct Engine {
    /// The CA's key.
    pub ca: SigningKey,
    /// The roles, as they were written.
    pub roles: BTreeMap<String, Value>,
    /// The tokens.
    pub tokens: BTreeMap<String, Token>,
    /// The one role id of AppRole.
    pub role_id: String,
    /// Its secret ids.
    pub secret_ids: BTreeSet<String>,
    /// Wrapping tokens, each with the secret id inside; each works once.
    pub wrapped: BTreeMap<String, String>,
    /// The JWTs that are accepted.
    pub jwts: BTreeSet<String>,
    /// The token that the next login makes.
    pub next_token: String,
    /// The last serial.
    pub serial: u64,
    /// The id of the CA; without one the server knows no issuers.
    pub issuer: Option<String>,
    /// Whether the CA was deleted.
    pub deleted: bool,
}

impl Engine {
    pub(super) fn new() -> Self {
        Self {
            ca: SigningKey::from_bytes(&[100; 32]),
            roles: BTreeMap::new(),
            tokens: BTreeMap::new(),
            role_id: "stand-in-role-id".to_owned(),
            secret_ids: BTreeSet::new(),
            wrapped: BTreeMap::new(),
            jwts: BTreeSet::new(),
            next_token: "s.MadeByLogin0000000000".to_owned(),
            serial: 0xfedc_ba98_7654_3210,
            issuer: None,
            deleted: false,
        }
    }

    /// The CA's public line.
    #[must_use]
    pub fn ca_line(&self) -> String {
        format!("ssh-ed25519 {}", base64(&public_blob(&self.ca)))
    }

    /// The CA's fingerprint, as `vault.ca_fingerprint` has it.
    #[must_use]
    pub fn ca_fingerprint(&self) -> String {
        match ssh_key::PublicKey::from_bytes(&public_blob(&self.ca)) {
            Ok(key) => key.fingerprint(ssh_key::HashAlg::Sha256).to_string(),
            Err(error) => panic!("the stand-in's CA is no key: {error}"),
        }
    }

    /// Makes a token known that may sign and cannot be renewed.
    pub fn add_token(&mut self, token: &str) {
        let made = Token {
            renewable: false,
            may_sign: true,
        };
        self.tokens.insert(token.to_owned(), made);
    }

    pub(super) fn answer(
        &mut self,
        request: &Recorded,
        path: &str,
        alter: &dyn Fn(&mut Forgery),
    ) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "sys/health") => {
                return Answer::json(
                    200,
                    &json!({
                        "initialized": true, "sealed": false, "standby": false,
                        "performance_standby": false, "replication_performance_mode": "disabled",
                        "replication_dr_mode": "disabled", "server_time_utc": now(),
                        "version": "2.5.4", "cluster_name": "stand-in", "cluster_id": "stand-in",
                    }),
                );
            }
            ("GET", "ssh/public_key") if self.deleted => {
                return Answer::errors(400, &["no default issuer currently configured"]);
            }
            ("GET", "ssh/public_key") => {
                return Answer::text(200, self.ca_line()).header("Content-Type", "text/plain");
            }
            ("GET", path) if self.is_of_issuer(path, "/public_key") => {
                return match self.deleted {
                    false => Answer::text(200, self.ca_line()),
                    true => Answer::errors(404, &["unable to find issuer for reference"]),
                };
            }
            ("POST" | "PUT", "auth/approle/login") => return self.approle(&request.json()),
            ("POST" | "PUT", "auth/jwt/login") => return self.jwt(&request.json()),
            ("POST" | "PUT", "sys/wrapping/unwrap") => {
                return self.unwrap(request.header("x-vault-token"));
            }
            _ => {}
        }
        let Some(token) = request.header("x-vault-token").map(str::to_owned) else {
            return Answer::errors(403, &["permission denied"]);
        };
        let Some(known) = self.tokens.get(&token).cloned() else {
            return Answer::errors(403, &["permission denied", "invalid token"]);
        };
        match (request.method.as_str(), path.split_once("ssh/sign/")) {
            ("POST" | "PUT", Some(("", role))) if known.may_sign => {
                return match self.sign(role, &request.json(), alter) {
                    Ok(answer) => answer,
                    Err(message) => Answer::errors(400, &[&message]),
                };
            }
            (_, Some(_)) => return denied(),
            _ => {}
        }
        self.of_token(request, path, &token, &known)
    }

    fn of_token(&mut self, request: &Recorded, path: &str, token: &str, known: &Token) -> Answer {
        match (request.method.as_str(), path) {
            ("GET", "auth/token/lookup-self") => Answer::data(&json!({
                "accessor": "8609694a-cdbc-db9b-d345-e782dbb562ed", "creation_time": now() - 60,
                "creation_ttl": 3600, "display_name": "token", "entity_id": "",
                "expire_time": "2100-01-01T00:00:00Z", "explicit_max_ttl": 0, "id": token,
                "meta": null, "num_uses": 0, "orphan": true, "path": "auth/token/create",
                "policies": ["default", "warden-sign"], "renewable": known.renewable,
                "ttl": 3540, "type": "service",
            })),
            ("POST" | "PUT", "auth/token/renew-self") if known.renewable => {
                Answer::auth(&auth(token, true))
            }
            ("POST" | "PUT", "auth/token/renew-self") => {
                Answer::errors(400, &["lease is not renewable"])
            }
            ("POST" | "PUT", "auth/token/revoke-self") => {
                self.tokens.remove(token);
                Answer::text(204, "")
            }
            ("POST" | "PUT", "sys/capabilities-self") => {
                let asked = request.json();
                let paths = asked["paths"].as_array().cloned().unwrap_or_default();
                let mut data = Map::new();
                for path in paths.iter().filter_map(Value::as_str) {
                    let may = path.starts_with("ssh/sign/") && known.may_sign;
                    let held = if may {
                        json!(["update"])
                    } else {
                        json!(["deny"])
                    };
                    data.insert(path.to_owned(), held);
                }
                Answer::data(&Value::Object(data))
            }
            ("GET", role) if role.starts_with("ssh/roles/") => {
                match self.roles.get(role.trim_start_matches("ssh/roles/")) {
                    Some(role) => Answer::data(role),
                    None => Answer::errors(404, &[]),
                }
            }
            ("GET", "ssh/config/issuers") if self.issuer.is_some() => {
                Answer::data(&json!({"default": self.issuer}))
            }
            ("DELETE", path) if self.is_of_issuer(path, "") => {
                self.deleted = true;
                Answer::text(204, "")
            }
            (_, path) if path.starts_with("ssh/") => {
                Answer::errors(405, &["unsupported operation"])
            }
            (_, path) => {
                let message = format!("no handler for route \"{path}\". route entry not found.");
                Answer::errors(404, &[&message])
            }
        }
    }

    fn approle(&mut self, asked: &Value) -> Answer {
        let secret = asked["secret_id"].as_str().unwrap_or_default();
        if asked["role_id"] != self.role_id || !self.secret_ids.contains(secret) {
            return Answer::errors(400, &["invalid role or secret ID"]);
        }
        self.logged_in()
    }

    fn jwt(&mut self, asked: &Value) -> Answer {
        if !self
            .jwts
            .contains(asked["jwt"].as_str().unwrap_or_default())
        {
            return Answer::errors(400, &["error validating token: invalid signature"]);
        }
        self.logged_in()
    }

    fn logged_in(&mut self) -> Answer {
        let token = self.next_token.clone();
        self.add_token(&token);
        Answer::auth(&auth(&token, true))
    }

    fn unwrap(&mut self, token: Option<&str>) -> Answer {
        match self.wrapped.remove(token.unwrap_or_default()) {
            Some(secret_id) => Answer::data(&json!({
                "secret_id": secret_id, "secret_id_accessor": "9d7b1a4e",
                "secret_id_num_uses": 1, "secret_id_ttl": 600,
            })),
            None => Answer::errors(400, &["wrapping token is not valid or does not exist"]),
        }
    }

    fn is_of_issuer(&self, path: &str, rest: &str) -> bool {
        let of = |id: &String| path == format!("ssh/issuer/{id}{rest}");
        self.issuer.as_ref().is_some_and(of)
    }

    fn sign(
        &mut self,
        role: &str,
        asked: &Value,
        alter: &dyn Fn(&mut Forgery),
    ) -> Result<Answer, String> {
        let rules = self
            .roles
            .get(role)
            .cloned()
            .ok_or_else(|| format!("Unknown role: {role}"))?;
        let is = |key: &str| rules[key].as_bool().unwrap_or(false);
        let public_key = asked["public_key"].as_str().ok_or("missing public_key")?;
        let cert_type = match asked["cert_type"].as_str().unwrap_or("user") {
            "user" if is("allow_user_certificates") => 1,
            "host" if is("allow_host_certificates") => 2,
            other => return Err(format!("cert_type '{other}' is not allowed by role")),
        };
        let key_id = match asked["key_id"].as_str().unwrap_or_default() {
            "" => "vault-token-0a1b2c3d4e5f".to_owned(),
            _ if !is("allow_user_key_ids") => {
                return Err("setting key_id is not allowed by role".to_owned());
            }
            given => given.to_owned(),
        };
        let ttl = seconds(&asked["ttl"])?;
        let most = rules["max_ttl"].as_u64().unwrap_or(0);
        if most > 0 && ttl > most {
            return Err(format!("ttl is larger than maximum allowed {most}"));
        }
        let backdate = rules["not_before_duration"].as_u64().unwrap_or(30);
        self.serial += 1;
        let fields = Fields {
            key_fields: key_fields(public_key)?,
            serial: self.serial,
            cert_type,
            key_id: key_id.into_bytes(),
            principals: principals(&rules, &asked["valid_principals"])?,
            valid_after: now() - backdate,
            valid_before: now() + ttl,
            critical_options: options(&rules, asked, "critical_options", "")?,
            extensions: options(&rules, asked, "extensions", "*")?,
            ca_key: public_blob(&self.ca),
        };
        let mut forgery = Forgery::new(fields, public_key, self.ca.clone());
        alter(&mut forgery);
        let (signed_key, serial_number) = forgery.answer();
        Ok(Answer::data(
            &json!({"signed_key": signed_key, "serial_number": serial_number, "issuer_id": "a1b2"}),
        ))
    }
}

fn denied() -> Answer {
    Answer::errors(403, &["1 error occurred:\n\t* permission denied\n\n"])
}

fn auth(token: &str, renewable: bool) -> Value {
    json!({
        "client_token": token, "accessor": "0e9e354a", "policies": ["default", "warden-sign"],
        "token_policies": ["default", "warden-sign"], "metadata": {"role_name": "warden"},
        "lease_duration": 1200, "renewable": renewable, "entity_id": "a9c1", "token_type": "service",
        "orphan": true, "mfa_requirement": null, "num_uses": 0,
    })
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn seconds(ttl: &Value) -> Result<u64, String> {
    let text = ttl.as_str().unwrap_or_default();
    text.trim_end_matches('s')
        .parse()
        .map_err(|_| format!("failed to parse requested ttl: {text}"))
}

/// The wire form of a key less its type.
fn key_fields(line: &str) -> Result<Vec<u8>, String> {
    let failed = |why: String| format!("failed to parse public_key as SSH key: {why}");
    let key = ssh_key::PublicKey::from_openssh(line).map_err(|error| failed(error.to_string()))?;
    let KeyData::Ed25519(_) = key.key_data() else {
        return Err(failed("the stand-in signs ed25519 only".to_owned()));
    };
    let blob = key.to_bytes().map_err(|error| failed(error.to_string()))?;
    Ok(blob[super::string(b"ssh-ed25519").len()..].to_vec())
}

/// As the engine does: sorted, without repetitions, each among those of the role.
fn principals(rules: &Value, asked: &Value) -> Result<Vec<Vec<u8>>, String> {
    let split = |text: &str| -> BTreeSet<String> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let allowed = rules["allowed_users"].as_str().unwrap_or_default();
    let mut wanted = split(asked.as_str().unwrap_or_default());
    if wanted.is_empty() {
        wanted = split(rules["default_user"].as_str().unwrap_or_default());
    }
    if allowed.is_empty() {
        return Err("role is not configured to allow any principals".to_owned());
    }
    let may = |name: &String| allowed == "*" || split(allowed).contains(name);
    match wanted.iter().find(|name| !may(name)) {
        Some(name) => Err(format!("{name} is not a valid value for valid_principals")),
        None => Ok(wanted.into_iter().map(String::into_bytes).collect()),
    }
}

/// As the engine does: an empty map stands for the role's defaults, and a list may mean any.
fn options(rules: &Value, asked: &Value, kind: &str, any: &str) -> Result<Vec<RawOption>, String> {
    let none = Map::new();
    let wanted = asked[kind].as_object().filter(|map| !map.is_empty());
    let allowed = rules[format!("allowed_{kind}")]
        .as_str()
        .unwrap_or_default();
    let given = match wanted {
        Some(wanted) if allowed != any => {
            let listed: Vec<_> = allowed.split(',').collect();
            let refused: Vec<_> = wanted
                .keys()
                .filter(|name| !listed.contains(&name.as_str()))
                .collect();
            if !refused.is_empty() {
                return Err(format!("{kind} {refused:?} are not on allowed list"));
            }
            wanted
        }
        Some(wanted) => wanted,
        None => rules[format!("default_{kind}")]
            .as_object()
            .unwrap_or(&none),
    };
    // A map of JSON is in the order of its names here, as an option list must be.
    let option = |(name, value): (&String, &Value)| match value.as_str().unwrap_or_default() {
        "" => flag(name),
        value => valued(name, value),
    };
    Ok(given.iter().map(option).collect())
}
