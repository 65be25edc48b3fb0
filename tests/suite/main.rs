//! The suites.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test itself would"
)]

mod bad_input;
mod decision_point;
mod faults;
mod harness;
mod interop;
mod logins;
mod registry;
mod setup;
mod transcripts;
