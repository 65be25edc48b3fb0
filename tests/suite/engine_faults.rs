//! What goes wrong between `warden` and the SSH engine: each fault has its own reason, and the
//! certificate that is stored already stays.

mod altered;
mod answers;
mod key_ids;
mod network;
mod redirects;
mod statuses;
mod tls;
