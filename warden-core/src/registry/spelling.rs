//! How a registry snapshot is spelt: the one table of its keys and fixed words.
//!
//! - The names of the structs' fields are the keys of the JSON, in the order they are written.
//!   Writing and reading use the same structs, so that a key is spelt once.
//! - A comment `ours` marks a spelling for which no published schema or text was found. It is our
//!   choice and unproven against the real flex-auth; `wiki/reference/registry.md` says the same.
//! - Everything else follows flex-auth's published schemas and the agreed names of this gate.

use crate::inventory::ActorType;
use serde::{Deserialize, Serialize};

/// What every actor's resource id begins with.
pub(crate) const RESOURCE_PREFIX: &str = "ssh-cert:actor/";
/// The type of every resource.
pub(crate) const RESOURCE_TYPE: &str = "ssh-certificate";
/// The one action.
pub(crate) const ACTION: &str = "sign";
/// What the second name of every actor begins with.
pub(crate) const IAM_PREFIX: &str = "iam:";
/// The contract that the resource manifest names.
pub(super) const CONTRACT: &str = "resource-registration-v0";
/// Who wrote the manifest. Ours.
pub(super) const SOURCE: &str = "warden";
/// How a subject relates to its resource. Ours.
pub(super) const RELATION: &str = "can_sign";

/// The id of the resource manifest. Ours.
pub(super) fn manifest_id(system: &str) -> String {
    format!("{system}.ssh-certificates")
}

/// The id of the group of one type. Ours.
pub(super) fn group_id(system: &str, actor_type: ActorType) -> String {
    format!("group:{system}/{actor_type}")
}

/// The word flex-auth uses for what a subject is, which is not adm, agt or atm. `Human` is
/// published, the others are ours.
pub(super) const fn subject_type(actor_type: ActorType) -> &'static str {
    match actor_type {
        ActorType::Adm => "Human",
        ActorType::Agt => "Agent",
        ActorType::Atm => "Automation",
    }
}

/// The whole snapshot. All six keys are ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whole<Systems, Manifests, Subjects, Groups, Relationships, Tenants> {
    pub(super) systems: Systems,
    pub(super) resource_manifests: Manifests,
    pub(super) subjects: Subjects,
    pub(super) groups: Groups,
    pub(super) relationships: Relationships,
    pub(super) tenants: Tenants,
}

/// The key by which a text is taken for a snapshot, and so may be quoted in an error.
pub(super) const MARK: &str = "resource_manifests";

/// A system that protects resources. Both keys are ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct System<Text> {
    pub(super) id: Text,
    pub(super) tenant: Text,
}

/// A tenant. The key is ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tenant<Text> {
    pub(super) id: Text,
}

/// The resource manifest, as flex-auth's schema has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest<Text, Texts, Resources> {
    pub(super) id: Text,
    pub(super) system: Text,
    pub(super) actions: Texts,
    pub(super) resources: Resources,
    pub(super) metadata: Metadata<Text>,
}

/// What the manifest says of itself. The first two keys are a published convention.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata<Text> {
    pub(super) source: Text,
    pub(super) flex_auth_contract: Text,
    /// Ours.
    pub(super) inventory_digest: Text,
}

/// A resource: one actor. `id` and `type` are published.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource<Id, Text, Attributes> {
    pub(super) id: Id,
    #[serde(rename = "type")]
    pub(super) resource_type: Text,
    /// Ours.
    pub(super) attributes: Attributes,
}

/// What the policy reads of an actor. `allowed_subjects` is published, the other keys are ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes<Text, Principals, Number, Subjects> {
    pub(super) actor_type: Text,
    pub(super) principals: Principals,
    pub(super) max_ttl_seconds: Number,
    /// Rounded up, as the gate is asked in whole hours.
    pub(super) max_ttl_hours: Number,
    pub(super) default_ttl_seconds: Number,
    pub(super) default_ttl_hours: Number,
    pub(super) allowed_subjects: Subjects,
}

/// A subject, as flex-auth's schema has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject<Id, Text> {
    pub(super) id: Id,
    #[serde(rename = "type")]
    pub(super) subject_type: Text,
    pub(super) tenant: Text,
}

/// A group, as flex-auth's schema has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group<Text, Members> {
    pub(super) id: Text,
    pub(super) tenant: Text,
    pub(super) members: Members,
}

/// A relationship. All keys are ours.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Relationship<Id, Text, Object> {
    pub(super) subject: Id,
    pub(super) relation: Text,
    pub(super) object: Object,
}
