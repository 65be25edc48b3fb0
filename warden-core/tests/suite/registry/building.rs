//! What is built: every actor that could be given a certificate, and nothing else.

use super::{ADMIN, AGENT, BACKUP, read, text_of, three};
use crate::properties::plan::plan;
use crate::scene::{Inventory, NOW};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use warden_core::certificate::UnixTime;
use warden_core::registry::{RegistrySettings, Snapshot, differences};

fn value_of(inventory: &Inventory) -> Value {
    serde_json::from_str(&text_of(inventory)).unwrap()
}

#[test]
fn three_actors_give_this_snapshot() {
    let inventory = Inventory::of([ADMIN, AGENT, BACKUP]);
    let digest = inventory.path().load().unwrap().source_digest().to_string();
    let tenant = "tenant:platform";
    let resource = |name: &str, principals: Value, max: u64, default: u64, more: &[&str]| {
        let subjects = [name.to_owned(), format!("iam:{name}")];
        let more = more.iter().map(|one| (*one).to_owned());
        json!({"id": format!("ssh-cert:actor/{name}"), "type": "ssh-certificate", "attributes": {
            "actor_type": name[..3], "principals": principals,
            "max_ttl_seconds": max, "max_ttl_hours": max.div_ceil(3600),
            "default_ttl_seconds": default, "default_ttl_hours": default.div_ceil(3600),
            "allowed_subjects": subjects.into_iter().chain(more).collect::<Vec<_>>(),
        }})
    };
    let subject = |id: &str, kind: &str| json!({"id": id, "type": kind, "tenant": tenant});
    let group = |kind: &str, members: Value| json!({"id": format!("group:ops-warden/{kind}"), "tenant": tenant, "members": members});
    let may = |name: &str| json!({"subject": name, "relation": "can_sign", "object": format!("ssh-cert:actor/{name}")});
    let expected = json!({
        "systems": [{"id": "ops-warden", "tenant": tenant}],
        "resource_manifests": [{
            "id": "ops-warden.ssh-certificates", "system": "ops-warden", "actions": ["sign"],
            "resources": [
                resource("adm-alice", json!(["root", "deploy"]), 172_800, 28_800, &[]),
                resource("agt-hub", json!(["task"]), 5_400, 5_400, &["kc:hub"]),
                resource("atm-backup", json!(["backup"]), 28_800, 28_800, &[]),
            ],
            "metadata": {"source": "warden", "flex_auth_contract": "resource-registration-v0", "inventory_digest": digest},
        }],
        "subjects": [
            subject("adm-alice", "Human"), subject("agt-hub", "Agent"), subject("atm-backup", "Automation"),
            subject("iam:adm-alice", "Human"), subject("iam:agt-hub", "Agent"), subject("iam:atm-backup", "Automation"),
            subject("kc:hub", "Agent"),
        ],
        "groups": [
            group("adm", json!(["adm-alice", "iam:adm-alice"])),
            group("agt", json!(["agt-hub", "iam:agt-hub", "kc:hub"])),
            group("atm", json!(["atm-backup", "iam:atm-backup"])),
        ],
        "relationships": [may("adm-alice"), may("agt-hub"), may("atm-backup")],
        "tenants": [{"id": tenant}],
    });
    assert_eq!(value_of(&inventory), expected);
    let text = text_of(&inventory);
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
    let keys = [
        "systems",
        "resource_manifests",
        "subjects",
        "groups",
        "relationships",
        "tenants",
    ];
    let places: Vec<_> = keys
        .map(|key| text.find(&format!("\n  \"{key}\"")).unwrap())
        .into();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn disabled_and_expired_actors_are_absent() {
    let day = "agt/agt-day.toml";
    let inventory = Inventory::of([
        (
            "agt/agt-off.toml",
            "type = \"agt\"\nprincipals = [\"a\"]\ndisabled = true\n",
        ),
        (
            day,
            "type = \"agt\"\nprincipals = [\"a\"]\nexpires = 2027-01-01\n",
        ),
        BACKUP,
    ]);
    let whole = inventory.path().load().unwrap();
    let settings = RegistrySettings::default();
    let end = UnixTime::parse("2027-01-01").unwrap();
    for (at, present, absent) in [
        (end.minus(1), "agt-day atm-backup", "agt-off disabled"),
        (end, "atm-backup", "agt-day expired agt-off disabled"),
    ] {
        let snapshot = Snapshot::build(&whole, &settings, at);
        let names: Vec<_> = snapshot
            .entries()
            .iter()
            .map(|one| one.name().as_str())
            .collect();
        assert_eq!(names.join(" "), present);
        let left_out = snapshot
            .left_out()
            .iter()
            .map(|(name, why)| format!("{name} {why}"));
        assert_eq!(left_out.collect::<Vec<_>>().join(" "), absent);
        let mut text = Vec::new();
        snapshot.write(&mut text).unwrap();
        assert!(!String::from_utf8(text).unwrap().contains("agt-off"));
    }
}

#[test]
fn the_order_in_which_files_were_made_does_not_matter() {
    let files = [ADMIN, AGENT, BACKUP];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let inventory = Inventory::of(order.map(|at| files[at]));
        assert_eq!(text_of(&inventory), three());
    }
}

#[test]
fn nothing_else_of_an_actor_is_written() {
    let text = text_of(&Inventory::of([(
        "agt/agt-hub.toml",
        "type = \"agt\"\nprincipals = [\"task\"]\ndescription = \"not-for-the-gate\"\nowner = \"not-for-the-gate\"\n\
         force_command = \"not-for-the-gate\"\nsource_address = [\"10.9.8.7/32\"]\n\
         public_keys = [\"SHA256:JQ6FV0rf7qqJHZqIj4zNH8eV0oB8KLKh9Pph3FTD98g\"]\n",
    )]));
    for hidden in ["not-for-the-gate", "10.9.8.7", "SHA256:"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[test]
fn a_subject_of_several_actors_stands_once() {
    let file = |kind: &str| {
        format!(
            "type = \"{kind}\"\nprincipals = [\"a\"]\nsubjects = [\"iam:shared\", \"agt-b\", \"0\"]\n"
        )
    };
    let (admin, agent) = (file("adm"), file("agt"));
    let inventory = Inventory::of([
        ("adm/adm-a.toml", admin.as_str()),
        ("agt/agt-a.toml", agent.as_str()),
        ("agt/agt-b.toml", agent.as_str()),
    ]);
    let value = value_of(&inventory);
    let ids = |list: &Value, key: &str| -> Vec<String> {
        let text = |one: &Value| one.get(key).unwrap_or(one).as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(text).collect()
    };
    let own = [
        "adm-a",
        "agt-a",
        "agt-b",
        "iam:adm-a",
        "iam:agt-a",
        "iam:agt-b",
    ];
    assert_eq!(
        ids(&value["subjects"], "id"),
        [&["0"], &own[..], &["iam:shared"]].concat()
    );
    assert_eq!(value["subjects"][0]["type"], "Human");
    assert_eq!(value["subjects"][3]["type"], "Agent");
    let members = |at: usize| ids(&value["groups"][at]["members"], "-");
    assert_eq!(
        members(0),
        ["0", "adm-a", "agt-b", "iam:adm-a", "iam:shared"]
    );
    let agents = [
        "0",
        "agt-a",
        "agt-b",
        "iam:agt-a",
        "iam:agt-b",
        "iam:shared",
    ];
    assert_eq!(members(1), agents);
    assert!(differences(&read(&text_of(&inventory)), &read(&text_of(&inventory))).is_empty());
}

/// Every element of every list, with the list it stands in.
fn elements(value: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut add = |list: &str, elements: &Value| {
        for one in elements.as_array().unwrap() {
            assert!(
                found.insert((list.to_owned(), one.to_string())),
                "{one} twice"
            );
        }
    };
    add("resources", &value["resource_manifests"][0]["resources"]);
    for list in ["systems", "subjects", "relationships", "tenants"] {
        add(list, &value[list]);
    }
    for group in value["groups"].as_array().unwrap() {
        add(group["id"].as_str().unwrap(), &group["members"]);
    }
    found
}

#[test]
fn adding_an_actor_adds_what_is_its_own_and_changes_the_digest() {
    let inventory = Inventory::of([ADMIN, BACKUP]);
    let before = text_of(&inventory);
    inventory.write(AGENT.0, AGENT.1);
    let after = text_of(&inventory);
    let (old, new): (Value, Value) = (
        serde_json::from_str(&before).unwrap(),
        serde_json::from_str(&after).unwrap(),
    );
    let added: Vec<_> = elements(&new)
        .difference(&elements(&old))
        .cloned()
        .collect();
    assert_eq!(elements(&old).difference(&elements(&new)).count(), 0);
    let count = |list: &str| added.iter().filter(|(name, _)| name == list).count();
    assert_eq!(
        [
            "resources",
            "subjects",
            "group:ops-warden/agt",
            "relationships"
        ]
        .map(count),
        [1, 3, 3, 1]
    );
    assert_eq!(added.len(), 8);
    assert!(added.iter().all(|(_, text)| text.contains("hub")));

    // Without these and the digest nothing is left of the difference.
    let digest =
        |value: &Value| value["resource_manifests"][0]["metadata"]["inventory_digest"].clone();
    assert_ne!(digest(&old), digest(&new));
    let mut stripped = new.clone();
    stripped["resource_manifests"][0]["metadata"]["inventory_digest"] = digest(&old);
    let without = |list: &mut Value| {
        list.as_array_mut()
            .unwrap()
            .retain(|one| !one.to_string().contains("hub"))
    };
    without(&mut stripped["resource_manifests"][0]["resources"]);
    without(&mut stripped["subjects"]);
    without(&mut stripped["relationships"]);
    without(&mut stripped["groups"][1]["members"]);
    assert_eq!(stripped, old);

    let said: Vec<_> = differences(&read(&before), &read(&after))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "`agt-hub` is new: principal task for up to 1h30m, for the subjects agt-hub, iam:agt-hub, kc:hub"
        ]
    );
}

#[test]
fn tenant_and_system_follow_the_settings() {
    let inventory = Inventory::of([BACKUP]);
    let whole = inventory.path().load().unwrap();
    let settings = RegistrySettings::new("tenant:b", "other").unwrap();
    let mut text = Vec::new();
    Snapshot::build(&whole, &settings, NOW)
        .write(&mut text)
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("ops-warden") && !text.contains("tenant:platform"));
    let read = read(&text);
    assert_eq!(
        (read.settings().tenant(), read.settings().system()),
        ("tenant:b", "other")
    );
    for bad in ["", "a b", "é", "a\n"] {
        assert!(RegistrySettings::new(bad, "x").is_err());
        assert!(RegistrySettings::new("x", bad).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_read_is_what_was_built(plan in plan()) {
        let inventory = plan.inventory();
        let whole = inventory.path().load().unwrap();
        let settings = RegistrySettings::default();
        let built = Snapshot::build(&whole, &settings, plan.now());
        let mut text = Vec::new();
        built.write(&mut text).unwrap();
        let found = Snapshot::read("r.json".as_ref(), String::from_utf8(text.clone()).unwrap()).unwrap();
        prop_assert_eq!(differences(&built, &found), []);
        prop_assert_eq!(differences(&found, &built), []);
        prop_assert_eq!(built.inventory_digest(), found.inventory_digest());
        let mut again = Vec::new();
        found.write(&mut again).unwrap();
        prop_assert_eq!(text, again);
    }
}
