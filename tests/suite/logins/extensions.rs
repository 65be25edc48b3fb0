//! Extensions: what a session may do, and what is refused where one is absent.

use super::site::Site;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use warden_tests::process::Outcome;
use warden_tests::sk_agent::SkAgent;
use warden_tests::ssh::Login;

/// A certificate with just these extensions.
#[track_caller]
fn with(site: &Site, extensions: &str) -> PathBuf {
    site.set_visitor(&format!("extensions = [{extensions}]"));
    site.certify()
}

/// Every extension but one.
fn all_but(absent: &str) -> String {
    let all = [
        "no-touch-required",
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
        "permit-user-rc",
    ];
    let kept = all.into_iter().filter(|one| *one != absent);
    let kept: Vec<_> = kept.map(|one| format!("\"{one}\"")).collect();
    kept.join(", ")
}

/// Tries a thing with its extension alone, with no extension, and with all others.
#[track_caller]
fn only_with(site: &Site, extension: &str, works: impl Fn(Login) -> bool) {
    let alone = with(site, &format!("\"{extension}\""));
    assert!(works(site.login(&alone)), "{extension} is not enough");
    for others in [String::new(), all_but(extension)] {
        let without = with(site, &others);
        assert!(!works(site.login(&without)), "{others:?} is enough");
        // It is the thing that is refused, not the login.
        site.expect_admission(&without);
    }
}

#[test]
fn only_permit_pty_gives_a_terminal() {
    let Some(site) = Site::open() else { return };
    only_with(&site, "permit-pty", |login| {
        let ran = login.args(["-tt"]).command("tty").run();
        let given = ran.stdout.starts_with("/dev/pts/");
        let refused = ran.stderr.contains("PTY allocation request failed");
        assert!(given != refused, "{ran}");
        given
    });
}

#[test]
fn only_permit_port_forwarding_opens_a_way_through_the_server() {
    let Some(site) = Site::open() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream.and_then(|mut stream| stream.write_all(b"through")));
        }
    });
    let forward = format!("{target}");
    only_with(&site, "permit-port-forwarding", |login| {
        let ran = login.shell().args(["-W", &forward]).run();
        let open = ran.stdout == "through";
        let refused = ran.stderr.contains("administratively prohibited");
        assert!(open != refused, "{ran}");
        open
    });
    // The other direction: a port of the server's.
    only_with(&site, "permit-port-forwarding", |login| {
        let ran = login
            .args(["-R", &format!("0:{forward}")])
            .args(["-o", "ExitOnForwardFailure=yes"])
            .run();
        let refused = ran.stderr.contains("remote port forwarding failed");
        assert!(ran.succeeded() != refused, "{ran}");
        ran.succeeded()
    });
}

#[test]
fn only_permit_agent_forwarding_brings_the_agent_along() {
    let Some(site) = Site::open() else { return };
    let agent = SkAgent::start();
    only_with(&site, "permit-agent-forwarding", |login| {
        let ran = login
            .args(["-A"])
            .agent(&agent.socket())
            .command("printf '%s' \"$SSH_AUTH_SOCK\"")
            .run();
        !ran.expect_success().stdout.is_empty()
    });
}

#[test]
fn only_permit_user_rc_runs_the_accounts_rc_file() {
    let Some(site) = Site::open() else { return };
    let plain = with(&site, "");
    let write = "mkdir -p .ssh && echo 'echo rc >&2' >.ssh/rc";
    site.login(&plain).command(write).run().check();
    let ran_rc = |ran: &Outcome| ran.stderr.lines().any(|line| line == "rc");
    only_with(&site, "permit-user-rc", |login| {
        ran_rc(&login.run().expect_success())
    });
}

#[test]
fn sshd_reads_every_extension_as_the_permission_it_names() {
    // X11 forwarding takes a display to try, but the server says what it was allowed.
    let Some(site) = Site::open_with(|sshd| sshd.line("LogLevel DEBUG1")) else {
        return;
    };
    let permissions = [
        ("", ""),
        ("permit-X11-forwarding", " x11-forwarding"),
        ("permit-agent-forwarding", " agent-forwarding"),
        ("permit-port-forwarding", " port-forwarding"),
        ("permit-pty", " pty"),
        ("permit-user-rc", " user-rc"),
    ];
    for (extension, permission) in permissions {
        let certificate = match extension {
            "" => with(&site, ""),
            name => with(&site, &format!("\"{name}\"")),
        };
        let mark = site.sshd.mark();
        site.expect_admission(&certificate);
        let log = site.sshd.wait_for_log(mark, "Accepted publickey");
        // The principals file allows everything, and the two are combined: the certificate's own
        // come first.
        let line = log.lines().find(|line| line.contains("key options:"));
        let found = line.and_then(|line| line.split_once("key options:"));
        assert_eq!(found.map(|(_, options)| options), Some(permission), "{log}");
    }
}
