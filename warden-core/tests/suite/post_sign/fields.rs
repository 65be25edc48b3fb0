//! Another name, key, type, serial or principal than was authorized.

use super::assert_each;
use crate::scene::{pair, string};
use warden_core::certificate::Serial;

#[test]
fn another_name_key_type_or_serial_is_refused() {
    assert_each(&[
        (
            "another subject key",
            |f| f.wire.key_fields = string(&pair(9).verifying_key().to_bytes()),
            Some("public_key_mismatch"),
        ),
        ("host", |f| f.wire.cert_type = 2, Some("cert_type_mismatch")),
        (
            "type 0",
            |f| f.wire.cert_type = 0,
            Some("answer_not_a_certificate"),
        ),
        (
            "type 3",
            |f| f.wire.cert_type = 3,
            Some("answer_not_a_certificate"),
        ),
        (
            "another key id",
            |f| f.wire.key_id = b"agt-hob".into(),
            Some("key_id_mismatch"),
        ),
        (
            "a key id with a suffix",
            |f| f.wire.key_id = b"agt-hub-1".into(),
            Some("key_id_mismatch"),
        ),
        (
            "a key id with a NUL behind it",
            |f| f.wire.key_id = b"agt-hub\0".into(),
            Some("key_id_mismatch"),
        ),
        (
            "an empty key id",
            |f| f.wire.key_id.clear(),
            Some("key_id_mismatch"),
        ),
        (
            "serial zero",
            |f| f.wire.serial = 0,
            Some("serial_mismatch"),
        ),
        (
            "a serial that was not chosen",
            |f| f.wire.serial = 43,
            Some("serial_mismatch"),
        ),
        (
            "serial zero where the choice was the signer's",
            |f| {
                f.chosen = None;
                f.wire.serial = 0;
            },
            Some("serial_mismatch"),
        ),
        (
            "the largest serial where the choice was the signer's",
            |f| {
                f.chosen = None;
                f.wire.serial = u64::MAX;
            },
            None,
        ),
        (
            "a choice other than what was written",
            |f| f.chosen = Serial::new(41),
            Some("serial_mismatch"),
        ),
    ]);
}

#[test]
fn other_principals_are_refused_but_their_order_is_the_signers() {
    assert_each(&[
        (
            "one more",
            |f| f.wire.principals.push(b"root".into()),
            Some("principals_mismatch"),
        ),
        (
            "one less",
            |f| f.wire.principals.truncate(1),
            Some("principals_mismatch"),
        ),
        (
            "none",
            |f| f.wire.principals.clear(),
            Some("principals_mismatch"),
        ),
        (
            "another",
            |f| f.wire.principals[1] = b"hub-c".into(),
            Some("principals_mismatch"),
        ),
        (
            "one twice",
            |f| f.wire.principals.push(b"hub-a".into()),
            Some("principals_mismatch"),
        ),
        (
            "one twice instead of the other",
            |f| f.wire.principals[1] = f.wire.principals[0].clone(),
            Some("principals_mismatch"),
        ),
        (
            "joined by a comma",
            |f| f.wire.principals = vec![b"hub-b,hub-a".into()],
            Some("principals_mismatch"),
        ),
        (
            "an empty one besides",
            |f| f.wire.principals.push(Vec::new()),
            Some("principals_mismatch"),
        ),
        (
            "a NUL behind one",
            |f| f.wire.principals[0].push(0),
            Some("principals_mismatch"),
        ),
        ("reordered", |f| f.wire.principals.reverse(), None),
    ]);
}
