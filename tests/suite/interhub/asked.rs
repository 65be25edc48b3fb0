//! Whatever the client asks for, the one command runs and nothing beside it.

use super::scene::{ACTOR, Lane, repository};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use warden_tests::process::Outcome;
use warden_tests::sk_agent::SkAgent;
use warden_tests::ssh::Login;

/// All that a certificate can permit.
const EVERYTHING: &str = "[\"permit-X11-forwarding\", \"permit-agent-forwarding\", \
\"permit-port-forwarding\", \"permit-pty\", \"permit-user-rc\"]";

#[test]
fn only_the_bootstrap_runs_whatever_the_client_asks() {
    let Some(lane) = Lane::open_with(|sshd| {
        sshd.line("Subsystem sftp internal-sftp")
            .line("AcceptEnv *")
            .line("PermitUserRC yes")
    }) else {
        return;
    };
    lane.expect("created", 0);
    lane.as_root(&format!(
        "mkdir -p .ssh; echo 'echo rc; touch ~/mark' >.ssh/rc; chown -R {} .ssh",
        lane.account()
    ));
    expect_nothing_else(&lane, "as the example has it");
    // The host alone keeps out what a wider certificate would let in.
    let types = format!("[agt]\nextensions = {EVERYTHING}\n");
    lane.desk.set_types(&types);
    let example = repository("inventory/agt").join(format!("{ACTOR}.toml"));
    let example = std::fs::read_to_string(example).unwrap();
    let lines = example
        .replace("type = \"agt\"\n", "")
        .replace("extensions = []", &format!("extensions = {EVERYTHING}"));
    lane.desk.set_actor(ACTOR, &lines);
    expect_nothing_else(&lane, "with every extension");
    lane.expect_runs(1, true);
}

/// Asks for everything else there is, and gets the one line each time.
fn expect_nothing_else(lane: &Lane, how: &str) {
    let certificate = lane.certify();
    let login = || lane.login(&certificate);
    let said = lane.says("unchanged");
    let only_the_line = |what: &str, ran: &Outcome| {
        assert_eq!(ran.stdout, said, "{how}, {what}: {ran}");
        assert_eq!(ran.code, Some(0), "{how}, {what}: {ran}");
        lane.as_root("test ! -e mark");
    };
    let mark = lane.at("mark");
    for line in [
        format!("touch {mark}"),
        format!("'; touch {mark}; '"),
        format!("$(touch {mark})\ntouch {mark}"),
        "cat ~/store/runtime-key; sh".to_owned(),
    ] {
        only_the_line(&line, &login().command(&line).run());
    }
    only_the_line("a shell", &login().shell().run());
    let subsystem = login().args(["-s"]).command("sftp").run();
    only_the_line("a subsystem", &subsystem);
    let variables = [
        "PATH=/nowhere",
        "OPERATOR_KEY_FILE=/etc/hostname",
        "RUNTIME_KEY_FILE=/nowhere/x",
        "BOOTSTRAP_PROGRAM=/bin/false",
        "ENV=/nowhere",
        "IFS=/",
    ];
    let sent = format!("SetEnv={}", variables.join(" "));
    only_the_line("variables", &login().args(["-o", &sent]).run());

    copy(lane, &certificate, &[]);
    copy(lane, &certificate, &["-O"]);
    lane.as_root("test ! -e mark");

    let terminal = login().args(["-tt"]).run();
    assert!(
        terminal.stderr.contains("PTY allocation request failed"),
        "{how}: {terminal}"
    );
    assert_eq!((terminal.stdout.as_str(), terminal.code), ("", Some(255)));

    let agent = SkAgent::start();
    let since = lane.sshd.mark();
    let forwarded = login().args(["-A"]).agent(&agent.socket()).run();
    only_the_line("an agent", &forwarded);
    lane.sshd.wait_for_log(since, "agent forwarding disabled");

    forwardings(how, &login, &said);
}

/// Neither direction of a forwarding is opened.
fn forwardings(how: &str, login: &dyn Fn() -> Login, said: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream.and_then(|mut stream| stream.write_all(b"through")));
        }
    });
    let local = login().shell().args(["-W", &target]).run();
    assert!(
        local.stderr.contains("administratively prohibited"),
        "{how}: {local}"
    );
    assert_eq!(local.stdout, "", "{how}: {local}");
    let reverse = format!("0:{target}");
    let strict = ["-R", &reverse, "-o", "ExitOnForwardFailure=yes"];
    let remote = login().args(strict).run();
    assert_eq!(remote.code, Some(255), "{how}: {remote}");
    let failed = "remote port forwarding failed";
    assert!(remote.stderr.contains(failed), "{how}: {remote}");
    // A client that goes on without it still gets the one line.
    let lax = login().args(["-R", &reverse]).run();
    assert!(lax.stderr.contains(failed), "{how}: {lax}");
    assert_eq!(lax.stdout, said, "{how}: {lax}");
}

/// `scp` in either protocol takes nothing away and brings nothing there.
fn copy(lane: &Lane, certificate: &Path, protocol: &[&str]) {
    let sandbox = lane.desk.sandbox();
    let here = sandbox.write("here", "x", 0o600);
    let there = format!("{}@127.0.0.1:", lane.account());
    let key = format!("{there}{}", lane.at("store/runtime-key"));
    let mark = format!("{there}{}", lane.at("mark"));
    let got = sandbox.join("got");
    for (from, to) in [
        (key.as_ref(), got.as_path()),
        (here.as_path(), mark.as_ref()),
    ] {
        let scp = sandbox.program("scp").args(protocol);
        let scp = scp.args(["-F", "none", "-o", "BatchMode=yes"]);
        let scp = scp.args(["-o", "UserKnownHostsFile=/dev/null"]);
        let scp = scp.args(["-o", "StrictHostKeyChecking=no"]);
        let scp = scp.args(["-P", &lane.sshd.port().to_string()]);
        let scp = scp.arg("-i").arg(lane.user.path()).arg("-o");
        let scp = scp.arg(format!("CertificateFile={}", certificate.display()));
        let ran = scp.arg(from).arg(to).run();
        assert!(!ran.succeeded(), "{protocol:?}: {ran}");
        assert!(!ran.stderr.contains("Permission denied"), "{ran}");
    }
    let got = std::fs::read(got).unwrap_or_default();
    assert!(got.is_empty(), "{protocol:?}");
}

#[test]
fn a_client_whose_variables_are_let_through_changes_nothing() {
    let Some(lane) = Lane::open_with(|sshd| sshd.line("AcceptEnv *")) else {
        return;
    };
    let trap = lane.at("lane/trap");
    lane.as_root(
        "mkdir bin; printf '#!/bin/sh\\ntouch %s/mark\\n' \"$PWD\" >lane/trap; chmod 755 lane/trap; \
         for name in stat flock sync ln rm env id; do cp lane/trap bin/$name; done",
    );
    let sent = format!(
        "SetEnv=PATH={} OPERATOR_KEY_FILE=/etc/hostname RUNTIME_KEY_FILE={} BOOTSTRAP_PROGRAM={trap} \
         ENV={trap} BASH_ENV={trap} SECRET=x fresh={}",
        lane.at("bin"),
        lane.at("elsewhere"),
        lane.at("lane/settings")
    );
    let certificate = lane.certify();
    let login = || lane.login(&certificate).args(["-o", &sent]);
    // Settings that leave something out are refused, and not made up for by the client.
    lane.as_root("cp -p lane/settings kept; grep -v BOOTSTRAP kept >lane/settings");
    let refused = login().run();
    let expected = lane
        .says("settings_malformed")
        .replace(&lane.at("store/runtime-key"), "");
    assert_eq!(
        (refused.stdout.as_str(), refused.code),
        (expected.as_str(), Some(2)),
        "{refused}"
    );
    lane.as_root("mv kept lane/settings; test ! -e mark; test ! -e store/runs");
    let ran = login().run().expect_success();
    assert_eq!(ran.stdout, lane.says("created"));
    lane.expect_runs(1, true);
    lane.as_root(
        "test ! -e mark; test ! -e elsewhere; \
         test \"$(tr '\\0' ' ' <store/variables)\" = 'PATH=/usr/local/bin:/usr/bin:/bin '",
    );
}

#[test]
fn what_the_client_writes_reaches_nobody() {
    let Some(lane) = Lane::open() else { return };
    let mut ssh = lane.desk.sandbox().program("ssh").args(["-F", "none"]);
    for option in [
        "BatchMode=yes",
        "UserKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=no",
    ] {
        ssh = ssh.args(["-o", option]);
    }
    let certificate = format!("CertificateFile={}", lane.certify().display());
    let ssh = ssh
        .arg("-i")
        .arg(lane.user.path())
        .args(["-o", &certificate]);
    let ssh = ssh.args(["-p", &lane.sshd.port().to_string(), "-l", lane.account()]);
    let ran = ssh.arg("127.0.0.1").stdin("from-the-client\n").run();
    assert_eq!(ran.expect_success().stdout, lane.says("created"));
    lane.as_root("cmp store/input store/operator-key");
}
