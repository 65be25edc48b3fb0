//! The command line: what there is to type, and which command it starts.

use crate::commands;
use crate::environment;
use crate::error::CliError;
use crate::output::Output;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use warden_core::failure::Class;

/// Short-lived OpenSSH certificates from a reviewed inventory
#[derive(Parser)]
#[command(name = "warden", version, max_term_width = 100)]
struct Cli {
    /// Configuration file [default: $WARDEN_CONFIG, else ~/.config/warden/warden.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print one JSON document instead of text, errors included
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[command(defer = true)]
enum Command {
    /// Sign a public key for an actor and print the certificate
    Sign(commands::sign::Sign),
    /// Sign a host's public key and print the host certificate
    SignHost(commands::sign_host::SignHost),
    /// Show what a certificate says
    Show(commands::show::Show),
    /// Check and read the inventory
    Inventory(commands::inventory::Inventory),
    /// Show who may log in as which account on which host
    Grants(commands::grants::Grants),
    /// Verify the journal, and print its head to keep elsewhere
    Audit(commands::audit::Audit),
    /// Make, show and check the local CA's key
    Ca(commands::ca::Ca),
    /// Check the OpenBao backend, and print the roles it should have
    Backend(commands::backend::Backend),
    /// Ask the policy gate, and see what it decided
    Gate(commands::gate::Gate),
    /// Try the whole path to a certificate, and print what may be shown to anybody
    Smoke(commands::smoke::Smoke),
    /// Write the registry snapshot that the policy service reads, and compare snapshots
    Registry(commands::registry::Registry),
    /// Move from one CA to another in steps that are each checked
    Cutover(commands::cutover::Cutover),
    /// Revoke an actor, a certificate, a key or a CA, at once; or give it back
    Revoke(commands::revoke::Revoke),
    /// Write the list of what is revoked for hosts, and ask such a list
    Krl(commands::krl::Krl),
    /// Render the files a host needs, and check the ones it has
    Host(commands::host::Host),
    /// Say whether a host lets a certificate in, and which of sshd's rules refuses it first
    ExplainLogin(commands::explain_login::ExplainLogin),
    /// Make everything in a new directory and issue a first certificate
    Quickstart(commands::quickstart::Quickstart),
}

/// Runs the command in `args` and gives its exit status.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, args.iter().any(|arg| arg == "--json")),
    };
    let output = Output::new(cli.json);
    let config = cli.config.as_deref();
    let safe = environment::refuse_setuid()
        .and_then(|()| environment::keep_secrets_out_of_core_dumps())
        .and_then(|()| environment::refuse_unset_clock());
    let result = safe.and_then(|()| match cli.command {
        Command::Sign(command) => command.run(config, &output),
        Command::SignHost(command) => command.run(config, &output),
        Command::Show(command) => command.run(),
        Command::Inventory(command) => command.run(config),
        Command::Grants(command) => command.run(config),
        Command::Audit(command) => command.run(config),
        Command::Ca(command) => command.run(config),
        Command::Backend(command) => command.run(config),
        Command::Gate(command) => command.run(config, &output),
        Command::Smoke(command) => command.run(config),
        Command::Registry(command) => command.run(config, &output),
        Command::Cutover(command) => command.run(config),
        Command::Revoke(command) => command.run(config),
        Command::Krl(command) => command.run(config),
        Command::Host(command) => command.run(config),
        Command::ExplainLogin(command) => command.run(),
        Command::Quickstart(command) => command.run(),
    });
    output.finish(result)
}

/// Help and version go to stdout; everything else clap says becomes an error of ours.
fn unparsed(error: &clap::Error, json: bool) -> ExitCode {
    let output = Output::new(json);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => output.text(&error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output.finish(Err(usage("a command is missing")))
        }
        _ => output.finish(Err(in_our_words(&error.to_string()))),
    }
}

/// clap's message: what is wrong, perhaps a list, perhaps tips, then the usage.
fn in_our_words(text: &str) -> CliError {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line cannot be read");
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut tips = Vec::new();
    for line in lines.take_while(|line| !line.starts_with("For more information")) {
        let tip = line.strip_prefix("tip: ");
        match tip.or_else(|| line.starts_with("Usage: ").then_some(line)) {
            // No option here takes a value that looks like another option.
            Some(tip) if tip.starts_with("to pass ") => {}
            Some(tip) => tips.push(tip.to_owned()),
            // A second form of the usage stands on a line of its own.
            None if tips.iter().any(|tip| tip.starts_with("Usage: ")) => {}
            None => message = format!("{message} {line}"),
        }
    }
    tips.into_iter().fold(usage(&message), CliError::hint)
}

fn usage(message: &str) -> CliError {
    CliError::new(Class::Malformed, "usage", message)
        .hint("`warden --help` and `warden COMMAND --help` say what there is to type")
}
