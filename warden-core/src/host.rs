//! What hosts need, from the same inventory: who may log in, whom to trust, what is revoked.
//!
//! - Files are read as sshd reads them. What sshd would not read is never written.

pub mod grants;
pub mod trust;
