use super::sources::Form;
use crate::environment::SystemClock;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use warden_core::clock::Clock;
use warden_core::failure::Class;
use warden_core::host::check::command_conflicts;
use warden_core::host::grants::Grants;
use warden_core::host::render::{FileKind, HOST_CERTIFICATE, render};
use warden_core::host::tree::{self, Step};

/// Write the files a host needs into a directory
///
/// DIR/etc is for the host, DIR/client for those who log in to it. Nothing on a host is changed. The
/// configuration is proven with sshd before anything is written, together with DIR/etc/ssh/sshd_config
/// if that is there. Only what warden rendered for the same host is replaced or removed.
#[derive(Args)]
pub(crate) struct Render {
    #[command(flatten)]
    form: Form,

    /// The directory; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Render {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let out = self.out;
        if out.canonicalize().is_ok_and(|path| path == Path::new("/")) {
            return Err(CliError::new(
                Class::Malformed,
                "path_malformed",
                "--out is the root of this machine",
            )
            .hint("render into a directory, look at it, and copy its etc/ to the host"));
        }
        let material = self.form.read(config)?;
        let host = material.host()?;
        let grants = Grants::of(material.fleet.inventory());
        let mut conflicts = command_conflicts(&grants.on(host), SystemClock.now()).into_iter();
        if let Some(conflict) = conflicts.next() {
            let error = CliError::from(conflict);
            return Err(conflicts.fold(error, |error, more| error.cause(more.to_string())));
        }
        let sources = material.sources(host);
        let rendering = render(&sources)?;
        let plan = tree::plan(&rendering, &out)?;

        let overlay: Vec<_> = rendering
            .files
            .iter()
            .filter(|file| file.kind == FileKind::SshdConfig)
            .map(|file| (file.path.as_str(), &*file.content))
            .collect();
        let proof = material.prove(&rendering, &out, &overlay)?;
        if let Some(said) = proof.refused {
            let message = "sshd would not start with these files; nothing was written";
            return Err(CliError::new(Class::Failed, "sshd_refuses", message).cause(said));
        }
        if !proof.findings.is_empty() {
            let message = "something in DIR says otherwise than these files; nothing was written";
            let error = CliError::new(Class::Failed, "sshd_overridden", message);
            let error = error.hint("take the line named out of the host's configuration");
            let findings = proof.findings.iter();
            return Err(findings.fold(error, |error, one| error.cause(one.to_string())));
        }
        let plan = match self.dry_run {
            true => plan,
            false => tree::write(&rendering, &out)?,
        };
        let mut text = String::new();
        let mut list = Vec::new();
        for (path, step) in &plan {
            text += &format!("{:<8} {path}\n", step.as_str());
            list.push(json!({"path": path, "step": step.as_str()}));
        }
        let digest = rendering.digest.to_string();
        text += &format!("digest   {digest}\n");
        let mut notes = proof.notes;
        if plan.iter().any(|(_, step)| *step == Step::Foreign) {
            notes.push(
                "note: a foreign file lets in whom it names, and is not warden's to remove"
                    .to_owned(),
            );
        }
        if sources.host_cas.is_none() {
            notes.push("note: there is no inventory/trust/host-ca.pub, so nothing was rendered for clients".to_owned());
        } else if sources.host_certificate.is_none() {
            notes.push(format!(
                "note: without --host-certificate there is no {HOST_CERTIFICATE}"
            ));
        }
        if self.dry_run {
            notes.push("note: nothing was written".to_owned());
        }
        Ok(Report {
            text,
            json: json!({
                "host": rendering.host.as_str(),
                "out": out.display().to_string(),
                "written": !self.dry_run,
                "files": list,
                "digest": digest,
                "sshd": proof.json,
                "notes": notes,
            }),
            notes,
        })
    }
}
