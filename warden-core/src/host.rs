//! What hosts need, from the same inventory: who may log in, whom to trust, what is revoked.
//!
//! - [`grants`]: who may log in where.
//! - [`render`]: the files of one host; [`tree`] puts them into a directory, [`check`] compares them
//!   with what is there.
//! - [`krl`]: the list of what is revoked.
//! - [`login`]: why a host lets a certificate in, or does not.
//! - [`principals`], [`ca_keys`], [`trust`] and [`sshd_config`] read such files as sshd reads them. What
//!   sshd would not read is never written.

pub mod ca_keys;
pub mod check;
pub mod grants;
pub mod krl;
pub mod listed;
pub mod login;
pub mod principals;
pub mod render;
pub mod sshd_config;
pub mod tree;
pub mod trust;
