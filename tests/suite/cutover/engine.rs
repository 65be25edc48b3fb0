//! From a real engine to a local CA, from one of its issuers to the next, and what is sent to it.

use super::site::{ACTOR, Site};
use serde_json::{Value, json};
use std::sync::Arc;
use warden_tests::bao::Bao;
use warden_tests::process::Outcome;
use warden_tests::skipped;
use warden_tests::stand_in::{Answer, StandIn};

/// A site whose configuration signs with an engine and names the local key that is to follow.
struct Engine {
    site: Site,
    token: String,
}

impl Engine {
    fn on(site: Site, address: &str, mount: &str, pin: &str, token: &str) -> Self {
        let text = format!(
            "backend = \"vault\"  # until the sunset\nca_key = \"ca/new\"\ninventory_path = \"inventory\"\nstate_dir = \"state\"\n\n[vault]\naddr = \"{address}\"\nmount = \"{mount}\"\nclock_skew = \"1s\"\nca_fingerprint = \"{pin}\"\n"
        );
        site.write("warden.toml", text, 0o600);
        Self {
            site,
            token: token.to_owned(),
        }
    }

    fn cutover(&self, args: &[&str]) -> Outcome {
        self.site
            .program(&["cutover"])
            .env("VAULT_TOKEN", &self.token)
            .args(args)
            .run()
    }

    fn plan(&self, args: &[&str]) -> Outcome {
        let trusted = self.site.trusted();
        let usual = [
            "plan",
            "--owner",
            "team:platform",
            "--apply",
            "--trust-file",
            trusted.to_str().unwrap(),
        ];
        self.cutover(&[&usual[..], args].concat())
    }

    fn gated(&self, verb: &str, args: &[&str]) -> Outcome {
        self.site
            .gated_program(verb, args)
            .env("VAULT_TOKEN", &self.token)
            .run()
    }

    #[track_caller]
    fn expect_state(&self, expected: &str) {
        let status = self.cutover(&["status"]).expect_success();
        assert_eq!(
            status.stdout.lines().next(),
            Some(format!("state: {expected}").as_str()),
            "{status}"
        );
    }

    /// The fingerprint of the plan's old CA.
    fn old(&self) -> String {
        let text = self.site.text(&self.site.path("state/cutover.toml"));
        let old = text.split("[old]").nth(1).unwrap();
        old.split('"').nth(1).unwrap().to_owned()
    }

    fn signer(&self) -> Value {
        let key = self.site.user.public_path();
        let program = self
            .site
            .program(&["--json", "sign", ACTOR, "--pubkey"])
            .arg(key)
            .env("VAULT_TOKEN", &self.token);
        let signed = program.run().expect_success();
        serde_json::from_str::<Value>(&signed.stdout).unwrap()["ca_fingerprint"].clone()
    }
}

fn role() -> Value {
    json!({
        "key_type": "ca", "allow_user_certificates": true, "allow_host_certificates": false, "allowed_users": "deploy",
        "allow_user_key_ids": true, "allowed_extensions": "", "default_extensions": {},
        "allowed_critical_options": "none", "default_critical_options": {}, "ttl": 60, "max_ttl": 60, "not_before_duration": 30,
    })
}

/// An engine on a real server, trusted by the sshd.
fn real() -> Option<(Engine, Arc<Bao>, String)> {
    if !skipped::wanted("a cutover from a real engine", Bao::program().map(drop)) {
        return None;
    }
    let site = Site::open()?;
    let bao = Bao::shared();
    let mount = bao.name("ssh");
    bao.enable_ssh(&mount, "ed25519");
    bao.write(&format!("{mount}/roles/agt-role"), role());
    let ca = bao.api("GET", &format!("{mount}/config/ca"), Value::Null)["data"]["public_key"]
        .as_str()
        .unwrap()
        .trim()
        .to_owned();
    std::fs::write(site.trusted(), format!("{ca}\n")).unwrap();
    let file = site.sandbox().write("engine.pub", format!("{ca}\n"), 0o644);
    let pin = warden_tests::keygen::fingerprint(&file);
    let engine = Engine::on(site, &bao.address(), &mount, &pin, bao.root());
    Some((engine, bao, mount))
}

#[test]
fn from_an_engine_to_a_local_ca_and_the_issuer_is_deleted_by_its_id() {
    let Some((engine, bao, mount)) = real() else {
        return;
    };
    let site = &engine.site;
    let config = site.text(&site.config());
    engine
        .plan(&["--to", "local", "--without-ca-key", "build-1"])
        .check();
    let text = site.text(&site.path("state/cutover.toml"));
    assert!(
        text.contains("max_ttl = 60") && text.contains("issuer = ") && !text.contains(bao.root()),
        "{text}"
    );
    engine.expect_state("staged");
    let target = format!("{}@127.0.0.1:{}", site.account.name(), site.sshd.port());
    engine.gated("bundle", &[]).check();
    engine.cutover(&["smoke", "--login", &target]).check();
    engine.gated("switch", &[]).check();
    assert_eq!(
        site.text(&site.config()),
        config.replace("backend = \"vault\"", "backend = \"local\"")
    );
    assert_eq!(
        engine.signer(),
        warden_tests::keygen::fingerprint(&site.new.public_path()).as_str()
    );
    engine
        .cutover(&["rollback", "--apply", "--operator", "bob"])
        .check();
    assert_eq!(site.text(&site.config()), config);
    engine.gated("switch", &[]).check();
    let dry = engine.cutover(&["freeze"]).expect_success();
    assert!(
        dry.stdout.contains("build-1") && dry.stdout.contains(&format!("path \"{mount}/sign/*\"")),
        "{dry}"
    );
    engine.gated("freeze", &[]).check();
    std::thread::sleep(std::time::Duration::from_secs(62));
    let drain = super::drain::with_a_log_of_the_new_ca(site);
    engine
        .cutover(&drain.each_ref().map(String::as_str))
        .check();
    engine.gated("prune", &[]).check();
    engine.expect_state("new-only");
    // Another issuer of the mount must survive.
    let other = bao.write(
        &format!("{mount}/issuers/import/other"),
        json!({"generate_signing_key": true, "key_type": "ed25519"}),
    );
    let other = other["data"]["issuer_id"].as_str().unwrap().to_owned();
    engine
        .gated("retire", &["--second-operator", "bob"])
        .check();
    engine.expect_state("retired");
    let left = bao.api("LIST", &format!("{mount}/issuers"), Value::Null);
    assert_eq!(left["data"]["keys"], json!([other]));
}

#[test]
fn from_one_issuer_to_the_next_the_default_and_the_pin_change_together() {
    let Some((engine, bao, mount)) = real() else {
        return;
    };
    let next = bao.write(
        &format!("{mount}/issuers/import/next"),
        json!({"generate_signing_key": true, "key_type": "ed25519"}),
    );
    let id = next["data"]["issuer_id"].as_str().unwrap().to_owned();
    let default = || {
        bao.api("GET", &format!("{mount}/config/issuers"), Value::Null)["data"]["default"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = default();
    engine.plan(&["--issuer", &id]).check();
    engine.expect_state("staged");
    engine.gated("bundle", &[]).check();
    assert_eq!(default(), before);
    engine.expect_state("dual-trust");
    engine.cutover(&["smoke"]).check();
    let untried = engine.gated("switch", &[]);
    assert!(
        untried.code == Some(1)
            && untried.stdout.contains("FAIL new_ca_tried")
            && untried.stdout.contains("want=--untried"),
        "{untried}"
    );
    engine.gated("switch", &["--untried"]).check();
    assert!(
        engine
            .site
            .journal()
            .contains("\"new_ca_tried\":\"WARN untried=accepted\"")
    );
    assert_eq!(default(), id);
    engine.expect_state("switched");
    assert_ne!(engine.signer(), engine.old().as_str());
    // Somebody else turns the default alone: what is written and what signs disagree, and it shows.
    bao.write(
        &format!("{mount}/config/issuers"),
        json!({"default": before}),
    );
    engine.expect_state("unclear");
    engine.gated("switch", &["--untried"]).check();
    engine.cutover(&["rollback", "--apply"]).check();
    assert_eq!(default(), before);
    assert_eq!(engine.signer(), engine.old().as_str());
    engine.cutover(&["smoke"]).check();
    // A token that may not change the default changes nothing else either.
    let weak = Engine {
        token: bao.token("default", json!({})),
        site: engine.site,
    };
    let failed = weak.gated("switch", &["--untried"]);
    assert!(
        failed.code == Some(1) && failed.stderr.contains("(switch_failed)"),
        "{failed}"
    );
    assert_eq!(default(), before);
    let malformed = weak.plan(&["--issuer", "../x"]);
    assert!(
        malformed.stderr.contains("(issuer_malformed)"),
        "{malformed}"
    );
}

#[test]
fn what_is_not_reached_is_refused_before_anything_is_sent() {
    let Some(site) = Site::open() else { return };
    let server = StandIn::start();
    let (line, pin) = server.engine(|engine| {
        engine.add_token("s.Token");
        engine.roles.insert("agt-role".to_owned(), role());
        (engine.ca_line(), engine.ca_fingerprint())
    });
    std::fs::write(site.trusted(), format!("{line}\n")).unwrap();
    let engine = Engine::on(site, &server.url(), "ssh", &pin, "s.Token");
    let site = &engine.site;
    engine.plan(&["--to", "local"]).check();
    assert!(
        !site
            .text(&site.path("state/cutover.toml"))
            .contains("issuer = ")
    );
    for verb in ["freeze", "prune", "retire"] {
        let refused = engine.gated(verb, &["--second-operator", "bob"]);
        assert!(
            refused.stderr.contains("(cutover_wrong_state)"),
            "{refused}"
        );
        let wrong = engine.cutover(&[verb, "--apply", "--confirm", "x"]);
        assert_eq!(wrong.code, Some(3), "{wrong}");
    }
    engine.gated("bundle", &[]).check();
    engine.cutover(&["smoke"]).check();
    engine.gated("switch", &[]).check();
    engine
        .cutover(&["rollback", "--apply", "--operator", "bob"])
        .check();
    engine.gated("switch", &[]).check();
    engine.gated("freeze", &[]).check();
    std::thread::sleep(std::time::Duration::from_secs(62));
    let drain = super::drain::with_a_log_of_the_new_ca(site);
    engine
        .cutover(&drain.each_ref().map(String::as_str))
        .check();
    engine.gated("prune", &[]).check();
    // An engine without issuers: its operator does it, and what he did is seen afterwards.
    let by_hand = engine.gated("retire", &["--second-operator", "bob"]);
    assert!(
        by_hand.code == Some(1)
            && by_hand.stderr.contains("(retire_by_operator)")
            && by_hand.stderr.contains("vault delete ssh/config/ca"),
        "{by_hand}"
    );
    assert!(
        server
            .take_requests()
            .iter()
            .all(|one| one.method != "DELETE")
    );
    // A server that says it deleted an issuer, and serves its key all the same, is not believed.
    server.always(
        "ssh/config/issuers",
        Answer::data(&json!({"default": "abc"})),
    );
    server.always("ssh/issuer/abc/public_key", Answer::text(200, line.clone()));
    server.always("ssh/issuer/abc", Answer::text(204, ""));
    let lied = engine.gated("retire", &["--second-operator", "bob"]);
    assert!(
        lied.code == Some(4) && lied.stderr.contains("(issuer_still_there)"),
        "{lied}"
    );
    let deleted: Vec<_> = server
        .take_requests()
        .iter()
        .filter(|one| one.method == "DELETE")
        .map(|one| one.target.clone())
        .collect();
    assert!(
        deleted.len() == 1 && deleted[0].ends_with("ssh/issuer/abc"),
        "{deleted:?}"
    );
    // What the operator did is seen: nobody serves that key any more.
    server.always(
        "ssh/public_key",
        Answer::errors(400, &["keys haven't been configured yet"]),
    );
    engine.expect_state("retired");
    // Another answer of the same status is no proof of that.
    server.always(
        "ssh/public_key",
        Answer::errors(404, &["no handler for route"]),
    );
    engine.expect_state("new-only");
    let unreachable = server.url();
    drop(server);
    let status = engine.cutover(&["status"]).expect_success();
    assert!(
        status.stdout.starts_with("state: new-only")
            && status.stdout.contains("old_signer: unknown")
            && status.stdout.contains("last evidence"),
        "{unreachable}: {status}"
    );
}

#[test]
fn the_default_issuer_is_put_back_where_the_answer_to_its_change_was_lost() {
    let Some(site) = Site::open() else { return };
    let server = StandIn::start();
    let (line, pin) = server.engine(|engine| {
        engine.add_token("s.Token");
        engine.roles.insert("agt-role".to_owned(), role());
        (engine.ca_line(), engine.ca_fingerprint())
    });
    std::fs::write(site.trusted(), format!("{line}\n")).unwrap();
    let next = site.new.public_line();
    let engine = Engine::on(site, &server.url(), "ssh", &pin, "s.Token");
    server.always(
        "ssh/config/issuers",
        Answer::data(&json!({"default": "first"})),
    );
    server.always(
        "ssh/issuer/first/public_key",
        Answer::text(200, line.clone()),
    );
    server.always(
        "ssh/issuer/next/public_key",
        Answer::text(200, next.clone()),
    );
    engine.plan(&["--issuer", "next"]).check();
    engine.gated("bundle", &[]).check();
    engine.cutover(&["smoke"]).check();
    let config = engine.site.text(&engine.site.config());
    let switched = |moved: bool, back: Answer| {
        drop(server.take_requests());
        server.once("ssh/config/issuers", Answer::raw(""));
        server.once("ssh/config/issuers", back);
        // What the step observes, then what it finds behind the lost answer.
        server.once("ssh/public_key", Answer::text(200, line.clone()));
        let found = if moved { &next } else { &line };
        server.once("ssh/public_key", Answer::text(200, found.clone()));
        let outcome = engine.gated("switch", &["--untried"]);
        assert_eq!(engine.site.text(&engine.site.config()), config);
        let sent: Vec<_> = server
            .take_requests()
            .iter()
            .filter(|one| one.method == "POST")
            .map(|one| one.json()["default"].as_str().unwrap_or("?").to_owned())
            .collect();
        server.heal();
        server.always(
            "ssh/issuer/first/public_key",
            Answer::text(200, line.clone()),
        );
        server.always(
            "ssh/issuer/next/public_key",
            Answer::text(200, next.clone()),
        );
        (outcome, sent)
    };
    let (undone, sent) = switched(true, Answer::text(204, ""));
    assert!(
        undone.code == Some(5) && undone.stderr.contains("(switch_undone)"),
        "{undone}"
    );
    assert_eq!(sent, ["next", "first"]);
    let (not_undone, _) = switched(true, Answer::errors(500, &["sealed"]));
    assert!(
        not_undone.code == Some(5) && not_undone.stderr.contains("(switch_not_undone)"),
        "{not_undone}"
    );
    let (untouched, sent) = switched(false, Answer::text(204, ""));
    assert!(
        untouched.code == Some(1) && untouched.stderr.contains("(switch_failed)"),
        "{untouched}"
    );
    assert_eq!(sent, ["next"]);
}

#[test]
fn every_role_decides_alike_before_the_switch_and_may_make_its_key_ids() {
    let Some((engine, bao, mount)) = real() else {
        return;
    };
    let site = &engine.site;
    let config = site.text(&site.config()).replace(
        "clock_skew = \"1s\"",
        "clock_skew = \"1s\"\nkey_id = \"role\"",
    );
    site.write("warden.toml", &config, 0o600);
    let makes_key_ids = |more: Value| {
        let mut made = role();
        made["allow_user_key_ids"] = json!(false);
        for (name, value) in more.as_object().unwrap() {
            made[name] = value.clone();
        }
        made
    };
    let write = |name: &str, more: Value| {
        bao.write(&format!("{mount}/roles/{name}"), makes_key_ids(more));
    };
    write("agt-role", json!({}));
    site.write(
        "inventory/atm/atm-two.toml",
        "type = \"atm\"\nprincipals = [\"backup\"]\nttl = \"1m\"\nextensions = []\n",
        0o644,
    );
    engine.plan(&["--to", "local"]).check();
    let plan = site.text(&site.path("state/cutover.toml"));
    assert!(
        plan.contains("agt-role = \"vault-{{token_display_name}}-{{public_key_hash}}\""),
        "{plan}"
    );
    engine.gated("bundle", &[]).check();
    engine.cutover(&["smoke"]).check();
    let refused = |line: &str| {
        for outcome in [engine.gated("switch", &[]), engine.cutover(&["switch"])] {
            assert!(
                outcome.code == Some(1)
                    && outcome.stdout.contains(line)
                    && outcome.stdout.contains("FAIL parity_role role=atm-role"),
                "{line}: {outcome}"
            );
        }
    };
    // A role of another actor than the one that tries the way.
    refused("FAIL parity_role role=atm-role reason=");
    write(
        "atm-role",
        json!({"allowed_users": "backup", "max_ttl": 61}),
    );
    refused("FAIL parity_ttl");
    write("atm-role", json!({"allowed_users": "backup,root"}));
    refused("FAIL parity_principals");
    write("atm-role", json!({"allowed_users": "backup"}));
    // That the plan knows what key ids it makes: it was made when there was no such role.
    refused("FAIL parity_key_id");
    std::fs::remove_file(site.path("state/cutover.toml")).unwrap();
    std::fs::remove_file(site.path("state/journal.jsonl")).unwrap();
    engine.plan(&["--to", "local"]).check();
    engine.cutover(&["smoke"]).check();
    engine.gated("switch", &[]).check();
    let journal = site.journal();
    assert!(
        journal.contains("\"parity_role\":\"PASS role=agt-role")
            && journal.contains("\"parity_role.2\":\"PASS role=atm-role"),
        "{journal}"
    );
    assert_ne!(engine.signer(), engine.old().as_str());
    // The other way round the new signer's roles make them.
    std::fs::remove_file(site.path("state/cutover.toml")).unwrap();
    engine.plan(&["--to", "vault", "--name", "back"]).check();
    engine.cutover(&["smoke"]).check();
    engine.gated("switch", &[]).check();
    assert_ne!(engine.signer(), engine.old().as_str());
}

#[test]
fn the_preflight_looks_up_what_the_token_may_and_renews_nothing() {
    let Some(site) = Site::open() else { return };
    let server = StandIn::start();
    let pin = server.engine(|engine| {
        engine.add_token("s.Token");
        engine.ca_fingerprint()
    });
    let engine = Engine::on(site, &server.url(), "ssh", &pin, "s.Token");
    let asked = || engine.cutover(&["preflight", "--token"]);
    let narrow = asked();
    for line in [
        "PASS token_signs path=ssh/sign/agt-role",
        "WARN token_reads_role path=ssh/roles/agt-role",
        "PASS token_narrow path=ssh/config/ca",
        "PASS token_narrow path=ssh/roles/warden-probe",
    ] {
        assert!(narrow.stdout.contains(line), "{line}: {narrow}");
    }
    assert_eq!(
        server.take_lines(),
        ["POST /v1/sys/capabilities-self"],
        "nothing else is asked, and nothing is renewed"
    );
    let held = |words: &[&str]| {
        let paths = [
            "sign/agt-role",
            "roles/agt-role",
            "config/ca",
            "roles/warden-probe",
        ];
        let paths = paths.map(|path| (format!("ssh/{path}"), json!(words)));
        let data: serde_json::Map<_, _> = paths.into_iter().collect();
        server.once("sys/capabilities-self", Answer::data(&Value::Object(data)));
        asked()
    };
    let root = held(&["root"]);
    assert!(
        root.stdout.contains("PASS token_reads_role")
            && root.stdout.contains("WARN token_narrow path=ssh/config/ca"),
        "{root}"
    );
    let reader = held(&["read"]);
    assert!(
        reader.code == Some(1)
            && reader
                .stdout
                .contains("FAIL token_signs path=ssh/sign/agt-role"),
        "{reader}"
    );
    server.once(
        "sys/capabilities-self",
        Answer::errors(403, &["permission denied"]),
    );
    let unknown = asked();
    assert!(
        unknown.code == Some(1) && unknown.stdout.contains("FAIL token_signs reason="),
        "{unknown}"
    );
    assert!(!engine.site.path("state").exists());
}

#[test]
fn every_role_of_the_mount_counts_for_the_window() {
    let Some((engine, bao, mount)) = real() else {
        return;
    };
    let seconds = || -> u64 {
        let text = engine.site.text(&engine.site.path("state/cutover.toml"));
        let line = text.lines().find(|line| line.starts_with("window_seconds"));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    engine.plan(&["--to", "local"]).check();
    assert_eq!(seconds(), 61);
    let mut other = role();
    (other["ttl"], other["max_ttl"]) = (json!(7200), json!(7200));
    bao.write(&format!("{mount}/roles/somebody-elses"), other.clone());
    engine.plan(&["--to", "local"]).check();
    assert_eq!(seconds(), 7201, "the same CA signs for it");
    (other["ttl"], other["max_ttl"]) = (json!(0), json!(0));
    bao.write(&format!("{mount}/roles/somebody-elses"), other);
    engine.plan(&["--to", "local"]).check();
    assert_eq!(
        seconds(),
        768 * 3600 + 1,
        "without a limit the system's counts"
    );
    // A token that may not list them sees warden's own alone.
    let narrow = bao.name("narrow");
    bao.write_policy(
        &narrow,
        &format!("path \"{mount}/roles/agt-role\" {{ capabilities = [\"read\"] }}"),
    );
    let token = bao.token(&narrow, json!({}));
    let narrow = Engine { token, ..engine };
    narrow.plan(&["--to", "local"]).check();
    let text = narrow.site.text(&narrow.site.path("state/cutover.toml"));
    assert!(text.contains("window_seconds = 61\n"), "{text}");
}
