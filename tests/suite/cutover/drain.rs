//! What a frozen CA's logs show.

use super::site::Site;
use warden_core::certificate::UnixTime;
use warden_tests::keygen::fingerprint;

/// A frozen site whose window has ended, because the clock of the freeze is put back.
fn frozen() -> Option<Site> {
    let site = Site::open()?;
    site.plan(&[]).check();
    site.gated("bundle", &[]).check();
    site.cutover(&["smoke"]).check();
    site.gated("switch", &[]).check();
    site.gated("freeze", &[]).check();
    Some(site)
}

/// What sshd says of an accepted certificate, so many seconds before now.
pub(super) fn accepted(ago: u64, ca: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let at = UnixTime(now - ago);
    format!(
        "{at} host sshd[7]: Accepted publickey for deploy from 127.0.0.1 port 5 ssh2: ED25519-CERT SHA256:x ID agt-probe (serial 7) CA ED25519 {ca}\n"
    )
}

/// The arguments of a `drain` with a log of two hours in which only the new CA is seen.
pub(super) fn with_a_log_of_the_new_ca(site: &Site) -> [String; 6] {
    let new = fingerprint(&site.new.public_path());
    let log: String = [7300, 5000, 2500, 1]
        .iter()
        .map(|ago| accepted(*ago, &new))
        .collect();
    let log = site.sandbox().write("sshd.log", log, 0o600);
    let log = log.to_str().unwrap();
    ["drain", "--apply", "--quiet-hours", "2", "--sshd-log", log].map(str::to_owned)
}

#[test]
fn signing_with_the_frozen_ca_is_refused_with_its_own_reason() {
    let Some(site) = frozen() else { return };
    let text = site.text(&site.config());
    std::fs::write(site.config(), text.replace("ca/new", "ca/old")).unwrap();
    let key = site.user.public_path();
    let refused = site.warden(&[
        "sign",
        super::site::ACTOR,
        "--pubkey",
        key.to_str().unwrap(),
    ]);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (Some(3), ""),
        "{refused}"
    );
    assert!(refused.stderr.contains("(ca_frozen)"), "{refused}");
    assert!(
        site.journal()
            .lines()
            .last()
            .unwrap()
            .contains("\"reason\":\"ca_frozen\"")
    );
    site.expect_state("unclear");
    // The file decides; one that cannot be read stops every signature.
    std::fs::write(site.config(), text).unwrap();
    std::fs::write(site.path("state/frozen-cas"), "rubbish\n").unwrap();
    let refused = site.warden(&[
        "sign",
        super::site::ACTOR,
        "--pubkey",
        key.to_str().unwrap(),
    ]);
    assert!(
        refused.code == Some(1) && refused.stderr.contains("(frozen_list_malformed)"),
        "{refused}"
    );
}

#[test]
fn before_the_window_ends_it_says_when_and_a_late_login_of_the_old_ca_is_a_failure() {
    let Some(site) = frozen() else { return };
    let fingerprint =
        |key: &warden_tests::keygen::Key| warden_tests::keygen::fingerprint(&key.public_path());
    let (old, new) = (fingerprint(&site.old), fingerprint(&site.new));
    let others: String = [7300, 5000, 2500, 1]
        .iter()
        .map(|ago| accepted(*ago, &new))
        .collect();
    let clean = site.sandbox().write("clean.log", &others, 0o600);
    let late = site
        .sandbox()
        .write("late.log", others.clone() + &accepted(0, &old), 0o600);
    let silent = site.sandbox().write("silent.log", "nothing\n", 0o600);
    let log = |path: &std::path::Path| {
        site.cutover(&[
            "drain",
            "--quiet-hours",
            "2",
            "--sshd-log",
            path.to_str().unwrap(),
        ])
    };
    let early = log(&clean);
    assert!(
        early.code == Some(1) && early.stdout.contains("FAIL drain_window ends=2"),
        "{early}"
    );
    assert!(early.stdout.contains("PASS drain_sshd_log"), "{early}");
    assert!(log(&late).stdout.contains("FAIL drain_sshd_log"));
    assert!(log(&silent).stdout.contains("WARN drain_sshd_log"));
    let missing = log(std::path::Path::new("/nowhere"));
    assert!(
        missing.stderr.contains("(sshd_log_not_readable)"),
        "{missing}"
    );
    site.expect_state("frozen");
}
