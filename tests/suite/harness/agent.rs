//! The software security keys, asked by the OpenSSH tools and by hand.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use warden_tests::keygen::{Key, KeyType, Signing, read_line};
use warden_tests::sandbox::Sandbox;
use warden_tests::sk_agent::{SkAgent, SkKind};

#[test]
fn ssh_add_lists_the_keys_and_the_offered_certificates() {
    let sandbox = Sandbox::new();
    let agent = SkAgent::start();
    let ca = Key::make(sandbox.path(), "ca", KeyType::Ed25519);
    let listed = || {
        let ssh_add = sandbox.program("ssh-add").arg("-L");
        ssh_add
            .env("SSH_AUTH_SOCK", agent.socket())
            .run()
            .expect_success()
            .stdout
    };
    for kind in SkKind::ALL {
        assert!(listed().contains(&agent.public_line(kind)));
        let signing = Signing::new(&ca, &agent.public_line(kind), "somebody");
        let certificate = read_line(&signing.write(&sandbox.join("certificate")));
        let blob = certificate.split(' ').nth(1).unwrap();
        assert!(!listed().contains(blob));
        agent.offer_certificate(&certificate);
        assert!(listed().contains(blob));
    }
    agent.withdraw_certificates();
    assert_eq!(listed().lines().count(), 2);
}

#[test]
fn ssh_keygen_verifies_what_the_agent_signs() {
    let sandbox = Sandbox::new();
    let agent = SkAgent::start();
    for kind in SkKind::ALL {
        let public = sandbox.join("sk.pub");
        agent.write_public(kind, &public);
        let signers = format!("somebody {}\n", agent.public_line(kind));
        sandbox.write("signers", signers, 0o600);
        let signature = sandbox
            .program("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "test", "-f", "sk.pub"])
            .env("SSH_AUTH_SOCK", agent.socket())
            .stdin("a message")
            .run()
            .expect_success();
        sandbox.write("signature", &signature.stdout, 0o600);
        let verify = |message: &str| {
            sandbox
                .program("ssh-keygen")
                .args(["-q", "-Y", "verify", "-n", "test", "-I", "somebody"])
                .args(["-f", "signers", "-s", "signature"])
                .stdin(message)
                .run()
        };
        verify("a message").check();
        assert!(!verify("another message").succeeded());
    }
    assert_eq!(agent.signatures(), 2);
}

/// Sends one message and reads the type of the answer, if there is one.
fn ask(agent: &SkAgent, length: u32, message: &[u8]) -> Option<u8> {
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(message).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok().map(|()| answer[4])
}

#[test]
fn the_agent_refuses_what_it_does_not_hold_or_understand() {
    const FAILURE: Option<u8> = Some(5);
    let agent = SkAgent::start();
    // An extension, a key nobody made, and a request that ends too early.
    assert_eq!(ask(&agent, 1, &[27]), FAILURE);
    let unknown = [13, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ask(&agent, 14, &unknown), FAILURE);
    assert_eq!(ask(&agent, 3, &[13, 0, 0]), FAILURE);
    // Messages that are none, or too long, end the connection.
    assert_eq!(ask(&agent, 0, &[]), None);
    assert_eq!(ask(&agent, 256 * 1024 + 1, &[]), None);
    assert_eq!(agent.signatures(), 0);
}

#[test]
fn a_dropped_agent_hangs_up() {
    let agent = SkAgent::start();
    let socket = agent.socket();
    let mut stream = UnixStream::connect(&socket).unwrap();
    // One exchange, so that the connection is known to be accepted.
    stream.write_all(&[0, 0, 0, 1, 11]).unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    drop(agent);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(UnixStream::connect(&socket).is_err());
}
