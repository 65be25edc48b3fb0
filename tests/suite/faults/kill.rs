//! `kill -9` at any moment.

use crate::setup::Setup;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use warden_core::certificate::Parsed;

/// The serials of every certificate in the state directory, unfinished files included.
fn serials_stored(setup: &Setup) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(setup.state()).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        match Parsed::from_line(&content) {
            Ok(certificate) => drop(found.insert(certificate.serial().to_string())),
            Err(error) => assert!(
                path != setup.certificate(),
                "a stored certificate is {error}: {content:?}"
            ),
        }
    }
    found
}

fn serials_recorded(setup: &Setup) -> BTreeSet<String> {
    // The last line may be torn.
    let text = setup.journal_text();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records
        .filter_map(|record| record["serial"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn killed_at_any_moment_no_certificate_is_without_its_record() {
    let setup = Setup::new();
    std::fs::remove_file(setup.certificate()).unwrap();
    let began = Instant::now();
    setup.sign().check();
    let usual = began.elapsed().as_micros().min(30_000) as u64;
    let (mut early, mut whole) = (0, 0);
    for run in 0..90u64 {
        if run % 15 == 14 {
            // From an empty state directory too.
            std::fs::remove_dir_all(setup.state()).unwrap();
        }
        // Spread over the time that a whole run takes, without a generator to seed.
        let wait = Duration::from_micros(usual * (run * 37 % 90) / 80);
        let mut running = setup.signing().start();
        std::thread::sleep(wait);
        running.kill();
        let outcome = running.finish(Duration::from_secs(20)).unwrap();
        if outcome.signal == Some(9) {
            early += 1
        } else {
            whole += 1
        }
        if !setup.journal().exists() {
            assert_eq!(outcome.stdout, "");
            continue;
        }
        let recorded = serials_recorded(&setup);
        let stored = serials_stored(&setup);
        assert!(stored.is_subset(&recorded), "{stored:?} of {recorded:?}");
        if let Ok(certificate) = Parsed::from_line(&outcome.stdout_bytes) {
            assert!(recorded.contains(&certificate.serial().to_string()));
        }
        setup.sign().check();
        setup.verify().check();
    }
    assert!(early >= 20, "{early} killed, {whole} ran to their end");
}
