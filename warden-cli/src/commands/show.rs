use crate::error::CliError;
use crate::output::{Report, on_one_line};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use warden_core::certificate::{Extension, Parsed, UnixTime, option_value};
use warden_core::failure::Class;
use warden_core::file::{self, Links};

/// The largest certificate file that is shown, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Show what a certificate says, in the words of `ssh-keygen -L`, times in UTC
///
/// The signature is verified; whether its CA is trusted is for a host to say.
#[derive(Args)]
pub(crate) struct Show {
    /// A file with one certificate
    certificate: PathBuf,
}

impl Show {
    pub(crate) fn run(self) -> Result<Report, CliError> {
        let content = file::read_bounded(&self.certificate, MAX_BYTES, Links::Follow)?;
        let in_file = |error: warden_core::certificate::CertificateError| {
            CliError::from(error).cause(format!("in {}", self.certificate.display()))
        };
        let certificate = Parsed::from_line(&content).map_err(in_file)?;
        certificate
            .verify()
            .map_err(|error| in_file(error).with_class(Class::Failed))?;
        let name = on_one_line(&self.certificate.display().to_string());
        let text = format!("{name}:\n{}", text(&certificate));
        Ok(Report {
            text,
            json: to_json(&certificate),
            ..Report::default()
        })
    }
}

/// The words of `ssh-keygen -L` after the file's name.
pub(crate) fn text(certificate: &Parsed) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| out.push_str(&format!("        {name}: {value}\n"));
    line(
        "Type",
        format!(
            "{} {} certificate",
            certificate.key_type(),
            certificate.cert_type()
        ),
    );
    line(
        "Public key",
        format!(
            "{}-CERT {}",
            short_type(certificate.key_type()),
            certificate.public_key_fingerprint()
        ),
    );
    line(
        "Signing CA",
        format!(
            "{} {} (using {})",
            short_type(&certificate.ca_key_type()),
            certificate.ca_fingerprint(),
            certificate.signature_algorithm()
        ),
    );
    line("Key ID", format!("\"{}\"", shown(certificate.key_id())));
    line("Serial", certificate.serial().to_string());
    line("Valid", window(certificate));
    let principals: Vec<_> = certificate.principals().map(shown).collect();
    list(&mut out, "Principals", &principals);
    list(
        &mut out,
        "Critical Options",
        &certificate
            .critical_options()
            .map(critical_option)
            .collect::<Vec<_>>(),
    );
    list(
        &mut out,
        "Extensions",
        &certificate.extensions().map(extension).collect::<Vec<_>>(),
    );
    out
}

fn list(out: &mut String, name: &str, entries: &[String]) {
    match entries {
        [] => out.push_str(&format!("        {name}: (none)\n")),
        entries => {
            out.push_str(&format!("        {name}: \n"));
            entries
                .iter()
                .for_each(|entry| out.push_str(&format!("                {entry}\n")));
        }
    }
}

fn window(certificate: &Parsed) -> String {
    let (after, before) = (
        UnixTime(certificate.valid_after()),
        UnixTime(certificate.valid_before()),
    );
    match (after.0, before.0) {
        (0, u64::MAX) => "forever".to_owned(),
        (0, _) => format!("before {before}"),
        (_, u64::MAX) => format!("after {after}"),
        _ => format!("from {after} to {before}"),
    }
}

/// The short name of a key type, as `ssh-keygen` prints it.
fn short_type(key_type: &str) -> &'static str {
    match key_type {
        one if one.starts_with("sk-ssh-ed25519") => "ED25519-SK",
        one if one.starts_with("sk-ecdsa") => "ECDSA-SK",
        one if one.starts_with("ssh-ed25519") => "ED25519",
        one if one.starts_with("ecdsa") => "ECDSA",
        _ => "RSA",
    }
}

fn critical_option((name, data): (&[u8], &[u8])) -> String {
    match (name, option_value(data)) {
        (b"force-command" | b"source-address", Some(value)) => {
            format!("{} {}", shown(name), shown(value))
        }
        (b"verify-required", _) if data.is_empty() => shown(name),
        _ => unknown(name, data),
    }
}

fn extension((name, data): (&[u8], &[u8])) -> String {
    let known = |one: Extension| one.as_str().as_bytes() == name;
    if data.is_empty() && Extension::ALL.into_iter().any(known) {
        shown(name)
    } else {
        unknown(name, data)
    }
}

/// What OpenSSH does not know, or has other data than OpenSSH expects.
fn unknown(name: &[u8], data: &[u8]) -> String {
    let name = shown(name);
    match data.len() {
        0 => format!("{name} UNKNOWN FLAG OPTION"),
        length => format!("{name} UNKNOWN OPTION: {} (len {length})", hex(data)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes of a certificate on one line of ours.
fn shown(bytes: &[u8]) -> String {
    on_one_line(&lossy(bytes))
}

fn to_json(certificate: &Parsed) -> serde_json::Value {
    let options = |pairs: Vec<(&[u8], &[u8])>| -> serde_json::Value {
        let entry = |(name, data): (&[u8], &[u8])| json!({"name": lossy(name), "value": option_value(data).map(lossy)});
        pairs.into_iter().map(entry).collect()
    };
    json!({
        "type": certificate.key_type(),
        "cert_type": certificate.cert_type().as_str(),
        "public_key": certificate.public_key_fingerprint().as_str(),
        "ca_fingerprint": certificate.ca_fingerprint().as_str(),
        "signature_algorithm": certificate.signature_algorithm(),
        "key_id": lossy(certificate.key_id()),
        "serial": certificate.serial().to_string(),
        "valid_after": UnixTime(certificate.valid_after()).to_string(),
        "valid_before": UnixTime(certificate.valid_before()).to_string(),
        "principals": certificate.principals().map(lossy).collect::<Vec<_>>(),
        "critical_options": options(certificate.critical_options().collect()),
        "extensions": options(certificate.extensions().collect()),
    })
}
