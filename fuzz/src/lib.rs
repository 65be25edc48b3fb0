//! What several targets need: files that are nowhere on a disk.

use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file in memory that has a path as long as it lives.
pub struct MemoryFile(File);

impl MemoryFile {
    /// A file with this content.
    ///
    /// # Panics
    /// If the system gives no memory.
    pub fn new(content: &[u8]) -> Self {
        let memory = rustix::fs::memfd_create("fuzz", MemfdFlags::CLOEXEC);
        let mut file = File::from(memory.expect("a file in memory"));
        file.write_all(content).expect("a write to memory");
        Self(file)
    }

    /// Its path, for this process. It is a link, so it is for readers that follow links.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// A directory of this process alone, in memory where the system has such a place.
///
/// # Panics
/// If it cannot be made.
pub fn private_directory(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let directory = parent.join(format!("warden-fuzz-{name}-{}", std::process::id()));
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&directory);
    made.expect("a directory");
    directory
}

/// Writes a file with mode 0600.
///
/// # Panics
/// If it cannot be written.
pub fn write_secret(path: &Path, content: &[u8]) {
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(content));
    written.expect("a file");
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| three.get(at).copied().unwrap_or(0);
        let bits = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}
