//! Says what is wrong in a file, and where: `path:line:col`, the line, and a caret.
//!
//! - Columns count characters, from 1; a position comes from a byte range of the text.
//! - Nothing here decides whether something is wrong.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A text together with the file it came from.
#[derive(Debug, Clone)]
pub struct SourceText {
    path: PathBuf,
    text: String,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in it; `None` if the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The whole line, without its newline.
    pub text: String,
    /// How many characters are meant, at least 1.
    pub width: usize,
}

impl Problem {
    /// Something wrong with a file as a whole.
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            place: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with something to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem, quoting a key and not its value, which may be a secret in the wrong place.
    pub fn without_value(mut self) -> Self {
        if let Some(place) = &mut self.place
            && let Some((key, _)) = place.text.split_once('=')
        {
            let shown = key.chars().count();
            place.text = format!("{key}= (value not shown)");
            place.width = place
                .width
                .min((shown + 1).saturating_sub(place.column).max(1));
        }
        self
    }

    /// The line of the file with a caret under the place, or nothing.
    pub fn excerpt(&self) -> Option<(String, String)> {
        let place = self.place.as_ref()?;
        let number = place.line.to_string();
        // A tab is kept, so that the caret stands under its character whatever the tab width.
        let indent: String = place
            .text
            .chars()
            .take(place.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let caret = format!(
            "{} | {indent}{}",
            " ".repeat(number.len()),
            "^".repeat(place.width)
        );
        Some((format!("{number} | {}", place.text), caret))
    }
}

/// `path:line:col: message`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Problem {}

impl SourceText {
    /// A text and where it came from.
    pub fn new(path: &Path, text: String) -> Self {
        Self {
            path: path.to_owned(),
            text,
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the text could be what it is taken for. A secret named as a configuration by mistake
    /// must not be quoted in the error about it.
    fn may_be_quoted(&self) -> bool {
        let like_toml =
            |line: &str| line.contains(" = ") || line.trim_start().starts_with(['[', '<', '=']);
        self.text.lines().any(like_toml)
    }

    /// Something wrong at a byte range of the text.
    pub fn problem(&self, at: &Range<usize>, message: impl Into<String>) -> Problem {
        let start = floor(&self.text, at.start);
        let line_start = self.text[..start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let end = floor(&self.text, at.end).clamp(start, line_end);
        let line = &self.text[line_start..line_end];
        let place = Place {
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text: match self.may_be_quoted() {
                true => line.strip_suffix('\r').unwrap_or(line).to_owned(),
                false => "(not shown: this does not look like TOML)".to_owned(),
            },
            width: self.text[start..end].chars().count().max(1),
        };
        Problem {
            path: self.path.clone(),
            place: Some(place),
            message: message.into(),
            hint: None,
        }
    }

    /// Something wrong with the text as a whole.
    pub fn problem_of_file(&self, message: impl Into<String>) -> Problem {
        Problem::of_file(&self.path, message)
    }

    /// Finds what no reviewed text file should hold: a byte order mark, or a conflict git left behind.
    ///
    /// # Errors
    /// Names the first such place.
    pub fn refuse_leftovers(&self) -> Result<(), Problem> {
        if self.text.starts_with('\u{feff}') {
            let problem = self.problem_of_file("the file begins with a byte order mark");
            return Err(problem.with_hint("save the file as plain UTF-8"));
        }
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let marker = ["<<<<<<< ", ">>>>>>> ", "||||||| "]
                .iter()
                .any(|mark| line.starts_with(mark));
            if marker || line.trim_end() == "=======" {
                let problem = self.problem(&(at..at + 7), "a merge conflict was left in the file");
                return Err(problem.with_hint("resolve the conflict and commit the file again"));
            }
            at += line.len();
        }
        Ok(())
    }
}

/// The nearest character boundary at or before a byte position.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_problem_names_its_line_and_column_and_points_at_it() {
        let source = SourceText::new(Path::new("a.toml"), "x = 1\n\té = oops\n".to_owned());
        let at = source.text().find("oops").unwrap();
        let problem = source.problem(&(at..at + 4), "bad");
        assert_eq!(problem.to_string(), "a.toml:2:6: bad");
        let (line, caret) = problem.excerpt().unwrap();
        assert_eq!(line, "2 | \té = oops");
        assert_eq!(caret, "  | \t    ^^^^");
    }

    #[test]
    fn a_secret_taken_for_a_configuration_is_not_quoted() {
        for secret in [
            "correct horse battery\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n",
        ] {
            let source = SourceText::new(Path::new("a.toml"), secret.to_owned());
            let (line, _) = source.problem(&(0..7), "bad").excerpt().unwrap();
            assert_eq!(line, "1 | (not shown: this does not look like TOML)");
        }
    }

    #[test]
    fn leftovers_are_found() {
        let check =
            |text: &str| SourceText::new(Path::new("a"), text.to_owned()).refuse_leftovers();
        assert!(check("\u{feff}x = 1\n").is_err());
        let conflict = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n";
        assert_eq!(check(conflict).unwrap_err().place.unwrap().line, 2);
        assert!(check("a = 1 # =======\n").is_ok());
    }

    proptest! {
        #[test]
        fn any_range_of_any_text_has_a_place(text in any::<String>(), a in 0usize..50, b in 0usize..50) {
            let problem = SourceText::new(Path::new("a"), text).problem(&(a..b), "x");
            prop_assert!(problem.excerpt().is_some());
        }
    }
}
