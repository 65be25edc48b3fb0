//! A last line that was cut short.

use crate::setup::{Setup, refusal_of_text};
use std::io::Write;

fn append(setup: &Setup, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(setup.journal())
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[track_caller]
fn torn_and_repaired(setup: &Setup, garbage: &[u8]) {
    let records = setup.records().len();
    append(setup, garbage);
    let before = std::fs::read(setup.journal()).unwrap();
    let files = setup.files();
    let verified = setup.verify();
    refusal_of_text(
        &verified,
        1,
        if garbage.len() > 1024 * 1024 {
            "journal_not_a_record"
        } else {
            "journal_torn"
        },
    );
    assert!(
        verified
            .stderr
            .contains(&format!("journal.jsonl:{}", records + 1)),
        "{verified}"
    );
    assert_eq!(
        std::fs::read(setup.journal()).unwrap(),
        before,
        "verify touches nothing"
    );
    assert_eq!(setup.files(), files);

    setup.sign().check();
    setup.verify().check();
    let after = setup.records();
    assert_eq!(after.len(), records + 2);
    let repair = &after[records];
    assert_eq!(
        (repair["kind"].as_str(), repair["outcome"].as_str()),
        (Some("journal_repair"), Some("done"))
    );
    assert_eq!(repair["torn_bytes"], garbage.len());
    let name = format!("journal.torn-{}", repair["seq"]);
    assert_eq!(repair["torn_file"], name.as_str());
    assert!(
        std::fs::read(setup.state().join(&name)).unwrap() == garbage,
        "{name} holds what was torn"
    );
}

#[test]
fn a_torn_last_line_is_kept_aside_and_that_is_recorded() {
    let setup = Setup::new();
    torn_and_repaired(&setup, b"x");
    torn_and_repaired(&setup, b"{\"v\":1,\"seq\":4,\"prev\":\"");
    torn_and_repaired(&setup, b"\0\0\0\0\xff");
    torn_and_repaired(&setup, &[b'y'; 9000]);
    setup.sign().check();
    let line = setup.journal_text().lines().last().unwrap().to_owned();
    torn_and_repaired(&setup, line.as_bytes());
}

#[test]
fn a_long_torn_line_is_kept_whole() {
    let setup = Setup::new();
    torn_and_repaired(&setup, &vec![b'z'; 1024 * 1024 + 7]);
}

#[test]
fn a_first_line_that_is_torn_is_kept_aside() {
    let setup = Setup::new();
    std::fs::remove_file(setup.state().join("journal.head")).unwrap();
    std::fs::write(setup.journal(), "").unwrap();
    torn_and_repaired(&setup, b"{\"v\":1");
}

#[test]
fn a_torn_line_after_a_rotation_is_named_by_its_own_number() {
    let setup = Setup::new();
    let older = setup.state().join("journal.jsonl.1");
    setup.sign().check();
    std::fs::rename(setup.journal(), &older).unwrap();
    setup.write_journal("torn");
    setup.sign().check();
    let records = setup.records();
    assert_eq!(records[0]["seq"], 3);
    assert_eq!(records[0]["torn_file"], "journal.torn-3");
    assert_eq!(
        std::fs::read_to_string(setup.state().join("journal.torn-3")).unwrap(),
        "torn"
    );
    // And once more: what was kept is never mistaken for what is torn now.
    let second = setup.state().join("journal.jsonl.2");
    std::fs::rename(setup.journal(), &second).unwrap();
    setup.write_journal("torn again");
    setup.sign().check();
    assert_eq!(
        std::fs::read_to_string(setup.state().join("journal.torn-5")).unwrap(),
        "torn again"
    );
    let verified = setup
        .program()
        .args(["audit", "verify", "--older"])
        .arg(&older)
        .arg("--older")
        .arg(&second);
    verified.run().check();
}

#[test]
fn a_last_line_that_is_whole_but_no_record_stops_the_journal() {
    let setup = Setup::new();
    append(&setup, b"garbage\n");
    refusal_of_text(&setup.verify(), 1, "journal_not_a_record");
    let outcome = setup.sign();
    refusal_of_text(&outcome, 6, "journal_broken");
    assert!(
        outcome
            .stderr
            .contains("hint: find the place with `warden audit verify`"),
        "{outcome}"
    );
}
