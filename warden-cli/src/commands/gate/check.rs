use crate::commands::sign::read_public_key;
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use warden_core::authorize::Subject;
use warden_core::certificate::{Fingerprint, Principal, PublicKey, Ttl};
use warden_core::failure::Class;
use warden_core::gate::{PolicyGate, Question};
use warden_core::inventory::ActorName;
use warden_core::sign::local::throwaway_key;

/// Ask the gate alone, even for what the inventory would deny; nothing is signed or recorded
#[derive(Args)]
pub(crate) struct Check {
    /// Whom the certificate would be for; the inventory need not know the name
    actor: String,

    /// How long it would be valid [default: the actor's, else its type's ceiling]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    ttl: Option<String>,

    /// A principal it would carry; may be repeated [default: all of the actor's]
    #[arg(
        long = "principal",
        value_name = "PRINCIPAL",
        allow_hyphen_values = true
    )]
    principals: Vec<String>,

    /// The key it would certify [default: a key made for the question and thrown away]
    #[arg(long, value_name = "FILE")]
    pubkey: Option<PathBuf>,
}

/// A question, with everything it borrows.
pub(crate) struct Asked {
    pub(crate) subject: Subject,
    pub(crate) actor: ActorName,
    pub(crate) principals: Vec<String>,
    pub(crate) ttl: Ttl,
    pub(crate) public_key: Fingerprint,
}

/// A key to ask about, or to certify on trial, whose private half is gone.
pub(crate) fn key_nobody_has() -> Result<PublicKey, CliError> {
    throwaway_key().map_err(|error| {
        CliError::new(
            Class::Failed,
            "randomness_unavailable",
            format!("the system gave no random bytes: {error}"),
        )
    })
}

impl Asked {
    /// What would be asked for an actor, with what the inventory gives where nothing else is said.
    pub(crate) fn about(
        setup: &Setup,
        actor: ActorName,
        subject: Option<Subject>,
    ) -> Result<Self, CliError> {
        let standing = setup.inventory.standing_of(&actor)?;
        let known = standing.actor();
        let key = key_nobody_has()?;
        Ok(Self {
            subject: subject.unwrap_or_else(|| Subject::from(&actor)),
            principals: known
                .as_ref()
                .map_or_else(Vec::new, |actor| actor.principals().to_strings()),
            ttl: known
                .as_ref()
                .map_or(actor.actor_type().ceiling(), |actor| actor.ttl()),
            actor,
            public_key: key.fingerprint().clone(),
        })
    }

    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            subject: &self.subject,
            actor: &self.actor,
            principals: &self.principals,
            ttl: self.ttl,
            public_key: &self.public_key,
        }
    }
}

impl Check {
    pub(crate) fn run(self, setup: &Setup) -> Result<Report, CliError> {
        let actor = actor_name(&self.actor)?;
        let malformed = |reason, message: String| CliError::new(Class::Malformed, reason, message);
        let ttl = self.ttl.as_deref().map(Ttl::parse).transpose();
        let ttl = ttl.map_err(|error| malformed("ttl_malformed", format!("--ttl: {error}")))?;
        let principals: Result<Vec<_>, _> = self
            .principals
            .iter()
            .map(|text| Principal::new(text))
            .collect();
        let principals = principals
            .map_err(|error| malformed("principal_malformed", format!("--principal: {error}")))?;
        let mut asked = Asked::about(setup, actor, setup.subject()?)?;
        asked.ttl = ttl.unwrap_or(asked.ttl);
        if !principals.is_empty() {
            asked.principals = principals.iter().map(ToString::to_string).collect();
        }
        if let Some(path) = &self.pubkey {
            asked.public_key = read_public_key(path)?.fingerprint().clone();
        }
        let answer = setup.gate().ask(&asked.question())?;
        let json = json!({
            "actor": asked.actor.as_str(),
            "subject": asked.subject.as_str(),
            "principals": asked.principals,
            "ttl_seconds": asked.ttl.seconds(),
            "public_key": asked.public_key.as_str(),
            "effect": if answer.allows { "allow" } else { "deny" },
            "decision_id": answer.decision_id,
            "reason": answer.reason,
        });
        let id = answer.decision_id.as_deref().unwrap_or("no id");
        if answer.allows {
            let text = format!(
                "allow: {} for subject `{}` ({id})\n",
                answer.words, asked.subject
            );
            return Ok(Report {
                text,
                json,
                ..Report::default()
            });
        }
        let message = format!(
            "the policy gate denies `{}` to subject `{}`: {}",
            asked.actor, asked.subject, answer.words
        );
        Err(CliError::new(Class::Refused, "gate_denied", message)
            .hint(format!("the gate's decision is {id}"))
            .with_report(Report {
                json,
                ..Report::default()
            }))
    }
}
