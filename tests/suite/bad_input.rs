//! What is refused: the status, the reason, an empty stdout, nothing left behind, one record.

mod arguments;
mod ca_key;
mod config;
mod injection;
mod inventory;
mod neighbours;
mod public_keys;
mod state;
mod surroundings;
