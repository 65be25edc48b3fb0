//! Any journal: it holds, or the place is named.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use warden_core::journal::{Record, verify};

static JOURNAL: LazyLock<PathBuf> =
    LazyLock::new(|| warden_fuzz::private_directory("journal").join("journal.jsonl"));

fuzz_target!(|content: &[u8]| {
    warden_fuzz::write_secret(&JOURNAL, content);
    match verify(std::slice::from_ref(&*JOURNAL), None, None) {
        Ok(verified) => {
            let lines = content.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(verified.records, lines as u64);
            assert_eq!(verified.head.seq, verified.records);
            assert_eq!(verified.head.to_string().parse().ok(), Some(verified.head));
        }
        Err(error) => drop(error.to_string()),
    }
    for line in content.split(|byte| *byte == b'\n') {
        let _record = serde_json::from_slice::<Record>(line).is_ok();
    }
});
