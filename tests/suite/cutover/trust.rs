//! What is measured of a trust file with two CAs is what warden says of it, at a real sshd.

use super::site::{ACTOR, Site};
use std::os::unix::fs::PermissionsExt;
use warden_core::certificate::PublicKey;
use warden_core::host::trust::TrustBundle;
use warden_tests::keygen::Signing;

/// What warden makes of a file: the keys it holds, or that a line is malformed.
fn holds(text: &str, line: &str) -> bool {
    let key = PublicKey::from_openssh(line.as_bytes()).unwrap();
    TrustBundle::parse(text.as_bytes()).is_ok_and(|bundle| bundle.holds(key.fingerprint()))
}

#[test]
fn a_file_means_to_warden_what_it_means_to_sshd() {
    let Some(site) = Site::open() else { return };
    let (old, new) = (site.old.public_line(), site.new.public_line());
    let certificate = |ca, name: &str| {
        let signing = Signing::new(ca, &site.user.public_line(), ACTOR)
            .principal("deploy")
            .validity("-1m:+1h");
        signing.write(&site.sandbox().join(format!("{name}-cert.pub")))
    };
    let (of_old, of_new) = (
        certificate(&site.old, "of-old"),
        certificate(&site.new, "of-new"),
    );
    // The rows: what stands in the file, who is let in, and whether sshd reads to its end.
    let rows = [
        ("old only", format!("{old}\n"), true, false, true),
        ("both", format!("{old}\n{new}\n"), true, true, true),
        (
            "appended to a file without a newline",
            format!("{old}{new}\n"),
            true,
            false,
            true,
        ),
        (
            "garbage first",
            format!("garbage\n{old}\n{new}\n"),
            false,
            false,
            false,
        ),
        (
            "garbage between",
            format!("{old}\ngarbage\n{new}\n"),
            true,
            false,
            false,
        ),
        (
            "comments and blank lines",
            format!("# a\n\n{old}\n \t\n# b\n{new}\n"),
            true,
            true,
            true,
        ),
        (
            "cert-authority",
            format!("cert-authority {old}\n{new}\n"),
            false,
            false,
            false,
        ),
        (
            "lines as on Windows",
            format!("{old}\r\n{new}\r\n"),
            true,
            true,
            true,
        ),
        (
            "a blank line as on Windows",
            format!("{old}\r\n\r\n{new}\r\n"),
            true,
            false,
            false,
        ),
    ];
    let trusted = site.trusted();
    for (row, text, old_in, new_in, to_its_end) in rows {
        std::fs::write(&trusted, &text).unwrap();
        assert_eq!(
            (site.admits(&of_old), site.admits(&of_new)),
            (old_in, new_in),
            "{row}: sshd"
        );
        let read = site.cutover(&["bundle", "--check", trusted.to_str().unwrap()]);
        assert_eq!(read.succeeded(), to_its_end, "{row}: {read}");
        if to_its_end {
            assert_eq!(
                (holds(&text, &old), holds(&text, &new)),
                (old_in, new_in),
                "{row}: warden"
            );
        } else {
            assert!(
                read.stderr.contains("trust_line_malformed"),
                "{row}: {read}"
            );
        }
        assert_eq!(site.text(&trusted), text, "{row}: only read");
    }
    // A mode that lets anybody add a CA is nothing to sshd, and stops warden.
    std::fs::write(&trusted, format!("{old}\n")).unwrap();
    std::fs::set_permissions(&trusted, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(site.admits(&of_old));
    site.plan(&[]).check();
    let refused = site.gated("bundle", &[]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("trust_file_exposed"), "{refused}");
    // No file: nobody is let in, and warden says so.
    std::fs::remove_file(&trusted).unwrap();
    assert!(!site.admits(&of_old) && !site.admits(&of_new));
    let missing = site.cutover(&["bundle", "--check", trusted.to_str().unwrap()]);
    assert!(missing.stderr.contains("file_not_found"), "{missing}");
}

#[test]
fn the_new_ca_is_added_beside_the_old_one_and_a_second_run_changes_nothing() {
    let Some(site) = Site::open() else { return };
    let trusted = site.trusted();
    let before = format!("# of the platform team\n{} old one", site.old.public_line());
    std::fs::write(&trusted, &before).unwrap();
    site.plan(&[]).check();
    let dry = site.cutover(&["bundle"]).expect_success();
    assert!(
        dry.stdout
            .contains(&format!("{}-trust-approved", site.plan_id())),
        "{dry}"
    );
    assert_eq!(site.text(&trusted), before);
    site.gated("bundle", &[]).check();
    let expected = format!(
        "{before}\n{}",
        site.new.public_line().rsplit_once(' ').unwrap().0
    );
    let now = site.text(&trusted);
    assert!(
        now.starts_with(&expected)
            && now.ends_with(&format!("warden cutover {}\n", site.plan_id())),
        "{now}"
    );
    let copies = std::fs::read_dir(site.sshd.directory())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            path.to_string_lossy()
                .contains("trusted.before-")
                .then(|| site.text(&path))
        });
    assert_eq!(copies.collect::<Vec<_>>(), [before]);
    let records = site.journal().lines().count();
    let again = site.gated("bundle", &[]).expect_success();
    assert!(again.stdout.starts_with("unchanged\n"), "{again}");
    assert_eq!(
        (site.text(&trusted), site.journal().lines().count()),
        (now, records)
    );
}

#[test]
fn a_malformed_line_stops_the_write_and_is_named() {
    let Some(site) = Site::open() else { return };
    site.plan(&[]).check();
    let text = format!("{}\nrubbish\n", site.old.public_line());
    std::fs::write(site.trusted(), &text).unwrap();
    let refused = site.gated("bundle", &[]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("line 2"), "{refused}");
    assert_eq!(site.text(&site.trusted()), text);
    site.expect_state("unclear");
}
