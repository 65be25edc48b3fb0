//! What an inventory file says, apart from the syntax it says it in.
//!
//! - Every value keeps its place in the file, so that a rule broken later can point at it.
//! - Nothing is judged here.

use std::ops::Range;

/// A value and the bytes of the file it came from.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// A day of the calendar, not yet known to exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// One actor as its file has it.
#[derive(Debug, Clone, Default)]
pub(super) struct ParsedActor {
    /// The actor as a whole, for what is missing.
    pub(super) at: Range<usize>,
    pub(super) actor_type: Option<Located<String>>,
    pub(super) principals: Option<Located<Vec<Located<String>>>>,
    pub(super) ttl: Option<Located<String>>,
    pub(super) ttl_hours: Option<Located<u64>>,
    pub(super) max_ttl: Option<Located<String>>,
    pub(super) min_ttl: Option<Located<String>>,
    pub(super) description: Option<Located<String>>,
    pub(super) extensions: Option<Vec<Located<String>>>,
    pub(super) force_command: Option<Located<String>>,
    pub(super) source_address: Option<Located<Vec<Located<String>>>>,
    pub(super) verify_required: bool,
    pub(super) public_keys: Option<Located<Vec<Located<String>>>>,
    pub(super) subjects: Vec<Located<String>>,
    pub(super) disabled: bool,
    pub(super) expires: Option<Located<Day>>,
    pub(super) owner: Option<Located<String>>,
    pub(super) reviewed: Option<Located<Day>>,
}

/// Settings of one actor type.
#[derive(Debug, Clone, Default)]
pub(super) struct ParsedType {
    pub(super) max_ttl: Option<Located<String>>,
    pub(super) extensions: Option<Vec<Located<String>>>,
}

/// Settings of the three types, in the order of `ActorType::ALL`.
pub(super) type ParsedTypes = [Option<ParsedType>; 3];
