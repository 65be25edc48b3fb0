//! An RSA CA's signatures: SHA-2 of either length is taken, SHA-1 never.

use crate::forger::{Forger, Forgery, ca, refusal};
use crate::wire::signature;
use ::rsa::Pkcs1v15Sign;
use signature::Signer;
use ssh_key::private::RsaKeypair;
use ssh_key::{HashAlg, Signature};
use std::sync::OnceLock;

/// The DER prefix of a SHA-1 digest, RFC 8017 section 9.2 note 1.
const SHA1_PREFIX: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

fn pair() -> &'static RsaKeypair {
    static PAIR: OnceLock<RsaKeypair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let mut random = ssh_key::rand_core::UnwrapErr(ssh_key::getrandom::SysRng);
        RsaKeypair::random(&mut random, 2048).unwrap()
    })
}

fn sha2(message: &[u8], hash: HashAlg) -> Vec<u8> {
    let signature: Signature = (pair(), Some(hash)).try_sign(message).unwrap();
    signature.as_bytes().to_vec()
}

/// A sound SHA-1 signature, as OpenSSH before 8.2 would make it.
fn sha1_signature(message: &[u8]) -> Vec<u8> {
    let padding = Pkcs1v15Sign {
        hash_len: Some(20),
        prefix: SHA1_PREFIX.into(),
    };
    let key = ::rsa::RsaPrivateKey::try_from(pair()).unwrap();
    key.sign(padding, &sha1(message)).unwrap()
}

/// FIPS 180-4. No crate here has it, and none shall.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded.chunks(64) {
        let mut words: Vec<u32> = block
            .chunks(4)
            .map(|four| u32::from_be_bytes(four.try_into().unwrap()))
            .collect();
        for at in 16..80 {
            let mixed = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
            words.push(mixed.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (f, k) = match at {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
            let next = next.wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.try_into().unwrap()
}

fn answered(sign: fn(&[u8]) -> Vec<u8>) -> Option<&'static str> {
    let public = ssh_key::PublicKey::from(ssh_key::public::KeyData::Rsa(pair().public().clone()));
    let blob = public.to_bytes().unwrap();
    let trusted = ca(&blob);
    let mut forger = Forger::new(move |f: &mut Forgery| {
        f.wire.ca_key = blob.clone();
        f.sign = sign;
    });
    forger.trusted = trusted;
    refusal(&forger)
}

#[test]
fn rsa_with_sha2_is_taken_under_its_own_name_only() {
    let wrong = Some("signature_mismatch");

    assert_eq!(
        answered(|m| signature("rsa-sha2-512", &sha2(m, HashAlg::Sha512))),
        None
    );
    assert_eq!(
        answered(|m| signature("rsa-sha2-256", &sha2(m, HashAlg::Sha256))),
        None
    );
    assert_eq!(
        answered(|m| signature("rsa-sha2-256", &sha2(m, HashAlg::Sha512))),
        wrong
    );
    assert_eq!(
        answered(|m| signature("rsa-sha2-512", &sha2(m, HashAlg::Sha256))),
        wrong
    );
}

#[test]
fn rsa_with_sha1_is_refused_even_if_it_is_sound() {
    let abc = sha1(b"abc");
    assert_eq!(abc[..4], [0xa9, 0x99, 0x3e, 0x36]);
    let wrong = Some("signature_mismatch");
    assert_eq!(
        answered(|m| signature("ssh-rsa", &sha1_signature(m))),
        wrong
    );
    assert_eq!(
        answered(|m| signature("rsa-sha2-512", &sha1_signature(m))),
        wrong
    );
    assert_eq!(
        answered(|m| signature("ssh-rsa", &sha2(m, HashAlg::Sha512))),
        wrong
    );
}
