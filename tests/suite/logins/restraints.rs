//! Critical options: what a certificate forces on its bearer.

use super::site::Site;
use warden_tests::desk::quoted;

/// Shows the words the account's shell was started with, byte for byte, with a NUL after each.
const SHOW_WORDS: &str = "cat /proc/$$/cmdline";

/// What may follow in a forced command, and must reach the account's shell as it is.
const TAILS: [&str; 6] = [
    "",
    "; : 'single' \"double\" \\\" \\\\ `true` $HOME",
    "; : a,b,,c ,",
    "; : é ✓ 日本 \u{1f511} \u{202e}",
    "; : tab\there  two  blanks # a comment; { } [ ] * ? ! ~ & true",
    "; : =value force-command=id,no-pty # \"",
];

#[test]
fn a_forced_command_reaches_the_shell_byte_for_byte() {
    let Some(site) = Site::open() else { return };
    for tail in TAILS {
        let command = format!("{SHOW_WORDS}{tail}");
        site.set_visitor(&format!("force_command = {}", quoted(&command)));
        let ran = site.login(&site.certify()).command("id -un").run();
        let ran = ran.expect_success();
        let words: Vec<_> = ran.stdout.split('\0').collect();
        assert_eq!(
            words.get(1..3),
            Some(&["-c", command.as_str()][..]),
            "{ran}"
        );
    }
}

#[test]
fn only_the_forced_command_runs_whatever_the_client_asks_for() {
    let subsystem = "Subsystem sftp internal-sftp";
    let Some(site) = Site::open_with(|sshd| sshd.line(subsystem)) else {
        return;
    };
    let command = "printf '[%s]' \"$SSH_ORIGINAL_COMMAND\"; exit 7";
    site.set_visitor(&format!("force_command = {}", quoted(command)));
    let certificate = site.certify();
    let asked = [
        "true",
        "id -un; echo \"a  b\" 'c,d' > é",
        "exit 0",
        "'; exit 0; '",
    ];
    for line in asked {
        let ran = site.login(&certificate).command(line).run();
        assert_eq!(ran.stdout, format!("[{line}]"), "{ran}");
        assert_eq!(ran.code, Some(7), "{ran}");
    }
    let shell = site.login(&certificate).shell().run();
    assert_eq!(
        (shell.stdout.as_str(), shell.code),
        ("[]", Some(7)),
        "{shell}"
    );
    let subsystem = site.login(&certificate).args(["-s"]).command("sftp").run();
    assert_eq!(subsystem.code, Some(7), "{subsystem}");

    let log = site.sshd.log();
    assert!(
        log.contains("Starting session: forced-command (key-option)"),
        "{log}"
    );
    // Nothing of what was asked for ran beside it.
    site.set_visitor("");
    let left = site.login(&site.certify()).command("ls -A é").run();
    assert_eq!(left.code, Some(2), "{left}");
}

#[test]
fn a_certificate_is_good_from_its_source_addresses_only() {
    let Some(site) = Site::open() else { return };
    let admitted = [
        "[\"127.0.0.0/8\"]",
        "[\"127.0.0.1\"]",
        "[\"10.0.0.0/8\", \"2001:db8::/32\", \"127.0.0.1/32\"]",
        "[\"0.0.0.0/0\"]",
    ];
    for networks in admitted {
        site.set_visitor(&format!("source_address = {networks}"));
        site.expect_admission(&site.certify());
    }
    let refused = [
        "[\"10.0.0.0/8\"]",
        "[\"127.0.0.2\", \"10.1.2.3\"]",
        "[\"::/0\"]",
        "[\"::1\"]",
    ];
    for networks in refused {
        site.set_visitor(&format!("source_address = {networks}"));
        site.expect_refusal(&site.certify(), "not from a permitted source address");
    }
}

#[test]
fn restraints_hold_together() {
    let Some(site) = Site::open() else { return };
    let both = "force_command = \"echo forced\"\nsource_address = [\"127.0.0.1\"]";
    site.set_visitor(both);
    let ran = site.login(&site.certify()).command("id -un").run();
    assert_eq!(ran.expect_success().stdout, "forced\n");
    site.set_visitor(&both.replace("127.0.0.1", "127.0.0.3"));
    site.expect_refusal(&site.certify(), "not from a permitted source address");
}
