//! The suites.

#![expect(
    clippy::panic,
    reason = "a helper of a test fails as the test itself would"
)]

mod harness;
