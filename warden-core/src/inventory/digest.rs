//! The digest of what a decision was read from.
//!
//! - SHA-256 over `warden-inventory-v1\n` and, for each file in the order of its relative path: the
//!   length of the path, the path, the length of the content, the content (lengths 8 bytes, big-endian).
//! - The same files give the same digest wherever the inventory lies.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of the inventory files a decision was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceDigest([u8; 32]);

impl SourceDigest {
    /// Digests files given as relative path and content. They are put in order of the path.
    pub fn of<'a>(mut files: Vec<(&'a str, &'a [u8])>) -> Self {
        files.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(b"warden-inventory-v1\n");
        for (path, content) in files {
            for part in [path.as_bytes(), content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        Self(hash.finalize().into())
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for SourceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_files_does_not_matter_but_every_byte_does() {
        let digest =
            |files: &[(&'static str, &'static [u8])]| SourceDigest::of(files.to_vec()).to_string();
        let both = digest(&[("a", b"1"), ("b", b"2")]);
        assert_eq!(both, digest(&[("b", b"2"), ("a", b"1")]));
        assert_ne!(both, digest(&[("a", b"12"), ("b", b"")]));
        assert_ne!(both, digest(&[("a", b"1"), ("c", b"2")]));
        assert_ne!(both, digest(&[("a", b"1")]));
        assert_eq!(both.len(), 64);
    }
}
