use crate::commands::gate::{Asked, key_nobody_has};
use crate::environment::{Setup, SystemClock};
use crate::error::CliError;
use crate::output::Report;
use crate::typed::actor_name;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use warden_core::authorize::Subject;
use warden_core::certificate::Ttl;
use warden_core::clock::Clock;
use warden_core::failure::{Class, Failure};
use warden_core::gate::{GateError, PolicyGate};
use warden_core::inventory::{ActorName, ActorNameError};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::{FileJournal, record_smoke};
use warden_core::request::CertificateRequest;
use warden_core::revocation;

/// A time to live that no type allows, in seconds: 999 hours.
const TOO_LONG: u64 = 999 * 3600;

/// A name no inventory is to have.
const NOBODY: &str = "agt-warden-smoke-nobody";

/// How long the certificate of a trial lives, in seconds.
const TRIAL_SECONDS: u64 = 60;

/// Try the whole path to a certificate, and print what may be shown to anybody
///
/// Asks the gate for an allow, for two denials and for an allow to another subject; with --backend
/// it also has a certificate signed for a key that is thrown away. The evidence is recorded.
#[derive(Args)]
pub(crate) struct Smoke {
    /// Try the gate [default, unless --backend is given alone]
    #[arg(long)]
    gate: bool,

    /// Sign a certificate of one minute through the configured backend and gate
    #[arg(long)]
    backend: bool,

    /// The actor to try it with [default: the first of the inventory that is live]
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
}

/// What came of one check: whether it holds, and the evidence.
struct Checked {
    name: &'static str,
    holds: bool,
    evidence: String,
}

impl Smoke {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        let actor = self.actor(&setup)?;
        let journal = FileJournal::open(&setup.state_dir)?;
        let mut checks = Vec::new();
        if self.gate || !self.backend {
            checks.extend(try_gate(&setup, &actor)?);
        }
        if self.backend {
            checks.push(try_backend(&setup, &actor, &journal)?);
        }
        let holds = checks.iter().all(|check| check.holds);
        let word = |check: &Checked| {
            format!(
                "{} {}",
                if check.holds { "pass" } else { "fail" },
                check.evidence
            )
        };
        let recorded: BTreeMap<_, _> = checks
            .iter()
            .map(|check| (check.name.to_owned(), word(check)))
            .collect();
        let recorded = record_smoke(&journal, &actor, holds, recorded, SystemClock.now())?;
        let mut text = String::new();
        for check in &checks {
            text += &format!(
                "{} {}: {}\n",
                if check.holds { "PASS" } else { "FAIL" },
                check.name,
                check.evidence
            );
        }
        let (pass, fail) = (
            checks.iter().filter(|check| check.holds).count(),
            checks.iter().filter(|check| !check.holds).count(),
        );
        text += &format!(
            "RESULT pass={pass} fail={fail} actor={actor} record={}\n",
            recorded.seq
        );
        let list = checks.iter().map(
            |check| json!({"check": check.name, "holds": check.holds, "evidence": check.evidence}),
        );
        let json = json!({"actor": actor.as_str(), "pass": pass, "fail": fail, "checks": list.collect::<Vec<_>>(), "seq": recorded.seq, "event_id": recorded.event_id.as_str()});
        let report = Report {
            text,
            json,
            ..Report::default()
        };
        if holds {
            return Ok(report);
        }
        Err(CliError::new(
            Class::Failed,
            "smoke_failed",
            format!("{fail} of the checks did not hold"),
        )
        .with_report(report))
    }

    fn actor(&self, setup: &Setup) -> Result<ActorName, CliError> {
        if let Some(name) = &self.actor {
            return actor_name(name);
        }
        let now = SystemClock.now();
        let inventory = setup.inventory.load()?;
        let live = inventory
            .actors()
            .find(|actor| !actor.disabled() && actor.expires().is_none_or(|end| end > now));
        live.map(|actor| actor.name().clone()).ok_or_else(|| {
            CliError::new(
                Class::Malformed,
                "inventory_empty",
                "the inventory has no actor to try it with",
            )
            .hint("name one with --actor")
        })
    }
}

/// Health, an allow, two denials, and an allow to another subject.
fn try_gate(setup: &Setup, actor: &ActorName) -> Result<Vec<Checked>, CliError> {
    let gate = setup.gate();
    let health = match gate.health() {
        Ok(()) => Checked {
            name: "gate_health",
            holds: true,
            evidence: gate.settings().address.as_str().to_owned(),
        },
        Err(error) => return Ok(vec![unanswered("gate_health", &error)]),
    };
    let asked = Asked::about(setup, actor.clone(), None)?;
    let too_long = Asked {
        ttl: Ttl::from_seconds(TOO_LONG).unwrap_or(asked.ttl),
        ..Asked::about(setup, actor.clone(), None)?
    };
    let nobody: ActorName = NOBODY.parse().map_err(|error: ActorNameError| {
        CliError::new(Class::Failed, "actor_name_malformed", error.to_string())
    })?;
    let nobody = Asked {
        principals: asked.principals.clone(),
        ..Asked::about(setup, nobody, None)?
    };
    let other = Asked::about(setup, actor.clone(), Subject::new(&format!("iam:{actor}")))?;
    let mut checks = vec![health];
    for (name, asked, expected) in [
        ("gate_allow", &asked, None),
        ("gate_deny_ttl", &too_long, Some("ttl_out_of_bounds")),
        (
            "gate_deny_unknown_actor",
            &nobody,
            Some("unknown_actor_resource"),
        ),
        ("gate_allow_iam_subject", &other, None),
    ] {
        checks.push(match gate.ask(&asked.question()) {
            Err(error) => unanswered(name, &error),
            Ok(answer) => {
                let reason = answer.reason.as_deref().unwrap_or("no reason");
                let holds = match expected {
                    None => answer.allows,
                    Some(expected) => !answer.allows && reason == expected,
                };
                let effect = if answer.allows { "allow" } else { "deny" };
                let id = answer.decision_id.as_deref().unwrap_or("no id");
                Checked {
                    name,
                    holds,
                    evidence: format!(
                        "{effect} {reason} {id} actor {} subject {}",
                        asked.actor, asked.subject
                    ),
                }
            }
        });
    }
    Ok(checks)
}

fn unanswered(name: &'static str, error: &GateError) -> Checked {
    Checked {
        name,
        holds: false,
        evidence: format!("no answer: {}", error.reason()),
    }
}

/// One certificate through the whole pipeline, for a key that nobody has.
fn try_backend(
    setup: &Setup,
    actor: &ActorName,
    journal: &FileJournal,
) -> Result<Checked, CliError> {
    let name = "backend_signs";
    let key = key_nobody_has()?;
    let shortest = setup
        .inventory
        .standing_of(actor)?
        .actor()
        .and_then(|actor| actor.min_ttl());
    let ttl = shortest.or(Ttl::from_seconds(TRIAL_SECONDS));
    let mut request = CertificateRequest::new(actor.clone(), key);
    if let Some(ttl) = ttl {
        request = request.with_ttl(ttl);
    }
    let (backend, subject, gate) = (setup.backend()?, setup.subject()?, setup.gate());
    let issuer = Issuer {
        inventory: &setup.inventory,
        revocations: &revocation::load(&setup.state_dir)?,
        gating: setup.gating(&gate),
        subject: subject.as_ref(),
        backend: &*backend,
        journal,
        clock: &SystemClock,
    };
    Ok(match issue(request, &issuer) {
        Ok(Outcome::Issued(issued)) => {
            let signed = issued.signed();
            let evidence = format!(
                "{} serial {} by {}",
                signed.backend(),
                signed.serial(),
                signed.ca_fingerprint()
            );
            Checked {
                name,
                holds: true,
                evidence,
            }
        }
        Ok(Outcome::Denied(denial, _)) => Checked {
            name,
            holds: false,
            evidence: format!("denied: {}", denial.reason()),
        },
        Err(error) => Checked {
            name,
            holds: false,
            evidence: format!("failed: {}", error.reason()),
        },
    })
}
