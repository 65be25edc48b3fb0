//! A journal that somebody changed.

use crate::setup::{Setup, refusal_of_text};
use std::path::PathBuf;
use warden_core::failure::Failure;
use warden_core::journal::verify;
use warden_tests::process::Outcome;

struct Six {
    setup: Setup,
    good: Vec<u8>,
}

impl Six {
    fn new() -> Self {
        let setup = Setup::new();
        for more in [
            vec![],
            vec!["--ttl", "999"],
            vec!["--ttl", "x"],
            vec![],
            vec![],
        ] {
            drop(setup.signing().args(more).run());
        }
        let good = std::fs::read(setup.journal()).unwrap();
        assert_eq!(good.iter().filter(|byte| **byte == b'\n').count(), 6);
        Self { setup, good }
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.good
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn with(&self, content: &[u8]) -> Result<(), String> {
        std::fs::write(self.setup.journal(), content).unwrap();
        match verify(&[self.setup.journal()], None, None) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error} ({})", error.reason())),
        }
    }

    fn verified(&self, lines: &[Vec<u8>]) -> Outcome {
        std::fs::write(self.setup.journal(), lines.concat()).unwrap();
        self.setup.verify()
    }
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let six = Six::new();
    assert_eq!(six.with(&six.good), Ok(()));
    let mut line = 1;
    for at in 0..six.good.len() {
        let mut bytes = six.good.clone();
        // Another bit each time, so that digits, quotes and letters become each other.
        bytes[at] ^= 1 << (at % 7);
        let said = six
            .with(&bytes)
            .expect_err(&format!("byte {at} of line {line}"));
        // A change in `prev` looks like one of the record before; the last is held by journal.head.
        let named = [line - 1, line, line + 1]
            .iter()
            .any(|line| said.contains(&format!("journal.jsonl:{line}:")))
            || said.contains("(journal_beginning)") && line == 1
            || said.contains("record 6 ") && line == 6;
        assert!(named, "byte {at} of line {line}: {said}");
        if six.good[at] == b'\n' {
            line += 1;
        }
    }
}

#[test]
fn a_line_removed_swapped_or_inserted_is_named() {
    let six = Six::new();
    let mut found = std::collections::BTreeSet::new();
    let mut refused = |lines: &[Vec<u8>], at: usize| {
        let outcome = six.verified(lines);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        let named = outcome
            .stderr
            .contains(&format!("journal.jsonl:{}:", at + 1))
            || at == 0 && outcome.stderr.contains("begins with record")
            || at == 5 && outcome.stderr.contains("ends at record 5");
        assert!(named, "line {}: {outcome}", at + 1);
        let reason = outcome
            .stderr
            .lines()
            .next()
            .unwrap()
            .rsplit('(')
            .next()
            .unwrap();
        found.insert(reason.trim_end_matches(')').to_owned());
    };
    for at in 0..6 {
        let mut lines = six.lines();
        lines.remove(at);
        refused(&lines, at);
        for other in at + 1..6 {
            let mut lines = six.lines();
            lines.swap(at, other);
            refused(&lines, at);
        }
        for place in 0..=6 {
            let mut lines = six.lines();
            let copy = lines[at].clone();
            lines.insert(place, copy);
            // A copy right behind or before its original: the second of the two is named.
            refused(&lines, if place == at { at + 1 } else { place });
        }
    }
    let expected = [
        "journal_beginning",
        "journal_ends_early",
        "journal_sequence",
    ];
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_record_rewritten_with_its_number_is_named() {
    let six = Six::new();
    for at in 0..6 {
        let mut lines = six.lines();
        let line = String::from_utf8(lines[at].clone()).unwrap();
        lines[at] = line
            .replace(
                "\"actor\":\"agt-demo-agent\"",
                "\"actor\":\"agt-some-other\"",
            )
            .into_bytes();
        let outcome = six.verified(&lines);
        if at < 5 {
            refusal_of_text(&outcome, 1, "journal_changed");
            assert!(
                outcome.stderr.contains(&format!(
                    "journal.jsonl:{}: record {} was changed",
                    at + 1,
                    at + 1
                )),
                "{outcome}"
            );
        } else {
            refusal_of_text(&outcome, 1, "journal_head_differs");
            assert!(outcome.stderr.contains("record 6"), "{outcome}");
            refusal_of_text(&six.setup.sign(), 6, "journal_broken");
        }
        assert!(
            outcome.stderr.contains("hint: keep this file as evidence"),
            "{outcome}"
        );
    }
}

#[test]
fn a_cut_end_is_found_by_the_head_beside_it_and_by_one_kept_elsewhere() {
    let six = Six::new();
    let head = six.setup.warden(["audit", "head"]).expect_success().stdout;
    let head = head.trim_end();
    six.setup
        .warden(["audit", "verify", "--head", head])
        .check();
    let lines = six.lines();
    refusal_of_text(&six.verified(&lines[..4]), 1, "journal_ends_early");
    refusal_of_text(&six.setup.sign(), 6, "journal_broken");
    std::fs::remove_file(six.setup.state().join("journal.head")).unwrap();
    six.setup.verify().check();
    refusal_of_text(
        &six.setup.warden(["audit", "verify", "--head", head]),
        1,
        "journal_ends_early",
    );
    // Continued validly, the other end is found still.
    for _ in 0..3 {
        six.setup.sign().check();
    }
    six.setup.verify().check();
    refusal_of_text(
        &six.setup.warden(["audit", "verify", "--head", head]),
        1,
        "journal_head_differs",
    );
}

#[test]
fn a_head_that_is_none_is_malformed() {
    let six = Six::new();
    let hash = "0".repeat(64);
    let heads = [
        "",
        ":",
        "1",
        "1:",
        &format!("01:{hash}"),
        &format!("-1:{hash}"),
        &format!("1:{hash}0"),
        &format!("1:{}", "A".repeat(64)),
        &format!("18446744073709551616:{hash}"),
        "1:\u{1b}[31m",
    ]
    .map(str::to_owned);
    for head in &heads {
        for option in ["--head", "--from"] {
            let option = format!("{option}={head}");
            six.setup
                .refused(&["audit", "verify", &option], 2, "head_malformed", 0);
        }
    }
}

#[test]
fn a_journal_that_is_not_there_is_empty_and_its_head_says_what_is_missing() {
    let setup = Setup::new();
    std::fs::remove_file(setup.journal()).unwrap();
    refusal_of_text(&setup.verify(), 1, "journal_ends_early");
    std::fs::remove_file(setup.state().join("journal.head")).unwrap();
    setup.verify().check();
    std::os::unix::fs::symlink("elsewhere", setup.journal()).unwrap();
    refusal_of_text(&setup.verify(), 2, "file_is_link");
    let missing = [PathBuf::from("/nonexistent/journal.1"), setup.journal()];
    assert_eq!(
        verify(&missing, None, None).unwrap_err().reason(),
        "file_not_found"
    );
}
