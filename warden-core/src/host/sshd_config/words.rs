//! The words of a line of sshd's configuration.

/// Splits what follows a keyword as sshd does: blanks part words, quotes of either kind hold them
/// together, a backslash takes a quote, a backslash or a blank as it is, and `#` before a word ends the
/// line. `None` if a quote is not closed.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if matches!(rest.peek(), None | Some('#')) {
            return Some(words);
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(&next) = rest.peek() {
            if quote.is_none() && next.is_whitespace() {
                break;
            }
            rest.next();
            if Some(next) == quote {
                quote = None;
            } else if quote.is_none() && matches!(next, '"' | '\'') {
                quote = Some(next);
            } else if next == '\\' {
                let taken =
                    |c: &char| matches!(c, '"' | '\'' | '\\') || (quote.is_none() && *c == ' ');
                word.push(rest.next_if(taken).unwrap_or(next));
            } else {
                word.push(next);
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sshds() {
        for (text, expected) in [
            ("a  b\tc", &["a", "b", "c"][..]),
            ("\"a b\" 'c d'e", &["a b", "c de"]),
            ("a # b", &["a"]),
            ("a#b", &["a#b"]),
            ("a\\ b \\\"c \\d", &["a b", "\"c", "\\d"]),
            ("\"a'b\"", &["a'b"]),
            ("\"\"", &[""]),
            ("", &[]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        assert_eq!(words("\"a b"), None);
    }
}
