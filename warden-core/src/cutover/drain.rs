//! Whether any certificate of the old CA is still in use: its window, the journal, and sshd's logs.
//!
//! - The window begins with the freeze: until then the old CA could sign. It is as long as the longest
//!   certificate that its roles allow, and ends no earlier than the last one the journal knows.
//! - A log proves something only if it reaches from the freeze to now, and shows other logins by
//!   certificate: a silent log may be one that was switched off.
//! - A log is read once, line by line, in bounded memory.

use super::check::{Check, Report};
use crate::certificate::UnixTime;
use chrono::{DateTime, Datelike, NaiveDateTime};
use std::io::{self, BufRead, Read};

/// How far a log may end before now and still reach it, in seconds.
const LOG_LAG: u64 = 900;

/// The longest line that is looked at, in bytes; what is behind it in the same line is passed over.
const MAX_LINE: u64 = 16 * 1024;

/// When the last certificate of the old CA ends.
///
/// `frozen` is the moment of the freeze, `window` the longest life of a certificate in seconds,
/// `last_known` the latest end in the journal.
pub fn ends(frozen: UnixTime, window: u64, last_known: Option<UnixTime>) -> UnixTime {
    frozen.plus(window).max(last_known.unwrap_or(UnixTime(0)))
}

/// Whether the window has ended.
pub fn window(end: UnixTime, now: UnixTime) -> Check {
    Check::of(now >= end, "drain_window")
        .with("ends", end)
        .with("now", now)
}

/// The time a log is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// How far back the log must reach: to the freeze.
    pub from: UnixTime,
    /// From when on there must be no login by the old CA: the end of its window, or an hour ago if
    /// that is earlier.
    pub since: UnixTime,
    /// Now. It also says which year a syslog line means.
    pub now: UnixTime,
}

impl Span {
    /// The time to ask about, where the old CA was frozen at `frozen` and its window ends at `end`.
    /// `quiet_hours` asks for more time without such a login, never for less.
    pub fn new(frozen: UnixTime, end: UnixTime, now: UnixTime, quiet_hours: u32) -> Self {
        let quiet = now.minus(u64::from(quiet_hours.max(1)) * 3600);
        let since = end.min(quiet);
        Self {
            from: frozen.min(since),
            since,
            now,
        }
    }
}

/// What a log says about certificates of one CA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSeen {
    /// The moment of the first line that has one.
    pub first: Option<UnixTime>,
    /// The moment of the last.
    pub last: Option<UnixTime>,
    /// How many logins by a certificate of the old CA there were since the moment asked about, or at
    /// no moment that could be read.
    pub old_accepted: u64,
    /// When the last of them was.
    pub old_last: Option<UnixTime>,
    /// How many logins by certificates of other CAs there were since then, at a moment that could be
    /// read.
    pub others_accepted: u64,
    /// The longest time between two lines of the span, in seconds.
    pub longest_gap: u64,
    /// How many lines were read.
    pub lines: u64,
}

/// Reads a log of sshd.
///
/// # Errors
/// If it cannot be read.
pub fn read_log(
    mut log: impl BufRead,
    old_ca: &str,
    Span { from, since, now }: Span,
) -> io::Result<LogSeen> {
    let mut seen = LogSeen::default();
    let mut line = Vec::with_capacity(1024);
    let mut before: Option<UnixTime> = None;
    loop {
        line.clear();
        if (&mut log).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(seen);
        }
        if line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n') {
            log.skip_until(b'\n')?;
        }
        let text = String::from_utf8_lossy(&line);
        seen.lines += 1;
        let at = moment(&text, now);
        if let Some(at) = at {
            seen.first.get_or_insert(at);
            if at >= from {
                let gap = at.since(before.unwrap_or(at).max(from));
                seen.longest_gap = seen.longest_gap.max(gap);
            }
            before = Some(at);
            seen.last = seen.last.max(Some(at));
        }
        if !text.contains("Accepted ") || at.is_some_and(|at| at < since) {
            continue;
        }
        // The old CA anywhere in the line counts, so that no key id can hide it.
        if text.contains(old_ca) {
            seen.old_accepted += 1;
            seen.old_last = seen.old_last.max(at);
        } else if at.is_some() && text.contains(" CA ") && text.contains("SHA256:") {
            seen.others_accepted += 1;
        }
    }
}

/// What a log proves about a span.
pub fn log(name: &str, seen: &LogSeen, Span { from, now, .. }: Span) -> Check {
    let code = "drain_sshd_log";
    let check = |verdict: fn(&'static str) -> Check| check_of(verdict(code), name, seen);
    if seen.old_accepted > 0 {
        let last = seen
            .old_last
            .map_or("unknown".to_owned(), |at| at.to_string());
        return check(Check::fail)
            .with("old_ca_accepted", seen.old_accepted)
            .with("last", last);
    }
    let reason = match (seen.first, seen.last) {
        (Some(first), _) if first > from => Some("begins_too_late"),
        (_, Some(last)) if last.plus(LOG_LAG) < now => Some("ends_too_early"),
        (None, _) | (_, None) => Some("no_moments"),
        _ if seen.others_accepted == 0 => Some("no_other_certificate_login"),
        _ if seen.longest_gap > now.since(from) / 2 => Some("gap"),
        _ => None,
    };
    match reason {
        Some(reason) => check(Check::warn).with("reason", reason),
        None => check(Check::pass),
    }
}

fn check_of(check: Check, name: &str, seen: &LogSeen) -> Check {
    let at = |at: Option<UnixTime>| at.map_or("none".to_owned(), |at| at.to_string());
    check
        .with("log", name)
        .with("lines", seen.lines)
        .with("first", at(seen.first))
        .with("until", at(seen.last))
        .with("other_ca_logins", seen.others_accepted)
        .with("longest_gap", seen.longest_gap)
}

/// Everything that shows the old CA drained. `logs` are names with what was seen in each; without any,
/// nothing is proven, unless the operator says so in so many words.
pub fn report(end: UnixTime, span: Span, logs: &[(String, LogSeen)], waived: bool) -> Report {
    let mut report = Report::default();
    report.push(window(end, span.now));
    match logs.is_empty() {
        true if waived => report.push(Check::skip("drain_sshd_log", "waived")),
        true => report.push(Check::warn("drain_sshd_log").with("reason", "no_log_given")),
        false => {}
    }
    for (name, seen) in logs {
        report.push(log(name, seen, span));
    }
    report
}

/// The moment at the beginning of a line: RFC 3339, ISO with a zone without colon, or syslog's month,
/// day and time, taken as UTC of the last year that is not in the future.
fn moment(line: &str, now: UnixTime) -> Option<UnixTime> {
    let first = line.split(' ').next()?;
    if first.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        let at = DateTime::parse_from_rfc3339(first)
            .or_else(|_| DateTime::parse_from_str(first, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .ok()?;
        return u64::try_from(at.timestamp()).ok().map(UnixTime);
    }
    let stamp = line.get(..15)?;
    let year = now.to_utc()?.year();
    let in_year = |year: i32| {
        let at =
            NaiveDateTime::parse_from_str(&format!("{year} {stamp}"), "%Y %b %e %H:%M:%S").ok()?;
        u64::try_from(at.and_utc().timestamp()).ok().map(UnixTime)
    };
    match in_year(year) {
        // A day of tolerance, for a log in local time.
        Some(at) if at <= now.plus(86_400) => Some(at),
        _ => in_year(year - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;
    use std::io::Cursor;

    const OLD: &str = "SHA256:OLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDO";
    const NEW: &str = "SHA256:NEWNEWNEWNEWNEWNEWNEWNEWNEWNEWNEWNEWNEWNEWN";

    fn at(text: &str) -> UnixTime {
        UnixTime::parse(text).unwrap()
    }

    fn accepted(stamp: &str, ca: &str) -> String {
        format!(
            "{stamp} host sshd[7]: Accepted publickey for deploy from 127.0.0.1 port 5 ssh2: ED25519-CERT SHA256:xyz ID agt-x (serial 7) CA ED25519 {ca}\n"
        )
    }

    fn verbose(stamp: &str, ca: &str) -> String {
        format!(
            "{stamp} host sshd[7]: Accepted certificate ID \"agt-x\" (serial 7) signed by ED25519 CA {ca} via /etc/ssh/trusted\n"
        )
    }

    fn judged(text: &str) -> Check {
        let span = span();
        let seen = read_log(Cursor::new(text), OLD, span).unwrap();
        log("log", &seen, span)
    }

    fn span() -> Span {
        Span {
            from: at("2026-11-22T00:00:00Z"),
            since: at("2026-11-22T00:00:00Z"),
            now: at("2026-11-22T06:00:00Z"),
        }
    }

    #[test]
    fn a_log_must_reach_the_freeze_and_hours_only_widen() {
        let (frozen, end, now) = (UnixTime(100_000), UnixTime(200_000), UnixTime(300_000));
        let asked = |hours| Span::new(frozen, end, now, hours);
        assert_eq!((asked(0).from, asked(0).since), (frozen, end));
        assert_eq!(asked(1), asked(0));
        assert_eq!(asked(40).since, UnixTime(300_000 - 144_000));
        assert_eq!(asked(80).from, UnixTime(300_000 - 288_000));
        let just_over = Span::new(frozen, now, now, 0);
        assert_eq!(just_over.since, UnixTime(300_000 - 3600));
        // Before the window's end the old CA may still be used.
        let text = accepted("2026-11-21T23:59:00Z", NEW)
            + &accepted("2026-11-22T02:00:00Z", OLD)
            + &accepted("2026-11-22T04:10:00Z", NEW)
            + &accepted("2026-11-22T05:55:00Z", NEW);
        let span = Span {
            since: at("2026-11-22T04:00:00Z"),
            ..span()
        };
        let seen = read_log(Cursor::new(text), OLD, span).unwrap();
        assert_eq!(log("log", &seen, span).verdict, Verdict::Pass);
    }

    #[test]
    fn no_log_is_no_proof_unless_that_is_said() {
        let (span, end) = (span(), at("2026-11-22T00:00:00Z"));
        let words = |waived| report(end, span, &[], waived).checks()[1].to_string();
        assert!(words(false).starts_with("WARN drain_sshd_log reason=no_log_given"));
        assert!(
            words(true).ends_with(super::super::history::WAIVED),
            "{}",
            words(true)
        );
    }

    fn reason(check: &Check) -> &str {
        check
            .facts
            .iter()
            .find(|(key, _)| *key == "reason")
            .map_or("", |(_, value)| value)
    }

    #[test]
    fn the_window_ends_with_the_last_certificate_that_could_be_or_is_known() {
        let frozen = UnixTime(1000);
        assert_eq!(ends(frozen, 60, None), UnixTime(1060));
        assert_eq!(ends(frozen, 60, Some(UnixTime(1030))), UnixTime(1060));
        assert_eq!(ends(frozen, 60, Some(UnixTime(2000))), UnixTime(2000));
        assert_eq!(
            window(UnixTime(2000), UnixTime(1999)).verdict,
            Verdict::Fail
        );
        assert_eq!(
            window(UnixTime(2000), UnixTime(2000)).verdict,
            Verdict::Pass
        );
    }

    #[test]
    fn a_log_that_spans_the_time_and_shows_other_logins_is_proof() {
        for form in [accepted, verbose] {
            let text: String = [
                "2026-11-21T23:59:00Z",
                "2026-11-22T03:00:00.123+00:00",
                "2026-11-22T06:55:00+0100",
            ]
            .iter()
            .map(|stamp| form(stamp, NEW))
            .collect();
            assert_eq!(judged(&text).verdict, Verdict::Pass, "{}", judged(&text));
        }
        let text: String = ["Nov 21 23:59:00", "Nov 22 03:00:00", "Nov 22 05:55:00"]
            .iter()
            .map(|stamp| accepted(stamp, NEW))
            .collect();
        assert_eq!(judged(&text).verdict, Verdict::Pass, "{}", judged(&text));
    }

    #[test]
    fn one_late_login_of_the_old_ca_is_a_failure_in_any_form() {
        let others: String = [
            "2026-11-21T23:59:00Z",
            "2026-11-22T03:00:00Z",
            "2026-11-22T05:55:00Z",
        ]
        .iter()
        .map(|stamp| accepted(stamp, NEW))
        .collect();
        for late in [
            accepted("2026-11-22T05:59:59Z", OLD),
            verbose("Nov 22 05:59:59", OLD),
            verbose("[no moment]", OLD),
        ] {
            assert_eq!(
                judged(&(others.clone() + &late)).verdict,
                Verdict::Fail,
                "{late}"
            );
        }
        let early = accepted("2026-11-21T23:58:00Z", OLD) + &others;
        assert_eq!(judged(&early).verdict, Verdict::Pass);
        let id = others.clone()
            + &accepted("2026-11-22T05:59:59Z", OLD)
                .replace("agt-x", &format!("x CA ED25519 {NEW}"));
        assert_eq!(judged(&id).verdict, Verdict::Fail, "a key id hides nothing");
    }

    #[test]
    fn what_is_no_proof_is_a_warning_that_says_why() {
        let line = |stamp: &str| accepted(stamp, NEW);
        let quiet = |stamp: &str| format!("{stamp} host sshd[7]: Connection closed\n");
        let table = [
            (
                line("2026-11-22T01:00:00Z") + &line("2026-11-22T05:55:00Z"),
                "begins_too_late",
            ),
            (
                line("2026-11-21T23:00:00Z") + &line("2026-11-22T05:00:00Z"),
                "ends_too_early",
            ),
            (
                quiet("2026-11-21T23:00:00Z")
                    + &quiet("2026-11-22T03:00:00Z")
                    + &quiet("2026-11-22T05:55:00Z"),
                "no_other_certificate_login",
            ),
            (
                line("2026-11-21T23:59:00Z")
                    + &line("2026-11-22T00:10:00Z")
                    + &line("2026-11-22T05:55:00Z"),
                "gap",
            ),
            (
                line("2026-11-21T23:59:00Z").replace("Accepted", "Closed")
                    + &line("[none]")
                    + &line("2026-11-22T03:00:00Z").replace("Accepted", "Closed")
                    + &line("2026-11-22T05:55:00Z").replace("Accepted", "Closed"),
                "no_other_certificate_login",
            ),
            ("Accepted publickey for x\n".to_owned(), "no_moments"),
            (String::new(), "no_moments"),
        ];
        for (text, expected) in table {
            let check = judged(&text);
            assert_eq!(
                (check.verdict, reason(&check)),
                (Verdict::Warn, expected),
                "{check}"
            );
        }
    }

    #[test]
    fn a_year_is_made_up_for_a_log_that_names_none() {
        let now = at("2027-01-02T00:00:00Z");
        assert_eq!(
            moment("Dec 31 23:00:00 h x", now),
            Some(at("2026-12-31T23:00:00Z"))
        );
        assert_eq!(moment("Jan  2 00:00:00 h x", now), Some(now));
        for bad in [
            "",
            "x",
            "2026-99-99T00:00:00Z x",
            "Foo 31 23:00:00",
            "Dec 31 23:00:0é",
        ] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_memory_and_what_follows_is_read() {
        let long = "x".repeat(200_000) + " Accepted \n";
        let text = long + &accepted("2026-11-22T05:00:00Z", OLD);
        let all = Span {
            from: UnixTime(0),
            since: UnixTime(0),
            ..span()
        };
        let seen = read_log(Cursor::new(text), OLD, all).unwrap();
        assert_eq!((seen.lines, seen.old_accepted), (2, 1));
    }
}
