//! A list as bytes, the fewest there are.
//!
//! - A run of serials goes into the one list, a range of its own, or a bitmap it shares with its
//!   neighbours. Which, is found for all runs together in one pass over them.
//! - No bitmap has more than 16,384 bits: the reader of OpenSSH takes no longer number.

use super::serials::Run;
use super::{Krl, RevokedCertificates};
use std::collections::VecDeque;

pub(super) const MAGIC: &[u8] = b"SSHKRL\n\0";
pub(super) const FORMAT_VERSION: u32 = 1;
/// `SSHBUF_MAX_BIGNUM` of OpenSSH, in bits.
pub(super) const MAX_BITMAP_BITS: u64 = 16_384;

/// The types of sections, and of those inside the section of a CA.
pub(super) mod section {
    pub(in super::super) const CERTIFICATES: u8 = 1;
    pub(in super::super) const EXPLICIT_KEY: u8 = 2;
    pub(in super::super) const FINGERPRINT_SHA1: u8 = 3;
    pub(in super::super) const SIGNATURE: u8 = 4;
    pub(in super::super) const FINGERPRINT_SHA256: u8 = 5;
    pub(in super::super) const EXTENSION: u8 = 255;
    pub(in super::super) const SERIAL_LIST: u8 = 0x20;
    pub(in super::super) const SERIAL_RANGE: u8 = 0x21;
    pub(in super::super) const SERIAL_BITMAP: u8 = 0x22;
    pub(in super::super) const KEY_ID: u8 = 0x23;
    pub(in super::super) const CERT_EXTENSION: u8 = 0x39;
}

/// Type and length before each section.
const SECTION_BYTES: u64 = 5;
const SERIAL_BYTES: u64 = 8;
const RANGE_BYTES: u64 = SECTION_BYTES + 2 * SERIAL_BYTES;
/// A bitmap without its bits: the section, the first serial, the length, and the byte that the
/// rounding up, or else the sign of the number, takes.
const BITMAP_BYTES: u64 = SECTION_BYTES + SERIAL_BYTES + 4 + 1;
/// Over a gap of this many serials a bitmap never pays: its bits are more than a second one's head.
const GAP: u64 = 8 * BITMAP_BYTES;

impl Krl {
    /// The list as OpenSSH reads it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.generated.0.to_be_bytes());
        out.extend_from_slice(&0u64.to_be_bytes());
        string(&mut out, b"");
        string(&mut out, &self.comment);
        for one in &self.certificates {
            section(&mut out, section::CERTIFICATES, |out| {
                certificates(one, out)
            });
        }
        let blobs = [
            (section::EXPLICIT_KEY, strings(&self.keys)),
            (section::FINGERPRINT_SHA1, strings(&self.sha1)),
            (section::FINGERPRINT_SHA256, strings(&self.sha256)),
        ];
        for (kind, content) in blobs.iter().filter(|(_, content)| !content.is_empty()) {
            section(&mut out, *kind, |out| out.extend_from_slice(content));
        }
        out
    }
}

fn certificates(one: &RevokedCertificates, out: &mut Vec<u8>) {
    string(out, one.ca.as_deref().unwrap_or_default());
    string(out, b"");
    let runs = one.serials.runs();
    let plan = smallest(runs);
    let listed = || plan.parts.iter().filter(|part| part.form == Form::List);
    if listed().next().is_some() {
        section(out, section::SERIAL_LIST, |out| {
            for run in listed().flat_map(|part| &runs[part.from..part.to]) {
                (run.first..=run.last).for_each(|one| out.extend_from_slice(&one.to_be_bytes()));
            }
        });
    }
    for part in &plan.parts {
        let runs = &runs[part.from..part.to];
        match part.form {
            Form::List => {}
            Form::Range => runs.iter().for_each(|run| {
                section(out, section::SERIAL_RANGE, |out| {
                    out.extend_from_slice(&run.first.to_be_bytes());
                    out.extend_from_slice(&run.last.to_be_bytes());
                })
            }),
            Form::Bitmap => section(out, section::SERIAL_BITMAP, |out| bitmap(runs, out)),
        }
    }
    if !one.key_ids.is_empty() {
        let key_ids = strings(&one.key_ids);
        section(out, section::KEY_ID, |out| out.extend_from_slice(&key_ids));
    }
}

/// The serial of bit 0, and the bits as a positive number: the highest one set, so it has no zero
/// before it but the one that keeps it positive.
fn bitmap(runs: &[Run], out: &mut Vec<u8>) {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return;
    };
    let offset = first.first;
    out.extend_from_slice(&offset.to_be_bytes());
    let highest = usize::try_from(last.last - offset).unwrap_or(usize::MAX);
    let mut bytes = vec![0u8; (highest + 1) / 8 + 1];
    let end = bytes.len() - 1;
    for bit in runs.iter().flat_map(|run| run.first..=run.last) {
        let bit = usize::try_from(bit - offset).unwrap_or(usize::MAX);
        bytes[end - bit / 8] |= 1 << (bit % 8);
    }
    string(out, &bytes);
}

/// How a run is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    List,
    Range,
    Bitmap,
}

/// Neighbouring runs, by their numbers, written in one form. A bitmap is one part.
#[derive(Debug, Clone, Copy)]
struct Part {
    form: Form,
    from: usize,
    to: usize,
}

/// How all runs are written, and the bytes that takes.
#[derive(Debug, Default)]
struct Plan {
    parts: Vec<Part>,
    bytes: u64,
}

/// The list's own head is paid once, so the smallest plan is the better one of the smallest with and
/// the smallest without a list.
fn smallest(runs: &[Run]) -> Plan {
    let mut with = plan(runs, true);
    if !with.parts.iter().any(|part| part.form == Form::List) {
        return with;
    }
    with.bytes += SECTION_BYTES;
    let without = plan(runs, false);
    if without.bytes < with.bytes {
        without
    } else {
        with
    }
}

fn plan(runs: &[Run], lists: bool) -> Plan {
    let mut plan = Plan::default();
    let mut from = 0;
    for to in 1..=runs.len() {
        let ends = runs
            .get(to)
            .is_none_or(|next| next.first - runs[to - 1].last > GAP);
        if ends {
            cluster(runs, from, to, lists, &mut plan);
            from = to;
        }
    }
    plan
}

/// Plans the runs `from..to`, among which alone a bitmap may reach from one to another.
///
/// `best[i]` is the fewest bytes for the first `i` of them. A bitmap over the runs `j..=i` takes
/// `best[j] + BITMAP_BYTES + bits / 8` bytes with `bits = runs[i].last - runs[j].first + 1`. As
/// `best[j]` is whole, that is least for the `j` with the least `8 * best[j] - runs[j].first`,
/// whatever `i` is; `starts` keeps those that may still become the least, the least one in front.
fn cluster(all: &[Run], from: usize, to: usize, lists: bool, plan: &mut Plan) {
    let runs = &all[from..to];
    let base = runs[0].first;
    let mut best: Vec<u64> = Vec::with_capacity(runs.len() + 1);
    best.push(0);
    let mut last: Vec<(Form, usize)> = Vec::with_capacity(runs.len());
    let mut starts: VecDeque<(i128, usize)> = VecDeque::new();
    for (i, run) in runs.iter().enumerate() {
        let weight = 8 * i128::from(best[i]) - i128::from(run.first - base);
        while starts.back().is_some_and(|(other, _)| *other >= weight) {
            starts.pop_back();
        }
        starts.push_back((weight, i));
        let bits_from = |j: usize| (run.last - runs[j].first).saturating_add(1);
        while starts
            .front()
            .is_some_and(|(_, j)| bits_from(*j) > MAX_BITMAP_BITS)
        {
            starts.pop_front();
        }
        let mut choice = (best[i] + RANGE_BYTES, Form::Range, i);
        if lists && run.span() < RANGE_BYTES / SERIAL_BYTES {
            let bytes = best[i] + SERIAL_BYTES * (run.span() + 1);
            if bytes <= choice.0 {
                choice = (bytes, Form::List, i);
            }
        }
        if let Some((_, j)) = starts.front() {
            let bytes = best[*j] + BITMAP_BYTES + bits_from(*j) / 8;
            if bytes < choice.0 {
                choice = (bytes, Form::Bitmap, *j);
            }
        }
        best.push(choice.0);
        last.push((choice.1, choice.2));
    }
    plan.bytes += best[runs.len()];
    let known = plan.parts.len();
    let mut end = runs.len();
    while end > 0 {
        let (form, start) = last[end - 1];
        plan.parts.push(Part {
            form,
            from: from + start,
            to: from + end,
        });
        end = start;
    }
    plan.parts[known..].reverse();
    join(&mut plan.parts, known);
}

/// Makes neighbours one that are not bitmaps, so that a million of them take one entry.
fn join(parts: &mut Vec<Part>, known: usize) {
    let mut kept = known;
    for at in known..parts.len() {
        let part = parts[at];
        match kept.checked_sub(1).map(|before| &mut parts[before]) {
            Some(before) if before.form == part.form && part.form != Form::Bitmap => {
                before.to = part.to;
            }
            _ => {
                parts[kept] = part;
                kept += 1;
            }
        }
    }
    parts.truncate(kept);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    // A length that does not fit belongs to a file far beyond what is ever read or installed.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn strings(all: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut out = Vec::new();
    all.into_iter()
        .for_each(|one| string(&mut out, one.as_ref()));
    out
}

/// Writes a section in place, so that a large one is never held twice.
fn section(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::krl::serials::Serials;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The bytes of the smallest plan, by trying every partition.
    fn by_trying(runs: &[Run], lists: bool) -> u64 {
        if runs.is_empty() {
            return 0;
        }
        let mut least = u64::MAX;
        for take in 1..=runs.len() {
            let bits = runs[take - 1].last - runs[0].first + 1;
            let mut forms = vec![];
            if bits <= MAX_BITMAP_BITS {
                forms.push(BITMAP_BYTES + bits / 8);
            }
            if take == 1 {
                forms.push(RANGE_BYTES);
                if lists {
                    forms.push(SERIAL_BYTES * (runs[0].span() + 1));
                }
            }
            for bytes in forms {
                least = least.min(bytes + by_trying(&runs[take..], lists));
            }
        }
        least
    }

    proptest! {
        #[test]
        fn no_other_mixture_is_smaller(steps in prop::collection::vec((2u64..200, 0u64..400), 1..9)) {
            let mut at = 1;
            let mut runs = vec![];
            for (gap, span) in steps {
                at += gap;
                runs.push(Run { first: at, last: at + span });
                at += span;
            }
            let expected = by_trying(&runs, false).min(by_trying(&runs, true) + SECTION_BYTES);
            prop_assert_eq!(smallest(&runs).bytes, expected);
            // And it takes the bytes it says, beside what is around it in the section of its CA.
            let mut serials = Serials::default();
            serials.add(runs.into_iter());
            let one = RevokedCertificates { ca: None, serials, key_ids: BTreeSet::new() };
            let mut out = Vec::new();
            certificates(&one, &mut out);
            prop_assert_eq!(out.len() as u64, 8 + expected);
        }
    }

    #[test]
    fn a_plan_says_its_bytes_and_joins_what_it_can() {
        let far = |n: u64| Run {
            first: n << 20,
            last: n << 20,
        };
        let runs: Vec<Run> = (1..1000).map(far).collect();
        let plan = smallest(&runs);
        assert_eq!((plan.parts.len(), plan.bytes), (1, 999 * 8 + 5));
    }
}
