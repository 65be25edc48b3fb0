//! Every answer but the one that allows is a no.

use super::stand_in::StandIn;
use super::{enforced, flex_auth};
use warden_core::failure::Class;

/// An answer of 200 with this JSON body.
pub(super) fn json(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An envelope for the right subject and resource, with these further fields.
pub(super) fn envelope(fields: &str) -> String {
    json(&format!(
        r#"{{"id":"decision:0123456789abcdef",{fields},"subject":{{"id":"agt-hub"}},"resource":{{"id":"ssh-cert:actor/agt-hub"}}}}"#
    ))
}

#[test]
fn only_an_allow_for_what_was_asked_allows() {
    let subject = r#""subject":{"id":"agt-hub"}"#;
    let resource = r#""resource":{"id":"ssh-cert:actor/agt-hub"}"#;
    let whole = |id: &str, rest: &str| json(&format!("{{{id}{rest}}}"));
    let allow = r#""effect":"allow""#;
    let denied = [
        ("deny", envelope(r#""effect":"deny""#)),
        ("redact", envelope(r#""effect":"redact""#)),
        ("audit only", envelope(r#""effect":"audit_only""#)),
        ("not applicable", envelope(r#""effect":"not_applicable""#)),
        ("an unknown effect", envelope(r#""effect":"permit""#)),
        ("another letter case", envelope(r#""effect":"Allow""#)),
        (
            "an unknown obligation",
            envelope(&format!(r#"{allow},"obligations":[{{"type":"notify"}}]"#)),
        ),
        ("no id", whole("", &format!("{allow},{subject},{resource}"))),
        (
            "an empty id",
            whole(r#""id":"","#, &format!("{allow},{subject},{resource}")),
        ),
        (
            "an id that cannot be one",
            whole(r#""id":"a b\n","#, &format!("{allow},{subject},{resource}")),
        ),
        (
            "another subject",
            whole(
                r#""id":"d:1","#,
                &format!(r#"{allow},"subject":{{"id":"agt-other"}},{resource}"#),
            ),
        ),
        (
            "another tenant",
            whole(
                r#""id":"d:1","#,
                &format!(
                    r#"{allow},"subject":{{"id":"agt-hub","tenant":"tenant:other"}},{resource}"#
                ),
            ),
        ),
        (
            "another system",
            whole(
                r#""id":"d:1","#,
                &format!(
                    r#"{allow},{subject},"resource":{{"id":"ssh-cert:actor/agt-hub","system":"other"}}"#
                ),
            ),
        ),
        (
            "another resource",
            whole(
                r#""id":"d:1","#,
                &format!(r#"{allow},{subject},"resource":{{"id":"ssh-cert:actor/agt-other"}}"#),
            ),
        ),
    ];
    for (what, raw) in denied {
        let came = enforced(&StandIn::answering(&raw));
        assert_eq!(
            (came.reason, came.class, came.signatures),
            (Some("gate_denied"), Some(Class::Refused), 0),
            "{what}"
        );
    }
    let by_request = whole(
        r#""request_id":"r-1","#,
        &format!("{allow},{subject},{resource}"),
    );
    assert!(
        enforced(&StandIn::answering(&by_request)).issued,
        "a request_id serves as id"
    );
    assert!(
        enforced(&StandIn::answering(&envelope(&format!(
            r#"{allow},"obligations":[]"#
        ))))
        .issued
    );
    assert!(
        enforced(&StandIn::answering(&envelope(&format!(
            r#"{allow},"obligations":null,"new":1"#
        ))))
        .issued
    );
}

#[test]
fn an_answer_that_is_not_understood_is_no_answer() {
    let allow = r#""effect":"allow""#;
    let good = envelope(allow);
    let body = good.split_once("\r\n\r\n").unwrap().1.to_owned();
    let with_type = |media_type: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let cases = [
        ("gate_answer_not_understood", json("")),
        ("gate_answer_not_understood", json("{")),
        ("gate_answer_not_understood", json("[]")),
        ("gate_answer_not_understood", json("true")),
        (
            "gate_answer_not_understood",
            json(
                r#"["d:1",null,"allow",["agt-hub",null,null],["ssh-cert:actor/agt-hub",null,null],null,[]]"#,
            ),
        ),
        ("gate_answer_not_understood", json(&body[..body.len() - 1])),
        ("gate_answer_not_understood", json(&format!("{body} x"))),
        ("gate_answer_not_understood", envelope(r#""effect":true"#)),
        (
            "gate_answer_not_understood",
            envelope(r#""effect":"deny","effect":"allow""#),
        ),
        (
            "gate_answer_not_understood",
            envelope(&format!(r#"{allow},"x":{{"y":1,"y":1}}"#)),
        ),
        (
            "gate_answer_not_understood",
            envelope(r#""verdict":"allow""#),
        ),
        ("gate_content_type", with_type("text/html")),
        (
            "gate_content_type",
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        ),
        ("gate_status", good.replace("200 OK", "201 Created")),
        ("gate_status", "HTTP/1.1 204 None\r\n\r\n".to_owned()),
        ("gate_status", good.replace("200 OK", "403 Forbidden")),
        ("gate_status", good.replace("200 OK", "500 Oops")),
        (
            "gate_redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
        ),
        ("gate_answer_too_large", json(&" ".repeat(300 * 1024))),
        (
            "gate_answer_cut_short",
            good.replace("connection: close", "x: y")
                .replace("content-length: ", "content-length: 9"),
        ),
        ("gate_answer_cut_short", String::new()),
    ];
    for (reason, raw) in cases {
        let came = enforced(&StandIn::answering(&raw));
        let shown: String = raw.chars().take(120).collect();
        assert_eq!(
            (came.reason, came.class, came.signatures),
            (Some(reason), Some(Class::Untrusted), 0),
            "{shown:?}"
        );
        assert_eq!(
            came.record.entry.facts.policy_effect.as_deref(),
            Some("no_answer")
        );
    }
    assert!(
        enforced(&StandIn::answering(&with_type(
            "Application/JSON; charset=utf-8"
        )))
        .issued
    );
}

#[test]
fn the_gates_words_are_cut_and_never_recorded() {
    let long = "x".repeat(10_000);
    let raw = envelope(&format!(
        r#""effect":"deny","reason":"\u001b[31m secret words {long}""#
    ));
    let came = enforced(&StandIn::answering(&raw));
    assert!(came.shown.len() < 600, "{}", came.shown.len());
    assert_eq!(came.record.entry.facts.policy_reason, None);
    assert!(
        !serde_json::to_string(&came.record)
            .unwrap()
            .contains("secret words")
    );
}

#[test]
fn a_gate_that_cannot_be_found_is_no_answer() {
    let gate = flex_auth(1);
    assert_eq!(gate.settings().tenant, "tenant:platform");
    assert!(gate.health().is_err());
}
