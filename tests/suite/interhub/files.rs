//! Files that are not as they must be: refused by a word, with nothing done.

use super::scene::Lane;

#[test]
fn an_operator_key_that_is_not_private_is_not_used() {
    let Some(lane) = Lane::open() else { return };
    let spoilt = [
        ("rm operator-key", "missing"),
        ("chmod 640 operator-key", "exposed"),
        ("chmod 604 operator-key", "exposed"),
        ("chmod 700 operator-key", "exposed"),
        ("ln operator-key second", "exposed"),
        ("mv operator-key other; ln -s other operator-key", "exposed"),
        ("rm operator-key; ln -s nowhere operator-key", "exposed"),
        ("chown 0 operator-key", "exposed"),
        ("rm operator-key; mkdir -m 600 operator-key", "exposed"),
        (
            "rm operator-key; mkfifo -m 600 operator-key; chown OWNER operator-key",
            "exposed",
        ),
        (": >operator-key", "empty"),
    ];
    for (how, word) in spoilt {
        expect_refused(&lane, how, &format!("operator_key_{word}"));
    }
    lane.expect("created", 0);
    lane.expect_runs(1, true);
}

#[test]
fn a_place_that_is_not_private_gets_no_key() {
    let Some(lane) = Lane::open() else { return };
    for (how, word) in [
        ("chmod 720 .", "directory_exposed"),
        ("chmod 703 .", "directory_exposed"),
        ("chmod 1777 .", "directory_exposed"),
        ("chown 0 .; chmod 755 .", "directory_exposed"),
        ("ln -s nowhere runtime-key", "runtime_key_exposed"),
        ("ln -s hub runtime-key", "runtime_key_exposed"),
        (
            "cp -p hub runtime-key; chmod 640 runtime-key",
            "runtime_key_exposed",
        ),
        ("mkdir -m 600 runtime-key", "runtime_key_exposed"),
        ("cp -p hub runtime-key; : >runtime-key", "runtime_key_empty"),
        ("touch runtime-key.new", "unfinished_run"),
        ("ln -s nowhere runtime-key.new", "unfinished_run"),
        ("chmod 500 .", "runtime_key_not_kept"),
    ] {
        expect_refused(&lane, how, word);
    }
    lane.expect("created", 0);
    lane.expect_runs(1, true);
}

/// Spoils the store, and finds it as it was spoilt after the lane has refused.
#[track_caller]
fn expect_refused(lane: &Lane, how: &str, word: &str) {
    let how = how.replace("OWNER", lane.account());
    lane.as_root(&format!("cp -a store saved; cd store; {how}"));
    let listed = "find store -printf '%p %i %m %U %n %s %T@\\n' | sort";
    lane.as_root(&format!("{listed} >before"));
    let ran = lane.login(&lane.certify()).run();
    assert_eq!(
        (ran.stdout.as_str(), ran.code),
        (lane.says(word).as_str(), Some(2)),
        "{how}: {ran}"
    );
    lane.as_root(&format!("{listed} | cmp before - # {how}"));
    lane.as_root("test ! -e store/runs; rm -rf store; mv saved store");
}

#[test]
fn settings_that_the_account_can_write_are_not_read() {
    let Some(lane) = Lane::open() else { return };
    let mark = "touch ~/mark";
    for (how, word) in [
        ("rm settings", "settings_missing"),
        ("chmod 600 settings", "settings_missing"),
        ("chmod 666 settings", "settings_exposed"),
        ("chown OWNER settings", "settings_exposed"),
        (
            "chown OWNER settings; chmod 444 settings",
            "settings_exposed",
        ),
        (": >settings", "settings_malformed"),
        ("echo 'if' >settings", "settings_malformed"),
        ("echo 'x=$unset' >settings", "settings_malformed"),
        (
            "echo 'RUNTIME_KEY_FILE=relative' >>settings",
            "settings_malformed",
        ),
        (
            "echo 'RUNTIME_KEY_FILE=/a\\\"b' >>settings",
            "settings_malformed",
        ),
        (
            "echo 'RUNTIME_KEY_FILE=\"/a b\"' >>settings",
            "settings_malformed",
        ),
    ] {
        let how = how.replace("OWNER", lane.account());
        lane.as_root(&format!("cp -a lane saved; cd lane; {how}"));
        if word == "settings_exposed" {
            lane.as_root(&format!("echo '{mark}' >>lane/settings"));
        }
        let ran = lane.login(&lane.certify()).run();
        let expected = lane.says(word).replace(&lane.at("store/runtime-key"), "");
        assert_eq!(
            (ran.stdout.as_str(), ran.code),
            (expected.as_str(), Some(2)),
            "{how}: {ran}"
        );
        lane.as_root("test ! -e mark; test ! -e store/runs; rm -rf lane; mv saved lane");
    }
    lane.expect("created", 0);
}
