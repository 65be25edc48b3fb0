//! A real OpenBao server in development mode, and its HTTP API as its operator uses it.
//!
//! The program is the one that `WARDEN_TEST_BAO` names, or else `bao` on the path.

use crate::process::{Running, free_port};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server may take to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Dropping it stops it.
pub struct Bao {
    port: u16,
    root: String,
    unseal_key: String,
    /// Stopped when it is dropped.
    _server: Mutex<Running>,
    sandbox: Sandbox,
    names: AtomicU32,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, or null where it is no JSON.
    pub body: Value,
}

impl Bao {
    /// The program, or why there is none.
    ///
    /// # Errors
    ///
    /// When no variable names it and it is not on the path.
    pub fn program() -> Result<PathBuf, String> {
        if let Some(named) = std::env::var_os("WARDEN_TEST_BAO") {
            let named = PathBuf::from(named);
            return match named.is_file() {
                true => Ok(named),
                false => Err(format!("WARDEN_TEST_BAO: no file {}", named.display())),
            };
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|directory| directory.join("bao"))
            .find(|file| file.is_file())
            .ok_or_else(|| "there is no `bao` on the path".to_owned())
    }

    /// A server that the tests running at the moment share. Each uses mounts of its own.
    #[track_caller]
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Bao>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *shared = Arc::downgrade(&started);
            started
        })
    }

    /// Starts a server of one's own, to seal it for example.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Bao::start`], with further arguments such as `-dev-tls`.
    #[track_caller]
    #[must_use]
    pub fn start_with(args: &[&str]) -> Self {
        let program = match Self::program() {
            Ok(program) => program,
            Err(why) => panic!("no OpenBao: {why}"),
        };
        let mut said = String::new();
        for _ in 0..5 {
            let sandbox = Sandbox::new();
            let (port, root) = (free_port(), format!("root-{}", random_word()));
            let server = sandbox
                .program(&program)
                .args(["server", "-dev", "-dev-no-store-token", "-log-level=error"])
                .arg(format!("-dev-root-token-id={root}"))
                .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
                .args(args)
                .start();
            if is_up(&server) {
                let said = server.stdout_so_far();
                let key = said
                    .lines()
                    .find_map(|line| line.strip_prefix("Unseal Key: "));
                return Self {
                    port,
                    root,
                    unseal_key: key.unwrap_or_default().to_owned(),
                    _server: Mutex::new(server),
                    sandbox,
                    names: AtomicU32::new(0),
                };
            }
            said = server.stdout_so_far() + &server.stderr_so_far();
        }
        panic!("OpenBao does not start:\n{said}");
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The token that may do anything.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The server's own directory.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// A name that no other test uses on this server.
    #[must_use]
    pub fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Asks the API as a token, or as nobody, whatever comes of it. The path is the one below `/v1/`.
    #[track_caller]
    pub fn ask(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let token = token.map_or_else(String::new, |token| format!("X-Vault-Token: {token}\r\n"));
        // HTTP/1.0, so that the answer ends where the connection does.
        let text = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n{token}\r\n{body}",
            body.len()
        );
        let answered = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(text.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => panic!("OpenBao does not answer {method} {path}: {error}"),
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            status: status.unwrap_or(0),
            body: serde_json::from_str(body).unwrap_or_default(),
        }
    }

    /// Asks as root, and panics unless it is done.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(Some(&self.root), method, path, &body);
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
        answer.body
    }

    /// Writes to a path.
    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Value {
        self.api("POST", path, body)
    }

    /// Mounts the SSH engine, and has it make a CA key: `ed25519`, `ssh-rsa`,
    /// `ecdsa-sha2-nistp256` and so on.
    #[track_caller]
    pub fn enable_ssh(&self, mount: &str, key_type: &str) {
        self.write(&format!("sys/mounts/{mount}"), json!({"type": "ssh"}));
        let ca = json!({"generate_signing_key": true, "key_type": key_type});
        self.write(&format!("{mount}/config/ca"), ca);
    }

    /// Enables a way to log in: `approle`, `jwt`.
    #[track_caller]
    pub fn enable_login(&self, mount: &str, kind: &str) {
        self.write(&format!("sys/auth/{mount}"), json!({"type": kind}));
    }

    /// Writes a policy.
    #[track_caller]
    pub fn write_policy(&self, name: &str, rules: &str) {
        self.write(
            &format!("sys/policies/acl/{name}"),
            json!({"policy": rules}),
        );
    }

    /// A token with this policy beside `default`, and further fields: `ttl`, `period`,
    /// `no_default_policy`.
    #[track_caller]
    #[must_use]
    pub fn token(&self, policy: &str, fields: Value) -> String {
        let mut body = json!({"policies": [policy]});
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
            body.extend(fields);
        }
        let made = self.write("auth/token/create", body);
        text(&made["auth"]["client_token"])
    }

    /// The accessors of every token that lives.
    #[track_caller]
    #[must_use]
    pub fn accessors(&self) -> Vec<String> {
        let listed = self.api("LIST", "auth/token/accessors", Value::Null);
        let keys = listed["data"]["keys"].as_array();
        keys.into_iter().flatten().map(text).collect()
    }

    /// A role for programs that gives a policy; returns its role id.
    #[track_caller]
    #[must_use]
    pub fn approle(&self, mount: &str, role: &str, policy: &str) -> String {
        let path = format!("auth/{mount}/role/{role}");
        let settings = json!({"token_policies": [policy], "token_ttl": "10m"});
        self.write(&path, settings);
        let read = self.api("GET", &format!("{path}/role-id"), Value::Null);
        text(&read["data"]["role_id"])
    }

    /// A secret id of such a role.
    #[track_caller]
    #[must_use]
    pub fn secret_id(&self, mount: &str, role: &str) -> String {
        let path = format!("auth/{mount}/role/{role}/secret-id");
        text(&self.write(&path, json!({}))["data"]["secret_id"])
    }

    /// The same, wrapped: a token that gives it once.
    #[track_caller]
    #[must_use]
    pub fn wrapped_secret_id(&self, mount: &str, role: &str) -> String {
        let path = format!("auth/{mount}/role/{role}/secret-id");
        let wrapped = self
            .sandbox
            .program(Self::program().unwrap_or_default())
            .args(["write", "-f", "-format=json", "-wrap-ttl=5m", &path])
            .env("BAO_ADDR", self.address())
            .env("BAO_TOKEN", &self.root)
            .run()
            .expect_success();
        let answer: Value = serde_json::from_str(&wrapped.stdout).unwrap_or_default();
        text(&answer["wrap_info"]["token"])
    }

    /// Seals the server.
    #[track_caller]
    pub fn seal(&self) {
        self.write("sys/seal", Value::Null);
    }

    /// Unseals it with the key it showed when it started.
    #[track_caller]
    pub fn unseal(&self) {
        self.write("sys/unseal", json!({"key": self.unseal_key}));
        // The engines are mounted again a moment later.
        let deadline = Instant::now() + PATIENCE;
        while self.ask(None, "GET", "sys/health", &Value::Null).status != 200 {
            assert!(Instant::now() < deadline, "it stays sealed");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until the server says that development mode is set up.
fn is_up(server: &Running) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if server
            .stdout_so_far()
            .contains("Development mode should NOT")
        {
            return true;
        }
        if server.stderr_so_far().contains("address already in use") {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

#[track_caller]
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => panic!("a text is missing in OpenBao's answer: {value}"),
    }
}

/// A word nobody else has.
fn random_word() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}
