//! What a caller must know of any failure: its class, its stable reason, and what to type next.
//!
//! - A reason is a token in `snake_case` that never changes once released; scripts match on it.
//! - The class decides the exit status, and nothing else does.

/// How a failure is to be treated by whoever asked. The command's exit statuses are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A check did not hold, the result could not be delivered, or something unexpected failed.
    Failed,
    /// The question itself is malformed: a flag, a file, a name, a duration, a key.
    Malformed,
    /// Well formed, but refused.
    Refused,
    /// The other side is unreachable or not to be trusted.
    Untrusted,
    /// Changed partly; the message says how to resume.
    Partial,
    /// The decision could not be recorded, and so nothing was issued.
    NotRecorded,
}

impl Class {
    /// The exit status of the command. Documented in `wiki/reference/exit-codes.md`.
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Malformed => 2,
            Self::Refused => 3,
            Self::Untrusted => 4,
            Self::Partial => 5,
            Self::NotRecorded => 6,
        }
    }

    /// The word used for this class in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Malformed => "malformed",
            Self::Refused => "denied",
            Self::Untrusted => "untrusted",
            Self::Partial => "partial",
            Self::NotRecorded => "not_recorded",
        }
    }
}

/// An error that can say what it means to the caller.
pub trait Failure: std::error::Error {
    /// How the failure is to be treated.
    fn class(&self) -> Class;

    /// The stable token of this failure.
    fn reason(&self) -> &'static str;

    /// Things to do next, most useful first; usually a line to type.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// The excerpt of a file that the failure is about.
    fn excerpt(&self) -> Option<&crate::diagnostic::Problem> {
        None
    }
}
