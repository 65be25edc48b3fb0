//! Every type of user key that OpenSSH certifies without a token.

use super::site::Site;
use warden_tests::keygen::{Key, KeyType, list};

#[test]
fn every_type_of_user_key_logs_in() {
    let Some(mut site) = Site::open() else { return };
    let types = [
        (KeyType::Ed25519, "ssh-ed25519", "ED25519-CERT"),
        (KeyType::Ecdsa(256), "ecdsa-sha2-nistp256", "ECDSA-CERT"),
        (KeyType::Ecdsa(384), "ecdsa-sha2-nistp384", "ECDSA-CERT"),
        (KeyType::Ecdsa(521), "ecdsa-sha2-nistp521", "ECDSA-CERT"),
        (KeyType::Rsa(2048), "ssh-rsa", "RSA-CERT"),
        (KeyType::Rsa(3072), "ssh-rsa", "RSA-CERT"),
        (KeyType::Rsa(4096), "ssh-rsa", "RSA-CERT"),
    ];
    for (index, (key_type, name, short)) in types.into_iter().enumerate() {
        let file = format!("user-{index}");
        site.user = Key::make(site.desk.sandbox().path(), &file, key_type);
        let certificate = site.certify();
        let listed = list(&certificate);
        let line = format!("Type: {name}-cert-v01@openssh.com user certificate");
        assert!(listed.contains(&line), "{key_type:?}: {listed}");
        let mark = site.sshd.mark();
        site.expect_admission(&certificate);
        let log = site.sshd.wait_for_log(mark, "Accepted publickey");
        assert!(log.contains(&format!(": {short} ")), "{key_type:?}: {log}");
    }
}
