//! The tables in `tests/decisions`: an inventory, requests, and what is decided about each.

use crate::scene::{Inventory, actor, principals, ttl, user_key};
use std::path::{Path, PathBuf};
use warden_core::authorize::{Authorization, Decision, authorize};
use warden_core::certificate::UnixTime;
use warden_core::failure::Failure;
use warden_core::request::CertificateRequest;
use warden_core::revocation::Revocations;

/// A table and the inventory above it.
struct Table {
    path: PathBuf,
    files: Vec<(String, String)>,
    rows: Vec<Row>,
}

/// One row: a request, its moment, and the decision in words.
struct Row {
    line: usize,
    request: String,
    at: String,
    decision: Vec<String>,
}

fn tables() -> Vec<Table> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| table(path)).collect()
}

fn table(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = Table {
        path: path.to_owned(),
        files: Vec::new(),
        rows: Vec::new(),
    };
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            if let Some(name) = info.strip_prefix("toml ") {
                found.files.push((name.to_owned(), String::new()));
            }
            inside = !info.is_empty();
        } else if inside {
            let (_, content) = found.files.last_mut().unwrap();
            content.push_str(line);
            content.push('\n');
        } else if line.starts_with("| `") {
            found.rows.push(row(number + 1, line));
        }
    }
    found
}

fn row(number: usize, line: &str) -> Row {
    let cells = line.trim_matches('|').split('|');
    let mut cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned());
    Row {
        line: number,
        request: cells.next().unwrap(),
        at: cells.next().unwrap(),
        decision: cells.collect(),
    }
}

/// `ACTOR [--ttl TTL] [--principal NAME]... [--key NUMBER]`, where the key is number 1 if none is named.
fn request(text: &str) -> CertificateRequest {
    let mut words = text.split(' ');
    let name = actor(words.next().unwrap());
    let (mut asked_ttl, mut asked_principals, mut key) = (None, Vec::new(), 1);
    while let (Some(flag), Some(value)) = (words.next(), words.next()) {
        match flag {
            "--ttl" => asked_ttl = Some(ttl(value)),
            "--principal" => asked_principals.push(value),
            "--key" => key = value.parse().unwrap(),
            other => panic!("{other}"),
        }
    }
    let mut request = CertificateRequest::new(name, user_key(key));
    if let Some(ttl) = asked_ttl {
        request = request.with_ttl(ttl);
    }
    if !asked_principals.is_empty() {
        request = request.with_principals(principals(&asked_principals));
    }
    request
}

fn moment(text: &str) -> UnixTime {
    let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
    UnixTime(u64::try_from(time.timestamp()).unwrap())
}

/// The words of the columns after the moment: decision, principals, ttl, extensions, options.
fn in_words(decision: &Decision, now: UnixTime) -> Vec<String> {
    let none = || "-".to_owned();
    match decision {
        Decision::Deny(denial) => {
            let words = [format!("deny {}", denial.reason())];
            words.into_iter().chain((0..4).map(|_| none())).collect()
        }
        Decision::Allow(terms) => {
            assert_eq!(terms.ttl_at(now), Some(terms.ttl()));
            let or_none = |text: String| if text.is_empty() { none() } else { text };
            vec![
                "allow".to_owned(),
                terms.principals().to_string(),
                terms.ttl().to_string(),
                or_none(joined(terms.extensions().iter().map(ToString::to_string))),
                or_none(options(terms)),
            ]
        }
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn options(terms: &Authorization) -> String {
    let options = terms.critical_options().to_map().into_iter();
    joined(options.map(|(name, value)| format!("{name} {value}").trim_end().to_owned()))
}

#[test]
fn every_table_is_decided_as_it_says() {
    let mut wrong = Vec::new();
    for table in tables() {
        let files = table.files.iter();
        let inventory = Inventory::of(files.map(|(name, text)| (name.as_str(), text.as_str())));
        inventory.path().load().unwrap();
        for row in &table.rows {
            let request = request(&row.request);
            let standing = inventory.path().standing(request.holder()).unwrap();
            let now = moment(&row.at);
            let decision = in_words(
                &authorize(request, &standing, &Revocations::none(), now),
                now,
            );
            if decision != row.decision {
                wrong.push(format!(
                    "{}:{}: {} at {}\n  table:   {:?}\n  decided: {decision:?}",
                    table.path.display(),
                    row.line,
                    row.request,
                    row.at,
                    row.decision
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_table_and_no_row_is_overlooked() {
    let tables = tables();
    assert!(tables.len() >= 6);
    assert!(tables.iter().all(|table| !table.files.is_empty()));
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    assert!(rows >= 60, "{rows}");
    for table in &tables {
        let text = std::fs::read_to_string(&table.path).unwrap();
        // Beside the rows only the head of a table and the line under it begin with a bar.
        let bars = text.lines().filter(|line| line.starts_with('|')).count();
        let heads = text.lines().filter(|line| line.starts_with("|---")).count();
        assert_eq!(bars, table.rows.len() + 2 * heads, "{:?}", table.path);
    }
}

#[test]
fn every_reason_of_a_denial_stands_in_a_table() {
    let rows = tables().into_iter().flat_map(|table| table.rows);
    let decisions: Vec<_> = rows.map(|row| row.decision[0].clone()).collect();
    for reason in [
        "unknown_actor_resource",
        "actor_disabled",
        "actor_expired",
        "key_not_pinned",
        "principal_not_allowed",
        "ttl_out_of_bounds",
    ] {
        assert!(decisions.contains(&format!("deny {reason}")), "{reason}");
    }
}
