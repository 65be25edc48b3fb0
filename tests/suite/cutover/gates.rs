//! One phrase opens one gate of one plan.

use super::site::Site;

#[test]
fn a_wrong_phrase_changes_nothing_and_is_on_record() {
    let Some(site) = Site::open() else { return };
    site.plan(&[]).check();
    let before = site.text(&site.trusted());
    let id = site.plan_id();
    let wrong = [
        (vec!["bundle", "--apply"], "confirm_missing"),
        (
            vec!["bundle", "--apply", "--confirm", "yes"],
            "confirm_wrong",
        ),
        (
            vec![
                "bundle",
                "--apply",
                "--confirm",
                &format!("{id}-switch-approved"),
            ],
            "confirm_wrong",
        ),
        (
            vec!["bundle", "--apply", "--confirm", "00000000-trust-approved"],
            "confirm_wrong",
        ),
    ]
    .map(|(args, reason)| {
        (
            args.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            reason,
        )
    });
    for (args, reason) in wrong {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let records = site.journal().lines().count();
        let refused = site.cutover(&args);
        assert_eq!(refused.code, Some(3), "{refused}");
        assert!(refused.stderr.contains(&format!("({reason})")), "{refused}");
        let journal = site.journal();
        assert_eq!(journal.lines().count(), records + 1);
        let last: serde_json::Value =
            serde_json::from_str(journal.lines().last().unwrap()).unwrap();
        assert_eq!(
            (last["outcome"].as_str(), last["reason"].as_str()),
            (Some("denied"), Some(reason)),
            "{last}"
        );
        assert_eq!(last["cutover"]["operator"], "ada");
    }
    assert_eq!(site.text(&site.trusted()), before);
}

#[test]
fn an_edited_plan_opens_no_gate() {
    let Some(site) = Site::open() else { return };
    site.plan(&[]).check();
    let path = site.path("state/cutover.toml");
    let text = site.text(&path);
    let phrase = format!("{}-trust-approved", site.plan_id());
    std::fs::write(&path, text.replace("team:platform", "team:other")).unwrap();
    let refused = site.cutover(&["bundle", "--apply", "--confirm", &phrase]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(refused.stderr.contains("plan_edited"), "{refused}");
    // A plan that is written anew with other content has other phrases.
    std::fs::remove_file(&path).unwrap();
    site.plan(&["--name", "other"]).check();
    let refused = site.cutover(&["bundle", "--apply", "--confirm", &phrase]);
    assert!(refused.stderr.contains("confirm_wrong"), "{refused}");
    std::fs::write(&path, "x").unwrap();
    let malformed = site.cutover(&["status"]);
    assert!(
        malformed.code == Some(2) && malformed.stderr.contains("plan_malformed"),
        "{malformed}"
    );
    std::fs::remove_file(&path).unwrap();
    let missing = site.cutover(&["bundle"]);
    assert!(missing.stderr.contains("plan_missing"), "{missing}");
    site.expect_state("standby");
}

#[test]
fn own_words_want_the_plans_id_too() {
    let Some(site) = Site::open() else { return };
    let word = "m04-vault-runtime-cutover-approved";
    site.plan(&["--phrase", &format!("trust={word}")]).check();
    let (id, bundle) = (site.plan_id(), ["bundle", "--apply", "--confirm", word]);
    for further in [&[][..], &["--plan-id", "00000000"]] {
        let refused = site.cutover(&[&bundle[..], further].concat());
        assert_eq!(refused.code, Some(3), "{refused}");
        assert!(refused.stderr.contains("plan_id_wrong"), "{refused}");
    }
    site.cutover(&[&bundle[..], &["--plan-id", &id]].concat())
        .check();
    let twice = site.plan(&[
        "--phrase",
        &format!("switch={word}"),
        "--phrase",
        &format!("retire={word}"),
    ]);
    assert!(twice.stderr.contains("plan_malformed"), "{twice}");
}

#[test]
fn the_same_inputs_give_the_same_plan_and_it_holds_no_secret() {
    let Some(site) = Site::open() else { return };
    site.plan(&["--date", "2026-11-22"]).check();
    let text = site.text(&site.path("state/cutover.toml"));
    let again = site.plan(&["--date", "2026-11-22"]).expect_success();
    assert!(again.stdout.contains("unchanged"), "{again}");
    std::fs::remove_file(site.path("state/cutover.toml")).unwrap();
    site.plan(&["--date", "2026-11-22"]).check();
    assert_eq!(site.text(&site.path("state/cutover.toml")), text);
    assert!(!text.contains("PRIVATE"), "{text}");
    for expected in [
        "team:platform",
        "next_review = \"2027-05-21\"",
        "window_seconds = 62",
        "reversal",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
