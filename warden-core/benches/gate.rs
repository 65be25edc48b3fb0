//! What asking the gate costs beyond the HTTP exchange itself.
//!
//! A server on loopback answers every question with the same allow. Bare exchanges by a minimal
//! client and questions of the gate alternate; the medians are compared. Run by `tests/bench`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use warden_core::authorize::Subject;
use warden_core::certificate::Ttl;
use warden_core::exchange::Address;
use warden_core::gate::flex_auth::{FlexAuth, Settings};
use warden_core::gate::{PolicyGate, Question};
use warden_core::inventory::ActorName;
use warden_core::sign::local::throwaway_key;

const ROUNDS: usize = 500;

const ENVELOPE: &str = r#"{"id":"decision:0123456789abcdef","effect":"allow","reason":"signing_policy_matched","subject":{"id":"agt-state-hub-bridge"},"resource":{"id":"ssh-cert:actor/agt-state-hub-bridge"}}"#;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    let gate = FlexAuth::new(Settings {
        address: Address::parse(&address, false)?,
        tenant: "tenant:platform".to_owned(),
        system: "ops-warden".to_owned(),
        timeout: Duration::from_secs(2),
        tls_ca_file: None,
    });
    let actor: ActorName = "agt-state-hub-bridge".parse()?;
    let (subject, key) = (Subject::from(&actor), throwaway_key()?);
    let question = Question {
        subject: &subject,
        actor: &actor,
        principals: &["agt-task-bridge".to_owned()],
        ttl: Ttl::parse("24h")?,
        public_key: key.fingerprint(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(Vec::new())
        .build()?;
    let body = ENVELOPE.repeat(2);
    let bare = || -> Result<usize> {
        Ok(runtime.block_on(async {
            let answer = client
                .post(format!("{address}/v1/check"))
                .body(body.clone())
                .send()
                .await?;
            answer.bytes().await.map(|bytes| bytes.len())
        })?)
    };
    let (mut exchanges, mut questions) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        bare()?;
        exchanges.push(start.elapsed());
        let start = Instant::now();
        if !gate.ask(&question)?.allows {
            return Err("the gate denies".into());
        }
        questions.push(start.elapsed());
    }
    let (exchange, question) = (median(exchanges), median(questions));
    println!("asking the gate, median of {ROUNDS} alternating rounds, microseconds");
    println!("  bare HTTP exchange      {exchange:8.1}");
    println!("  question of the gate    {question:8.1}");
    println!(
        "  beyond the exchange     {:8.1}   (reach: 1000)",
        question - exchange
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Answers whatever comes, as long as it comes.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ENVELOPE}",
        ENVELOPE.len()
    );
    let (mut held, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        held.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&held);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        });
        if whole {
            held.clear();
            stream.write_all(answer.as_bytes())?;
        }
    }
}
