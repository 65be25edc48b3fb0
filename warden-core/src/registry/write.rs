//! Writes a snapshot as JSON, indented by two blanks, out of what the inventory holds.
//!
//! - Nothing is collected first: every list is an iterator that serde_json draws from.

use super::spelling::{self, ACTION, CONTRACT, RELATION, RESOURCE_PREFIX, RESOURCE_TYPE, SOURCE};
use super::{Entry, Snapshot, SubjectId, hours};
use crate::inventory::{ActorName, ActorType};
use serde::{Serialize, Serializer};
use std::fmt;
use std::io::{self, Write};

impl Snapshot<'_> {
    /// Writes the snapshot that follows from the actors in it.
    ///
    /// # Errors
    /// If `to` does not take it.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut to, self)?;
        to.write_all(b"\n")?;
        to.flush()
    }
}

impl Serialize for Snapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tenant, system) = (self.settings.tenant(), self.settings.system());
        let subject = move |(id, actor_type)| spelling::Subject {
            id: Shown(id),
            subject_type: spelling::subject_type(actor_type),
            tenant,
        };
        let group = |actor_type| spelling::Group {
            id: Shown(spelling::group_id(system, actor_type)),
            tenant: Shown(tenant.to_owned()),
            members: Each(move || self.subjects(Some(actor_type)).map(|(id, _)| Shown(id))),
        };
        spelling::Whole {
            systems: [spelling::System { id: system, tenant }],
            resource_manifests: [spelling::Manifest {
                id: spelling::manifest_id(system).as_str(),
                system,
                actions: [ACTION],
                resources: Each(|| self.entries.iter().map(resource)),
                metadata: spelling::Metadata {
                    source: SOURCE,
                    flex_auth_contract: CONTRACT,
                    inventory_digest: self.inventory_digest.as_str(),
                },
            }],
            subjects: Each(|| self.subjects(None).map(subject)),
            groups: ActorType::ALL.map(group),
            relationships: Each(|| self.entries.iter().map(relationship)),
            tenants: [spelling::Tenant { id: tenant }],
        }
        .serialize(serializer)
    }
}

fn resource<'a>(entry: &'a Entry<'_>) -> impl Serialize + use<'a> {
    spelling::Resource {
        id: Shown(ResourceId(entry.name())),
        resource_type: RESOURCE_TYPE,
        attributes: spelling::Attributes {
            actor_type: entry.name().actor_type().as_str(),
            principals: Each(|| entry.principals().iter().map(|one| one.as_str())),
            max_ttl_seconds: entry.max_ttl.seconds(),
            max_ttl_hours: hours(entry.max_ttl),
            default_ttl_seconds: entry.ttl.seconds(),
            default_ttl_hours: hours(entry.ttl),
            allowed_subjects: Each(|| entry.allowed_subjects().map(Shown::<SubjectId<'_>>)),
        },
    }
}

fn relationship<'a>(entry: &'a Entry<'_>) -> impl Serialize + use<'a> {
    spelling::Relationship {
        subject: entry.name().as_str(),
        relation: RELATION,
        object: Shown(ResourceId(entry.name())),
    }
}

/// The id of an actor's resource.
struct ResourceId<'a>(&'a ActorName);

impl fmt::Display for ResourceId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RESOURCE_PREFIX)?;
        f.write_str(self.0.as_str())
    }
}

/// A string of JSON, from anything that can be shown.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A list of JSON, drawn from an iterator each time it is written.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: IntoIterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
