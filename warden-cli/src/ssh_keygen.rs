//! `ssh-keygen`, where there is one, as a second reader of what hosts are to read.
//!
//! - Called by an absolute path, with an empty environment, nothing on stdin, and bounded time.
//! - A machine without it still builds: warden's own reader has judged the file by then.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use warden_core::failure::{Class, Failure};
use warden_core::host::krl::Krl;

/// Where it may be.
const PLACES: [&str; 3] = [
    "/usr/bin/ssh-keygen",
    "/usr/local/bin/ssh-keygen",
    "/opt/homebrew/bin/ssh-keygen",
];

/// How long it may take; a million serials take it four seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `ssh-keygen` did not do with a list that it should.
#[derive(Debug, thiserror::Error)]
#[error("{program}: {found}")]
pub(crate) struct TrialError {
    program: &'static str,
    found: String,
}

impl Failure for TrialError {
    fn class(&self) -> Class {
        Class::Failed
    }

    fn reason(&self) -> &'static str {
        "krl_trial_failed"
    }
}

/// Has `ssh-keygen -Q -l` read the list in `file`: it must load, and each serial, key and key id that
/// `krl` revokes must be in it, and no other. Gives who has read the file.
pub(crate) fn try_krl(file: &Path, krl: &Krl) -> Result<&'static str, TrialError> {
    let Some(program) = PLACES.into_iter().find(|place| Path::new(place).is_file()) else {
        return Ok("warden alone, since there is no ssh-keygen");
    };
    let failed = |found: String| TrialError { program, found };
    let mut child = Command::new(program)
        .args(["-Q", "-l", "-f"])
        .arg(file)
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let (tell, told) = mpsc::channel();
    let (listed, said) = (child.stdout.take(), child.stderr.take());
    let verdict = std::thread::scope(|scope| {
        scope.spawn(move || {
            let same = listed.is_some_and(|listed| lists_the_same(BufReader::new(listed), krl));
            let mut words = String::new();
            // What it says is for a person; without it the status still speaks.
            drop(said.map(|said| said.take(1000).read_to_string(&mut words)));
            // Nobody listens any more once the time is over.
            drop(tell.send((same, words)));
        });
        let verdict = told.recv_timeout(PATIENCE);
        if verdict.is_err() {
            drop(child.kill());
        }
        verdict
    });
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match verdict {
        Err(_) => Err(failed(format!("not done within {} s", PATIENCE.as_secs()))),
        Ok((_, words)) if !status.success() => Err(failed(format!("{status}: {}", words.trim()))),
        Ok((false, _)) => Err(failed(
            "it lists other serials, keys or key ids than were written".to_owned(),
        )),
        Ok((true, _)) => Ok("warden and ssh-keygen"),
    }
}

/// Whether `ssh-keygen` lists what `krl` revokes. Comments are for people: the version, the CAs.
fn lists_the_same(listed: impl BufRead, krl: &Krl) -> bool {
    let mut expected = krl.lines();
    // Read to the end whatever comes, so that the other side never waits.
    let mut same = true;
    for line in listed.lines().map_while(Result::ok) {
        let line = line.split(" # ").next().unwrap_or_default();
        if !line.is_empty() && !line.starts_with('#') {
            same &= expected.next().as_deref() == Some(line);
        }
    }
    same && expected.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::lists_the_same;
    use warden_core::certificate::{Fingerprint, Serial, UnixTime};
    use warden_core::host::krl::Krl;

    #[test]
    fn a_list_with_another_serial_key_or_key_id_is_not_the_same() {
        let mut krl = Krl::new(1, UnixTime(1), "");
        krl.revoke_serials(None, Serial::new(7));
        assert!(krl.revoke_key_id(None, "agt-a"));
        krl.revoke_fingerprint(&Fingerprint::parse(&format!("SHA256:{}", "A".repeat(43))).unwrap());
        let hash = format!("hash: SHA256:{}", "0".repeat(64));
        let listed = format!(
            "# KRL version 1\n# Generated at x\n\n{hash}\n\n# Wildcard CA\nserial: 7\nid: agt-a\n"
        );
        let same = |listed: &str| lists_the_same(listed.as_bytes(), &krl);
        assert!(same(&listed));
        for line in [hash.as_str(), "serial: 7", "id: agt-a"] {
            assert!(!same(&listed.replace(line, "")), "without {line}");
            assert!(
                !same(&listed.replace(line, &format!("{line}0"))),
                "other than {line}"
            );
            assert!(!same(&format!("{listed}{line}\n")), "again {line}");
        }
    }
}
