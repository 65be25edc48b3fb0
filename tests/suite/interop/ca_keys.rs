//! CA keys that OpenSSH makes always load, the rare ones too.

use super::key_file::{Curve, ecdsa, ecdsa_padded};
use sha2::{Digest, Sha512};
use std::path::Path;
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, list, ssh_keygen};

/// A desk with an actor, and a key to certify.
fn desk() -> (Desk, Key) {
    let desk = Desk::without_ca();
    desk.set_actor("agt-visitor", "principals = [\"deploy\"]");
    let user = Key::make(desk.sandbox().path(), "user", KeyType::Ed25519);
    (desk, user)
}

/// Expects the CA key to be found good and to sign, and the signature to be good for OpenSSH: the
/// listing verifies it.
#[track_caller]
fn expect_signs(desk: &Desk, user: &Key, what: &str) -> String {
    let checked = desk.warden(["ca", "check"]);
    assert!(checked.succeeded(), "{what}: {checked}");
    let listed = list(&desk.sign("agt-visitor", &user.public_path()));
    let key = desk.ca_key();
    let args = ["-l".as_ref(), "-f".as_ref(), key.as_os_str()];
    let ca = ssh_keygen(args).expect_success().stdout;
    let ca = ca.split(' ').nth(1).unwrap();
    assert!(listed.contains(&format!("{ca} (using")), "{what}: {listed}");
    listed
}

/// A private scalar with so many zero bytes in front, and then this byte.
fn scalar(curve: Curve, zeros: usize, first: u8) -> Vec<u8> {
    let mut bytes = vec![0; zeros];
    bytes.push(first);
    let seed = format!("{curve:?} {zeros} {first}");
    bytes.extend(Sha512::digest(&seed));
    bytes.extend(Sha512::digest(format!("{seed} more")));
    bytes.truncate(curve.scalar_bytes());
    bytes
}

/// Whether OpenSSH loads a private key file.
fn openssh_loads(path: &Path) -> bool {
    ssh_keygen(["-y".as_ref(), "-f".as_ref(), path.as_os_str()]).succeeded()
}

#[test]
fn ecdsa_ca_keys_with_short_scalars_sign() {
    let (desk, user) = desk();
    for curve in Curve::ALL {
        // A first byte of 0x80 and more makes the number longer again by a zero.
        for (zeros, first) in [
            (0, 0x01),
            (1, 0x01),
            (1, 0x7f),
            (1, 0x80),
            (1, 0xff),
            (2, 0x5a),
            (2, 0xc3),
            (3, 0x01),
            (8, 0xfe),
        ] {
            let what = format!("{curve:?}, {zeros} zeros and then {first:#04x}");
            desk.use_ca_file(ecdsa(curve, &scalar(curve, zeros, first)));
            assert!(
                openssh_loads(&desk.ca_key()),
                "{what}: OpenSSH does not load it"
            );
            expect_signs(&desk, &user, &what);
        }
    }
}

#[test]
fn ecdsa_ca_keys_with_zeros_before_the_scalar_sign() {
    let (desk, user) = desk();
    for curve in Curve::ALL {
        for zeros in 0..3 {
            let what = format!("{curve:?}, {zeros} zeros and then one more");
            desk.use_ca_file(ecdsa_padded(curve, &scalar(curve, zeros, 0x01)));
            assert!(
                openssh_loads(&desk.ca_key()),
                "{what}: OpenSSH does not load it"
            );
            expect_signs(&desk, &user, &what);
        }
    }
}

#[test]
fn ecdsa_ca_keys_with_scalars_too_short_for_openssh_are_refused() {
    let (desk, user) = desk();
    for curve in Curve::ALL {
        // OpenSSH wants more than half as many bits as the curve has: 129, 193 and 261.
        let (length, first) = match curve {
            Curve::P256 | Curve::P384 => (curve.scalar_bytes() / 2 + 1, 0x01),
            Curve::P521 => (33, 0x10),
        };
        let zeros = curve.scalar_bytes() - length;
        let long_enough = scalar(curve, zeros, first);
        desk.use_ca_file(ecdsa(curve, &long_enough));
        assert!(openssh_loads(&desk.ca_key()), "{curve:?}");
        expect_signs(&desk, &user, &format!("{curve:?}, just long enough"));

        let too_short = scalar(curve, zeros, first >> 1);
        let mut one = vec![0; curve.scalar_bytes() - 1];
        one.push(1);
        for refused in [too_short, one] {
            desk.use_ca_file(ecdsa(curve, &refused));
            assert!(!openssh_loads(&desk.ca_key()), "{curve:?}");
            let checked = desk.warden(["ca", "check"]);
            assert_eq!(checked.code, Some(1), "{curve:?}: {checked}");
            let told = checked.stderr.contains("(ca_key_damaged)");
            assert!(told, "{curve:?}: {checked}");
        }
    }
}

#[test]
fn every_p_521_ca_key_of_wardens_signs() {
    let (desk, user) = desk();
    for index in 0..20 {
        desk.make_ca("ecdsa-p521");
        assert!(openssh_loads(&desk.ca_key()));
        expect_signs(&desk, &user, &format!("key {index}"));
    }
}

#[test]
fn every_p_521_ca_key_of_ssh_keygens_signs() {
    let (desk, user) = desk();
    for index in 0..20 {
        let name = format!("ca-{index}");
        let ca = Key::make(desk.sandbox().path(), &name, KeyType::Ecdsa(521));
        desk.use_ca(&ca);
        let file = std::fs::read_to_string(ca.path()).unwrap();
        expect_signs(&desk, &user, &format!("a throwaway key:\n{file}"));
    }
}

#[test]
fn an_rsa_ca_signs_with_rsa_sha2_512() {
    let (desk, user) = desk();
    let ca = Key::make(desk.sandbox().path(), "ca-key", KeyType::Rsa(3072));
    desk.use_ca(&ca);
    let listed = expect_signs(&desk, &user, "RSA");
    assert!(listed.contains("(using rsa-sha2-512)"), "{listed}");
}

#[test]
fn a_ca_key_signs_under_every_cipher_and_type() {
    let (desk, user) = desk();
    desk.set_passphrase("secret");
    let ciphers = [
        "3des-cbc",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ];
    for (index, key_type) in KeyType::ALL.into_iter().enumerate() {
        let name = format!("ca-{index}");
        let ca = Key::make(desk.sandbox().path(), &name, key_type);
        let mut passphrase = "";
        for cipher in ciphers {
            let args = ["-q", "-p", "-a", "1", "-Z", cipher, "-P", passphrase];
            let args = args.map(std::ffi::OsStr::new).into_iter();
            let file = ["-N", "secret", "-f"].map(std::ffi::OsStr::new);
            let file = file.into_iter().chain([ca.path().as_os_str()]);
            ssh_keygen(args.chain(file)).check();
            passphrase = "secret";
            desk.use_ca(&ca);
            let listed = desk.sign("agt-visitor", &user.public_path());
            assert!(
                list(&listed).contains("agt-visitor"),
                "{key_type:?}, {cipher}"
            );
        }
    }
}
