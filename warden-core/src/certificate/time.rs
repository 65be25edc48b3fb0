//! Time as a certificate has it: whole seconds since 1970 in UTC, and durations people type.
//!
//! - A validity is never empty, never open-ended, and its upper bound is exclusive. \[CERT\] 8, 9.
//! - A time to live is at least one second and at most 48 h, the highest ceiling of any actor type.
//! - No float and no local time anywhere.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use std::fmt;
use std::num::NonZeroU32;

/// How long before the moment of signing a certificate becomes valid, in seconds, so that a host
/// whose clock is a little behind takes it at once. OpenBao's engine uses the same 30 s.
pub const BACKDATE_SECONDS: u64 = 30;

/// A moment: whole seconds since 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This moment and `seconds` more, at most the largest moment there is.
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This moment less `seconds`, at least 1970.
    pub fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` until this moment, zero if it is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads a day, `2027-01-01`, which is its 00:00 UTC, or a moment in RFC 3339,
    /// `2027-01-01T12:00:00Z`; `None` for anything else and for moments before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let at = match DateTime::parse_from_rfc3339(text) {
            Ok(at) => at.timestamp(),
            Err(_) if text.len() == 10 => {
                let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
                day.and_hms_opt(0, 0, 0)?.and_utc().timestamp()
            }
            Err(_) => return None,
        };
        u64::try_from(at).ok().map(Self)
    }

    /// The moment as UTC, if the calendar reaches that far (the year 262142).
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(i64::try_from(self.0).ok()?, 0)
    }
}

/// RFC 3339 in UTC, `2026-11-22T02:00:00Z`; a moment beyond the calendar as its number.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_utc() {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => self.0.fmt(f),
        }
    }
}

/// When a certificate is valid: `after <= now < before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    after: UnixTime,
    before: UnixTime,
}

impl Validity {
    /// A window; `None` if it is empty or has no end.
    pub fn new(after: UnixTime, before: UnixTime) -> Option<Self> {
        (after < before && before.0 != u64::MAX).then_some(Self { after, before })
    }

    /// The first second in which the certificate is valid.
    pub fn after(self) -> UnixTime {
        self.after
    }

    /// The first second in which the certificate is not valid any more.
    pub fn before(self) -> UnixTime {
        self.before
    }
}

/// A time to live: 1 to 2^32 - 1 seconds. How long is too long is the inventory's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ttl(NonZeroU32);

/// Why a text is not a time to live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TtlError {
    /// Not a duration.
    #[error(
        "`{text}` is not a duration; it is written like 45s, 30m, 2h or 1h30m (a bare number is hours)"
    )]
    Form {
        /// The text, cut to 40 characters.
        text: String,
    },
    /// Zero seconds.
    #[error("a duration of zero would give a certificate that is never valid")]
    Zero,
    /// More than a duration can hold.
    #[error("`{text}` is more seconds than a duration can hold")]
    Overflow {
        /// The text, cut to 40 characters.
        text: String,
    },
}

impl Ttl {
    /// A time to live of so many seconds; `None` for zero or more than 2^32 - 1.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        NonZeroU32::new(u32::try_from(seconds).ok()?).map(Self)
    }

    /// So many whole hours. Zero is not possible: callers pass constants.
    pub(crate) const fn hours(hours: NonZeroU32) -> Self {
        match NonZeroU32::new(3600) {
            Some(hour) => Self(hour.saturating_mul(hours)),
            None => Self(hours),
        }
    }

    /// Reads `45s`, `30m`, `2h`, `1h30m`, `1h30m15s`; a bare number is hours.
    ///
    /// # Errors
    /// For any other form, zero, or more seconds than fit in 32 bits.
    pub fn parse(text: &str) -> Result<Self, TtlError> {
        let shown = || text.chars().take(40).collect::<String>();
        let form = || TtlError::Form { text: shown() };
        let overflow = || TtlError::Overflow { text: shown() };
        let mut rest = text;
        let mut total: u64 = 0;
        let mut largest_unit = u64::MAX;
        while !rest.is_empty() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            if digits.is_empty() {
                return Err(form());
            }
            let unit = match after.chars().next() {
                None if rest.len() == text.len() => 3600,
                Some('h') => 3600,
                Some('m') => 60,
                Some('s') => 1,
                _ => return Err(form()),
            };
            if unit >= largest_unit {
                return Err(form());
            }
            largest_unit = unit;
            let count: u64 = digits.parse().map_err(|_| overflow())?;
            total = count
                .checked_mul(unit)
                .and_then(|seconds| total.checked_add(seconds))
                .ok_or_else(overflow)?;
            rest = after.get(1..).unwrap_or("");
        }
        match total {
            _ if text.is_empty() => Err(form()),
            0 => Err(TtlError::Zero),
            seconds => Self::from_seconds(seconds).ok_or_else(overflow),
        }
    }

    /// The number of seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.0.get())
    }
}

/// The shortest form that [`Ttl::parse`] reads back: `48h`, `1h30m`, `45s`.
impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        for (count, unit) in [
            (seconds / 3600, 'h'),
            (seconds % 3600 / 60, 'm'),
            (seconds % 60, 's'),
        ] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_moment_is_a_day_or_rfc_3339() {
        let read = |text| UnixTime::parse(text).map(|at| at.to_string());
        assert_eq!(read("2027-01-01").unwrap(), "2027-01-01T00:00:00Z");
        let zone = "2027-01-01T01:30:00+01:00";
        assert_eq!(read(zone).unwrap(), "2027-01-01T00:30:00Z");
        for bad in [
            "",
            "2027",
            "2027-13-01",
            "2027-1-1",
            "2027-02-30",
            "1969-12-31",
            "+027-01-01",
            " 027-01-01",
            "tomorrow",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        let table = [
            ("45s", 45),
            ("30m", 1800),
            ("2h", 7200),
            ("1h30m", 5400),
            ("1h30m15s", 5415),
            ("24", 86400),
            ("90m", 5400),
            ("0h1s", 1),
            ("999", 999 * 3600),
            ("0001h", 3600),
        ];
        for (text, seconds) in table {
            assert_eq!(Ttl::parse(text).unwrap().seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let table = [
            "", " ", "h", "s", "1.5h", "1,5h", "-1", "-1h", "+1h", "1e3", "0x10", " 5", "5 ",
            "1h 30m", "30m1h", "1h1h", "1d", "1w", "1H", "1ms", "forever", "inf", "NaN", "1h30",
            "٣h", "1h\n",
        ];
        for text in table {
            assert!(
                matches!(Ttl::parse(text), Err(TtlError::Form { .. })),
                "{text:?}"
            );
        }
        for text in ["0", "0h", "0h0m0s", "000s"] {
            assert_eq!(Ttl::parse(text), Err(TtlError::Zero), "{text}");
        }
        for text in [
            "4294967296s",
            "18446744073709551615",
            "18446744073709551616s",
            "340282366920938463463374607431768211456",
        ] {
            assert!(
                matches!(Ttl::parse(text), Err(TtlError::Overflow { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_validity_is_neither_empty_nor_endless() {
        let at = UnixTime;
        assert!(Validity::new(at(5), at(5)).is_none());
        assert!(Validity::new(at(6), at(5)).is_none());
        assert!(Validity::new(at(0), at(u64::MAX)).is_none());
        assert!(Validity::new(at(5), at(6)).is_some());
    }

    #[test]
    fn a_moment_prints_in_utc() {
        assert_eq!(UnixTime(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UnixTime(1_795_312_800).to_string(), "2026-11-22T02:00:00Z");
        assert_eq!(UnixTime(u64::MAX).to_string(), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn parse_after_print_is_identity(seconds in 1..=u32::MAX) {
            let ttl = Ttl::from_seconds(u64::from(seconds)).unwrap();
            prop_assert_eq!(Ttl::parse(&ttl.to_string()).unwrap(), ttl);
        }
    }
}
