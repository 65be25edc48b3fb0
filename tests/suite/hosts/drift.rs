//! What `warden host check` finds on a host.

use super::scene::{check, desk, expect_findings, out, refused, render};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use warden_tests::account::privileged;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, ssh_keygen};
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::sshd::Sshd;

const PRINCIPALS: &str = "etc/ssh/auth_principals";
const TRUST: &str = "etc/ssh/trusted-user-ca-keys.pem";
const DROP_IN: &str = "etc/ssh/sshd_config.d/50-warden.conf";

/// A rendered `hub-1` after `spoil` had its way with it.
#[track_caller]
fn spoilt(spoil: impl FnOnce(&Desk)) -> warden_tests::process::Outcome {
    let desk = desk();
    render(&desk, &[]).check();
    check(&desk, &[]).check();
    spoil(&desk);
    check(&desk, &[])
}

fn edit(desk: &Desk, path: &str, change: impl FnOnce(String) -> String) {
    let path = out(desk).join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
}

#[test]
fn principals_that_come_go_or_change_are_named_with_their_lines() {
    let deploy = format!("{PRINCIPALS}/deploy");
    let said = spoilt(|desk| edit(desk, &deploy, |text| text + "evil\n"));
    expect_findings(
        &said,
        &[
            "auth_principals/deploy:5: `evil` is let into `deploy`, which the inventory does not say (principal_gained)",
        ],
    );
    let said = spoilt(|desk| edit(desk, &deploy, |text| text.replace("\ntask\n", "\n")));
    expect_findings(
        &said,
        &["`task` is not let into `deploy`, as the inventory says (principal_lost)"],
    );
    let said = spoilt(|desk| edit(desk, &deploy, |text| text.replace("restrict,", "")));
    expect_findings(
        &said,
        &[
            "deploy:3: `lane` logs in as `deploy` only to run \"/usr/local/bin/lane --once\"; expected: only to run \"/usr/local/bin/lane --once\", without agent-forwarding, port-forwarding, pty, user-rc, x11-forwarding (lane_differs)",
        ],
    );
    let said = spoilt(|desk| edit(desk, &deploy, |text| text.replace("restrict,", "nonsense,")));
    expect_findings(
        &said,
        &[
            "deploy:3: sshd passes over this line: unknown option (line_passed_over)",
            "`lane` is not let into `deploy`",
        ],
    );
    // An account for nobody stays one.
    let backup = format!("{PRINCIPALS}/backup");
    let said = spoilt(|desk| edit(desk, &backup, |text| text + "task"));
    expect_findings(
        &said,
        &["auth_principals/backup:3: `task` is let into `backup`"],
    );
}

#[test]
fn files_that_are_missing_extra_or_edited_are_named() {
    let said =
        spoilt(|desk| std::fs::remove_file(out(desk).join(PRINCIPALS).join("backup")).unwrap());
    expect_findings(
        &said,
        &[
            "/etc/ssh/auth_principals/backup: it is not there, so no certificate logs in as `backup` (missing)",
        ],
    );
    let said = spoilt(|desk| {
        std::fs::write(out(desk).join(PRINCIPALS).join("old"), "a\nb\n").unwrap();
    });
    expect_findings(
        &said,
        &["auth_principals/old: the inventory names no account `old`; it lets in `a`, `b` (extra)"],
    );
    let said = spoilt(|desk| {
        edit(desk, &format!("{PRINCIPALS}/deploy"), |text| {
            text + "# by hand\n"
        })
    });
    expect_findings(
        &said,
        &["auth_principals/deploy: it says the same in other words than warden's (edited)"],
    );
    let said = spoilt(|desk| edit(desk, TRUST, |text| text.replacen("files: ", "files: 0", 1)));
    expect_findings(&said, &["trusted-user-ca-keys.pem: its head says digest 0"]);
    let said = spoilt(|desk| {
        edit(desk, TRUST, |text| {
            text.replacen("for hub-1.", "for hub-2.", 1)
        })
    });
    expect_findings(&said, &["it was rendered for host `hub-2` (other_host)"]);
    let said = spoilt(|desk| {
        let path = out(desk).join(TRUST);
        std::fs::rename(&path, out(desk).join("elsewhere")).unwrap();
        symlink(out(desk).join("elsewhere"), path).unwrap();
    });
    refused(&said, 1, "host_differs");
    assert!(
        said.stdout.contains("is a symbolic link") && said.stdout.contains("(unreadable)"),
        "{said}"
    );
}

#[test]
fn a_trust_file_is_read_as_sshd_reads_it() {
    let sandbox = Sandbox::new();
    let other = Key::make(sandbox.path(), "other", KeyType::Ed25519).public_line();
    let said = spoilt(|desk| edit(desk, TRUST, |text| text + &other + "\n"));
    expect_findings(
        &said,
        &[
            "trusted-user-ca-keys.pem: CA SHA256:",
            "is trusted, and should not be (ca_gained)",
        ][1..],
    );
    // The key of before, a malformed line, the key that was meant to be added.
    let said = spoilt(|desk| edit(desk, TRUST, |text| format!("{text}garbage\n{other}\n")));
    expect_findings(
        &said,
        &["trusted-user-ca-keys.pem:4: sshd stops reading here, and trusts no key that follows"],
    );
    // A short key, which sshd would take.
    ssh_keygen([
        "-qt",
        "rsa",
        "-b",
        "1024",
        "-N",
        "",
        "-f",
        &sandbox.join("short").display().to_string(),
    ])
    .check();
    let short = std::fs::read_to_string(sandbox.join("short.pub")).unwrap();
    let said = spoilt(|desk| edit(desk, TRUST, |text| text + &short));
    expect_findings(
        &said,
        &[
            "trusted-user-ca-keys.pem:4: sshd may trust this key, and should not: the RSA key has 1024 bits",
        ],
    );
    // A line from elsewhere that looks empty, and is not to sshd.
    let said = spoilt(|desk| edit(desk, TRUST, |text| text.replacen("ssh-", "\r\nssh-", 1)));
    expect_findings(
        &said,
        &[
            "trusted-user-ca-keys.pem:3: sshd stops reading here",
            "is not trusted, and should be (ca_lost)",
        ],
    );
    // A file without a newline at its end, and an `echo >>`.
    let said = spoilt(|desk| {
        edit(desk, TRUST, |text| {
            text.trim_end().to_owned() + &other + "\n"
        })
    });
    expect_findings(&said, &["(edited)"]);
    let said = spoilt(|desk| {
        edit(desk, TRUST, |text| {
            text.replace("ssh-ed25519 ", "cert-authority ssh-ed25519 ")
        })
    });
    expect_findings(
        &said,
        &[
            "trusted-user-ca-keys.pem:3: sshd stops reading here",
            "is not trusted, and should be (ca_lost)",
        ],
    );
}

#[test]
fn modes_are_compared_and_directories_that_others_may_write_are_named() {
    let said = spoilt(|desk| {
        let set = |path: &str, mode| {
            std::fs::set_permissions(out(desk).join(path), Permissions::from_mode(mode)).unwrap();
        };
        set(&format!("{PRINCIPALS}/deploy"), 0o664);
        set(TRUST, 0o600);
        set(PRINCIPALS, 0o775);
    });
    expect_findings(
        &said,
        &[
            "auth_principals/deploy: mode 0664; expected 0644 (mode)",
            "trusted-user-ca-keys.pem: mode 0600; expected 0644 (mode)",
            "/etc/ssh/auth_principals: mode 0775: others may write there; expected 0755 (mode)",
        ],
    );
}

#[test]
fn lines_of_the_drop_in_and_what_overrides_them_are_named() {
    let said = spoilt(|desk| {
        edit(desk, DROP_IN, |text| {
            text.replace("LogLevel VERBOSE", "LogLevel INFO")
        })
    });
    expect_findings(
        &said,
        &[
            "50-warden.conf:6: `LogLevel INFO` should not be there (line_gained)",
            "50-warden.conf: `LogLevel VERBOSE` is not there (line_lost)",
            "LogLevel is INFO, expected VERBOSE, for `backup` from 127.0.0.1 and 3 more (not_in_effect)",
        ],
    );
    let main = "etc/ssh/sshd_config";
    let with_main = |text: &str| {
        let text = text.to_owned();
        spoilt(move |desk| std::fs::write(out(desk).join(main), text).unwrap())
    };
    let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
    with_main(include).check();
    // What comes first wins.
    let said = with_main(&format!("trustedusercakeys /etc/other\n{include}"));
    expect_findings(
        &said,
        &[
            "/etc/ssh/sshd_config:1: TrustedUserCAKeys is /etc/other, expected /etc/ssh/trusted-user-ca-keys.pem, for `backup` from 127.0.0.1 and 3 more (not_in_effect)",
        ],
    );
    with_main(&format!("{include}trustedusercakeys /etc/other\n")).check();
    // A `Match` wins for whom it matches.
    let said = with_main(&format!(
        "{include}Match User deploy\n  AuthorizedPrincipalsFile none\n"
    ));
    expect_findings(
        &said,
        &[
            "/etc/ssh/sshd_config:3: AuthorizedPrincipalsFile is none, expected /etc/ssh/auth_principals/%u, for `deploy` from 127.0.0.1 and 1 more (not_in_effect)",
        ],
    );
    let said = with_main(&format!(
        "{include}Match Address 10.9.0.0/16\n  LogLevel QUIET\n"
    ));
    expect_findings(
        &said,
        &[
            "/etc/ssh/sshd_config:3: below a `Match`, LogLevel is QUIET, expected VERBOSE for everybody (overridden)",
        ],
    );
    let said = with_main("");
    expect_findings(
        &said,
        &[
            "/etc/ssh/sshd_config: it does not include etc/ssh/sshd_config.d/50-warden.conf, so none of it is in effect (not_included)",
        ],
    );
    let said = with_main(&format!("{include}Nonsense yes\n"));
    expect_findings(
        &said,
        &["sshd would not start: /etc/ssh/sshd_config: line 2: Bad configuration option: Nonsense"],
    );
    let said = with_main(&format!(
        "{include}StrictModes no\nCASignatureAlgorithms ssh-rsa\n"
    ));
    expect_findings(
        &said,
        &[
            "StrictModes is no, expected yes",
            "CASignatureAlgorithms takes SHA-1 signatures, `ssh-rsa`",
            "CASignatureAlgorithms lacks ssh-ed25519, so CA SHA256:",
        ],
    );
}

/// Files below an `/etc/ssh/sshd_config` in the rendered tree.
fn with_config(main: &str, more: &[(&str, &str)]) -> Desk {
    let desk = desk();
    render(&desk, &[]).check();
    std::fs::write(out(&desk).join("etc/ssh/sshd_config"), main).unwrap();
    for (name, text) in more {
        let path = out(&desk).join("etc/ssh").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    desk
}

#[test]
fn a_file_is_found_by_whatever_pattern_includes_it() {
    let evil = ("sshd_config.d/00-evil.conf", "TrustedUserCAKeys /evil\n");
    for include in [
        "Include /etc/ssh/[s]shd_config.d/*.conf",
        "Include /etc/*/sshd_config.d/[!a-z]*.conf",
        "Include \"/etc/ssh/sshd_config.d/00-evil.conf\" sshd_config.d/50*",
    ] {
        let desk = with_config(&format!("{include}\n"), &[evil]);
        for args in [&[][..], &["--sshd", "/none", "--without-sshd"]] {
            let said = check(&desk, args);
            refused(&said, 1, "host_differs");
            let place =
                "/etc/ssh/sshd_config.d/00-evil.conf:1: TrustedUserCAKeys is /evil, expected";
            assert!(said.stdout.starts_with(place), "{include}: {said}");
            assert_eq!(said.stdout.lines().count(), 1, "{include}: {said}");
        }
    }
    // What is not followed is said, never passed over.
    let include = "Include /etc/ssh/sshd_config.d/*.conf\nInclude /etc/ssh/[[:lower:]]*.d/*\n";
    let unread = "/etc/ssh/sshd_config:2: `Include /etc/ssh/[[:lower:]]*.d/*` was not followed, so what it sets is not judged: `[[:lower:]]*.d` is not judged here (include_unread)";
    let desk = with_config(include, &[]);
    expect_findings(&check(&desk, &[]), &[unread]);
    let without = ["--sshd", "/none", "--without-sshd"];
    expect_findings(&check(&desk, &without), &[unread]);
}

#[test]
fn without_an_sshd_the_lines_are_judged_and_what_is_not_known_is_a_finding() {
    let include = "Include /etc/ssh/sshd_config.d/*.conf\n";
    let judged = |main: &str, expected: &[&str]| {
        let desk = with_config(main, &[]);
        let said = check(&desk, &["--sshd", "/none", "--without-sshd"]);
        match expected {
            [] => said.check(),
            _ => expect_findings(&said, expected),
        }
        // Nobody said that an sshd may be missing.
        let unproven = "50-warden.conf: whether sshd would start, and what holds where no line says anything, is not known: there is no /none; --without-sshd does without (sshd_not_asked)";
        let all: Vec<_> = expected.iter().copied().chain([unproven]).collect();
        expect_findings(&check(&desk, &["--sshd", "/none"]), &all);
    };
    judged(include, &[]);
    judged(&format!("{include}TrustedUserCAKeys /other\n"), &[]);
    judged(&format!("LogLevel DEBUG\n{include}"), &[]);
    judged(
        &format!("trustedusercakeys /other\nStrictModes no\n{include}"),
        &[
            "/etc/ssh/sshd_config:1: TrustedUserCAKeys is /other, expected /etc/ssh/trusted-user-ca-keys.pem (not_in_effect)",
            "/etc/ssh/sshd_config:2: StrictModes is no, expected yes (not_in_effect)",
        ],
    );
    judged(
        &format!(
            "{include}Match User deploy\n  PubkeyAuthentication no\n  AuthorizedPrincipalsFile none\n"
        ),
        &[
            "/etc/ssh/sshd_config:3: below a `Match`, PubkeyAuthentication is no, expected yes for everybody (overridden)",
            "/etc/ssh/sshd_config:4: below a `Match`, AuthorizedPrincipalsFile is none",
        ],
    );
    judged(
        &format!("{include}CASignatureAlgorithms ssh-rsa\n"),
        &[
            "/etc/ssh/sshd_config:2: CASignatureAlgorithms takes SHA-1 signatures",
            "/etc/ssh/sshd_config:2: CASignatureAlgorithms lacks ssh-ed25519",
        ],
    );
    judged("", &["(not_included)"]);
    let desk = with_config(&format!("LogLevel INFO\n{include}"), &[]);
    refused(&render(&desk, &["--sshd", "/none"]), 1, "sshd_overridden");
    let root = "names = [\"hub-1\"]\n[accounts.root]\nprivileged = true\nprincipals = [\"task\"]\n";
    desk.set_host("hub-1", root);
    std::fs::remove_file(out(&desk).join("etc/ssh/sshd_config")).unwrap();
    render(&desk, &[]).check();
    let main = format!("{include}PermitRootLogin no\n");
    std::fs::write(out(&desk).join("etc/ssh/sshd_config"), main).unwrap();
    let without = ["--sshd", "/none", "--without-sshd"];
    let shut = "sshd_config:2: PermitRootLogin is no, but the inventory lets principals into root";
    expect_findings(&check(&desk, &without), &[shut]);
}

#[test]
fn where_only_certificates_count_every_other_way_in_is_a_finding() {
    let desk = desk();
    let only = ["--certificates-only"];
    let without = ["--certificates-only", "--sshd", "/none", "--without-sshd"];
    render(&desk, &only).check();
    let ways = [
        "AuthorizedKeysFile .ssh/authorized_keys",
        "PasswordAuthentication yes",
        "KbdInteractiveAuthentication yes",
        "HostbasedAuthentication yes",
        "GSSAPIAuthentication yes",
        "KerberosAuthentication yes",
    ];
    for way in ways {
        let text = format!("{way}\nInclude /etc/ssh/sshd_config.d/*.conf\n");
        std::fs::write(out(&desk).join("etc/ssh/sshd_config"), text).unwrap();
        let (keyword, value) = way.split_once(' ').unwrap();
        let finding = format!("/etc/ssh/sshd_config:1: {keyword} is {value}, expected no");
        expect_findings(&check(&desk, &without), &[&finding]);
        let said = check(&desk, &only);
        // An sshd built without GSSAPI or Kerberos has nothing to shut.
        if !said.stdout.is_empty() && !said.stdout.contains("has what it should") {
            expect_findings(&said, &[&finding]);
        } else {
            assert!(
                keyword.starts_with("GSSAPI") || keyword.starts_with("Kerberos"),
                "{said}"
            );
        }
    }
    // Otherwise it is said that nobody looked.
    let plain = with_config("Include /etc/ssh/sshd_config.d/*.conf\n", &[]);
    let said = check(&plain, &[]).expect_success();
    assert!(
        said.stderr.contains("another way in that is not looked at"),
        "{said}"
    );
    std::fs::remove_file(out(&desk).join("etc/ssh/sshd_config")).unwrap();
    let said = check(&desk, &only).expect_success();
    assert!(!said.stderr.contains("another way in"), "{said}");
}

#[test]
fn an_address_that_is_asked_about_shows_what_holds_for_it() {
    let desk = desk();
    render(&desk, &[]).check();
    let text = "Include /etc/ssh/sshd_config.d/*.conf\nMatch Address 10.9.0.0/16\n  PubkeyAuthentication no\n";
    std::fs::write(out(&desk).join("etc/ssh/sshd_config"), text).unwrap();
    check(&desk, &[]).check();
    let said = check(&desk, &["--from", "10.9.1.1"]);
    expect_findings(
        &said,
        &[
            "sshd_config:3: PubkeyAuthentication is no, expected yes, for `backup` from 10.9.1.1 and 1 more",
        ],
    );
    refused(
        &check(&desk, &["--from", "10.9.0.0/16"]),
        2,
        "address_malformed",
    );
}

#[test]
fn lanes_into_root_want_a_root_that_may_log_in() {
    let desk = desk();
    desk.set_host(
        "hub-1",
        "names = [\"hub-1\"]\n[accounts.root]\nprivileged = true\nprincipals = [\"task\"]\n",
    );
    render(&desk, &[]).check();
    for (value, finds) in [
        ("prohibit-password", false),
        ("no", true),
        ("forced-commands-only", true),
    ] {
        let text = format!("Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin {value}\n");
        std::fs::write(out(&desk).join("etc/ssh/sshd_config"), text).unwrap();
        let said = check(&desk, &[]);
        match finds {
            true => expect_findings(
                &said,
                &["but the inventory lets principals into root, for `root`"],
            ),
            false => said.check(),
        }
    }
}

/// KRLs of three versions, made by `ssh-keygen`.
fn krls(desk: &Desk) -> [String; 3] {
    let sandbox = desk.sandbox();
    let ca = sandbox.write("ca.pub", desk.ca_line(), 0o644);
    [1, 2, 3].map(|version| {
        let spec = sandbox.write("spec", format!("serial: {version}\n"), 0o644);
        let krl = sandbox.join(format!("{version}.krl"));
        let number = version.to_string();
        let text = |path: &std::path::Path| path.display().to_string();
        ssh_keygen([
            "-kf",
            &text(&krl),
            "-s",
            &text(&ca),
            "-z",
            &number,
            &text(&spec),
        ])
        .check();
        text(&krl)
    })
}

#[test]
fn a_krl_only_goes_forward() {
    let desk = desk();
    let [first, second, third] = krls(&desk);
    render(&desk, &["--krl", &second]).check();
    let drop_in = std::fs::read_to_string(out(&desk).join(DROP_IN)).unwrap();
    assert!(
        drop_in.contains("\nRevokedKeys /etc/ssh/revoked-keys.krl\n"),
        "{drop_in}"
    );
    check(&desk, &["--krl", &second]).check();
    // What names a file comes after it.
    let order = render(&desk, &["--krl", &second]).expect_success().stdout;
    let at = |name: &str| order.find(name).unwrap();
    assert!(at("auth_principals") < at("revoked-keys.krl") && at("trusted-user") < at("50-warden"));
    assert!(at("revoked-keys.krl") < at("50-warden.conf"), "{order}");
    refused(&render(&desk, &["--krl", &first]), 3, "krl_older");
    refused(&render(&desk, &[]), 3, "krl_left_out");
    let said = check(&desk, &["--krl", &third]);
    expect_findings(
        &said,
        &["revoked-keys.krl: version 2, expected 3: what was revoked since is let in (krl_older)"],
    );
    let said = check(&desk, &["--krl", &first]);
    expect_findings(&said, &["(krl_newer)"]);
    for (content, says) in [
        ("", "it is empty, so nobody is revoked"),
        ("serial: 1\n", "it is no KRL"),
    ] {
        let krl = out(&desk).join("etc/ssh/revoked-keys.krl");
        std::fs::write(&krl, content).unwrap();
        expect_findings(&check(&desk, &["--krl", &second]), &[says]);
        refused(&render(&desk, &["--krl", &third]), 2, "krl_malformed");
        let path = krl.display().to_string();
        refused(&check(&desk, &["--krl", &path]), 2, "krl_malformed");
        std::fs::remove_file(krl).unwrap();
    }
    expect_findings(
        &check(&desk, &["--krl", &third]),
        &["revoked-keys.krl: it is not there"],
    );
    render(&desk, &["--krl", &third]).check();
    check(&desk, &["--krl", &third]).check();
}

#[test]
fn an_actor_that_is_held_to_another_command_is_found_before_sshd_refuses_it() {
    let desk = desk();
    render(&desk, &[]).check();
    desk.set_actor(
        "agt-lane",
        "principals = [\"lane\"]\nforce_command = \"/bin/other\"\n",
    );
    let said = check(&desk, &[]);
    expect_findings(
        &said,
        &["hosts/hub-1.toml:6: the lane of principal `lane` into `deploy` and "],
    );
    assert!(
        said.stdout
            .contains("agt/agt-lane.toml:2 hold `agt-lane` to different commands"),
        "{said}"
    );
    desk.set_actor(
        "agt-lane",
        "principals = [\"lane\"]\nforce_command = \"/usr/local/bin/lane --once\"\n",
    );
    check(&desk, &[]).check();
    // Whoever is given no certificate has no conflict.
    desk.set_actor(
        "agt-lane",
        "principals = [\"lane\"]\nforce_command = \"/bin/other\"\ndisabled = true\n",
    );
    check(&desk, &[]).check();
}

#[test]
fn the_owner_counts_on_a_host() {
    if !skipped::require("files of a host that root owns", privileged()) {
        return;
    }
    let desk = desk();
    let server = Sshd::builder().start_rendered(|place| {
        let prefix = place.display().to_string();
        render(&desk, &["--prefix", &prefix]).check();
        out(&desk)
    });
    let directory = server.directory().display().to_string();
    let live = || {
        let args = [
            "host", "check", "hub-1", "--root", &directory, "--prefix", &directory,
        ];
        desk.warden(args)
    };
    live().check();
    server.meddle("chown 1 etc/ssh/auth_principals/deploy && chown 1 etc/ssh/auth_principals");
    let said = live();
    expect_findings(
        &said,
        &[
            "auth_principals/deploy: it belongs to 1:0; expected root:root, 0:0 (owner)",
            "auth_principals: it belongs to uid 1; expected root (owner)",
        ],
    );
    let args = [
        "host",
        "check",
        "hub-1",
        "--root",
        &directory,
        "--prefix",
        &directory,
        "--no-owner",
    ];
    desk.warden(args).check();
}

#[test]
fn a_list_kept_elsewhere_is_compared() {
    let desk = desk();
    let check = |text: &str| {
        let list = desk.sandbox().write("ssh_principals.yaml", text, 0o644);
        let program = desk
            .program()
            .args(["host", "check", "hub-1", "--principals"]);
        program.arg(list).run()
    };
    let same = [
        "deploy: [task, lane]\nbackup: []\n",
        "---\n# the list\nssh_principals:\n  deploy:\n    - task\n    - 'lane' # held\n  backup: []\n",
        "ssh_principals:\n  hosts:\n    other: [x]\n    hub-1:\n      deploy:\n      - \"task\"\n      - lane\n      backup: [ ]\n",
        "hosts:\n  hub-1.example.org:\n    deploy: [ task,lane ]\n    backup: []\n",
    ];
    for text in same {
        check(text).check();
    }
    // Whose certificates hosts trust does not matter for that.
    std::fs::remove_file(desk.sandbox().join("ca/key.pub")).unwrap();
    check(same[0]).check();
    let said = check("deploy: [task, evil]\nold: [a]\n");
    expect_findings(
        &said,
        &[
            "`evil` is let into `deploy`, which the inventory does not say (principal_gained)",
            "`lane` is not let into `deploy`, as the inventory says (principal_lost)",
            "account `old` is not in the inventory (extra)",
            "`a` is let into `old`",
            "account `backup` is not in the list (missing)",
        ],
    );
    for (text, line) in [
        ("", "line 1: the list is empty"),
        ("deploy:\n", "line 1: nothing follows"),
        ("deploy: task\n", "line 1: `task` is not a list"),
        ("deploy: [task, task]\n", "line 1: `task` stands here twice"),
        (
            "deploy: [task]\ndeploy: [lane]\n",
            "line 2: `deploy` stands here twice",
        ),
        ("deploy: [\"ta sk\"]\n", "line 1: `\"ta sk\"` is not a word"),
        ("deploy:\n\t- task\n", "line 2: it holds '\\t'"),
        (
            "deploy:\n  - task\n   - lane\n",
            "line 3: it is indented more",
        ),
        (
            "  deploy: [task]\nbackup: []\n",
            "line 2: it does not belong",
        ),
        ("deploy: &a [task]\n", "line 1: `&a [task]` is not a list"),
        ("deploy: *a\n", "line 1: `*a` is not a list"),
        ("deploy: [task\n", "line 1: `[task` is not a list"),
        ("<<: [a]\n", "line 1: `<<` is not a word"),
        ("- task\n", "line 1: expected a map"),
        ("- task\ndeploy: [a]\n", "line 2: it does not belong"),
        ("deploy:\n  -task\n", "line 2: expected `- `"),
        (
            "deploy:\n  - task\n  lane: [a]\n",
            "line 3: it is indented more",
        ),
        (
            "deploy:\n  a:\n    - b\n",
            "line 1: `deploy` is no list of principals",
        ),
        (
            "1deploy: [a]\n",
            "line 1: `1deploy` is not the name of an account",
        ),
        ("deploy: [-a]\n", "line 1: principal `-a`"),
        (
            "hosts:\n  hub-2:\n    deploy: [a]\n",
            "host `hub-1` is not in the list",
        ),
        ("deploy: [a]\n<<<<<<< HEAD\n", "merge conflict"),
    ] {
        let said = check(text);
        refused(&said, 2, "principals_malformed");
        assert!(said.stderr.contains(line), "{text:?}: {said}");
    }
    let deep = "a:\n".to_owned()
        + &(1..40)
            .map(|depth| " ".repeat(depth) + "a:\n")
            .collect::<String>();
    refused(&check(&deep), 2, "principals_malformed");
}

#[test]
fn what_was_found_is_a_document_for_programs() {
    let desk = desk();
    render(&desk, &[]).check();
    let same: serde_json::Value = serde_json::from_str(&check(&desk, &["--json"]).stdout).unwrap();
    assert_eq!(same["same"], true);
    assert_eq!(same["findings"], serde_json::json!([]));
    assert_eq!(
        same["sshd"]["asked"],
        std::path::Path::new("/usr/sbin/sshd").exists()
    );
    edit(&desk, &format!("{PRINCIPALS}/backup"), |text| {
        text + "evil\n"
    });
    let said = check(&desk, &["--json"]);
    assert_eq!(said.code, Some(1), "{said}");
    let found: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(found["findings"][0]["code"], "principal_gained");
    assert_eq!(found["findings"][0]["line"], 3);
    let error: serde_json::Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!(error["error"]["reason"], "host_differs");
}
