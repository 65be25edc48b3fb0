//! Journals that are rotated away.

use crate::setup::{Setup, refusal_of_text};

#[test]
fn the_chain_continues_across_a_rotation() {
    let setup = Setup::new();
    setup.sign().check();
    let older = setup.state().join("journal.jsonl.1");
    let head = setup.warden(["audit", "head"]).expect_success().stdout;
    std::fs::rename(setup.journal(), &older).unwrap();
    setup.sign().check();
    assert_eq!(setup.records()[0]["seq"], 3);

    let alone = setup.verify();
    refusal_of_text(&alone, 1, "journal_beginning");
    assert!(
        alone.stderr.contains("--older FILE") && alone.stderr.contains("--from SEQ:HASH"),
        "{alone}"
    );
    let with_older = setup
        .program()
        .args(["audit", "verify", "--older"])
        .arg(&older)
        .run();
    assert!(
        with_older
            .expect_success()
            .stdout
            .starts_with("records 1 to 3: the chain holds; head 3:")
    );
    let with_head = setup.warden(["audit", "verify", "--from", head.trim_end()]);
    assert!(
        with_head
            .expect_success()
            .stdout
            .starts_with("records 3 to 3: the chain holds;")
    );

    // The older file counts as much as the younger.
    let kept = std::fs::read_to_string(&older).unwrap();
    std::fs::write(&older, kept.replacen("issued", "denied", 1)).unwrap();
    let changed = setup
        .program()
        .args(["audit", "verify", "--older"])
        .arg(&older)
        .run();
    refusal_of_text(&changed, 1, "journal_changed");
    assert!(changed.stderr.contains("journal.jsonl.1:1:"), "{changed}");
    std::fs::write(&older, kept.lines().next().unwrap().to_owned() + "\n").unwrap();
    let cut = setup
        .program()
        .args(["audit", "verify", "--older"])
        .arg(&older)
        .run();
    refusal_of_text(&cut, 1, "journal_sequence");
}

#[test]
fn a_journal_that_was_copied_and_emptied_continues_too() {
    let setup = Setup::new();
    setup.sign().check();
    let older = setup.state().join("copy");
    std::fs::copy(setup.journal(), &older).unwrap();
    std::fs::write(setup.journal(), "").unwrap();
    setup.sign().check();
    setup
        .program()
        .args(["audit", "verify", "--older"])
        .arg(&older)
        .run()
        .check();
}

#[test]
fn a_head_of_a_record_that_is_not_read_is_not_taken_for_compared() {
    let setup = Setup::new();
    setup.sign().check();
    let head = setup.warden(["audit", "head"]).expect_success().stdout;
    std::fs::rename(setup.journal(), setup.state().join("journal.jsonl.1")).unwrap();
    setup.sign().check();
    let wrong = format!("1:{}", "0".repeat(64));
    let refused = setup.warden([
        "audit",
        "verify",
        "--from",
        head.trim_end(),
        "--head",
        &wrong,
    ]);
    refusal_of_text(&refused, 1, "journal_head_not_compared");
    let same = setup.warden([
        "audit",
        "verify",
        "--from",
        head.trim_end(),
        "--head",
        head.trim_end(),
    ]);
    same.check();
}
