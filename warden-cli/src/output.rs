//! The one place that prints.
//!
//! - stdout is data, stderr is everything else.
//! - Whatever came from outside is escaped, so that no file name, key comment or answer of a server
//!   can move the cursor, change colours or forge a line.
//! - A stdout that does not take what it is given is an error, never a panic.

use crate::error::CliError;
use std::io::{self, Write};
use std::process::ExitCode;
use warden_core::failure::Class;

/// What a command has to say when it succeeded.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// For a person; ends in a newline if it is not empty.
    pub(crate) text: String,
    /// For a program.
    pub(crate) json: serde_json::Value,
    /// Goes to stderr in text mode: warnings, and what to type next.
    pub(crate) notes: Vec<String>,
}

/// Where output goes, and in which form.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints what a command gave, and turns it into an exit status.
    pub(crate) fn finish(&self, result: Result<Report, CliError>) -> ExitCode {
        let error = match result {
            Ok(report) => self.report(&report).err(),
            Err(error) => match error.report().map(|report| self.report(report)) {
                Some(Err(unwritten)) => Some(unwritten),
                _ => Some(error),
            },
        };
        match error {
            None => ExitCode::SUCCESS,
            Some(error) => {
                self.error(&error);
                ExitCode::from(error.exit_status())
            }
        }
    }

    fn report(&self, report: &Report) -> Result<(), CliError> {
        self.notes(&report.notes);
        match self.json {
            true if report.json.is_null() => Ok(()),
            true => self.document(&report.json),
            false if report.text.is_empty() => Ok(()),
            false => write_stdout(escaped(&report.text).as_bytes()),
        }
    }

    /// Prints a JSON document to stdout.
    pub(crate) fn document(&self, json: &serde_json::Value) -> Result<(), CliError> {
        write_stdout(escaped_json(json).as_bytes())
    }

    /// Hands stdout to `write`, for a document too large to be held.
    pub(crate) fn stream(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let mut stdout = io::BufWriter::with_capacity(64 * 1024, Stdout);
        write(&mut stdout)
            .and_then(|()| stdout.flush())
            .map_err(|error| not_delivered(&error))
    }

    /// Prints text that is asked for in any form, such as help.
    pub(crate) fn text(&self, text: &str) -> ExitCode {
        match write_stdout(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                self.error(&error);
                ExitCode::from(error.exit_status())
            }
        }
    }

    /// Prints notes to stderr. In JSON mode stderr is for the error object alone.
    pub(crate) fn notes(&self, notes: &[String]) {
        if !self.json {
            print_stderr(notes.iter().map(String::as_str));
        }
    }

    fn error(&self, error: &CliError) {
        if self.json {
            write_stderr(&escaped_json(&error.to_json()));
        } else {
            let lines = error.lines();
            print_stderr(lines.iter().map(String::as_str));
        }
    }
}

/// stdout, for the one command that hands a certificate to it.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if stdout_is_closed() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "stdout is closed",
            ));
        }
        io::stdout().lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// Whether stdout cannot be written, which the runtime would pass over in silence, or was closed
/// when the program started. The runtime then puts `/dev/null`, open for reading and writing, in its
/// place; a shell's `>/dev/null` is open for writing only.
fn stdout_is_closed() -> bool {
    let stdout = io::stdout();
    let access = rustix::fs::fcntl_getfl(&stdout).map(|flags| flags & rustix::fs::OFlags::RWMODE);
    if access == Ok(rustix::fs::OFlags::RDONLY) {
        return true;
    }
    let (Ok(found), Ok(null)) = (rustix::fs::fstat(&stdout), rustix::fs::stat("/dev/null")) else {
        return false;
    };
    let same =
        found.st_rdev == null.st_rdev && found.st_ino == null.st_ino && found.st_dev == null.st_dev;
    same && access == Ok(rustix::fs::OFlags::RDWR)
}

fn write_stdout(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = Stdout;
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| not_delivered(&error))
}

fn not_delivered(error: &io::Error) -> CliError {
    CliError::new(
        Class::Failed,
        "not_delivered",
        "stdout did not take the output",
    )
    .cause(error.to_string())
}

fn print_stderr<'a>(lines: impl Iterator<Item = &'a str>) {
    let text: String = lines
        .map(|line| format!("warden: {}\n", on_one_line(line)))
        .collect();
    write_stderr(&text);
}

fn write_stderr(text: &str) {
    // When stderr is gone there is nobody left to tell; the exit status still says it.
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Makes control characters and direction marks visible; newline and tab stay.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The same for a value that stands on one line: a newline would forge the next one.
pub(crate) fn on_one_line(text: &str) -> String {
    escaped(text).replace('\n', "\\n")
}

/// JSON escapes C0 itself. The rest of what moves a cursor can only stand inside a string.
fn escaped_json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            c if hidden(c) => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                units
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out + "\n"
}

/// Control characters, direction marks and what has no width.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_json, on_one_line};

    #[test]
    fn nothing_can_move_the_cursor_or_turn_the_line_around() {
        assert_eq!(
            escaped("a\x1b[31m\u{202e}\r\x07b\u{9b}"),
            "a\\u{1b}[31m\\u{202e}\\u{d}\\u{7}b\\u{9b}"
        );
        assert_eq!(escaped("é\tx\n"), "é\tx\n");
        assert_eq!(on_one_line("a\nb"), "a\\nb");
    }

    #[test]
    fn json_holds_nothing_raw_and_means_the_same() {
        let value = serde_json::json!({"a\u{9b}": "é\x1b\u{2028}\u{202e}\u{7f}\u{e0041}\n"});
        let text = escaped_json(&value);
        assert_eq!(
            text,
            "{\"a\\u009b\":\"é\\u001b\\u2028\\u202e\\u007f\\udb40\\udc41\\n\"}\n"
        );
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, value);
    }
}
