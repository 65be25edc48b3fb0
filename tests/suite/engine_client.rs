//! What the client of the engine sends, to whom, and what never shows.

mod config;
mod environment;
mod logins;
mod requests;
mod roles;
mod secrets;
