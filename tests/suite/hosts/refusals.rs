//! What `warden host` refuses, and that nothing is written then.

use super::scene::{check, content, desk, out, refused, render};
use std::os::unix::fs::symlink;
use std::path::Path;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, Signing, ssh_keygen};
use warden_tests::process::Outcome;

/// Renders, expects a refusal, and that nothing was written; gives what was said.
#[track_caller]
fn refuses(desk: &Desk, args: &[&str], status: i32, reason: &str) -> String {
    let before = content(&out(desk));
    let outcome = render(desk, args);
    refused(&outcome, status, reason);
    assert_eq!(outcome.stdout, "");
    assert_eq!(content(&out(desk)), before, "{outcome}");
    outcome.stderr
}

#[test]
fn hosts_that_are_not_there_or_are_no_names() {
    let desk = desk();
    let ask = |host: &str| -> Outcome {
        let program = desk.program().args(["host", "render", host, "--out"]);
        program.arg(out(&desk)).run()
    };
    let unknown = ask("hub-2");
    refused(&unknown, 3, "unknown_host");
    assert!(
        unknown
            .stderr
            .contains("hint: hosts/hub-2.toml in the inventory would be its file"),
        "{unknown}"
    );
    for bad in [
        "../hub-1", "hub-1/", "HUB-1", "", "hub-1\n", "*", "10.0.3.7",
    ] {
        refused(&ask(bad), 2, "host_name_malformed");
    }
    assert!(!out(&desk).exists());
}

#[test]
fn paths_that_sshd_would_read_otherwise() {
    let desk = desk();
    for bad in [
        "relative",
        "/a b",
        "/a%u",
        "/a/../b",
        "/\"",
        "/a\nPermitRootLogin yes",
    ] {
        refuses(&desk, &["--prefix", bad], 2, "path_malformed");
    }
    let root = desk.warden(["host", "render", "hub-1", "--out", "/"]);
    refused(&root, 2, "path_malformed");
    let root = desk.warden(["host", "check", "hub-1", "--root", "nowhere"]);
    refused(&root, 2, "path_malformed");
    let nothing = desk.warden(["host", "check", "hub-1"]);
    refused(&nothing, 2, "usage");
}

#[test]
fn lanes_that_differ_from_an_actors_own_command() {
    let desk = desk();
    desk.set_actor(
        "agt-lane",
        "principals = [\"lane\"]\nforce_command = \"/bin/other\"\n",
    );
    desk.set_actor(
        "agt-two",
        "principals = [\"lane\"]\nforce_command = \"/bin/third\"\n",
    );
    let said = refuses(&desk, &[], 3, "force_command_conflict");
    for part in [
        "hosts/hub-1.toml:6: principal `lane` on account `deploy` is held to \"/usr/local/bin/lane --once\"",
        "agt/agt-lane.toml:2 holds `agt-lane` to \"/bin/other\"",
        "agt/agt-two.toml:2 holds `agt-two` to \"/bin/third\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn lanes_of_two_files_that_differ() {
    let desk = desk();
    desk.sandbox().write(
        "inventory/groups/all.toml",
        "[accounts.deploy.lanes]\nlane = { force_command = \"/bin/other\" }\n",
        0o644,
    );
    let text = std::fs::read_to_string(desk.inventory().join("hosts/hub-1.toml")).unwrap();
    desk.set_host("hub-1", &format!("groups = [\"all\"]\n{text}"));
    let said = refuses(&desk, &[], 2, "inventory_malformed");
    assert!(
        said.contains("groups/all.toml:2") && said.contains("hosts/hub-1.toml:7"),
        "{said}"
    );
}

#[test]
fn commands_accounts_and_names_that_would_forge_a_line() {
    let desk = desk();
    for text in [
        "[accounts.deploy.lanes]\nlane = { force_command = \"a # b\" }",
        "[accounts.deploy.lanes]\nlane = { force_command = \"a\\nroot\" }",
        "[accounts.deploy.lanes]\nlane = { force_command = \"a\\u0007\" }",
        "[accounts.\"a/b\"]\nprincipals = [\"task\"]",
        "[accounts.\"a\\nb\"]\nprincipals = [\"task\"]",
        "[accounts.deploy]\nprincipals = [\"task evil\"]",
        "[accounts.deploy]\nprincipals = [\"unknown\"]",
        "[accounts.root]\nprincipals = [\"task\"]",
    ] {
        desk.set_host("hub-1", &format!("names = [\"hub-1\"]\n{text}\n"));
        refuses(&desk, &[], 2, "inventory_malformed");
    }
    for names in [
        "*",
        "*.example.org",
        "a,b",
        "a\\n@cert-authority *",
        "!a",
        "A",
    ] {
        desk.set_host(
            "hub-1",
            &format!("names = [\"{names}\"]\n[accounts.deploy]\n"),
        );
        refuses(&desk, &[], 2, "inventory_malformed");
    }
}

#[test]
fn trust_files_with_a_line_that_sshd_would_stop_at() {
    let desk = desk();
    let (ca, own) = (desk.inventory().join("trust/user-ca.pub"), desk.ca_line());
    let write = |text: &str| {
        desk.sandbox()
            .write("inventory/trust/user-ca.pub", text, 0o644)
    };
    for (text, says) in [
        (format!("{own}\ngarbage\n"), "user-ca.pub: line 2: "),
        (format!("cert-authority {own}\n"), "user-ca.pub: line 1: "),
        (
            format!("{own}\r\n"),
            "line 1: the line holds the control character '\\r'",
        ),
        (
            format!("{own} {own}\n{own}\n"),
            "line 2: the key of line 1 stands here again",
        ),
        ("# nobody\n".to_owned(), "the file holds no CA key"),
        (
            format!("<<<<<<< HEAD\n{own}\n"),
            "a merge conflict was left in the file",
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n".to_owned(),
            "this is a private key",
        ),
    ] {
        write(&text);
        let said = refuses(&desk, &[], 2, "ca_keys_malformed");
        assert!(
            said.contains(says) && !said.contains("abc"),
            "{text}: {said}"
        );
    }
    write(&format!("# ours\n{own}\n"));
    render(&desk, &[]).check();
    // Whoever certifies users does not certify hosts.
    desk.sandbox()
        .write("inventory/trust/host-ca.pub", format!("\n{own}\n"), 0o644);
    let said = refuses(&desk, &[], 2, "ca_key_shared");
    assert!(
        said.contains("line 2 of ") && said.contains("host-ca.pub:2"),
        "{said}"
    );
    // Another file instead; a link is followed, and a missing one is not.
    std::fs::remove_file(desk.inventory().join("trust/host-ca.pub")).unwrap();
    symlink(&ca, desk.sandbox().join("link")).unwrap();
    let named = |name: &str| desk.sandbox().join(name).display().to_string();
    render(&desk, &["--ca", &named("link")]).check();
    refuses(&desk, &["--ca", &named("nowhere")], 2, "user_ca_missing");
}

#[test]
fn a_ca_whose_public_half_is_nowhere() {
    let desk = desk();
    let mode = |mode| {
        let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(desk.ca_key(), mode).unwrap();
    };
    // The private half is not read: one that signing would refuse is no trouble.
    mode(0o666);
    render(&desk, &[]).check();
    mode(0o600);
    std::fs::remove_file(desk.sandbox().join("ca/key.pub")).unwrap();
    let said = refuses(&desk, &[], 2, "user_ca_missing");
    assert!(
        said.contains("hint: for a local CA: warden ca show > "),
        "{said}"
    );
    let config = std::fs::read_to_string(desk.config()).unwrap();
    let engine =
        config.replace("\"local\"", "\"vault\"") + "[vault]\naddr = \"https://bao.example\"\n";
    desk.sandbox().write("warden.toml", engine, 0o600);
    let said = refuses(&desk, &[], 2, "user_ca_missing");
    assert!(said.contains("the CA's key is elsewhere"), "{said}");
}

#[test]
fn host_certificates_that_clients_would_refuse() {
    let desk = desk();
    let sandbox = desk.sandbox();
    let make = |name| Key::make(sandbox.path(), name, KeyType::Ed25519);
    let (ca, stranger, host) = (make("host-ca"), make("stranger"), make("host"));
    sandbox.write(
        "inventory/trust/host-ca.pub",
        ca.public_line() + "\n",
        0o644,
    );
    let file = sandbox.join("cert.pub");
    let path = file.display().to_string();
    let signed = |ca: &Key, adjust: &dyn Fn(Signing) -> Signing| {
        let signing = Signing::new(ca, &host.public_line(), "hub-1").validity("-1m:+1h");
        adjust(signing).write(&file);
    };
    type Changed<'a> = &'a dyn Fn(Signing) -> Signing;
    let cases: [(&Key, Changed<'_>, &str); 6] = [
        (
            &ca,
            &|one| one.principal("hub-1"),
            "it is a user certificate",
        ),
        (
            &stranger,
            &|one| one.host().principal("hub-1"),
            "is none of the CAs of hosts",
        ),
        (
            &ca,
            &|one| one.host().principal("hub-2"),
            "it names `hub-2`; the host's names are hub-1, hub-1.example.org, 10.0.3.7",
        ),
        (&ca, &|one| one.host(), "it names no host"),
        (
            &ca,
            &|one| one.host().principal("hub-1").option("critical:x=y"),
            "it has critical options",
        ),
        (
            &ca,
            &|one| one.host().principal("hub-1").validity("-2h:-1h"),
            "it ended at ",
        ),
    ];
    for (ca, adjust, says) in cases {
        signed(ca, adjust);
        let said = refuses(
            &desk,
            &["--host-certificate", &path],
            2,
            "host_certificate_refused",
        );
        assert!(said.contains(says), "{says}: {said}");
    }
    let key = sandbox.join("host.pub").display().to_string();
    refuses(&desk, &["--host-certificate", &key], 2, "not_a_certificate");
    signed(&ca, &|one| {
        one.host().principal("hub-1").principal("10.0.3.7")
    });
    render(&desk, &["--host-certificate", &path]).check();
    let put = out(&desk).join("etc/ssh/warden-host-cert.pub");
    assert_eq!(std::fs::read(put).unwrap(), std::fs::read(&file).unwrap());
    check(&desk, &["--host-certificate", &path]).check();
    signed(&ca, &|one| one.host().principal("hub-1"));
    let said = check(&desk, &["--host-certificate", &path]);
    assert!(said.stdout.contains("(host_certificate_differs)"), "{said}");
}

#[test]
fn what_warden_did_not_render_is_neither_replaced_nor_removed() {
    let desk = desk();
    render(&desk, &[]).check();
    let principals = out(&desk).join("etc/ssh/auth_principals");
    let deploy = principals.join("deploy");
    let good = std::fs::read_to_string(&deploy).unwrap();

    std::fs::write(&deploy, "by hand\n").unwrap();
    let said = refuses(&desk, &[], 1, "host_files_occupied");
    assert!(
        said.contains("deploy is not a file that warden rendered"),
        "{said}"
    );
    std::fs::write(&deploy, good.replace("for hub-1.", "for hub-2.")).unwrap();
    let said = refuses(&desk, &[], 1, "host_files_occupied");
    assert!(said.contains("deploy is of host `hub-2`"), "{said}");
    std::fs::remove_file(&deploy).unwrap();
    symlink("backup", &deploy).unwrap();
    refuses(&desk, &[], 2, "file_is_link");
    std::fs::remove_file(&deploy).unwrap();
    std::fs::create_dir(&deploy).unwrap();
    refuses(&desk, &[], 2, "file_not_regular");
    std::fs::remove_dir(&deploy).unwrap();
    // A link instead of a directory leads out of the tree.
    std::fs::rename(&principals, desk.sandbox().join("elsewhere")).unwrap();
    symlink(desk.sandbox().join("elsewhere"), &principals).unwrap();
    let said = refuses(&desk, &[], 1, "host_files_occupied");
    assert!(said.contains("auth_principals is no directory"), "{said}");
    std::fs::remove_file(&principals).unwrap();

    std::fs::create_dir(&principals).unwrap();
    std::fs::write(principals.join("gone"), &good).unwrap();
    std::fs::write(principals.join("kept"), "by hand\n").unwrap();
    let rendered = render(&desk, &[]).expect_success();
    assert!(
        rendered
            .stdout
            .contains("removed  etc/ssh/auth_principals/gone\n"),
        "{rendered}"
    );
    assert!(
        rendered
            .stdout
            .contains("foreign  etc/ssh/auth_principals/kept\n"),
        "{rendered}"
    );
    assert!(
        rendered.stderr.contains("not warden's to remove"),
        "{rendered}"
    );
    assert!(!principals.join("gone").exists() && principals.join("kept").exists());
}

#[test]
fn a_configuration_of_the_host_that_sshd_refuses_or_that_says_otherwise() {
    let desk = desk();
    let main = |text: &str| desk.sandbox().write("out/etc/ssh/sshd_config", text, 0o644);
    main("Include /etc/ssh/sshd_config.d/*.conf\nNonsense yes\n");
    let said = refuses(&desk, &[], 1, "sshd_refuses");
    assert!(
        said.contains("/etc/ssh/sshd_config: line 2: Bad configuration option: Nonsense"),
        "{said}"
    );
    main("Include /etc/ssh/sshd_config.d/*.conf\nMatch User deploy\nTrustedUserCAKeys /x\n");
    let said = refuses(&desk, &[], 1, "sshd_overridden");
    assert!(
        said.contains("/etc/ssh/sshd_config:3: TrustedUserCAKeys is /x, expected"),
        "{said}"
    );
    main("Include /etc/ssh/sshd_config.d/*.conf\n");
    let rendered = render(&desk, &[]).expect_success();
    assert!(!rendered.stderr.contains("judged alone"), "{rendered}");
    check(&desk, &[]).check();
}

#[test]
fn without_an_sshd_it_is_said_and_one_that_does_not_answer_is_no_proof() {
    let desk = desk();
    let rendered = render(&desk, &["--sshd", "/nonexistent/sshd"]).expect_success();
    assert!(
        rendered
            .stderr
            .contains("note: no sshd was asked: there is no /nonexistent/sshd"),
        "{rendered}"
    );
    let checked = check(&desk, &["--sshd", "sshd"]);
    refused(&checked, 1, "host_differs");
    assert!(checked.stderr.contains("there is no sshd"), "{checked}");
    let said = check(
        &desk,
        &["--sshd", "/nonexistent/sshd", "--without-sshd", "--json"],
    );
    let said: serde_json::Value = serde_json::from_str(&said.expect_success().stdout).unwrap();
    assert_eq!(said["sshd"]["asked"], false);

    let fake = |text: &str| {
        let path = desk.sandbox().write("sshd", text, 0o755);
        let path = path.display().to_string();
        check(&desk, &["--sshd", &path, "--without-sshd"])
    };
    let unable = fake("#!/bin/sh\necho Missing privilege separation directory >&2\nexit 255\n");
    assert!(
        unable
            .stderr
            .contains("can test nothing here: Missing privilege"),
        "{unable}"
    );
    unable.check();
    refused(&fake("#!/bin/sh\nexec sleep 60\n"), 1, "sshd_not_asked");
    // Nothing of the caller's surroundings and no name without a path comes to it.
    let seen = desk.sandbox().join("seen");
    let script = format!(
        "#!/bin/sh\nexport -p >>{0}\necho \"$@\" >>{0}\n",
        seen.display()
    );
    fake(&script);
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("HOME") && !seen.contains("LC_ALL"), "{seen}");
    let words = seen.lines().filter(|line| line.starts_with("-f "));
    for line in words {
        assert!(
            Path::new(line.split(' ').nth(1).unwrap()).is_absolute(),
            "{seen}"
        );
    }
}

#[test]
fn a_krl_that_is_one_is_taken_and_anything_else_is_not() {
    let desk = desk();
    let sandbox = desk.sandbox();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"serial: 1\n"),
        ("short", b"SSHKRL\n\0\0\0"),
    ] {
        let path = sandbox.write(name, bytes, 0o644).display().to_string();
        refuses(&desk, &["--krl", &path], 2, "krl_malformed");
    }
    let missing = sandbox.join("missing").display().to_string();
    refuses(&desk, &["--krl", &missing], 2, "file_not_found");
    let krl = sandbox.join("krl").display().to_string();
    ssh_keygen(["-kf", &krl, "-z", "5", "/dev/null"]).check();
    render(&desk, &["--krl", &krl]).check();
}
