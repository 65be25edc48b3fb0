//! What most tests need: keys, an inventory in a directory of its own, and a look into the journal.

use ed25519_dalek::SigningKey;
use ssh_encoding::base64::{Base64, Encoding};
use std::path::Path;
use tempfile::TempDir;
use warden_core::certificate::{Principal, Principals, PublicKey, Ttl, UnixTime};
use warden_core::inventory::{ActorName, InventoryPath};
use warden_core::journal::Record;

/// 2026-11-22 12:00:00 UTC.
pub(crate) const NOW: UnixTime = UnixTime(1_795_348_800);

/// Bytes in the form RFC 4251 calls a string: their length, then they.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// An ed25519 key pair that is the same in every run.
pub(crate) fn pair(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The wire form of the public half of [`pair`].
pub(crate) fn public_blob(seed: u8) -> Vec<u8> {
    let point = pair(seed).verifying_key().to_bytes();
    [string(b"ssh-ed25519"), string(&point)].concat()
}

/// The public half of [`pair`].
pub(crate) fn user_key(seed: u8) -> PublicKey {
    PublicKey::from_blob(&public_blob(seed)).unwrap()
}

/// A wire form as one line.
pub(crate) fn line(label: &str, blob: &[u8]) -> String {
    format!("{label} {}", Base64::encode_string(blob))
}

/// The wire form in the second word of a line.
pub(crate) fn blob_of(line: &str) -> Vec<u8> {
    Base64::decode_vec(line.split_whitespace().nth(1).unwrap()).unwrap()
}

pub(crate) fn actor(name: &str) -> ActorName {
    name.parse().unwrap()
}

pub(crate) fn ttl(text: &str) -> Ttl {
    Ttl::parse(text).unwrap()
}

pub(crate) fn principals(list: &[&str]) -> Principals {
    let list = list.iter().map(|one| Principal::new(one).unwrap());
    Principals::new(list.collect()).unwrap()
}

/// An inventory that is removed with its last use.
pub(crate) struct Inventory {
    directory: TempDir,
    path: InventoryPath,
}

impl Inventory {
    /// An inventory of these files; a file called `inventory.toml` is a whole inventory by itself.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut path = InventoryPath::new(directory.path());
        for (name, content) in files {
            write(directory.path(), name, content);
            if name == "inventory.toml" {
                path = InventoryPath::new(directory.path().join(name));
            }
        }
        Self { directory, path }
    }

    pub(crate) fn path(&self) -> &InventoryPath {
        &self.path
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write(self.directory(), name, content);
    }
}

/// Writes a file, and the directory it stands in.
pub(crate) fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Every record in the journal of a state directory.
pub(crate) fn records(state_dir: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(state_dir.join("journal.jsonl")).unwrap();
    let record = |line| serde_json::from_str(line).unwrap();
    text.lines().map(record).collect()
}
