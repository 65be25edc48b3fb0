//! Requests as OpenBao's API takes them, over a connection of our own.
//!
//! - The token goes in a header and nowhere else.
//! - An error never shows a secret that was sent, even if the server says it back.

use super::settings::{PathName, Settings};
use crate::exchange::{Answer, Connection, Endpoint, ExchangeError, Request};
use crate::secret::Secret;
use reqwest::Method;
use rustify::errors::ClientError;
use serde_json::Value;
use std::sync::Mutex;
use std::time::Instant;

/// The header that carries a token.
const TOKEN: &str = "X-Vault-Token";

/// The server of some settings.
#[derive(Debug)]
pub(super) struct Server {
    connection: Connection,
}

impl Server {
    /// Prepares a connection; nothing is sent yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, ExchangeError> {
        let mut headers = vec![("X-Vault-Request", "true")];
        let namespace = settings.namespace.as_ref().map(PathName::as_str);
        headers.extend(namespace.map(|namespace| ("X-Vault-Namespace", namespace)));
        let connection = Connection::to(&Endpoint {
            address: &settings.address,
            headers: &headers,
            timeout: settings.timeout,
            connect_timeout: settings.timeout,
            tls_ca_file: settings.tls_ca_file.as_deref(),
            tls_client_file: settings.tls_client_file.as_deref(),
            proxy: settings.proxy.as_deref(),
        })?;
        Ok(Self { connection })
    }

    /// When an operation that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.connection.deadline()
    }

    /// The whole answer to a GET, whatever its status.
    pub(super) fn answer(&self, path: &str, deadline: Instant) -> Result<Answer, ExchangeError> {
        self.connection.answer(get(path, None), deadline)
    }

    /// The body of a GET that succeeded.
    pub(super) fn read(
        &self,
        path: &str,
        token: Option<&Secret>,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.connection.success(get(path, token), deadline)
    }

    /// The body of the answer to a POST that succeeded.
    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        token: Option<&Secret>,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        let request = Request {
            method: Method::POST,
            body: body.to_string().into_bytes(),
            ..get(path, token)
        };
        self.connection.success(request, deadline)
    }

    /// The body of the answer to a request that succeeded.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        token: &Secret,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        let request = Request {
            method,
            body,
            ..get(path, Some(token))
        };
        self.connection.success(request, deadline)
    }

    /// Executes an endpoint that `vaultrs` declares, over the connection.
    pub(super) fn execute<E: rustify::Endpoint>(
        &self,
        endpoint: &E,
        token: Option<&Secret>,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.execute_with(endpoint, token, token.as_slice(), deadline)
    }

    /// Executes a login, whose body holds this secret.
    pub(super) fn log_in<E: rustify::Endpoint>(
        &self,
        endpoint: &E,
        secret: &Secret,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.execute_with(endpoint, None, &[secret], deadline)
    }

    fn execute_with<E: rustify::Endpoint>(
        &self,
        endpoint: &E,
        token: Option<&Secret>,
        hidden: &[&Secret],
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        let call = Call {
            connection: &self.connection,
            token,
            hidden,
            deadline,
            failure: Mutex::new(None),
        };
        match self.connection.wait(endpoint.exec(&call))? {
            Ok(result) => Ok(result.raw()),
            // What the endpoint library makes of a failure has lost its kind; ours is kept beside.
            Err(error) => Err(call.failure.into_inner().ok().flatten().unwrap_or_else(|| {
                ExchangeError::Request {
                    detail: error.to_string(),
                }
            })),
        }
    }
}

fn get<'a>(path: &'a str, token: Option<&'a Secret>) -> Request<'a> {
    Request {
        method: Method::GET,
        path,
        body: Vec::new(),
        secret: token.map(|token| (TOKEN, token)),
    }
}

/// One call of an endpoint, through our client.
struct Call<'a> {
    connection: &'a Connection,
    token: Option<&'a Secret>,
    /// What no error may show, even if the server says it.
    hidden: &'a [&'a Secret],
    deadline: Instant,
    failure: Mutex<Option<ExchangeError>>,
}

#[async_trait::async_trait]
impl rustify::client::Client for Call<'_> {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, ClientError> {
        let (parts, body) = request.into_parts();
        let path = parts
            .uri
            .path_and_query()
            .map_or("", http::uri::PathAndQuery::as_str)
            .trim_start_matches('/');
        let path = format!("v1/{path}");
        let request = Request {
            method: parts.method,
            path: &path,
            body,
            secret: self.token.map(|token| (TOKEN, token)),
        };
        let failed = |error: ExchangeError| {
            let shown = error.to_string();
            if let Ok(mut slot) = self.failure.lock() {
                *slot = Some(error);
            }
            ClientError::ServerResponseError {
                code: 0,
                content: Some(shown),
            }
        };
        let body = self
            .connection
            .success_async(request, self.hidden, self.deadline)
            .await
            .map_err(failed)?;
        Ok(http::Response::new(body))
    }

    fn base(&self) -> &str {
        self.connection.base()
    }
}
