//! Issues one certificate with nothing but the library, in a directory that is removed afterwards.
//!
//! ```text
//! cargo run -p warden-core --example issue | ssh-keygen -L -f -
//! ```
//!
//! A request goes through four hands: the inventory says who may be given what, the CA key signs,
//! the journal records, and only then is there a certificate to print.

#![expect(
    clippy::print_stdout,
    reason = "the certificate is what the example is run for"
)]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use warden_core::certificate::{PublicKey, UnixTime};
use warden_core::clock::Clock;
use warden_core::inventory::{ActorName, InventoryPath};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;
use warden_core::sign::local::{CaKeyFile, KeyKind, LocalCa, generate_ca_key, generate_user_key};

/// The library never asks what time it is. Whoever uses it says so.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 gives 1970, for which every certificate is long over.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixTime(since.map_or(0, |since| since.as_secs()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;

    // The inventory: one file per actor, in a directory of the actor's type.
    let inventory = directory.path().join("inventory");
    std::fs::create_dir_all(inventory.join("agt"))?;
    std::fs::write(
        inventory.join("agt/agt-task-bridge.toml"),
        "type = \"agt\"\nprincipals = [\"task-bridge\"]\nttl = \"1h\"\n",
    )?;

    // A CA key and a user's key, as `ssh-keygen -t ed25519` would make them.
    let ca_key = directory.path().join("ca");
    generate_ca_key(&ca_key, KeyKind::Ed25519, None)?;
    let user_key = directory.path().join("id_ed25519");
    generate_user_key(&user_key, "agt-task-bridge")?;
    let public_key = PublicKey::from_openssh(&std::fs::read(user_key.with_extension("pub"))?)?;

    let issuer = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: &InventoryPath::new(inventory),
        backend: &LocalCa::new(CaKeyFile {
            path: ca_key,
            passphrase_file: None,
        }),
        journal: &FileJournal::open(&directory.path().join("state"))?,
        clock: &SystemClock,
    };

    // Asks for everything the inventory gives this actor. `with_ttl` and `with_principals` ask for less.
    let request = CertificateRequest::new("agt-task-bridge".parse::<ActorName>()?, public_key);
    match issue(request, &issuer)? {
        Outcome::Issued(certificate) => print!("{}", certificate.to_openssh()),
        Outcome::Denied(denial, _) => return Err(denial.into()),
    }
    Ok(())
}
