//! The policy gate: a service that is asked before signing.
//!
//! - [`decision_point`] is the other side: what answers, from a registry snapshot, on a workstation.

pub mod decision_point;
