//! Compares two certificates field by field.
//!
//! - Lists are compared as sets, options and extensions as maps with their data.
//! - Serials must not be alike: neither zero nor the same.
//! - When a certificate was signed is not in it. Only where that is known is its end held against it,
//!   to within [`TOLERANCE`]; otherwise the length of the whole window is compared, to the second.

use super::{Aspect, Expected, joined, told};
use crate::certificate::{Parsed, UnixTime, option_value};
use crate::cutover::check::{Check, Report};
use ssh_encoding::base64::{Base64, Encoding};
use std::collections::{BTreeMap, BTreeSet};

/// How far two moments may differ that were meant to be the same, in seconds.
const TOLERANCE: u64 = 2;

/// A certificate and what is known about it beside what it says.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The certificate.
    pub certificate: &'a Parsed,
    /// The first and the last moment at which it may have been signed, by our clock.
    pub signed: Option<(UnixTime, UnixTime)>,
}

impl Known<'_> {
    fn window(self) -> u64 {
        let one = self.certificate;
        one.valid_before().saturating_sub(one.valid_after())
    }

    /// Seconds from its beginning to its signature, at least and at most.
    fn backdate(self) -> Option<(u64, u64)> {
        let (first, last) = self.signed?;
        let from = |at: UnixTime| at.0.saturating_sub(self.certificate.valid_after());
        Some((from(first), from(last)))
    }

    /// Seconds from its signature to its end, at least and at most.
    fn ttl(self) -> Option<(u64, u64)> {
        let (first, last) = self.signed?;
        let to = |at: UnixTime| self.certificate.valid_before().saturating_sub(at.0);
        Some((to(last), to(first)))
    }
}

/// Compares the certificates of two signers.
pub fn certificates(old: Known<'_>, new: Known<'_>, expected: &Expected) -> Report {
    Aspect::ALL
        .into_iter()
        .map(|aspect| compared(aspect, old, new, expected))
        .collect()
}

fn compared(aspect: Aspect, old: Known<'_>, new: Known<'_>, expected: &Expected) -> Check {
    let code = aspect.code();
    let (one, other) = (old.certificate, new.certificate);
    let same = |one: String, other: String| {
        Check::of(one == other, code)
            .with("old", one)
            .with("new", other)
    };
    match aspect {
        Aspect::CertType => same(one.cert_type().to_string(), other.cert_type().to_string()),
        Aspect::KeyTypes | Aspect::DefaultUser | Aspect::DefaultTtl => {
            Check::skip(code, "not_in_a_certificate")
        }
        Aspect::KeyId => key_id(one, other, expected),
        Aspect::Principals => match (principals(one), principals(other)) {
            (one, other) if one.is_empty() != other.is_empty() => {
                Check::skip(code, "one_has_no_principals")
            }
            (one, other) => same(joined(&one), joined(&other)),
        },
        Aspect::EmptyPrincipals => {
            let has = |one: &Parsed| !principals(one).is_empty();
            Check::of(has(one) && has(other), code)
                .with("old", has(one))
                .with("new", has(other))
        }
        Aspect::Ttl => match (old.ttl(), new.ttl()) {
            (Some(old), Some(new)) => near(code, old, new),
            _ => same(format!("{}s", old.window()), format!("{}s", new.window())),
        },
        Aspect::Backdate => match (old.backdate(), new.backdate()) {
            (Some(old), Some(new)) => near(code, old, new),
            _ => Check::skip(code, "moment_of_signing_unknown"),
        },
        Aspect::Extensions => options(code, one.extensions(), other.extensions()),
        Aspect::CriticalOptions => options(code, one.critical_options(), other.critical_options()),
        Aspect::Algorithm => told(
            code,
            &one.signature_algorithm(),
            &other.signature_algorithm(),
        ),
        Aspect::Serial => {
            let (one, other) = (one.serial(), other.serial());
            Check::of(one != 0 && other != 0 && one != other, code)
                .with("old", one)
                .with("new", other)
        }
        Aspect::Ca => ca(one, other, expected),
    }
}

/// Two lengths of time, each at least and at most so long, are the same give or take [`TOLERANCE`].
fn near(code: &'static str, old: (u64, u64), new: (u64, u64)) -> Check {
    let apart = old.0.max(new.0).saturating_sub(old.1.min(new.1));
    Check::of(apart <= TOLERANCE, code)
        .with("old", format!("{}-{}s", old.0, old.1))
        .with("new", format!("{}-{}s", new.0, new.1))
}

fn principals(certificate: &Parsed) -> BTreeSet<String> {
    let lossy = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    certificate.principals().map(lossy).collect()
}

fn options<'a>(
    code: &'static str,
    one: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    other: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Check {
    let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (one.collect(), other.collect());
    let words = |map: &BTreeMap<&[u8], &[u8]>| {
        joined(map.iter().map(|(name, data)| {
            let name = String::from_utf8_lossy(name);
            match option_value(data).map(String::from_utf8_lossy) {
                Some(value) => format!("{name}={value}"),
                None => name.into_owned(),
            }
        }))
    };
    Check::of(one == other, code)
        .with("old", words(&one))
        .with("new", words(&other))
}

fn key_id(one: &Parsed, other: &Parsed, expected: &Expected) -> Check {
    let made = |format: &Option<String>, one: &Parsed| match format {
        None => !one.key_id().is_empty(),
        Some(format) => fits(format, one),
    };
    let holds = match (&expected.old_key_id, &expected.new_key_id) {
        (None, None) => one.key_id() == other.key_id(),
        (old, new) => made(old, one) && made(new, other),
    };
    Check::of(holds, Aspect::KeyId.code())
        .with("old", String::from_utf8_lossy(one.key_id()))
        .with("new", String::from_utf8_lossy(other.key_id()))
}

/// Whether the key id is one that a role makes by this `key_id_format`. The token's and the role's
/// name may be any.
fn fits(format: &str, certificate: &Parsed) -> bool {
    let fingerprint = certificate.public_key_fingerprint();
    let hash = fingerprint
        .as_str()
        .strip_prefix("SHA256:")
        .unwrap_or_default();
    // The fingerprint leaves out the padding, which is one character for 32 bytes.
    let Ok(hash) = Base64::decode_vec(&format!("{hash}=")) else {
        return false;
    };
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let pattern = format
        .replace("{{public_key_hash}}", &hash)
        .replace("{{token_display_name}}", "\0")
        .replace("{{role_name}}", "\0");
    let Ok(mut rest) = std::str::from_utf8(certificate.key_id()) else {
        return false;
    };
    let mut pieces = pattern.split('\0');
    let Some(after) = pieces.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = after;
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn ca(one: &Parsed, other: &Parsed, expected: &Expected) -> Check {
    let code = Aspect::Ca.code();
    let (one, other) = (one.ca_fingerprint(), other.ca_fingerprint());
    let holds = match (&expected.old_ca, &expected.new_ca) {
        (None, None) => {
            return Check::skip(code, "none_expected")
                .with("old", one)
                .with("new", other);
        }
        (old, new) => {
            old.as_ref().is_none_or(|old| *old == one)
                && new.as_ref().is_none_or(|new| *new == other)
        }
    };
    let mut check = Check::of(holds, code).with("old", one).with("new", other);
    for (key, wanted) in [
        ("want_old", &expected.old_ca),
        ("want_new", &expected.new_ca),
    ] {
        if let Some(wanted) = wanted {
            check = check.with(key, wanted);
        }
    }
    check
}
