//! The suites.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test itself would"
)]

mod harness;
mod interop;
mod logins;
