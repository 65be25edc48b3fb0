//! Tests of the library through its public interface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails as the test itself would"
)]

mod decision_point;
mod decisions;
mod forger;
mod gate;
mod hosts;
mod inventory;
mod journal;
mod krl;
mod post_sign;
mod properties;
mod registry;
mod revocation;
mod scene;
mod two_cas;
mod wire;
