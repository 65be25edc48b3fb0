//! Decides, signs, checks and records short-lived OpenSSH certificates.
//!
//! A **request** is **authorized** against the inventory's bounds, **signed** by a backend,
//! **recorded** in the journal, and only then **delivered**. Each stage takes the type of the one
//! before it and gives a type of its own, so a step that was left out does not compile:
//!
//! | stage | gives |
//! |---|---|
//! | [`request`] | [`CertificateRequest`](request::CertificateRequest) |
//! | [`authorize`] | [`Authorization`](authorize::Authorization) |
//! | [`sign`] | [`SignedCertificate`](sign::SignedCertificate) |
//! | [`journal`] | [`IssuedCertificate`](journal::IssuedCertificate) |
//! | [`deliver`] | [`Receipt`](deliver::Receipt) |
//!
//! [`issue`] is the whole operation in one short function.
//!
//! The library reads and writes the files it is told to. It never looks at the environment, the
//! terminal, the home directory or the clock: the time comes in as a [`Clock`](clock::Clock).

pub mod authorize;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod cutover;
pub mod deliver;
pub mod diagnostic;
pub mod exchange;
pub mod failure;
pub mod file;
pub mod gate;
pub mod host;
pub mod inventory;
pub mod issue;
pub mod journal;
pub mod registry;
pub mod request;
pub mod revocation;
pub mod secret;
pub mod sign;
