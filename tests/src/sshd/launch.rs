//! Starting and stopping the server's process.

use super::{PATIENCE, read};
use crate::account::SSHD;
use crate::process::run;
use crate::root;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// Starts a server, and returns its log when it gives up before it listens.
pub(super) fn launch(config: &Path, log: &Path, port: u16) -> Result<Child, String> {
    // Some systems make this directory only when their own server starts.
    root::outcome("mkdir", ["-p", "-m", "0755", "/run/sshd"], None).check();
    let file = File::create(log).map_err(|error| error.to_string())?;
    let mut child = root::command(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        // sudo passes no signal on that comes from its own process group.
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    // A port that answers might be another server's. This line comes after the
    // call to `listen`, and can only be this server's.
    let ready = format!("Server listening on 127.0.0.1 port {port}.");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = !matches!(child.try_wait(), Ok(None));
        let text = String::from_utf8_lossy(&read(log)).into_owned();
        if !ended && text.contains(&ready) {
            return Ok(child);
        }
        if ended || Instant::now() >= deadline {
            stop(&mut child);
            return Err(text);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn stop(child: &mut Child) {
    if root::is_root() {
        // It fails only when the server has ended by itself.
        drop(child.kill());
    } else if matches!(child.try_wait(), Ok(None)) {
        // The child is sudo, which is root's, and hands the signal on.
        root::outcome("kill", [child.id().to_string()], None);
    }
    drop(child.wait());
}

/// Whether this sshd is one of those that make clients wait after a refusal.
pub(super) fn knows_penalties() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let mut probe = root::command(SSHD);
        probe.args(["-T", "-f", "/dev/null", "-o", "PerSourcePenalties=no"]);
        let outcome = run(probe, None, PATIENCE);
        !outcome.stderr.contains("Bad configuration option")
    })
}
