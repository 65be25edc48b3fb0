//! Somebody who logs in all the time, with the certificate he was given last.

use super::site::{ACTOR, Site};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use warden_tests::ssh::Login;

/// How old a certificate of a minute may become before the next is asked for.
const RENEWAL: Duration = Duration::from_secs(20);

/// What became of the logins.
pub(super) struct Logins {
    pub(super) admitted: u32,
    pub(super) refused: Vec<String>,
    pub(super) cas: Vec<String>,
}

/// Logs in from three places at once while `work` goes on, and until there were `least` logins. Each
/// renews its certificate as a client of warden does; each certificate must be let in until it ends.
pub(super) fn while_logging_in(site: &Site, least: u32, work: impl FnOnce()) -> Logins {
    let (done, admitted) = (AtomicBool::new(false), AtomicU32::new(0));
    let (refused, cas) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let place = |name: &str| {
        let path = site.sandbox().join(format!("prober-{name}-cert.pub"));
        let mut signed: Option<Instant> = None;
        while !done.load(Ordering::Relaxed) || admitted.load(Ordering::Relaxed) < least {
            if signed.is_none_or(|at| at.elapsed() > RENEWAL) && sign(site, &path) {
                signed = Some(Instant::now());
                let listed = warden_tests::keygen::list(&path);
                let ca = listed
                    .lines()
                    .find(|line| line.contains("Signing CA"))
                    .unwrap_or_default();
                cas.lock().unwrap().push(ca.trim().to_owned());
            }
            let login = Login::new(site.account.name(), site.sshd.port())
                .identity(site.user.path())
                .certificate(&path)
                .run();
            if login.succeeded() {
                admitted.fetch_add(1, Ordering::Relaxed);
            } else {
                refused.lock().unwrap().push(login.to_string());
            }
        }
    };
    std::thread::scope(|scope| {
        let places: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let place = &place;
                scope.spawn(move || place(name))
            })
            .collect();
        // Whatever becomes of the work, the places must come to an end.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        if worked.is_err() {
            admitted.store(least, Ordering::Relaxed);
        }
        for place in places {
            place.join().unwrap();
        }
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
    Logins {
        admitted: admitted.into_inner(),
        refused: refused.into_inner().unwrap(),
        cas: cas.into_inner().unwrap(),
    }
}

/// Between the switch of a pointer and its proof signing may fail once; the certificate at hand serves.
fn sign(site: &Site, path: &PathBuf) -> bool {
    let key = site.user.public_path();
    let signed = site.warden(&["sign", ACTOR, "--pubkey", key.to_str().unwrap()]);
    let there = Path::new(path).exists();
    assert!(signed.succeeded() || there, "{signed}");
    if signed.succeeded() {
        std::fs::write(path, &signed.stdout_bytes).unwrap();
    }
    signed.succeeded()
}
