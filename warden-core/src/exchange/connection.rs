//! A connection, by an HTTP client of our own making.
//!
//! - No redirect is followed: a client that follows one takes the token along to another host.
//! - The environment is not asked: no proxy, no TLS switch, no address. TLS is 1.2 or later and
//!   always verified; there is no way to turn that off.
//! - Answers are read piece by piece up to a limit, and everything together ends at one deadline.
//! - Built only when the first request is made, so that a local CA never pays for it.

use super::{Address, ExchangeError, PlainHttp};
use crate::file::{self, Links};
use crate::secret::Secret;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, Proxy, redirect, tls};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

/// The largest answer, in bytes. A certificate of 256 principals takes 30 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The largest PEM file, in bytes.
const MAX_PEM_BYTES: usize = 4 * 1024 * 1024;

/// Where systems keep the CAs they trust: Debian, Red Hat, SUSE, and the rest.
const SYSTEM_CAS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The statuses of success.
const SUCCESS: RangeInclusive<u16> = 200..=208;

/// A connection to one server.
pub(crate) struct Connection {
    client: Client,
    /// Taken only when dropped.
    runtime: Option<tokio::runtime::Runtime>,
    base: String,
    headers: HeaderMap,
    timeout: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    /// A look-up of a name cannot be broken off, and would be waited for beyond the deadline.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Without the first slash.
    pub(crate) path: &'a str,
    pub(crate) body: Vec<u8>,
    /// A header that no error and no debug output shows.
    pub(crate) secret: Option<(&'static str, &'a Secret)>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Where a connection leads, and how it is secured.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    pub(crate) address: &'a Address,
    /// Sent with every request.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// For everything together.
    pub(crate) timeout: Duration,
    /// For the connection alone.
    pub(crate) connect_timeout: Duration,
    pub(crate) tls_ca_file: Option<&'a Path>,
    pub(crate) tls_client_file: Option<&'a Path>,
    pub(crate) proxy: Option<&'a str>,
}

impl Connection {
    /// Prepares a client; nothing is sent yet.
    pub(crate) fn to(settings: &Endpoint<'_>) -> Result<Self, ExchangeError> {
        let wrong = |detail: String| ExchangeError::Request { detail };
        let client = client(settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in settings.headers {
            let value = HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?;
            headers.insert(*name, value);
        }
        Ok(Self {
            client,
            runtime: Some(runtime),
            base: settings.address.as_str().to_owned(),
            headers,
            timeout: settings.timeout,
        })
    }

    /// When an operation that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Sends one request and reads the whole answer, whatever its status.
    pub(crate) fn answer(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, ExchangeError> {
        self.wait(self.answer_async(request, deadline))?
    }

    /// Sends one request; any status but 200 to 208 is an error.
    pub(crate) fn success(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        let secret = request.secret.map(|(_, secret)| secret);
        self.wait(self.success_async(request, secret.as_slice(), deadline))?
    }

    /// The address, which every request's path is added to.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Runs an exchange to its end.
    pub(crate) fn wait<F: Future>(&self, exchange: F) -> Result<F::Output, ExchangeError> {
        let ended = || ExchangeError::Request {
            detail: "the connection was closed".to_owned(),
        };
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        Ok(runtime.block_on(exchange))
    }

    /// [`Connection::success`], with the secrets that no error may show even if the server says them.
    pub(crate) async fn success_async(
        &self,
        request: Request<'_>,
        hidden: &[&Secret],
        deadline: Instant,
    ) -> Result<Vec<u8>, ExchangeError> {
        let Parts {
            answer,
            location,
            retry_after,
        } = self.parts(request, deadline).await?;
        if SUCCESS.contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(ExchangeError::from_status(
            answer.status,
            &without(&answer.body, hidden),
            location.as_deref(),
            retry_after,
        ))
    }

    async fn answer_async(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, ExchangeError> {
        let Parts {
            answer, location, ..
        } = self.parts(request, deadline).await?;
        if (300..400).contains(&answer.status) {
            return Err(ExchangeError::from_status(
                answer.status,
                &[],
                location.as_deref(),
                None,
            ));
        }
        Ok(answer)
    }

    async fn parts(&self, request: Request<'_>, deadline: Instant) -> Result<Parts, ExchangeError> {
        let timeout = ExchangeError::Timeout {
            limit: self.timeout,
        };
        let left = deadline
            .checked_duration_since(Instant::now())
            .ok_or(timeout.clone())?;
        tokio::time::timeout(left, self.send(request))
            .await
            .map_err(|_| timeout)?
    }

    async fn send(&self, request: Request<'_>) -> Result<Parts, ExchangeError> {
        let lost = |error: reqwest::Error| ExchangeError::from_client(&error, self.timeout);
        let mut headers = self.headers.clone();
        if let Some((name, secret)) = request.secret {
            let mut value =
                HeaderValue::from_str(secret.expose()).map_err(|_| ExchangeError::Request {
                    detail: "the token cannot be a header".to_owned(),
                })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let url = format!("{}/{}", self.base, request.path);
        let sent = self
            .client
            .request(request.method, url)
            .headers(headers)
            .body(request.body)
            .send()
            .await;
        let mut response = sent.map_err(lost)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let location = header("location").map(str::to_owned);
        let content_type = header("content-type").map(str::to_owned);
        let retry_after = header("retry-after")
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(ExchangeError::TooLarge {
                    limit: MAX_ANSWER_BYTES,
                });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Parts {
            answer: Answer {
                status: response.status().as_u16(),
                content_type,
                body,
            },
            location,
            retry_after,
        })
    }
}

struct Parts {
    answer: Answer,
    location: Option<String>,
    retry_after: Option<Duration>,
}

/// A server's text without our own secrets, should it say them back.
fn without(text: &[u8], secrets: &[&Secret]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for secret in secrets {
        text = text.replace(secret.expose(), "(secret)");
    }
    text.into_bytes()
}

/// The client of an endpoint.
fn client(settings: &Endpoint<'_>) -> Result<Client, ExchangeError> {
    let anonymous = Endpoint {
        tls_client_file: None,
        ..*settings
    };
    let error = match client_builder(settings)?.build() {
        Ok(client) => return Ok(client),
        Err(error) => chain(&error),
    };
    // PEM that decodes may still hold no certificate, or the key of another one. Which of the files
    // it is, the error does not say.
    match (settings.tls_client_file, settings.tls_ca_file) {
        (Some(path), _) if client_builder(&anonymous)?.build().is_ok() => {
            Err(ExchangeError::ClientCertificate {
                detail: format!("{}: {error}", path.display()),
            })
        }
        (_, Some(path)) => Err(ExchangeError::TrustedCas {
            detail: format!("{}: {error}", path.display()),
        }),
        _ => Err(ExchangeError::Request { detail: error }),
    }
}

/// Everything that makes the client safe.
fn client_builder(settings: &Endpoint<'_>) -> Result<ClientBuilder, ExchangeError> {
    let wrong = |detail: String| ExchangeError::Request { detail };
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .tls_version_min(tls::Version::TLS_1_2)
        .connect_timeout(settings.connect_timeout)
        .user_agent(concat!("warden/", env!("CARGO_PKG_VERSION")));
    if settings.address.plain_http() == PlainHttp::No {
        builder = builder
            .https_only(true)
            .tls_certs_only(trusted_cas(settings)?);
    } else {
        // Without this the client would load the system's CAs for nothing.
        builder = builder.tls_certs_only(Vec::new());
    }
    if let Some(path) = settings.tls_client_file {
        builder = builder.identity(client_identity(path)?);
    }
    if let Some(proxy) = settings.proxy {
        builder =
            builder.proxy(Proxy::all(proxy).map_err(|error| wrong(format!("the proxy: {error}")))?);
    }
    Ok(builder)
}

/// What we show to a server that wants to know us.
fn client_identity(path: &Path) -> Result<Identity, ExchangeError> {
    let unusable = |detail: String| ExchangeError::ClientCertificate { detail };
    let pem = file::read_secret(path, MAX_PEM_BYTES).map_err(|error| unusable(chain(&error)))?;
    Identity::from_pem(&pem).map_err(|error| unusable(format!("{}: {error}", path.display())))
}

/// The CAs that are named, else those of the system.
fn trusted_cas(settings: &Endpoint<'_>) -> Result<Vec<Certificate>, ExchangeError> {
    let unusable = |detail: String| ExchangeError::TrustedCas { detail };
    let system = || SYSTEM_CAS.iter().map(Path::new).find(|path| path.is_file());
    let path = settings
        .tls_ca_file
        .or_else(system)
        .ok_or_else(|| unusable("this system has no list of them".to_owned()))?;
    let pem = file::read_bounded(path, MAX_PEM_BYTES, Links::Follow)
        .map_err(|error| unusable(chain(&error)))?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|error| unusable(format!("{}: {error}", path.display())))?;
    if found.is_empty() {
        return Err(unusable(format!("{} holds no certificate", path.display())));
    }
    Ok(found)
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
