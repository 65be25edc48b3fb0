//! A directory of its own for a test, and programs that see nothing else.

use crate::process::{Outcome, Running};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// The variables that point programs at places in the home directory.
const PLACES: [(&str, &str); 6] = [
    ("HOME", "home"),
    ("XDG_CONFIG_HOME", "home/.config"),
    ("XDG_DATA_HOME", "home/.local/share"),
    ("XDG_STATE_HOME", "home/.local/state"),
    ("XDG_CACHE_HOME", "home/.cache"),
    ("XDG_RUNTIME_DIR", "runtime"),
];

/// A private directory, removed when dropped.
pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    /// Makes the directory, with mode 0700, and an empty home in it.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// As [`Sandbox::new`], in another place: one that nobody else can write in, say.
    #[track_caller]
    #[must_use]
    pub fn below(parent: &Path) -> Self {
        let made = tempfile::Builder::new()
            .prefix("warden-test-")
            .tempdir_in(parent)
            .and_then(|directory| {
                std::fs::set_permissions(directory.path(), Permissions::from_mode(0o700))?;
                for place in ["home", "runtime"] {
                    let place = directory.path().join(place);
                    std::fs::create_dir(&place)?;
                    std::fs::set_permissions(&place, Permissions::from_mode(0o700))?;
                }
                Ok(directory)
            });
        match made {
            Ok(directory) => Self { directory },
            Err(error) => panic!("cannot make a sandbox: {error}"),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory.
    #[must_use]
    pub fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path().join(relative)
    }

    /// Writes a file with exactly this mode, making the directories above it.
    #[track_caller]
    pub fn write(
        &self,
        relative: impl AsRef<Path>,
        contents: impl AsRef<[u8]>,
        mode: u32,
    ) -> PathBuf {
        let path = self.join(relative);
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .and_then(|mut file| {
                // The mode comes first, and past the umask: the contents may
                // be a private key.
                file.set_permissions(Permissions::from_mode(mode))?;
                file.write_all(contents.as_ref())
            });
        if let Err(error) = written {
            panic!("cannot write {}: {error}", path.display());
        }
        path
    }

    /// Makes a directory with exactly this mode, and those above it.
    #[track_caller]
    pub fn directory(&self, relative: impl AsRef<Path>, mode: u32) -> PathBuf {
        let path = self.join(relative);
        let made = std::fs::create_dir_all(&path)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)));
        if let Err(error) = made {
            panic!("cannot make {}: {error}", path.display());
        }
        path
    }

    /// Prepares a program to run in the directory, with a cleared environment.
    #[must_use]
    pub fn program(&self, program: impl AsRef<OsStr>) -> Program {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .envs(PLACES.map(|(name, place)| (name, self.join(place))));
        // Coverage of a program that is run like this is lost without it.
        if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", profile);
        }
        Program {
            command,
            stdin: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// Runs a program to its end.
    #[track_caller]
    pub fn run<I: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = I>,
    ) -> Outcome {
        self.program(program).args(args).run()
    }

    /// Runs `warden` to its end.
    #[track_caller]
    pub fn warden<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        self.run(warden_binary(), args)
    }

    /// Prepares `warden`, for a run with input or a changed environment.
    #[track_caller]
    #[must_use]
    pub fn warden_program(&self) -> Program {
        self.program(warden_binary())
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// A program about to run in a [`Sandbox`].
pub struct Program {
    command: Command,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

impl Program {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the program in another directory.
    #[must_use]
    pub fn current_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Gives the program this input; it has none otherwise.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets the deadline, which is 60 seconds otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the program. At the deadline it is killed, and this panics with
    /// what was running and what it had written.
    #[track_caller]
    pub fn run(self) -> Outcome {
        let timeout = self.timeout;
        match self.start().finish(timeout) {
            Ok(outcome) => outcome,
            Err(why) => panic!("{why}"),
        }
    }

    /// Starts the program and leaves it running.
    #[track_caller]
    #[must_use]
    pub fn start(self) -> Running {
        Running::start(self.command, self.stdin)
    }
}

/// The `warden` executable: the one named by `WARDEN_TEST_BIN`, or else the one
/// that cargo builds, once, in the profile of the running tests.
#[track_caller]
#[must_use]
pub fn warden_binary() -> &'static Path {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| match std::env::var_os("WARDEN_TEST_BIN") {
        Some(named) => std::path::absolute(named).map_err(|error| error.to_string()),
        None => build_warden(),
    });
    match found {
        Ok(path) => path,
        Err(why) => panic!("there is no warden to test: {why}"),
    }
}

fn build_warden() -> Result<PathBuf, String> {
    let tests = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/PROFILE/deps/suite-HASH, with target/TRIPLE/PROFILE under --target.
    let directory = tests.ancestors().nth(2);
    let target = directory.and_then(|path| {
        path.ancestors()
            .skip(1)
            .find(|path| path.join("CACHEDIR.TAG").exists())
    });
    let (Some(name), Some(target)) = (directory.and_then(Path::file_name), target) else {
        return Err(format!("{} is in no target directory", tests.display()));
    };
    // The directory of one profile is not called after it.
    let profile = if name == "debug" {
        OsStr::new("dev")
    } else {
        name
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    // Cargo looks for its configuration from the current directory upwards.
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--bin", "warden", "--message-format", "json"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .arg("--profile")
        .arg(profile)
        .arg("--target-dir")
        .arg(target);
    let built = Running::start(command, None).finish(Duration::from_secs(1800))?;
    if !built.succeeded() {
        return Err(built.to_string());
    }
    // Cargo itself says where the executable is, whatever the layout.
    built
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "warden")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo named no executable: {built}"))
}
