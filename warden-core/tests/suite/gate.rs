//! The policy gate: what is asked, which answers allow, and what happens when there is none.

mod answers;
mod stand_in;

use crate::forger::{CA, inventory};
use crate::scene::{NOW, actor, user_key};
use stand_in::StandIn;
use std::cell::Cell;
use std::time::{Duration, Instant};
use warden_core::authorize::{Authorization, Subject};
use warden_core::certificate::{Ttl, UnixTime};
use warden_core::clock::FixedClock;
use warden_core::exchange::Address;
use warden_core::failure::{Class, Failure};
use warden_core::gate::Gating;
use warden_core::gate::flex_auth::{FlexAuth, Settings};
use warden_core::issue::{IssueError, Issuer, Outcome, issue};
use warden_core::journal::{FileJournal, Record, read_records};
use warden_core::request::CertificateRequest;
use warden_core::sign::local::{CaKey, LocalCa};
use warden_core::sign::{BackendError, Reply, SigningBackend, TrustedCa};

/// A local CA that counts how often it is asked.
struct Counting(LocalCa, Cell<u32>);

impl SigningBackend for Counting {
    fn name(&self) -> &'static str {
        "local"
    }

    fn trusted_ca(&self) -> Result<TrustedCa<'_>, BackendError> {
        self.0.trusted_ca()
    }

    fn clock_skew(&self) -> u64 {
        self.0.clock_skew()
    }

    fn sign(&self, authorization: &Authorization, now: UnixTime) -> Result<Reply, BackendError> {
        self.1.set(self.1.get() + 1);
        self.0.sign(authorization, now)
    }
}

fn flex_auth(port: u16) -> FlexAuth {
    FlexAuth::new(Settings {
        address: Address::parse(&format!("http://127.0.0.1:{port}"), false).unwrap(),
        tenant: "tenant:platform".to_owned(),
        system: "ops-warden".to_owned(),
        timeout: Duration::from_millis(1500),
        tls_ca_file: None,
    })
}

/// What came of one request: issued or the reason, how often the backend was asked, the one record.
struct Came {
    issued: bool,
    reason: Option<&'static str>,
    class: Option<Class>,
    signatures: u32,
    record: Record,
    shown: String,
}

fn came_of(gating: Gating<'_>, subject: Option<&Subject>, ttl: Option<&str>) -> Came {
    let inventory = inventory();
    let state = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    let backend = Counting(
        LocalCa::with_key(CaKey::from_ed25519_seed(&[CA; 32]).unwrap()),
        Cell::new(0),
    );
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating,
        subject,
        inventory: inventory.path(),
        backend: &backend,
        journal: &journal,
        clock: &FixedClock(NOW),
    };
    let mut request = CertificateRequest::new(actor("agt-hub"), user_key(1));
    if let Some(ttl) = ttl {
        request = request.with_ttl(Ttl::parse(ttl).unwrap());
    }
    let (issued, reason, class, shown) = match issue(request, &by) {
        Ok(Outcome::Issued(_)) => (true, None, None, String::new()),
        Ok(Outcome::Denied(denial, _)) => (
            false,
            Some(denial.reason()),
            Some(denial.class()),
            denial.to_string(),
        ),
        Err(error) => (
            false,
            Some(error.reason()),
            Some(error.class()),
            error.to_string(),
        ),
    };
    let mut records = Vec::new();
    read_records(&journal.path(), |record| records.push(record)).unwrap();
    let [record] = &records[..] else {
        panic!("{} records", records.len())
    };
    Came {
        issued,
        reason,
        class,
        signatures: backend.1.get(),
        record: record.clone(),
        shown,
    }
}

fn enforced(server: &StandIn) -> Came {
    let gate = flex_auth(server.port());
    came_of(
        Gating::Enforce {
            gate: &gate,
            fail_closed: true,
        },
        None,
        None,
    )
}

#[test]
fn the_question_is_exactly_the_contracts() {
    let server = StandIn::allowing("agt-hub", "agt-hub");
    assert!(enforced(&server).issued);
    let [request] = &server.requests()[..] else {
        panic!("not one request")
    };
    assert!(
        request.starts_with("POST /v1/check HTTP/1.1\r\n"),
        "{request}"
    );
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let fingerprint = user_key(1).fingerprint().to_string();
    let expected = serde_json::json!({
        "subject": {"id": "agt-hub", "type": "agt", "tenant": "tenant:platform"},
        "tenant": "tenant:platform",
        "action": "sign",
        "resource": {"id": "ssh-cert:actor/agt-hub", "type": "ssh-certificate", "system": "ops-warden", "tenant": "tenant:platform"},
        "context": serde_json::from_str::<serde_json::Value>(body).unwrap()["context"],
    });
    let found: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(found, expected);
    let context = found["context"].as_object().unwrap();
    assert_eq!(context["pubkey_fingerprint"], fingerprint);
    assert_eq!(context["actor_type"], "agt");
    assert_eq!(
        context["ttl_hours"].as_u64().unwrap(),
        context["ttl_seconds"].as_u64().unwrap().div_ceil(3600)
    );
    assert_eq!(context.len(), 5);
}

#[test]
fn hours_are_rounded_up_and_seconds_are_exact() {
    let server = StandIn::allowing("agt-hub", "agt-hub");
    let gate = flex_auth(server.port());
    let gating = Gating::Enforce {
        gate: &gate,
        fail_closed: true,
    };
    assert!(came_of(gating, None, Some("59m")).issued);
    let request = &server.requests()[0];
    assert!(
        request.contains(r#""ttl_hours":1,"ttl_seconds":3540"#),
        "{request}"
    );
}

#[test]
fn a_named_subject_is_asked_for_and_recorded() {
    let subject = Subject::new("iam:agt-hub").unwrap();
    let server = StandIn::allowing("iam:agt-hub", "agt-hub");
    let gate = flex_auth(server.port());
    let came = came_of(
        Gating::Enforce {
            gate: &gate,
            fail_closed: true,
        },
        Some(&subject),
        None,
    );
    assert!(came.issued, "{}", came.shown);
    let facts = came.record.entry.facts;
    assert_eq!(facts.policy_subject.as_deref(), Some("iam:agt-hub"));
    assert_eq!(
        facts.policy_decision_id.as_deref(),
        Some("decision:0123456789abcdef")
    );
    assert_eq!(facts.policy_effect.as_deref(), Some("allow"));
    assert_eq!(facts.policy_mode.as_deref(), Some("enforce"));
    assert_ne!(came.record.event_id.as_str(), "decision:0123456789abcdef");
}

#[test]
fn what_the_bounds_deny_never_reaches_the_gate_nor_the_backend() {
    let server = StandIn::allowing("agt-hub", "agt-hub");
    let gate = flex_auth(server.port());
    let came = came_of(
        Gating::Enforce {
            gate: &gate,
            fail_closed: true,
        },
        None,
        Some("999h"),
    );
    assert_eq!(
        (came.reason, came.signatures),
        (Some("ttl_out_of_bounds"), 0)
    );
    assert!(server.requests().is_empty());
    assert_eq!(came.record.entry.facts.policy_decision_id, None);
}

#[test]
fn what_the_gate_denies_never_reaches_the_backend() {
    let server = StandIn::answering(&answers::envelope(
        r#""effect":"deny","reason":"ttl_out_of_bounds""#,
    ));
    let came = enforced(&server);
    assert_eq!(
        (came.reason, came.class, came.signatures),
        (Some("gate_denied"), Some(Class::Refused), 0)
    );
    assert!(came.shown.contains("ttl_out_of_bounds"), "{}", came.shown);
    let facts = came.record.entry.facts;
    assert_eq!(facts.policy_reason.as_deref(), Some("ttl_out_of_bounds"));
    assert_eq!(
        facts.policy_decision_id.as_deref(),
        Some("decision:0123456789abcdef")
    );
}

#[test]
fn in_shadow_the_gate_is_recorded_and_decides_nothing() {
    let denying = StandIn::answering(&answers::envelope(
        r#""effect":"deny","reason":"no_matching_rule""#,
    ));
    let silent = StandIn::answering("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    for (server, effect, reason) in [
        (&denying, "deny", "no_matching_rule"),
        (&silent, "no_answer", "gate_status"),
    ] {
        let gate = flex_auth(server.port());
        let came = came_of(Gating::Shadow(&gate), None, None);
        assert!(came.issued && came.signatures == 1);
        let facts = came.record.entry.facts;
        assert_eq!(facts.policy_mode.as_deref(), Some("shadow"));
        assert_eq!(facts.policy_effect.as_deref(), Some(effect));
        assert_eq!(facts.policy_reason.as_deref(), Some(reason));
    }
}

#[test]
fn failing_open_is_for_a_gate_that_was_never_reached_and_is_recorded() {
    // A port that was given back may be another test's by now; this one is nobody's.
    let port = 1;
    let gate = flex_auth(port);
    let closed = came_of(
        Gating::Enforce {
            gate: &gate,
            fail_closed: true,
        },
        None,
        None,
    );
    assert_eq!(
        (closed.reason, closed.class, closed.signatures),
        (Some("gate_connection_refused"), Some(Class::Untrusted), 0)
    );
    let gate = flex_auth(port);
    let open = came_of(
        Gating::Enforce {
            gate: &gate,
            fail_closed: false,
        },
        None,
        None,
    );
    assert!(open.issued);
    let facts = open.record.entry.facts;
    assert_eq!(facts.policy_effect.as_deref(), Some("no_answer"));
    assert_eq!(
        facts.policy_reason.as_deref(),
        Some("gate_connection_refused")
    );
    // Whatever came after the first byte never opens it.
    for raw in [
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "",
    ] {
        let server = StandIn::answering(raw);
        let gate = flex_auth(server.port());
        let came = came_of(
            Gating::Enforce {
                gate: &gate,
                fail_closed: false,
            },
            None,
            None,
        );
        assert!(!came.issued && came.signatures == 0, "{raw:?}");
    }
}

#[test]
fn a_slow_gate_is_given_up_within_its_time() {
    let server = StandIn::dripping();
    let start = Instant::now();
    let came = enforced(&server);
    assert_eq!(came.reason, Some("gate_timeout"));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn health_is_a_plain_200() {
    let well = StandIn::answering(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    );
    assert!(flex_auth(well.port()).health().is_ok());
    assert!(well.requests()[0].starts_with("GET /healthz "));
    let ill = StandIn::answering("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        flex_auth(ill.port()).health().unwrap_err().reason(),
        "gate_status"
    );
}

#[test]
fn errors_of_the_gate_say_what_to_do() {
    let server = StandIn::answering("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
    let gate = flex_auth(server.port());
    let inventory = inventory();
    let state = tempfile::tempdir().unwrap();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: Gating::Enforce {
            gate: &gate,
            fail_closed: true,
        },
        subject: None,
        inventory: inventory.path(),
        backend: &LocalCa::with_key(CaKey::from_ed25519_seed(&[CA; 32]).unwrap()),
        journal: &FileJournal::open(state.path()).unwrap(),
        clock: &FixedClock(NOW),
    };
    let error = issue(CertificateRequest::new(actor("agt-hub"), user_key(1)), &by).unwrap_err();
    assert!(matches!(error, IssueError::Gate(_)));
    assert!(error.hints()[0].contains("warden gate health"));
}
