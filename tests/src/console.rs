//! Markdown whose console blocks are executed: what a page shows is what happens.
//!
//! In a fenced block marked `console`, a line `$ command` is run by `sh` in a sandbox, with `warden`
//! first on the path. Lines `> more` continue it. What follows, up to the next `$`, is everything
//! it writes, errors included. A line `? 3` after that is the status it ends with; 0 goes without
//! saying. `[..]` stands for any part of a line, a line `...` for any lines. All blocks of a page run
//! in order in one directory.
//!
//! With `WARDEN_UPDATE_TRANSCRIPTS=1` a page that differs is rewritten; lines that still match stay.

use crate::bao::Bao;
use crate::sandbox::{Sandbox, warden_binary};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A piece of a page.
#[derive(Debug)]
enum Piece {
    /// Lines that are only read.
    Prose(String),
    /// A command and what it is said to do.
    Command {
        typed: String,
        output: Vec<String>,
        status: i32,
    },
}

/// Runs every console block of a page, and panics with a comparison where the page is wrong.
#[track_caller]
pub fn check_page(page: &Path) {
    check_page_in(page, &Sandbox::new());
}

/// As [`check_page`], in a sandbox that holds something already.
#[track_caller]
pub fn check_page_in(page: &Path, sandbox: &Sandbox) {
    check_page_with(page, sandbox, &[]);
}

/// As [`check_page_in`], with variables that the reader is told to set.
#[track_caller]
pub fn check_page_with(page: &Path, sandbox: &Sandbox, variables: &[(&str, String)]) {
    let text = match std::fs::read_to_string(page) {
        Ok(text) => text,
        Err(error) => panic!("cannot read {}: {error}", page.display()),
    };
    let update = std::env::var_os("WARDEN_UPDATE_TRANSCRIPTS").is_some_and(|value| value == "1");
    let mut rewritten = String::new();
    let mut wrong = Vec::new();
    let mut commands = 0;
    for piece in pieces(&text) {
        let (typed, output, status) = match piece {
            Piece::Prose(line) => {
                rewritten += &line;
                continue;
            }
            Piece::Command {
                typed,
                output,
                status,
            } => (typed, output, status),
        };
        commands += 1;
        let (found, found_status) = execute(sandbox, &typed, variables);
        if !matches(&output, &found) || status != found_status {
            wrong.push(comparison(
                &typed,
                (&output, status),
                (&found, found_status),
            ));
        }
        let kept = if matches(&output, &found) {
            output
        } else {
            merged(&output, &found)
        };
        rewritten += &format!("$ {}\n", typed.replace('\n', "\n> "));
        kept.iter()
            .for_each(|line| rewritten += &format!("{line}\n"));
        if found_status != 0 {
            rewritten += &format!("? {found_status}\n");
        }
    }
    assert!(commands > 0, "{} holds no command", page.display());
    if wrong.is_empty() {
        return;
    }
    if !update {
        panic!(
            "{} is not what happens:\n{}",
            page.display(),
            wrong.join("\n")
        );
    }
    if let Err(error) = std::fs::write(page, rewritten) {
        panic!("cannot rewrite {}: {error}", page.display());
    }
}

/// Takes a page apart. Put together again, the pieces give the same text.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !inside || fence {
            inside = fence && !inside && line.trim() == "```console";
            pieces.push(Piece::Prose(format!("{line}\n")));
            continue;
        }
        if let Some(typed) = line.strip_prefix("$ ") {
            pieces.push(Piece::Command {
                typed: typed.to_owned(),
                output: Vec::new(),
                status: 0,
            });
            continue;
        }
        let Some(Piece::Command {
            typed,
            output,
            status,
        }) = pieces.last_mut()
        else {
            pieces.push(Piece::Prose(format!("{line}\n")));
            continue;
        };
        let said_status = line.strip_prefix("? ").and_then(|code| code.parse().ok());
        match (line.strip_prefix("> "), said_status) {
            (Some(more), _) if output.is_empty() => *typed += &format!("\n{more}"),
            (_, Some(said)) => *status = said,
            _ => output.push(line.to_owned()),
        }
    }
    pieces
}

#[track_caller]
fn execute(sandbox: &Sandbox, typed: &str, variables: &[(&str, String)]) -> (Vec<String>, i32) {
    let mut path = OsString::from(warden_binary().parent().unwrap_or(Path::new("/")));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    if let Ok(bao) = Bao::program() {
        path.push(":");
        path.push(bao.parent().unwrap_or(Path::new("/")));
    }
    let mut shell = sandbox
        .program("sh")
        .args(["-c", &format!("exec 2>&1\n{typed}")])
        .env("PATH", path)
        .timeout(TIMEOUT);
    for (name, value) in variables {
        shell = shell.env(name, value);
    }
    let outcome = shell.run();
    let lines = outcome.stdout.lines().map(str::to_owned).collect();
    // What a shell says of a command that a signal ended.
    let status = outcome.code.or(outcome.signal.map(|signal| 128 + signal));
    (lines, status.unwrap_or(-1))
}

/// Whether lines are as a page has them.
fn matches(page: &[String], found: &[String]) -> bool {
    match page.split_first() {
        None => found.is_empty(),
        Some((any, rest)) if any == "..." => {
            (0..=found.len()).any(|skipped| matches(rest, &found[skipped..]))
        }
        Some((line, rest)) => found
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && matches(rest, others)),
    }
}

fn line_matches(page: &str, found: &str) -> bool {
    let Some((before, after)) = page.split_once("[..]") else {
        return page == found;
    };
    let Some(rest) = found.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| line_matches(after, &rest[at..]))
}

/// The lines found, each as the page has it where the page has it.
fn merged(page: &[String], found: &[String]) -> Vec<String> {
    let mut next = 0;
    found
        .iter()
        .map(|line| {
            let at = page[next..]
                .iter()
                .position(|one| one != "..." && line_matches(one, line));
            match at {
                Some(at) => {
                    next += at + 1;
                    page[next - 1].clone()
                }
                None => line.clone(),
            }
        })
        .collect()
}

fn comparison(typed: &str, page: (&[String], i32), found: (&[String], i32)) -> String {
    let mut text = format!("\n$ {typed}\n");
    let mut next = 0;
    for line in found.0 {
        match page.0[next..]
            .iter()
            .position(|one| line_matches(one, line))
        {
            Some(at) => {
                page.0[next..next + at]
                    .iter()
                    .for_each(|missing| text += &format!("- {missing}\n"));
                next += at + 1;
                text += &format!("  {line}\n");
            }
            None => text += &format!("+ {line}\n"),
        }
    }
    page.0[next..]
        .iter()
        .for_each(|missing| text += &format!("- {missing}\n"));
    if page.1 != found.1 {
        text += &format!("- status {}\n+ status {}\n", page.1, found.1);
    }
    text
}
