//! The patterns that `Include` takes: glob(3), one directory after the other.
//!
//! - `*`, `?`, `[a-z]` and `[!a-z]`; a backslash takes the byte behind it as it is. A leading dot must
//!   be named. A bracket without an end is a bracket.
//! - What is not judged here, such as `[[:digit:]]`, is said and never passed over.

/// One component of a path, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Byte(u8),
    One,
    Any,
    Set {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Component {
    /// Reads a component; `None` if it holds a class of characters.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            parts.push(match first {
                b'*' => Part::Any,
                b'?' => Part::One,
                b'\\' if !rest.is_empty() => {
                    let byte = rest[0];
                    rest = &rest[1..];
                    Part::Byte(byte)
                }
                b'[' => match set(rest)? {
                    Some((part, behind)) => {
                        rest = behind;
                        part
                    }
                    None => Part::Byte(b'['),
                },
                byte => Part::Byte(*byte),
            });
        }
        Some(Self(parts))
    }

    /// The name, if it is one and no pattern.
    pub(super) fn name(&self) -> Option<String> {
        let bytes: Option<Vec<u8>> = self
            .0
            .iter()
            .map(|part| match part {
                Part::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        String::from_utf8(bytes?).ok()
    }

    /// Whether a name is of this pattern.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let hidden = name.first() == Some(&b'.') && self.0.first() != Some(&Part::Byte(b'.'));
        !hidden && matches(&self.0, name)
    }
}

/// A set behind its opening bracket, and what follows it: `None` outside for a class of characters,
/// inside for a bracket that is never closed.
#[expect(
    clippy::option_option,
    reason = "not understood and not a set are two answers"
)]
fn set(text: &[u8]) -> Option<Option<(Part, &[u8])>> {
    let (negated, text) = match text.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // The first byte belongs to the set, even where it is `]`.
    let Some(end) = text.iter().skip(1).position(|byte| *byte == b']') else {
        return Some(None);
    };
    let (mut members, rest) = (&text[..=end], &text[end + 2..]);
    if members.windows(2).any(|pair| pair == b"[:") || members.contains(&b'\\') {
        return None;
    }
    let mut ranges = Vec::new();
    while let Some((from, behind)) = members.split_first() {
        members = behind;
        let to = match members {
            [b'-', to, behind @ ..] => {
                members = behind;
                to
            }
            _ => from,
        };
        ranges.push((*from, *to));
    }
    Some(Some((Part::Set { negated, ranges }, rest)))
}

/// Remembers the last `*` alone, so that no pattern takes long.
fn matches(pattern: &[Part], name: &[u8]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        let fits = match pattern.get(part) {
            Some(Part::Any) => {
                star = Some((part + 1, at));
                part += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Byte(byte)) => *byte == name[at],
            Some(Part::Set { negated, ranges }) => {
                let within = |(from, to): &(u8, u8)| (from..=to).contains(&&name[at]);
                ranges.iter().any(within) != *negated
            }
            None => false,
        };
        match (fits, star) {
            (true, _) => (part, at) = (part + 1, at + 1),
            (false, Some((behind, from))) => {
                star = Some((behind, from + 1));
                (part, at) = (behind, from + 1);
            }
            (false, None) => return false,
        }
    }
    pattern[part..].iter().all(|rest| *rest == Part::Any)
}

/// Whether a text is of a pattern with `*` and `?` alone, as in `AllowUsers`.
pub(in crate::host) fn simple(pattern: &str, text: &str) -> bool {
    let parts: Vec<Part> = pattern
        .bytes()
        .map(|byte| match byte {
            b'*' => Part::Any,
            b'?' => Part::One,
            byte => Part::Byte(byte),
        })
        .collect();
    matches(&parts, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_matched_as_glob_matches_it() {
        let says = |pattern: &str, name: &str| {
            Component::read(pattern.as_bytes())
                .unwrap()
                .matches(name.as_bytes())
        };
        for (pattern, name) in [
            ("*.conf", "50-warden.conf"),
            ("[s]shd_config.d", "sshd_config.d"),
            ("[a-cs]shd*", "sshd_config"),
            ("[!a-c]shd", "sshd"),
            ("[]x]", "]"),
            ("[!]x]", "a"),
            ("[a-]", "-"),
            ("[ab", "[ab"),
            ("a?c", "abc"),
            (".*", ".a"),
            ("\\*", "*"),
            ("*a*b*c", "aabbcc"),
            ("[^a]", "^"),
        ] {
            assert!(says(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", ".conf"),
            ("?a", ".a"),
            ("[.]a", ".a"),
            ("[!a-c]shd", "bshd"),
            ("[^a]", "b"),
            ("\\*", "a"),
            ("*.conf", "a.conf.bak"),
            ("", "a"),
        ] {
            assert!(!says(pattern, name), "{pattern} {name}");
        }
        for class in ["[[:digit:]]", "[a\\]]"] {
            assert_eq!(Component::read(class.as_bytes()), None, "{class}");
        }
        let name = |text: &str| Component::read(text.as_bytes()).unwrap().name();
        assert_eq!(name("a\\*b").as_deref(), Some("a*b"));
        assert_eq!(name("a*b"), None);
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!simple(&"*a".repeat(60), &"a".repeat(59)));
        assert!(simple(&"*a".repeat(60), &"a".repeat(60)));
    }
}
