//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod backend;
pub(crate) mod ca;
pub(crate) mod gate;
pub(crate) mod host;
pub(crate) mod inventory;

pub(crate) mod quickstart;
pub(crate) mod registry;
pub(crate) mod show;
pub(crate) mod sign;
pub(crate) mod smoke;
