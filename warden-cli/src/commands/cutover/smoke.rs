mod login;

use super::desk::{Approval, Desk, words};
use crate::commands::ca::finish;
use crate::error::CliError;
use crate::output::Report;
use clap::Args;
use login::{Target, Trial};
use std::path::Path;
use std::time::Duration;
use warden_core::certificate::PublicKey;
use warden_core::cutover::State;
use warden_core::cutover::check::{self, Check};
use warden_core::cutover::state::Seen;
use warden_core::cutover::trial;
use warden_core::failure::{Class, Failure};
use warden_core::host::trust;
use warden_core::issue::{Outcome, issue};
use warden_core::journal::IssuedCertificate;
use warden_core::sign::SigningBackend;
use warden_core::sign::local::{foreign_ca, throwaway_pair};

/// How long the certificates of a trial live at most, in seconds.
const TRIAL_SECONDS: u64 = 60;

/// Have both CAs sign for a key in memory and see who is let in; the evidence is recorded
///
/// With --login certificates of both CAs must be let in, and kept out must be: a foreign CA's, an
/// expired one, and a good one at an account it is not for. Without, the certificates are only held
/// against the trust files.
#[derive(Args)]
pub(crate) struct Smoke {
    #[command(flatten)]
    approval: Approval,

    /// Where to log in
    #[arg(long, value_name = "USER@HOST:PORT")]
    login: Option<String>,

    /// An account there that the actor's principals do not open
    #[arg(long, value_name = "USER", default_value = "warden-smoke-nobody")]
    other_account: String,
}

impl Smoke {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Report, CliError> {
        let target = self.login.as_deref().map(Target::parse).transpose()?;
        let desk = Desk::open(config, &self.approval)?;
        if matches!(desk.state(), State::Standby | State::Retired)
            || desk.observed.new_signer != Seen::Present
        {
            return Err(CliError::new(
                Class::Failed,
                "cutover_wrong_state",
                "there are no two signers to try",
            )
            .hint(format!("the next safe step is: {}", desk.observed.next())));
        }
        let (public, private) = throwaway_pair().map_err(|error| {
            CliError::new(Class::Failed, "randomness_unavailable", error.to_string())
        })?;
        let mut report = check::Report::default();
        let mut trials = Vec::new();
        for (code, signer, holds) in [
            ("smoke_new_ca", &desk.plan.new, true),
            (
                "smoke_old_ca",
                &desk.plan.old,
                desk.state() != State::NewOnly,
            ),
        ] {
            if desk.plan.within_one_engine() && desk.setup.pointer()? != signer.config {
                report.push(Check::skip(code, "only_the_default_issuer_signs"));
                continue;
            }
            let backend = desk.with_signer(signer)?.unguarded_backend()?;
            if let Some(issued) =
                signed(&desk, code, &*backend, &public, TRIAL_SECONDS, &mut report)?
            {
                let found = issued.signed().ca_fingerprint();
                let key = signer.key()?;
                report.push(
                    Check::of(found == *key.fingerprint(), "smoke_ca")
                        .with("want", key.fingerprint())
                        .with("got", &found),
                );
                for path in &desk.plan.trust_files {
                    let trusted = trust::read(path).is_ok_and(|bundle| bundle.holds(&found));
                    report.push(
                        Check::of(trusted == holds, "smoke_trusted")
                            .with("ca", &found)
                            .with("file", path.display())
                            .with("trusted", trusted),
                    );
                }
                trials.push((code, issued, holds));
            }
        }
        match &target {
            None => report.push(Check::skip("smoke_login", "no_login_given")),
            Some(target) => self.log_in(&desk, target, &private, &public, &trials, &mut report)?,
        }
        desk.scribe()
            .shown("smoke", desk.state(), report.ready(), words(&report))?;
        finish(&report, "smoke_failed", "the smoke test does not hold")
    }

    /// The logins that must succeed, and those that must not.
    fn log_in(
        &self,
        desk: &Desk,
        target: &Target,
        private: &str,
        public: &PublicKey,
        trials: &[(&'static str, Box<IssuedCertificate>, bool)],
        report: &mut check::Report,
    ) -> Result<(), CliError> {
        let trial = Trial::new(private)?;
        let mut expect = |code: &'static str,
                          account: &str,
                          certificate: &IssuedCertificate,
                          admitted: bool|
         -> Result<(), CliError> {
            let found = trial.admitted(target, account, certificate)?;
            report.push(
                Check::of(found == admitted, code)
                    .with("account", account)
                    .with("admitted", found)
                    .with("serial", certificate.signed().serial()),
            );
            Ok(())
        };
        for (_, issued, holds) in trials {
            let code = if *holds {
                "login_accepted"
            } else {
                "login_refused_old_ca"
            };
            expect(code, target.account(), issued, *holds)?;
        }
        if let Some((_, issued, _)) = trials.first() {
            expect(
                "login_refused_other_account",
                &self.other_account,
                issued,
                false,
            )?;
        }
        let mut signing = check::Report::default();
        let foreign = foreign_ca().map_err(|error| {
            CliError::new(Class::Failed, "randomness_unavailable", error.to_string())
        })?;
        let foreign = signed(
            desk,
            "smoke_foreign_ca",
            &foreign,
            public,
            TRIAL_SECONDS,
            &mut signing,
        )?;
        if let Some(issued) = &foreign {
            expect("login_refused_foreign_ca", target.account(), issued, false)?;
        }
        let backend = desk.setup.unguarded_backend()?;
        let brief = signed(desk, "smoke_expired", &*backend, public, 1, &mut signing)?;
        if let Some(issued) = &brief {
            std::thread::sleep(Duration::from_millis(2100));
            expect("login_refused_expired", target.account(), issued, false)?;
        }
        // A certificate that could not be made for its trial is a trial that was not held.
        report.extend(signing.checks().iter().cloned());
        Ok(())
    }
}

/// A certificate through the one pipeline, on record.
fn signed(
    desk: &Desk,
    code: &'static str,
    backend: &dyn SigningBackend,
    key: &PublicKey,
    seconds: u64,
    report: &mut check::Report,
) -> Result<Option<Box<IssuedCertificate>>, CliError> {
    let request = trial::request(&desk.probe()?, key.clone(), seconds, &desk.setup.inventory);
    let failed = |reason: &'static str| Check::fail(code).with("reason", reason);
    let (check, issued) = match desk.with_issuer(backend, |issuer| issue(request, issuer))? {
        Ok(Outcome::Issued(issued)) => {
            let found = issued.signed();
            let check = Check::pass(code)
                .with("ca", found.ca_fingerprint())
                .with("serial", found.serial())
                .with("key_id", found.key_id())
                .with("valid_before", found.validity().before());
            (check, Some(issued))
        }
        Ok(Outcome::Denied(denial, _)) => (failed(denial.reason()), None),
        Err(error) => (failed(error.reason()), None),
    };
    report.push(check);
    Ok(issued)
}
