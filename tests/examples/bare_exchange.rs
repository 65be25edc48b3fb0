//! The least that asks OpenBao for a signature: one request with reqwest, and nothing decided or
//! checked. `tests/bench` runs it beside `warden sign`.
//!
//! - With `CA_FILE` it speaks TLS and trusts nobody else.
//! - With `RECORD_FILE` it appends the answer there and syncs it once, as the least that keeps a record.
//!
//! usage: `VAULT_TOKEN=... bare_exchange URL BODY_FILE [CA_FILE|- [RECORD_FILE]]`

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare_exchange URL BODY_FILE [CA_FILE|- [RECORD_FILE]]".into());
    };
    let (token, body) = (std::env::var("VAULT_TOKEN")?, std::fs::read(file)?);
    let trusted = match arguments.next().filter(|file| file != "-") {
        Some(file) => reqwest::Certificate::from_pem_bundle(&std::fs::read(file)?)?,
        None => Vec::new(),
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(trusted)
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let answer = runtime.block_on(async {
        let request = client.post(url).header("X-Vault-Token", token).body(body);
        let answer = request.send().await?.error_for_status()?;
        answer.bytes().await
    })?;
    if let Some(file) = arguments.next() {
        let mut record = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)?;
        record.write_all(&answer)?;
        record.sync_data()?;
    }
    std::io::stdout().write_all(&answer)?;
    Ok(())
}
