//! What is revoked: in the bounds, in the journal, and in the list for hosts.

mod meanwhile;

use crate::scene::{Inventory, NOW, actor, user_key};
use std::path::Path;
use tempfile::TempDir;
use warden_core::authorize::{Decision, authorize};
use warden_core::certificate::{CaPublicKey, Fingerprint, Serial, UnixTime};
use warden_core::clock::Clock;
use warden_core::failure::{Class, Failure};
use warden_core::journal::{Entry, FileJournal, Journal, read_records};
use warden_core::request::CertificateRequest;
use warden_core::revocation::{
    CLOCK_MARGIN_SECONDS, Item, RevocationError, Revocations, Target, Why, load, load_mended, mend,
    revoke, undo,
};

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

struct State {
    directory: TempDir,
    journal: FileJournal,
}

impl State {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(&directory.path().join("state")).unwrap();
        Self { directory, journal }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("state")
    }

    fn load(&self) -> Revocations {
        Revocations::clone(&load(&self.path()).unwrap())
    }

    fn items(&self) -> Vec<Item> {
        self.load().items().map(|(item, _)| item.clone()).collect()
    }

    /// A record of a certificate of `agt-a`, as signing leaves it.
    fn issued(&self, serial: u64, valid_before: UnixTime) {
        self.issued_at(NOW, serial, valid_before, &ca());
    }

    fn issued_at(&self, at: UnixTime, serial: u64, valid_before: UnixTime, ca: &CaPublicKey) {
        let text = format!(
            r#"{{"kind":"certificate","outcome":"issued","actor":"agt-a","serial":"{serial}","valid_before":"{valid_before}","ca_fingerprint":"{}","public_key":"{}"}}"#,
            ca.fingerprint(),
            user_key(2).fingerprint()
        );
        let entry: Entry = serde_json::from_str(&text).unwrap();
        self.journal.append(&entry, at).unwrap();
    }

    fn revoke(&self, target: &Target) -> Vec<Item> {
        revoke(&self.journal, &[], target, &why(), &At(NOW))
            .unwrap()
            .items
    }

    fn undo(&self, target: &Target) -> Vec<Item> {
        undo(&self.journal, &[], target, &why(), &At(NOW))
            .unwrap()
            .items
    }
}

fn ca() -> CaPublicKey {
    CaPublicKey::new(user_key(1))
}

fn why() -> Why {
    Why::new("a test").unwrap()
}

fn serial(number: u64) -> Serial {
    Serial::new(number).unwrap()
}

fn later(seconds: u64) -> UnixTime {
    NOW.plus(seconds)
}

#[test]
fn undoing_gives_exactly_the_state_back() {
    let state = State::new();
    (1..=4).for_each(|number| state.issued(number, later(3600)));
    let itself = Target::Serial(serial(2));
    let agent = Target::Actor(actor("agt-a"));
    assert_eq!(state.revoke(&itself).len(), 1);
    let before = state.items();
    // The second is revoked already, and then again with its actor.
    assert_eq!(state.revoke(&agent).len(), 5);
    assert_eq!(state.undo(&agent).len(), 5);
    assert_eq!(state.items(), before);
    assert_eq!(state.undo(&itself).len(), 1);
    assert!(state.load().is_empty());
    assert_eq!(state.undo(&itself), []);
    // The other way round.
    state.revoke(&agent);
    let before = state.items();
    state.revoke(&itself);
    state.undo(&itself);
    assert_eq!(state.items(), before);
}

#[test]
fn doing_it_again_changes_nothing_and_records_nothing() {
    let state = State::new();
    state.issued(1, later(3600));
    let targets = [
        Target::Actor(actor("agt-a")),
        Target::Serial(serial(1)),
        Target::Key(user_key(5).fingerprint().clone()),
        Target::Ca(ca().fingerprint().clone()),
    ];
    for target in &targets {
        assert_ne!(state.revoke(target), []);
        let journal = std::fs::read(state.journal.path()).unwrap();
        assert_eq!(state.revoke(target), []);
        assert_eq!(std::fs::read(state.journal.path()).unwrap(), journal);
    }
}

#[test]
fn the_journal_alone_gives_the_state_back() {
    let state = State::new();
    (1..=2500).for_each(|number| state.issued(number, later(3600)));
    let agent = Target::Actor(actor("agt-a"));
    let done = revoke(&state.journal, &[], &agent, &why(), &At(NOW)).unwrap();
    assert_eq!(
        (done.items.len(), done.records.len(), done.live),
        (2501, 4, 2500)
    );
    state.revoke(&Target::Key(user_key(5).fingerprint().clone()));
    let whole = state.load();
    let file = state.path().join("revocations.json");
    let text = std::fs::read_to_string(&file).unwrap();
    // As if it had ended before the last two were in the file.
    state.undo(&agent);
    std::fs::write(&file, &text).unwrap();
    assert_eq!(mend(&state.journal, &[], &At(NOW)).unwrap().mended, 3);
    assert_eq!(state.items().len(), 1);
    std::fs::remove_file(&file).unwrap();
    let error = load(&state.path()).unwrap_err();
    assert_eq!(error.reason(), "revocations_missing");
    mend(&state.journal, &[], &At(NOW)).unwrap();
    assert_eq!(state.items().len(), 1);
    assert_eq!(Revocations::from_json(&text).unwrap(), whole);
}

#[test]
fn a_journal_that_was_rotated_is_asked_for_before_a_lost_file_is_made_again() {
    let state = State::new();
    state.issued(1, later(3600));
    let old = state.path().join("journal.1");
    let rotate = |to: &Path| std::fs::rename(state.journal.path(), to).unwrap();
    rotate(&old);
    // Nothing was ever revoked, so nothing is missing.
    state.revoke(&Target::Key(user_key(5).fingerprint().clone()));
    let older = state.path().join("journal.2");
    rotate(&older);
    std::fs::remove_file(state.path().join("revocations.json")).unwrap();
    for _ in 0..2 {
        let error = mend(&state.journal, &[], &At(NOW)).unwrap_err();
        assert!(
            matches!(error, RevocationError::Beginning { .. }),
            "{error}"
        );
        state.issued(7, later(1));
    }
    mend(&state.journal, &[old, older], &At(NOW)).unwrap();
    assert_eq!(
        state.items(),
        [Item::Key(user_key(5).fingerprint().clone())]
    );
}

/// How long a certificate of an agent may be valid, and the margin.
const LONGEST: u64 = 24 * 3600 + CLOCK_MARGIN_SECONDS;

#[test]
fn an_actor_of_a_rotated_journal_is_revoked_as_far_as_the_records_are_there() {
    let state = State::new();
    let agent = Target::Actor(actor("agt-a"));
    let again = |older: &[std::path::PathBuf]| {
        let done = revoke(&state.journal, older, &agent, &why(), &At(NOW)).unwrap();
        let gaps: Vec<_> = done
            .unread
            .iter()
            .map(|one| (one.first, one.last))
            .collect();
        (done.items.len(), done.known, gaps)
    };
    (1..=3).for_each(|number| state.issued(number, later(3600)));
    let [first, second] = ["journal.1", "journal.2"].map(|name| state.path().join(name));
    std::fs::rename(state.journal.path(), &first).unwrap();
    (4..=5).for_each(|number| state.issued(number, later(3600)));
    std::fs::rename(state.journal.path(), &second).unwrap();
    // The record of the revocation itself is the first that is left, and then there is none.
    assert_eq!(again(&[]), (1, 0, vec![(1, 5)]));
    let third = state.path().join("journal.3");
    std::fs::rename(state.journal.path(), &third).unwrap();
    assert_eq!(again(&[]), (0, 0, vec![(1, 6)]));
    assert_eq!(again(std::slice::from_ref(&first)), (3, 3, vec![(4, 6)]));
    assert_eq!(again(&[first.clone(), third.clone()]), (0, 3, vec![(4, 5)]));
    let all = [first.clone(), first, second, third];
    assert_eq!(again(&all), (2, 5, Vec::new()));
    assert_eq!(again(&all), (0, 5, Vec::new()));
}

#[test]
fn records_so_old_that_nothing_of_theirs_is_valid_need_not_be_read() {
    let agent = Target::Actor(actor("agt-a"));
    let host = Target::Key(user_key(5).fingerprint().clone());
    for (age, of_agent, of_any) in [
        (LONGEST - 1, true, true),
        (LONGEST, false, true),
        (30 * 24 * 3600 + CLOCK_MARGIN_SECONDS - 1, false, true),
        (30 * 24 * 3600 + CLOCK_MARGIN_SECONDS, false, false),
    ] {
        let state = State::new();
        state.issued_at(NOW.minus(age), 1, later(1), &ca());
        std::fs::remove_file(state.journal.path()).unwrap();
        state.issued_at(NOW.minus(age), 2, later(1), &ca());
        for (target, expected) in [(&agent, of_agent), (&host, of_any)] {
            let done = revoke(&state.journal, &[], target, &why(), &At(NOW)).unwrap();
            assert_eq!(!done.unread.is_empty(), expected, "{age} {target:?}");
        }
        let none = Target::Serial(serial(9));
        let error = revoke(&state.journal, &[], &none, &why(), &At(NOW)).unwrap_err();
        assert_eq!(error.reason(), "never_issued");
        let names_them = error.to_string().ends_with("not read: records 1 to 1");
        assert_eq!(names_them, of_any, "{error}");
    }
}

#[test]
fn a_serial_of_two_cas_is_not_given_back_of_both() {
    let state = State::new();
    let other = CaPublicKey::new(user_key(9));
    state.issued_at(NOW, 7, later(3600), &ca());
    state.issued_at(NOW, 7, later(3600), &other);
    let both = Target::Serial(serial(7));
    assert_eq!(state.revoke(&both).len(), 2);
    let error = undo(&state.journal, &[], &both, &why(), &At(NOW)).unwrap_err();
    assert_eq!(
        (error.class(), error.reason()),
        (Class::Refused, "serial_ambiguous")
    );
    assert_eq!(state.items().len(), 2);
    let one = Target::Certificate {
        ca: other.fingerprint().clone(),
        serial: serial(7),
        valid_before: later(3600),
    };
    assert_eq!(state.undo(&one).len(), 1);
    // Then it is of one, and can be named by its number.
    assert_eq!(state.undo(&both).len(), 1);
}

#[test]
fn what_the_journal_says_and_the_file_does_not_is_read_with_it() {
    let state = State::new();
    assert!(load_mended(&state.path()).unwrap().is_empty());
    let key = |number: u8| Target::Key(user_key(number).fingerprint().clone());
    state.revoke(&key(5));
    let file = state.path().join("revocations.json");
    let before = std::fs::read(&file).unwrap();
    state.revoke(&key(6));
    state.undo(&key(5));
    let after = state.load();
    std::fs::write(&file, &before).unwrap();
    assert_eq!(load_mended(&state.path()).unwrap(), after);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(load(&state.path()).unwrap().through(), 1);
}

#[test]
fn a_clock_that_once_was_ahead_gives_nothing_back() {
    let state = State::new();
    state.issued(1, later(3600));
    let itself = Target::Serial(serial(1));
    assert_eq!(state.revoke(&itself).len(), 1);
    let next = |number: u8, at: UnixTime| {
        let key = Target::Key(user_key(number).fingerprint().clone());
        revoke(&state.journal, &[], &key, &why(), &At(at)).unwrap();
        state
            .load()
            .krl(NOW, 1, &[ca()])
            .unwrap()
            .serial_lines()
            .count()
    };
    const DAY: u64 = 24 * 3600;
    // A year ahead for one command, and a month for some.
    assert_eq!(next(10, later(365 * DAY)), 1);
    assert_eq!(next(11, NOW), 1);
    assert_eq!(next(12, later(30 * DAY)), 1);
    assert_eq!(next(13, later(30 * DAY)), 1);
    // The journal and the clock both say that it ended a month ago.
    let end = 3600 + CLOCK_MARGIN_SECONDS + 30 * DAY;
    assert_eq!(next(14, later(end - 1)), 1);
    assert_eq!(next(15, later(end)), 1);
    assert_eq!(next(16, later(end)), 0);
    assert!(
        state
            .load()
            .items()
            .all(|(item, _)| item.matched() == "subject_key")
    );
}

#[test]
fn a_serial_is_revoked_as_it_was_issued_or_not_at_all() {
    let state = State::new();
    state.issued(1, NOW.minus(CLOCK_MARGIN_SECONDS));
    state.issued(2, NOW.minus(CLOCK_MARGIN_SECONDS - 1));
    let error = revoke(
        &state.journal,
        &[],
        &Target::Serial(serial(9)),
        &why(),
        &At(NOW),
    )
    .unwrap_err();
    assert_eq!(error.reason(), "never_issued");
    let ended = revoke(
        &state.journal,
        &[],
        &Target::Serial(serial(1)),
        &why(),
        &At(NOW),
    )
    .unwrap();
    assert_eq!(
        (ended.items.len(), ended.expired),
        (0, Some(NOW.minus(CLOCK_MARGIN_SECONDS)))
    );
    assert_eq!(state.revoke(&Target::Serial(serial(2))).len(), 1);
}

#[test]
fn the_list_leaves_out_what_ended_and_keeps_to_its_ca() {
    let state = State::new();
    (1..=2).for_each(|number| state.issued(number, later(number * 100)));
    state.revoke(&Target::Actor(actor("agt-a")));
    state.revoke(&Target::Key(user_key(5).fingerprint().clone()));
    let revocations = state.load();
    let lines = |now: UnixTime| -> Vec<String> {
        let krl = revocations.krl(now, 1, &[ca()]).unwrap();
        assert!(krl.revokes_key(&user_key(5)).is_some());
        krl.serial_lines().collect()
    };
    assert_eq!(lines(NOW), ["serial: 1-2"]);
    assert_eq!(lines(later(CLOCK_MARGIN_SECONDS + 99)), ["serial: 1-2"]);
    assert_eq!(lines(later(CLOCK_MARGIN_SECONDS + 100)), ["serial: 2"]);
    assert_eq!(
        lines(later(CLOCK_MARGIN_SECONDS + 200)),
        Vec::<String>::new()
    );
    let other = CaPublicKey::new(user_key(9));
    let unknown = revocations.krl(NOW, 1, &[other]).unwrap_err();
    assert_eq!(&unknown.fingerprint, ca().fingerprint());
    let krl = revocations.krl(NOW, 1, &[ca()]).unwrap();
    assert_eq!(Revocations::through_of(&krl), Some(revocations.through()));
}

#[test]
fn bounds_deny_a_revoked_actor_and_a_revoked_key_and_nobody_else() {
    let inventory = Inventory::of([(
        "agt/agt-a.toml",
        "type = \"agt\"\nprincipals = [\"deploy\"]\nttl = \"1h\"\n",
    )]);
    let standing = inventory.path().standing_of(&actor("agt-a")).unwrap();
    let state = State::new();
    let decided = |key: u8| {
        let request = CertificateRequest::new(actor("agt-a"), user_key(key));
        match authorize(request, &standing, &state.load(), NOW) {
            Decision::Allow(_) => "allow",
            Decision::Deny(denial) => denial.reason(),
        }
    };
    assert_eq!(decided(5), "allow");
    state.revoke(&Target::Key(user_key(5).fingerprint().clone()));
    state.revoke(&Target::Actor(actor("agt-b")));
    assert_eq!((decided(5), decided(6)), ("key_revoked", "allow"));
    state.revoke(&Target::Actor(actor("agt-a")));
    assert_eq!((decided(5), decided(6)), ("actor_revoked", "actor_revoked"));
    state.undo(&Target::Actor(actor("agt-a")));
    assert_eq!((decided(5), decided(6)), ("key_revoked", "allow"));
}

#[test]
fn a_file_that_is_not_one_is_said_to_be_so() {
    let key = user_key(1).fingerprint().to_string();
    let item = format!(
        r#"{{"what":"key","public_key":"{key}","why":"a","at":"2026-11-22T12:00:00Z","seq":1}}"#
    );
    let file = |items: &str| format!(r#"{{"v":1,"through":1,"revoked":[{items}]}}"#);
    assert!(
        Revocations::from_json(&file(&item))
            .unwrap()
            .key(&Fingerprint::parse(&key).unwrap())
            .is_some()
    );
    for bad in [
        String::new(),
        "{}".to_owned(),
        file(&item).replace("\"v\":1", "\"v\":2"),
        file(&item).replace("\"through\"", "\"trough\""),
        file(&item).replace("\"key\"", "\"badge\""),
        file(&item).replace("SHA256:", "MD5:"),
        file(&item).replace("2026-11-22T12", "yesterday"),
        file(&item).replace("\"why\":\"a\"", "\"why\":\"a\\nb\""),
        file(&format!("{item},{item}")),
        file(&item) + "x",
    ] {
        Revocations::from_json(&bad).unwrap_err();
    }
}

#[test]
fn a_reason_is_one_printable_line() {
    for good in [
        "laptop stolen",
        "gestohlen, #42: größer (x)",
        &"x".repeat(200),
    ] {
        assert_eq!(Why::new(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "  ",
        "a\nb",
        "a\u{202e}b",
        "a\u{1b}[0m",
        &"x".repeat(201),
    ] {
        Why::new(bad).unwrap_err();
    }
}

#[test]
fn records_are_in_the_journal_before_the_file_changes() {
    let state = State::new();
    // Something that cannot be replaced by a file.
    std::fs::create_dir(state.path().join("revocations.json")).unwrap();
    let key = Target::Key(user_key(5).fingerprint().clone());
    let error = revoke(&state.journal, &[], &key, &why(), &At(NOW)).unwrap_err();
    assert_eq!(error.reason(), "revocations_unreadable");
    let mut records = 0;
    read_records(&state.journal.path(), |_| records += 1).unwrap();
    assert_eq!(records, 0);
}
