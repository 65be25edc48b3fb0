//! The words in which every check of a cutover says what it found.
//!
//! - One line for a check: its verdict, its code, and facts as `key=value`; then one `RESULT` line.
//! - A code never changes once released. No sentence is needed to understand a line.
//! - A value that holds anything unusual is quoted and escaped, so that none can forge a line or a fact.
//! - What was not checked is skipped, never passed.

use serde_json::{Map, Value, json};
use std::fmt::{self, Write};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold, or that it holds could not be shown.
    Fail,
    /// It does not hold, and that stops nothing.
    Warn,
    /// It was not asked for, or cannot be asked.
    Skip,
}

impl Verdict {
    /// All four, in the order of the `RESULT` line.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Warn, Self::Skip];

    /// The first word of a line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Warn => "WARN",
            Self::Skip => "SKIP",
        }
    }

    const fn counted_as(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What came of it.
    pub verdict: Verdict,
    /// Which check it is.
    pub code: &'static str,
    /// What was found, and what was wanted.
    pub facts: Vec<(&'static str, String)>,
}

impl Check {
    /// A check without facts.
    pub fn new(verdict: Verdict, code: &'static str) -> Self {
        Self {
            verdict,
            code,
            facts: Vec::new(),
        }
    }

    /// Passed.
    pub fn pass(code: &'static str) -> Self {
        Self::new(Verdict::Pass, code)
    }

    /// Failed.
    pub fn fail(code: &'static str) -> Self {
        Self::new(Verdict::Fail, code)
    }

    /// A warning.
    pub fn warn(code: &'static str) -> Self {
        Self::new(Verdict::Warn, code)
    }

    /// Not checked, for this reason.
    pub fn skip(code: &'static str, reason: &'static str) -> Self {
        Self::new(Verdict::Skip, code).with("reason", reason)
    }

    /// Passed if it holds, failed otherwise.
    pub fn of(holds: bool, code: &'static str) -> Self {
        Self::new(if holds { Verdict::Pass } else { Verdict::Fail }, code)
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.facts.push((key, value.to_string()));
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verdict.as_str(), self.code)?;
        for (key, value) in &self.facts {
            write!(f, " {key}=")?;
            written(f, value)?;
        }
        Ok(())
    }
}

/// A value as it stands, or in quotes if it is empty or holds anything but letters, digits and the
/// punctuation of paths and fingerprints.
fn written(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._:@+,-%~<>{}*".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return f.write_str(value);
    }
    f.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            ' '..='~' => f.write_char(c)?,
            c => write!(f, "{}", c.escape_unicode())?,
        }
    }
    f.write_char('"')
}

/// The checks of one run, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// Adds a check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// The checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The check of this code, if it is there.
    pub fn check(&self, code: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.code == code)
    }

    /// How many have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    }

    /// Whether something was checked and nothing failed.
    pub fn ready(&self) -> bool {
        self.count(Verdict::Fail) == 0 && self.count(Verdict::Pass) > 0
    }

    /// Whether nothing was in doubt.
    pub fn without_warnings(&self) -> bool {
        self.count(Verdict::Warn) == 0
    }

    /// The same for a program.
    pub fn to_json(&self) -> Value {
        let checks = self.checks.iter().map(|check| {
            let facts: Map<String, Value> = check
                .facts
                .iter()
                .map(|(key, value)| ((*key).to_owned(), json!(value)))
                .collect();
            json!({"verdict": check.verdict.as_str(), "code": check.code, "facts": facts})
        });
        let mut json = json!({"ready": self.ready(), "checks": checks.collect::<Vec<_>>()});
        for verdict in Verdict::ALL {
            json[verdict.counted_as()] = json!(self.count(verdict));
        }
        json
    }
}

impl Extend<Check> for Report {
    fn extend<T: IntoIterator<Item = Check>>(&mut self, checks: T) {
        self.checks.extend(checks);
    }
}

impl FromIterator<Check> for Report {
    fn from_iter<T: IntoIterator<Item = Check>>(checks: T) -> Self {
        Self {
            checks: checks.into_iter().collect(),
        }
    }
}

/// One line for each check, then the `RESULT` line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        f.write_str("RESULT")?;
        for verdict in Verdict::ALL {
            write!(f, " {}={}", verdict.counted_as(), self.count(verdict))?;
        }
        f.write_str("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_for_each_check_and_the_counts() {
        let report: Report = [
            Check::pass("ca_key_mode").with("mode", "0600"),
            Check::fail("ca_key_owner")
                .with("want", "0:0")
                .with("got", "1000:1000"),
            Check::warn("ssh_loglevel")
                .with("want", "VERBOSE")
                .with("got", "INFO"),
            Check::skip("mount_ro", "not_requested"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            report.to_string(),
            "PASS ca_key_mode mode=0600\nFAIL ca_key_owner want=0:0 got=1000:1000\n\
             WARN ssh_loglevel want=VERBOSE got=INFO\nSKIP mount_ro reason=not_requested\n\
             RESULT pass=1 fail=1 warn=1 skip=1\n"
        );
        assert!(!report.ready());
        let json = report.to_json();
        assert_eq!(json["ready"], false);
        assert_eq!(
            json["checks"][1],
            json!({"verdict": "FAIL", "code": "ca_key_owner", "facts": {"want": "0:0", "got": "1000:1000"}})
        );
        for verdict in ["pass", "fail", "warn", "skip"] {
            assert_eq!(json[verdict], 1, "{verdict}");
        }
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_a_fact() {
        for value in [
            "a\nPASS ca_key_mode",
            "a b=c",
            "",
            "\"",
            "\\",
            "a\" got=\"b",
            "\u{1b}[2J",
            "\u{202e}x",
            "é",
            "a\rb",
            "x\u{2028}RESULT",
            "a=b",
        ] {
            let line = Check::pass("x").with("k", value).to_string();
            let quoted = line.strip_prefix("PASS x k=\"").unwrap();
            let inner = quoted.strip_suffix('"').unwrap();
            assert!(inner.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            // Read back, the value is what it was, and it ends where the line ends.
            let mut read = String::new();
            let mut rest = inner.chars();
            while let Some(c) = rest.next() {
                read.push(match (c, c == '\\') {
                    ('"', _) => panic!("the quotes end early in {line}"),
                    (c, false) => c,
                    (_, true) => match rest.next().unwrap() {
                        'u' => {
                            let code: String =
                                rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                            u32::from_str_radix(&code, 16)
                                .ok()
                                .and_then(char::from_u32)
                                .unwrap()
                        }
                        c => c,
                    },
                });
            }
            assert_eq!(read, value);
        }
    }

    #[test]
    fn nothing_checked_is_not_ready() {
        assert!(!Report::default().ready());
        let skipped: Report = [Check::skip("a", "b")].into_iter().collect();
        assert!(!skipped.ready());
        let warned: Report = [Check::pass("a"), Check::warn("b")].into_iter().collect();
        assert!(warned.ready());
    }
}
