//! Key revocation lists: what is written is read, and what nobody may read is refused.

use crate::scene::{NOW, public_blob, string, user_key};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use warden_core::certificate::{CaPublicKey, Serial, UnixTime};
use warden_core::failure::Failure;
use warden_core::host::krl::Krl;

fn ca(seed: u8) -> CaPublicKey {
    CaPublicKey::new(user_key(seed))
}

fn serial(number: u64) -> Serial {
    Serial::new(number).unwrap()
}

fn listed(krl: &Krl) -> BTreeSet<u64> {
    let ends = |line: &str| -> (u64, u64) {
        let text = line.strip_prefix("serial: ").unwrap();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        (first.parse().unwrap(), last.parse().unwrap())
    };
    let runs = krl.serial_lines().map(|line| ends(&line));
    runs.flat_map(|(first, last)| first..=last).collect()
}

/// The parts of a list without sections.
fn header() -> Vec<u8> {
    Krl::new(1, NOW, "").encode()
}

fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], string(content).as_slice()].concat()
}

/// A list with one section of one CA.
fn of_ca(kind: u8, content: &[u8]) -> Vec<u8> {
    let inside = [string(&public_blob(1)), string(b""), section(kind, content)].concat();
    [header(), section(1, &inside)].concat()
}

fn serials() -> impl Strategy<Value = BTreeSet<u64>> {
    let dense = prop::collection::btree_set(1u64..3000, 0..400);
    let wide = prop::collection::btree_set(1u64..=u64::MAX, 0..40);
    let edge = prop::collection::btree_set(u64::MAX - 300..=u64::MAX, 0..40);
    (dense, wide, edge).prop_map(|(a, b, c)| a.into_iter().chain(b).chain(c).collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(one in serials(), all in serials(), text in "[ -~é]{0,20}") {
        let mut krl = Krl::new(7, NOW, &text);
        krl.revoke_serials(Some(&ca(1)), one.iter().copied().map(serial));
        krl.revoke_serials(None, all.iter().copied().map(serial));
        prop_assert!(krl.revoke_key_id(Some(&ca(2)), &text));
        krl.revoke_key(&user_key(3));
        krl.revoke_fingerprint(user_key(4).fingerprint());
        let read = Krl::parse(&krl.encode()).unwrap();
        prop_assert_eq!(&read, &krl);
        let union: BTreeSet<u64> = one.union(&all).copied().collect();
        prop_assert_eq!(listed(&read), union);
    }

    #[test]
    fn no_bytes_make_the_reader_fail_otherwise_than_by_saying_so(
        numbers in serials(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut krl = Krl::new(7, NOW, "a comment");
        krl.revoke_serials(Some(&ca(1)), numbers.into_iter().map(serial));
        krl.revoke_key(&user_key(3));
        let mut bytes = krl.encode();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(read) = Krl::parse(&bytes) {
            prop_assert_eq!(&Krl::parse(&read.encode()).unwrap(), &read);
        }
    }
}

#[test]
fn what_sshd_refuses_is_refused() {
    let wide = [1u64.to_be_bytes().to_vec(), string(&[1; 2049])].concat();
    let negative = [1u64.to_be_bytes().to_vec(), string(&[0x80])].concat();
    let wraps = [u64::MAX.to_be_bytes().to_vec(), string(&[2])].concat();
    let zero_bit = [0u64.to_be_bytes().to_vec(), string(&[1])].concat();
    let backwards = [5u64.to_be_bytes(), 4u64.to_be_bytes()].concat();
    let three = [1u64.to_be_bytes(), 2u64.to_be_bytes(), 3u64.to_be_bytes()].concat();
    let critical = |flag: u8| [string(b"x"), vec![flag], string(b"")].concat();
    let mut other_version = header();
    other_version[11] = 2;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "krl_not_a_krl"),
        (b"SSHKRL\n".to_vec(), "krl_not_a_krl"),
        (b"ssh-ed25519 AAAA\n".to_vec(), "krl_not_a_krl"),
        (other_version, "krl_damaged"),
        (header()[..40].to_vec(), "krl_damaged"),
        ([header(), vec![0]].concat(), "krl_damaged"),
        ([header(), section(4, b"")].concat(), "krl_signed"),
        ([header(), section(6, b"")].concat(), "krl_unknown_section"),
        (
            [header(), section(255, &critical(1))].concat(),
            "krl_unknown_section",
        ),
        (
            [header(), section(255, &[critical(0), vec![0]].concat())].concat(),
            "krl_damaged",
        ),
        (
            [header(), section(3, &string(&[0; 19]))].concat(),
            "krl_damaged",
        ),
        (
            [header(), section(5, &string(&[0; 20]))].concat(),
            "krl_damaged",
        ),
        (
            [
                header(),
                section(1, &[string(b"key"), string(b"")].concat()),
            ]
            .concat(),
            "krl_damaged",
        ),
        (of_ca(0x20, &0u64.to_be_bytes()), "krl_damaged"),
        (of_ca(0x20, &[1; 7]), "krl_damaged"),
        (of_ca(0x21, &backwards), "krl_damaged"),
        (of_ca(0x21, &three), "krl_damaged"),
        (of_ca(0x22, &wide), "krl_damaged"),
        (of_ca(0x22, &negative), "krl_damaged"),
        (of_ca(0x22, &wraps), "krl_damaged"),
        (of_ca(0x22, &zero_bit), "krl_damaged"),
        (of_ca(0x23, &string(b"a\0b")), "krl_damaged"),
        (of_ca(0x24, b""), "krl_unknown_section"),
        (of_ca(0x39, &critical(1)), "krl_unknown_section"),
    ];
    for (number, (bytes, reason)) in cases.into_iter().enumerate() {
        let error = Krl::parse(&bytes).map(|krl| krl.entries()).unwrap_err();
        assert_eq!(error.reason(), reason, "case {number}: {error}");
    }
    for accepted in [
        [header(), section(255, &critical(0))].concat(),
        of_ca(0x39, &critical(0)),
        of_ca(0x23, &string(b"a\0")),
        of_ca(0x22, &[1u64.to_be_bytes().to_vec(), string(b"")].concat()),
        of_ca(
            0x22,
            &[
                1u64.to_be_bytes().to_vec(),
                string(&[[0].as_slice(), &[255; 2048]].concat()),
            ]
            .concat(),
        ),
    ] {
        Krl::parse(&accepted).unwrap();
    }
}

#[test]
fn a_file_of_bitmaps_is_refused_before_it_takes_the_machine() {
    // Each byte of such a bitmap is four runs.
    let mut inside = [string(&public_blob(1)), string(b"")].concat();
    for number in 0..4000u64 {
        let offset = (1 + (number << 20)).to_be_bytes().to_vec();
        inside.extend(section(0x22, &[offset, string(&[0x55; 2048])].concat()));
    }
    let bytes = [header(), section(1, &inside)].concat();
    let began = Instant::now();
    let error = Krl::parse(&bytes).unwrap_err();
    assert_eq!(error.reason(), "krl_too_large");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_file_of_very_many_cas_is_read_in_bounded_time() {
    let mut bytes = header();
    for number in 0..200_000u64 {
        let point = [[7; 24].as_slice(), &number.to_be_bytes()].concat();
        let blob = [string(b"ssh-ed25519"), string(&point)].concat();
        let inside = [
            string(&blob),
            string(b""),
            section(0x20, &9u64.to_be_bytes()),
        ]
        .concat();
        bytes.extend(section(1, &inside));
    }
    let began = Instant::now();
    assert_eq!(Krl::parse(&bytes).unwrap().entries(), 200_000);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn odd_serials_never_make_a_bitmap_that_is_too_wide() {
    for count in [8191, 8192, 8193, 20_000] {
        let mut krl = Krl::new(1, UnixTime(1), "");
        krl.revoke_serials(None, (0..count).map(|one| serial(2 * one + 1)));
        let bytes = krl.encode();
        assert_eq!(Krl::parse(&bytes).unwrap(), krl);
        assert!(bytes.len() < 200 + count as usize / 4 + count as usize / 100);
    }
}

#[test]
fn a_range_ends_where_it_says_and_a_key_id_has_no_nul() {
    let mut krl = Krl::new(1, NOW, "line\nline");
    krl.revoke_range(None, serial(5), serial(9));
    krl.revoke_range(None, serial(9), serial(5));
    assert!(!krl.revoke_key_id(None, "a\0b"));
    assert_eq!(krl.serial_lines().collect::<Vec<_>>(), ["serial: 5-9"]);
    assert_eq!((krl.entries(), krl.comment().as_str()), (1, "lineline"));
}
