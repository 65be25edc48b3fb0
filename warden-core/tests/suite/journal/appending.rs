//! How a journal goes on: after a rotation, after a torn line, with many writers, and not at all.

use super::State;
use crate::forger::Forger;
use crate::scene::{NOW, actor, records, user_key};
use std::os::unix::fs::{PermissionsExt, symlink};
use warden_core::certificate::UnixTime;
use warden_core::failure::Failure;
use warden_core::issue::{IssueError, issue};
use warden_core::journal::{
    Entry, FileJournal, Head, Journal, JournalError, Kind, Recorded, record_failed, verify,
};
use warden_core::request::CertificateRequest;

#[test]
fn a_rotated_journal_continues() {
    let state = State::with_five_records();
    let old = state.path().join("journal.1.jsonl");
    std::fs::rename(state.journal(), &old).unwrap();
    let between = state.head();
    state.append();
    state.append();
    let new = state.journal();
    assert_eq!(records(state.path())[0].seq, 6);

    let both = verify(&[old.clone(), new.clone()], None, None).unwrap();
    assert_eq!((both.records, both.first, both.head.seq), (7, 1, 7));
    let later = verify(std::slice::from_ref(&new), Some(between.clone()), None).unwrap();
    assert_eq!((later.records, later.first), (2, 6));

    let reason = |files: &[_], from| verify(files, from, None).unwrap_err().reason();
    assert_eq!(
        reason(std::slice::from_ref(&new), None),
        "journal_beginning"
    );
    assert_eq!(
        reason(&[new.clone(), old.clone()], None),
        "journal_beginning"
    );
    let earlier = Head {
        seq: between.seq - 1,
        ..between.clone()
    };
    assert_eq!(
        reason(std::slice::from_ref(&new), Some(earlier)),
        "journal_beginning"
    );
    let other = Head {
        hash: "0".repeat(64),
        ..between
    };
    assert_eq!(reason(&[new], Some(other)), "journal_beginning");
    // The older file alone ends before the head of the newer one.
    assert_eq!(reason(&[old], None), "journal_ends_early");
}

#[test]
fn a_torn_line_is_set_aside_and_recorded() {
    let state = State::with_five_records();
    let whole = state.read();
    let torn = b"{\"v\":1,\"seq\":6,\"prev\":\"";
    state.write(&[&whole, &torn[..]].concat());
    assert_eq!(state.verify().unwrap_err().reason(), "journal_torn");

    state.append();
    let verified = state.verify().unwrap();
    assert_eq!(verified.records, 7);
    let records = records(state.path());
    let repair = &records[5].entry;
    assert_eq!(repair.kind, Kind::JournalRepair);
    assert_eq!(repair.facts.torn_file.as_deref(), Some("journal.torn-6"));
    assert_eq!(repair.facts.torn_bytes, Some(torn.len() as u64));
    assert_eq!(
        std::fs::read(state.path().join("journal.torn-6")).unwrap(),
        torn
    );
    assert!(state.read().starts_with(&whole));
}

#[test]
fn a_torn_line_never_takes_the_place_of_another() {
    let state = State::with_five_records();
    let whole = state.read();
    // A repair that was cut short after it had set the first torn line aside.
    std::fs::write(state.path().join("journal.torn-6"), "the first").unwrap();
    state.write(&[&whole[..], b"the second"].concat());
    state.append();
    let read = |name: &str| std::fs::read(state.path().join(name)).unwrap();
    let repair = records(state.path())[5].entry.facts.clone();
    assert_eq!(read(&repair.torn_file.unwrap()), b"the second");
    assert_eq!(repair.torn_bytes, Some(10));
    assert_eq!(read("journal.torn-6"), b"the first");

    // The same line again is the same repair, begun anew.
    let state = State::with_five_records();
    std::fs::write(state.path().join("journal.torn-6"), "the same").unwrap();
    state.write(&[&state.read()[..], b"the same"].concat());
    state.append();
    let repair = records(state.path())[5].entry.facts.clone();
    assert_eq!(repair.torn_file.as_deref(), Some("journal.torn-6"));
    assert_eq!(state.files().len(), 4);
}

#[test]
fn a_journal_of_a_torn_line_alone_begins_anew() {
    let state = State::new();
    state.write(b"{\"v\":1");
    state.append();
    assert_eq!(state.verify().unwrap().records, 2);
    assert_eq!(
        std::fs::read(state.path().join("journal.torn-1")).unwrap(),
        b"{\"v\":1"
    );
}

#[test]
fn a_long_last_line_is_continued_and_a_long_torn_one_set_aside() {
    let state = State::with_five_records();
    let torn = vec![b'x'; 100_000];
    state.write(&[&state.read(), &torn[..]].concat());
    state.append();
    assert_eq!(state.verify().unwrap().records, 7);
    assert_eq!(
        std::fs::read(state.path().join("journal.torn-6")).unwrap(),
        torn
    );
}

/// What appending one more record fails with.
fn failure(state: &State) -> (&'static str, String) {
    let journal = FileJournal::open(state.path());
    let failed = |journal: FileJournal| record_failed(&journal, &actor("agt-a").into(), "x", NOW);
    let error = journal.and_then(failed).unwrap_err();
    assert_eq!(error.class().as_str(), "not_recorded");
    (error.reason(), error.to_string())
}

#[test]
fn nothing_is_chained_onto_a_journal_that_was_cut_or_changed() {
    let state = State::with_five_records();
    let good = state.read();
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();

    state.write(&lines[..4].concat());
    assert_eq!(failure(&state).0, "journal_broken");

    let mut changed = good.clone();
    let last_quote = changed.iter().rposition(|byte| *byte == b'"').unwrap();
    changed[last_quote - 1] ^= 1;
    state.write(&changed);
    assert_eq!(failure(&state).0, "journal_broken");

    state.write(&[&good[..], b"not a record\n"].concat());
    assert_eq!(failure(&state).0, "journal_broken");
    assert_eq!(state.read(), [&good[..], b"not a record\n"].concat());

    state.write(&good);
    std::fs::write(state.path().join("journal.head"), "5:x\n").unwrap();
    assert_eq!(failure(&state).0, "journal_broken");
    assert_eq!(state.read(), good);
}

#[test]
fn a_journal_that_is_no_file_of_ours_is_not_written() {
    for name in ["journal.jsonl", "journal.lock", "journal.head"] {
        let state = State::new();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        symlink(elsewhere.path(), state.path().join(name)).unwrap();
        let (reason, _) = failure(&state);
        assert!(
            reason == "journal_not_writable" || reason == "journal_broken",
            "{name}: {reason}"
        );
        assert_eq!(elsewhere.as_file().metadata().unwrap().len(), 0, "{name}");

        let state = State::new();
        std::fs::create_dir(state.path().join(name)).unwrap();
        failure(&state);
    }
}

#[test]
fn a_state_directory_that_others_can_write_is_refused() {
    let state = State::new();
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(state.path(), permissions).unwrap();
        assert_eq!(failure(&state).0, "state_directory_exposed", "{mode:o}");
        assert!(state.files().is_empty());
    }
}

#[test]
fn every_file_is_for_its_owner_alone() {
    let state = State::new();
    state.append();
    assert_eq!(
        state.files(),
        ["journal.head", "journal.jsonl", "journal.lock"]
    );
    for name in state.files() {
        let metadata = state.path().join(&name).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn many_writers_keep_one_chain() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 50;
    let state = State::new();
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let journal = FileJournal::open(state.path()).unwrap();
                for _ in 0..EACH {
                    record_failed(&journal, &actor("agt-a").into(), "x", NOW).unwrap();
                }
            });
        }
    });
    let verified = state.verify().unwrap();
    assert_eq!(verified.records, WRITERS * EACH);
    assert_eq!(verified.head, state.head());
    let records = records(state.path());
    let mut events: Vec<_> = records.iter().map(|one| one.event_id.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len() as u64, WRITERS * EACH);
}

/// A journal that takes nothing.
struct Full;

impl Journal for Full {
    fn append_with(
        &self,
        _: &mut dyn FnMut() -> Entry,
        _: UnixTime,
    ) -> Result<Recorded, JournalError> {
        let path = "full".into();
        Err(JournalError::Locked { path })
    }
}

#[test]
fn what_cannot_be_recorded_is_not_issued() {
    let state = State::new();
    let honest = Forger::new(|_| {});
    let forger = Forger::new(|f| f.wire.serial = 0);
    let outcome = |name: &str, honestly: bool| {
        let mut by = state.issuer(if honestly { &honest } else { &forger });
        by.journal = &Full;
        let request = CertificateRequest::new(actor(name), user_key(1));
        let error = issue(request, &by).unwrap_err();
        assert!(matches!(error, IssueError::NotRecorded { .. }), "{error}");
        assert_eq!(error.class().as_str(), "not_recorded");
        assert_eq!(error.reason(), "journal_locked");
        error.to_string()
    };
    let because = "nothing was issued, because";
    assert_eq!(
        outcome("agt-hub", true),
        format!("{because} the certificate could not be recorded")
    );
    assert_eq!(
        outcome("agt-nobody", true),
        format!(
            "{because} the denial (the inventory knows no actor `agt-nobody`) could not be recorded"
        )
    );
    assert_eq!(
        outcome("agt-hub", false),
        format!("{because} the failure (serial_mismatch) could not be recorded")
    );
}

#[test]
fn nothing_is_chained_onto_records_that_were_rewritten_and_continued() {
    let state = State::new();
    (0..5).for_each(|_| state.append());
    let kept = std::fs::read(state.path().join("journal.head")).unwrap();
    let other = State::new();
    (0..6).for_each(|_| other.append());
    // Six valid records of somebody else, where the head says that the fifth was another one.
    state.write(&std::fs::read(other.journal()).unwrap());
    assert_eq!(failure(&state).0, "journal_broken");
    assert_eq!(
        std::fs::read(state.path().join("journal.head")).unwrap(),
        kept
    );
    // A head that merely lags behind, since its writer was killed, is caught up with.
    let lagging = State::new();
    (0..4).for_each(|_| lagging.append());
    let head = std::fs::read(lagging.path().join("journal.head")).unwrap();
    (0..2).for_each(|_| lagging.append());
    std::fs::write(lagging.path().join("journal.head"), head).unwrap();
    lagging.append();
    assert_eq!(lagging.verify().unwrap().records, 7);
}
