//! A proxy in front of one server: it keeps what it was asked for, and leads everybody there.
//!
//! - `CONNECT` makes a tunnel; any other request is passed on, one for each connection.
//! - The host that is asked for is not looked up, so it may be one that only the proxy knows.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest head of a request that is passed on.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long either side may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running proxy. Dropping it stops it.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    target: SocketAddr,
    lines: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy that leads to this port of this machine.
    #[track_caller]
    #[must_use]
    pub fn to(port: u16) -> Self {
        let bound = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("a proxy cannot listen: {error}"),
        };
        let shared = Arc::new(Shared {
            target: ([127, 0, 0, 1], port).into(),
            lines: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, &of_thread));
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens, as `vault.proxy` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for since the last time: a method and a target each.
    #[must_use]
    pub fn take_lines(&self) -> Vec<String> {
        let mut lines = self
            .shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lines)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        // A client that breaks off is none of our business.
        thread::spawn(move || drop(serve(client, &shared)));
    }
}

fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let (head, rest) = head(&mut client)?;
    let (line, headers) = head
        .split_once("\r\n")
        .ok_or(Error::from(ErrorKind::InvalidData))?;
    let (asked, _) = line
        .rsplit_once(' ')
        .ok_or(Error::from(ErrorKind::InvalidData))?;
    shared
        .lines
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked.to_owned());
    let mut server = TcpStream::connect(shared.target)?;
    server.set_read_timeout(Some(PATIENCE))?;
    if asked.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        // One request for each connection, so that each is seen.
        write!(server, "{line}\r\nConnection: close\r\n{headers}")?;
    }
    server.write_all(&rest)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn(move || {
        drop(std::io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut server, &mut client));
    drop(client.shutdown(Shutdown::Both));
    drop(upwards.join());
    Ok(())
}

/// The head of a request with its empty line, and what came with it of the body.
fn head(client: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut came = Vec::new();
    loop {
        if let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = came.split_off(end + 4);
            let head = String::from_utf8(came).map_err(Error::other)?;
            return Ok((head, rest));
        }
        let mut piece = [0; 1024];
        let length = client.read(&mut piece)?;
        if length == 0 || came.len() > MAX_HEAD_BYTES {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        came.extend_from_slice(&piece[..length]);
    }
}
