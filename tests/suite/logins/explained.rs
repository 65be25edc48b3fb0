//! Each way sshd refuses a certificate, and the rule `warden explain-login` names for it.

use std::path::{Path, PathBuf};
use warden_tests::account::{Account, privileged};
use warden_tests::desk::Desk;
use warden_tests::keygen::{Key, KeyType, Signing};
use warden_tests::skipped;
use warden_tests::ssh::Login;
use warden_tests::sshd::{Builder, Sshd};

/// A CA whose key ssh-keygen signs with, so that certificates may be as wrong as sshd allows.
struct Place {
    desk: Desk,
    ca: Key,
    user: Key,
    account: Account,
}

impl Place {
    fn open(ca: KeyType) -> Option<Self> {
        if !skipped::require("logging in to a real sshd", privileged()) {
            return None;
        }
        let desk = Desk::without_ca();
        let (ca, user) = (
            Key::make(desk.sandbox().path(), "ca_key", ca),
            Key::make(desk.sandbox().path(), "user", KeyType::Ed25519),
        );
        let account = Account::new();
        Some(Self {
            desk,
            ca,
            user,
            account,
        })
    }

    fn sshd(&self, lines: &[&str], adjust: impl FnOnce(Builder) -> Builder) -> Sshd {
        let builder = Sshd::builder()
            .line("LogLevel DEBUG2")
            .trust(&self.ca.public_line())
            .principals(self.account.name(), lines);
        adjust(builder).start()
    }

    fn signing(&self) -> Signing {
        Signing::new(&self.ca, &self.user.public_line(), "agt-user")
    }

    fn write(&self, signing: &Signing) -> PathBuf {
        signing.write(&self.desk.sandbox().join("user-cert.pub"))
    }

    fn explain(&self, sshd: &Sshd, certificate: &Path, args: &[&str]) -> serde_json::Value {
        let root = self.desk.sandbox().join("copy");
        sshd.copy_into(&root);
        let login = format!("{}@{}", self.account.name(), root.display());
        let program = self.desk.program().arg("explain-login").arg(certificate);
        let outcome = program.args([&login, "--json"]).args(args).run();
        assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"))
    }

    /// sshd refuses, saying `reason`; the explanation names `rule`, and a place with `place` in it.
    #[track_caller]
    fn refused(&self, sshd: &Sshd, certificate: &Path, reason: &str, rule: &str, place: &str) {
        let mark = sshd.mark();
        let refused = self.login(sshd, certificate).run();
        assert_eq!(refused.code, Some(255), "{rule}: {refused}");
        sshd.wait_for_log(mark, reason);
        let explained = self.explain(sshd, certificate, &["--from", "127.0.0.1"]);
        assert_eq!(explained["refused_by"], rule, "{reason}: {explained}");
        let last = explained["steps"].as_array().unwrap().last().unwrap();
        let found = last["place"].as_str().unwrap_or("");
        assert!(found.ends_with(place), "{rule}: {found}, expected {place}");
    }

    #[track_caller]
    fn let_in(&self, sshd: &Sshd, certificate: &Path) {
        self.login(sshd, certificate).run().check();
        let explained = self.explain(sshd, certificate, &["--from", "127.0.0.1"]);
        assert_eq!(explained["verdict"], "let_in", "{explained}");
    }

    fn login(&self, sshd: &Sshd, certificate: &Path) -> Login {
        Login::new(self.account.name(), sshd.port())
            .identity(self.user.path())
            .certificate(certificate)
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_named() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let sshd = place.sshd(&["# nobody else", "deploy"], |sshd| sshd);
    let good = || place.signing().principal("deploy");
    place.let_in(&sshd, &place.write(&good()));
    let cases = [
        (
            place.signing().principal("other"),
            "authorized principal",
            "principal_listed",
            "/principals/ACCOUNT",
        ),
        (
            good().validity("20200101:20200102"),
            "expired",
            "window",
            "",
        ),
        (
            good().validity("20400101:20400102"),
            "not yet valid",
            "window",
            "",
        ),
        (good().host(), "", "user_certificate", ""),
        (
            good().option("critical:x@example.org=y"),
            "is not supported",
            "critical_options",
            "",
        ),
        (
            good().option("source-address=192.0.2.0/24"),
            "permitted source address",
            "source_address",
            "",
        ),
    ];
    for (signing, reason, rule, at) in cases {
        let at = at.replace("ACCOUNT", place.account.name());
        place.refused(&sshd, &place.write(&signing), reason, rule, &at);
    }
    // Where it comes from is only judged if somebody says it.
    let narrow = place.write(&good().option("source-address=127.0.0.1/32"));
    place.let_in(&sshd, &narrow);
    let unclear = place.explain(&sshd, &narrow, &[]);
    assert_eq!(unclear["verdict"], "unknown", "{unclear}");
    // The host's clock decides, and may be given.
    let early = place.write(&good().validity("20400101:20400103"));
    let then = place.explain(&sshd, &early, &["--at", "2040-01-02"]);
    assert_eq!(then["verdict"], "let_in", "{then}");
}

#[test]
fn what_is_wrong_with_a_trust_file_is_named_with_its_line() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let certificate = place.write(&place.signing().principal("deploy"));
    let own = place.ca.public_line();
    let stranger = Key::make(place.desk.sandbox().path(), "stranger", KeyType::Ed25519);
    place.let_in(&sshd, &certificate);
    sshd.set_trusted(&[&stranger.public_line(), "# a comment", "", &own]);
    place.let_in(&sshd, &certificate);
    let is_not_listed = "is not listed in";
    sshd.set_trusted(&[&stranger.public_line()]);
    place.refused(&sshd, &certificate, is_not_listed, "ca_trusted", "/trusted");
    sshd.set_trusted(&[&stranger.public_line(), "garbage", &own]);
    place.refused(
        &sshd,
        &certificate,
        is_not_listed,
        "ca_trusted",
        "/trusted:2",
    );
    sshd.set_trusted(&[&format!("cert-authority {own}")]);
    place.refused(
        &sshd,
        &certificate,
        is_not_listed,
        "ca_trusted",
        "/trusted:1",
    );
    sshd.meddle("rm trusted");
    place.refused(&sshd, &certificate, is_not_listed, "ca_trusted", "/trusted");
}

#[test]
fn what_a_principals_line_does_is_named_with_its_line() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let file = format!("/principals/{}", place.account.name());
    let plain = place.write(&place.signing().principal("deploy"));
    let unauthorized = "authorized principal";
    for lines in [
        &["nonsense=\"x\" deploy"][..],
        &["#deploy"],
        &["Deploy"],
        &[],
    ] {
        sshd.set_principals(place.account.name(), lines);
        place.refused(&sshd, &plain, unauthorized, "principal_listed", &file);
    }
    sshd.set_principals(place.account.name(), &["other", "command=\"true\" deploy"]);
    place.let_in(&sshd, &plain);
    let forced = place
        .signing()
        .principal("deploy")
        .option("force-command=true");
    let forced = place.write(&forced);
    place.let_in(&sshd, &forced);
    sshd.set_principals(place.account.name(), &["other", "command=\"false\" deploy"]);
    let differ = "forced command options do not match";
    place.refused(
        &sshd,
        &forced,
        differ,
        "commands_agree",
        &format!("{file}:2"),
    );
    sshd.set_principals(place.account.name(), &["cert-authority deploy"]);
    place.refused(&sshd, &plain, "", "line_options", &format!("{file}:1"));
}

#[test]
fn a_revoked_certificate_and_a_list_that_cannot_be_read_are_told_apart() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy").serial(77));
    let list = |name: &str, spec: &str| {
        let sandbox = place.desk.sandbox();
        let spec = sandbox.write("spec", spec, 0o600);
        let krl = sandbox.join(name);
        let args = ["-q", "-k", "-s"].map(std::ffi::OsString::from).into_iter();
        let paths = [place.ca.public_path(), "-f".into(), krl.clone(), spec];
        let args = args.chain(paths.into_iter().map(std::ffi::OsString::from));
        warden_tests::keygen::ssh_keygen(args).check();
        std::fs::read(krl).unwrap()
    };
    let (other, own) = (list("other", "serial: 78\n"), list("own", "serial: 77\n"));
    let id = list("id", "id: agt-user\n");
    let sshd = place.sshd(&["deploy"], |sshd| sshd.revoked(other.clone()));
    place.let_in(&sshd, &certificate);
    for krl in [own, id] {
        sshd.set_revoked(&krl);
        place.refused(&sshd, &certificate, "revoked", "not_revoked", "/revoked");
    }
    sshd.set_revoked(place.ca.public_line().as_bytes());
    place.refused(&sshd, &certificate, "revoked", "not_revoked", "/revoked");
    sshd.set_revoked(b"");
    place.let_in(&sshd, &certificate);
    for unreadable in [&other[..other.len() - 3], b"serial: 78\n"] {
        sshd.set_revoked(unreadable);
        place.refused(&sshd, &certificate, "", "not_revoked", "/revoked");
    }
    sshd.meddle("rm revoked");
    place.refused(&sshd, &certificate, "", "not_revoked", "/revoked");
}

#[test]
fn algorithms_the_host_does_not_take_are_named() {
    let Some(place) = Place::open(KeyType::Rsa(3072)) else {
        return;
    };
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let good = place.signing().principal("deploy");
    place.let_in(&sshd, &place.write(&good));
    let sha1 = place.write(&good.args(&["-t", "ssh-rsa"]));
    place.refused(
        &sshd,
        &sha1,
        "signature algorithm",
        "ca_signature_algorithm",
        "",
    );
    let only_rsa = "PubkeyAcceptedAlgorithms rsa-sha2-512-cert-v01@openssh.com";
    let strict = place.sshd(&["deploy"], |sshd| sshd.line(only_rsa));
    let good = place.write(&place.signing().principal("deploy"));
    place.refused(
        &strict,
        &good,
        "PubkeyAcceptedAlgorithms",
        "key_algorithm",
        "",
    );
}

#[test]
fn a_match_block_counts_for_the_account_and_address_it_names() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let elsewhere = format!(
        "Match User {}\nTrustedUserCAKeys none\n",
        place.account.name()
    );
    let sshd = place.sshd(&["deploy"], |sshd| sshd.last_lines(&elsewhere));
    place.refused(&sshd, &certificate, "", "ca_trusted", "");
    let from = place.sshd(&["deploy"], |sshd| {
        sshd.last_lines("Match Address 192.0.2.0/24\nTrustedUserCAKeys none\n")
    });
    place.let_in(&from, &certificate);
    let there = place.explain(&from, &certificate, &["--from", "192.0.2.9"]);
    assert_eq!(there["refused_by"], "ca_trusted", "{there}");
}
