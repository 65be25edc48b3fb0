//! A list of principals that is kept elsewhere, such as a predecessor's `ssh_principals.yaml`.
//!
//! - The schema of such files was never published. Read are the obvious shapes: accounts, each with a
//!   list of principals; as they are, under `ssh_principals:`, and under `hosts:` by host.
//! - Only that much of YAML is read: maps, lists in both forms, plain and quoted words, comments. All
//!   else, such as tabs, anchors, tags and texts over several lines, is refused at its line.

use crate::certificate::Principal;
use crate::diagnostic::{Problem, SourceText};
use crate::inventory::{AccountName, Host};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The largest list, in bytes.
pub const MAX_LISTED_BYTES: usize = 4 * 1024 * 1024;

/// How deep maps may stand in each other; more is no shape that is read.
const MAX_DEPTH: usize = 8;

/// The principals of each account of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    path: PathBuf,
    accounts: BTreeMap<AccountName, BTreeSet<Principal>>,
}

#[derive(Debug)]
enum Node {
    Map(Vec<(Word, Node)>),
    List(Vec<Word>),
}

/// A word and its line.
#[derive(Debug, Clone)]
struct Word {
    text: String,
    line: usize,
}

/// A line with something on it.
#[derive(Debug)]
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

impl Listed {
    /// Reads what a list says about a host.
    ///
    /// # Errors
    /// Names the first line that is not understood, or says that the host is not in the list.
    pub fn read(source: &SourceText, host: &Host) -> Result<Self, Problem> {
        source.refuse_leftovers()?;
        let wrong = |line: usize, message: String| {
            source
                .problem_of_file(format!("line {line}: {message}"))
                .with_hint("read are maps from an account to a list of principals, at the top, under `ssh_principals:`, or under `hosts:` and a host")
        };
        let lines = lines(source.text()).map_err(|(line, message)| wrong(line, message))?;
        let mut rest = lines.as_slice();
        let whole = match rest.first() {
            Some(first) => node(&mut rest, first.indent, 0),
            None => Err((1, "the list is empty".to_owned())),
        };
        let whole = whole.map_err(|(line, message)| wrong(line, message))?;
        if let Some(line) = rest.first() {
            return Err(wrong(
                line.number,
                "it does not belong to what stands before".to_owned(),
            ));
        }
        let accounts = accounts_of(whole, host).map_err(|(line, message)| wrong(line, message))?;
        Ok(Self {
            path: source.path().to_owned(),
            accounts,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountName> {
        self.accounts.keys()
    }

    /// The principals of an account, if it is in the list.
    pub fn principals(&self, account: &AccountName) -> Option<&BTreeSet<Principal>> {
        self.accounts.get(account)
    }
}

type Wrong = (usize, String);

/// The lines with something on them; a `---` may stand first.
fn lines(text: &str) -> Result<Vec<Line<'_>>, Wrong> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(character) = line.chars().find(|c| c.is_control()) {
            return Err((number, format!("it holds {character:?}")));
        }
        let stripped = without_comment(line).trim_end();
        let text = stripped.trim_start_matches(' ');
        if text.is_empty() || (lines.is_empty() && text == "---") {
            continue;
        }
        lines.push(Line {
            number,
            indent: stripped.len() - text.len(),
            text,
        });
    }
    Ok(lines)
}

/// A comment begins at a `#` at the start or after a blank; words with `#` are refused anyway.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| *at == 0 || line.as_bytes().get(at - 1) == Some(&b' ');
    let mut marks = line.match_indices('#').map(|(at, _)| at);
    marks.find(begins).map_or(line, |at| &line[..at])
}

/// Takes the map or list that begins at the first line, all of it indented by `indent`.
fn node(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Node, Wrong> {
    let Some(first) = rest.first() else {
        return Err((1, "nothing is there".to_owned()));
    };
    if depth > MAX_DEPTH {
        return Err((first.number, "it is nested too deep".to_owned()));
    }
    let is_list = first.text.starts_with('-');
    let mut list = Vec::new();
    let mut map: Vec<(Word, Node)> = Vec::new();
    while let Some((line, after)) = rest.split_first() {
        if line.indent < indent {
            break;
        }
        let wrong = |message: &str| (line.number, message.to_owned());
        // The next key after a list that stands right below its own.
        if is_list && line.indent == indent && !line.text.starts_with('-') {
            break;
        }
        if line.indent > indent {
            return Err(wrong("it is indented more than what stands before"));
        }
        *rest = after;
        if is_list {
            let item = line
                .text
                .strip_prefix("- ")
                .ok_or_else(|| wrong("expected `- ` and a principal"))?;
            list.push(word(item.trim(), line.number)?);
            continue;
        }
        let (key, value) = line
            .text
            .split_once(':')
            .ok_or_else(|| wrong("expected a name and `:`"))?;
        let key = word(key.trim_end(), line.number)?;
        if map.iter().any(|(one, _)| one.text == key.text) {
            return Err((line.number, format!("`{}` stands here twice", key.text)));
        }
        let value = match value.trim() {
            "" => match rest.first() {
                // A list may stand right below its key.
                Some(next)
                    if next.indent > indent
                        || (next.indent == indent && next.text.starts_with("- ")) =>
                {
                    node(rest, next.indent, depth + 1)?
                }
                _ => return Err(wrong("nothing follows; write `[]` for an empty list")),
            },
            flow if value.starts_with(' ') => Node::List(flow_list(flow, line.number)?),
            _ => return Err(wrong("expected a blank after `:`")),
        };
        map.push((key, value));
    }
    Ok(if is_list {
        Node::List(list)
    } else {
        Node::Map(map)
    })
}

/// `[a, b]`
fn flow_list(text: &str, line: usize) -> Result<Vec<Word>, Wrong> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or_else(|| (line, format!("`{text}` is not a list")))?;
    match inner.trim().is_empty() {
        true => Ok(Vec::new()),
        false => inner.split(',').map(|one| word(one.trim(), line)).collect(),
    }
}

/// A word, perhaps between quotes.
fn word(text: &str, line: usize) -> Result<Word, Wrong> {
    let unquoted = ['"', '\''].iter().find_map(|quote| {
        text.strip_prefix(*quote)
            .and_then(|text| text.strip_suffix(*quote))
    });
    let inner = unquoted.unwrap_or(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@/+-".contains(c);
    match !inner.is_empty() && inner.chars().all(plain) {
        true => Ok(Word {
            text: inner.to_owned(),
            line,
        }),
        false => Err((
            line,
            format!("`{text}` is not a word of A-Z, a-z, 0-9 and `._@/+-`"),
        )),
    }
}

type Accounts = BTreeMap<AccountName, BTreeSet<Principal>>;

/// Takes off what stands around the accounts of a host.
fn accounts_of(whole: Node, host: &Host) -> Result<Accounts, Wrong> {
    let mut node = whole;
    for wrapper in ["ssh_principals", "hosts"] {
        let Node::Map(entries) = node else {
            return Err((1, "expected a map from an account to a list".to_owned()));
        };
        let wrapped = matches!(entries.as_slice(), [(key, Node::Map(_))] if key.text == wrapper);
        node = match wrapped {
            true => entries
                .into_iter()
                .next()
                .map_or(Node::Map(Vec::new()), |(_, node)| node),
            false => Node::Map(entries),
        };
        if wrapped && wrapper == "hosts" {
            let Node::Map(hosts) = node else {
                return Err((1, "expected a map from a host to its accounts".to_owned()));
            };
            let known = |key: &Word| {
                key.text == host.name().as_str()
                    || host.names().iter().any(|one| one.as_str() == key.text)
            };
            let found = hosts.into_iter().find(|(key, _)| known(key));
            let Some((_, found)) = found else {
                return Err((1, format!("host `{}` is not in the list", host.name())));
            };
            node = found;
        }
    }
    let Node::Map(entries) = node else {
        return Err((1, "expected a map from an account to a list".to_owned()));
    };
    let mut accounts = Accounts::new();
    for (key, value) in entries {
        let account = key.text.parse::<AccountName>();
        let account = account.map_err(|error| (key.line, error.to_string()))?;
        let Node::List(words) = value else {
            return Err((key.line, format!("`{}` is no list of principals", key.text)));
        };
        let mut principals = BTreeSet::new();
        for word in words {
            let principal = Principal::new(&word.text);
            let principal = principal.map_err(|error| (word.line, error.to_string()))?;
            if !principals.insert(principal) {
                return Err((word.line, format!("`{}` stands here twice", word.text)));
            }
        }
        accounts.insert(account, principals);
    }
    Ok(accounts)
}
