//! The local decision point: each reason, the form of an answer, and what is no question.

use crate::registry::{read, three};
use proptest::prelude::*;
use serde_json::{Value, json};
use warden_core::gate::decision_point::{CheckRequest, DecisionEnvelope, Effect, Reason, decide};

/// A question that is allowed: the agent's, with everything at its limit.
fn question() -> Value {
    json!({
        "subject": {"id": "agt-hub", "type": "agt", "tenant": "tenant:platform"},
        "tenant": "tenant:platform",
        "action": "sign",
        "resource": {"id": "ssh-cert:actor/agt-hub", "type": "ssh-certificate", "system": "ops-warden", "tenant": "tenant:platform"},
        "context": {"principals": ["task"], "actor_type": "agt", "pubkey_fingerprint": "SHA256:x", "ttl_hours": 2, "ttl_seconds": 5400},
    })
}

fn with(place: &str, value: Value) -> Value {
    let mut question = question();
    let (parent, key) = place.rsplit_once('/').unwrap();
    match value {
        Value::Null => drop(
            question
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(key),
        ),
        value => question.pointer_mut(parent).unwrap()[key] = value,
    }
    question
}

fn answer(question: &Value) -> DecisionEnvelope {
    let asked = CheckRequest::from_json(question.to_string().as_bytes()).unwrap();
    decide(&read(&three()), &asked)
}

#[test]
fn each_reason_is_given() {
    let cases = [
        ("/action", json!("read"), "wrong_action"),
        ("/resource/system", json!("other"), "no_matching_rule"),
        ("/resource/system", Value::Null, "no_matching_rule"),
        ("/resource/type", json!("x509"), "no_matching_rule"),
        ("/resource/type", Value::Null, "no_matching_rule"),
        ("/tenant", json!("tenant:other"), "tenant_mismatch"),
        ("/resource/tenant", json!("tenant:other"), "tenant_mismatch"),
        ("/subject/tenant", json!("tenant:other"), "tenant_mismatch"),
        (
            "/resource/id",
            json!("ssh-cert:actor/agt-nobody"),
            "unknown_actor_resource",
        ),
        ("/resource/id", json!("agt-hub"), "unknown_actor_resource"),
        ("/subject/type", json!("adm"), "actor_type_mismatch"),
        ("/subject/type", Value::Null, "actor_type_mismatch"),
        ("/context/actor_type", json!("adm"), "actor_type_mismatch"),
        ("/context/actor_type", Value::Null, "actor_type_mismatch"),
        ("/subject/id", json!("agt-other"), "subject_not_allowed"),
        (
            "/subject/id",
            json!("iam:iam:agt-hub"),
            "subject_not_allowed",
        ),
        ("/context/ttl_hours", json!(999), "ttl_out_of_bounds"),
        ("/context/ttl_hours", json!(0), "ttl_out_of_bounds"),
        ("/context/ttl_hours", json!(-1), "ttl_out_of_bounds"),
        ("/context/ttl_hours", Value::Null, "ttl_out_of_bounds"),
        ("/context/ttl_seconds", json!(5401), "ttl_out_of_bounds"),
        ("/context/ttl_seconds", json!(0), "ttl_out_of_bounds"),
        (
            "/context/pubkey_fingerprint",
            json!(""),
            "pubkey_fingerprint_missing",
        ),
        (
            "/context/pubkey_fingerprint",
            Value::Null,
            "pubkey_fingerprint_missing",
        ),
        (
            "/context/principals",
            json!(["task", "root"]),
            "principal_not_allowed",
        ),
        ("/context/principals", json!([]), "principal_not_allowed"),
        ("/context/principals", Value::Null, "principal_not_allowed"),
    ];
    for (place, value, reason) in &cases {
        let answer = answer(&with(place, value.clone()));
        assert_eq!(answer.reason().as_str(), *reason, "{place}: {value}");
        assert_eq!(answer.effect(), Effect::Deny);
    }
    for reason in Reason::ALL {
        let reached = cases.iter().any(|(_, _, one)| *one == reason.as_str());
        assert_ne!(
            reached,
            reason.as_str() == "signing_policy_matched",
            "{reason:?}"
        );
    }
}

#[test]
fn what_the_registry_gives_is_allowed() {
    let allowed = [
        question(),
        with("/subject/id", json!("iam:agt-hub")),
        with("/subject/id", json!("kc:hub")),
        with("/context/ttl_hours", json!(1.5)),
        with("/context/ttl_seconds", Value::Null),
        with("/tenant", Value::Null),
        with("/context/more", json!({"anything": 1})),
    ];
    for question in allowed {
        let answer = answer(&question);
        assert_eq!(answer.reason(), Reason::SigningPolicyMatched, "{question}");
        assert_eq!(answer.effect(), Effect::Allow);
    }
}

#[test]
fn an_answer_has_the_form_of_the_contract() {
    let mut asked = question();
    asked["request_id"] = json!("r-1");
    let written = serde_json::to_value(answer(&asked)).unwrap();
    let digest = read(&three()).inventory_digest().to_owned();
    let id = written["id"].as_str().unwrap();
    let digits = id.strip_prefix("decision:").unwrap();
    assert!(
        digits.len() == 16
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "{id}"
    );
    let expected = json!({
        "id": id, "effect": "allow", "request_id": "r-1",
        "resource": asked["resource"], "subject": asked["subject"],
        "provenance": {"evaluator": "warden-local-decision-point", "mode": "local", "policy_package": "ops-warden.ssh-certificate.sign", "directory_etag": digest},
        "reason": "signing_policy_matched", "obligations": [],
    });
    assert_eq!(written, expected);
}

#[test]
fn the_id_follows_the_question_and_the_answer() {
    let id = |question: &Value| answer(question).id().to_owned();
    assert_eq!(id(&question()), id(&question()));
    let mut echoed = question();
    echoed["request_id"] = json!("another");
    assert_eq!(id(&question()), id(&echoed));
    let others = [
        with("/subject/id", json!("iam:agt-hub")),
        with("/context/ttl_hours", json!(1)),
        with("/context/ttl_seconds", Value::Null),
        with("/context/principals", json!([])),
        with("/context/principals", Value::Null),
        with("/context/pubkey_fingerprint", json!("SHA256:y")),
        with("/tenant", Value::Null),
    ];
    let mut ids: Vec<_> = others.iter().chain([&question()]).map(id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), others.len() + 1);
}

#[test]
fn what_is_no_question_is_malformed() {
    let texts = ["", "{}", "[]", "null", "{", "7", "\u{feff}{}"].map(str::to_owned);
    let broken = [
        with("/subject", Value::Null),
        with("/action", Value::Null),
        with("/resource", Value::Null),
        with("/context", Value::Null),
        with("/subject/id", Value::Null),
        with("/subject/id", json!("")),
        with("/resource/id", json!("")),
        with("/subject/id", json!(7)),
        with("/action", json!(["sign"])),
        with("/context/principals", json!("task")),
        with("/context/ttl_hours", json!("2")),
        with("/context/ttl_seconds", json!(-1)),
        with("/extra", json!(1)),
        with("/subject/extra", json!(1)),
        with("/resource/extra", json!(1)),
    ];
    let twice = question().to_string().replacen(
        "{\"action\":\"sign\",",
        "{\"action\":\"sign\",\"action\":\"sign\",",
        1,
    );
    assert_ne!(twice, question().to_string());
    let trailing = format!("{}x", question());
    for text in texts
        .into_iter()
        .chain(broken.map(|one| one.to_string()))
        .chain([twice, trailing])
    {
        let error = CheckRequest::from_json(text.as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with("the request is malformed: "),
            "{text}"
        );
    }
    assert!(CheckRequest::from_json(b"\xff").is_err());
}

proptest! {
    #[test]
    fn nothing_outside_the_registry_is_allowed(hours in 0u32..60, seconds in 0u64..200_000, principals in prop::collection::vec("[a-t]{1,4}|task", 0..4)) {
        let mut asked = with("/context/ttl_hours", json!(hours));
        asked["context"]["ttl_seconds"] = json!(seconds);
        asked["context"]["principals"] = json!(principals);
        let inside = (1..=2).contains(&hours) && (1..=5400).contains(&seconds)
            && !principals.is_empty() && principals.iter().all(|one| one == "task");
        let answer = answer(&asked);
        prop_assert_eq!(answer.effect() == Effect::Allow, inside);
        prop_assert_eq!(answer.id().len(), "decision:".len() + 16);
    }
}
