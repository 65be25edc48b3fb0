//! What hosts need, from the same inventory.

pub mod grants;
