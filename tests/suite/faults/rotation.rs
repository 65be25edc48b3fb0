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
            .starts_with("3 records, 1 to 3; the chain holds; head 3:")
    );
    let with_head = setup.warden(["audit", "verify", "--from", head.trim_end()]);
    assert!(
        with_head
            .expect_success()
            .stdout
            .starts_with("1 records, 3 to 3;")
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
