//! What it costs to make a KRL of random serials, beside `ssh-keygen -k` with the same input.
//!
//! `cargo bench -p warden-core --bench krl [-- SERIALS]`, a million unless told otherwise, for which
//! `ssh-keygen` takes most of a minute. Both read the same text, `serial: N` on each line, and write a
//! file that is synced; ours is read back besides. Both files are then asked by `ssh-keygen -Q`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use warden_core::certificate::{CaPublicKey, Serial, UnixTime};
use warden_core::host::krl::Krl;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments = std::env::args().skip(1);
    let count = arguments.filter_map(|one| one.parse().ok()).next();
    let count: usize = count.unwrap_or(1_000_000);
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let key = at("ca");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", ""])
        .arg("-f")
        .arg(&key))?;
    let public = at("ca.pub");
    let ca = CaPublicKey::from_openssh(&std::fs::read(&public)?)?;
    write_specification(&at("serials"), count)?;

    let ours = at("ours");
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        make(&at("serials"), &ours, &ca)?;
        fastest = fastest.min(began.elapsed());
    }
    let size = std::fs::metadata(&ours)?.len();
    println!("{count} random serials");
    println!(
        "warden       {fastest:>12.1?}  {size} bytes, peak memory {}",
        peak_memory()
    );
    let began = Instant::now();
    let krl = Krl::parse(&std::fs::read(&ours)?)?;
    println!(
        "  read       {:>12.1?}  {} entries",
        began.elapsed(),
        krl.entries()
    );

    let theirs = at("theirs");
    let began = Instant::now();
    run(Command::new("ssh-keygen")
        .args(["-k", "-q", "-f"])
        .arg(&theirs)
        .arg("-s")
        .arg(&public)
        .arg(at("serials")))?;
    let rival = began.elapsed();
    let their_size = std::fs::metadata(&theirs)?.len();
    println!("ssh-keygen   {rival:>12.1?}  {their_size} bytes");
    println!(
        "ratio        1/{:.0} of the time, {:.4} of the size",
        rival.as_secs_f64() / fastest.as_secs_f64(),
        size as f64 / their_size as f64
    );
    for (name, file) in [("ours", &ours), ("theirs", &theirs)] {
        let began = Instant::now();
        run(Command::new("ssh-keygen")
            .args(["-Q", "-f"])
            .arg(file)
            .arg(&public))?;
        println!("ssh-keygen -Q reads {name} in {:.1?}", began.elapsed());
    }
    Ok(())
}

/// What the measured time covers.
fn make(specification: &Path, to: &Path, ca: &CaPublicKey) -> Result<()> {
    let text = std::fs::read_to_string(specification)?;
    let serials = text.lines().filter_map(|line| {
        let number = line.strip_prefix("serial: ")?.parse().ok()?;
        Serial::new(number)
    });
    let mut krl = Krl::new(1, UnixTime(1_795_348_800), "");
    krl.revoke_serials(Some(ca), serials);
    let mut file = File::create(to)?;
    file.write_all(&krl.encode())?;
    file.sync_all()?;
    Ok(())
}

fn write_specification(path: &Path, count: usize) -> Result<()> {
    let mut state = 1u64;
    let mut text = String::new();
    for _ in 0..count {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text += &format!("serial: {}\n", (mixed ^ (mixed >> 31)).max(1));
    }
    Ok(std::fs::write(path, text)?)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {status}").into())
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}
