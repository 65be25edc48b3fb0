use crate::environment::Setup;
use crate::error::CliError;
use crate::output::Report;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::journal::{FileJournal, Head, Verified, verify};

/// Verify the journal, and print its head to keep elsewhere
#[derive(Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Verify that no record was changed, removed, inserted or swapped; touches nothing
    Verify(Verify),
    /// Print the head, SEQ:HASH, of a journal that verifies
    Head(Verify),
}

#[derive(Args)]
struct Verify {
    /// A head kept elsewhere, as `warden audit head` printed it
    #[arg(long, value_name = "SEQ:HASH")]
    head: Option<String>,

    /// An older journal that was rotated away, oldest first; may be repeated
    #[arg(long, value_name = "FILE")]
    older: Vec<PathBuf>,

    /// The head before the first record, if older journals are gone
    #[arg(long, value_name = "SEQ:HASH")]
    from: Option<String>,
}

impl Audit {
    pub(crate) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let (AuditCommand::Verify(options) | AuditCommand::Head(options)) = &self.command;
        let head = |text: &Option<String>| text.as_deref().map(str::parse::<Head>).transpose();
        let (expected, from) = (head(&options.head)?, head(&options.from)?);
        let journal = FileJournal::path_in(&Setup::load(config)?.state_dir);
        let files: Vec<PathBuf> = options.older.iter().cloned().chain([journal]).collect();
        let Verified {
            records,
            first,
            head,
        } = verify(&files, from, expected)?;
        let text = match &self.command {
            AuditCommand::Head(_) => format!("{head}\n"),
            AuditCommand::Verify(_) if records == 0 => "no records; the chain holds\n".to_owned(),
            AuditCommand::Verify(_) => format!(
                "records {first} to {}: the chain holds; head {head}\n",
                head.seq
            ),
        };
        let json =
            json!({"records": records, "first": first, "seq": head.seq, "head": head.to_string()});
        Ok(Report {
            text,
            json,
            ..Report::default()
        })
    }
}
