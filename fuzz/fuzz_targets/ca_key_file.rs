//! Any private key file: it is refused, or it is a key whose halves belong together.
//!
//! Most inputs would fail in the base64; so the input is also taken for the bytes inside it. The
//! passphrase is a fixed one; a file with many rounds of key derivation is slow by design.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use warden_core::sign::local::CaKeyFile;

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = warden_fuzz::private_directory("ca-key-file");
    warden_fuzz::write_secret(&directory.join("passphrase"), b"passphrase\n");
    directory
});

fuzz_target!(|content: &[u8]| {
    open(content);
    let base64 = warden_fuzz::base64(content);
    let begin = "-----BEGIN OPENSSH PRIVATE KEY-----";
    let end = "-----END OPENSSH PRIVATE KEY-----";
    open(format!("{begin}\n{base64}\n{end}\n").as_bytes());
});

fn open(content: &[u8]) {
    let path = DIRECTORY.join("ca");
    warden_fuzz::write_secret(&path, content);
    let file = CaKeyFile {
        path,
        passphrase_file: Some(DIRECTORY.join("passphrase")),
    };
    if let Err(error) = file.open() {
        let _shown = format!("{error} {error:?}");
    }
}
