use super::desk::PlanFile;
use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::cutover::plan::Plan;
use warden_core::failure::Class;
use warden_core::file::{self, FileError};
use warden_core::journal::{Kind, Outcome, Record, read_head, read_records, verify};
use warden_core::sign::local::CaKeyFile;
use warden_core::sign::sshsig::{self, Namespace};

/// Show, verify and hand over the record of a cutover
#[derive(Args)]
pub(crate) struct Evidence {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Subcommand)]
enum EvidenceCommand {
    /// Every step on record, oldest first
    Show(PlanFile),
    /// Verify the journal's chain, and that no step is without its result
    Verify(PlanFile),
    /// Write the steps and a signature over them, and print a summary that may be shown to anybody
    Export(Export),
}

#[derive(Args)]
struct Export {
    #[command(flatten)]
    plan: PlanFile,

    /// The file to write, JSON lines; the signature is written beside it with .sig behind its name
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The private key to sign with, such as an operator's
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The file with the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Evidence {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let setup = Setup::load(config)?;
        let (EvidenceCommand::Show(file)
        | EvidenceCommand::Verify(file)
        | EvidenceCommand::Export(Export { plan: file, .. })) = &self.command;
        let plan = Plan::read(&file.path(&setup))?;
        let journals = file.journals(&setup);
        let mut records = Vec::new();
        let ours = |record: &Record| {
            record.entry.kind == Kind::Cutover
                && record
                    .entry
                    .facts
                    .cutover
                    .as_ref()
                    .is_some_and(|facts| facts.plan_digest == plan.digest())
        };
        for journal in &journals {
            read_records(journal, |record| {
                if ours(&record) {
                    records.push(record);
                }
            })?;
        }
        let shown = show(&records);
        match self.command {
            EvidenceCommand::Show(_) => Ok(shown),
            EvidenceCommand::Verify(_) => {
                verify(&journals, None, None)?;
                complete(&records)?;
                let text = format!(
                    "{} records of plan {}: the chain holds, every step has its result\n",
                    records.len(),
                    plan.id()
                );
                Ok(Report {
                    text,
                    json: json!({"records": records.len(), "plan_id": plan.id()}),
                    ..Report::default()
                })
            }
            EvidenceCommand::Export(export) => {
                verify(&journals, None, None)?;
                let head = read_head(&setup.state_dir)?
                    .map(|head| head.to_string())
                    .unwrap_or_default();
                export.write(&plan, &records, &head, &shown.text)
            }
        }
    }
}

fn show(records: &[Record]) -> Report {
    let mut text = String::new();
    for record in records {
        let Some(facts) = &record.entry.facts.cutover else {
            continue;
        };
        let outcome = match record.entry.outcome {
            Outcome::Intended => "intent",
            Outcome::Done => "done",
            Outcome::Denied => "refused",
            _ => "failed",
        };
        text += &format!(
            "{} {} {} {outcome} from {} by {}",
            record.seq, record.at, facts.verb, facts.phase_from, facts.operator
        );
        for (name, value) in [
            ("with", &facts.second_operator),
            ("on", &facts.target),
            ("sha256 now", &facts.sha256_after),
        ] {
            if let Some(value) = value {
                text += &format!(" {name} {value}");
            }
        }
        if let Some(reason) = &record.entry.reason {
            text += &format!(" ({reason})");
        }
        text += "\n";
    }
    Report {
        json: json!({"records": records}),
        text,
        ..Report::default()
    }
}

/// Every intent has its result, but perhaps that of a step that runs now.
fn complete(records: &[Record]) -> Result<(), CliError> {
    let steps = || {
        records
            .iter()
            .filter(|one| one.entry.outcome != Outcome::Denied)
    };
    for (one, next) in steps().zip(steps().skip(1).map(Some).chain([None])) {
        if one.entry.outcome == Outcome::Intended
            && next.is_none_or(|next| next.entry.outcome == Outcome::Intended)
        {
            let message = format!(
                "record {} says that a step began, and none says what came of it",
                one.seq
            );
            return Err(CliError::new(Class::Failed, "step_without_result", message)
                .hint("it was cut short: `warden cutover status` says what is so now; the same verb run again completes it, and the record keeps both"));
        }
    }
    Ok(())
}

impl Export {
    fn write(
        &self,
        plan: &Plan,
        records: &[Record],
        head: &str,
        steps: &str,
    ) -> Result<Report, CliError> {
        let key = CaKeyFile {
            path: self.key.clone(),
            passphrase_file: self.passphrase_file.clone(),
        }
        .open()?;
        let line = |value: &serde_json::Value| format!("{value}\n");
        let mut bundle = line(
            &json!({"plan": plan.to_text()?, "plan_digest": plan.digest(), "journal_head": head}),
        );
        for record in records {
            bundle += &line(&json!(record));
        }
        let signature = sshsig::sign(&key, Namespace::Evidence, bundle.as_bytes())?;
        let mut beside = self.out.clone().into_os_string();
        beside.push(".sig");
        let beside = PathBuf::from(beside);
        let write = |path: &Path, text: &str| -> Result<(), FileError> {
            file::replace_regular(path, 0o644, |file| file.write_all(text.as_bytes()))
        };
        write(&self.out, &bundle)?;
        write(&beside, &signature)?;
        let text = format!(
            "cutover {} (plan {}), owner {}\nold CA {}\nnew CA {}\n{steps}journal head {head}\nsigned by {}\n",
            plan.name,
            plan.id(),
            plan.owner,
            plan.old.ca_fingerprint,
            plan.new.ca_fingerprint,
            key.public().fingerprint()
        );
        let notes = vec![format!(
            "verify it with: ssh-keygen -Y verify -f ALLOWED_SIGNERS -I SIGNER -n {} -s {} < {}",
            Namespace::Evidence.as_str(),
            beside.display(),
            self.out.display()
        )];
        let json = json!({
            "plan_id": plan.id(), "records": records.len(), "journal_head": head, "signed_by": key.public().fingerprint().as_str(),
            "bundle": self.out.display().to_string(), "signature": beside.display().to_string(), "namespace": Namespace::Evidence.as_str(),
        });
        Ok(Report { text, json, notes })
    }
}
