//! Inventory files in TOML.
//!
//! - Strict: an unknown key, a key twice or a value of the wrong kind is an error at its place.
//! - Gives the parsed form and judges nothing.

use super::parsed::{Day, Located, ParsedActor, ParsedType, ParsedTypes};
use crate::diagnostic::{Problem, SourceText};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::value::Datetime;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorTable {
    #[serde(rename = "type")]
    actor_type: Option<Spanned<String>>,
    principals: Option<Spanned<Vec<Spanned<String>>>>,
    ttl: Option<Spanned<String>>,
    ttl_hours: Option<Spanned<u64>>,
    max_ttl: Option<Spanned<String>>,
    min_ttl: Option<Spanned<String>>,
    description: Option<Spanned<String>>,
    extensions: Option<Vec<Spanned<String>>>,
    force_command: Option<Spanned<String>>,
    source_address: Option<Spanned<Vec<Spanned<String>>>>,
    verify_required: Option<bool>,
    public_keys: Option<Spanned<Vec<Spanned<String>>>>,
    subjects: Option<Vec<Spanned<String>>>,
    disabled: Option<bool>,
    expires: Option<Spanned<Datetime>>,
    owner: Option<Spanned<String>>,
    reviewed: Option<Spanned<Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeTable {
    max_ttl: Option<Spanned<String>>,
    extensions: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypesTable {
    adm: Option<TypeTable>,
    agt: Option<TypeTable>,
    atm: Option<TypeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SingleFile {
    #[serde(default)]
    types: TypesTable,
    actors: BTreeMap<Spanned<String>, ActorTable>,
}

/// Reads a file that holds one actor.
pub(super) fn actor(source: &SourceText) -> Result<ParsedActor, Problem> {
    source.refuse_leftovers()?;
    convert_actor(source, 0..0, read(source)?)
}

/// Reads the type settings.
pub(super) fn types(source: &SourceText) -> Result<ParsedTypes, Problem> {
    source.refuse_leftovers()?;
    Ok(convert_types(read(source)?))
}

/// The content of a single-file inventory: type settings, and each actor under its name.
pub(super) type ParsedInventory = (ParsedTypes, Vec<(Located<String>, ParsedActor)>);

/// Reads a whole inventory from one file.
pub(super) fn single_file(source: &SourceText) -> Result<ParsedInventory, Problem> {
    source.refuse_leftovers()?;
    let file: SingleFile = read(source)?;
    let mut actors = Vec::with_capacity(file.actors.len());
    for (name, table) in file.actors {
        let name = located(name);
        let actor = convert_actor(source, name.at.clone(), table)?;
        actors.push((name, actor));
    }
    Ok((convert_types(file.types), actors))
}

/// Reads any table; an error is put at its place.
pub(super) fn read<T: serde::de::DeserializeOwned>(source: &SourceText) -> Result<T, Problem> {
    toml::from_str(source.text()).map_err(|error| match error.span() {
        Some(at) => source.problem(&at, first_line(error.message())),
        None => source.problem_of_file(first_line(error.message())),
    })
}

fn first_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join("; ")
}

fn located<T>(spanned: Spanned<T>) -> Located<T> {
    let at = spanned.span();
    Located {
        value: spanned.into_inner(),
        at,
    }
}

fn texts(list: Vec<Spanned<String>>) -> Vec<Located<String>> {
    list.into_iter().map(located).collect()
}

fn list(spanned: Spanned<Vec<Spanned<String>>>) -> Located<Vec<Located<String>>> {
    let outer = located(spanned);
    Located {
        at: outer.at,
        value: texts(outer.value),
    }
}

fn day(source: &SourceText, spanned: Spanned<Datetime>) -> Result<Located<Day>, Problem> {
    let Located { value, at } = located(spanned);
    match value {
        Datetime {
            date: Some(date),
            time: None,
            offset: None,
        } => Ok(Located {
            value: Day {
                year: date.year,
                month: date.month,
                day: date.day,
            },
            at,
        }),
        _ => Err(source
            .problem(&at, "expected a day, found a time")
            .with_hint("write the day alone, such as 2027-01-01; it means 00:00 UTC")),
    }
}

fn convert_actor(
    source: &SourceText,
    at: std::ops::Range<usize>,
    table: ActorTable,
) -> Result<ParsedActor, Problem> {
    Ok(ParsedActor {
        at,
        actor_type: table.actor_type.map(located),
        principals: table.principals.map(list),
        ttl: table.ttl.map(located),
        ttl_hours: table.ttl_hours.map(located),
        max_ttl: table.max_ttl.map(located),
        min_ttl: table.min_ttl.map(located),
        description: table.description.map(located),
        extensions: table.extensions.map(texts),
        force_command: table.force_command.map(located),
        source_address: table.source_address.map(list),
        verify_required: table.verify_required.unwrap_or(false),
        public_keys: table.public_keys.map(list),
        subjects: table.subjects.map(texts).unwrap_or_default(),
        disabled: table.disabled.unwrap_or(false),
        expires: table.expires.map(|one| day(source, one)).transpose()?,
        owner: table.owner.map(located),
        reviewed: table.reviewed.map(|one| day(source, one)).transpose()?,
    })
}

fn convert_types(table: TypesTable) -> ParsedTypes {
    [table.adm, table.agt, table.atm].map(|one| {
        one.map(|one| ParsedType {
            max_ttl: one.max_ttl.map(located),
            extensions: one.extensions.map(texts),
        })
    })
}
