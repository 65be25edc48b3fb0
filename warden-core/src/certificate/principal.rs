//! Principals: the role labels a certificate carries and a host matches.
//!
//! - One principal is 1 to 64 of `A-Z a-z 0-9 . _ @ / + -` and does not begin with `-`.
//! - A set of principals is never empty (CVE-2024-7594), has no duplicate and at most 256 members.
//! - The order given is kept.

use std::fmt;
use std::net::IpAddr;

/// The most principals OpenSSH reads in one certificate (`SSHKEY_CERT_MAX_PRINCIPALS`).
pub const MAX_PRINCIPALS: usize = 256;

/// The longest principal, in bytes. OpenSSH has no limit of its own; this one keeps a log line whole.
const MAX_PRINCIPAL_BYTES: usize = 64;

/// One principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal(String);

/// Why a text is not a principal, or a list is not a set of principals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// The empty string, which old servers take for any principal.
    #[error("a principal is empty")]
    Empty,
    /// Longer than 64 bytes.
    #[error("principal `{text}` is {found} bytes long; at most 64 are allowed")]
    TooLong {
        /// The beginning of the principal.
        text: String,
        /// Its length in bytes.
        found: usize,
    },
    /// A character outside the grammar.
    #[error("principal `{text}` holds {character:?}; allowed are letters, digits and . _ @ / + -")]
    Character {
        /// The principal.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// Begins with `-`, which programs take for an option.
    #[error("principal `{text}` begins with `-`")]
    LeadingDash {
        /// The principal.
        text: String,
    },
    /// No principal at all.
    #[error("the list of principals is empty; an empty list would fit any account")]
    NoPrincipals,
    /// The same principal twice.
    #[error("principal `{text}` stands twice in the list")]
    Duplicate {
        /// The principal.
        text: String,
    },
    /// Neither a lower-case DNS name nor an address in its usual form.
    #[error(
        "`{text}` is neither a lower-case host name without wildcards nor an address in its usual form"
    )]
    Host {
        /// The beginning of the text.
        text: String,
    },
    /// More than OpenSSH reads.
    #[error("{found} principals; OpenSSH reads at most 256 in a certificate")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl Principal {
    /// Reads one principal.
    ///
    /// # Errors
    /// Names the first rule the text breaks.
    pub fn new(text: &str) -> Result<Self, PrincipalError> {
        if text.is_empty() {
            return Err(PrincipalError::Empty);
        }
        if text.len() > MAX_PRINCIPAL_BYTES {
            let beginning = text.chars().take(32).collect();
            return Err(PrincipalError::TooLong {
                text: beginning,
                found: text.len(),
            });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@/+-".contains(c);
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(PrincipalError::Character {
                text: text.to_owned(),
                character,
            });
        }
        if text.starts_with('-') {
            return Err(PrincipalError::LeadingDash {
                text: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a principal of a host certificate: a DNS name as ssh looks it up, in lower case and
    /// without a wildcard, port or final dot; or an address in its usual form.
    ///
    /// # Errors
    /// [`PrincipalError::Host`] for any other text.
    pub fn host(text: &str) -> Result<Self, PrincipalError> {
        let address = |text: &str| {
            text.parse::<IpAddr>()
                .is_ok_and(|one| one.to_string() == text)
        };
        if is_dns_name(text) || address(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(PrincipalError::Host {
            text: text.chars().take(80).collect(),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is a DNS name in lower case, RFC 1123 section 2.1: at most 253 bytes, labels of 1 to
/// 63.
fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    // Of digits alone, the last label would make it look like an address.
    let last_is_a_word = |text: &str| {
        !text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
    };
    text.len() <= 253 && text.split('.').all(label) && last_is_a_word(text)
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A non-empty, duplicate-free list of at most 256 principals, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals(Vec<Principal>);

impl Principals {
    /// Makes a set of principals, keeping the order.
    ///
    /// # Errors
    /// For an empty list, a duplicate, or more than [`MAX_PRINCIPALS`].
    pub fn new(list: Vec<Principal>) -> Result<Self, PrincipalError> {
        if list.is_empty() {
            return Err(PrincipalError::NoPrincipals);
        }
        if list.len() > MAX_PRINCIPALS {
            return Err(PrincipalError::TooMany { found: list.len() });
        }
        let repeated = list
            .iter()
            .enumerate()
            .find(|(at, one)| list[..*at].contains(one));
        if let Some((_, twice)) = repeated {
            return Err(PrincipalError::Duplicate {
                text: twice.to_string(),
            });
        }
        Ok(Self(list))
    }

    /// The principals in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Principal> {
        self.0.iter()
    }

    /// Whether `one` is among them, compared byte for byte.
    pub fn contains(&self, one: &Principal) -> bool {
        self.0.contains(one)
    }

    /// These principals less those that `asked` leaves out, in this order.
    ///
    /// # Errors
    /// The first principal of `asked` that is not among these.
    pub fn narrowed_to<'a>(&self, asked: &'a Self) -> Result<Self, &'a Principal> {
        match asked.iter().find(|one| !self.contains(one)) {
            Some(beyond) => Err(beyond),
            // Not empty: `asked` is not, and all of it is here.
            None => Ok(Self(
                self.iter()
                    .filter(|one| asked.contains(one))
                    .cloned()
                    .collect(),
            )),
        }
    }

    /// How many there are; never zero.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a set of principals is never empty"
    )]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The texts in order.
    pub fn to_strings(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for Principals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(one.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn principals(list: &[&str]) -> Result<Principals, PrincipalError> {
        Principals::new(
            list.iter()
                .map(|one| Principal::new(one).unwrap())
                .collect(),
        )
    }

    #[test]
    fn whatever_a_text_interface_would_split_or_expand_is_refused() {
        let bad = [
            "",
            "a,b",
            "*",
            "a*",
            "a?",
            "a b",
            " a",
            "a ",
            "a\n",
            "a\tb",
            "a\0",
            "\x1b[31m",
            "a#b",
            "a\"b",
            "a'b",
            "a\\b",
            "a=b",
            "a:b",
            "!a",
            "%u",
            "$HOME",
            "`id`",
            "é",
            "a\u{202e}b",
            "-oProxyCommand=x",
            "-",
            "a\u{a0}b",
        ];
        for text in bad {
            assert!(Principal::new(text).is_err(), "{text:?}");
        }
        assert!(Principal::new(&"a".repeat(65)).is_err());
        assert!(Principal::new(&"a".repeat(64)).is_ok());
    }

    #[test]
    fn a_set_is_never_empty_never_too_large_and_has_no_duplicate() {
        assert_eq!(principals(&[]), Err(PrincipalError::NoPrincipals));
        assert!(matches!(
            principals(&["a", "b", "a"]),
            Err(PrincipalError::Duplicate { .. })
        ));
        let many = |count: usize| {
            Principals::new(
                (0..count)
                    .map(|n| Principal::new(&format!("p{n}")).unwrap())
                    .collect(),
            )
        };
        assert_eq!(many(256).unwrap().len(), 256);
        assert_eq!(many(257), Err(PrincipalError::TooMany { found: 257 }));
    }

    #[test]
    fn the_order_given_is_kept() {
        assert_eq!(
            principals(&["z", "a", "m"]).unwrap().to_strings(),
            ["z", "a", "m"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_principal_outside_the_grammar(text in any::<String>()) {
            if let Ok(one) = Principal::new(&text) {
                prop_assert_eq!(one.as_str(), &text);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@/+-".contains(&b)));
                prop_assert!((1..=64).contains(&text.len()) && !text.starts_with('-'));
            }
        }
    }
}
