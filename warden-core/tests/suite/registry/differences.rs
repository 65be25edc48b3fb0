//! One sentence for each difference, and none for what follows from another.

use super::{ADMIN, AGENT, BACKUP, read, text_of, three};
use crate::scene::Inventory;
use warden_core::registry::{Change, differences};

fn said(before: &str, after: &str) -> Vec<(Change, String)> {
    let found = differences(&read(before), &read(after));
    found
        .into_iter()
        .map(|one| (one.change, one.text))
        .collect()
}

#[test]
fn nothing_is_said_of_the_same_and_of_a_digest_alone() {
    assert_eq!(said(&three(), &three()), []);
    let inventory = Inventory::of([ADMIN, AGENT, BACKUP]);
    inventory.write(BACKUP.0, format!("# a comment\n{}", BACKUP.1));
    let other = text_of(&inventory);
    assert_ne!(other, three());
    assert_eq!(said(&three(), &other), []);
}

#[test]
fn each_change_of_an_actor_is_one_sentence() {
    let admin = |rest: &str| (ADMIN.0, format!("type = \"adm\"\n{rest}"));
    let cases = [
        (
            "principals = [\"root\"]\nttl = \"8h\"\nmax_ttl = \"48h\"\n",
            vec![(Change::PrincipalsLost, "`adm-alice` loses principal deploy")],
        ),
        (
            "principals = [\"root\", \"deploy\", \"a\", \"b\"]\nttl = \"8h\"\nmax_ttl = \"48h\"\n",
            vec![(
                Change::PrincipalsGained,
                "`adm-alice` gains principals a, b",
            )],
        ),
        (
            "principals = [\"deploy\", \"root\"]\nttl = \"8h\"\nmax_ttl = \"48h\"\n",
            vec![(
                Change::PrincipalsReordered,
                "`adm-alice` has its principals in another order: deploy, root",
            )],
        ),
        (
            "principals = [\"root\", \"deploy\"]\nttl = \"30m\"\nmax_ttl = \"1h\"\n",
            vec![
                (
                    Change::MaxTtl,
                    "`adm-alice` may ask for up to 1h instead of 48h",
                ),
                (
                    Change::DefaultTtl,
                    "`adm-alice` is given 30m by default instead of 8h",
                ),
            ],
        ),
        (
            "principals = [\"root\", \"deploy\"]\nttl = \"8h\"\nmax_ttl = \"48h\"\nsubjects = [\"kc:a\"]\n",
            vec![(Change::SubjectsGained, "`adm-alice` gains subject kc:a")],
        ),
        (
            "principals = [\"root\", \"deploy\"]\ndisabled = true\n",
            vec![(
                Change::Gone,
                "`adm-alice` is gone: it had principals root, deploy for up to 48h",
            )],
        ),
    ];
    for (rest, expected) in cases {
        let (file, content) = admin(rest);
        let other = text_of(&Inventory::of([(file, content.as_str()), AGENT, BACKUP]));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(change, text)| (change, text.to_owned()))
            .collect();
        assert_eq!(said(&three(), &other), expected);
        let back = said(&other, &three());
        assert_eq!(back.len(), expected.len(), "{back:?}");
    }
    let other = three().replace(
        "\"agt-hub\",\n              \"iam:agt-hub\",",
        "\"iam:agt-hub\",\n              \"agt-hub\",",
    );
    assert_ne!(other, three());
    let text = "`agt-hub` has its subjects in another order: iam:agt-hub, agt-hub, kc:hub";
    assert_eq!(
        said(&three(), &other),
        [(Change::SubjectsReordered, text.to_owned())]
    );
}

#[test]
fn a_subject_taken_out_by_hand_is_lost_and_the_sections_that_still_have_it_are_named() {
    let other = three().replace(",\n              \"kc:hub\"\n", "\n");
    let found = said(&three(), &other);
    assert_eq!(
        found[0],
        (
            Change::SubjectsLost,
            "`agt-hub` loses subject kc:hub".to_owned()
        )
    );
    assert_eq!(
        found.len(),
        1,
        "what was there before is there still: {found:?}"
    );
    // Taken out of the other sections as well, nothing further is to be said.
    let gone = other
        .replace(",\n    {\n      \"id\": \"kc:hub\",\n      \"type\": \"Agent\",\n      \"tenant\": \"tenant:platform\"\n    }", "")
        .replace(",\n        \"kc:hub\"", "");
    assert!(!gone.contains("kc:hub"));
    assert_eq!(said(&three(), &gone).len(), 1);
}

#[test]
fn what_a_host_added_is_named() {
    let added = three()
        .replace("\"members\": [\n        \"adm-alice\"", "\"members\": [\n        \"iam:eve\",\n        \"adm-alice\"")
        .replace("  \"subjects\": [", "  \"subjects\": [\n    {\"id\": \"iam:eve\", \"type\": \"Human\", \"tenant\": \"tenant:platform\"},")
        .replace("  \"groups\": [", "  \"groups\": [\n    {\"id\": \"group:x\", \"tenant\": \"tenant:platform\", \"members\": []},")
        .replace("  \"relationships\": [", "  \"relationships\": [\n    {\"subject\": \"iam:eve\", \"relation\": \"can_sign\", \"object\": \"ssh-cert:actor/adm-alice\"},");
    let texts = [
        "subject `iam:eve` of type Human",
        "group `group:x`",
        "member `iam:eve` in group `group:ops-warden/adm`",
        "relationship `iam:eve` can_sign `ssh-cert:actor/adm-alice`",
    ];
    let more = texts.map(|text| (Change::Added, format!("there is a further {text}")));
    assert_eq!(said(&three(), &added), more);
    let fewer = texts.map(|text| (Change::Removed, format!("there is no {text} any more")));
    assert_eq!(said(&added, &three()), fewer);
    assert_eq!(said(&added, &added), []);
}

#[test]
fn another_tenant_or_system_is_one_sentence_each() {
    let other = three()
        .replace("tenant:platform", "tenant:b")
        .replace("ops-warden", "x");
    let expected = [
        (
            Change::Tenant,
            "the tenant is `tenant:b` instead of `tenant:platform`".to_owned(),
        ),
        (
            Change::System,
            "the system is `x` instead of `ops-warden`".to_owned(),
        ),
    ];
    assert_eq!(said(&three(), &other), expected);
}
