//! An ssh-agent that holds FIDO security keys in software, so that the suites
//! can log in with them on machines where nobody can touch a token.
//!
//! It speaks the part of the agent protocol (RFC 9987) that logging in takes:
//! listing identities and signing. It refuses everything else.

use crate::sk_key::SkKey;
pub use crate::sk_key::SkKind;
use ssh_encoding::{Decode, Encode};
use ssh_key::{Certificate, PublicKey};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

/// The longest message it reads, which is OpenSSH's own limit.
const LONGEST_MESSAGE: usize = 256 * 1024;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The flag of a signature for which somebody touched the token.
pub const USER_PRESENT: u8 = 0x01;
/// The flag of a signature for which somebody gave the token's PIN.
pub const USER_VERIFIED: u8 = 0x04;

/// A running agent with one key of each kind. Dropping it stops it.
pub struct SkAgent {
    shared: Arc<Shared>,
    directory: TempDir,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    keys: [SkKey; 2],
    certificates: Mutex<Vec<Offer>>,
    connections: Mutex<Vec<UnixStream>>,
    flags: AtomicU8,
    counter: AtomicU32,
    stopping: AtomicBool,
}

/// A certificate, and which of the keys it certifies.
struct Offer {
    blob: Vec<u8>,
    key: usize,
    comment: String,
}

impl SkAgent {
    /// Makes the keys and starts to listen.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            keys: SkKind::ALL.map(SkKey::make),
            certificates: Mutex::default(),
            connections: Mutex::default(),
            flags: AtomicU8::new(USER_PRESENT),
            counter: AtomicU32::new(0),
            stopping: AtomicBool::new(false),
        });
        let bound = tempfile::tempdir().and_then(|directory| {
            let socket = UnixListener::bind(socket_in(&directory))?;
            Ok((directory, socket))
        });
        let (directory, socket) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("cannot start an agent: {error}"),
        };
        let listener = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&socket, &shared)
        });
        Self {
            shared,
            directory,
            listener: Some(listener),
        }
    }

    /// The socket, for `IdentityAgent` or `SSH_AUTH_SOCK`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    /// The public key line of a key, without its end.
    #[track_caller]
    #[must_use]
    pub fn public_line(&self, kind: SkKind) -> String {
        let key = self.shared.key(kind).public();
        match PublicKey::new(key, format!("{kind:?} in software")).to_openssh() {
            Ok(line) => line,
            Err(error) => panic!("cannot write a public key: {error}"),
        }
    }

    /// Writes the public key line of a key to a file.
    #[track_caller]
    pub fn write_public(&self, kind: SkKind, path: &Path) {
        if let Err(error) = std::fs::write(path, format!("{}\n", self.public_line(kind))) {
            panic!("cannot write {}: {error}", path.display());
        }
    }

    /// Offers a certificate, given as its line, beside the key it is for.
    /// Panics when that key is not one of the agent's.
    #[track_caller]
    pub fn offer_certificate(&self, line: &str) {
        let certificate = match Certificate::from_openssh(line.trim_end()) {
            Ok(certificate) => certificate,
            Err(error) => panic!("not a certificate ({error}): {line}"),
        };
        let keys = &self.shared.keys;
        let key = keys
            .iter()
            .position(|key| key.public() == *certificate.public_key());
        let (Some(key), Ok(blob)) = (key, certificate.to_bytes()) else {
            panic!("the agent has no key for this certificate: {line}");
        };
        let comment = certificate.comment().to_owned();
        lock(&self.shared.certificates).push(Offer { blob, key, comment });
    }

    /// Withdraws every certificate.
    pub fn withdraw_certificates(&self) {
        lock(&self.shared.certificates).clear();
    }

    /// Sets what the signatures from now on claim: [`USER_PRESENT`] at first.
    pub fn set_flags(&self, flags: u8) {
        self.shared.flags.store(flags, Ordering::SeqCst);
    }

    /// How many signatures it has made.
    #[must_use]
    pub fn signatures(&self) -> u32 {
        self.shared.counter.load(Ordering::SeqCst)
    }
}

impl Drop for SkAgent {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The listener sits in `accept`, and this is what wakes it.
        let woken = UnixStream::connect(self.socket()).is_ok();
        if let (true, Some(listener)) = (woken, self.listener.take()) {
            drop(listener.join());
        }
        for connection in lock(&self.shared.connections).drain(..) {
            // It fails when the client has gone already.
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

fn socket_in(directory: &TempDir) -> PathBuf {
    directory.path().join("agent")
}

/// A test that panicked elsewhere must not hide behind a second panic here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(socket: &UnixListener, shared: &Arc<Shared>) {
    for stream in socket.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.connections).push(copy);
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if let Err(error) = shared.serve(stream) {
                eprintln!("the software security key agent: {error}");
            }
        });
    }
}

impl Shared {
    fn key(&self, kind: SkKind) -> &SkKey {
        let [ed25519, ecdsa] = &self.keys;
        match kind {
            SkKind::Ed25519 => ed25519,
            SkKind::EcdsaP256 => ecdsa,
        }
    }

    /// Answers one client until it hangs up.
    fn serve(&self, mut stream: UnixStream) -> std::io::Result<()> {
        loop {
            let mut length = [0; 4];
            match stream.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
            let length = u32::from_be_bytes(length) as usize;
            if length == 0 || length > LONGEST_MESSAGE {
                // There is no telling where the next message would begin, and
                // the listed copy keeps the socket open past the drop.
                return stream.shutdown(Shutdown::Both);
            }
            let mut message = vec![0; length];
            stream.read_exact(&mut message)?;
            let answer = self.answer(&message).unwrap_or_else(|_| vec![FAILURE]);
            let mut framed = (answer.len() as u32).to_be_bytes().to_vec();
            framed.extend(answer);
            stream.write_all(&framed)?;
        }
    }

    fn answer(&self, mut message: &[u8]) -> ssh_encoding::Result<Vec<u8>> {
        let reader = &mut message;
        match u8::decode(reader)? {
            REQUEST_IDENTITIES => self.identities(),
            SIGN_REQUEST => {
                let wanted = Vec::<u8>::decode(reader)?;
                let data = Vec::<u8>::decode(reader)?;
                // The flags choose among RSA signatures, and mean nothing here.
                u32::decode(reader)?;
                match self.find(&wanted)? {
                    Some(key) => self.sign(key, &data),
                    None => Ok(vec![FAILURE]),
                }
            }
            _ => Ok(vec![FAILURE]),
        }
    }

    fn identities(&self) -> ssh_encoding::Result<Vec<u8>> {
        let certificates = lock(&self.certificates);
        let mut answer = vec![IDENTITIES_ANSWER];
        (self.keys.len() + certificates.len()).encode(&mut answer)?;
        for key in &self.keys {
            key.public().encode_vec()?.encode(&mut answer)?;
            format!("{:?} in software", key.kind).encode(&mut answer)?;
        }
        for offer in certificates.iter() {
            offer.blob.encode(&mut answer)?;
            offer.comment.encode(&mut answer)?;
        }
        Ok(answer)
    }

    /// The key that a key or certificate blob stands for.
    fn find(&self, blob: &[u8]) -> ssh_encoding::Result<Option<&SkKey>> {
        for key in &self.keys {
            if key.public().encode_vec()? == blob {
                return Ok(Some(key));
            }
        }
        let certificates = lock(&self.certificates);
        let offer = certificates.iter().find(|offer| offer.blob == blob);
        Ok(offer.map(|offer| &self.keys[offer.key]))
    }

    fn sign(&self, key: &SkKey, data: &[u8]) -> ssh_encoding::Result<Vec<u8>> {
        let counter = self.counter.fetch_add(1, Ordering::SeqCst) + 1;
        let flags = self.flags.load(Ordering::SeqCst);
        let mut answer = vec![SIGN_RESPONSE];
        key.sign(data, flags, counter)?.encode(&mut answer)?;
        Ok(answer)
    }
}
