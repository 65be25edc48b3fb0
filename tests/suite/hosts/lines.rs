//! Lines of a principals file: what ours means to sshd, and that theirs mean to us what they mean to
//! sshd.

use warden_core::certificate::{ForceCommand, Principal};
use warden_core::host::principals::{line, read_line};
use warden_tests::account::{Account, privileged};
use warden_tests::keygen::{Key, KeyType, Signing};
use warden_tests::process::Outcome;
use warden_tests::sandbox::Sandbox;
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::Sshd;

/// A server with one account, and a certificate with principal `deploy` and every extension.
struct Door {
    sandbox: Sandbox,
    account: Account,
    sshd: Sshd,
    user: Key,
}

impl Door {
    fn open() -> Option<Self> {
        if !skipped::require("lines of a principals file", privileged()) {
            return None;
        }
        let sandbox = Sandbox::new();
        let make = |name| Key::make(sandbox.path(), name, KeyType::Ed25519);
        let (ca, user, account) = (make("ca"), make("user"), Account::new());
        let signing = Signing::new(&ca, &user.public_line(), "agt-lines").principal("deploy");
        signing.write(&sandbox.join("cert.pub"));
        let sshd = Sshd::builder()
            .trust(&ca.public_line())
            .principals(account.name(), &["deploy"])
            .start();
        Some(Self {
            sandbox,
            account,
            sshd,
            user,
        })
    }

    fn login(&self, line: &str) -> Login {
        self.sshd.set_principals(self.account.name(), &[line]);
        Login::new(self.account.name(), self.sshd.port())
            .identity(self.user.path())
            .certificate(&self.sandbox.join("cert.pub"))
    }

    fn try_line(&self, line: &str) -> Outcome {
        self.login(line).command("echo free").run()
    }
}

/// Shows the words the account's shell was started with, byte for byte, with a NUL after each.
const SHOW_WORDS: &str = "cat /proc/$$/cmdline";

#[test]
fn a_written_command_reaches_the_shell_byte_for_byte() {
    let Some(door) = Door::open() else { return };
    let tails = [
        "",
        "; : 'single' \"double\" \\\" \\\\ `true` $HOME",
        "; : \\\\\\\"\\ \"\"",
        "; : a,b,,c ,",
        "; : é ✓ 日本 \u{1f511}",
        "; : two  blanks '{ }' [ ] * ? ! ~ & true",
        "; : =value command=\"id\",no-pty restrict deploy",
        ";  : ends in a blank ",
    ];
    for tail in tails {
        let command = format!("{SHOW_WORDS}{tail}");
        let forced = ForceCommand::new(&command).unwrap();
        let written = line(&Principal::new("deploy").unwrap(), Some(&forced)).unwrap();
        let ran = door.try_line(&written).expect_success();
        let words: Vec<_> = ran.stdout.split('\0').collect();
        assert_eq!(
            words.get(1..3),
            Some(&["-c", command.as_str()][..]),
            "{written}: {ran}"
        );
    }
}

#[test]
fn lines_of_others_mean_to_us_what_they_mean_to_sshd() {
    let Some(door) = Door::open() else { return };
    let lines = [
        // Somebody gets in.
        "deploy",
        "  deploy",
        "\tdeploy # with a comment",
        "deploy#and one without a blank",
        "restrict deploy",
        "restrict what ever deploy",
        "restrict, deploy",
        ",restrict,,pty deploy",
        "RESTRICT,Command=\"echo forced\" deploy",
        "command=\"echo forced\",pty deploy",
        "command=\"echo \\\"a b\\\" \\c\" deploy",
        "restrict,command=\"echo 'a,b'\",no-touch-required deploy",
        "pty\tdeploy",
        "environment=\"A=b\" deploy",
        // Nobody does.
        "Deploy",
        "deploy,other",
        "deploy other",
        "# deploy",
        "nonsense deploy",
        "restrictx deploy",
        "no-restrict deploy",
        "command=echo deploy",
        "command=\"echo # deploy\" deploy",
        "command=\"echo deploy",
        "command=\"echo a\",command=\"echo b\" deploy",
        "environment=\"A\" deploy",
        "cert-authority deploy",
        "restrict a\tdeploy",
    ];
    let mut admitted = 0;
    for line in lines {
        let ran = door.try_line(line);
        let ours = match read_line(line.as_bytes()) {
            Some(Ok(read)) if read.principal == b"deploy" && !read.options.cert_authority => {
                Some(read.options)
            }
            _ => None,
        };
        let Some(options) = ours else {
            assert_eq!(ran.code, Some(255), "{line:?}: {ran}");
            continue;
        };
        admitted += 1;
        let command = options.command.unwrap_or(b"echo free".to_vec());
        let expected = match String::from_utf8(command).unwrap().as_str() {
            "echo free" => "free\n",
            "echo forced" => "forced\n",
            "echo 'a,b'" => "a,b\n",
            "echo \"a b\" \\c" => "a b c\n",
            other => panic!("{line:?} was read as {other:?}"),
        };
        assert_eq!(ran.expect_success().stdout, expected, "{line:?}");
        let terminal = door.login(line).args(["-tt"]).command("true").run();
        let given = !terminal.stderr.contains("PTY allocation request failed");
        assert_eq!(given, options.permits.pty, "{line:?}: {terminal}");
    }
    assert_eq!(admitted, 14);
    // Lines as on Windows, and one after a NUL.
    for raw in ["deploy\\r\\n", "\\000deploy\\n"] {
        let login = door.login("");
        let name = door.account.name();
        door.sshd
            .meddle(&format!("printf '{raw}' >principals/{name}"));
        assert_eq!(login.run().code, Some(255), "{raw}");
    }
    for raw in [&b"deploy\r"[..], b"\0deploy"] {
        let ours = read_line(raw).map(|read| read.unwrap().principal);
        assert_ne!(ours.as_deref(), Some(&b"deploy"[..]));
    }
}
