//! One HTTP exchange with a server that is not trusted, such as OpenBao or the policy gate.
//!
//! - What is asked, and what an answer is worth, is the affair of whoever asks. Here is only how it
//!   gets there and back: address, connection, limits of time and size, and what can go wrong.
//! - Nothing is asked twice here.

mod address;
mod connection;
mod fault;

pub use address::{Address, AddressError, PlainHttp};
pub use fault::ExchangeError;

pub(crate) use connection::{Answer, Connection, Endpoint, Request};
