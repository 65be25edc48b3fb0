//! Whatever is changed in a journal is found and named.

use super::State;
use warden_core::failure::Failure;
use warden_core::journal::{Head, Record, verify};

#[test]
fn an_untouched_journal_holds() {
    let state = State::with_five_records();
    let verified = state.verify().unwrap();
    assert_eq!((verified.records, verified.first), (5, 1));
    assert_eq!(verified.head, state.head());
    assert_eq!(verified.head.seq, 5);
}

#[test]
fn every_record_reads_back_as_itself() {
    let state = State::with_five_records();
    let text = String::from_utf8(state.read()).unwrap();
    let mut outcomes = Vec::new();
    for (line, seq) in text.lines().zip(1..) {
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
        assert_eq!(record.seq, seq);
        assert_eq!(record.at, "2026-11-22T12:00:00Z");
        let again: Record = serde_json::from_value(serde_json::to_value(&record).unwrap()).unwrap();
        assert_eq!(again, record);
        outcomes.push((record.entry.outcome, record.entry.reason));
    }
    use warden_core::journal::Outcome::{Denied, Failed, Issued};
    let because = |reason: &str| Some(reason.to_owned());
    assert_eq!(
        outcomes,
        [
            (Issued, None),
            (Denied, because("unknown_actor_resource")),
            (Denied, because("principal_not_allowed")),
            (Denied, because("unknown_actor_resource")),
            (Failed, because("serial_mismatch")),
        ]
    );
}

#[test]
fn every_changed_byte_is_found() {
    let state = State::with_five_records();
    let good = state.read();
    for at in 0..good.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut changed = good.clone();
            changed[at] ^= change;
            state.write(&changed);
            assert!(state.verify().is_err(), "byte {at}, change {change:#x}");
        }
    }
    state.write(&good);
    assert!(state.verify().is_ok());
}

#[test]
fn every_cut_is_found() {
    let state = State::with_five_records();
    let good = state.read();
    for length in 0..good.len() {
        state.write(&good[..length]);
        let reason = state.verify().unwrap_err().reason();
        let whole = length == 0 || good[length - 1] == b'\n';
        let expected = if whole {
            "journal_ends_early"
        } else {
            "journal_torn"
        };
        assert_eq!(reason, expected, "{length} bytes");
    }
}

/// The reason the journal does not hold once its lines are these.
fn reason(state: &State, lines: &[&[u8]]) -> Option<&'static str> {
    state.write(&lines.concat());
    state.verify().err().map(|error| error.reason())
}

#[test]
fn a_removed_swapped_repeated_or_foreign_line_is_found() {
    let state = State::with_five_records();
    let other = State::with_five_records();
    let (good, foreign) = (state.read(), other.read());
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let foreign: Vec<&[u8]> = foreign.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..5 {
        let mut removed = lines.clone();
        removed.remove(at);
        let expected = match at {
            0 => "journal_beginning",
            4 => "journal_ends_early",
            _ => "journal_sequence",
        };
        assert_eq!(reason(&state, &removed), Some(expected), "{at} removed");

        let mut repeated = lines.clone();
        repeated.insert(at, lines[at]);
        assert_eq!(
            reason(&state, &repeated),
            Some("journal_sequence"),
            "{at} repeated"
        );

        // The same number, in a chain of its own: it names another line than the one before it.
        let mut replaced = lines.clone();
        replaced[at] = foreign[at];
        let expected = "journal_changed";
        assert_eq!(reason(&state, &replaced), Some(expected), "{at} replaced");

        let mut blank = lines.clone();
        blank.insert(at, b"\n");
        assert_eq!(
            reason(&state, &blank),
            Some("journal_not_a_record"),
            "{at} blank"
        );
    }
    for at in 0..4 {
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        let expected = if at == 0 {
            "journal_beginning"
        } else {
            "journal_sequence"
        };
        assert_eq!(reason(&state, &swapped), Some(expected), "{at} swapped");
    }
    assert_eq!(reason(&state, &foreign), Some("journal_head_differs"));
    assert_eq!(reason(&state, &lines), None);
}

#[test]
fn a_changed_line_is_named_and_not_the_one_after_it() {
    let state = State::with_five_records();
    let text = String::from_utf8(state.read()).unwrap();
    let changed = text.replacen("\"agt-nobody\"", "\"agt-noboby\"", 1);
    assert_ne!(changed, text);
    state.write(changed.as_bytes());
    let message = state.verify().unwrap_err().to_string();
    let beginning = format!("{}:2: record 2 was changed", state.journal().display());
    assert!(message.starts_with(&beginning), "{message}");
}

#[test]
fn a_cut_or_rewritten_end_shows_against_a_head_kept_elsewhere() {
    let state = State::with_five_records();
    let kept = state.head();
    let good = state.read();
    let four = good.len()
        - good
            .split_inclusive(|b| *b == b'\n')
            .next_back()
            .unwrap()
            .len();
    state.forget_head();
    let against = |head: &Head| verify(&[state.journal()], None, Some(head.clone()));
    assert_eq!(against(&kept).unwrap().head, kept);

    state.write(&good[..four]);
    // Nothing in the file itself tells; this is why a head is kept elsewhere.
    assert_eq!(state.verify().unwrap().records, 4);
    assert_eq!(against(&kept).unwrap_err().reason(), "journal_ends_early");

    state.append();
    state.forget_head();
    assert_eq!(state.verify().unwrap().records, 5);
    assert_eq!(against(&kept).unwrap_err().reason(), "journal_head_differs");

    // A head from the middle is a point the journal must go through.
    state.write(&good);
    let middle = State::new();
    middle.write(&good[..four]);
    let earlier = middle.verify().unwrap().head;
    assert_eq!(earlier.seq, 4);
    assert_eq!(against(&earlier).unwrap().records, 5);
    let other = Head {
        hash: "0".repeat(64),
        ..earlier
    };
    assert_eq!(
        against(&other).unwrap_err().reason(),
        "journal_head_differs"
    );
}

#[test]
fn a_head_reads_back_and_nothing_else_is_one() {
    let state = State::with_five_records();
    let head = state.head();
    assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
    let hash = &head.hash;
    for bad in [
        String::new(),
        hash.clone(),
        format!("5:{}", &hash[1..]),
        format!("5:{hash}0"),
        format!("05:{hash}"),
        format!("+5:{hash}"),
        format!("-5:{hash}"),
        format!(" 5:{hash}"),
        format!("5:{hash}\n"),
        format!("5:{}", "A".repeat(64)),
        format!("18446744073709551616:{hash}"),
    ] {
        assert!(bad.parse::<Head>().is_err(), "{bad}");
    }
}

#[test]
fn a_line_that_is_no_record_is_refused() {
    let state = State::with_five_records();
    let good = state.read();
    let last = |line: &str| {
        state.write(&[&good, line.as_bytes()].concat());
        state.verify().unwrap_err().reason()
    };
    let hash = state.head().hash;
    let version_two = format!("{{\"v\":2,\"seq\":6,\"prev\":\"{hash}\"}}\n");
    let no_kind = format!("{{\"v\":1,\"seq\":6,\"prev\":\"{hash}\"}}\n");
    let list = format!("[1,6,\"{hash}\",\"\",\"\",\"\",\"\"]\n");
    for line in [
        &no_kind,
        &list,
        "{}\n",
        "[]\n",
        "x\n",
        "\0\n",
        "\u{feff}{}\n",
        &version_two,
    ] {
        assert_eq!(last(line), "journal_not_a_record", "{line:?}");
    }
    let endless = format!("{}\n", "x".repeat(1024 * 1024 + 1));
    assert_eq!(last(&endless), "journal_not_a_record");
    let many = format!(
        "{{\"v\":1,\"seq\":18446744073709551615,\"prev\":\"{hash}\",\"at\":\"\",\"event_id\":\"\",\"kind\":\"\",\"outcome\":\"\"}}\n"
    );
    assert_eq!(last(&many), "journal_sequence");
}
