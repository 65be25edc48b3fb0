//! Where the time comes from.
//!
//! - The library never asks the operating system for the time; the caller hands in a [`Clock`].
//! - Decisions take a [`UnixTime`] and no clock, so that they can be repeated.

use crate::certificate::UnixTime;

/// Gives the present time.
pub trait Clock {
    /// The present time in whole seconds since 1970-01-01 00:00:00 UTC.
    fn now(&self) -> UnixTime;
}

/// A clock that stands still, for tests and for decisions about a named moment.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub UnixTime);

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}
