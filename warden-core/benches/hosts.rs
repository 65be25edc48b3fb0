//! What it costs to render every host of a fleet: that time is linear in the hosts, and that what is
//! held while they are rendered does not grow with them.
//!
//! `cargo bench -p warden-core --bench hosts [-- HOSTS]`, 10,000 unless told otherwise, beside a tenth of
//! them. Each host lets 100 actors into one account by a group, and one of them into another account by
//! a lane of its own. Loading is apart. It ends with an error where a host costs more than 2 KB beyond
//! what is written, or ten times the hosts more than fifteen times the time.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use warden_core::diagnostic::SourceText;
use warden_core::host::ca_keys::CaKeys;
use warden_core::host::render::{Prefix, Sources, render};
use warden_core::inventory::{Fleet, InventoryPath};

const ACTORS: usize = 100;
const ROUNDS: usize = 7;
const MOST_BYTES: f64 = 2048.0;
const MOST_TIMES: f64 = 15.0;
const CA: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti\n";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Cost {
    hosts: usize,
    loading: f64,
    seconds: f64,
    written: u64,
    per_host: f64,
}

fn main() -> Result<()> {
    let count = std::env::args().find_map(|arg| arg.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let costs = [measure(count / 10)?, measure(count)?];
    println!("hosts    loading s  rendering s  MB written  bytes held per host");
    for cost in &costs {
        println!(
            "{:<8} {:<10.3} {:<12.4} {:<11.1} {:.0}",
            cost.hosts,
            cost.loading,
            cost.seconds,
            cost.written as f64 / 1e6,
            cost.per_host
        );
    }
    let [few, many] = &costs;
    let times = many.seconds / few.seconds;
    println!("ten times the hosts take {times:.2} times the time");
    if many.per_host > MOST_BYTES || times > MOST_TIMES {
        return Err("rendering costs more than it may".into());
    }
    Ok(())
}

fn measure(hosts: usize) -> Result<Cost> {
    let directory = tempfile::tempdir()?;
    write_inventory(directory.path(), hosts)?;
    let start = Instant::now();
    let fleet = InventoryPath::new(directory.path()).fleet()?;
    let loading = start.elapsed().as_secs_f64();
    let source = SourceText::new(Path::new("user-ca.pub"), CA.to_owned());
    let cas = CaKeys::read(&source)?;

    // The first round is the one whose memory is measured.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = memory("VmRSS:")?;
    let mut written = 0;
    let mut rounds = Vec::new();
    let mut held = 0;
    for round in 0..ROUNDS {
        let start = Instant::now();
        written = render_all(&fleet, &cas)?;
        rounds.push(start.elapsed().as_secs_f64());
        if round == 0 {
            held = memory("VmHWM:")?.saturating_sub(before);
        }
    }
    rounds.sort_by(f64::total_cmp);
    Ok(Cost {
        hosts,
        loading,
        // Whatever else the machine does can only make a round longer.
        seconds: rounds[0],
        written,
        per_host: held as f64 / hosts as f64,
    })
}

fn render_all(fleet: &Fleet, cas: &CaKeys) -> Result<u64> {
    let prefix = Prefix::default();
    let mut written = 0;
    for host in fleet.hosts() {
        let rendering = render(&Sources {
            host,
            user_cas: cas,
            host_cas: Some(cas),
            krl: None,
            host_certificate: None,
            prefix: &prefix,
            certificates_only: false,
        })?;
        written += rendering
            .files
            .iter()
            .map(|file| file.content.len() as u64)
            .sum::<u64>();
    }
    Ok(written)
}

fn write_inventory(root: &Path, hosts: usize) -> Result<()> {
    for directory in ["agt", "hosts", "groups"] {
        std::fs::create_dir(root.join(directory))?;
    }
    let mut group = "[accounts.deploy]\nprincipals = [".to_owned();
    for actor in 0..ACTORS {
        write!(group, "\"principal-{actor}\", ")?;
        let text = format!("type = \"agt\"\nprincipals = [\"principal-{actor}\"]\nttl = \"1h\"\n");
        std::fs::write(root.join(format!("agt/agt-a{actor}.toml")), text)?;
    }
    std::fs::write(root.join("groups/all.toml"), group + "]\n")?;
    for host in 0..hosts {
        let text = format!(
            "names = [\"host-{host}\"]\ngroups = [\"all\"]\n[accounts.own.lanes]\n\
             principal-{} = {{ force_command = \"/usr/local/bin/own {host}\" }}\n",
            host % ACTORS
        );
        std::fs::write(root.join(format!("hosts/host-{host}.toml")), text)?;
    }
    Ok(())
}

/// A number of kilobytes out of `/proc/self/status`, in bytes.
fn memory(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no such field")?.parse::<u64>()? * 1024)
}
