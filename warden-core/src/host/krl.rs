//! OpenSSH's key revocation list: which certificates and keys a host refuses.
//!
//! - Read by the rules of sshd's own reader, whose verdicts [`Krl::revokes`] gives in its order. A
//!   file with a signature section is refused: releases of OpenSSH disagree about it.
//! - Written so that sshd can read it. `ssh-keygen` writes bitmaps its own reader refuses; here none
//!   has more than 16,384 bits, and the smallest mixture of lists, ranges and bitmaps is taken.
//! - Serials are kept as sorted runs of 16 bytes, and no input makes more of them than fit a file.
//!
//! References: \[KRL\] in `wiki/specifications.md`.

mod decode;
mod encode;
mod install;
mod serials;
mod verdict;

pub use decode::{KrlError, MAX_KRL_BYTES};
pub use install::{InstallError, Installed, install, read};
pub use verdict::{Listed, Revoked};

use crate::certificate::{CaPublicKey, Fingerprint, PublicKey, Serial, UnixTime};
use serials::{Run, Serials};
use sha2::{Digest, Sha256};
use ssh_encoding::base64::{Base64Unpadded, Encoding};
use std::collections::BTreeSet;

/// A key revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Krl {
    version: u64,
    generated: UnixTime,
    comment: Vec<u8>,
    /// One for each CA that has any, in order; several of the same CA are one.
    certificates: Vec<RevokedCertificates>,
    keys: BTreeSet<Vec<u8>>,
    sha1: BTreeSet<[u8; 20]>,
    sha256: BTreeSet<[u8; 32]>,
}

/// The revoked certificates of one CA, or, without one, of any CA.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RevokedCertificates {
    /// The CA's key in wire form.
    ca: Option<Vec<u8>>,
    serials: Serials,
    key_ids: BTreeSet<Vec<u8>>,
}

impl Krl {
    /// A list without entries. `version` must grow with every file that replaces another; `comment`
    /// is for people, and control characters in it are left out.
    pub fn new(version: u64, generated: UnixTime, comment: &str) -> Self {
        let comment: String = comment.chars().filter(|c| !c.is_control()).collect();
        Self {
            version,
            generated,
            comment: comment.into_bytes(),
            certificates: Vec::new(),
            keys: BTreeSet::new(),
            sha1: BTreeSet::new(),
            sha256: BTreeSet::new(),
        }
    }

    /// Revokes certificates of `ca` by their serials, or of every CA.
    pub fn revoke_serials(
        &mut self,
        ca: Option<&CaPublicKey>,
        serials: impl IntoIterator<Item = Serial>,
    ) {
        let runs = serials.into_iter().map(|serial| Run {
            first: serial.number(),
            last: serial.number(),
        });
        self.of(ca.map(|ca| ca.key().to_blob())).serials.add(runs);
    }

    /// Revokes certificates of `ca`, or of every CA, whose serial is `first`, `last` or between them.
    pub fn revoke_range(&mut self, ca: Option<&CaPublicKey>, first: Serial, last: Serial) {
        if first <= last {
            let run = Run {
                first: first.number(),
                last: last.number(),
            };
            self.of(ca.map(|ca| ca.key().to_blob()))
                .serials
                .add([run].into_iter());
        }
    }

    /// Revokes certificates of `ca`, or of every CA, by their key id. A key id with a NUL is none
    /// that OpenSSH reads, so it revokes nothing and gives `false`.
    #[must_use]
    pub fn revoke_key_id(&mut self, ca: Option<&CaPublicKey>, key_id: &str) -> bool {
        let sound = !key_id.contains('\0');
        if sound {
            let key_ids = &mut self.of(ca.map(|ca| ca.key().to_blob())).key_ids;
            key_ids.insert(key_id.as_bytes().to_vec());
        }
        sound
    }

    /// Revokes a key: itself, its certificates, and, if it is a CA's, all that it signed.
    pub fn revoke_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.to_blob());
    }

    /// Revokes a key by its fingerprint alone; the effect is that of [`Krl::revoke_key`].
    pub fn revoke_fingerprint(&mut self, fingerprint: &Fingerprint) {
        let base64 = fingerprint.as_str().trim_start_matches("SHA256:");
        let mut hash = [0; 32];
        // A fingerprint is valid by construction, so this decodes to 32 bytes.
        if Base64Unpadded::decode(base64, &mut hash).is_ok() {
            self.sha256.insert(hash);
        }
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was made.
    pub fn generated(&self) -> UnixTime {
        self.generated
    }

    /// The comment.
    pub fn comment(&self) -> String {
        String::from_utf8_lossy(&self.comment).into_owned()
    }

    /// Whether it revokes nothing.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// How many entries it has, a run of serials counting as one.
    pub fn entries(&self) -> usize {
        let of = |one: &RevokedCertificates| one.serials.runs().len() + one.key_ids.len();
        self.certificates.iter().map(of).sum::<usize>()
            + self.keys.len()
            + self.sha1.len()
            + self.sha256.len()
    }

    /// About how long sshd takes to read it, in milliseconds, which it does at every login. Measured
    /// with OpenSSH 9.2: 2 µs for a serial of its own, 25 µs for anything of text.
    pub fn load_milliseconds(&self) -> u64 {
        let serials = |one: &RevokedCertificates| 2 * one.serials.runs().len() as u64;
        let texts = |one: &RevokedCertificates| one.key_ids.len() as u64;
        let serials: u64 = self.certificates.iter().map(serials).sum();
        let texts: u64 = self.certificates.iter().map(texts).sum();
        (serials + 25 * (texts + self.keys.len() as u64)) / 1000
    }

    /// The serials as `ssh-keygen -Q -l` lists them, one line for each run.
    pub fn serial_lines(&self) -> impl Iterator<Item = String> {
        self.certificates.iter().flat_map(serial_lines)
    }

    /// All that it revokes as `ssh-keygen -Q -l` lists it, in its order: keys, then for each CA serials
    /// and key ids. Left out is what it puts behind a `#`: a key's type, and fingerprints by SHA-1.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let key = |blob: &Vec<u8>| {
            let hash = Sha256::digest(blob);
            format!("hash: SHA256:{}", Base64Unpadded::encode_string(&hash))
        };
        let fingerprint = |hash: &[u8; 32]| {
            let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("hash: SHA256:{digits}")
        };
        let of_ca = |one| serial_lines(one).chain(key_id_lines(one));
        let keys = self.keys.iter().map(key);
        keys.chain(self.sha256.iter().map(fingerprint))
            .chain(self.certificates.iter().flat_map(of_ca))
    }

    fn of(&mut self, ca: Option<Vec<u8>>) -> &mut RevokedCertificates {
        let at = self.certificates.iter().position(|one| one.ca == ca);
        let at = at.unwrap_or_else(|| {
            self.certificates.push(RevokedCertificates {
                ca,
                serials: Serials::default(),
                key_ids: BTreeSet::new(),
            });
            self.certificates.len() - 1
        });
        &mut self.certificates[at]
    }
}

fn serial_lines(one: &RevokedCertificates) -> impl Iterator<Item = String> {
    one.serials.runs().iter().map(|run| match run.span() {
        0 => format!("serial: {}", run.first),
        _ => format!("serial: {}-{}", run.first, run.last),
    })
}

fn key_id_lines(one: &RevokedCertificates) -> impl Iterator<Item = String> {
    let ids = one.key_ids.iter();
    ids.map(|id| format!("id: {}", String::from_utf8_lossy(id)))
}
