//! Answers that say no.

use crate::remote::{Remote, SIGN, SIGN_LINE, timed};
use std::time::Duration;
use warden_tests::stand_in::{Answer, StandIn};

/// Each: the status, its errors, the exit status, the reason, how often it is asked.
const STATUSES: [(u16, &[&str], i32, &str, usize); 24] = [
    (503, &["core: uninitialized"], 4, "backend_uninitialised", 1),
    (503, &["Vault is sealed"], 4, "backend_sealed", 3),
    (503, &["error: OpenBao is sealed"], 4, "backend_sealed", 1),
    (503, &["node is not active"], 4, "backend_standby", 3),
    (
        503,
        &["no active Vault instance found"],
        4,
        "backend_standby",
        3,
    ),
    (
        503,
        &["server is not initialized"],
        4,
        "backend_uninitialised",
        1,
    ),
    (503, &["node is a standby"], 4, "backend_standby", 1),
    (503, &["maintenance"], 4, "backend_unavailable", 1),
    (503, &[], 4, "backend_unavailable", 1),
    (
        501,
        &["server is not initialized"],
        4,
        "backend_uninitialised",
        1,
    ),
    (501, &[], 4, "backend_uninitialised", 1),
    (429, &["this is a standby"], 4, "backend_standby", 3),
    (
        429,
        &["request path \"ssh/sign\": rate limit quota exceeded"],
        4,
        "backend_rate_limited",
        3,
    ),
    (429, &[], 4, "backend_rate_limited", 3),
    (472, &[], 4, "backend_standby", 1),
    (473, &[], 4, "backend_standby", 1),
    (400, &["Unknown role: agt-role"], 3, "backend_refused", 1),
    (
        400,
        &["setting key_id is not allowed by role"],
        3,
        "backend_refused",
        1,
    ),
    (
        404,
        &["no handler for route \"ssh/sign/agt-role\". route entry not found."],
        4,
        "backend_not_found",
        1,
    ),
    (404, &[], 4, "backend_not_found", 1),
    (
        405,
        &["unsupported operation"],
        4,
        "backend_server_error",
        1,
    ),
    (
        500,
        &["1 error occurred:\n\t* internal error\n\n"],
        4,
        "backend_server_error",
        1,
    ),
    (502, &[], 4, "backend_server_error", 1),
    (504, &[], 4, "backend_server_error", 1),
];

#[test]
fn each_status_has_its_reason_and_only_what_did_nothing_is_asked_again() {
    let remote = Remote::new();
    for (status, errors, code, reason, attempts) in STATUSES {
        remote.bao.heal();
        // Of each status that is repeated one case waits, and the others may not.
        let answer = Answer::errors(status, errors).header("Retry-After", "0");
        remote.bao.always(SIGN, answer);
        let outcome = remote.fails_after(attempts, code, reason);
        assert!(outcome.stderr.contains(&status.to_string()), "{outcome}");
        if let Some(said) = errors.first() {
            let first = said.lines().next().unwrap();
            assert!(outcome.stderr.contains(first), "{outcome}");
        }
    }
    remote.bao.heal();
    remote.signs();
}

#[test]
fn the_hint_of_a_status_says_what_to_type() {
    let remote = Remote::new();
    for (status, said, code, reason, hint) in [
        (
            503,
            "Vault is sealed",
            4,
            "backend_sealed",
            "bao operator unseal",
        ),
        (
            501,
            "not initialized",
            4,
            "backend_uninitialised",
            "bao operator init",
        ),
        (473, "", 4, "backend_standby", "vault.addr"),
        (
            404,
            "no handler for route",
            4,
            "backend_not_found",
            "vault.mount",
        ),
        (
            400,
            "Unknown role: agt-role",
            3,
            "backend_refused",
            "warden backend roles",
        ),
        (
            429,
            "rate limit quota exceeded",
            4,
            "backend_rate_limited",
            "ask again later",
        ),
    ] {
        remote.bao.heal();
        remote.bao.always(
            SIGN,
            Answer::errors(status, &[said]).header("Retry-After", "60"),
        );
        let outcome = remote.fails(code, reason);
        let hints: Vec<_> = outcome
            .stderr
            .lines()
            .filter(|line| line.contains("hint: "))
            .collect();
        assert!(hints.iter().any(|line| line.contains(hint)), "{outcome}");
    }
}

#[test]
fn what_passes_is_not_seen_by_the_caller() {
    let remote = Remote::new();
    for (status, times) in [(429, 1), (503, 1), (503, 2), (429, 2)] {
        drop(remote.bao.take_requests());
        for _ in 0..times {
            let said: &[&str] = if status == 503 {
                &["Vault is sealed"]
            } else {
                &[]
            };
            remote.bao.once(SIGN, Answer::errors(status, said));
        }
        let (_, took) = timed(|| remote.signs());
        let asked = remote.bao.take_requests();
        assert_eq!(asked.len(), times + 1);
        // The first pause is 200 ms and up to half of it more, the second twice that.
        let least = if times == 1 { 200 } else { 600 };
        assert!(took > Duration::from_millis(least), "{took:?}");
        // A repetition is the same request.
        assert!(asked.windows(2).all(|two| two[0].body == two[1].body));
    }
}

#[test]
fn retry_after_is_honoured_inside_the_deadline() {
    let remote = Remote::new();
    remote
        .bao
        .once(SIGN, Answer::errors(429, &[]).header("Retry-After", "1"));
    remote.signs();
    let asked = remote.bao.take_requests();
    assert_eq!(asked.len(), 2);
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[test]
fn retry_after_beyond_the_deadline_is_not_waited_for() {
    let remote = Remote::new();
    remote.configure("token_file = \"token\"\ntimeout = \"3s\"");
    for beyond in ["3", "3600", "18446744073709551615"] {
        remote.bao.heal();
        let answer = Answer::errors(429, &["quota exceeded"]).header("Retry-After", beyond);
        remote.bao.always(SIGN, answer);
        let (_, took) = timed(|| remote.fails_after(1, 4, "backend_rate_limited"));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    // What is no number of seconds is no instruction.
    for odd in [
        "-1",
        "1e9",
        "99999999999999999999",
        "Fri, 31 Dec 2100 23:59:59 GMT",
        "",
    ] {
        remote.bao.heal();
        drop(remote.bao.take_requests());
        remote
            .bao
            .once(SIGN, Answer::errors(429, &[]).header("Retry-After", odd));
        remote.signs();
    }
}

#[test]
fn an_error_from_a_server_is_escaped_and_cut() {
    let remote = Remote::new();
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nwarden: error: forged\u{202e}".to_owned();
    let outcome = remote.fails_for(Answer::errors(400, &[&hostile]), 3, "backend_refused");
    assert!(
        outcome
            .stderr
            .lines()
            .filter(|line| line.starts_with("warden: error"))
            .count()
            == 1,
        "{outcome}"
    );
    let long = format!("begin{}end", "x".repeat(40_000));
    let outcome = remote.fails_for(
        Answer::errors(400, &[&long, &long, &long, &long, &long]),
        3,
        "backend_refused",
    );
    assert!(
        outcome.stderr.contains("begin") && !outcome.stderr.contains("end;"),
        "{outcome}"
    );
    // One of 1 MB is over what is read at all.
    let longer = "x".repeat(1 << 20);
    remote.fails_for(
        Answer::errors(500, &[&longer]),
        4,
        "backend_answer_too_large",
    );
}

#[test]
fn no_error_of_a_server_can_show_the_token() {
    let remote = Remote::new();
    let echo = format!("no permission for X-Vault-Token: {}", crate::remote::TOKEN);
    for status in [400, 500] {
        let code = if status == 400 { 3 } else { 4 };
        let reason = if status == 400 {
            "backend_refused"
        } else {
            "backend_server_error"
        };
        remote.fails_for(Answer::errors(status, &[&echo]), code, reason);
    }
}

#[test]
fn a_server_that_comes_up_in_time_is_asked() {
    let remote = Remote::new();
    let late = StandIn::start();
    let address = late.socket();
    drop(late);
    remote.configure_at(&format!("http://{address}"), "token_file = \"token\"");
    let starting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        StandIn::start_at(address)
    });
    // It knows no token yet, which is an answer.
    let outcome = remote.setup.sign();
    let late = starting.join().unwrap();
    assert!(outcome.stderr.contains("(token_not_valid)"), "{outcome}");
    assert_eq!(late.take_lines()[0], SIGN_LINE);
}
