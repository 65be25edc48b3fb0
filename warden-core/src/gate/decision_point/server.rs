//! HTTP/1.1 for the decision point.
//!
//! - One request for each connection, which has 10 seconds from its first byte to its last: a slow
//!   client holds one of 64 places, and not for long.
//! - A body over 64 KiB is refused, and never kept.
//! - The answer to any question is 200; 400, 404, 405, 408 and 413 are about the request itself.

use super::{CheckRequest, EVALUATOR, decide};
use crate::registry::Snapshot;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The largest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How much of a body that is too large is still taken before the answer.
const PASSED_OVER_BYTES: usize = 16 * MAX_BODY_BYTES;

/// How many connections are served at once.
pub const MAX_CONNECTIONS: usize = 64;

/// How long the head, and then the body, of a request may take.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a connection may last, its answer included.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on a bound listener from a snapshot until the process ends.
///
/// # Errors
/// If the runtime cannot be built or the listener cannot be used.
pub fn serve(
    listener: std::net::TcpListener,
    snapshot: Snapshot<'static>,
) -> io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let snapshot = Arc::new(snapshot);
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                // A client that left again, or no descriptor free: the next one may do better.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let snapshot = Arc::clone(&snapshot);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, Arc::clone(&snapshot)));
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(READ_TIMEOUT)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                // Whether the client waited for the answer is the client's business.
                drop(timeout(CONNECTION_TIMEOUT, connection).await);
                drop(place);
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    snapshot: Arc<Snapshot<'static>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    Ok(match (path.as_str(), method) {
        ("/v1/check", Method::POST) => check(request.into_body(), &snapshot).await,
        ("/v1/check", _) => not_allowed("POST"),
        ("/healthz", Method::GET) => respond(
            StatusCode::OK,
            &json!({
                "status": "ok",
                "evaluator": EVALUATOR,
                "production": false,
                "actors": snapshot.entries().len(),
                "inventory_digest": snapshot.inventory_digest(),
            }),
        ),
        ("/healthz", _) => not_allowed("GET"),
        _ => error(StatusCode::NOT_FOUND, "there is /v1/check and /healthz"),
    })
}

async fn check(body: Incoming, snapshot: &Snapshot<'_>) -> Response<Full<Bytes>> {
    let body = match timeout(READ_TIMEOUT, whole(body)).await {
        Err(_) => {
            return error(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not arrive in time",
            );
        }
        Ok(Err(_)) => return error(StatusCode::BAD_REQUEST, "the request broke off"),
        Ok(Ok(None)) => {
            return error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is over 65536 bytes",
            );
        }
        Ok(Ok(Some(body))) => body,
    };
    match CheckRequest::from_json(&body) {
        Ok(asked) => respond(StatusCode::OK, &decide(snapshot, &asked)),
        Err(malformed) => error(StatusCode::BAD_REQUEST, &malformed.to_string()),
    }
}

/// The body; `None` if it is too large. What is too much is passed over up to a point, since a
/// client that is still sending would not read the answer.
async fn whole(mut body: Incoming) -> Result<Option<Vec<u8>>, hyper::Error> {
    let (mut content, mut length) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            length += data.len();
            match length {
                0..=MAX_BODY_BYTES => content.extend_from_slice(&data),
                PASSED_OVER_BYTES.. => break,
                _ => content.clear(),
            }
        }
    }
    Ok((length <= MAX_BODY_BYTES).then_some(content))
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("only {allowed} is answered here"),
    );
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn error(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    respond(status, &json!({"error": message}))
}

fn respond(status: StatusCode, content: &impl Serialize) -> Response<Full<Bytes>> {
    let (status, content) = match serde_json::to_vec(content) {
        Ok(content) => (status, content),
        // Texts and numbers always have a JSON form; should one not, nothing is allowed by it.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, b"{}".to_vec()),
    };
    let mut response = Response::new(Full::new(Bytes::from(content)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
