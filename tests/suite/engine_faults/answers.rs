//! Answers with status 200 that are none.

use crate::remote::{Remote, SIGN, timed};
use serde_json::json;
use std::time::Duration;
use warden_tests::stand_in::Answer;

const NOT_UNDERSTOOD: &str = "backend_answer_not_understood";

#[test]
fn an_answer_that_is_no_json_is_refused() {
    let remote = Remote::new();
    let html = "<html><head><title>Sign in</title></head></html>";
    remote.fails_for(
        Answer::text(200, html).header("Content-Type", "text/html"),
        4,
        NOT_UNDERSTOOD,
    );
    for body in [
        "",
        "\n",
        "null",
        "[]",
        "7",
        "{",
        "{\"data\": {\"signed_key\": \"ssh-ed25519-cert-v01@openssh.com AAAA",
        "{\"data\": {}} {\"data\": {}}",
    ] {
        remote.fails_for(Answer::text(200, body), 4, NOT_UNDERSTOOD);
    }
    let invalid = b"{\"data\": {\"signed_key\": \"\xff\xfe\", \"serial_number\": \"1\"}}";
    remote.fails_for(Answer::text(200, &invalid[..]), 4, NOT_UNDERSTOOD);
    remote.fails_for(Answer::text(204, ""), 4, NOT_UNDERSTOOD);
    remote.fails_for(Answer::text(202, ""), 4, NOT_UNDERSTOOD);
}

#[test]
fn a_field_that_is_missing_repeated_or_of_another_type_is_refused() {
    let remote = Remote::new();
    for data in [
        json!(null),
        json!({}),
        json!([]),
        json!("signed_key"),
        json!({"signed_key": "x"}),
        json!({"serial_number": "1"}),
        json!({"signed_key": 7, "serial_number": "1"}),
        json!({"signed_key": ["x"], "serial_number": "1"}),
        json!({"signed_key": null, "serial_number": "1"}),
        json!({"signed_key": "x", "serial_number": 1}),
        json!({"signed_key": "x", "serial_number": null}),
        json!({"signed_key": {"a": "x"}, "serial_number": "1"}),
    ] {
        remote.fails_for(Answer::data(&data), 4, NOT_UNDERSTOOD);
    }
    for body in [
        r#"{"data": {"signed_key": "a", "signed_key": "b", "serial_number": "1"}}"#,
        r#"{"data": {"signed_key": "a", "serial_number": "1", "serial_number": "2"}}"#,
        r#"{"data": {"signed_key": "a", "serial_number": "1"}, "data": {}}"#,
        r#"{"errors": ["no"]}"#,
        r#"{"auth": {"client_token": "s.x"}}"#,
    ] {
        remote.fails_for(Answer::text(200, body), 4, NOT_UNDERSTOOD);
    }
}

#[test]
fn what_is_not_understood_is_not_repeated_at_length() {
    let remote = Remote::new();
    let long = "x".repeat(100_000);
    for data in [
        json!(long),
        json!({"signed_key": {"a": 1}, "serial_number": long}),
        json!({"signed_key": "x", "serial_number": long}),
    ] {
        remote.fails_for(Answer::data(&data), 4, NOT_UNDERSTOOD);
    }
    let escape = json!("\u{1b}[2J\u{7}");
    remote.fails_for(Answer::data(&escape), 4, NOT_UNDERSTOOD);
}

#[test]
fn a_serial_that_is_not_hexadecimal_is_refused() {
    let remote = Remote::new();
    for serial in [
        "",
        " 1",
        "0x1",
        "+1",
        "-1",
        "xyz",
        "1 ",
        "0",
        "1_0",
        "１",
        "1ffffffffffffffff",
    ] {
        let serial = serial.to_owned();
        remote.bao.heal();
        remote.bao.alter(move |forgery| {
            forgery.fields.serial = 1;
            forgery.serial_number = Some(serial.clone());
        });
        remote.fails_after(1, 4, NOT_UNDERSTOOD);
    }
}

#[test]
fn an_answer_that_ends_early_is_told_from_one_that_is_wrong() {
    let remote = Remote::new();
    let whole = || Answer::data(&json!({"signed_key": "x", "serial_number": "1"}));
    for (answer, reason) in [
        (whole().cut_at(20), "backend_answer_cut_short"),
        (whole().cut_at(0), "backend_answer_cut_short"),
        (whole().announcing(100_000), "backend_answer_cut_short"),
        (whole().announcing(3), NOT_UNDERSTOOD),
        (whole().announcing(0), NOT_UNDERSTOOD),
        (Answer::raw(""), "backend_answer_cut_short"),
        (
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Le"),
            "backend_answer_cut_short",
        ),
        (
            Answer::raw("SSH-2.0-OpenSSH_10.2\r\n"),
            "backend_answer_cut_short",
        ),
        (
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
            "backend_answer_cut_short",
        ),
        (
            Answer::raw(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
            ),
            "backend_answer_cut_short",
        ),
    ] {
        remote.fails_for(answer, 4, reason);
    }
}

#[test]
fn a_huge_answer_is_left_at_its_beginning() {
    let remote = Remote::new();
    let begin = "{\"data\": {\"signed_key\": \"";
    remote
        .bao
        .always(SIGN, Answer::text(200, begin).then_bytes(200 << 20));
    // Not even its address space may grow over 100 MB.
    let signing = remote.setup.script("ulimit -v 102400 && exec $SIGN");
    let (_, took) = timed(|| remote.fails_as(signing, 4, "backend_answer_too_large"));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn endless_headers_are_refused() {
    let remote = Remote::new();
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(1 << 20));
    for headers in [many, long] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        remote.fails_for(Answer::raw(answer), 4, "backend_answer_cut_short");
    }
}
