//! A small stand-in for the SSH engine of an OpenBao server, for what a healthy server will not do.
//!
//! - Left alone it answers like the real one: the same paths, envelopes, messages and statuses.
//! - It keeps every request, and counts every connection, also those without a request.
//! - Any path can be given another answer, and any certificate can be altered before it is signed,
//!   or after.

mod answer;
mod certificate;
mod engine;
mod http;
mod tls;

pub use answer::Answer;
pub use certificate::{
    Fields, Forgery, RawOption, Sign, ed25519_signature, flag, public_blob, string, valued,
};
pub use engine::{Engine, Token};
pub use tls::{Client, Pki, Server};

use std::collections::{HashMap, VecDeque};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most connections that are served at a time.
const MAX_CONNECTIONS: usize = 16;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The request target as it was sent.
    pub target: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When it had come in whole.
    pub at: Instant,
}

impl Recorded {
    /// `METHOD /target`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The names of all headers, sorted.
    #[must_use]
    pub fn header_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Alteration = Arc<dyn Fn(&mut Forgery) + Send + Sync>;

/// What the threads share.
struct Shared {
    engine: Mutex<Engine>,
    requests: Mutex<Vec<Recorded>>,
    once: Mutex<HashMap<String, VecDeque<Answer>>>,
    always: Mutex<HashMap<String, Answer>>,
    alteration: Mutex<Option<Alteration>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    ended: AtomicBool,
    tls: Option<Arc<rustls::ServerConfig>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stand-in. It stops when dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Plain http on a port of this machine.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::listen("127.0.0.1:0", None)
    }

    /// Plain http on this very port, which must be free.
    #[track_caller]
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(&address.to_string(), None)
    }

    /// https with this identity.
    #[track_caller]
    #[must_use]
    pub fn start_tls(server: &Server) -> Self {
        Self::listen("127.0.0.1:0", Some(server.config()))
    }

    #[track_caller]
    fn listen(address: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let bound = TcpListener::bind(address).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("cannot listen at {address}: {error}"),
        };
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::new()),
            requests: Mutex::default(),
            once: Mutex::default(),
            always: Mutex::default(),
            alteration: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            tls,
        });
        let of_thread = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &of_thread));
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as `vault.addr` has it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Looks at or changes the healthy engine.
    pub fn engine<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        act(&mut locked(&self.shared.engine))
    }

    /// Answers the next request to a path, which begins after `/v1/`, with this.
    pub fn once(&self, path: &str, answer: Answer) {
        let mut once = locked(&self.shared.once);
        once.entry(path.to_owned()).or_default().push_back(answer);
    }

    /// Answers every request to a path with this.
    pub fn always(&self, path: &str, answer: Answer) {
        locked(&self.shared.always).insert(path.to_owned(), answer);
    }

    /// Takes every scripted answer and alteration back.
    pub fn heal(&self) {
        locked(&self.shared.once).clear();
        locked(&self.shared.always).clear();
        *locked(&self.shared.alteration) = None;
    }

    /// Alters every certificate from now on.
    pub fn alter(&self, alteration: impl Fn(&mut Forgery) + Send + Sync + 'static) {
        *locked(&self.shared.alteration) = Some(Arc::new(alteration));
    }

    /// What was asked since the last call.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut locked(&self.shared.requests))
    }

    /// What was asked since the last call, as `METHOD /target`.
    #[must_use]
    pub fn take_lines(&self) -> Vec<String> {
        self.take_requests().iter().map(Recorded::line).collect()
    }

    /// How many connections were made, whatever came of them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect_timeout(
            &self.address,
            Duration::from_secs(1),
        ));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if shared.open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            shared.open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that breaks off is none of our business.
            drop(serve(stream, &shared));
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    let Some(config) = &shared.tls else {
        return exchange(stream, shared);
    };
    let mut closing = stream.try_clone()?;
    let connection =
        rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let served = exchange(rustls::StreamOwned::new(connection, stream), shared);
    if served.is_err() {
        // To close on what a client has sent would take back the alert that says why.
        closing.shutdown(Shutdown::Write)?;
        std::io::copy(&mut closing, &mut std::io::sink())?;
    }
    served
}

fn exchange(
    mut stream: impl std::io::Read + std::io::Write,
    shared: &Shared,
) -> std::io::Result<()> {
    loop {
        let request = match http::read(&mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                stream
                    .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent no HTTP request.\n")?;
                return Err(error);
            }
        };
        let path = request.target.trim_start_matches("/v1/").to_owned();
        locked(&shared.requests).push(request.clone());
        let once = locked(&shared.once)
            .get_mut(&path)
            .and_then(VecDeque::pop_front);
        let scripted = once.or_else(|| locked(&shared.always).get(&path).cloned());
        let answer = match scripted {
            Some(answer) => answer,
            None => {
                let alteration = locked(&shared.alteration).clone();
                let alter = |forgery: &mut Forgery| {
                    if let Some(alteration) = &alteration {
                        alteration(forgery);
                    }
                };
                locked(&shared.engine).answer(&request, &path, &alter)
            }
        };
        if !http::write(&mut stream, &answer, &|| {
            shared.ended.load(Ordering::SeqCst)
        })? {
            return Ok(());
        }
    }
}
