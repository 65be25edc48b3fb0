//! What must not be found in any output or file.

use crate::setup::{ACTOR, Setup};
use warden_tests::keygen::{Key, KeyType};

const PASSPHRASE: &str = "correct horse battery";

#[test]
fn no_failure_shows_a_key_or_a_passphrase() {
    let setup = Setup::new();
    for file in ["ca/ca_key", "ca/ca_key.pub"] {
        std::fs::remove_file(setup.join(file)).unwrap();
    }
    let ca = Key::make_encrypted(
        &setup.join("ca"),
        "ca_key",
        KeyType::Ed25519,
        PASSPHRASE,
        None,
    );
    let user = std::fs::read_to_string(setup.join(format!("keys/{ACTOR}"))).unwrap();
    let encrypted = std::fs::read_to_string(ca.path()).unwrap();
    let mut config = std::fs::read_to_string(setup.config()).unwrap();
    config += "ca_passphrase_file = \"ca/pass\"\n";
    std::fs::write(setup.config(), &config).unwrap();
    setup.sandbox.write("q/ca/pass", PASSPHRASE, 0o600);

    let mut said = String::new();
    let mut run = |script: &str| {
        let outcome = setup
            .script(&format!("RUST_BACKTRACE=full RUST_LOG=trace {script}"))
            .run();
        said += &format!("{}\n{}\n", outcome.stdout, outcome.stderr);
        outcome.code
    };
    assert_eq!(run("$SIGN"), Some(0));
    for failing in [
        "$SIGN --ttl 999",
        "$SIGN --ttl x",
        "$SIGN --json >&-",
        "$SIGN >/dev/full",
        "chmod 644 q/ca/ca_key; $SIGN; $W ca check; $W ca show --json; chmod 600 q/ca/ca_key; false",
        "chmod 644 q/ca/pass; $SIGN; $W ca check; chmod 600 q/ca/pass; false",
        "printf 'correct horse batterx' >q/ca/pass; $SIGN; $W ca check --json; printf 'correct horse battery' >q/ca/pass; false",
        "truncate -s -60 q/ca/ca_key; $SIGN; $W ca check; $W ca show; false",
        "$W sign agt-demo-agent --pubkey q/keys/agt-demo-agent",
        "$W sign agt-demo-agent --pubkey q/ca/ca_key --json",
        "$W show q/ca/ca_key",
        "$W show q/keys/agt-demo-agent --json",
        "$W ca init",
        "${W%% *} --config q/ca/ca_key inventory list",
        "${W%% *} quickstart q",
        "cp q/keys/agt-demo-agent q/inventory/agt/agt-demo-agent.toml; $SIGN; $W inventory check; false",
        "cp q/keys/agt-demo-agent $S/agt-demo-agent-cert.pub; $SIGN; rm $S/agt-demo-agent-cert.pub; false",
        "cp q/keys/agt-demo-agent $S/journal.jsonl; $W audit verify; $SIGN; false",
    ] {
        assert_ne!(run(failing), Some(0), "{failing}");
    }
    let state = setup
        .files()
        .into_iter()
        .filter(|(path, _)| path.starts_with(setup.state()))
        .map(|(_, text)| text);
    let everything = said + &state.collect::<String>();
    assert!(!everything.contains(PASSPHRASE));
    for line in user
        .lines()
        .chain(encrypted.lines())
        .filter(|line| !line.starts_with("-----"))
    {
        // The first line of every file is the same: magic, cipher, and no secret.
        assert!(
            !everything.contains(line) || line.starts_with("b3BlbnNzaC1rZXktdjE"),
            "{line}"
        );
    }
    assert!(!everything.contains("stack backtrace"));
}
