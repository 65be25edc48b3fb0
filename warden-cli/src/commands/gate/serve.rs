use crate::error::CliError;
use crate::output::{Output, Report};
use clap::Args;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use warden_core::failure::Class;
use warden_core::gate::decision_point;
use warden_core::registry::Snapshot;

/// Answer /v1/check and /healthz from a registry snapshot until killed
///
/// For smoke and development. It is NOT a production decision point: it knows no policy but its
/// own, keeps no log and asks nobody who they are.
#[derive(Args)]
pub(crate) struct Serve {
    /// The registry snapshot, as `warden registry build` writes it
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: String,

    /// Listen on an address that other machines reach too
    #[arg(long)]
    dangerous_listen_anywhere: bool,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> Result<Report, CliError> {
        let address = self.address()?;
        let snapshot = Snapshot::read_file(&self.registry)?;
        let failed = |error: std::io::Error| {
            CliError::new(
                Class::Failed,
                "listen_failed",
                format!("cannot listen on {address}"),
            )
            .cause(error.to_string())
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let actors = snapshot.entries().len();
        if output.is_json() {
            let started = json!({
                "url": format!("http://{address}"),
                "production": false,
                "actors": actors,
                "inventory_digest": snapshot.inventory_digest(),
            });
            output.document(&started)?;
        }
        output.notes(&[
            "warning: this is NOT a production decision point; it is for smoke and development"
                .to_owned(),
            format!("listening on http://{address}, actors: {actors}"),
        ]);
        match decision_point::serve(listener, snapshot) {
            Ok(never) => match never {},
            Err(error) => Err(failed(error)),
        }
    }

    fn address(&self) -> Result<SocketAddr, CliError> {
        let address: SocketAddr = self.listen.parse().map_err(|_| {
            CliError::new(
                Class::Malformed,
                "listen_malformed",
                format!("--listen: `{}` is no address and port", self.listen),
            )
            .hint("write 127.0.0.1:8080 or [::1]:8080")
        })?;
        if address.ip().is_loopback() || self.dangerous_listen_anywhere {
            return Ok(address);
        }
        Err(CliError::new(
            Class::Malformed,
            "listen_not_loopback",
            format!("--listen: {address} is reached from other machines"),
        )
        .hint("listen on 127.0.0.1, or add --dangerous-listen-anywhere"))
    }
}
