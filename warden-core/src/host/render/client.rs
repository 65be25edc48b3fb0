//! What clients of a host need to know it by its CA.
//!
//! - A CA is trusted for exactly the host's names and addresses, never for a pattern.
//! - Nothing a client types, such as `%r`, stands in a command.

use crate::host::ca_keys::CaKeys;
use crate::inventory::Host;

/// Where the snippet looks for the known hosts, in the client's home.
fn known_hosts_place(host: &Host) -> String {
    format!("~/.ssh/warden/{}.known_hosts", host.name())
}

/// One `@cert-authority` line for each CA of hosts.
pub(super) fn known_hosts(host: &Host, cas: &CaKeys) -> String {
    let names = host.names().to_strings().join(",");
    cas.iter()
        .map(|(ca, _)| format!("@cert-authority {names} {}\n", ca.key().to_openssh()))
        .collect()
}

/// A block for the host: only the CA says who it is, and no question is asked.
pub(super) fn ssh_config(host: &Host) -> String {
    let names = host.names().to_strings().join(" ");
    let place = known_hosts_place(host);
    format!(
        "# Copy the known_hosts beside this file to {place}.\n\
         Host {names}\n    \
         UserKnownHostsFile {place}\n    \
         GlobalKnownHostsFile /dev/null\n    \
         StrictHostKeyChecking yes\n"
    )
}
