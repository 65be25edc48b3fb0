//! `warden gate serve` over real HTTP: statuses, malformed and oversized bodies, slow clients.

use crate::registry::desk;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use warden_tests::desk::Desk;
use warden_tests::process::Running;

/// A server of the desk's snapshot; ends when dropped.
struct Server {
    desk: Desk,
    running: Running,
    address: String,
}

fn snapshot(desk: &Desk) -> PathBuf {
    let built = desk.warden(["registry", "build"]).expect_success();
    desk.sandbox().write("r.json", built.stdout_bytes, 0o644)
}

fn serve() -> Server {
    let desk = desk();
    let file = snapshot(&desk);
    let program = desk
        .program()
        .args(["gate", "serve", "--listen", "127.0.0.1:0", "--registry"]);
    let running = program.arg(file).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    let address = loop {
        let said = running.stderr_so_far();
        let after = said
            .split_once("listening on http://")
            .map(|(_, after)| after);
        if let Some((address, _)) = after.and_then(|after| after.split_once(',')) {
            break address.to_owned();
        }
        assert!(Instant::now() < deadline, "it does not start: {said}");
        std::thread::sleep(Duration::from_millis(10));
    };
    Server {
        desk,
        running,
        address,
    }
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream.set_write_timeout(limit).unwrap();
        stream
    }

    /// Sends bytes and reads to the end: the status, the head and the body.
    fn raw(&self, request: &[u8]) -> (u16, String, String) {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        parted(&answer)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String, Value) {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let (status, head, body) = self.raw(&[head.as_bytes(), body].concat());
        (status, head, serde_json::from_str(&body).unwrap())
    }
}

fn parted(answer: &str) -> (u16, String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), head.to_lowercase(), body.to_owned())
}

fn question(actor: &str, hours: u32) -> Value {
    json!({
        "subject": {"id": actor, "type": "agt", "tenant": "tenant:platform"},
        "tenant": "tenant:platform", "action": "sign",
        "resource": {"id": format!("ssh-cert:actor/{actor}"), "type": "ssh-certificate", "system": "ops-warden", "tenant": "tenant:platform"},
        "context": {"principals": ["task"], "actor_type": "agt", "pubkey_fingerprint": "SHA256:x", "ttl_hours": hours},
    })
}

#[test]
fn it_says_what_it_is_and_answers() {
    let server = serve();
    let said = server.running.stderr_so_far();
    assert!(
        said.contains("this is NOT a production decision point"),
        "{said}"
    );
    let (status, head, health) = server.ask("GET", "/healthz", b"");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(
        (&health["status"], &health["production"], &health["actors"]),
        (&json!("ok"), &json!(false), &json!(2))
    );

    let ask = |actor, hours| {
        let body = question(actor, hours).to_string();
        let (status, _, answer) = server.ask("POST", "/v1/check", body.as_bytes());
        assert_eq!(status, 200, "a denial is an answer too");
        answer
    };
    let allowed = ask("agt-hub", 24);
    assert_eq!(
        (&allowed["effect"], &allowed["reason"]),
        (&json!("allow"), &json!("signing_policy_matched"))
    );
    assert_eq!(
        allowed,
        ask("agt-hub", 24),
        "the same question has the same answer"
    );
    let denied = ask("agt-hub", 999);
    assert_eq!(
        (&denied["effect"], &denied["reason"]),
        (&json!("deny"), &json!("ttl_out_of_bounds"))
    );
    assert_eq!(ask("agt-nobody", 1)["reason"], "unknown_actor_resource");
}

#[test]
fn the_statuses_are_those_of_the_contract() {
    let server = serve();
    let (status, head, _) = server.ask("GET", "/v1/check", b"");
    assert_eq!(status, 405);
    assert!(head.contains("allow: post"), "{head}");
    assert_eq!(server.ask("POST", "/healthz", b"{}").0, 405);
    for path in [
        "/",
        "/v1",
        "/v1/check/",
        "/v1/checks",
        "//v1/check",
        "/metrics",
    ] {
        assert_eq!(server.ask("POST", path, b"{}").0, 404, "{path}");
    }
    let twice = question("agt-hub", 1)
        .to_string()
        .replacen('{', "{\"action\":\"sign\",", 1);
    for body in ["", "{", "{}", "[]", "hello", "\u{0}", twice.as_str()] {
        let (status, _, answer) = server.ask("POST", "/v1/check", body.as_bytes());
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["error"].as_str().unwrap().contains("malformed"),
            "{answer}"
        );
        assert!(answer.get("effect").is_none());
    }
    assert_eq!(server.ask("POST", "/v1/check", b"\xff\xfe").0, 400);
    assert_eq!(server.raw(b"nonsense\r\n\r\n").0, 400);
}

#[test]
fn a_body_over_64_kib_is_refused() {
    let server = serve();
    let padded = |length: usize| {
        let body = question("agt-hub", 1).to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let ask = |length| server.ask("POST", "/v1/check", padded(length).as_bytes()).0;
    assert_eq!(ask(64 * 1024), 200);
    assert_eq!(ask(64 * 1024 + 1), 413);
    assert_eq!(ask(300 * 1024), 413);
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, "a".repeat(70_000));
    let head = "POST /v1/check HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(server.raw(format!("{head}{chunk}").as_bytes()).0, 413);
}

#[test]
fn slow_clients_do_not_keep_others_waiting_for_long() {
    let server = serve();
    // As many as are served at once: some send nothing, some half a head, some half a body.
    let openings = [
        "",
        "POST /v1/che",
        "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
    ];
    let slow: Vec<TcpStream> = (0..64)
        .map(|number| {
            let mut stream = server.connect();
            stream.write_all(openings[number % 3].as_bytes()).unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    assert_eq!(server.ask("GET", "/healthz", b"").0, 200);
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    for (number, mut stream) in slow.into_iter().enumerate() {
        let mut answer = String::new();
        // A connection that is reset has ended, too.
        drop(stream.read_to_string(&mut answer));
        if number % 3 == 2 {
            assert_eq!(parted(&answer).0, 408, "{answer}");
        }
        drop(stream.shutdown(Shutdown::Both));
    }
    assert_eq!(server.ask("GET", "/healthz", b"").0, 200);
}

#[test]
fn where_it_listens_is_judged_first() {
    let desk = desk();
    let file = snapshot(&desk);
    let listen = |address: &str| {
        let program = desk.program().args(["gate", "serve", "--registry"]);
        program.arg(&file).args(["--listen", address]).run()
    };
    for (address, status, reason) in [
        ("0.0.0.0:0", 2, "listen_not_loopback"),
        ("[::]:0", 2, "listen_not_loopback"),
        ("192.0.2.1:80", 2, "listen_not_loopback"),
        ("localhost", 2, "listen_malformed"),
        ("127.0.0.1", 2, "listen_malformed"),
        ("127.0.0.1:99999", 2, "listen_malformed"),
    ] {
        let outcome = listen(address);
        assert_eq!(outcome.code, Some(status), "{outcome}");
        assert!(outcome.stderr.contains(&format!("({reason})")), "{outcome}");
        assert_eq!(outcome.stdout, "");
    }
    let server = serve();
    let taken = server
        .desk
        .program()
        .args(["gate", "serve", "--registry"])
        .arg(&file);
    let outcome = taken.args(["--listen", &server.address]).run();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("(listen_failed)"), "{outcome}");
    let broken = desk.sandbox().write("bad.json", "{}", 0o644);
    let outcome = desk
        .program()
        .args(["gate", "serve", "--registry"])
        .arg(broken)
        .run();
    assert!(outcome.stderr.contains("(snapshot_malformed)"), "{outcome}");
}

#[test]
fn with_json_its_address_is_a_document() {
    let desk = desk();
    let file = snapshot(&desk);
    let program = desk.program().args([
        "--json",
        "gate",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--registry",
    ]);
    let running = program.arg(file).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !running.stdout_so_far().ends_with('\n') {
        assert!(Instant::now() < deadline, "it does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let said: Value = serde_json::from_str(&running.stdout_so_far()).unwrap();
    assert_eq!(
        (&said["production"], &said["actors"]),
        (&json!(false), &json!(2))
    );
    let address = said["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap();
    TcpStream::connect(address).unwrap();
    assert_eq!(running.stderr_so_far(), "");
}
