//! The published schema takes what is built, and refuses what is broken.

use super::{read, three};
use crate::properties::plan::plan;
use crate::scene::Inventory;
use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../../../wiki/reference/registry-snapshot.schema.json");

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let place = "https://warden.test/registry-snapshot.schema.json";
        compiler.add_resource(place, schema).unwrap();
        let index = compiler.compile(place, &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn takes(&self, value: &Value) -> Result<(), String> {
        self.schemas
            .validate(value, self.index)
            .map_err(|error| error.to_string())
    }
}

#[test]
fn the_schema_takes_what_is_built() {
    let schema = Schema::new();
    schema
        .takes(&serde_json::from_str(&three()).unwrap())
        .unwrap();
    let empty = super::text_of(&Inventory::of([("types.toml", "# none\n")]));
    schema
        .takes(&serde_json::from_str(&empty).unwrap())
        .unwrap();
    assert_eq!(read(&empty).entries().len(), 0);
}

#[test]
fn the_schema_refuses_what_is_broken() {
    let schema = Schema::new();
    let actor = "/resource_manifests/0/resources/0";
    let broken = [
        ("/systems", json!([])),
        ("/tenants/0/id", json!("")),
        ("/tenants/0/id", json!("a b")),
        ("/subjects/0/type", json!("adm")),
        ("/subjects/0/extra", json!(1)),
        ("/groups/0/members", json!(["a", "a"])),
        ("/relationships/0/relation", json!("owns")),
        ("/resource_manifests/0/actions", json!(["sign", "read"])),
        (
            "/resource_manifests/0/metadata/inventory_digest",
            json!("ABC"),
        ),
        ("/resource_manifests/0/metadata/note", json!("x")),
        (&format!("{actor}/id"), json!("ssh-cert:actor/usr-alice")),
        (&format!("{actor}/id"), json!("ssh-cert:actor/agt-alice")),
        (&format!("{actor}/type"), json!("x509")),
        (&format!("{actor}/attributes/principals"), json!([])),
        (&format!("{actor}/attributes/principals"), json!(["a", "a"])),
        (&format!("{actor}/attributes/principals"), json!(["-a"])),
        (&format!("{actor}/attributes/principals"), json!(["a,b"])),
        (&format!("{actor}/attributes/principals"), json!("root")),
        (
            &format!("{actor}/attributes/max_ttl_seconds"),
            json!(172_801),
        ),
        (&format!("{actor}/attributes/max_ttl_seconds"), json!(0)),
        (&format!("{actor}/attributes/max_ttl_seconds"), json!("48h")),
        (&format!("{actor}/attributes/max_ttl_hours"), json!(49)),
        (&format!("{actor}/attributes/default_ttl_hours"), json!(1.5)),
        (&format!("{actor}/attributes/allowed_subjects"), json!([])),
        (&format!("{actor}/attributes/actor_type"), json!("atm")),
        ("/extra", json!(1)),
    ];
    for (place, value) in broken {
        let mut snapshot: Value = serde_json::from_str(&three()).unwrap();
        let (parent, key) = place.rsplit_once('/').unwrap();
        snapshot.pointer_mut(parent).unwrap()[key] = value.clone();
        assert!(schema.takes(&snapshot).is_err(), "{place}: {value}");
        let text = snapshot.to_string();
        let read = warden_core::registry::Snapshot::read("r.json".as_ref(), text);
        assert!(read.is_err(), "{place}: {value} is read");
    }
    for key in [
        "systems",
        "resource_manifests",
        "subjects",
        "groups",
        "relationships",
        "tenants",
    ] {
        let mut snapshot: Value = serde_json::from_str(&three()).unwrap();
        snapshot.as_object_mut().unwrap().remove(key);
        assert!(schema.takes(&snapshot).is_err(), "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_schema_takes_the_snapshot_of_any_inventory(plan in plan()) {
        let text = super::text_of(&plan.inventory());
        prop_assert_eq!(Schema::new().takes(&serde_json::from_str(&text).unwrap()), Ok(()));
    }
}
