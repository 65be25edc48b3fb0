use crate::commands::sign::Asked;
use crate::error::CliError;
use crate::output::{Output, Report};
use crate::typed::host_name;
use clap::Args;
use std::path::Path;
use warden_core::inventory::Holder;

/// Sign a host's public key and print the host certificate
///
/// Signed by the CA for hosts, for the names and addresses the inventory gives the host, and kept as
/// host-HOST-cert.pub in the state directory. No policy gate is asked about a host.
#[derive(Args)]
pub(crate) struct SignHost {
    /// The host, as the inventory names it
    host: String,

    #[command(flatten)]
    asked: Asked,
}

impl SignHost {
    pub(crate) fn run(self, config: Option<&Path>, output: &Output) -> Result<Report, CliError> {
        let host = host_name(&self.host)?;
        self.asked.issue(&Holder::Host(host), config, output)
    }
}
