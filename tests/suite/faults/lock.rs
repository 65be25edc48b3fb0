//! Many at once, and one who does not let go.

use crate::setup::{Setup, refusal_of_text};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

#[test]
fn a_lock_that_is_never_free_ends_in_bounded_time() {
    let setup = Setup::new();
    let lock = File::options()
        .write(true)
        .open(setup.state().join("journal.lock"))
        .unwrap();
    lock.lock().unwrap();
    let (journal, certificate) = (
        setup.journal_text(),
        std::fs::read(setup.certificate()).unwrap(),
    );
    let began = Instant::now();
    let running: Vec<_> = [vec![], vec!["--ttl", "9"], vec!["--ttl", "0"]]
        .into_iter()
        .map(|more: Vec<&str>| setup.signing().args(more).start())
        .collect();
    let outcomes: Vec<_> = running
        .into_iter()
        .map(|one| one.finish(Duration::from_secs(30)).unwrap())
        .collect();
    assert!(began.elapsed() > Duration::from_secs(9));
    refusal_of_text(&outcomes[0], 6, "journal_locked");
    assert!(
        outcomes[0].stderr.contains("hint: see who holds it: fuser"),
        "{}",
        outcomes[0]
    );
    refusal_of_text(&outcomes[1], 6, "journal_locked");
    assert!(outcomes[1].stderr.contains("the denial"), "{}", outcomes[1]);
    assert_eq!(outcomes[2].stdout, "");
    assert!(
        !outcomes[2].succeeded() && outcomes[2].stderr.contains("could not be recorded"),
        "{}",
        outcomes[2]
    );
    assert_eq!(setup.journal_text(), journal);
    assert_eq!(std::fs::read(setup.certificate()).unwrap(), certificate);
    drop(lock);
    setup.sign().check();
}

#[test]
fn a_lock_that_becomes_free_is_waited_for() {
    let setup = Setup::new();
    let lock = File::options()
        .write(true)
        .open(setup.state().join("journal.lock"))
        .unwrap();
    lock.lock().unwrap();
    let running = setup.signing().start();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(setup.records().len(), 1);
    drop(lock);
    running.finish(Duration::from_secs(20)).unwrap().check();
    assert_eq!(setup.records().len(), 2);
}

#[test]
fn reading_does_not_need_the_lock() {
    let setup = Setup::new();
    let lock = File::options()
        .write(true)
        .open(setup.state().join("journal.lock"))
        .unwrap();
    lock.lock().unwrap();
    let began = Instant::now();
    setup.verify().check();
    setup.warden(["inventory", "check"]).check();
    setup.signing().arg("--dry-run").run().check();
    assert!(began.elapsed() < Duration::from_secs(9));
}

#[test]
fn fifty_at_once_are_fifty_records_of_fifty_serials() {
    let setup = Setup::new();
    let running: Vec<_> = (0..50).map(|_| setup.signing().start()).collect();
    let mut printed = BTreeSet::new();
    for one in running {
        printed.insert(
            one.finish(Duration::from_secs(60))
                .unwrap()
                .expect_success()
                .stdout,
        );
    }
    assert_eq!(printed.len(), 50);
    setup.verify().check();
    let records = setup.records();
    assert_eq!(records.len(), 51);
    let distinct = |field: &str| {
        records
            .iter()
            .map(|one| one[field].to_string())
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(
        (distinct("serial"), distinct("event_id"), distinct("prev")),
        (51, 51, 51)
    );
    let stored = std::fs::read_to_string(setup.certificate()).unwrap();
    assert!(
        printed.contains(&stored),
        "the stored certificate is one of those printed"
    );
}
