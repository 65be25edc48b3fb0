//! One page of console blocks for every command, executed; and every reason seen somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use warden_tests::console::check_page;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(name)
}

#[test]
fn sign_does_what_its_transcript_shows() {
    check_page(&page("sign.md"));
}

#[test]
fn show_does_what_its_transcript_shows() {
    check_page(&page("show.md"));
}

#[test]
fn ca_does_what_its_transcript_shows() {
    check_page(&page("ca.md"));
}

#[test]
fn inventory_does_what_its_transcript_shows() {
    check_page(&page("inventory.md"));
}

#[test]
fn grants_does_what_its_transcript_shows() {
    check_page(&page("grants.md"));
}

#[test]
fn explain_login_does_what_its_transcript_shows() {
    check_page(&page("explain-login.md"));
}

#[test]
fn sign_host_does_what_its_transcript_shows() {
    check_page(&page("sign-host.md"));
}

#[test]
fn audit_does_what_its_transcript_shows() {
    check_page(&page("audit.md"));
}

#[test]
fn quickstart_does_what_its_transcript_shows() {
    check_page(&page("quickstart.md"));
}

#[test]
fn revoke_does_what_its_transcript_shows() {
    check_page(&page("revoke.md"));
}

#[test]
fn registry_does_what_its_transcript_shows() {
    check_page(&page("registry.md"));
}

#[test]
fn host_does_what_its_transcript_shows() {
    check_page(&page("host.md"));
}

/// Guides that other suites run.
const GUIDES_WITH_A_SERVER: [&str; 3] = [
    "openbao.md",
    "vault-sunset.md",
    "interhub-bootstrap-lane.md",
];

#[test]
fn every_console_block_of_the_documents_does_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guides = std::fs::read_dir(root.join("wiki/guides")).unwrap();
    // Guides that need a server are run by the suites that have one.
    let guides = guides
        .map(|entry| entry.unwrap().path())
        .filter(|page| !GUIDES_WITH_A_SERVER.iter().any(|name| page.ends_with(name)));
    let pages: Vec<PathBuf> = guides.chain([root.join("README.md")]).collect();
    assert!(pages.len() > 3, "{pages:?}");
    for page in pages {
        check_page(&page);
    }
}

#[test]
fn a_page_that_is_wrong_is_found_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page.md");
    let wrong = [
        ("$ echo a; echo b\na\n", "+ b"),
        ("$ echo a\na\nb\n", "- b"),
        ("$ echo abc >&2\nx[..]c\n", "+ abc"),
        ("$ exit 3\n", "+ status 3"),
        ("$ true\n? 1\n", "- status 1"),
        ("$ printf 'a\\nb\\n'\n...\na\n", "- ..."),
    ];
    for (block, said) in wrong {
        std::fs::write(&page, format!("text\n```console\n{block}```\n")).unwrap();
        let panic = std::panic::catch_unwind(|| check_page(&page)).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains(said), "{block}: {text}");
    }
    let right = "```console\n$ echo abc; echo d >&2\na[..]c\nd\n$ cat <<E\n> x\n> E\nx\n```\n\n```console\n$ seq 9; exit 4\n1\n...\n9\n? 4\n```\n";
    std::fs::write(&page, right).unwrap();
    check_page(&page);
    std::fs::write(&page, "```sh\n$ exit 3\n```\n").unwrap();
    assert!(
        std::panic::catch_unwind(|| check_page(&page)).is_err(),
        "a page without a command"
    );
}

/// Reasons that no test can provoke from the command line, and why.
const NOT_PROVOKED: &[(&str, &str)] = &[
    (
        "trust_not_written",
        "a file that was renamed into its place holds what it held",
    ),
    (
        "config_not_switched",
        "the three values are written in the one form that is read back",
    ),
    (
        "krl_not_the_same",
        "what is written reads back: every test of the encoder says so",
    ),
    (
        "krl_trial_failed",
        "ssh-keygen reads what is written: every test beside it says so",
    ),
    ("clock_not_set", "no test turns the system's clock back"),
    (
        "ca_key_unsound",
        "ssh-keygen makes no RSA key that is large enough and unsound",
    ),
    (
        "core_dumps_on",
        "the kernel always lets a process lower its own limits",
    ),
    (
        "key_not_made",
        "the generator fails only where the system has no random bytes",
    ),
    (
        "randomness_unavailable",
        "the system always has random bytes",
    ),
    ("signing_failed", "a key that was read signs"),
    ("program_failed", "the programs of the system start and end"),
    (
        "record_not_encodable",
        "every record is text and numbers, which JSON always takes",
    ),
];

#[test]
fn every_reason_is_documented_and_seen_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut reasons: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut seen = String::new();
    for file in files(&root.join("warden-core/src"))
        .into_iter()
        .chain(files(&root.join("warden-cli/src")))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let (code, tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        seen += tests;
        reasons.extend(reasons_in(code).into_iter().map(|one| (one, file.clone())));
    }
    for file in files(&root.join("tests"))
        .into_iter()
        .chain(files(&root.join("warden-core/tests")))
    {
        if !file.ends_with("transcripts.rs") {
            seen += &std::fs::read_to_string(file).unwrap_or_default();
        }
    }
    assert!(
        reasons.len() > 70,
        "the search finds few reasons: {reasons:?}"
    );
    let word = |one: &str| {
        seen.match_indices(one).any(|(at, _)| {
            let part = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
            !part(seen[..at].chars().next_back()) && !part(seen[at + one.len()..].chars().next())
        })
    };
    let page = std::fs::read_to_string(root.join("wiki/reference/exit-codes.md")).unwrap();
    let undocumented: Vec<_> = reasons
        .keys()
        .filter(|one| !page.contains(&format!("`{one}`")))
        .collect();
    assert!(
        undocumented.is_empty(),
        "not in the reference: {undocumented:?}"
    );
    let unseen: BTreeSet<_> = reasons
        .keys()
        .filter(|one| !word(one))
        .map(String::as_str)
        .collect();
    let allowed: BTreeSet<_> = NOT_PROVOKED.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(
        unseen, allowed,
        "left: reasons no test has seen; right: those that cannot be provoked"
    );
}

/// The literals in every `fn reason`, and those given to an error beside its class.
fn reasons_in(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("fn reason(") {
        let body = &code[at..];
        let body = &body[..body.find("\n    }\n").unwrap_or(body.len())];
        // What is looked for in a server's words is no reason.
        let asked = body
            .split("says(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let asked: BTreeSet<_> = asked.collect();
        let literals = body.split('"').skip(1).step_by(2);
        found.extend(
            literals
                .filter(|one| !asked.contains(one))
                .map(str::to_owned),
        );
    }
    for (at, _) in code.match_indices("Class::") {
        let after = code[at..]
            .split_once(',')
            .map(|(_, after)| after.trim_start());
        let literal = after
            .and_then(|after| after.strip_prefix('"'))
            .and_then(|text| text.split('"').next());
        found.extend(literal.map(str::to_owned));
    }
    for (at, _) in code.match_indices("from_problems(\"") {
        found.extend(code[at..].split('"').nth(1).map(str::to_owned));
    }
    found.retain(|one| !one.is_empty() && one.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}
