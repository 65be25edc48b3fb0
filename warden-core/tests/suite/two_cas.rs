//! A CA signs users or hosts, and no key is both.

use crate::scene::{Inventory, NOW, actor, user_key};
use warden_core::certificate::{CertType, Fingerprint, Parsed};
use warden_core::clock::FixedClock;
use warden_core::failure::Failure;
use warden_core::inventory::{Holder, HostName};
use warden_core::issue::{IssueError, Issuer, Outcome, issue};
use warden_core::journal::FileJournal;
use warden_core::request::CertificateRequest;
use warden_core::sign::local::{CaKeyFile, KeyKind, LocalCa, generate_ca_key};

fn issued(holder: impl Into<Holder>, backend: &LocalCa) -> Result<Parsed, IssueError> {
    let inventory = Inventory::of([
        (
            "agt/agt-hub.toml",
            "type = \"agt\"\nprincipals = [\"task\"]\n",
        ),
        ("hosts/hub-1.toml", "names = [\"hub-1\"]\n"),
    ]);
    let state = tempfile::tempdir().unwrap();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend,
        journal: &FileJournal::open(state.path()).unwrap(),
        clock: &FixedClock(NOW),
    };
    match issue(CertificateRequest::new(holder, user_key(1)), &by)? {
        Outcome::Issued(certificate) => {
            Ok(Parsed::from_line(certificate.to_openssh().as_bytes()).unwrap())
        }
        Outcome::Denied(denial, _) => panic!("{denial}"),
    }
}

#[test]
fn a_ca_for_users_signs_no_host_and_the_reverse() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca");
    generate_ca_key(&path, KeyKind::Ed25519, None).unwrap();
    let file = || CaKeyFile {
        path: path.clone(),
        passphrase_file: None,
    };
    let own: Fingerprint = file().open().unwrap().public().fingerprint().clone();
    let host: HostName = "hub-1".parse().unwrap();

    let user = issued(actor("agt-hub"), &LocalCa::new(file())).unwrap();
    assert_eq!(user.cert_type(), CertType::User);
    let signed = issued(host.clone(), &LocalCa::for_hosts(file())).unwrap();
    assert_eq!(signed.cert_type(), CertType::Host);
    assert_eq!(signed.key_id(), b"hub-1");
    assert_eq!(
        signed.extensions().count() + signed.critical_options().count(),
        0
    );

    let apart = |ca: LocalCa| ca.apart_from([own.clone()]);
    for refused in [
        issued(actor("agt-hub"), &LocalCa::for_hosts(file())),
        issued(host.clone(), &LocalCa::new(file())),
        issued(actor("agt-hub"), &apart(LocalCa::new(file()))),
        issued(host, &apart(LocalCa::for_hosts(file()))),
    ] {
        assert_eq!(refused.unwrap_err().reason(), "ca_of_other_type");
    }
}
