//! An answer of the stand-in, well formed or not.

use serde_json::{Value, json};
use std::time::Duration;

/// What is written back, and how.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay: Duration,
    pub(super) drip: Option<Duration>,
    pub(super) announced: Option<u64>,
    pub(super) cut_at: Option<usize>,
    pub(super) filler: u64,
    pub(super) raw: Option<Vec<u8>>,
}

impl Answer {
    /// A status and a body of JSON, whatever it is.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![
                ("Cache-Control".to_owned(), "no-store".to_owned()),
                ("Content-Type".to_owned(), "application/json".to_owned()),
            ],
            body: body.into(),
            delay: Duration::ZERO,
            drip: None,
            announced: None,
            cut_at: None,
            filler: 0,
            raw: None,
        }
    }

    /// A status and a JSON document.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        // The real server ends its documents with a line end.
        Self::text(status, format!("{body}\n"))
    }

    /// A status and `{"errors": [...]}`.
    #[must_use]
    pub fn errors(status: u16, errors: &[&str]) -> Self {
        Self::json(status, &json!({ "errors": errors }))
    }

    /// Everything that every success has, with this `data`.
    #[must_use]
    pub fn data(data: &Value) -> Self {
        Self::json(200, &envelope(data, &Value::Null))
    }

    /// Everything that every success has, with this `auth`.
    #[must_use]
    pub fn auth(auth: &Value) -> Self {
        Self::json(200, &envelope(&Value::Null, auth))
    }

    /// These bytes and nothing else; then the connection ends.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let mut answer = Self::text(0, "");
        answer.raw = Some(bytes.into());
        answer
    }

    /// Adds a header, or replaces it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits before the first byte.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits after each byte of the body.
    #[must_use]
    pub fn dripping(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Announces another length than the body has.
    #[must_use]
    pub fn announcing(mut self, length: u64) -> Self {
        self.announced = Some(length);
        self
    }

    /// Ends the connection after so many bytes of the body.
    #[must_use]
    pub fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self
    }

    /// Sends so many more bytes after the body, without ever holding them.
    #[must_use]
    pub fn then_bytes(mut self, bytes: u64) -> Self {
        self.filler = bytes;
        self
    }
}

fn envelope(data: &Value, auth: &Value) -> Value {
    json!({
        "request_id": "8b3b1a5e-6b0c-4a53-9f0e-1d9a3f6f2c11",
        "lease_id": "",
        "renewable": false,
        "lease_duration": 0,
        "data": data,
        "wrap_info": null,
        "warnings": null,
        "auth": auth,
    })
}
