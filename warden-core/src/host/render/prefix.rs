//! Where the files of a host stand on it.

use crate::failure::{Class, Failure};

/// The directory that paths in rendered files begin with: `/`, or one below which a whole tree lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` cannot stand before paths in sshd's configuration; expected an absolute path of letters, digits, `.`, `_`, `-` and `/`, without `..`"
)]
pub struct PrefixError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl Failure for PrefixError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        "path_malformed"
    }
}

impl Prefix {
    /// Reads a prefix. What sshd would expand, split or cut, such as `%` and blanks, is refused.
    ///
    /// # Errors
    /// If it is not absolute, or holds such a character or `..`.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let fine = text.starts_with('/')
            && text.chars().all(plain)
            && text.split('/').all(|part| part != ".." && part != ".");
        match fine {
            true => Ok(Self(text.trim_end_matches('/').to_owned())),
            false => Err(PrefixError {
                text: text.chars().take(80).collect(),
            }),
        }
    }

    /// A path of a rendered file as the host knows it.
    pub fn on_host(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// A path of the host from its root; `None` if it is outside.
    pub fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.0.as_str())?.strip_prefix('/')
    }

    /// Whether this is the root of a host, and no tree of its own.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

/// `/`
impl Default for Prefix {
    fn default() -> Self {
        Self(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_that_sshd_takes_as_it_is() {
        assert_eq!(Prefix::new("/").unwrap(), Prefix::default());
        assert_eq!(
            Prefix::new("/run/a/").unwrap().on_host("etc/x"),
            "/run/a/etc/x"
        );
        assert_eq!(Prefix::default().on_host("etc/x"), "/etc/x");
        assert_eq!(
            Prefix::new("/run/a").unwrap().inside("/run/a/etc"),
            Some("etc")
        );
        assert_eq!(Prefix::new("/run/a").unwrap().inside("/run/ab"), None);
        for bad in ["", "run", "/a b", "/a%u", "/a\n", "/a/../b", "/\"", "/a#"] {
            assert_eq!(
                Prefix::new(bad).unwrap_err().reason(),
                "path_malformed",
                "{bad:?}"
            );
        }
    }
}
