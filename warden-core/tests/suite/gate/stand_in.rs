//! A server that answers every connection with the same bytes, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) struct StandIn {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl StandIn {
    /// Allows whatever is asked, in the name of `subject` and for the resource of `actor`.
    pub(super) fn allowing(subject: &str, actor: &str) -> Self {
        let body = format!(
            r#"{{"id":"decision:0123456789abcdef","effect":"allow","reason":"signing_policy_matched","subject":{{"id":"{subject}","type":"agt"}},"resource":{{"id":"ssh-cert:actor/{actor}"}},"provenance":{{"evaluator":"stand-in","mode":"test"}},"obligations":[]}}"#
        );
        Self::answering(&super::answers::json(&body))
    }

    /// Answers with these bytes and ends the connection.
    pub(super) fn answering(raw: &str) -> Self {
        let raw = raw.to_owned();
        Self::with(move |stream| drop(stream.write_all(raw.as_bytes())))
    }

    /// Answers a byte at a time, and never ends.
    pub(super) fn dripping() -> Self {
        Self::with(|stream| {
            for byte in "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                .bytes()
                .cycle()
                .take(100)
            {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    }

    fn with(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (requests.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let mut stream = stream.unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                if let Some(request) = whole_request(&mut stream) {
                    kept.lock().unwrap().push(request);
                    answer(&mut stream);
                }
            }
        });
        Self {
            port,
            requests,
            stop,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Head and body of one request; `None` if the connection ended first.
fn whole_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| {
                    rest.lines().next().unwrap_or("0").trim().parse().unwrap()
                });
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
