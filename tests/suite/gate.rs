//! The policy gate through the command, against the local decision point.

use crate::setup::{ACTOR, Setup, refusal_of_text};
use std::time::Duration;
use warden_tests::process::{Outcome, Running};

/// A setup whose gate is the local decision point of its own registry.
struct Gated {
    setup: Setup,
    // Ends the decision point when dropped.
    _server: Running,
    address: String,
}

impl Gated {
    fn new(mode: &str) -> Self {
        let setup = Setup::new();
        let registry = setup.join("registry.json");
        let built = setup
            .program()
            .args(["registry", "build", "--out"])
            .arg(&registry)
            .run();
        built.check();
        let server = setup
            .program()
            .args(["gate", "serve", "--listen", "127.0.0.1:0", "--registry"])
            .arg(&registry)
            .start();
        let address = address_of(&server);
        let gated = Self {
            setup,
            _server: server,
            address,
        };
        gated.configure(&format!("mode = \"{mode}\"\n"));
        gated
    }

    fn configure(&self, policy: &str) {
        let config = std::fs::read_to_string(self.setup.config()).unwrap();
        let plain = config.split("[policy]").next().unwrap();
        let config = format!(
            "{plain}[policy]\nflex_auth_url = \"{}\"\n{policy}",
            self.address
        );
        std::fs::write(self.setup.config(), config).unwrap();
    }

    fn warden(&self, args: &[&str]) -> Outcome {
        self.setup.warden(args.iter().copied())
    }
}

/// Waits for the line that says where it listens.
fn address_of(server: &Running) -> String {
    for _ in 0..600 {
        let said = server.stderr_so_far();
        if let Some(at) = said.find("http://127.0.0.1:") {
            let rest: String = said[at..]
                .chars()
                .take_while(|c| !c.is_whitespace())
                .collect();
            if said[at..].contains('\n') {
                return rest.trim_end_matches([',', '.', ';', '/', ')']).to_owned();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!(
        "the decision point does not say where it listens: {}",
        server.stderr_so_far()
    );
}

#[test]
fn smoke_passes_against_the_local_decision_point_and_is_recorded() {
    let gated = Gated::new("enforce");
    let smoke = gated
        .warden(&["smoke", "--gate", "--backend"])
        .expect_success();
    for line in [
        "PASS gate_health",
        "PASS gate_allow:",
        "PASS gate_deny_ttl: deny ttl_out_of_bounds decision:",
        "PASS gate_deny_unknown_actor: deny unknown_actor_resource",
        "PASS gate_allow_iam_subject",
        "PASS backend_signs: local serial ",
        "RESULT pass=6 fail=0",
    ] {
        assert!(smoke.stdout.contains(line), "{line}: {smoke}");
    }
    let records = gated.setup.records();
    let last = records.last().unwrap();
    assert_eq!(
        (last["kind"].as_str(), last["outcome"].as_str()),
        (Some("smoke"), Some("done"))
    );
    assert!(
        last["checks"]["gate_allow"]
            .as_str()
            .unwrap()
            .starts_with("pass allow")
    );
    let json = gated.warden(&["smoke", "--json"]).expect_success();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (json["pass"].as_u64(), json["fail"].as_u64()),
        (Some(5), Some(0))
    );
}

#[test]
fn smoke_says_what_did_not_hold() {
    let gated = Gated::new("off");
    gated.configure("tenant = \"tenant:other\"\n");
    let smoke = gated.warden(&["smoke"]);
    refusal_of_error(&smoke, 1, "smoke_failed");
    assert!(smoke.stdout.contains("FAIL gate_allow: deny"), "{smoke}");
    gated.configure("flex_auth_url = \"x\"\n");
    assert_eq!(gated.warden(&["smoke"]).code, Some(2));
}

/// The reason, where stdout is not empty.
fn refusal_of_error(outcome: &Outcome, code: i32, reason: &str) {
    assert_eq!(outcome.code, Some(code), "{outcome}");
    assert!(outcome.stderr.contains(&format!("({reason})")), "{outcome}");
}

#[test]
fn enforcing_signs_what_the_gate_allows_and_nothing_else() {
    let gated = Gated::new("enforce");
    gated.setup.sign().check();
    let record = gated.setup.records().pop().unwrap();
    assert_eq!(record["policy_effect"], "allow");
    assert_eq!(record["policy_reason"], "signing_policy_matched");
    assert!(
        record["policy_decision_id"]
            .as_str()
            .unwrap()
            .starts_with("decision:")
    );
    let other = gated
        .setup
        .program()
        .env("WARDEN_POLICY_SUBJECT", "iam:somebody")
        .args(["sign", ACTOR, "--pubkey"])
        .arg(gated.setup.key())
        .run();
    refusal_of_text(&other, 3, "gate_denied");
    assert!(
        other.stderr.contains("subject_not_allowed") && other.stderr.contains("decision:"),
        "{other}"
    );
    let named = gated
        .setup
        .program()
        .env("WARDEN_POLICY_SUBJECT", format!("iam:{ACTOR}"))
        .args(["sign", ACTOR, "--pubkey"])
        .arg(gated.setup.key())
        .run();
    named.check();
    let malformed = gated
        .setup
        .program()
        .env("WARDEN_POLICY_SUBJECT", "a b")
        .args(["sign", ACTOR, "--pubkey"])
        .arg(gated.setup.key())
        .run();
    refusal_of_text(&malformed, 2, "subject_malformed");
}

#[test]
fn shadow_signs_all_the_same_and_the_report_names_what_enforcing_would_have_denied() {
    let gated = Gated::new("shadow");
    gated.setup.sign().check();
    let denied = gated
        .setup
        .program()
        .env("WARDEN_POLICY_SUBJECT", "iam:somebody")
        .args(["sign", ACTOR, "--pubkey"])
        .arg(gated.setup.key())
        .run();
    denied.check();
    let report = gated.warden(&["gate", "report"]).expect_success();
    assert!(
        report
            .stdout
            .contains("asked in shadow: 2; enforcing would have denied: 1"),
        "{report}"
    );
    assert!(
        report.stdout.contains("iam:somebody") && report.stdout.contains("subject_not_allowed"),
        "{report}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&gated.warden(&["gate", "report", "--json"]).stdout).unwrap();
    assert_eq!(json["would_deny"], 1);
    assert_eq!(json["records"][0]["subject"], "iam:somebody");
}

#[test]
fn a_check_asks_the_gate_even_for_what_the_bounds_would_deny() {
    let gated = Gated::new("off");
    let allowed = gated.warden(&["gate", "check", ACTOR]).expect_success();
    assert!(
        allowed
            .stdout
            .starts_with("allow: allow signing_policy_matched"),
        "{allowed}"
    );
    let too_long = gated.warden(&["gate", "check", ACTOR, "--ttl", "999"]);
    refusal_of_text(&too_long, 3, "gate_denied");
    assert!(too_long.stderr.contains("ttl_out_of_bounds"), "{too_long}");
    let unknown = gated.warden(&["gate", "check", "agt-nobody"]);
    refusal_of_text(&unknown, 3, "gate_denied");
    assert!(
        unknown.stderr.contains("unknown_actor_resource"),
        "{unknown}"
    );
    let principal = gated.warden(&["gate", "check", ACTOR, "--principal", "root"]);
    assert!(
        principal.stderr.contains("principal_not_allowed"),
        "{principal}"
    );
    refusal_of_text(
        &gated.warden(&["gate", "check", "nobody"]),
        2,
        "actor_name_malformed",
    );
    refusal_of_text(
        &gated.warden(&["gate", "check", ACTOR, "--ttl", "0"]),
        2,
        "ttl_malformed",
    );
    refusal_of_text(
        &gated.warden(&["gate", "check", ACTOR, "--principal", "a,b"]),
        2,
        "principal_malformed",
    );
    refusal_of_text(
        &gated.warden(&["gate", "check", ACTOR, "--pubkey", "nowhere"]),
        2,
        "file_not_found",
    );
    let health = gated.warden(&["gate", "health"]).expect_success();
    assert!(health.stdout.contains("is well; mode off"), "{health}");
    // Nothing of this was recorded.
    assert!(
        gated
            .setup
            .records()
            .iter()
            .all(|record| record["policy_mode"].is_null())
    );
}

#[test]
fn a_gate_that_is_not_there_stops_signing_unless_told_otherwise() {
    let gated = Gated::new("off");
    // A port that was given back may be another test's by now; this one is nobody's.
    let nobody = "127.0.0.1:1";
    let setup = &gated.setup;
    let config = std::fs::read_to_string(setup.config()).unwrap();
    let plain = config.split("[policy]").next().unwrap().to_owned();
    let with = |policy: &str| {
        std::fs::write(
            setup.config(),
            format!("{plain}[policy]\nflex_auth_url = \"http://{nobody}\"\n{policy}"),
        )
        .unwrap()
    };
    with("enabled = true\n");
    refusal_of_text(&setup.sign(), 4, "gate_connection_refused");
    refusal_of_text(
        &setup.warden(["gate", "health"]),
        4,
        "gate_connection_refused",
    );
    with("enabled = true\nfail_closed = false\n");
    let open = setup.sign().expect_success();
    assert!(
        open.stderr
            .contains("signed without an answer of the policy gate (gate_connection_refused)"),
        "{open}"
    );
    assert_eq!(setup.records().pop().unwrap()["policy_effect"], "no_answer");
    with("mode = \"shadow\"\n");
    assert_eq!(setup.sign().expect_success().stderr, "");
}

#[test]
fn contradictions_in_the_policy_are_pointed_at() {
    let setup = Setup::new();
    let config = std::fs::read_to_string(setup.config()).unwrap();
    let line = config.lines().count() + 2;
    let cases = [
        (
            "mode = \"shadow\"\nenabled = true\n",
            line + 1,
            "contradicts",
        ),
        (
            "mode = \"enforce\"\nenabled = false\n",
            line + 1,
            "contradicts",
        ),
        (
            "mode = \"maybe\"\n",
            line,
            "is none of off, shadow, enforce",
        ),
        (
            "flex_auth_url = \"http://gate.example\"\n",
            line,
            "plain http to another machine",
        ),
        ("timeout = \"2h\"\n", line, "over the most allowed"),
        ("tenant = \"a b\"\n", line, "printable characters"),
        ("subject_env = \"1x\"\n", line, "environment variable"),
        ("fail_open = true\n", line, "unknown field"),
    ];
    for (policy, at, said) in cases {
        std::fs::write(setup.config(), format!("{config}[policy]\n{policy}")).unwrap();
        let outcome = setup.sign();
        refusal_of_text(&outcome, 2, "config_malformed");
        assert!(
            outcome.stderr.contains(&format!("warden.toml:{at}:")) && outcome.stderr.contains(said),
            "{outcome}"
        );
    }
}

#[test]
fn smoke_without_an_actor_says_so() {
    let setup = Setup::new();
    std::fs::remove_dir_all(setup.join("inventory/agt")).unwrap();
    refusal_of_text(&setup.warden(["smoke", "--backend"]), 2, "inventory_empty");
}
