//! A server that is configured by `warden host render` alone lets in whom the inventory lets in, and
//! nobody else.

use super::scene::names;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use warden_core::certificate::UnixTime;
use warden_core::host::grants::{Grants, Opening};
use warden_core::inventory::InventoryPath;
use warden_tests::account::{Account, privileged};
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, Signing};
use warden_tests::process::Outcome;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::Sshd;

const HOSTS: [&str; 2] = ["hub-1", "hub-2"];

/// Every actor that can be given a certificate, with the rest of its file.
const ACTORS: [(&str, &str); 6] = [
    (
        "adm-alice",
        "principals = [\"ops\"]\nextensions = [\"permit-pty\"]",
    ),
    ("agt-hub", "principals = [\"hub\", \"shared\"]"),
    (
        "atm-backup",
        "principals = [\"backup\"]\nforce_command = \"echo by certificate\"",
    ),
    // All that a certificate can permit, and a lane that takes it away.
    ("agt-lane", "principals = [\"lane\"]"),
    ("agt-nothing", "principals = [\"nowhere\"]"),
    // Its principal is the name of an account, which lets nobody in.
    ("agt-namesake", "principals = [\"NAMESAKE\"]"),
];

const LANE: &str = "printf '[%s]' \"$SSH_ORIGINAL_COMMAND\"; : \\ a,b é";

struct Fleet {
    desk: Desk,
    accounts: [Account; 3],
    servers: BTreeMap<&'static str, Sshd>,
    user: Key,
    certificates: BTreeMap<&'static str, PathBuf>,
}

fn render(desk: &Desk, host: &str, place: &Path) -> PathBuf {
    let out = desk.sandbox().join(host);
    let program = desk.program().args(["host", "render", host, "--out"]);
    let program = program.arg(&out).args(["--certificates-only", "--prefix"]);
    program.arg(place).run().check();
    out
}

impl Fleet {
    fn open() -> Option<Self> {
        if !skipped::require("logging in to rendered hosts", privileged()) {
            return None;
        }
        let desk = Desk::new();
        let accounts = [Account::new(), Account::new(), Account::new()];
        let [one, two, three] = [0, 1, 2].map(|at| accounts[at].name());
        for (actor, lines) in ACTORS {
            desk.set_actor(actor, &lines.replace("NAMESAKE", one));
        }
        let quoted = warden_tests::desk::quoted(LANE);
        let group = format!("[accounts.{one}]\nprincipals = [\"ops\"]\n");
        desk.sandbox()
            .write("inventory/groups/all.toml", group, 0o644);
        let first = format!(
            "{}groups = [\"all\"]\n[accounts.{one}]\nprincipals = [\"hub\"]\n\
             [accounts.{two}]\nprincipals = [\"shared\", \"backup\"]\n\
             [accounts.{two}.lanes]\nlane = {{ force_command = {quoted} }}\n[accounts.{three}]\n",
            names("hub-1")
        );
        let second = format!(
            "{}groups = [\"all\"]\n[accounts.{two}]\nprincipals = [\"backup\"]\n\
             [accounts.{three}]\nprincipals = [\"ops\", \"shared\"]\n",
            names("hub-2")
        );
        desk.set_host("hub-1", &first);
        desk.set_host("hub-2", &second);
        let start = |host| {
            let server = Sshd::builder().start_rendered(|place| render(&desk, host, place));
            (host, server)
        };
        let servers = HOSTS.map(start).into();
        let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
        let certify = |(actor, _)| (actor, desk.sign(actor, &user.public_path()));
        let certificates = ACTORS.map(certify).into();
        Some(Self {
            desk,
            accounts,
            servers,
            user,
            certificates,
        })
    }

    fn login(&self, certificate: &Path, host: &str, account: &str) -> Login {
        Login::new(account, self.servers[host].port())
            .identity(self.user.path())
            .certificate(certificate)
    }

    /// The cells that the inventory opens, with the command that is forced on each.
    fn open_cells(&self) -> BTreeMap<(String, String, String), Option<String>> {
        let fleet = InventoryPath::new(self.desk.inventory()).fleet().unwrap();
        let grants = Grants::of(fleet.inventory());
        let mut cells = BTreeMap::new();
        for host in fleet.hosts() {
            for grant in grants.on(host) {
                assert_eq!(grant.opening(UnixTime(0)), Opening::Open);
                let names = (
                    grant.actor.name().to_string(),
                    host.name().to_string(),
                    grant.account.to_string(),
                );
                let command = grant.command().map(|one| one.as_str().to_owned());
                cells.insert(names, command);
            }
        }
        cells
    }
}

#[test]
fn a_rendered_host_lets_in_exactly_whom_the_inventory_lets_in() {
    let Some(fleet) = Fleet::open() else { return };
    let cells = fleet.open_cells();
    let (mut admitted, mut kept_out) = (0, 0);
    for (actor, certificate) in &fleet.certificates {
        for host in HOSTS {
            for account in &fleet.accounts {
                let name = account.name();
                let login = fleet.login(certificate, host, name).command("id -un");
                let ran = login.run();
                let cell = (actor.to_string(), host.to_owned(), name.to_owned());
                match cells.get(&cell) {
                    None => {
                        assert_eq!(ran.code, Some(255), "{cell:?}: {ran}");
                        assert!(ran.stderr.contains("Permission denied"), "{cell:?}: {ran}");
                        kept_out += 1;
                    }
                    Some(command) => {
                        let expected = match command.as_deref() {
                            None => format!("{name}\n"),
                            Some(LANE) => "[id -un]".to_owned(),
                            Some(_) => "by certificate\n".to_owned(),
                        };
                        assert_eq!(ran.expect_success().stdout, expected, "{cell:?}");
                        admitted += 1;
                    }
                }
            }
        }
    }
    assert_eq!((admitted, kept_out), (cells.len(), 36 - cells.len()));
    assert_eq!(admitted, 9, "{cells:?}");

    // A CA that nobody trusts, with every principal there is.
    let stranger = Key::make(fleet.desk.sandbox().path(), "stranger", KeyType::Ed25519);
    let forged = Signing::new(&stranger, &fleet.user.public_line(), "adm-alice");
    let forged = ["ops", "hub", "shared", "backup", "lane"]
        .into_iter()
        .fold(forged, Signing::principal)
        .write(&fleet.desk.sandbox().join("forged-cert.pub"));
    for host in HOSTS {
        for account in &fleet.accounts {
            let mut ways = vec![fleet.login(&forged, host, account.name())];
            // A key without a certificate, also one that its account would take.
            ways.push(
                Login::new(account.name(), fleet.servers[host].port()).identity(fleet.user.path()),
            );
            for way in ways {
                assert_eq!(way.run().code, Some(255), "{host} {}", account.name());
            }
        }
    }
    // What is checked on the spot is what was rendered.
    for host in HOSTS {
        let directory = fleet.servers[host].directory();
        let program = fleet.desk.program().args(["host", "check", host, "--root"]);
        let program = program.arg(directory).arg("--prefix").arg(directory);
        let checked = program.arg("--certificates-only").run().expect_success();
        assert_eq!(
            checked.stdout,
            format!("{host} has what it should have\n"),
            "{checked}"
        );
        assert_eq!(checked.stderr, "");
    }
}

#[test]
fn a_lane_with_a_command_gives_nothing_beside_it() {
    let Some(fleet) = Fleet::open() else { return };
    let account = fleet.accounts[1].name();
    let certificate = fleet.certificates["agt-lane"].clone();
    let login = || fleet.login(&certificate, "hub-1", account);

    let asked = ["true", "id -un; echo \"a  b\" 'c,d'", "'; id; '"];
    for line in asked {
        let ran = login().command(line).run().expect_success();
        assert_eq!(ran.stdout, format!("[{line}]"));
    }
    assert_eq!(login().shell().run().expect_success().stdout, "[]");

    let terminal = login().args(["-tt"]).command("tty").run();
    assert!(
        terminal.stderr.contains("PTY allocation request failed"),
        "{terminal}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream.and_then(|mut stream| stream.write_all(b"through")));
        }
    });
    let forwarded = login().shell().args(["-W", &target]).run();
    assert!(
        forwarded.stderr.contains("administratively prohibited"),
        "{forwarded}"
    );
    assert!(!forwarded.stdout.contains("through"), "{forwarded}");
    let remote = login()
        .args([
            "-R",
            &format!("0:{target}"),
            "-o",
            "ExitOnForwardFailure=yes",
        ])
        .run();
    assert!(
        remote.stderr.contains("remote port forwarding failed"),
        "{remote}"
    );

    // The same certificate permits all of it where no lane takes it away.
    let account = fleet.accounts[0].name();
    fleet.desk.set_host(
        "hub-1",
        &format!(
            "{}[accounts.{account}]\nprincipals = [\"lane\"]\n",
            names("hub-1")
        ),
    );
    let server = &fleet.servers["hub-1"];
    server.install(&render(&fleet.desk, "hub-1", server.directory()));
    let free = || fleet.login(&certificate, "hub-1", account);
    let terminal = free().args(["-tt"]).command("tty").run();
    assert!(terminal.stdout.starts_with("/dev/pts/"), "{terminal}");
    assert_eq!(free().shell().args(["-W", &target]).run().stdout, "through");
}

#[test]
fn another_rendering_takes_effect_at_the_next_login() {
    let Some(fleet) = Fleet::open() else { return };
    let server = &fleet.servers["hub-2"];
    let [_, _, three] = &fleet.accounts;
    let try_it = || -> Outcome {
        let certificate = &fleet.certificates["agt-hub"];
        fleet.login(certificate, "hub-2", three.name()).run()
    };
    try_it().check();
    let text = format!(
        "{}[accounts.{}]\nprincipals = [\"ops\"]\n",
        names("hub-2"),
        three.name()
    );
    fleet.desk.set_host("hub-2", &text);
    server.install(&render(&fleet.desk, "hub-2", server.directory()));
    assert_eq!(try_it().code, Some(255));
    // The account that is gone from the inventory is gone from the rendering; on the host it is found.
    let directory = server.directory();
    let program = fleet
        .desk
        .program()
        .args(["host", "check", "hub-2", "--root"]);
    let program = program.arg(directory).arg("--prefix").arg(directory);
    let checked = program.arg("--certificates-only").run();
    assert_eq!(checked.code, Some(1), "{checked}");
    let extra = format!(
        "auth_principals/{}: the inventory names no account",
        fleet.accounts[1].name()
    );
    assert!(checked.stdout.contains(&extra), "{checked}");
    assert!(
        checked.stdout.contains("it lets in `backup` (extra)"),
        "{checked}"
    );
}
