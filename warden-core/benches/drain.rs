//! How long one pass over 1 GiB of sshd's log takes, and how much memory it needs: the same as one
//! over 64 MiB.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::io::{self, BufReader, Read};
use std::time::Instant;
use warden_core::certificate::UnixTime;
use warden_core::cutover::drain::{Span, read_log};

const OLD: &str = "SHA256:OLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDOLDO";

/// One mebibyte of a log, again and again.
struct Log {
    block: Vec<u8>,
    at: usize,
    left: u64,
}

impl Read for Log {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into
            .len()
            .min(self.block.len() - self.at)
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        into[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at = (self.at + count) % self.block.len();
        self.left -= count as u64;
        Ok(count)
    }
}

fn block() -> Vec<u8> {
    let mut block = String::new();
    for number in 0.. {
        let second = number % 60;
        let line = match number % 4 {
            0 => format!(
                "2026-11-22T03:00:{second:02}.123456+00:00 host sshd[{number}]: Accepted publickey for deploy from 192.0.2.7 port 50022 ssh2: ED25519-CERT SHA256:xyz ID agt-x (serial {number}) CA ED25519 SHA256:NEW\n"
            ),
            _ => format!(
                "2026-11-22T03:00:{second:02}.123456+00:00 host sshd[{number}]: Connection closed by authenticating user deploy 192.0.2.7 port 50022 [preauth]\n"
            ),
        };
        if block.len() + line.len() > 1024 * 1024 {
            return block.into_bytes();
        }
        block += &line;
    }
    Vec::new()
}

/// The most memory this process ever had, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let moment = |text| UnixTime::parse(text).ok_or("no moment");
    let (since, now) = (
        moment("2026-11-22T02:00:00Z")?,
        moment("2026-11-22T04:00:00Z")?,
    );
    println!(
        "{:>10} {:>10} {:>12} {:>10} {:>14}",
        "MiB", "seconds", "MiB/s", "logins", "peak KiB"
    );
    for mebibytes in [64u64, 1024] {
        let log = Log {
            block: block(),
            at: 0,
            left: mebibytes * 1024 * 1024,
        };
        let began = Instant::now();
        let seen = read_log(
            BufReader::with_capacity(256 * 1024, log),
            OLD,
            Span {
                from: since,
                since,
                now,
            },
        )?;
        let seconds = began.elapsed().as_secs_f64();
        let logins = seen.others_accepted;
        println!(
            "{mebibytes:>10} {seconds:>10.2} {:>12.0} {logins:>10} {:>14}",
            mebibytes as f64 / seconds,
            peak().unwrap_or(0)
        );
    }
    Ok(())
}
