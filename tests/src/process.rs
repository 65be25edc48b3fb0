//! Running a program with a deadline and keeping everything it wrote.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How a program ended and what it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status, or nothing when a signal ended the program.
    pub code: Option<i32>,
    /// The signal that ended the program, if one did.
    pub signal: Option<i32>,
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// Standard output exactly as it was written.
    pub stdout_bytes: Vec<u8>,
    /// Standard error exactly as it was written.
    pub stderr_bytes: Vec<u8>,
    what: String,
}

impl Outcome {
    fn new(what: String, status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            stdout_bytes: stdout,
            stderr_bytes: stderr,
            what,
        }
    }

    /// Whether the program exited with status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns the outcome of a program that exited with status 0, and panics
    /// with everything the program wrote when it did not.
    #[track_caller]
    #[must_use = "assert on what the program wrote, or call `check`"]
    pub fn expect_success(self) -> Self {
        self.check();
        self
    }

    /// Panics with everything the program wrote unless it exited with status 0.
    #[track_caller]
    pub fn check(&self) {
        assert!(self.succeeded(), "it should have succeeded: {self}");
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nended with ", self.what)?;
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "status {code}")?,
            (None, Some(signal)) => write!(f, "signal {signal}")?,
            (None, None) => write!(f, "neither a status nor a signal")?,
        }
        write!(
            f,
            "\n--- standard output\n{}\n--- standard error\n{}\n---",
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

/// A program that was started. Dropping it kills it and all it started.
pub struct Running {
    child: Child,
    what: String,
    stdout: Collector,
    stderr: Collector,
    reaped: bool,
}

impl Running {
    /// Starts a program in a process group of its own, so that a deadline ends
    /// whatever the program itself has started too.
    #[track_caller]
    pub fn start(mut command: Command, stdin: Option<Vec<u8>>) -> Self {
        let what = describe(&command);
        command
            .process_group(0)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match spawn(&mut command) {
            Ok(child) => child,
            Err(error) => panic!("cannot start {what}: {error}"),
        };
        if let (Some(bytes), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A program may well exit without reading all of its input.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Self {
            stdout: Collector::new(child.stdout.take()),
            stderr: Collector::new(child.stderr.take()),
            child,
            what,
            reaped: false,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has written to standard error so far.
    #[must_use]
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// What the program has written to standard output so far.
    #[must_use]
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// Kills the program and everything in its process group with SIGKILL.
    pub fn kill(&mut self) {
        if self.reaped {
            return;
        }
        // The child is not reaped yet, so its number cannot be another's.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // It fails only when the group has ended by itself.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }

    /// Waits for the program to end.
    ///
    /// # Errors
    ///
    /// When it has not ended in time: it is killed, and the text says what was
    /// running and what it had written.
    pub fn finish(mut self, timeout: Duration) -> Result<Outcome, String> {
        let deadline = Instant::now() + timeout;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) => return Err(self.late(timeout, "has not ended")),
                Err(error) => return Err(format!("cannot wait for {}: {error}", self.what)),
            }
        };
        self.reaped = true;
        // A program it left behind may hold the other ends of the pipes.
        if !(self.stdout.wait(deadline) && self.stderr.wait(deadline)) {
            return Err(self.late(timeout, "ended, but something still holds its output"));
        }
        let what = std::mem::take(&mut self.what);
        Ok(Outcome::new(
            what,
            status,
            self.stdout.take(),
            self.stderr.take(),
        ))
    }

    fn late(&mut self, timeout: Duration, how: &str) -> String {
        self.kill();
        format!(
            "after {timeout:?} this {how}: {}\n--- standard output\n{}\n--- standard error\n{}\n---",
            self.what,
            self.stdout.text(),
            self.stderr.text()
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if !self.reaped {
            drop(self.child.wait());
        }
    }
}

/// Runs a program to its end and panics when that takes too long.
#[track_caller]
pub fn run(command: Command, stdin: Option<Vec<u8>>, timeout: Duration) -> Outcome {
    match Running::start(command, stdin).finish(timeout) {
        Ok(outcome) => outcome,
        Err(why) => panic!("{why}"),
    }
}

/// A port of the loopback interface that nobody uses at the moment.
#[track_caller]
#[must_use]
pub fn free_port() -> u16 {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port());
    match port {
        Ok(port) => port,
        Err(error) => panic!("there is no free port: {error}"),
    }
}

/// Starts a program. A script that a test has just written is busy for as long
/// as a program that another test starts at that moment has the file open, too.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::sleep(POLL),
            other => return other,
        }
    }
    command.spawn()
}

/// The command line, for messages.
fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            text.push_str(&format!("{argument:?}"));
        } else {
            text.push_str(&argument);
        }
    }
    text
}

/// Reads a pipe to its end in a thread, so that no program stops at a full one.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Collector {
    fn new(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (at_end, ended) = channel();
        if let Some(pipe) = pipe {
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || collect(pipe, &bytes, &at_end));
        }
        Self { bytes, ended }
    }

    /// Whether the pipe was closed before the deadline (or at once after it).
    fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.ended
            .recv_timeout(left.max(Duration::from_millis(200)))
            .is_ok()
    }

    fn text(&self) -> String {
        self.bytes
            .lock()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn take(&self) -> Vec<u8> {
        self.bytes
            .lock()
            .map(|mut bytes| std::mem::take(&mut *bytes))
            .unwrap_or_default()
    }
}

fn collect(mut pipe: impl Read, bytes: &Mutex<Vec<u8>>, at_end: &Sender<()>) {
    let mut chunk = [0; 8192];
    while let Ok(length) = pipe.read(&mut chunk) {
        if length == 0 {
            break;
        }
        if let Ok(mut bytes) = bytes.lock() {
            bytes.extend_from_slice(&chunk[..length]);
        }
    }
    // Nobody listens once the program was killed.
    at_end.send(()).unwrap_or_default();
}
