//! Throwaway unix accounts to log in to.

use crate::process::Outcome;
use crate::root;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Where Debian and most others install the server. `sshd` insists on being
/// started by its absolute path.
pub(crate) const SSHD: &str = "/usr/sbin/sshd";

/// `useradd` and `userdel` say this when the account database is locked.
const DATABASE_BUSY: [Option<i32>; 2] = [Some(1), Some(10)];
/// `useradd` says this when the name is taken.
const NAME_TAKEN: Option<i32> = Some(9);
/// `userdel` says this while a process of the account still runs.
const LOGGED_IN: Option<i32> = Some(8);

/// Says why the suites that start a real `sshd` cannot run here, if so.
///
/// # Errors
///
/// When there is no `sshd`, no `useradd`, or no way to become root.
pub fn privileged() -> Result<(), String> {
    if !Path::new(SSHD).is_file() {
        return Err(format!("there is no {SSHD} (Debian: openssh-server)"));
    }
    if !root::is_root() {
        let sudo = std::process::Command::new("sudo")
            .args(["-n", "true"])
            .output();
        match sudo {
            Ok(output) if output.status.success() => {}
            Ok(_) => return Err("not root, and sudo asks for a password".to_owned()),
            Err(error) => return Err(format!("not root, and sudo does not start: {error}")),
        }
    }
    if !root::outcome("sh", ["-c", "command -v useradd"], None).succeeded() {
        return Err("there is no useradd".to_owned());
    }
    Ok(())
}

/// A unix account with a home and no password, removed when dropped.
pub struct Account {
    name: String,
}

impl Account {
    /// Makes an account under a name nobody else uses.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = MADE.fetch_add(1, Ordering::Relaxed);
            let name = format!("wt{}x{count}", std::process::id());
            // A `*` is no password at all, while `!` would lock the account
            // and make sshd refuse certificates too.
            let added = change(
                "useradd",
                &["-m", "-b", "/home", "-p", "*", "-s", "/bin/sh", &name],
            );
            if added.code != NAME_TAKEN {
                added.check();
                return Self { name };
            }
        }
    }

    /// The name to log in with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home directory.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        Path::new("/home").join(&self.name)
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut removed = change("userdel", &["-r", &self.name]);
        // The server's half of a session outlives the client by a moment.
        for _ in 0..50 {
            if removed.code != LOGGED_IN {
                break;
            }
            thread::sleep(Duration::from_millis(100));
            removed = change("userdel", &["-r", &self.name]);
        }
        if removed.code == LOGGED_IN {
            removed = change("userdel", &["-r", "-f", &self.name]);
        }
        if !removed.succeeded() {
            eprintln!("the account {} stays behind: {removed}", self.name);
        }
    }
}

/// Runs one change of the account database at a time, as the tools give up
/// rather than wait for each other.
fn change(program: &str, args: &[&str]) -> Outcome {
    let user = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("warden-test-accounts-{user}.lock"));
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    if let Err(error) = &lock {
        // The repetition below covers this, only slower.
        eprintln!("cannot lock {}: {error}", path.display());
    }
    let mut outcome = root::outcome(program, args, None);
    for _ in 0..20 {
        if !DATABASE_BUSY.contains(&outcome.code) {
            break;
        }
        thread::sleep(Duration::from_millis(250));
        outcome = root::outcome(program, args, None);
    }
    drop(lock);
    outcome
}
