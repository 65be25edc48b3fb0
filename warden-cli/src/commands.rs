//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod ca;
pub(crate) mod cutover;
pub(crate) mod explain_login;
pub(crate) mod gate;
pub(crate) mod grants;
pub(crate) mod host;
pub(crate) mod inventory;
pub(crate) mod krl;

pub(crate) mod quickstart;
pub(crate) mod registry;
pub(crate) mod revoke;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod sign_host;
pub(crate) mod smoke;
