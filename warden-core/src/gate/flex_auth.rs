//! flex-auth as the policy gate: `POST <url>/v1/check`.
//!
//! - The question has exactly the fields of the contract; whatever is ours stands in `context`.
//! - Allow means: effect `allow`, an id, the subject and the resource that were asked, and no
//!   obligation, since warden knows none. Everything else denies.
//! - An answer that is not 200 with one JSON object of bounded size is no answer at all.

use super::strict_json;
use super::{Answer, GateError, PolicyGate, Question};
use crate::exchange::{Address, Connection, Endpoint, ExchangeError, Request};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

/// The default of `timeout`, for the question and the answer together.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// The default address: this machine, where a tunnel or a development server listens.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8080";

/// The default tenant.
pub const DEFAULT_TENANT: &str = "tenant:platform";

/// The default name of this system in the gate's registry.
pub const DEFAULT_SYSTEM: &str = "ops-warden";

/// How flex-auth is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// The tenant.
    pub tenant: String,
    /// The name of this system.
    pub system: String,
    /// How long question and answer may take together.
    pub timeout: Duration,
    /// PEM file of the only CAs accepted for TLS; the system's if there is none.
    pub tls_ca_file: Option<PathBuf>,
}

/// A flex-auth service.
#[derive(Debug)]
pub struct FlexAuth {
    settings: Settings,
    connection: OnceCell<Connection>,
}

#[derive(Serialize)]
struct Check<'a> {
    subject: CheckSubject<'a>,
    tenant: &'a str,
    action: &'static str,
    resource: CheckResource<'a>,
    context: CheckContext<'a>,
}

#[derive(Serialize)]
struct CheckSubject<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    tenant: &'a str,
}

#[derive(Serialize)]
struct CheckResource<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    system: &'a str,
    tenant: &'a str,
}

#[derive(Serialize)]
struct CheckContext<'a> {
    principals: &'a [String],
    actor_type: &'a str,
    pubkey_fingerprint: &'a str,
    /// Whole hours, rounded up: the contract knows no other.
    ttl_hours: u64,
    /// The same exactly.
    ttl_seconds: u64,
}

/// What is read of a decision envelope; what else stands there does not matter.
#[derive(Deserialize)]
struct Envelope {
    id: Option<String>,
    request_id: Option<String>,
    effect: String,
    subject: Reference,
    resource: Reference,
    reason: Option<String>,
    #[serde(default)]
    obligations: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
    system: Option<String>,
    tenant: Option<String>,
}

impl Reference {
    /// Whether it is of this tenant and system, as far as it says.
    fn is_of(&self, settings: &Settings) -> bool {
        let same =
            |said: &Option<String>, ours: &String| said.as_ref().is_none_or(|said| said == ours);
        same(&self.tenant, &settings.tenant) && same(&self.system, &settings.system)
    }
}

/// The id of an actor's resource in the gate's registry.
pub fn resource_id(actor: &str) -> String {
    format!("ssh-cert:actor/{actor}")
}

impl FlexAuth {
    /// A gate at this address; nothing is sent or built yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            connection: OnceCell::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn connection(&self) -> Result<&Connection, GateError> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection);
        }
        let endpoint = Endpoint {
            address: &self.settings.address,
            headers: &[],
            timeout: self.settings.timeout,
            // A little less than the whole, so that a connection that fails is known as one.
            connect_timeout: self.settings.timeout.mul_f32(0.9),
            tls_ca_file: self.settings.tls_ca_file.as_deref(),
            tls_client_file: None,
            proxy: None,
        };
        let connection = Connection::to(&endpoint).map_err(|error| no_answer(&error))?;
        Ok(self.connection.get_or_init(|| connection))
    }

    /// Whether the service says that it is well: `GET /healthz` answers 200.
    ///
    /// # Errors
    /// If it does not.
    pub fn health(&self) -> Result<(), GateError> {
        let connection = self.connection()?;
        let request = Request {
            method: Method::GET,
            path: "healthz",
            body: Vec::new(),
            secret: None,
        };
        connection
            .success(request, connection.deadline())
            .map(drop)
            .map_err(|error| no_answer(&error))
    }

    fn body(&self, question: &Question<'_>) -> Result<Vec<u8>, GateError> {
        let actor_type = question.actor.actor_type().as_str();
        let (tenant, seconds) = (self.settings.tenant.as_str(), question.ttl.seconds());
        let check = Check {
            subject: CheckSubject {
                id: question.subject.as_str(),
                kind: actor_type,
                tenant,
            },
            tenant,
            action: "sign",
            resource: CheckResource {
                id: &resource_id(question.actor.as_str()),
                kind: "ssh-certificate",
                system: &self.settings.system,
                tenant,
            },
            context: CheckContext {
                principals: question.principals,
                actor_type,
                pubkey_fingerprint: question.public_key.as_str(),
                ttl_hours: seconds.div_ceil(3600),
                ttl_seconds: seconds,
            },
        };
        serde_json::to_vec(&check)
            .map_err(|error| GateError::new("gate_request", error.to_string(), true))
    }
}

impl PolicyGate for FlexAuth {
    fn ask(&self, question: &Question<'_>) -> Result<Answer, GateError> {
        let body = self.body(question)?;
        let connection = self.connection()?;
        let request = Request {
            method: Method::POST,
            path: "v1/check",
            body,
            secret: None,
        };
        let answer = connection
            .answer(request, connection.deadline())
            .map_err(|error| no_answer(&error))?;
        let refused = |reason, detail: String| Err(GateError::new(reason, detail, false));
        if answer.status != 200 {
            return refused(
                "gate_status",
                format!("the status is {}, expected 200", answer.status),
            );
        }
        let media_type = answer
            .content_type
            .as_deref()
            .unwrap_or("")
            .split(';')
            .next()
            .unwrap_or("")
            .trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            let found = ExchangeError::cut(media_type);
            return refused(
                "gate_content_type",
                format!("the content type is `{found}`, expected application/json"),
            );
        }
        match strict_json::from_slice::<Envelope>(&answer.body) {
            Ok(envelope) if answer.body.trim_ascii_start().first() == Some(&b'{') => {
                Ok(envelope.answer(question, &self.settings))
            }
            Ok(_) => refused(
                "gate_answer_not_understood",
                "it is not a JSON object".to_owned(),
            ),
            Err(error) => refused(
                "gate_answer_not_understood",
                ExchangeError::cut(&error.to_string()),
            ),
        }
    }
}

impl Envelope {
    /// What this envelope means for the question it should be about.
    fn answer(self, question: &Question<'_>, settings: &Settings) -> Answer {
        let decision_id = self.id.or(self.request_id).filter(|id| is_id(id));
        let expected = resource_id(question.actor.as_str());
        let obligations = self.obligations.is_some_and(|list| !list.is_empty());
        let objection = match self.effect.as_str() {
            "allow" if decision_id.is_none() => Some("decision_without_id"),
            "allow" if self.subject.id != question.subject.as_str() => {
                Some("decision_for_another_subject")
            }
            "allow" if self.resource.id != expected => Some("decision_for_another_resource"),
            "allow" if !self.subject.is_of(settings) || !self.resource.is_of(settings) => {
                Some("decision_for_another_tenant_or_system")
            }
            "allow" if obligations => Some("unknown_obligation"),
            _ => None,
        };
        let said = self.reason.unwrap_or_default();
        let reason = match objection {
            Some(objection) => Some(objection.to_owned()),
            None => Some(said.clone()).filter(|text| is_token(text)),
        };
        Answer {
            allows: self.effect == "allow" && objection.is_none(),
            decision_id,
            reason,
            words: match objection {
                Some(objection) => objection.replace('_', " "),
                None => ExchangeError::cut(&format!("{} {said}", self.effect))
                    .trim_end()
                    .to_owned(),
            },
        }
    }
}

/// 1 to 128 characters that can stand anywhere.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":._-/".contains(&byte))
}

/// 1 to 64 of `a-z 0-9 _`, as stable reasons are.
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn no_answer(error: &ExchangeError) -> GateError {
    let (reason, nothing_sent) = match error {
        ExchangeError::Dns => ("gate_dns", true),
        ExchangeError::Refused => ("gate_connection_refused", true),
        ExchangeError::Unreachable { .. } => ("gate_unreachable", true),
        ExchangeError::ConnectTimeout { .. } => ("gate_connect_timeout", true),
        ExchangeError::Tls { .. } => ("gate_tls", true),
        // The alert comes when the question may have been sent already.
        ExchangeError::ClientRefused { .. } => ("gate_tls", false),
        // Something is wrong on our side, such as a CA file; that is no gate out of reach.
        ExchangeError::Request { .. }
        | ExchangeError::TrustedCas { .. }
        | ExchangeError::ClientCertificate { .. } => ("gate_request", false),
        ExchangeError::Timeout { .. } => ("gate_timeout", false),
        ExchangeError::CutShort => ("gate_answer_cut_short", false),
        ExchangeError::TooLarge { .. } => ("gate_answer_too_large", false),
        ExchangeError::NotUnderstood { .. } => ("gate_answer_not_understood", false),
        ExchangeError::Redirect { .. } => ("gate_redirect", false),
        ExchangeError::Status { .. } | ExchangeError::LoginRefused { .. } => ("gate_status", false),
    };
    GateError::new(reason, error.to_string(), nothing_sent)
}
