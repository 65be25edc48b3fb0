//! A state directory without room.

use crate::setup::{Setup, as_root, refusal_of_text};
use std::io::Write;
use std::path::{Path, PathBuf};
use warden_tests::process::Outcome;
use warden_tests::skipped;

/// A small file system over the state directory, taken away when dropped.
struct Small {
    setup: Setup,
    filler: PathBuf,
}

impl Small {
    fn mount() -> Option<Self> {
        if !skipped::require("a file system that is full", as_root()) {
            return None;
        }
        let setup = Setup::new();
        let mounted = setup.script("mv $S $S.old && mkdir -m 700 $S && mount -t tmpfs -o size=64k,mode=700 tmpfs $S && cp -a $S.old/. $S/").run();
        if !mounted.succeeded() {
            let why = Err(mounted.to_string());
            assert!(!skipped::require("a file system that is full", why));
            return None;
        }
        let filler = setup.state().join("filler");
        Some(Self { setup, filler })
    }

    /// Leaves room for so many more pages of 4 KiB.
    fn leave(&self, pages: usize) {
        let mut file = std::fs::File::create(&self.filler).unwrap();
        while file.write_all(&[b'x'; 512]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(4096 * pages as u64))
            .unwrap();
    }

    fn sign(&self) -> Outcome {
        self.setup.sign()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.setup.script("umount $S").run();
    }
}

fn content(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

#[test]
fn without_room_for_the_record_nothing_is_issued() {
    let Some(small) = Small::mount() else { return };
    let setup = &small.setup;
    // The record must not fit into the page that the journal has already.
    while setup.journal().metadata().unwrap().len() % 4096 < 3600 {
        setup.sign().check();
    }
    small.leave(0);
    let (certificate, journal) = (content(&setup.certificate()), content(&setup.journal()));
    for _ in 0..3 {
        let outcome = small.sign();
        refusal_of_text(&outcome, 6, "journal_not_writable");
        assert!(outcome.stderr.contains("nothing was issued"), "{outcome}");
        assert_eq!(content(&setup.certificate()), certificate);
        assert_eq!(content(&setup.journal()), journal);
        setup.verify().check();
    }
    std::fs::remove_file(&small.filler).unwrap();
    small.sign().check();
    setup.verify().check();
}

#[test]
fn without_room_for_the_certificate_the_old_one_stays_whole() {
    let Some(small) = Small::mount() else { return };
    let setup = &small.setup;
    small.leave(0);
    let certificate = content(&setup.certificate());
    let outcome = small.sign();
    refusal_of_text(&outcome, 1, "not_delivered");
    assert!(
        outcome.stderr.contains("was issued and recorded as 2"),
        "{outcome}"
    );
    assert_eq!(content(&setup.certificate()), certificate);
    setup.verify().check();
    let left: Vec<_> = std::fs::read_dir(setup.state())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_first_signature_without_room_can_be_repeated_when_there_is_room() {
    let Some(small) = Small::mount() else { return };
    let setup = &small.setup;
    for pages in 0..4 {
        setup.script("rm -f $S/*").run().check();
        small.leave(pages);
        let outcome = small.sign();
        assert!(
            [Some(0), Some(1), Some(6)].contains(&outcome.code),
            "{pages} pages: {outcome}"
        );
        assert_eq!(outcome.succeeded(), !outcome.stdout.is_empty(), "{outcome}");
        let issued = content(&setup.journal())
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        assert_eq!(
            issued,
            usize::from(outcome.code != Some(6)),
            "{pages} pages: {outcome}"
        );
        std::fs::remove_file(&small.filler).unwrap();
        small.sign().check();
        setup.verify().check();
    }
}

#[test]
fn a_head_that_was_never_written_stops_nobody() {
    let setup = Setup::new();
    std::fs::write(setup.state().join("journal.head"), "").unwrap();
    setup.verify().check();
    setup.sign().check();
    setup.verify().check();
}

#[test]
fn a_head_that_is_damaged_is_named() {
    let setup = Setup::new();
    std::fs::write(setup.state().join("journal.head"), "1:abc\n").unwrap();
    refusal_of_text(&setup.verify(), 2, "head_malformed");
    refusal_of_text(&setup.sign(), 6, "journal_broken");
}
