//! The rules of a service where they can all hold: on a file system of its own, mounted read-only.

use super::{Scene, with_verdict};
use std::collections::BTreeSet;
use warden_tests::process::Outcome;
use warden_tests::sandbox::warden_binary;
use warden_tests::skipped;

/// Whether mounts can be made that nobody else sees.
fn private_mounts(scene: &Scene) -> Result<(), String> {
    let made = scene
        .sandbox
        .run("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/srv"]);
    match made.succeeded() {
        true => Ok(()),
        false => Err(format!("unshare -m does not work: {}", made.stderr.trim())),
    }
}

/// Runs `ca check --service` on a copy of the key at `/srv/ca/key`, where `prepare` was run before the
/// file system was made read-only, and `after` afterwards.
fn on_read_only(scene: &Scene, prepare: &str, after: &str, args: &[&str]) -> Outcome {
    let script = format!(
        "set -e
mount -t tmpfs -o mode=755 none /srv
mkdir -m 755 /srv/ca
cp ca/key ca/key.pub /srv/ca
chmod 400 /srv/ca/key
cd /srv
{prepare}
mount -o remount,bind,ro /srv
{after}
exec {} ca check --service --key /srv/ca/key {}",
        warden_binary().display(),
        args.join(" ")
    );
    scene.sandbox.run("unshare", ["-m", "sh", "-c", &script])
}

#[test]
fn every_rule_of_a_service_can_hold_and_each_place_can_break_it() {
    let scene = Scene::new();
    if !skipped::require("mounts of a test's own", private_mounts(&scene)) {
        return;
    }
    let failing = |prepare: &str, after: &str, args: &[&str]| -> (BTreeSet<String>, Outcome) {
        let outcome = on_read_only(&scene, prepare, after, args);
        (with_verdict("FAIL", &outcome), outcome)
    };
    let (none, outcome) = failing("", "", &[]);
    assert_eq!(none, BTreeSet::new(), "{outcome}");
    assert_eq!(outcome.code, Some(0));
    assert!(
        outcome
            .stdout
            .contains("PASS consumer_mount_ro mount=/srv want=ro got=ro"),
        "{outcome}"
    );
    let table: [(&str, &str, &[&str], &str); 11] = [
        // Written through, or covered by a mount that can be.
        (
            "",
            "mount -o remount,bind,rw /srv",
            &[],
            "consumer_mount_ro",
        ),
        (
            "",
            "cp -a ca /tmp/warden-copy-$$; mount -t tmpfs -o mode=755 over /srv/ca; cp -a /tmp/warden-copy-$$/. ca/; rm -r /tmp/warden-copy-$$",
            &[],
            "consumer_mount_ro",
        ),
        ("chmod 775 ca", "", &[], "ca_key_parents"),
        ("chmod 757 ca", "", &[], "ca_key_parents"),
        ("chmod 1777 ca", "", &[], "ca_key_parents"),
        ("chmod 775 .", "", &[], "ca_key_parents"),
        ("chown 1 ca", "", &[], "ca_key_parents"),
        (
            "mkdir -m 777 open; mv ca open; ln -s open/ca ca",
            "",
            &[],
            "ca_key_parents",
        ),
        // The key's own directory is sound, but the way to it leads through one that is not.
        (
            "mkdir -m 777 open; mv ca real; ln -s ../real open/link; ln -s open/link ca",
            "",
            &[],
            "ca_key_parents",
        ),
        ("chown 0:1 ca/key", "", &[], "ca_key_owner"),
        ("", "", &["--service-uid", "1"], "consumer_key_readable"),
    ];
    for (prepare, after, args, code) in table {
        let (found, outcome) = failing(prepare, after, args);
        assert_eq!(
            found,
            BTreeSet::from([code.to_owned()]),
            "{prepare} {after}: {outcome}"
        );
    }
    // A link through a directory that nobody else can write is no fault.
    let (found, outcome) = failing("mkdir -m 755 way; mv ca way; ln -s way/ca ca", "", &[]);
    assert_eq!(found, BTreeSet::new(), "{outcome}");
    // A service of its own user, which owns its key.
    let own = ["--expect-owner", "1:1", "--service-uid", "1"];
    let (found, outcome) = failing("chown 1:1 ca/key", "", &own);
    assert_eq!(found, BTreeSet::new(), "{outcome}");
    let (found, outcome) = failing("chown 1:1 ca/key; chmod 700 ca", "", &own);
    assert_eq!(
        found,
        BTreeSet::from(["consumer_key_readable".to_owned()]),
        "{outcome}"
    );
}
