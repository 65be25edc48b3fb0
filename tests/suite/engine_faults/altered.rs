//! Certificates that are not what was authorized: each difference has its own reason, and nothing
//! is delivered.

use crate::remote::Remote;
use crate::setup::ACTOR;
use ed25519_dalek::SigningKey;
use warden_tests::keygen::{Key, KeyType, Signing};
use warden_tests::stand_in::{
    Fields, Forgery, ed25519_signature, flag, public_blob, string, valued,
};

type Alteration = fn(&mut Fields);
type OfLine = fn(String) -> String;

/// Each: what was done to the fields, the reason, and a setting that the hint names, if any.
const FIELDS: [(Alteration, &str, &str); 29] = [
    (
        |f| f.key_fields = string(&[9; 32]),
        "public_key_mismatch",
        "",
    ),
    (
        |f| f.cert_type = 2,
        "cert_type_mismatch",
        "allow_host_certificates",
    ),
    (
        |f| f.key_id = b"agt-other-agent".to_vec(),
        "key_id_mismatch",
        "allow_user_key_ids",
    ),
    (
        |f| f.key_id = b"vault-token-0a1b2c".to_vec(),
        "key_id_mismatch",
        "vault.key_id",
    ),
    (
        |f| f.key_id.push(0),
        "key_id_mismatch",
        "allow_user_key_ids",
    ),
    (
        |f| f.key_id.clear(),
        "key_id_mismatch",
        "allow_user_key_ids",
    ),
    (
        |f| f.principals.push(b"root".to_vec()),
        "principals_mismatch",
        "allowed_users",
    ),
    (
        |f| f.principals.push(b"".to_vec()),
        "principals_mismatch",
        "default_user",
    ),
    (
        |f| f.principals.push(b"hub-a".to_vec()),
        "principals_mismatch",
        "",
    ),
    (
        |f| f.principals.truncate(1),
        "principals_mismatch",
        "allowed_users",
    ),
    (
        |f| f.principals.clear(),
        "principals_mismatch",
        "allowed_users",
    ),
    (
        |f| f.principals = vec![b"hub-a,hub-b".to_vec()],
        "principals_mismatch",
        "",
    ),
    (
        |f| f.principals[0] = b"HUB-A".to_vec(),
        "principals_mismatch",
        "",
    ),
    (
        |f| f.valid_before += 3600,
        "valid_before_mismatch",
        "max_ttl",
    ),
    (
        |f| f.valid_before += 45,
        "valid_before_mismatch",
        "vault.clock_skew",
    ),
    (|f| f.valid_before -= 45, "valid_before_mismatch", "max_ttl"),
    (
        |f| f.valid_before = u64::MAX,
        "valid_before_mismatch",
        "max_ttl",
    ),
    (
        |f| f.valid_after = 0,
        "valid_after_mismatch",
        "not_before_duration",
    ),
    (
        |f| f.valid_after += 120,
        "valid_after_mismatch",
        "not_before_duration",
    ),
    (
        |f| f.valid_after -= 600,
        "valid_after_mismatch",
        "vault.clock_skew",
    ),
    (
        |f| f.critical_options.clear(),
        "critical_options_mismatch",
        "allowed_critical_options",
    ),
    (
        |f| f.critical_options = vec![valued("force-command", "/bin/sh")],
        "critical_options_mismatch",
        "default_critical_options",
    ),
    (
        |f| f.critical_options = vec![valued("force-command", "/usr/bin/true\0")],
        "critical_options_mismatch",
        "",
    ),
    (
        |f| {
            f.critical_options
                .push(valued("source-address", "0.0.0.0/0"))
        },
        "critical_options_mismatch",
        "",
    ),
    (
        |f| f.extensions.insert(0, flag("permit-agent-forwarding")),
        "extensions_mismatch",
        "default_extensions",
    ),
    (
        |f| f.extensions.push(flag("permit-x@example.com")),
        "extensions_mismatch",
        "allowed_extensions",
    ),
    (
        |f| f.extensions.truncate(1),
        "extensions_mismatch",
        "allowed_extensions",
    ),
    (
        |f| f.extensions[1].1 = string(b"yes"),
        "extensions_mismatch",
        "",
    ),
    (|f| f.serial = 0, "serial_mismatch", ""),
];

#[test]
fn a_field_that_differs_is_refused_for_its_own_reason() {
    let remote = Remote::new();
    for (at, (alteration, reason, setting)) in FIELDS.into_iter().enumerate() {
        remote.bao.alter(move |forgery| {
            // What stands beside the certificate stays as it would have been.
            forgery.serial_number = Some(format!("{:x}", forgery.fields.serial));
            alteration(&mut forgery.fields);
        });
        let outcome = remote.fails_after(1, 4, reason);
        assert!(outcome.stderr.contains(setting), "{at}: {outcome}");
        if !setting.is_empty() {
            let role = "hint: role ssh/roles/agt-role: ";
            assert!(outcome.stderr.contains(role), "{at}: {outcome}");
        }
    }
    remote.bao.heal();
    remote.signs();
}

#[test]
fn a_certificate_by_another_ca_is_refused() {
    let remote = Remote::new();
    let other = SigningKey::from_bytes(&[101; 32]);
    for claims in [true, false] {
        let other = other.clone();
        remote.bao.alter(move |forgery: &mut Forgery| {
            let (signer, blob) = (other.clone(), public_blob(&other));
            if claims {
                forgery.fields.ca_key = blob;
            }
            forgery.sign = Box::new(move |message| ed25519_signature(&signer, message));
        });
        let reason = if claims {
            "ca_mismatch"
        } else {
            "signature_mismatch"
        };
        let outcome = remote.fails_after(1, 4, reason);
        let setting = if claims {
            "issuer_ref"
        } else {
            "algorithm_signer"
        };
        assert!(outcome.stderr.contains(setting), "{outcome}");
    }
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let remote = Remote::new();
    remote.bao.alter(|forgery| {
        forgery.sign = Box::new(|_| [string(b"ssh-ed25519"), string(&[1; 64])].concat());
    });
    remote.fails_after(1, 4, "signature_mismatch");
    remote.bao.alter(|forgery| {
        let ca = SigningKey::from_bytes(&[100; 32]);
        forgery.sign = Box::new(move |message| {
            let mut altered = message.to_vec();
            altered[60] ^= 1;
            ed25519_signature(&ca, &altered)
        });
    });
    remote.fails_after(1, 4, "signature_mismatch");
}

#[test]
fn a_certificate_that_signs_certificates_is_refused() {
    let remote = Remote::new();
    remote.bao.alter(|forgery| {
        let inner = forgery.fields.ca_key.clone();
        let label = string(b"ssh-ed25519-cert-v01@openssh.com");
        forgery.fields.ca_key = [label, inner].concat();
    });
    remote.fails_after(1, 4, "answer_not_a_certificate");
}

#[test]
fn an_rsa_ca_that_signs_with_sha_1_is_refused() {
    let remote = Remote::new();
    let ca = Key::make(remote.setup.sandbox.path(), "rsa-ca", KeyType::Rsa(3072));
    let pin = warden_tests::keygen::fingerprint(&ca.public_path());
    let config = std::fs::read_to_string(remote.setup.config()).unwrap();
    let own = remote.bao.engine(|engine| engine.ca_fingerprint());
    std::fs::write(remote.setup.config(), config.replace(&own, &pin)).unwrap();
    for (algorithm, accepted) in [
        ("ssh-rsa", false),
        ("rsa-sha2-256", true),
        ("rsa-sha2-512", true),
    ] {
        let user = std::fs::read_to_string(remote.setup.key()).unwrap();
        let signing = Signing::new(&ca, &user, ACTOR)
            .principal("hub-a")
            .principal("hub-b")
            .validity("-30s:+1h")
            .serial(7)
            .args(&[
                "-t",
                algorithm,
                "-O",
                "clear",
                "-O",
                "force-command=/usr/bin/true",
            ])
            .args(&["-O", "permit-port-forwarding", "-O", "permit-pty"]);
        let made = signing.write(&remote.setup.sandbox.join("rsa-cert.pub"));
        let line = std::fs::read_to_string(made).unwrap();
        // ssh-keygen puts the key's comment at the end, and the engine puts nothing there.
        let line = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        remote.bao.alter(move |forgery| {
            let line = line.trim_end().to_owned();
            forgery.line = Box::new(move |_| format!("{line}\n"));
            forgery.serial_number = Some("7".to_owned());
        });
        if accepted {
            remote.setup.sign().check();
        } else {
            let outcome = remote.fails_after(1, 4, "signature_mismatch");
            assert!(
                outcome
                    .stderr
                    .contains("algorithm_signer must not be ssh-rsa"),
                "{outcome}"
            );
        }
    }
}

#[test]
fn whatever_stands_beside_the_one_certificate_is_refused() {
    let remote = Remote::new();
    let lines: [(OfLine, &str); 9] = [
        (|line| format!("{line}{line}"), "answer_not_a_certificate"),
        (|line| format!("{line}\n"), "answer_not_a_certificate"),
        (|line| format!("\n{line}"), "answer_not_a_certificate"),
        (
            |line| line.replace('\n', "\r\n"),
            "answer_not_a_certificate",
        ),
        (
            |line| format!("restrict {line}"),
            "answer_not_a_certificate",
        ),
        (
            |line| line.replace('\n', " comment\n"),
            "answer_trailing_bytes",
        ),
        (
            |line| line.replace('\n', "\0\n"),
            "answer_not_a_certificate",
        ),
        (
            |line| line.replace('\n', "AAAA\n"),
            "answer_not_a_certificate",
        ),
        (|_| String::new(), "answer_not_a_certificate"),
    ];
    for (at, (alteration, reason)) in lines.into_iter().enumerate() {
        remote
            .bao
            .alter(move |forgery| forgery.line = Box::new(alteration));
        let outcome = remote.fails_after(1, 4, reason);
        assert!(
            outcome.stderr.contains("nothing was issued"),
            "{at}: {outcome}"
        );
    }
    // Not a certificate at all: the key that was sent.
    remote.bao.alter(|forgery| {
        let key = forgery.public_key.clone();
        forgery.line = Box::new(move |_| format!("{key}\n"));
    });
    remote.fails_after(1, 4, "answer_not_a_certificate");
}

#[test]
fn a_serial_that_contradicts_the_certificate_is_refused() {
    let remote = Remote::new();
    for serial in [
        "1",
        "fedcba9876543210",
        "ffffffffffffffff",
        "18364758544493064720",
    ] {
        let other = serial.to_owned();
        remote
            .bao
            .alter(move |forgery| forgery.serial_number = Some(other.clone()));
        let reason = match serial.len() {
            ..=16 => "serial_mismatch",
            _ => "backend_answer_not_understood",
        };
        remote.fails_after(1, 4, reason);
    }
    // In capitals and without leading zeros it is the same number.
    remote.bao.alter(|forgery| {
        forgery.fields.serial = 0xabc;
        forgery.serial_number = Some("ABC".to_owned());
    });
    remote.signs();
    let record = remote.setup.records().pop().unwrap();
    assert_eq!(record["serial"], "2748");
}

#[test]
fn what_a_role_adds_or_drops_by_itself_is_refused() {
    let remote = Remote::new();
    let with = |key: &str, value: serde_json::Value| {
        remote.bao.engine(|engine| {
            let mut role = crate::remote::sound_role();
            role[key] = value;
            engine.roles.insert("agt-role".to_owned(), role);
        });
    };
    let actor = "type = \"agt\"\nprincipals = [\"hub-a\"]\nttl = \"1h\"\nextensions = []\n";
    std::fs::write(remote.setup.actor_file(), actor).unwrap();
    remote.signs();
    with("default_extensions", serde_json::json!({"permit-pty": ""}));
    let outcome = remote.fails(4, "extensions_mismatch");
    assert!(
        outcome.stderr.contains("default_extensions must be empty"),
        "{outcome}"
    );
    with(
        "default_critical_options",
        serde_json::json!({"force-command": "/bin/sh"}),
    );
    let outcome = remote.fails(4, "critical_options_mismatch");
    assert!(
        outcome
            .stderr
            .contains("default_critical_options must be empty"),
        "{outcome}"
    );
    with("not_before_duration", serde_json::json!(3600));
    let outcome = remote.fails(4, "valid_after_mismatch");
    assert!(outcome.stderr.contains("not_before_duration"), "{outcome}");
    for (key, value, said) in [
        (
            "max_ttl",
            serde_json::json!(60),
            "ttl is larger than maximum allowed 60",
        ),
        (
            "allow_user_key_ids",
            serde_json::json!(false),
            "setting key_id is not allowed by role",
        ),
        (
            "allowed_users",
            serde_json::json!("hub-b"),
            "hub-a is not a valid value for valid_principals",
        ),
        (
            "allow_user_certificates",
            serde_json::json!(false),
            "is not allowed by role",
        ),
    ] {
        with(key, value);
        let outcome = remote.fails(3, "backend_refused");
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
}
