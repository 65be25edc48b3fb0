//! What hosts need: the files a host reads to know whom it lets in.
//!
//! - Rendered from what is reviewed or recorded; nothing here decides about a request.
//! - Whatever is written is read back by the same rules a host reads it by.

pub mod krl;
