//! What is typed more than once: names, addresses, moments.

use crate::environment::SystemClock;
use crate::error::CliError;
use std::net::IpAddr;
use warden_core::certificate::UnixTime;
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::inventory::{
    AccountName, AccountNameError, ActorName, ActorNameError, HostName, HostNameError,
};

/// The name of an actor.
pub(crate) fn actor_name(text: &str) -> Result<ActorName, CliError> {
    text.parse().map_err(|error: ActorNameError| {
        CliError::new(Class::Malformed, "actor_name_malformed", error.to_string())
    })
}

/// The name of a host.
pub(crate) fn host_name(text: &str) -> Result<HostName, CliError> {
    text.parse().map_err(|error: HostNameError| {
        CliError::new(Class::Malformed, "host_name_malformed", error.to_string())
    })
}

/// The name of an account.
pub(crate) fn account_name(text: &str) -> Result<AccountName, CliError> {
    text.parse().map_err(|error: AccountNameError| {
        CliError::new(
            Class::Malformed,
            "account_name_malformed",
            error.to_string(),
        )
    })
}

/// The address of `--from`.
pub(crate) fn address(text: &str) -> Result<IpAddr, CliError> {
    text.parse().map_err(|_| {
        let message = format!("--from: `{text}` is not an address");
        CliError::new(Class::Malformed, "address_malformed", message)
            .hint("an IPv4 or IPv6 address without a prefix, such as 10.0.3.7")
    })
}

/// The moment of `--at`: now, if it is not given.
pub(crate) fn moment(text: Option<&str>) -> Result<UnixTime, CliError> {
    let Some(text) = text else {
        return Ok(SystemClock.now());
    };
    UnixTime::parse(text).ok_or_else(|| {
        let message = format!("--at: `{text}` is no day and no moment");
        CliError::new(Class::Malformed, "moment_malformed", message)
            .hint("write a day such as 2027-01-01, which is its 00:00 UTC, or 2027-01-01T12:00:00Z")
    })
}
