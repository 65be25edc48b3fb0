//! The lines of an `AuthorizedPrincipalsFile`: written as sshd reads them, and read as sshd does.
//!
//! - A line is options, a blank, and one principal: what stands after the last blank is the principal.
//! - `#` ends a line wherever it stands, between quotes too. `\"` is a quote; every other backslash
//!   is itself.
//! - A line whose options sshd cannot read lets nobody in, and the next line is tried. The first line
//!   with a principal of the certificate decides.
//! - What is written is read again first; a command that would come back changed is not written.
//!
//! References: \[SSHD\] `AuthorizedPrincipalsFile`, and the options of sshd(8).

use crate::certificate::{ForceCommand, Principal};
use crate::failure::{Class, Failure};
use std::collections::BTreeMap;

/// One line that may let somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalsLine {
    /// What is compared with the certificate's principals, byte for byte.
    pub principal: Vec<u8>,
    /// What holds for a login by this line.
    pub options: KeyOptions,
}

/// The options of a line, as far as they change what a login may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOptions {
    /// The only command that runs, whatever the client asks for.
    pub command: Option<Vec<u8>>,
    /// What the line leaves to the certificate, in sshd's names without `permit-`.
    pub permits: Permits,
    /// Whether a FIDO key must be touched; only `no-touch-required` says no.
    pub touch_required: bool,
    /// Whether a FIDO key must have verified its user.
    pub verify_required: bool,
    /// `cert-authority`: sshd refuses every login by a line of this file that says so.
    pub cert_authority: bool,
    /// Options with values of their own, such as `from`, in their order. What stands in them is not
    /// judged here but for its quotes.
    pub valued: BTreeMap<&'static str, Vec<Vec<u8>>>,
}

/// What a login may do beyond running a command. sshd grants what both line and certificate permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent permissions of sshd, each yes or no"
)]
pub struct Permits {
    /// Forwarding of an agent.
    pub agent_forwarding: bool,
    /// Forwarding of ports.
    pub port_forwarding: bool,
    /// A terminal.
    pub pty: bool,
    /// Running `~/.ssh/rc`.
    pub user_rc: bool,
    /// Forwarding of X11.
    pub x11_forwarding: bool,
}

impl Permits {
    const fn all(value: bool) -> Self {
        Self {
            agent_forwarding: value,
            port_forwarding: value,
            pty: value,
            user_rc: value,
            x11_forwarding: value,
        }
    }

    /// Whether nothing is permitted.
    pub fn none(&self) -> bool {
        *self == Self::all(false)
    }
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            command: None,
            permits: Permits::all(true),
            touch_required: true,
            verify_required: false,
            cert_authority: false,
            valued: BTreeMap::new(),
        }
    }
}

/// Why sshd passes over a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// What stands there is no option.
    #[error("unknown option")]
    Unknown,
    /// A value without a quote before it.
    #[error("an option's value begins without a quote")]
    NoStartQuote,
    /// A value without a quote after it.
    #[error("an option's value has no closing quote")]
    NoEndQuote,
    /// The same option twice.
    #[error("option `{0}` stands twice")]
    Twice(&'static str),
    /// A comma and nothing after it.
    #[error("nothing follows the last comma of the options")]
    NothingFollows,
    /// An `environment` that sets nothing.
    #[error("option `environment` holds no NAME=VALUE")]
    Environment,
}

/// A lane that no line can say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no line of a principals file can hold principal `{principal}` with the command {command:?}: sshd would read something else"
)]
pub struct Unwritable {
    /// The principal.
    pub principal: String,
    /// The command.
    pub command: Option<String>,
}

impl Failure for Unwritable {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        "principals_unwritable"
    }

    fn hints(&self) -> Vec<String> {
        vec!["write the command into a script on the host, and name the script".to_owned()]
    }
}

/// The line that lets a principal in, without its newline. With a command nothing else is left to
/// the certificate.
///
/// # Errors
/// If sshd would not read back what is meant, such as a command with `#`.
pub fn line(principal: &Principal, command: Option<&ForceCommand>) -> Result<String, Unwritable> {
    let text = match command {
        None => principal.to_string(),
        Some(command) => {
            let quoted = command.as_str().replace('"', "\\\"");
            format!("restrict,command=\"{quoted}\" {principal}")
        }
    };
    let meant = PrincipalsLine {
        principal: principal.as_str().as_bytes().to_vec(),
        options: command.map_or_else(KeyOptions::default, |command| KeyOptions {
            command: Some(command.as_str().as_bytes().to_vec()),
            permits: Permits::all(false),
            ..KeyOptions::default()
        }),
    };
    let plain = !text.chars().any(char::is_control);
    match read_line(text.as_bytes()) {
        Some(Ok(read)) if plain && read == meant => Ok(text),
        _ => Err(Unwritable {
            principal: principal.to_string(),
            command: command.map(|command| command.as_str().to_owned()),
        }),
    }
}

/// Every line of a file that is not blank or a comment, with its number from 1.
pub fn read(
    content: &[u8],
) -> impl Iterator<Item = (usize, Result<PrincipalsLine, OptionsError>)> + '_ {
    let lines = content.split(|byte| *byte == b'\n').enumerate();
    lines.filter_map(|(index, line)| read_line(line).map(|read| (index + 1, read)))
}

/// Reads a line without its newline; `None` for a blank one or a comment.
pub fn read_line(line: &[u8]) -> Option<Result<PrincipalsLine, OptionsError>> {
    // To sshd a line is a C string.
    let line = before(line, b'\0');
    let start = line.iter().position(|byte| !is_blank(*byte))?;
    let line = before(&line[start..], b'#');
    let (_, rest) = line.split_first()?;
    let kept = rest.iter().rposition(|byte| !is_blank(*byte));
    let line = &line[..kept.map_or(1, |last| last + 2)];
    let last = |blank: u8| line.iter().rposition(|byte| *byte == blank);
    let Some(at) = last(b' ').or_else(|| last(b'\t')) else {
        return Some(Ok(PrincipalsLine {
            principal: line.to_vec(),
            options: KeyOptions::default(),
        }));
    };
    let after = &line[at..];
    let word = after.iter().position(|byte| !is_blank(*byte));
    let principal = word.map_or(&[][..], |word| &after[word..]).to_vec();
    Some(options(line).map(|options| PrincipalsLine { principal, options }))
}

fn before(line: &[u8], end: u8) -> &[u8] {
    let at = line.iter().position(|byte| *byte == end);
    &line[..at.unwrap_or(line.len())]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Options with a value, and whether sshd takes them once only.
const VALUED: [(&str, bool); 7] = [
    ("principals", true),
    ("from", true),
    ("expiry-time", false),
    ("environment", false),
    ("permitopen", false),
    ("permitlisten", false),
    ("tunnel", true),
];

/// Reads options up to the first blank that is not between quotes, or to the end.
fn options(text: &[u8]) -> Result<KeyOptions, OptionsError> {
    let mut options = KeyOptions::default();
    let mut rest = text;
    while !ended(rest) {
        rest = one_option(rest, &mut options)?;
        match rest.split_first() {
            _ if ended(rest) => break,
            Some((b',', [])) => return Err(OptionsError::NothingFollows),
            Some((b',', more)) => rest = more,
            _ => return Err(OptionsError::Unknown),
        }
    }
    Ok(options)
}

fn ended(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| is_blank(*byte))
}

/// Takes one option off the text. Nothing at all between two commas is one, too.
fn one_option<'a>(text: &'a [u8], into: &mut KeyOptions) -> Result<&'a [u8], OptionsError> {
    if text.first() == Some(&b',') {
        return Ok(text);
    }
    if let Some(rest) = without(text, "restrict") {
        into.permits = Permits::all(false);
        return Ok(rest);
    }
    if let Some(rest) = without(text, "cert-authority") {
        into.cert_authority = true;
        return Ok(rest);
    }
    let (said, positive) = match without(text, "no-") {
        Some(rest) => (rest, false),
        None => (text, true),
    };
    let permits = &mut into.permits;
    let flags: [(&str, &mut bool); 7] = [
        ("port-forwarding", &mut permits.port_forwarding),
        ("agent-forwarding", &mut permits.agent_forwarding),
        ("x11-forwarding", &mut permits.x11_forwarding),
        ("touch-required", &mut into.touch_required),
        ("verify-required", &mut into.verify_required),
        ("pty", &mut permits.pty),
        ("user-rc", &mut permits.user_rc),
    ];
    for (name, flag) in flags {
        if let Some(rest) = without(said, name) {
            *flag = positive;
            return Ok(rest);
        }
    }
    if let Some(rest) = with_value(text, "command") {
        if into.command.is_some() {
            return Err(OptionsError::Twice("command"));
        }
        let (value, rest) = unquoted(rest)?;
        into.command = Some(value);
        return Ok(rest);
    }
    for (name, once) in VALUED {
        let Some(rest) = with_value(text, name) else {
            continue;
        };
        let values = into.valued.entry(name).or_default();
        if once && !values.is_empty() {
            return Err(OptionsError::Twice(name));
        }
        let (value, rest) = unquoted(rest)?;
        if name == "environment" && !sets_a_variable(&value) {
            return Err(OptionsError::Environment);
        }
        values.push(value);
        return Ok(rest);
    }
    Err(OptionsError::Unknown)
}

/// What follows a word that the text begins with, in upper or lower case.
fn without<'a>(text: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let (begin, rest) = text.split_at_checked(word.len())?;
    begin.eq_ignore_ascii_case(word.as_bytes()).then_some(rest)
}

fn with_value<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    without(text, name)?.strip_prefix(b"=")
}

/// A value between quotes, and what follows it.
fn unquoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), OptionsError> {
    let mut rest = text.strip_prefix(b"\"").ok_or(OptionsError::NoStartQuote)?;
    let mut value = Vec::new();
    loop {
        rest = match rest {
            [] => return Err(OptionsError::NoEndQuote),
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', b'"', after @ ..] => {
                value.push(b'"');
                after
            }
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
        };
    }
}

fn sets_a_variable(value: &[u8]) -> bool {
    let name = before(value, b'=');
    name.len() < value.len()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(line: &str) -> PrincipalsLine {
        read_line(line.as_bytes()).unwrap().unwrap()
    }

    fn command(line: &str) -> Option<String> {
        let command = only(line).options.command;
        command.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_principal_stands_alone_or_after_the_last_blank() {
        assert_eq!(
            line(&Principal::new("deploy").unwrap(), None).unwrap(),
            "deploy"
        );
        for text in [
            "deploy",
            "  deploy \t",
            "\tdeploy# not",
            "deploy #x",
            "restrict deploy",
        ] {
            assert_eq!(only(text).principal, b"deploy", "{text:?}");
        }
        assert_eq!(only("restrict what ever deploy").principal, b"deploy");
        assert_eq!(only("pty\tdeploy").principal, b"deploy");
        // A tab counts only where there is no blank.
        assert_eq!(only("restrict a\tb").principal, b"a\tb");
        // A carriage return belongs to the principal, which then is nobody's.
        assert_eq!(only("deploy\r").principal, b"deploy\r");
    }

    #[test]
    fn blank_lines_and_comments_are_nothing() {
        for text in ["", "  ", "\t", "# deploy", "   # x", "\0deploy"] {
            assert_eq!(read_line(text.as_bytes()), None, "{text:?}");
        }
        let numbers: Vec<_> = read(b"# a\n\nx\ny").map(|(number, _)| number).collect();
        assert_eq!(numbers, [3, 4]);
    }

    #[test]
    fn options_are_sshds() {
        let held = only("restrict,command=\"a \\\"b\\\" c\\d\",pty x");
        assert_eq!(held.options.command.unwrap(), b"a \"b\" c\\d");
        assert!(held.options.permits.pty && !held.options.permits.port_forwarding);
        assert!(only("RESTRICT x").options.permits.none());
        assert!(!only("no-pty x").options.permits.pty);
        assert!(!only("no-touch-required x").options.touch_required);
        assert!(only("cert-authority x").options.cert_authority);
        let from = only("from=\"10.0.0.0/8\",environment=\"A=b\" x")
            .options
            .valued;
        assert_eq!(from["from"], [b"10.0.0.0/8"]);
        assert!(only("restrict, x").options.permits.none());
        assert!(only(",restrict,,pty x").options.permits.pty);
        assert_eq!(command("command=\"a b\" c"), Some("a b".to_owned()));
    }

    #[test]
    fn a_line_that_sshd_passes_over_is_named() {
        for (text, why) in [
            ("nonsense x", OptionsError::Unknown),
            ("restrictx y", OptionsError::Unknown),
            ("command=a x", OptionsError::NoStartQuote),
            ("command=\"a x", OptionsError::NoEndQuote),
            ("command=\"a b # c\" x", OptionsError::NoEndQuote),
            (
                "command=\"a\",command=\"b\" x",
                OptionsError::Twice("command"),
            ),
            ("command=\"a b\",", OptionsError::NothingFollows),
            ("environment=\"A\" x", OptionsError::Environment),
            ("no-restrict x", OptionsError::Unknown),
        ] {
            assert_eq!(read_line(text.as_bytes()).unwrap(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_command_that_would_come_back_changed_is_not_written() {
        let principal = Principal::new("p").unwrap();
        for bad in ["a # b", "a\\", "a\tb", "a\u{7f}"] {
            let command = ForceCommand::new(bad).unwrap();
            let error = line(&principal, Some(&command)).unwrap_err();
            assert_eq!(error.reason(), "principals_unwritable", "{bad:?}");
        }
        let awkward = r#"/bin/sh -c "echo \"é, x\" '\n'" \\ y"#;
        let written = line(&principal, Some(&ForceCommand::new(awkward).unwrap())).unwrap();
        assert_eq!(command(&written).as_deref(), Some(awkward));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            principal in "[A-Za-z0-9._@/+][A-Za-z0-9._@/+-]{0,20}",
            text in "[ -~é✓\\\\\"]{1,40}",
        ) {
            let principal = Principal::new(&principal).unwrap();
            let command = ForceCommand::new(&text).unwrap();
            if let Ok(written) = line(&principal, Some(&command)) {
                let read = read_line(written.as_bytes()).unwrap().unwrap();
                prop_assert_eq!(read.principal, principal.as_str().as_bytes());
                prop_assert_eq!(read.options.command.unwrap(), text.as_bytes());
                prop_assert!(read.options.permits.none());
            } else {
                prop_assert!(text.contains('#') || text.ends_with('\\'));
            }
        }

        #[test]
        fn any_bytes_are_read(content in any::<Vec<u8>>()) {
            let lines = content.iter().filter(|byte| **byte == b'\n').count() + 1;
            prop_assert!(read(&content).count() <= lines);
        }
    }
}
