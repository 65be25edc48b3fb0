//! What it costs to render every host of a fleet: that time is linear in the hosts, and that what is
//! held while they are rendered does not grow with them.
//!
//! `cargo bench -p warden-core --bench hosts [-- HOSTS]`, 10,000 unless told otherwise, beside a tenth of
//! them. Each host lets 100 actors into one account by a group, and one of them into another account by
//! a lane of its own. Loading is apart. It ends with an error where a host costs more than 2 KB beyond
//! what is written, or ten times the hosts more than twenty times the time.

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
const MOST_TIMES: f64 = 20.0;
const CA: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti\n";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Scene {
    hosts: usize,
    fleet: Fleet,
    loading: f64,
    /// The best round: whatever else the machine does can only make one longer.
    seconds: f64,
    written: u64,
    held: u64,
}

fn main() -> Result<()> {
    let count = std::env::args().find_map(|arg| arg.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let cas = CaKeys::read(&SourceText::new(Path::new("user-ca.pub"), CA.to_owned()))?;
    let mut scenes = [Scene::load(count / 10)?, Scene::load(count)?];
    for scene in &mut scenes {
        scene.measure_memory(&cas)?;
    }
    for _ in 0..ROUNDS {
        for scene in &mut scenes {
            let start = Instant::now();
            scene.written = render_all(&scene.fleet, &cas)?;
            scene.seconds = scene.seconds.min(start.elapsed().as_secs_f64());
        }
    }
    println!("hosts    loading s  rendering s  MB written  bytes held per host");
    for scene in &scenes {
        println!(
            "{:<8} {:<10.3} {:<12.4} {:<11.1} {:.0}",
            scene.hosts,
            scene.loading,
            scene.seconds,
            scene.written as f64 / 1e6,
            scene.per_host()
        );
    }
    let [few, many] = &scenes;
    let times = many.seconds / few.seconds;
    println!("ten times the hosts take {times:.2} times the time");
    if many.per_host() > MOST_BYTES || times > MOST_TIMES {
        return Err("rendering costs more than it may".into());
    }
    Ok(())
}

impl Scene {
    fn load(hosts: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        write_inventory(directory.path(), hosts)?;
        let start = Instant::now();
        let fleet = InventoryPath::new(directory.path()).fleet()?;
        Ok(Self {
            hosts,
            fleet,
            loading: start.elapsed().as_secs_f64(),
            seconds: f64::INFINITY,
            written: 0,
            held: 0,
        })
    }

    /// How far the memory of the process rises above what the inventory takes.
    fn measure_memory(&mut self, cas: &CaKeys) -> Result<()> {
        std::fs::write("/proc/self/clear_refs", "5")?;
        let before = memory("VmRSS:")?;
        render_all(&self.fleet, cas)?;
        self.held = memory("VmHWM:")?.saturating_sub(before);
        Ok(())
    }

    fn per_host(&self) -> f64 {
        self.held as f64 / self.hosts as f64
    }
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
