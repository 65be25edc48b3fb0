//! sshd's log as a system's journal gives it: a moment on each line; now, and as it looks hours later.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use warden_core::certificate::UnixTime;
use warden_tests::sandbox::Sandbox;
use warden_tests::sshd::Sshd;

/// How much later the second log is looked at, in seconds.
const LATER: u64 = 3 * 3600;

/// How often somebody logs in meanwhile, in seconds.
const OFTEN: usize = 600;

pub(super) struct Logs {
    /// What sshd has logged.
    pub(super) now: PathBuf,
    /// The same, three hours older, with the last login by another CA repeated since then.
    pub(super) later: PathBuf,
    old_ca: String,
}

/// Ends the writing when it is dropped.
pub(super) struct Writing(Arc<AtomicBool>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Logs {
    pub(super) fn new(sandbox: &Sandbox, old_ca: &str) -> Self {
        Self {
            now: sandbox.write("sshd.log", "", 0o600),
            later: sandbox.write("sshd-later.log", "", 0o600),
            old_ca: old_ca.to_owned(),
        }
    }

    /// Writes both until what is returned is dropped.
    pub(super) fn write_while<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        sshd: &'scope Sshd,
    ) -> Writing {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        scope.spawn(move || {
            let mut lines: Vec<(u64, String)> = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                let log = sshd.log();
                let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
                let before = lines.len();
                let now = seconds();
                lines.extend(
                    whole
                        .lines()
                        .skip(before)
                        .map(|line| (now, line.to_owned())),
                );
                if lines.len() > before {
                    self.write(&lines, now);
                }
                sleep(Duration::from_millis(20));
            }
        });
        Writing(ended)
    }

    fn write(&self, lines: &[(u64, String)], now: u64) {
        let line = |at: u64, text: &str| format!("{} target sshd[1]: {text}\n", UnixTime(at));
        let all: String = lines.iter().map(|(at, text)| line(*at, text)).collect();
        let mut later: String = lines
            .iter()
            .map(|(at, text)| line(at - LATER, text))
            .collect();
        let by_another = lines.iter().rev().find(|(_, text)| {
            text.starts_with("Accepted publickey") && !text.contains(&self.old_ca)
        });
        if let Some((_, text)) = by_another {
            let since = now - LATER + 1..=now;
            later.extend(since.step_by(OFTEN).map(|at| line(at, text)));
        }
        for (path, text) in [(&self.now, all), (&self.later, later)] {
            let beside = path.with_extension("new");
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(&beside, path).unwrap();
        }
    }
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
