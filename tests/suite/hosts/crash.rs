//! `kill -9` in the middle of `warden host render`.

use super::scene::{content, desk, out, render};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn killed_at_any_moment_each_file_is_the_old_or_the_new_one_whole() {
    let desk = desk();
    let accounts: String = (0..40)
        .map(|n| format!("[accounts.a{n}]\nprincipals = [\"task\"]\n"))
        .collect();
    let old = format!("names = [\"hub-1\"]\n{accounts}");
    let new = old.replace("task", "lane");
    let (none, fast) = ("--sshd", "/nonexistent");
    let whole = |text: &str| -> BTreeMap<_, _> {
        desk.set_host("hub-1", text);
        render(&desk, &[none, fast]).check();
        content(&out(&desk)).into_iter().collect()
    };
    let began = Instant::now();
    let (before, after) = (whole(&old), whole(&new));
    let usual = began.elapsed().as_micros() as u64 / 2;
    let (mut killed, mut mixed) = (0, 0);
    for run in 0..25u64 {
        whole(&old);
        desk.set_host("hub-1", &new);
        let program = desk.program().args(["host", "render", "hub-1", "--out"]);
        let mut running = program.arg(out(&desk)).args([none, fast]).start();
        std::thread::sleep(Duration::from_micros(usual * (run * 17 % 25) / 22));
        running.kill();
        let outcome = running.finish(Duration::from_secs(20)).unwrap();
        killed += usize::from(outcome.signal == Some(9));
        let mut found: BTreeMap<_, _> = content(&out(&desk)).into_iter().collect();
        // What was being written stands under another name, and nobody logs in as that.
        found.retain(|name, _| !name.contains("/.warden-"));
        assert_eq!(found.len(), before.len());
        for (name, bytes) in &found {
            assert!(
                *bytes == before[name] || *bytes == after[name],
                "{name}: {bytes:?}"
            );
        }
        mixed += usize::from(found != before && found != after);
        // The next run ends what this one began, and nothing else is left.
        assert!(whole(&new) == after);
    }
    assert!(
        killed >= 8 && mixed >= 3,
        "{killed} killed, {mixed} in the middle"
    );
}
