//! The least that asks OpenBao for a signature: one request with reqwest, and nothing decided, checked
//! or recorded. `tests/bench` runs it beside `warden sign`.
//!
//! usage: `VAULT_TOKEN=... bare_exchange URL BODY_FILE`

use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare_exchange URL BODY_FILE".into());
    };
    let (token, body) = (std::env::var("VAULT_TOKEN")?, std::fs::read(file)?);
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(Vec::new())
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
    std::io::stdout().write_all(&answer)?;
    Ok(())
}
