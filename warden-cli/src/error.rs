//! An error on its way to the user.

use crate::output::Report;
use serde_json::json;
use warden_core::diagnostic::Problem;
use warden_core::failure::{Class, Failure};

/// Everything that is said about a failure.
#[derive(Debug)]
pub(crate) struct CliError {
    class: Class,
    reason: &'static str,
    message: Box<str>,
    excerpts: Vec<Excerpt>,
    causes: Vec<String>,
    hints: Vec<String>,
    report: Option<Box<Report>>,
}

/// A problem in a file, beyond its message.
#[derive(Debug)]
struct Excerpt {
    message: Option<String>,
    lines: Option<(String, String)>,
}

impl CliError {
    /// An error of the command line itself.
    pub(crate) fn new(class: Class, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into().into_boxed_str(),
            excerpts: Vec::new(),
            causes: Vec::new(),
            hints: Vec::new(),
            report: None,
        }
    }

    /// Problems in files, each with its line.
    pub(crate) fn from_problems(reason: &'static str, problems: &[Problem]) -> Self {
        let Some((first, rest)) = problems.split_first() else {
            return Self::new(Class::Malformed, reason, "something is wrong with a file");
        };
        let mut error = Self::new(Class::Malformed, reason, first.to_string());
        error.excerpts.push(Excerpt {
            message: None,
            lines: first.excerpt(),
        });
        let others = rest.iter().map(|one| Excerpt {
            message: Some(one.to_string()),
            lines: one.excerpt(),
        });
        error.excerpts.extend(others);
        for hint in problems.iter().filter_map(|one| one.hint.clone()) {
            if !error.hints.contains(&hint) {
                error.hints.push(hint);
            }
        }
        error
    }

    /// Adds something to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what the command has to say all the same; it goes to stdout.
    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// What the command has to say all the same.
    pub(crate) fn report(&self) -> Option<&Report> {
        self.report.as_deref()
    }

    /// Adds why it happened.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same error as another class: a command that only checks fails with status 1.
    pub(crate) fn with_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The stable token.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    /// The exit status.
    pub(crate) fn exit_status(&self) -> u8 {
        self.class.exit_status()
    }

    /// The lines for a person, without the program's name.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {} ({})", self.message, self.reason)];
        // Before the excerpts: a cause may be what names the place of one.
        lines.extend(
            self.causes
                .iter()
                .map(|cause| format!("caused by: {cause}")),
        );
        for excerpt in &self.excerpts {
            if let Some(message) = &excerpt.message {
                lines.push(format!("error: {message}"));
            }
            if let Some((line, caret)) = &excerpt.lines {
                lines.push(format!("  {line}"));
                lines.push(format!("  {caret}"));
            }
        }
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }

    /// The object for a program.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let others = self
            .excerpts
            .iter()
            .filter_map(|excerpt| excerpt.message.clone());
        let message = [self.message.to_string()]
            .into_iter()
            .chain(others)
            .collect::<Vec<_>>()
            .join("; ");
        let message = [message]
            .into_iter()
            .chain(self.causes.iter().cloned())
            .collect::<Vec<_>>()
            .join(": ");
        json!({"error": {
            "code": self.exit_status(),
            "kind": self.class.as_str(),
            "reason": self.reason,
            "message": message,
            "hints": self.hints,
        }})
    }
}

impl<F: Failure> From<F> for CliError {
    fn from(failure: F) -> Self {
        let mut error = Self::new(failure.class(), failure.reason(), failure.to_string());
        let mut said = error.message.to_string();
        let mut source = std::error::Error::source(&failure);
        while let Some(cause) = source {
            let text = cause.to_string();
            // An error that shows its cause in its own text has said it already.
            if !said.ends_with(&text) {
                error.causes.push(text.clone());
            }
            said = text;
            source = cause.source();
        }
        if let Some(problem) = failure.excerpt() {
            error.excerpts.push(Excerpt {
                message: None,
                lines: problem.excerpt(),
            });
        }
        error.hints = failure.hints();
        error
    }
}
