//! Judges what a target and its sshd say of themselves. Pure: the text in, a check out.

use crate::certificate::{BACKDATE_SECONDS, UnixTime};
use crate::cutover::check::Check;

/// The target's clock is within the time by which certificates are backdated. One that is further
/// behind takes a new certificate for not yet valid; one that is ahead ends it early.
pub fn target_clock(ours: UnixTime, theirs: UnixTime) -> Check {
    let apart = ours.0.abs_diff(theirs.0);
    Check::of(apart <= BACKDATE_SECONDS, "target_clock")
        .with("want", format!("within-{BACKDATE_SECONDS}s"))
        .with("apart", format!("{apart}s"))
}

/// The version in the words of `ssh -V`, `sshd -V` or a banner is this one or later.
pub fn sshd_version_at_least(text: &str, wanted: (u32, u32)) -> Check {
    let check =
        |holds| Check::of(holds, "sshd_version").with("want", format!("{}.{}", wanted.0, wanted.1));
    match version(text) {
        Some((major, minor)) => {
            check((major, minor) >= wanted).with("got", format!("{major}.{minor}"))
        }
        None => check(false).with("got", "unknown"),
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("OpenSSH_")?;
    let (major, rest) = rest.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The log level in what `sshd -T` printed is VERBOSE or more. At INFO a refused certificate of an
/// unknown CA leaves no line that says so, which is a warning; below that, accepted logins leave none.
pub fn sshd_loglevel(effective: &str) -> Check {
    let code = "sshd_loglevel";
    let mut settings = effective
        .lines()
        .filter_map(|line| line.trim().split_once(' '));
    let found = settings.find(|(name, _)| name.eq_ignore_ascii_case("loglevel"));
    let level = found.map_or_else(
        || "unknown".to_owned(),
        |(_, level)| level.trim().to_ascii_uppercase(),
    );
    match level.as_str() {
        "VERBOSE" | "DEBUG" | "DEBUG1" | "DEBUG2" | "DEBUG3" => Check::pass(code),
        "INFO" => Check::warn(code),
        _ => Check::fail(code),
    }
    .with("want", "VERBOSE")
    .with("got", level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::check::Verdict;

    #[test]
    fn a_clock_may_be_as_far_off_as_a_certificate_is_backdated() {
        let ours = UnixTime(1_800_000_000);
        for (theirs, verdict) in [
            (ours.0, Verdict::Pass),
            (ours.0 - 30, Verdict::Pass),
            (ours.0 + 30, Verdict::Pass),
            (ours.0 - 31, Verdict::Fail),
            (ours.0 + 31, Verdict::Fail),
            (0, Verdict::Fail),
            (u64::MAX, Verdict::Fail),
        ] {
            let check = target_clock(ours, UnixTime(theirs));
            assert_eq!(check.verdict, verdict, "{check}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, verdict) in [
            (
                "OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.17 1 Jul 2025",
                Verdict::Pass,
            ),
            ("SSH-2.0-OpenSSH_10.0", Verdict::Pass),
            ("OpenSSH_8.2p1", Verdict::Pass),
            ("OpenSSH_8.10p1", Verdict::Pass),
            ("OpenSSH_8.1p1", Verdict::Fail),
            ("OpenSSH_7.9p1", Verdict::Fail),
            ("SSH-2.0-dropbear_2022.83", Verdict::Fail),
            ("OpenSSH_", Verdict::Fail),
            ("OpenSSH_9.xp1", Verdict::Fail),
            ("", Verdict::Fail),
        ] {
            assert_eq!(
                sshd_version_at_least(text, (8, 2)).verdict,
                verdict,
                "{text}"
            );
        }
    }

    #[test]
    fn the_log_level_is_verbose_or_says_why_not() {
        for (text, verdict) in [
            ("port 22\nloglevel VERBOSE\n", Verdict::Pass),
            ("loglevel DEBUG3", Verdict::Pass),
            ("loglevel INFO\n", Verdict::Warn),
            ("loglevel ERROR\n", Verdict::Fail),
            ("loglevel QUIET\n", Verdict::Fail),
            ("# loglevel VERBOSE\nloglevel QUIET\n", Verdict::Fail),
            ("syslogfacility AUTH\n", Verdict::Fail),
            ("", Verdict::Fail),
        ] {
            assert_eq!(sshd_loglevel(text).verdict, verdict, "{text}");
        }
    }
}
