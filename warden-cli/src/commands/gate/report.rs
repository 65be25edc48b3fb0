use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use warden_core::journal::{FileJournal, Kind, Record, read_records};

/// Show what enforcing would have denied while the gate was only asked in shadow
#[derive(Args)]
pub(crate) struct GateReport {}

impl GateReport {
    pub(crate) fn run(self, setup: &Setup) -> Result<Report, CliError> {
        let mut asked = 0u64;
        let mut denied: Vec<Record> = Vec::new();
        read_records(&FileJournal::path_in(&setup.state_dir), |record| {
            let in_shadow = record.entry.facts.policy_mode.as_deref() == Some("shadow");
            if record.entry.kind == Kind::Certificate && in_shadow {
                asked += 1;
                if record.entry.facts.policy_effect.as_deref() != Some("allow") {
                    denied.push(record);
                }
            }
        })?;
        let mut text = String::new();
        for record in &denied {
            let facts = &record.entry.facts;
            let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            text += &format!(
                "{}  record {}  {}  subject {}  serial {}  {}  {}  {}\n",
                record.at,
                record.seq,
                word(&facts.actor),
                word(&facts.policy_subject),
                word(&facts.serial),
                word(&facts.policy_effect),
                word(&facts.policy_reason),
                word(&facts.policy_decision_id),
            );
        }
        let would = denied.len();
        text += &format!("asked in shadow: {asked}; enforcing would have denied: {would}\n");
        let list: Vec<_> = denied
            .iter()
            .map(|record| {
                let facts = &record.entry.facts;
                json!({
                    "at": record.at,
                    "seq": record.seq,
                    "event_id": record.event_id.as_str(),
                    "actor": facts.actor,
                    "subject": facts.policy_subject,
                    "serial": facts.serial,
                    "effect": facts.policy_effect,
                    "reason": facts.policy_reason,
                    "decision_id": facts.policy_decision_id,
                })
            })
            .collect();
        let json = json!({"asked": asked, "would_deny": would, "records": list});
        Ok(Report {
            text,
            json,
            ..Report::default()
        })
    }
}
