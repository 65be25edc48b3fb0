//! The question that a gate is asked.
//!
//! - Strict: an unknown or repeated key, or a value of the wrong kind, is malformed; only `context`
//!   may hold more than is known here.
//! - What is missing from `context` is no malformed question but one that is denied.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A question: may this subject do this to that resource?
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    pub(super) subject: Subject,
    pub(super) tenant: Option<String>,
    pub(super) action: String,
    pub(super) resource: Resource,
    pub(super) context: Context,
    pub(super) request_id: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    pub(super) id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) subject_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
}

/// What for.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) id: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) resource_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
}

/// On which terms.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Context {
    pub(super) principals: Option<Vec<String>>,
    pub(super) actor_type: Option<String>,
    pub(super) pubkey_fingerprint: Option<String>,
    pub(super) ttl_hours: Option<f64>,
    pub(super) ttl_seconds: Option<u64>,
}

/// Why bytes are no question.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedCheck {
    /// Not JSON of the right shape.
    #[error("the request is malformed: {0}")]
    Json(#[from] serde_json::Error),
    /// An id that is empty.
    #[error("the request is malformed: `{0}` is empty")]
    Empty(&'static str),
}

impl CheckRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// If it is not JSON, has an unknown or repeated key, lacks a required one, or a value is of the
    /// wrong kind.
    pub fn from_json(body: &[u8]) -> Result<Self, MalformedCheck> {
        let asked: Self = serde_json::from_slice(body)?;
        if asked.subject.id.is_empty() {
            return Err(MalformedCheck::Empty("subject.id"));
        }
        if asked.resource.id.is_empty() {
            return Err(MalformedCheck::Empty("resource.id"));
        }
        Ok(asked)
    }

    /// Every part that the decision depends on, in one order, absent ones apart from empty ones.
    pub(super) fn parts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let Self {
            subject,
            tenant,
            action,
            resource,
            context,
            request_id: _,
        } = self;
        let present = |text: &str| Cow::Owned(format!("={text}"));
        let optional = move |text: &Option<String>| match text {
            Some(text) => present(text),
            None => Cow::Borrowed("-"),
        };
        let number = |text: Option<String>| text.map_or(Cow::Borrowed("-"), Cow::Owned);
        let principals = context.principals.iter().flatten();
        let count = context
            .principals
            .as_ref()
            .map(|list| list.len().to_string());
        [
            present(action),
            present(&subject.id),
            optional(&subject.subject_type),
            optional(&subject.tenant),
            optional(tenant),
            present(&resource.id),
            optional(&resource.resource_type),
            optional(&resource.system),
            optional(&resource.tenant),
            optional(&context.actor_type),
            optional(&context.pubkey_fingerprint),
            number(context.ttl_hours.map(|hours| hours.to_string())),
            number(context.ttl_seconds.map(|seconds| seconds.to_string())),
            number(count),
        ]
        .into_iter()
        .chain(principals.map(|one| Cow::Borrowed(one.as_str())))
    }
}
