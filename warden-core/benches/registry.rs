//! What it costs to build a registry snapshot from a loaded inventory and to write it, beside what
//! serde_json alone needs for the same bytes.
//!
//! `cargo bench -p warden-core --bench registry [-- ACTORS]`, a million unless told otherwise. Loading
//! is apart. The other side has every text ready in memory, in plain structs with derived
//! `Serialize`. Rounds of both alternate and the medians are compared; that the bytes are the same is
//! checked first.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::time::Instant;
use warden_core::certificate::UnixTime;
use warden_core::inventory::{Inventory, InventoryPath};
use warden_core::registry::{RegistrySettings, Snapshot};

const ROUNDS: usize = 5;
const NOW: UnixTime = UnixTime(1_795_312_800);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A snapshot with every text in memory, as the other side writes it.
#[derive(Serialize, Deserialize)]
struct Plain {
    systems: Vec<PlainSystem>,
    resource_manifests: Vec<Manifest>,
    subjects: Vec<Subject>,
    groups: Vec<Group>,
    relationships: Vec<Relationship>,
    tenants: Vec<Tenant>,
}

#[derive(Serialize, Deserialize)]
struct PlainSystem {
    id: String,
    tenant: String,
}

#[derive(Serialize, Deserialize)]
struct Tenant {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    id: String,
    system: String,
    actions: Vec<String>,
    resources: Vec<Resource>,
    metadata: Metadata,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    source: String,
    flex_auth_contract: String,
    inventory_digest: String,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    id: String,
    r#type: String,
    attributes: Attributes,
}

#[derive(Serialize, Deserialize)]
struct Attributes {
    actor_type: String,
    principals: Vec<String>,
    max_ttl_seconds: u64,
    max_ttl_hours: u64,
    default_ttl_seconds: u64,
    default_ttl_hours: u64,
    allowed_subjects: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    id: String,
    r#type: String,
    tenant: String,
}

#[derive(Serialize, Deserialize)]
struct Group {
    id: String,
    tenant: String,
    members: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Relationship {
    subject: String,
    relation: String,
    object: String,
}

fn main() -> Result<()> {
    let count = std::env::args().find_map(|arg| arg.parse().ok());
    let count: usize = count.unwrap_or(1_000_000);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("inventory.toml");
    std::fs::write(&path, inventory(count)?)?;
    let start = Instant::now();
    let inventory = InventoryPath::new(&path).load()?;
    let loading = start.elapsed().as_secs_f64();
    let loaded = memory("VmRSS");

    let peak_is_reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let settings = RegistrySettings::default();
    let mut ours = buffered();
    let start = Instant::now();
    build(&inventory, &settings).write(&mut ours)?;
    let first = start.elapsed().as_secs_f64();
    let peak = memory("VmHWM").filter(|_| peak_is_reset);

    let mut digest = Digest(Sha256::new());
    build(&inventory, &settings).write(&mut digest)?;
    let plain: Plain = {
        let mut text = Vec::new();
        build(&inventory, &settings).write(&mut text)?;
        serde_json::from_slice(&text)?
    };
    let mut same = Digest(Sha256::new());
    serde_json::to_writer_pretty(&mut same, &plain)?;
    same.write_all(b"\n")?;
    assert_eq!(digest.0.finalize(), same.0.finalize(), "the bytes differ");

    let (mut whole, mut building, mut alone) = (vec![first], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        building.push(time(|| {
            black_box(build(&inventory, &settings));
            Ok(())
        })?);
        whole.push(time(|| {
            build(&inventory, &settings).write(black_box(&mut buffered()))
        })?);
        alone.push(time(|| {
            Ok(serde_json::to_writer_pretty(
                black_box(&mut buffered()),
                &plain,
            )?)
        })?);
    }
    let (whole, building, alone) = (median(whole), median(building), median(alone));
    println!(
        "registry snapshot of {count} actors, {} bytes, median of {ROUNDS} rounds",
        ours.get_ref().0
    );
    println!("  loading the inventory (apart)     {loading:8.2} s");
    println!("  warden: build and write           {whole:8.2} s");
    println!("    of which building               {building:8.2} s");
    println!("  serde_json alone, the same bytes  {alone:8.2} s");
    println!(
        "  ratio                             {:8.2}     (reach: 3)",
        whole / alone
    );
    if let (Some(loaded), Some(peak)) = (loaded, peak) {
        println!(
            "  memory: {loaded} MiB with the inventory loaded, {} MiB more at the peak of building and writing",
            peak.saturating_sub(loaded)
        );
    }
    Ok(())
}

fn build<'a>(inventory: &'a Inventory, settings: &'a RegistrySettings) -> Snapshot<'a> {
    Snapshot::build(inventory, settings, NOW)
}

/// A single-file inventory, as short as an actor can be said, so that a million fit.
fn inventory(count: usize) -> Result<String> {
    let mut text = String::new();
    for number in 0..count {
        write!(
            text,
            "[actors.agt-{number}]\ntype=\"agt\"\nprincipals=[\"r\"]\n"
        )?;
    }
    Ok(text)
}

/// What both sides write into: a buffer as before a file, and behind it a count of the bytes.
type Buffered = BufWriter<Count>;

fn buffered() -> Buffered {
    BufWriter::with_capacity(64 * 1024, Count::default())
}

/// Counts what is written.
#[derive(Default)]
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Digests what is written.
struct Digest(Sha256);

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn time(work: impl FnOnce() -> io::Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// MiB of this process, as the kernel counts them.
fn memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let number = line.split_whitespace().nth(1)?;
    Some(number.parse::<u64>().ok()? / 1024)
}
