//! How near the library comes to its limit: one raw ed25519 signature and one raw verification with
//! the same crate on the same core.
//!
//! Run by `tests/bench`. Rounds of both sides alternate, and the medians are compared, so that a
//! noisy machine touches both alike.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use ed25519_dalek::{Signer, SigningKey};
use std::hint::black_box;
use std::time::Instant;
use warden_core::authorize::{Authorization, Decision, authorize};
use warden_core::certificate::{PublicKey, UnixTime};
use warden_core::clock::FixedClock;
use warden_core::inventory::{InventoryPath, Standing};
use warden_core::request::CertificateRequest;
use warden_core::revocation::Revocations;
use warden_core::sign::local::{CaKey, LocalCa};
use warden_core::sign::{Reply, SigningBackend, TrustedCa, sign};

const ROUNDS: usize = 41;
const PER_ROUND: usize = 400;
const NOW: UnixTime = UnixTime(1_795_312_800);
const KEY: &[u8] =
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::create_dir(directory.path().join("agt"))?;
    let actor = "type = \"agt\"\nprincipals = [\"agt-task-bridge\"]\nttl = \"24h\"\n";
    std::fs::write(
        directory.path().join("agt/agt-state-hub-bridge.toml"),
        actor,
    )?;
    let name = "agt-state-hub-bridge".parse()?;
    let standing = InventoryPath::new(directory.path()).standing_of(&name)?;

    let seed = [7; 32];
    let raw_key = SigningKey::from_bytes(&seed);
    let verifying_key = raw_key.verifying_key();
    let message = vec![7u8; 300];
    let backend = LocalCa::with_key(CaKey::from_ed25519_seed(&seed)?);
    let key = PublicKey::from_openssh(KEY)?;

    let (mut raw, mut raw_sign, mut whole, mut signing) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(time(|| {
            let signature = raw_key.sign(black_box(&message));
            black_box(verifying_key.verify_strict(&message, &signature).is_ok());
        }));
        raw_sign.push(time(|| {
            black_box(raw_key.sign(black_box(&message)));
        }));
        let mut prepared = authorizations(&standing, &key)?;
        whole.push(time(|| {
            let authorization = prepared.pop();
            let signed = authorization
                .and_then(|one| sign(one, &backend, &Revocations::none(), &FixedClock(NOW)).ok());
            black_box(signed.map(|one| one.serial()).is_some());
        }));
        let prepared = authorizations(&standing, &key)?;
        let mut next = prepared.iter();
        signing.push(time(|| {
            let reply: Option<Reply> = next.next().and_then(|one| backend.sign(one, NOW).ok());
            black_box(reply.is_some());
        }));
    }
    // Making sure that what was measured succeeds.
    let one = authorizations(&standing, &key)?
        .pop()
        .ok_or("no authorization")?;
    sign(one, &backend, &Revocations::none(), &FixedClock(NOW)).map_err(|(_, error)| error)?;
    assert!(matches!(backend.trusted_ca()?, TrustedCa::Key(_)));

    let (raw, raw_sign, whole, signing) = (
        median(raw),
        median(raw_sign),
        median(whole),
        median(signing),
    );
    println!("library, one core, median of {ROUNDS} rounds of {PER_ROUND}, microseconds each");
    println!("  limit: raw signature + raw verification   {raw:8.1}");
    println!("    of which the signature                  {raw_sign:8.1}");
    println!("  warden: build, sign, encode, check        {whole:8.1}");
    println!(
        "    of which build, sign, encode            {signing:8.1}   ({:.1} beyond the raw signature)",
        signing - raw_sign
    );
    println!(
        "    of which parse, compare, verify         {:8.1}   ({:.1} beyond the raw verification)",
        whole - signing,
        whole - signing - (raw - raw_sign)
    );
    println!(
        "  share of the limit reached                {:8.2}   (reach: 0.70)",
        raw / whole
    );
    Ok(())
}

fn authorizations(standing: &Standing, key: &PublicKey) -> Result<Vec<Authorization>> {
    let actor = standing.actor().ok_or("no actor")?;
    let request = || CertificateRequest::new(actor.name().clone(), key.clone());
    (0..PER_ROUND)
        .map(
            |_| match authorize(request(), standing, &Revocations::none(), NOW) {
                Decision::Allow(authorization) => Ok(authorization),
                Decision::Deny(denial) => Err(denial.to_string().into()),
            },
        )
        .collect()
}

/// Microseconds for one run of `work`.
fn time(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..PER_ROUND).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e6 / PER_ROUND as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
