//! Servers that are not there, or as good as not there.

use crate::remote::{Remote, SIGN, SIGN_LINE, TOKEN, timed};
use crate::setup::{as_root, refusal_of_text};
use serde_json::json;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;
use warden_tests::sandbox::warden_binary;
use warden_tests::skipped;
use warden_tests::stand_in::Answer;

const QUICK: Duration = Duration::from_millis(2500);

/// `timeout = "2s"` and what a busy machine needs besides.
const TWO_SECONDS: std::ops::Range<Duration> =
    Duration::from_millis(1900)..Duration::from_millis(4500);

const LIMITED: &str = "token_file = \"token\"\ntimeout = \"2s\"";

#[test]
fn a_connection_that_is_refused_is_tried_three_times() {
    let remote = Remote::new();
    // A port that was given back may be another test's by now; this one is nobody's.
    let gone = "http://127.0.0.1:1".to_owned();
    remote.configure_at(&gone, "token_file = \"token\"");
    let (outcome, took) = timed(|| remote.fails(4, "backend_connection_refused"));
    assert!(
        outcome.stderr.contains(&gone) || outcome.stderr.contains("vault.addr"),
        "{outcome}"
    );
    // The pauses are at least 200 and 400 ms.
    assert!(
        (Duration::from_millis(600)..QUICK).contains(&took),
        "{took:?}"
    );
}

#[test]
fn an_address_that_cannot_be_reached_is_told_at_once() {
    let remote = Remote::new();
    let plain = "token_file = \"token\"\ndangerous_plain_http = true";
    // No connection is ever made to everybody.
    remote.configure_at("http://255.255.255.255:8200", plain);
    let (outcome, took) = timed(|| remote.fails(4, "backend_unreachable"));
    assert!(outcome.stderr.contains("vault.addr"), "{outcome}");
    assert!(took < QUICK, "{took:?}");
}

#[test]
fn a_name_without_an_address_is_told_quickly() {
    let remote = Remote::new();
    let plain = "token_file = \"token\"\ndangerous_plain_http = true";
    remote.configure_at("http://name.invalid:8200", plain);
    let (outcome, took) = timed(|| remote.fails(4, "backend_dns"));
    assert!(outcome.stderr.contains("getent hosts"), "{outcome}");
    assert!(took < QUICK, "{took:?}");
}

#[test]
fn a_resolver_that_never_answers_is_left_at_the_deadline() {
    const WHAT: &str = "a resolver that never answers";
    if !skipped::require(WHAT, as_root()) {
        return;
    }
    // Nothing answers on this address, and nobody is refused either.
    let silent = UdpSocket::bind("127.53.53.53:53").map_err(|error| error.to_string());
    if !skipped::require(WHAT, silent.as_ref().map(drop).map_err(Clone::clone)) {
        return;
    }
    let remote = Remote::new();
    let plain = format!("{LIMITED}\ndangerous_plain_http = true");
    remote.configure_at("http://bao.example:8200", &plain);
    remote
        .setup
        .sandbox
        .write("resolv.conf", "nameserver 127.53.53.53\n", 0o644);
    let hidden = "mount --bind resolv.conf /etc/resolv.conf && $SIGN";
    let sh = remote
        .setup
        .script("unshare -m sh -c \"$INNER\"")
        .env("INNER", hidden);
    let (_, took) = timed(|| remote.fails_as(sh, 4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_left_at_the_deadline() {
    let remote = Remote::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    remote.configure_at(&format!("http://{address}"), LIMITED);
    let (_, took) = timed(|| remote.fails(4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
}

#[test]
fn a_connection_into_the_void_is_left_at_the_deadline() {
    // A queue of one that is full: the system then lets every further connection wait.
    let listener = rustix_listener();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    for _ in 0..8 {
        let wait = Duration::from_millis(100);
        if let Ok(one) = std::net::TcpStream::connect_timeout(&address, wait) {
            queue.push(one);
        }
    }
    let remote = Remote::new();
    remote.configure_at(&format!("http://{address}"), LIMITED);
    let (_, took) = timed(|| remote.fails(4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
}

fn rustix_listener() -> TcpListener {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let made = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(
        &made,
        &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0),
    )
    .unwrap();
    listen(&made, 0).unwrap();
    TcpListener::from(made)
}

#[test]
fn a_slow_drip_does_not_stretch_the_deadline() {
    let remote = Remote::new();
    remote.configure(LIMITED);
    let data = json!({"signed_key": "x", "serial_number": "1"});
    let drip = Answer::data(&data).dripping(Duration::from_secs(1));
    remote.bao.always(SIGN, drip);
    let (_, took) = timed(|| remote.fails_after(1, 4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
    let late = Answer::data(&data).after(Duration::from_secs(5));
    remote.bao.always(SIGN, late);
    let (_, took) = timed(|| remote.fails_after(1, 4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
}

#[test]
fn repetitions_share_one_deadline() {
    let remote = Remote::new();
    remote.configure(LIMITED);
    let slow = Answer::errors(503, &["Vault is sealed"]).after(Duration::from_millis(1200));
    remote.bao.always(SIGN, slow);
    let (_, took) = timed(|| remote.fails_after(2, 4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
}

#[test]
fn a_login_that_hangs_is_ended_by_the_same_deadline() {
    let remote = Remote::new();
    remote.setup.sandbox.write("q/secret-id", "sid-1234", 0o600);
    remote.configure(
        "timeout = \"2s\"\n[vault.approle]\nrole_id = \"r\"\nsecret_id_file = \"secret-id\"",
    );
    let slow = Answer::errors(400, &[]).after(Duration::from_secs(6));
    remote.bao.always("auth/approle/login", slow);
    let (_, took) = timed(|| remote.fails(4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
    assert_eq!(remote.bao.take_lines(), ["POST /v1/auth/approle/login"]);
}

#[test]
fn a_token_is_looked_up_inside_the_same_deadline() {
    let remote = Remote::new();
    remote.configure(LIMITED);
    remote
        .bao
        .always(SIGN, Answer::errors(403, &["permission denied"]));
    let data = json!({"ttl": 5, "id": TOKEN});
    let slow = Answer::data(&data).after(Duration::from_secs(6));
    remote.bao.always("auth/token/lookup-self", slow);
    let (_, took) = timed(|| remote.fails(4, "backend_timeout"));
    assert!(TWO_SECONDS.contains(&took), "{took:?}");
    assert_eq!(
        remote.bao.take_lines(),
        [SIGN_LINE, "GET /v1/auth/token/lookup-self"]
    );
}

#[test]
fn a_connection_that_cannot_even_be_prepared_says_why() {
    let remote = Remote::new();
    // The three streams and two more: too few to wait for anything.
    let pinning = "ulimit -n 5; exec \"$0\" --config \"$1\" ca pin";
    let outcome = remote
        .setup
        .sandbox
        .program("/bin/sh")
        .args(["-c", pinning])
        .arg(warden_binary())
        .arg(remote.setup.config())
        .run();
    refusal_of_text(&outcome, 2, "backend_request");
    assert!(outcome.stderr.contains("Too many open files"), "{outcome}");
    assert_eq!(remote.bao.connections(), 0);
}
