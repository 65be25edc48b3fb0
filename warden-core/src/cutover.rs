//! Moves a fleet from one CA to another in steps that are each checked.
//!
//! - What is judged is what is observed, never what a flag says was done before.

pub mod check;
pub mod parity;
pub mod preflight;
