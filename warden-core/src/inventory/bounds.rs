//! Turns what a file says into an actor and its bounds, or names the rule that is broken.
//!
//! - No default is wider than the type's ceiling and its extension set.
//! - An empty list never means "any": it is an error, except for extensions, where it means none.

use super::actor::{Actor, ActorName, ActorType, Defined};
use super::parsed::{Day, Located, ParsedActor, ParsedType, ParsedTypes};
use crate::certificate::{
    CriticalOptions, Extension, Extensions, Fingerprint, ForceCommand, Principal, Principals,
    SourceAddress, Ttl, UnixTime,
};
use crate::diagnostic::{Problem, SourceText};
use chrono::NaiveDate;
use std::ops::Range;

/// What holds for every actor of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeBounds {
    /// The longest time to live; never above the type's ceiling.
    pub max_ttl: Ttl,
    /// The extensions an actor has unless it names fewer.
    pub extensions: Extensions,
}

/// The bounds of the three types, in the order of [`ActorType::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types([TypeBounds; 3]);

impl Default for Types {
    fn default() -> Self {
        let built_in = |one: ActorType| TypeBounds {
            max_ttl: one.ceiling(),
            extensions: one.built_in_extensions(),
        };
        Self(ActorType::ALL.map(built_in))
    }
}

impl Types {
    /// The bounds of one type.
    pub fn of(&self, actor_type: ActorType) -> &TypeBounds {
        match actor_type {
            ActorType::Adm => &self.0[0],
            ActorType::Agt => &self.0[1],
            ActorType::Atm => &self.0[2],
        }
    }

    /// Applies type settings to the built-in bounds.
    pub(super) fn build(source: &SourceText, parsed: ParsedTypes) -> Result<Self, Problem> {
        let mut types = Self::default();
        let settings = types.0.iter_mut().zip(ActorType::ALL).zip(parsed);
        for ((bounds, actor_type), parsed) in settings {
            let Some(ParsedType {
                max_ttl,
                extensions,
            }) = parsed
            else {
                continue;
            };
            if let Some(asked) = max_ttl {
                let max_ttl = ttl(source, &asked)?;
                let ceiling = actor_type.ceiling();
                if max_ttl > ceiling {
                    let message = format!(
                        "max_ttl {max_ttl} is over the ceiling of type `{actor_type}`, {ceiling}"
                    );
                    let hint = "a ceiling may be lowered here, never raised";
                    return Err(source.problem(&asked.at, message).with_hint(hint));
                }
                bounds.max_ttl = max_ttl;
            }
            if let Some(names) = extensions {
                bounds.extensions = extension_set(source, &names)?;
            }
        }
        Ok(types)
    }
}

impl Actor {
    /// Judges what a file says about the actor `name`.
    pub(super) fn build(
        source: &SourceText,
        name: &ActorName,
        types: &Types,
        parsed: ParsedActor,
    ) -> Result<Self, Problem> {
        let whole = parsed.at.clone();
        let missing = |key: &str, example: &str| {
            source
                .problem(&whole, format!("`{name}` has no `{key}`"))
                .with_hint(format!("add a line such as {example}"))
        };
        let actor_type = name.actor_type();
        let example = format!("type = \"{actor_type}\"");
        let said = parsed
            .actor_type
            .as_ref()
            .ok_or_else(|| missing("type", &example))?;
        if said.value != actor_type.as_str() {
            let message = format!(
                "type `{}` disagrees with the name `{name}`, which begins with `{actor_type}`",
                said.value
            );
            return Err(source.problem(&said.at, message));
        }
        let bounds = types.of(actor_type);
        let listed = parsed
            .principals
            .as_ref()
            .ok_or_else(|| missing("principals", "principals = [\"role\"]"))?;
        let (ttl, max_ttl, min_ttl) = time_bounds(source, &parsed, actor_type, bounds)?;
        Ok(Self {
            name: name.clone(),
            principals: principals(source, listed)?,
            ttl,
            max_ttl,
            min_ttl,
            extensions: actor_extensions(source, actor_type, bounds, parsed.extensions.as_deref())?,
            critical_options: critical_options(source, &parsed)?,
            public_keys: parsed
                .public_keys
                .as_ref()
                .map(|list| pinned_keys(source, list))
                .transpose()?,
            disabled: parsed.disabled,
            expires: parsed
                .expires
                .as_ref()
                .map(|day| midnight(source, day))
                .transpose()?,
            description: parsed
                .description
                .as_ref()
                .map(|text| plain_text(source, text))
                .transpose()?,
            subjects: subjects(source, &parsed.subjects)?,
            owner: parsed
                .owner
                .as_ref()
                .map(|text| plain_text(source, text))
                .transpose()?,
            reviewed: parsed
                .reviewed
                .as_ref()
                .map(|day| midnight(source, day))
                .transpose()?,
            place: Defined {
                file: source.path().display().to_string(),
                principals_line: line_of(source, &listed.at),
            },
        })
    }
}

fn line_of(source: &SourceText, at: &Range<usize>) -> usize {
    source.line_of(at.start)
}

fn ttl(source: &SourceText, text: &Located<String>) -> Result<Ttl, Problem> {
    Ttl::parse(&text.value).map_err(|error| source.problem(&text.at, error.to_string()))
}

/// Default, longest and shortest time to live, none above the type's.
fn time_bounds(
    source: &SourceText,
    parsed: &ParsedActor,
    actor_type: ActorType,
    bounds: &TypeBounds,
) -> Result<(Ttl, Ttl, Option<Ttl>), Problem> {
    let within_type = |key: &str, value: Ttl, at: &Range<usize>| {
        if value <= bounds.max_ttl {
            return Ok(value);
        }
        let message = format!(
            "{key} {value} is over the ceiling of type `{actor_type}`, {}",
            bounds.max_ttl
        );
        Err(source.problem(at, message))
    };
    let default = match (&parsed.ttl, &parsed.ttl_hours) {
        (Some(_), Some(hours)) => {
            return Err(source.problem(&hours.at, "both `ttl` and `ttl_hours` are given; keep one"));
        }
        (Some(text), None) => Some((
            within_type("ttl", ttl(source, text)?, &text.at)?,
            text.at.clone(),
        )),
        (None, Some(hours)) => {
            let value = hours.value.checked_mul(3600).and_then(Ttl::from_seconds);
            let value = value.ok_or_else(|| {
                source.problem(
                    &hours.at,
                    format!("ttl_hours {} is no time to live", hours.value),
                )
            })?;
            Some((
                within_type("ttl_hours", value, &hours.at)?,
                hours.at.clone(),
            ))
        }
        (None, None) => None,
    };
    let longest = match &parsed.max_ttl {
        Some(text) => Some((
            within_type("max_ttl", ttl(source, text)?, &text.at)?,
            text.at.clone(),
        )),
        None => None,
    };
    let max_ttl = match (&longest, &default) {
        (Some((longest, _)), _) => *longest,
        (None, Some((default, _))) => *default,
        (None, None) => bounds.max_ttl,
    };
    let value = match &default {
        Some((value, at)) if *value > max_ttl => {
            return Err(source.problem(
                at,
                format!("ttl {value} is over this actor's max_ttl, {max_ttl}"),
            ));
        }
        Some((value, _)) => *value,
        None => max_ttl,
    };
    let min_ttl = parsed
        .min_ttl
        .as_ref()
        .map(|text| ttl(source, text).map(|min| (min, text.at.clone())))
        .transpose()?;
    if let Some((min, at)) = &min_ttl
        && *min > value
    {
        return Err(source.problem(
            at,
            format!("min_ttl {min} is over this actor's ttl, {value}"),
        ));
    }
    Ok((value, max_ttl, min_ttl.map(|(min, _)| min)))
}

fn principals(
    source: &SourceText,
    listed: &Located<Vec<Located<String>>>,
) -> Result<Principals, Problem> {
    let mut found = Vec::with_capacity(listed.value.len());
    for text in &listed.value {
        let one = Principal::new(&text.value)
            .map_err(|error| source.problem(&text.at, error.to_string()))?;
        if found.contains(&one) {
            return Err(source.problem(
                &text.at,
                format!("principal `{one}` stands twice in the list"),
            ));
        }
        found.push(one);
    }
    Principals::new(found).map_err(|error| source.problem(&listed.at, error.to_string()))
}

fn extension_set(source: &SourceText, names: &[Located<String>]) -> Result<Extensions, Problem> {
    let mut found = Extensions::new();
    for name in names {
        let known = Extension::parse(&name.value).ok_or_else(|| {
            let all = Extension::ALL.map(Extension::as_str).join(", ");
            let message = format!("`{}` is not an extension OpenSSH knows", name.value);
            source
                .problem(&name.at, message)
                .with_hint(format!("one of {all}"))
        })?;
        if !found.insert(known) {
            return Err(source.problem(
                &name.at,
                format!("extension `{known}` stands twice in the list"),
            ));
        }
    }
    Ok(found)
}

fn actor_extensions(
    source: &SourceText,
    actor_type: ActorType,
    bounds: &TypeBounds,
    names: Option<&[Located<String>]>,
) -> Result<Extensions, Problem> {
    let Some(names) = names else {
        return Ok(bounds.extensions.clone());
    };
    let found = extension_set(source, names)?;
    let beyond = |name: &&Located<String>| {
        Extension::parse(&name.value).is_some_and(|one| !bounds.extensions.contains(&one))
    };
    if let Some(name) = names.iter().find(beyond) {
        let message = format!(
            "extension `{}` is not among those of type `{actor_type}`",
            name.value
        );
        let hint = format!(
            "an actor only narrows its type; the type's set is `[{actor_type}] extensions` in types.toml"
        );
        return Err(source.problem(&name.at, message).with_hint(hint));
    }
    Ok(found)
}

fn critical_options(source: &SourceText, parsed: &ParsedActor) -> Result<CriticalOptions, Problem> {
    let force_command = match &parsed.force_command {
        Some(text) => Some(
            ForceCommand::new(&text.value)
                .map_err(|error| source.problem(&text.at, error.to_string()))?,
        ),
        None => None,
    };
    let source_address = match &parsed.source_address {
        Some(list) => {
            // One by one first, so that a bad entry is pointed at by itself.
            for entry in &list.value {
                SourceAddress::new([entry.value.as_str()])
                    .map_err(|error| source.problem(&entry.at, error.to_string()))?;
            }
            let all = list.value.iter().map(|entry| entry.value.as_str());
            Some(
                SourceAddress::new(all)
                    .map_err(|error| source.problem(&list.at, error.to_string()))?,
            )
        }
        None => None,
    };
    Ok(CriticalOptions {
        force_command,
        source_address,
        verify_required: parsed.verify_required,
    })
}

fn pinned_keys(
    source: &SourceText,
    list: &Located<Vec<Located<String>>>,
) -> Result<Vec<Fingerprint>, Problem> {
    let mut found = Vec::with_capacity(list.value.len());
    for text in &list.value {
        let key = Fingerprint::parse(&text.value).ok_or_else(|| {
            let message = format!("`{}` is not a SHA-256 fingerprint", text.value);
            source
                .problem(&text.at, message)
                .with_hint("`ssh-keygen -l -f KEY.pub` prints it, beginning with SHA256:")
        })?;
        if found.contains(&key) {
            return Err(source.problem(&text.at, format!("key {key} stands twice in the list")));
        }
        found.push(key);
    }
    if found.is_empty() {
        return Err(source.problem(
            &list.at,
            "the list of keys is empty; leave the key out to allow any",
        ));
    }
    Ok(found)
}

fn subjects(source: &SourceText, list: &[Located<String>]) -> Result<Vec<String>, Problem> {
    let mut found: Vec<String> = Vec::with_capacity(list.len());
    for text in list {
        let graphic = text.value.chars().all(|c| c.is_ascii_graphic());
        if text.value.is_empty() || text.value.len() > 256 || !graphic {
            return Err(source.problem(
                &text.at,
                "a subject is 1 to 256 printable characters without a blank",
            ));
        }
        if found.contains(&text.value) {
            return Err(source.problem(
                &text.at,
                format!("subject `{}` stands twice in the list", text.value),
            ));
        }
        found.push(text.value.clone());
    }
    Ok(found)
}

fn plain_text(source: &SourceText, text: &Located<String>) -> Result<String, Problem> {
    match text.value.chars().find(|c| c.is_control()) {
        Some(found) => Err(source.problem(
            &text.at,
            format!("the text holds the control character {found:?}"),
        )),
        None => Ok(text.value.clone()),
    }
}

fn midnight(source: &SourceText, day: &Located<Day>) -> Result<UnixTime, Problem> {
    let Day {
        year,
        month,
        day: number,
    } = day.value;
    NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(number))
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .and_then(|time| u64::try_from(time.and_utc().timestamp()).ok())
        .map(UnixTime)
        .ok_or_else(|| source.problem(&day.at, "there is no such day after 1970"))
}
