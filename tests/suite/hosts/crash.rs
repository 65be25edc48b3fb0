//! `kill -9` in the middle of `warden host render`.

use super::scene::{content, desk, out, render};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 40;

#[test]
fn killed_at_any_moment_each_file_is_the_old_or_the_new_one_whole() {
    let desk = desk();
    let accounts: String = (0..ACCOUNTS)
        .map(|n| format!("[accounts.a{n:02}]\nprincipals = [\"task\"]\n"))
        .collect();
    let old = format!("names = [\"hub-1\"]\n{accounts}");
    let new = old.replace("task", "lane");
    let without = ["--sshd", "/nonexistent"];
    let whole = |text: &str| -> BTreeMap<_, _> {
        desk.set_host("hub-1", text);
        render(&desk, &without).check();
        content(&out(&desk)).into_iter().collect()
    };
    let (before, after) = (whole(&old), whole(&new));
    let mut mixed = 0;
    for run in 0..20 {
        whole(&old);
        desk.set_host("hub-1", &new);
        let program = desk.program().args(["host", "render", "hub-1", "--out"]);
        let mut running = program.arg(out(&desk)).args(without).start();
        // Each time another file has just been replaced.
        let name = format!("etc/ssh/auth_principals/a{:02}", run * ACCOUNTS / 20);
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read(out(&desk).join(&name)).unwrap() != after[&name] {
            assert!(Instant::now() < deadline, "{name} is not replaced");
        }
        running.kill();
        running.finish(Duration::from_secs(20)).unwrap();
        let mut found: BTreeMap<_, _> = content(&out(&desk)).into_iter().collect();
        // What was being written stands under another name, and nobody logs in as that.
        found.retain(|name, _| !name.contains("/.warden-"));
        assert_eq!(found.len(), before.len());
        for (name, bytes) in &found {
            let is_whole = *bytes == before[name] || *bytes == after[name];
            assert!(is_whole, "{name}: {}", String::from_utf8_lossy(bytes));
        }
        mixed += usize::from(found != before && found != after);
        // The next run ends what this one began, and nothing else is left.
        assert!(whole(&new) == after);
    }
    assert!(mixed >= 5, "{mixed} killed in the middle");
}
