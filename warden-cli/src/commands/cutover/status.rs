use super::desk::{PlanFile, now, observe, plan_if_any};
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::path::Path;

/// Say where the cutover stands, how that is known, what is next, and what going back would cost
///
/// Changes nothing and asks for nothing; safe to run at any moment.
#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    plan: PlanFile,
}

impl Status {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        let plan = plan_if_any(&self.plan.path(&setup))?;
        let observed = observe(&setup, plan, &self.plan.journals(&setup))?;
        let (state, evidence) = (observed.state(), observed.evidence(now()));
        let mut text = format!("state: {state}\n");
        for (what, found) in &evidence {
            text += &format!("  {what}: {found}\n");
        }
        let back = state.cost_of_going_back();
        text += &format!("next: {}\ngoing back: {back}\n", observed.next());
        let evidence: Vec<_> = evidence
            .iter()
            .map(|(what, found)| json!({"what": what, "found": found}))
            .collect();
        let json = json!({"state": state.as_str(), "evidence": evidence, "next": observed.next(), "going_back": back});
        Ok(Report {
            text,
            json,
            ..Report::default()
        })
    }
}
