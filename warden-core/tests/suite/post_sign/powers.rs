//! More, less or other powers than were authorized.

use super::assert_each;
use crate::forger::COMMAND;
use crate::scene::string;
use crate::wire::{flag, valued};

#[test]
fn other_critical_options_are_refused() {
    const REASON: Option<&str> = Some("critical_options_mismatch");
    assert_each(&[
        (
            "one more",
            |f| f.wire.critical_options.push(flag("x@example.org")),
            REASON,
        ),
        (
            "no forced command",
            |f| drop(f.wire.critical_options.remove(0)),
            REASON,
        ),
        (
            "no source address",
            |f| drop(f.wire.critical_options.remove(1)),
            REASON,
        ),
        (
            "no verify-required",
            |f| drop(f.wire.critical_options.pop()),
            REASON,
        ),
        ("none at all", |f| f.wire.critical_options.clear(), REASON),
        (
            "a forced command changed by a byte",
            |f| {
                let last = f.wire.critical_options[0].1.last_mut().unwrap();
                *last ^= 1;
            },
            REASON,
        ),
        (
            "a forced command with a byte more",
            |f| f.wire.critical_options[0] = valued("force-command", &format!("{COMMAND} ")),
            REASON,
        ),
        (
            "a forced command without its inner length",
            |f| f.wire.critical_options[0].1 = COMMAND.into(),
            REASON,
        ),
        (
            "bytes behind the forced command",
            |f| f.wire.critical_options[0].1.push(0),
            REASON,
        ),
        (
            "a wider network",
            |f| f.wire.critical_options[1] = valued("source-address", "0.0.0.0/0"),
            REASON,
        ),
        (
            "a flag with a double empty string",
            |f| f.wire.critical_options[2].1 = string(b""),
            REASON,
        ),
        (
            "another letter case",
            |f| f.wire.critical_options[0].0 = b"Force-Command".into(),
            REASON,
        ),
        (
            "not in byte order",
            |f| f.wire.critical_options.swap(0, 1),
            REASON,
        ),
        (
            "the forced command twice",
            |f| {
                let first = f.wire.critical_options[0].clone();
                f.wire.critical_options.insert(0, first);
            },
            REASON,
        ),
        (
            "the forced command among the extensions",
            |f| {
                let command = f.wire.critical_options.remove(0);
                f.wire.extensions.insert(0, command);
            },
            REASON,
        ),
    ]);
}

#[test]
fn other_extensions_are_refused() {
    const REASON: Option<&str> = Some("extensions_mismatch");
    assert_each(&[
        (
            "one more",
            |f| f.wire.extensions.push(flag("permit-user-rc")),
            REASON,
        ),
        (
            "one nobody knows",
            |f| f.wire.extensions.push(flag("x@example.org")),
            REASON,
        ),
        ("one less", |f| drop(f.wire.extensions.pop()), REASON),
        ("none", |f| f.wire.extensions.clear(), REASON),
        (
            "another",
            |f| f.wire.extensions[1] = flag("permit-user-rc"),
            REASON,
        ),
        (
            "with data",
            |f| f.wire.extensions[1] = valued("permit-pty", "yes"),
            REASON,
        ),
        (
            "a flag with a double empty string",
            |f| f.wire.extensions[1].1 = string(b""),
            REASON,
        ),
        ("not in byte order", |f| f.wire.extensions.reverse(), REASON),
        (
            "one twice",
            |f| f.wire.extensions.push(flag("permit-pty")),
            REASON,
        ),
        (
            "a forced command besides",
            |f| {
                f.wire
                    .extensions
                    .insert(0, valued("force-command", COMMAND))
            },
            REASON,
        ),
    ]);
}
