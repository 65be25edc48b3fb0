//! Any file somebody may call a key revocation list: it is read in bounded time and memory, or refused.
//!
//! Most inputs would fail in the header, so the input is also taken for the sections behind one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use warden_core::certificate::UnixTime;
use warden_core::host::krl::Krl;

fuzz_target!(|content: &[u8]| {
    read(content);
    let mut behind = Krl::new(1, UnixTime(1), "").encode();
    behind.extend_from_slice(content);
    read(&behind);
});

fn read(bytes: &[u8]) {
    let Ok(krl) = Krl::parse(bytes) else {
        return;
    };
    // Written by us it is the same.
    let again = krl.encode();
    assert_eq!(Krl::parse(&again).as_ref(), Ok(&krl));
    assert!(krl.serial_lines().count() <= krl.entries());
}
