//! What an inventory says, what it refuses, and which files an answer was read from.

mod actor_rules;
mod digest;
mod reading;
mod type_rules;

use crate::scene::{Inventory, actor};
use warden_core::diagnostic::Problem;
use warden_core::failure::Failure;
use warden_core::inventory::InventoryError;

/// The two lines every actor's file in these tables begins with; the third is the row's.
const BEGIN: &str = "type = \"agt\"\nprincipals = [\"one\"]\n";

/// The one problem of an error.
fn only_problem(error: InventoryError) -> Problem {
    assert_eq!(error.reason(), "inventory_malformed");
    match error {
        InventoryError::Problems(problems) if problems.len() == 1 => problems[0].clone(),
        other => panic!("{other:?}"),
    }
}

/// What is wrong with a file of an inventory, as `path:line:col: message`, the path relative to the
/// inventory. Reading one actor and reading all must say the same.
fn wrong_in(files: &[(&str, &str)], name: &str) -> String {
    let inventory = Inventory::of(files.iter().copied());
    let all = only_problem(inventory.path().load().unwrap_err());
    let one = only_problem(inventory.path().standing_of(&actor(name)).unwrap_err());
    assert_eq!(one, all);
    relative(&inventory, &all)
}

fn relative(inventory: &Inventory, problem: &Problem) -> String {
    let root = format!("{}/", inventory.directory().display());
    let text = problem.to_string();
    text.strip_prefix(&root).unwrap().to_owned()
}

/// Compares what each text is found wrong with; `...` at the end of a row stands for the rest, where
/// the TOML reader lists every key there is.
fn assert_each(rows: &[(&str, &str)], place: &str, found: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let found = found(text);
        let expected = format!("{place}{expected}");
        let same = match expected.strip_suffix("...") {
            Some(beginning) => found.starts_with(beginning),
            None => found == expected,
        };
        if !same {
            wrong.push(format!("{text}\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
