//! The suites.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test itself would"
)]

mod bad_input;
mod cutover;
mod decision_point;
mod engine_client;
mod engine_faults;
mod faults;
mod gate;
mod grants;
mod harness;
mod hosts;
mod interhub;
mod interop;
mod krl;
mod logins;
mod openbao;
mod parity;
mod preflight;
mod registry;
mod remote;
mod setup;
mod transcripts;
