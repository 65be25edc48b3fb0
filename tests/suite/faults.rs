//! What goes wrong around a signature: never a delivered certificate without its record.

mod delivery;
mod full;
mod kill;
mod lock;
mod rotation;
mod secrets;
mod tampering;
mod torn;
