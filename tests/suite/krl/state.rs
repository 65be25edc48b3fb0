//! What is revoked on disk, and the list on disk, when something comes between.

use crate::setup::{ACTOR, Setup, as_root, refusal_of_text};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use warden_core::certificate::Parsed;
use warden_core::host::krl::Krl;
use warden_core::revocation::Revocations;
use warden_tests::process::Outcome;
use warden_tests::skipped;

const WHY: [&str; 2] = ["--reason", "a test"];

fn file(setup: &Setup) -> PathBuf {
    setup.join("state/revocations.json")
}

fn items(setup: &Setup) -> Vec<String> {
    let text = std::fs::read_to_string(file(setup)).unwrap();
    let revocations = Revocations::from_json(&text).unwrap();
    revocations
        .items()
        .map(|(item, _)| item.to_string())
        .collect()
}

fn revoke(setup: &Setup, what: &[&str]) -> Outcome {
    setup.program().arg("revoke").args(what).args(WHY).run()
}

fn fingerprint(number: usize) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = &letters[number..=number];
    format!("SHA256:{}A", letter.repeat(42))
}

#[test]
fn many_at_once_all_end_in_the_file() {
    let setup = Setup::new();
    let running: Vec<_> = (0..24)
        .map(|number| {
            let program = setup
                .program()
                .args(["revoke", "--key", &fingerprint(number)]);
            program.args(WHY).start()
        })
        .collect();
    for one in running {
        one.finish(Duration::from_secs(60)).unwrap().check();
    }
    assert_eq!(items(&setup).len(), 24);
    setup.verify().check();
    assert_eq!(setup.records().len(), 1 + 24);
}

#[test]
fn of_many_signed_beside_a_revocation_each_that_was_handed_out_is_in_the_list() {
    let setup = Setup::new();
    let (mut handed_out, mut refused) = (Vec::new(), 0);
    for round in 0..6 {
        let mut signing = Vec::new();
        let mut revoking = None;
        for number in 0..24 {
            if number == 4 + 3 * round {
                let program = setup.program().args(["revoke", ACTOR]).args(WHY);
                revoking = Some(program.start());
            }
            signing.push(setup.signing().start());
        }
        let revoked = revoking.unwrap().finish(Duration::from_secs(60)).unwrap();
        revoked.check();
        for one in signing {
            let signed = one.finish(Duration::from_secs(60)).unwrap();
            match signed.succeeded() {
                true => handed_out.push(Parsed::from_line(signed.stdout.as_bytes()).unwrap()),
                false => {
                    refusal_of_text(&signed, 3, "actor_revoked");
                    refused += 1;
                }
            }
        }
        let out = setup.join("revoked");
        let build = setup.program().args(["krl", "build", "--out"]);
        build.arg(&out).run().check();
        let list = Krl::parse(&std::fs::read(&out).unwrap()).unwrap();
        for certificate in handed_out.drain(..) {
            assert!(list.revokes(&certificate).is_some(), "round {round}");
        }
        revoke(&setup, &["--undo", ACTOR]).check();
    }
    assert!(refused > 12, "{refused}");
    setup.verify().check();
}

#[test]
fn what_ended_between_record_and_file_is_mended_by_the_same_command() {
    let setup = Setup::new();
    revoke(&setup, &["--key", &fingerprint(0)]).check();
    let before = std::fs::read(file(&setup)).unwrap();
    revoke(&setup, &[ACTOR]).check();
    let after = std::fs::read(file(&setup)).unwrap();
    let records = setup.records().len();
    setup
        .sandbox
        .write("q/state/revocations.json", before, 0o600);
    setup.sign().check();
    let again = revoke(
        &setup,
        &["--serial", setup.records()[0]["serial"].as_str().unwrap()],
    );
    assert!(again.stderr.contains("2 earlier records"), "{again}");
    let undone = revoke(
        &setup,
        &[
            "--undo",
            "--serial",
            setup.records()[0]["serial"].as_str().unwrap(),
        ],
    );
    undone.check();
    refusal_of_text(&setup.sign(), 3, "actor_revoked");
    let read = |bytes: &[u8]| Revocations::from_json(std::str::from_utf8(bytes).unwrap()).unwrap();
    let now = read(&std::fs::read(file(&setup)).unwrap());
    assert!(now.items().eq(read(&after).items()));
    assert!(setup.records().len() > records);
}

#[test]
fn without_a_sound_file_nothing_is_signed() {
    let setup = Setup::new();
    revoke(&setup, &["--key", &fingerprint(0)]).check();
    setup.sign().check();
    let sound = std::fs::read(file(&setup)).unwrap();
    std::fs::remove_file(file(&setup)).unwrap();
    refusal_of_text(&setup.sign(), 2, "revocations_missing");
    refusal_of_text(
        &setup.signing().arg("--dry-run").run(),
        2,
        "revocations_missing",
    );
    for torn in [&sound[..sound.len() / 2], b"", b"{}"] {
        setup.sandbox.write("q/state/revocations.json", torn, 0o600);
        refusal_of_text(&setup.sign(), 2, "revocations_malformed");
        refusal_of_text(
            &revoke(&setup, &["--key", &fingerprint(1)]),
            2,
            "revocations_malformed",
        );
    }
    setup
        .script("rm $S/revocations.json; mkfifo $S/revocations.json")
        .run()
        .check();
    refusal_of_text(&setup.sign(), 2, "revocations_unreadable");
    setup
        .script("rm $S/revocations.json; $W revoke --mend")
        .run()
        .check();
    assert_eq!(std::fs::read(file(&setup)).unwrap(), sound);
    setup.sign().check();
}

#[test]
fn a_lost_file_of_a_rotated_journal_wants_the_older_ones() {
    let setup = Setup::new();
    revoke(&setup, &["--key", &fingerprint(0)]).check();
    setup
        .script("mv $S/journal.jsonl $S/journal.1; rm $S/revocations.json")
        .run()
        .check();
    let refused = setup.warden(["revoke", "--mend"]);
    refusal_of_text(&refused, 2, "revocations_incomplete");
    setup
        .script("$W revoke --mend --older $S/journal.1")
        .run()
        .check();
    assert_eq!(items(&setup).len(), 1);
}

#[test]
fn an_actor_of_a_rotated_journal_is_revoked_with_its_older_journals_or_partly() {
    let setup = Setup::new();
    let serial = setup.records()[0]["serial"].as_str().unwrap().to_owned();
    setup
        .script("mv $S/journal.jsonl $S/journal.1")
        .run()
        .check();
    let unknown = revoke(&setup, &["--serial", &serial]);
    refusal_of_text(&unknown, 3, "never_issued");
    assert!(unknown.stderr.contains("records 1 to 1"), "{unknown}");
    let partly = revoke(&setup, &["--json", ACTOR]);
    assert_eq!(partly.code, Some(5), "{partly}");
    assert!(partly.stderr.contains("records_not_read"), "{partly}");
    assert!(partly.stderr.contains("--older FILE"), "{partly}");
    let said: serde_json::Value = serde_json::from_str(&partly.stdout).unwrap();
    assert_eq!(
        said["records_not_read"],
        serde_json::json!([{"first": 1, "last": 1}])
    );
    assert_eq!(items(&setup).len(), 1);
    refusal_of_text(&setup.sign(), 3, "actor_revoked");
    let older = setup.join("state/journal.1");
    let whole = revoke(&setup, &[ACTOR, "--older", older.to_str().unwrap()]);
    whole.check();
    assert!(whole.stdout.contains(&serial), "{whole}");
    assert_eq!(items(&setup).len(), 2);
    let key = revoke(&setup, &["--key", &fingerprint(0)]);
    key.check();
    assert!(key.stderr.contains("not counted"), "{key}");
}

#[test]
fn a_serial_of_two_cas_is_given_back_by_its_certificate() {
    let setup = Setup::new();
    let record = &setup.records()[0];
    let serial = record["serial"].as_str().unwrap();
    revoke(&setup, &["--serial", serial]).check();
    let text = std::fs::read_to_string(file(&setup)).unwrap();
    let mut both: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut other = both["revoked"][0].clone();
    other["ca_fingerprint"] = fingerprint(0).into();
    both["revoked"].as_array_mut().unwrap().push(other);
    std::fs::write(file(&setup), both.to_string()).unwrap();
    let refused = revoke(&setup, &["--undo", "--serial", serial]);
    refusal_of_text(&refused, 3, "serial_ambiguous");
    assert_eq!(items(&setup).len(), 2);
    let certificate = setup.certificate();
    revoke(&setup, &["--undo", "--cert", certificate.to_str().unwrap()]).check();
    assert_eq!(items(&setup).len(), 1);
}

#[test]
fn what_ended_between_record_and_file_is_in_the_list_all_the_same() {
    let setup = Setup::new();
    revoke(&setup, &["--key", &fingerprint(0)]).check();
    let before = std::fs::read(file(&setup)).unwrap();
    let certificate = setup.certificate();
    revoke(&setup, &["--cert", certificate.to_str().unwrap()]).check();
    std::fs::write(file(&setup), before).unwrap();
    let out = setup.join("revoked");
    let build = setup.program().args(["krl", "build", "--out"]);
    build.arg(&out).run().check();
    let list = Krl::parse(&std::fs::read(&out).unwrap()).unwrap();
    let line = std::fs::read(&certificate).unwrap();
    assert!(list.revokes(&Parsed::from_line(&line).unwrap()).is_some());
    let check = setup.program().args(["krl", "check"]).arg(&certificate);
    refusal_of_text(&check.run(), 1, "certificate_revoked");
}

#[test]
fn killed_at_any_moment_the_list_is_whole_and_the_next_run_mends() {
    let setup = Setup::new();
    let out = setup.join("revoked");
    let build = || setup.program().args(["krl", "build", "--out"]).arg(&out);
    revoke(&setup, &["--key", &fingerprint(0)]).check();
    let began = Instant::now();
    build().run().check();
    let usual = u64::try_from(began.elapsed().as_micros())
        .unwrap()
        .min(60_000);
    let mut killed = 0;
    for run in 0..40u64 {
        let number = usize::try_from(run % 20).unwrap();
        let text = fingerprint(number);
        let what = ["revoke", "--key", &text, "--reason", "a test"];
        let undo: &[&str] = if run < 20 { &[] } else { &["--undo"] };
        let wait = Duration::from_micros(usual * (run * 17 % 40) / 40);
        for mut running in [
            setup.program().args(what).args(undo).start(),
            build().start(),
        ] {
            std::thread::sleep(wait);
            running.kill();
            let outcome = running.finish(Duration::from_secs(20)).unwrap();
            killed += usize::from(outcome.signal == Some(9));
            Krl::parse(&std::fs::read(&out).unwrap()).unwrap();
        }
        setup.program().args(what).args(undo).run().check();
        let expected = if run < 20 { number + 1 } else { 19 - number };
        assert_eq!(items(&setup).len(), expected, "run {run}");
        setup.verify().check();
    }
    // On a busy machine most have ended before they are killed.
    assert!(killed > 4, "{killed}");
    build().arg("--allow-empty").run().check();
}

/// A small file system at a directory of the sandbox, taken away when dropped.
struct Small(Setup, &'static str);

impl Small {
    fn mount(setup: Setup, place: &'static str) -> Option<Self> {
        if !skipped::require("a file system that is full", as_root()) {
            return None;
        }
        let script = "mkdir -p $P && mv $P $P.old && mkdir -m 700 $P && mount -t tmpfs -o size=64k,mode=700 tmpfs $P && cp -a $P.old/. $P/";
        let mounted = setup.script(script).env("P", setup.join(place)).run();
        if !mounted.succeeded() {
            assert!(!skipped::require(
                "a file system that is full",
                Err(mounted.to_string())
            ));
            return None;
        }
        Some(Self(setup, place))
    }

    fn fill(&self) {
        let fill = "cat /dev/zero > $P/filler 2>/dev/null; true";
        self.0
            .script(fill)
            .env("P", self.0.join(self.1))
            .run()
            .check();
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join(self.1).join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.0
            .script("umount $P")
            .env("P", self.0.join(self.1))
            .run();
    }
}

#[test]
fn without_room_the_old_list_stays() {
    let Some(small) = Small::mount(Setup::new(), "lists") else {
        return;
    };
    let setup = &small.0;
    let out = setup.join("lists/revoked");
    let build = || {
        setup
            .program()
            .args(["krl", "build", "--out"])
            .arg(&out)
            .run()
    };
    revoke(setup, &["--key", &fingerprint(0)]).check();
    build().check();
    let before = std::fs::read(&out).unwrap();
    revoke(setup, &["--key", &fingerprint(1)]).check();
    small.fill();
    refusal_of_text(&build(), 2, "file_not_readable");
    assert_eq!(std::fs::read(&out).unwrap(), before);
    small.empty();
    build().check();
    assert_ne!(std::fs::read(&out).unwrap(), before);
    assert_eq!(
        std::fs::read(setup.join("lists/revoked.prev")).unwrap(),
        before
    );
    assert_eq!(std::fs::read_dir(setup.join("lists")).unwrap().count(), 2);
}

#[test]
fn without_room_for_the_file_the_record_stands_and_the_same_command_resumes() {
    let Some(small) = Small::mount(Setup::new(), "state") else {
        return;
    };
    let setup = &small.0;
    revoke(setup, &["--key", &fingerprint(0)]).check();
    // The record must fit into the page that the journal has already.
    while setup.journal().metadata().unwrap().len() % 4096 > 2500 {
        setup.sign().check();
    }
    small.fill();
    let before = std::fs::read(file(setup)).unwrap();
    let partial = revoke(setup, &["--key", &fingerprint(1)]);
    refusal_of_text(&partial, 5, "revocation_partial");
    assert!(
        partial.stderr.contains("run the same command again"),
        "{partial}"
    );
    assert_eq!(std::fs::read(file(setup)).unwrap(), before);
    small.empty();
    let records = setup.records().len();
    revoke(setup, &["--key", &fingerprint(1)]).check();
    assert_eq!((items(setup).len(), setup.records().len()), (2, records));
}
