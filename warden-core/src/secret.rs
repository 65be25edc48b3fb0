//! A secret on its way from where it is kept to where it is used.
//!
//! - No `Debug`, no `Display`, no `Clone`; wiped when dropped; seen only through [`Secret::expose`].

use zeroize::Zeroizing;

/// A token or another secret text.
pub struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Takes the content of a file or variable, less white space at its ends. `None` unless what is
    /// left is 1 or more printable ASCII characters without a blank, as every token is.
    pub fn new(content: Zeroizing<Vec<u8>>) -> Option<Self> {
        let text = std::str::from_utf8(content.trim_ascii()).ok()?;
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_trimmed_sound_and_never_shown() {
        let secret = |text: &str| Secret::new(Zeroizing::new(text.as_bytes().to_vec()));
        assert_eq!(secret("s.abc\n").unwrap().expose(), "s.abc");
        assert_eq!(format!("{:?}", secret("s.abc").unwrap()), "Secret(..)");
        for bad in ["", "\n", "a b", "a\nb", "a\r\nX-Header: b", "é"] {
            assert!(secret(bad).is_none(), "{bad:?}");
        }
    }
}
