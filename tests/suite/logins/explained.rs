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
    root: bool,
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
            root: false,
        })
    }

    /// Whom is logged in as.
    fn name(&self) -> &str {
        match self.root {
            true => "root",
            false => self.account.name(),
        }
    }

    fn sshd(&self, lines: &[&str], adjust: impl FnOnce(Builder) -> Builder) -> Sshd {
        let builder = Sshd::builder()
            .line("LogLevel DEBUG2")
            .trust(&self.ca.public_line())
            .principals(self.name(), lines);
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
        let login = format!("{}@{}", self.name(), root.display());
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
        Login::new(self.name(), sshd.port())
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
    // A line of a file from elsewhere, which only looks empty.
    sshd.meddle(&format!("printf '\\r\\n%s\\n' '{own}' >trusted"));
    place.refused(
        &sshd,
        &certificate,
        is_not_listed,
        "ca_trusted",
        "/trusted:1",
    );
    sshd.meddle(&format!("printf '# x\\r\\n%s\\r\\n' '{own}' >trusted"));
    place.let_in(&sshd, &certificate);
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

#[test]
fn whom_the_configuration_shuts_out_is_named_before_the_certificate() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let name = place.account.name();
    let start = &name[..name.len() - 1];
    let with = |line: &str| place.sshd(&["deploy"], |sshd| sshd.line(line));
    for (line, reason, rule) in [
        ("DenyUsers NAME", "listed in DenyUsers", "account_allowed"),
        ("DenyUsers START*", "listed in DenyUsers", "account_allowed"),
        (
            "DenyUsers NAME@127.0.0.0/8",
            "listed in DenyUsers",
            "account_allowed",
        ),
        (
            "AllowUsers other root",
            "not listed in AllowUsers",
            "account_allowed",
        ),
        (
            "AllowUsers NAME@192.0.2.*",
            "not listed in AllowUsers",
            "account_allowed",
        ),
        (
            "AllowUsers *@*,!127.0.0.1",
            "not listed in AllowUsers",
            "account_allowed",
        ),
        ("PubkeyAuthentication no", "", "publickey_enabled"),
    ] {
        let line = line.replace("NAME", name).replace("START", start);
        place.refused(&with(&line), &certificate, reason, rule, "");
    }
    for line in [
        "DenyUsers other START NAME@192.0.2.0/24",
        "AllowUsers other *@127.0.0.*",
        "AllowUsers START?",
        "AuthenticationMethods publickey,password publickey",
    ] {
        let line = line.replace("NAME", name).replace("START", start);
        place.let_in(&with(&line), &certificate);
    }
    // What is not known is no yes, and no refusal either.
    let unclear = |line: &str, args: &[&str], rule: &str| {
        let sshd = with(line);
        assert_eq!(
            place.login(&sshd, &certificate).run().code,
            Some(255),
            "{line}"
        );
        let explained = place.explain(&sshd, &certificate, args);
        assert_eq!(explained["verdict"], "unknown", "{line}: {explained}");
        let steps = explained["steps"].as_array().unwrap();
        let of: Vec<_> = steps
            .iter()
            .filter(|step| step["outcome"] == "unknown")
            .collect();
        assert!(
            of.len() == 1 && of[0]["rule"] == rule,
            "{line}: {explained}"
        );
    };
    let from = ["--from", "127.0.0.1"];
    unclear("AllowGroups nobody-is-in-this", &from, "account_allowed");
    unclear(&format!("DenyGroups {name}"), &from, "account_allowed");
    unclear(
        &format!("DenyUsers {name}@127.0.0.1"),
        &[],
        "account_allowed",
    );
    unclear(
        "AuthenticationMethods publickey,publickey",
        &from,
        "publickey_enabled",
    );
}

#[test]
fn root_is_let_in_as_the_configuration_says() {
    let Some(mut place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    place.root = true;
    let free = place.write(&place.signing().principal("deploy"));
    let forced = place
        .signing()
        .principal("deploy")
        .option("force-command=true");
    let forced = forced.write(&place.desk.sandbox().join("forced-cert.pub"));
    let with = |line: &str| place.sshd(&["deploy"], |sshd| sshd.line(line));
    let refused = "ROOT LOGIN REFUSED";
    place.refused(
        &with("PermitRootLogin no"),
        &forced,
        refused,
        "root_login",
        "",
    );
    let only_forced = with("PermitRootLogin forced-commands-only");
    place.refused(&only_forced, &free, refused, "root_login", "");
    place.let_in(&only_forced, &forced);
    only_forced.set_principals("root", &["command=\"true\" deploy"]);
    place.let_in(&only_forced, &free);
    place.let_in(&with("PermitRootLogin prohibit-password"), &free);
    place.let_in(&with("PermitRootLogin yes"), &free);
}

#[test]
fn a_principals_file_that_others_may_write_is_named() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let account = place.account.name();
    let file = format!("/principals/{account}");
    let (rule, reason) = ("principals_file_safe", "bad ownership or modes");
    for (spoil, mend, at) in [
        (
            "chmod g+w principals/ACCOUNT",
            "chmod g-w principals/ACCOUNT",
            file.as_str(),
        ),
        (
            "chmod o+w principals/ACCOUNT",
            "chmod o-w principals/ACCOUNT",
            file.as_str(),
        ),
        (
            "chmod g+w principals",
            "chmod g-w principals",
            "/principals",
        ),
    ] {
        place.let_in(&sshd, &certificate);
        sshd.meddle(&spoil.replace("ACCOUNT", account));
        place.refused(&sshd, &certificate, reason, rule, at);
        sshd.meddle(&mend.replace("ACCOUNT", account));
    }
    // In a copy that belongs to somebody else, the owner may be the account or not.
    sshd.meddle(&format!("chown 1 principals/{account}"));
    assert_eq!(place.login(&sshd, &certificate).run().code, Some(255));
    let explained = place.explain(&sshd, &certificate, &["--from", "127.0.0.1"]);
    assert_eq!(explained["verdict"], "unknown", "{explained}");
    sshd.meddle(&format!("chown {account} principals/{account}"));
    place.login(&sshd, &certificate).run().check();
    sshd.meddle(&format!(
        "chown 0 principals/{account} && chmod g+w principals"
    ));
    let lax = place.sshd(&["deploy"], |sshd| sshd.line("StrictModes no"));
    lax.meddle("chmod g+w principals");
    place.let_in(&lax, &certificate);
}

#[test]
fn where_the_tree_stands_in_place_the_owner_counts() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let account = place.account.name();
    sshd.meddle("mkdir -p etc/ssh && cp sshd_config etc/ssh && chmod -R a+rX etc");
    let directory = sshd.directory().display().to_string();
    let verdict = || {
        let program = place.desk.program().arg("explain-login").arg(&certificate);
        let login = format!("{account}@{directory}");
        let program = program.args([&login, "--prefix", &directory, "--from", "127.0.0.1"]);
        let outcome = program.arg("--json").run();
        let said: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        said["refused_by"]
            .as_str()
            .unwrap_or(said["verdict"].as_str().unwrap())
            .to_owned()
    };
    for (owner, expected) in [
        ("0", "let_in"),
        ("1", "principals_file_safe"),
        (account, "let_in"),
    ] {
        sshd.meddle(&format!("chown {owner} principals/{account}"));
        let admitted = place.login(&sshd, &certificate).run().code == Some(0);
        assert_eq!(admitted, expected == "let_in", "{owner}");
        assert_eq!(verdict(), expected, "{owner}");
    }
    sshd.meddle("chown 1 principals");
    assert_eq!(place.login(&sshd, &certificate).run().code, Some(255));
    assert_eq!(verdict(), "principals_file_safe");
}

#[test]
fn where_a_line_lets_in_from_is_judged() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let sshd = place.sshd(&["deploy"], |sshd| sshd);
    let at = format!("/principals/{}:1", place.account.name());
    for (from, let_in) in [
        ("127.0.0.0/8", true),
        ("192.0.2.1,127.0.0.1", true),
        ("127.0.*", true),
        ("*,!127.0.0.1", false),
        ("192.0.2.0/24", false),
        ("somewhere.example.org", false),
    ] {
        let line = format!("from=\"{from}\" deploy");
        sshd.set_principals(place.account.name(), &[&line]);
        match let_in {
            true => place.let_in(&sshd, &certificate),
            false => place.refused(&sshd, &certificate, "", "line_options", &at),
        }
    }
    let unclear = place.explain(&sshd, &certificate, &[]);
    assert_eq!(unclear["verdict"], "unknown", "{unclear}");
}

#[test]
fn a_principals_file_in_the_home_directory_is_found_where_that_is_known() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let sshd = place.sshd(&["deploy"], |sshd| {
        sshd.line("AuthorizedPrincipalsFile %h/principals")
    });
    let explained = place.explain(&sshd, &certificate, &["--from", "127.0.0.1"]);
    assert_eq!(explained["verdict"], "unknown", "{explained}");
}

#[test]
fn an_include_that_is_not_followed_leaves_the_answer_open() {
    let Some(place) = Place::open(KeyType::Ed25519) else {
        return;
    };
    let certificate = place.write(&place.signing().principal("deploy"));
    let sshd = place.sshd(&["deploy"], |sshd| {
        sshd.line("Include /nowhere/[[:alpha:]]*.conf")
    });
    let explained = place.explain(&sshd, &certificate, &["--from", "127.0.0.1"]);
    assert_eq!(explained["verdict"], "unknown", "{explained}");
    assert_eq!(
        explained["steps"][0]["rule"], "configuration",
        "{explained}"
    );
    assert_eq!(explained["steps"][0]["outcome"], "unknown", "{explained}");
}
