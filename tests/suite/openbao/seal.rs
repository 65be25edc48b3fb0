//! A server that is sealed, stopped, or speaks TLS.

use super::office::{AGT, Office, is_here};
use std::sync::Arc;
use warden_tests::bao::Bao;

#[test]
fn a_sealed_server_signs_nothing_until_it_is_unsealed() {
    if !is_here() {
        return;
    }
    let office = Office::on(Arc::new(Bao::start()), "ed25519");
    office.sign(AGT);
    office.bao.seal();
    office.configure("timeout = \"3s\"");
    let said = office.refused(AGT, 4, "backend_sealed");
    assert!(
        said.contains("hint: somebody who may must unseal it"),
        "{said}"
    );
    let checked = office.warden(["backend", "check"]);
    assert_eq!(checked.code, Some(1), "{checked}");
    let line = "FAIL backend_sealed: the server is sealed: bao operator unseal\n";
    assert!(checked.stdout.starts_with(line), "{checked}");
    assert!(checked.stdout.ends_with("fail=1 skip=0\n"), "{checked}");
    let pin = office.warden(["ca", "pin"]);
    assert_eq!(pin.code, Some(4), "{pin}");
    assert!(pin.stderr.contains("(backend_sealed)"), "{pin}");
    office.bao.unseal();
    office.sign(AGT);
}

#[test]
fn a_server_that_has_stopped_is_refused_by_the_system() {
    if !is_here() {
        return;
    }
    let mut office = Office::on(Arc::new(Bao::start()), "ed25519");
    office.sign(AGT);
    office.configure("timeout = \"2s\"");
    office.bao = Bao::shared();
    let said = office.refused(AGT, 4, "backend_connection_refused");
    assert!(said.contains("check that the server runs"), "{said}");
}

#[test]
fn over_tls_the_named_ca_is_the_only_one_that_counts() {
    let Some(office) = Office::open() else { return };
    let certificates = office.sandbox.directory("tls", 0o700);
    let option = format!("-dev-tls-cert-dir={}", certificates.display());
    let bao = Bao::start_with(&["-dev-tls", &option]);
    let address = format!("https://127.0.0.1:{}", bao.port());
    let pinned = format!("addr = \"{address}\"\nca_fingerprint = \"{}\"", office.pin);
    let named = |word: &str| {
        let files = std::fs::read_dir(&certificates).unwrap();
        let mut files = files.map(|entry| entry.unwrap().path());
        files.find(|path| path.ends_with(word)).unwrap()
    };
    let ca = named("vault-ca.pem");

    office.configure_whole(&format!("{pinned}\nca_cert = \"{}\"", ca.display()));
    // It answers; it has no engine and does not know the token.
    office.refused(AGT, 4, "token_not_valid");
    office.configure_whole(&pinned);
    let unknown = office.refused(AGT, 4, "backend_tls");
    assert!(unknown.contains("name it as `vault.ca_cert`"), "{unknown}");
    // Nothing in the environment turns that off.
    let asked = || {
        let program = office.signing(AGT).env("VAULT_SKIP_VERIFY", "true");
        let program = program.env("VAULT_CACERT", &ca).env("BAO_SKIP_VERIFY", "1");
        program
            .env("SSL_CERT_FILE", &ca)
            .env("SSL_CERT_DIR", &certificates)
    };
    office.refused_as(&asked, AGT, 4, "backend_tls");
    let empty = || office.signing(AGT).env("VAULT_SKIP_VERIFY", "");
    office.refused_as(&empty, AGT, 4, "backend_tls");
    // The certificate is for 127.0.0.1 and localhost.
    let other = pinned.replace("127.0.0.1", "127.0.0.2");
    office.configure_whole(&format!("{other}\nca_cert = \"{}\"", ca.display()));
    let said = office.signing(AGT).run();
    assert_eq!(said.code, Some(4), "{said}");
    // Plain http to a server that speaks TLS.
    office.configure_whole(&pinned.replace("https", "http"));
    let said = office.signing(AGT).run();
    assert!(matches!(said.code, Some(3 | 4)), "{said}");
}

#[test]
fn tls_files_that_cannot_be_used_are_named_before_anything_is_sent() {
    let Some(office) = Office::open() else { return };
    let pinned = format!(
        "addr = \"https://127.0.0.1:1\"\nca_fingerprint = \"{}\"",
        office.pin
    );
    office.sandbox.write("empty.pem", "", 0o600);
    office.sandbox.write("shown.pem", "", 0o644);
    let unusable = [
        ("ca_cert", "absent.pem", "absent.pem: No such file"),
        ("ca_cert", "empty.pem", "empty.pem holds no certificate"),
        ("client_cert", "absent.pem", "absent.pem: No such file"),
        ("client_cert", "empty.pem", "empty.pem: "),
        ("client_cert", "shown.pem", "mode 0644"),
    ];
    for (key, file, words) in unusable {
        office.configure_whole(&format!("{pinned}\n{key} = \"{file}\""));
        let said = office.refused(AGT, 2, &format!("{key}_unusable"));
        assert!(said.contains(words), "{key}: {said}");
        assert!(said.contains(&format!("`vault.{key}`")), "{said}");
    }
}
