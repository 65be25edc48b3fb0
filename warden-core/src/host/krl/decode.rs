//! A list from bytes, by the rules of OpenSSH's reader (`krl.c` of OpenSSH 10.5).
//!
//! - What sshd refuses is refused: it then lets nobody in, so such a file must never reach it.
//! - One pass, and memory bounded by [`MAX_RUNS`], whatever the bytes say.

use super::encode::{FORMAT_VERSION, MAGIC, MAX_BITMAP_BITS, section};
use super::serials::{Run, Serials};
use super::{Krl, RevokedCertificates};
use crate::certificate::UnixTime;
use crate::failure::{Class, Failure};
use std::collections::{BTreeSet, HashMap};

/// The largest file OpenSSH reads, in bytes (`SSHBUF_SIZE_MAX`).
pub const MAX_KRL_BYTES: usize = 128 * 1024 * 1024;

/// As many runs of serials as the largest file can list. Bitmaps made for it could hold 32 times as
/// many, which sshd would take gigabytes for.
const MAX_RUNS: usize = MAX_KRL_BYTES / 8;

/// Why bytes are not a KRL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KrlError {
    /// They do not begin as one.
    #[error("not a KRL: it does not begin with `SSHKRL`")]
    NotAKrl,
    /// A part is not what it must be.
    #[error("the KRL is damaged in its {part}: {found}")]
    Damaged {
        /// Which part.
        part: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// It is signed.
    #[error("the KRL has a signature section, which newer releases of OpenSSH refuse")]
    Signed,
    /// Something this version does not know and may not pass over.
    #[error("the KRL has a {what} of type {kind}, which is not known")]
    Unknown {
        /// A section, or a section of a CA.
        what: &'static str,
        /// Its type.
        kind: u8,
    },
    /// An extension that must be understood.
    #[error("the KRL has a critical extension `{name}`, which is not known")]
    CriticalExtension {
        /// Its name, cut to 40 characters.
        name: String,
    },
    /// More than any KRL holds.
    #[error("the KRL is too large: over {MAX_KRL_BYTES} bytes, or over {MAX_RUNS} runs of serials")]
    TooLarge,
}

impl Failure for KrlError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotAKrl => "krl_not_a_krl",
            Self::Damaged { .. } => "krl_damaged",
            Self::Signed => "krl_signed",
            Self::Unknown { .. } | Self::CriticalExtension { .. } => "krl_unknown_section",
            Self::TooLarge => "krl_too_large",
        }
    }
}

impl Krl {
    /// Reads a list.
    ///
    /// # Errors
    /// If OpenSSH would refuse it, and if it is signed.
    pub fn parse(bytes: &[u8]) -> Result<Self, KrlError> {
        if bytes.len() > MAX_KRL_BYTES {
            return Err(KrlError::TooLarge);
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(KrlError::NotAKrl)?;
        let mut at = Cursor { rest };
        if at.u32("format version")? != FORMAT_VERSION {
            return damaged("format version", "not 1");
        }
        let version = at.u64("version")?;
        let generated = UnixTime(at.u64("date")?);
        at.u64("flags")?;
        at.string("reserved field")?;
        let comment = at.text("comment")?.to_vec();
        let mut krl = Self::new(version, generated, "");
        krl.comment = comment;
        let mut loaded = Loaded::default();
        while !at.rest.is_empty() {
            let kind = at.u8("section")?;
            let content = at.string("section")?;
            let mut inside = Cursor { rest: content };
            match kind {
                section::CERTIFICATES => certificates(inside, &mut loaded)?,
                section::EXPLICIT_KEY => {
                    while !inside.rest.is_empty() {
                        krl.keys.insert(inside.string("keys")?.to_vec());
                    }
                }
                section::FINGERPRINT_SHA1 => hashes(inside, &mut krl.sha1)?,
                section::FINGERPRINT_SHA256 => hashes(inside, &mut krl.sha256)?,
                section::EXTENSION => extension(inside)?,
                section::SIGNATURE => return Err(KrlError::Signed),
                kind => {
                    let what = "section";
                    return Err(KrlError::Unknown { what, kind });
                }
            }
        }
        for LoadedCa { ca, runs, key_ids } in loaded.sections {
            let mut serials = Serials::default();
            serials.add(runs.into_iter());
            krl.certificates.push(RevokedCertificates {
                ca,
                serials,
                key_ids,
            });
        }
        Ok(krl)
    }
}

/// What was read of one CA, or of every CA.
struct LoadedCa {
    ca: Option<Vec<u8>>,
    runs: Vec<Run>,
    key_ids: BTreeSet<Vec<u8>>,
}

/// Certificates as they were read; the runs are put in order once, at the end.
#[derive(Default)]
struct Loaded {
    sections: Vec<LoadedCa>,
    /// Which of them is a CA's, since a file may name millions.
    place: HashMap<Option<Vec<u8>>, usize>,
    runs: usize,
}

fn certificates(mut at: Cursor<'_>, loaded: &mut Loaded) -> Result<(), KrlError> {
    let ca = match at.string("CA key")? {
        [] => None,
        blob if sound_ca(blob) => Some(blob.to_vec()),
        _ => return damaged("CA key", "not a key"),
    };
    at.string("reserved field")?;
    let next = loaded.sections.len();
    let place = *loaded.place.entry(ca.clone()).or_insert(next);
    if place == next {
        loaded.sections.push(LoadedCa {
            ca,
            runs: Vec::new(),
            key_ids: BTreeSet::new(),
        });
    }
    let LoadedCa { runs, key_ids, .. } = &mut loaded.sections[place];
    let count = &mut loaded.runs;
    let mut add = |first: u64, last: u64| {
        if first == 0 || first > last {
            return damaged("serials", "serial 0, or a range that ends before it begins");
        }
        // Files are mostly in order, so that neighbours become one at once.
        if let Some(before) = runs
            .last_mut()
            .filter(|before| before.last.checked_add(1) == Some(first))
        {
            before.last = last;
            return Ok(());
        }
        *count += 1;
        if *count > MAX_RUNS {
            return Err(KrlError::TooLarge);
        }
        runs.push(Run { first, last });
        Ok(())
    };
    while !at.rest.is_empty() {
        let kind = at.u8("section of a CA")?;
        let mut inside = Cursor {
            rest: at.string("section of a CA")?,
        };
        match kind {
            section::SERIAL_LIST => {
                while !inside.rest.is_empty() {
                    let serial = inside.u64("list of serials")?;
                    add(serial, serial)?;
                }
            }
            section::SERIAL_RANGE => {
                let part = "range of serials";
                add(inside.u64(part)?, inside.u64(part)?)?;
                inside.ends(part)?;
            }
            section::SERIAL_BITMAP => {
                let offset = inside.u64("bitmap")?;
                let bits = inside.positive_number("bitmap")?;
                inside.ends("bitmap")?;
                bitmap(offset, bits, &mut add)?;
            }
            section::KEY_ID => {
                while !inside.rest.is_empty() {
                    let key_id = inside.text("key ids")?.to_vec();
                    key_ids.insert(key_id);
                }
            }
            section::CERT_EXTENSION => extension(inside)?,
            kind => {
                let what = "section of a CA";
                return Err(KrlError::Unknown { what, kind });
            }
        }
    }
    Ok(())
}

/// Adds the serials of the bits set. `bits` has no zero byte in front.
fn bitmap(
    offset: u64,
    bits: &[u8],
    add: &mut impl FnMut(u64, u64) -> Result<(), KrlError>,
) -> Result<(), KrlError> {
    for (from, byte) in (0..).step_by(8).zip(bits.iter().rev()) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let Some(serial) = offset.checked_add(from + bit) else {
                return damaged("bitmap", "a serial over 2^64");
            };
            add(serial, serial)?;
        }
    }
    Ok(())
}

/// Whether sshd takes it for a key. A certificate in this place matches nothing, and a key no CA can
/// have is damage.
fn sound_ca(blob: &[u8]) -> bool {
    ssh_key::PublicKey::from_bytes(blob).is_ok()
}

fn hashes<const N: usize>(
    mut at: Cursor<'_>,
    into: &mut BTreeSet<[u8; N]>,
) -> Result<(), KrlError> {
    while !at.rest.is_empty() {
        match at.string("fingerprints")?.try_into() {
            Ok(hash) => into.insert(hash),
            Err(_) => return damaged("fingerprints", "one of the wrong length"),
        };
    }
    Ok(())
}

fn extension(mut at: Cursor<'_>) -> Result<(), KrlError> {
    let name = at.text("extension")?;
    let critical = at.u8("extension")? != 0;
    at.string("extension")?;
    at.ends("extension")?;
    if !critical {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(KrlError::CriticalExtension {
        name: name.chars().take(40).collect(),
    })
}

fn damaged<T>(part: &'static str, found: &'static str) -> Result<T, KrlError> {
    Err(KrlError::Damaged { part, found })
}

/// Reads fields from the front of a slice.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], KrlError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => damaged(part, "it ends too early"),
        }
    }

    fn u8(&mut self, part: &'static str) -> Result<u8, KrlError> {
        Ok(self.take(1, part)?[0])
    }

    fn u32(&mut self, part: &'static str) -> Result<u32, KrlError> {
        let bytes = self.take(4, part)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn u64(&mut self, part: &'static str) -> Result<u64, KrlError> {
        let bytes = self.take(8, part)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn string(&mut self, part: &'static str) -> Result<&'a [u8], KrlError> {
        let length = self.u32(part)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX), part)
    }

    /// Text as C has it: a NUL may only stand at the end, and does not count.
    fn text(&mut self, part: &'static str) -> Result<&'a [u8], KrlError> {
        let text = self.string(part)?;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        if text.contains(&0) {
            return damaged(part, "a NUL inside a text");
        }
        Ok(text)
    }

    /// A number that is not negative and has at most [`MAX_BITMAP_BITS`], without zeros in front.
    fn positive_number(&mut self, part: &'static str) -> Result<&'a [u8], KrlError> {
        let bytes = self.string(part)?;
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return damaged(part, "a negative number");
        }
        let longest = usize::try_from(MAX_BITMAP_BITS / 8).unwrap_or(usize::MAX);
        if bytes.len() > longest + 1 || (bytes.len() == longest + 1 && bytes[0] != 0) {
            return damaged(part, "more than 16,384 bits, which OpenSSH refuses to read");
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(&bytes[zeros..])
    }

    fn ends(&self, part: &'static str) -> Result<(), KrlError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        damaged(part, "bytes follow its end")
    }
}
