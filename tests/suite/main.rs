//! The suites.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test itself would"
)]

mod bad_input;
mod faults;
mod harness;
mod interop;
mod logins;
mod openbao;
mod setup;
mod transcripts;
