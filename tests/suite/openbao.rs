//! `warden` against a real OpenBao server, where there is one.

mod credentials;
mod guide;
mod lint;
mod logins;
mod office;
mod options;
mod parity;
mod pin;
mod refusals;
mod roles;
mod seal;
mod secrets;
mod signing;
mod tls;
