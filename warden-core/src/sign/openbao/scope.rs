//! What a token may do, by `sys/capabilities-self`.
//!
//! - It is looked up, and no token is renewed by it.

use super::server::Server;
use crate::exchange::ExchangeError;
use crate::secret::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a token may do at some paths.
#[derive(Debug)]
pub struct Capabilities(BTreeMap<String, Vec<String>>);

impl Capabilities {
    pub(super) fn look_up(
        server: &Server,
        token: &Secret,
        paths: &[String],
    ) -> Result<Self, ExchangeError> {
        let body = json!({ "paths": paths });
        let path = "v1/sys/capabilities-self";
        let answer = server.post(path, &body, Some(token), server.deadline())?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| ExchangeError::NotUnderstood {
                detail: error.to_string(),
            })?;
        let held = |path: &String| -> Vec<String> {
            let list = answer
                .get("data")
                .and_then(|data| data.get(path))
                .or_else(|| answer.get(path))
                .and_then(Value::as_array);
            let words = list.into_iter().flatten().filter_map(Value::as_str);
            words.map(str::to_owned).collect()
        };
        let held = paths.iter().map(|path| (path.clone(), held(path)));
        Ok(Self(held.collect()))
    }

    /// Whether it holds this capability at a path that was asked about.
    pub fn may(&self, path: &str, what: &str) -> bool {
        self.0
            .get(path)
            .is_some_and(|list| list.iter().any(|one| one == what || one == "root"))
    }

    /// Whether it may change what is at a path that was asked about.
    pub fn may_change(&self, path: &str) -> bool {
        ["update", "create", "delete"]
            .iter()
            .any(|what| self.may(path, what))
    }
}
