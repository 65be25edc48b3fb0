//! Says what is wrong in a file, and where: `path:line:col`, the line, and a caret.
//!
//! - Columns count characters, from 1; a position comes from a byte range of the text.
//! - Nothing here decides whether something is wrong.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The longest line that is shown whole, in bytes; of a longer one, what stands around the place.
const LONGEST_SHOWN: usize = 320;

/// A text together with the file it came from.
#[derive(Debug, Clone)]
pub struct SourceText {
    path: PathBuf,
    text: String,
    form: Form,
    /// Where each line begins, once somebody asks.
    lines: OnceLock<Vec<usize>>,
}

/// What a text is taken for, and so when a line of it may be shown.
#[derive(Debug, Clone, Copy)]
enum Form {
    Toml,
    /// JSON with this key somewhere.
    Json {
        mark: &'static str,
    },
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
        if place.text.len() > LONGEST_SHOWN {
            return Some(place.cut(&number));
        }
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

impl Place {
    /// What stands around the place in a very long line, with a caret under the place.
    fn cut(&self, number: &str) -> (String, String) {
        let before = (self.column - 1).min(LONGEST_SHOWN / 4);
        let shown: String = self
            .text
            .chars()
            .skip(self.column - 1 - before)
            .take(LONGEST_SHOWN / 2)
            .map(|c| if c == '\t' { ' ' } else { c })
            .collect();
        let caret = "^".repeat(self.width.min(LONGEST_SHOWN / 4));
        (
            format!("{number} | ...{shown}..."),
            format!(
                "{} | {}{caret}",
                " ".repeat(number.len()),
                " ".repeat(before + 3)
            ),
        )
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
            form: Form::Toml,
            lines: OnceLock::new(),
        }
    }

    /// A text that is to be JSON. Lines of it are shown only if `mark` stands in it as a quoted key:
    /// credentials are kept in JSON too.
    pub fn json(path: &Path, text: String, mark: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            text,
            form: Form::Json { mark },
            lines: OnceLock::new(),
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
    pub(crate) fn may_be_quoted(&self) -> bool {
        let like_toml =
            |line: &str| line.contains(" = ") || line.trim_start().starts_with(['[', '<', '=']);
        let key_follows = |rest: &str| rest.trim_start().starts_with(':');
        match self.form {
            Form::Toml => self.text.lines().any(like_toml),
            Form::Json { mark } => {
                let quoted = format!("\"{mark}\"");
                self.text
                    .match_indices(&quoted)
                    .any(|(at, found)| key_follows(&self.text[at + found.len()..]))
            }
        }
    }

    fn not_shown(&self) -> String {
        match self.form {
            Form::Toml => "(not shown: this does not look like TOML)".to_owned(),
            Form::Json { mark } => format!("(not shown: there is no key \"{mark}\" in this)"),
        }
    }

    /// The line of a byte of the text, from 1. A file with very many actors asks for each of them.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        let lines = self.lines.get_or_init(|| {
            let newlines = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(newlines).collect()
        });
        lines.partition_point(|start| *start <= at)
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
            line: self.line_of(start),
            column: self.text[line_start..start].chars().count() + 1,
            text: match self.may_be_quoted() {
                true => line.strip_suffix('\r').unwrap_or(line).to_owned(),
                false => self.not_shown(),
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

    /// Something wrong in a line, counted from 1; `word` is pointed at if it stands there.
    pub(crate) fn problem_in_line(
        &self,
        line: usize,
        word: &str,
        message: impl Into<String>,
    ) -> Problem {
        let before = self.text.split_inclusive('\n').take(line.saturating_sub(1));
        let start: usize = before.map(str::len).sum();
        let text = self.text[start..].lines().next().unwrap_or("");
        let at = text.find(word).map_or(0..0, |at| at..at + word.len());
        self.problem(&(start + at.start..start + at.end), message)
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
    fn json_is_quoted_only_if_it_holds_the_key_it_should() {
        let line = |text: &str| {
            let source = SourceText::json(Path::new("a.json"), text.to_owned(), "resources");
            source.problem(&(1..5), "bad").excerpt().unwrap().0
        };
        assert_eq!(line("{\"resources\" : 1}"), "1 | {\"resources\" : 1}");
        for secret in ["{\"client_token\": \"s.1\"}", "\"resources\"", "", "x"] {
            let said = line(secret);
            assert_eq!(
                said,
                "1 | (not shown: there is no key \"resources\" in this)"
            );
        }
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_place() {
        let text = format!("x = 1 {}é!{}", "a".repeat(900), "b".repeat(900));
        let source = SourceText::new(Path::new("a.toml"), text);
        let at = source.text().find('!').unwrap();
        let (line, caret) = source.problem(&(at..at + 1), "bad").excerpt().unwrap();
        assert!(line.chars().count() < 200, "{line}");
        let column = caret.find('^').unwrap();
        assert_eq!(line.chars().nth(column), Some('!'));
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
