//! Writes a snapshot as JSON, indented by two blanks, out of what the inventory holds.
//!
//! - Nothing is collected first: every list is an iterator that serde_json draws from.

use super::spelling::{
    self, ACTION, CONTRACT, IAM_PREFIX, RELATION, RESOURCE_PREFIX, RESOURCE_TYPE, SOURCE,
};
use super::{Entry, Snapshot, SubjectId, hours};
use crate::inventory::ActorType;
use serde::ser::{Serialize, SerializeSeq, Serializer};
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
        let group = |actor_type| spelling::Group {
            id: spelling::group_id(system, actor_type),
            tenant: tenant.to_owned(),
            members: Members(self, actor_type),
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
            subjects: Subjects(self),
            groups: ActorType::ALL.map(group),
            relationships: Each(|| self.entries.iter().map(relationship)),
            tenants: [spelling::Tenant { id: tenant }],
        }
        .serialize(serializer)
    }
}

fn resource<'a>(entry: &'a Entry<'_>) -> impl Serialize + use<'a> {
    spelling::Resource {
        id: Joined::resource(entry),
        resource_type: RESOURCE_TYPE,
        attributes: spelling::Attributes {
            actor_type: entry.name().actor_type().as_str(),
            principals: Each(|| entry.principals().iter().map(|one| one.as_str())),
            max_ttl_seconds: entry.max_ttl.seconds(),
            max_ttl_hours: hours(entry.max_ttl),
            default_ttl_seconds: entry.ttl.seconds(),
            default_ttl_hours: hours(entry.ttl),
            allowed_subjects: Each(|| entry.allowed_subjects().map(Joined::subject)),
        },
    }
}

fn relationship<'a>(entry: &'a Entry<'_>) -> impl Serialize + use<'a> {
    spelling::Relationship {
        subject: entry.name().as_str(),
        relation: RELATION,
        object: Joined::resource(entry),
    }
}

/// The section of subjects.
struct Subjects<'a>(&'a Snapshot<'a>);

impl Serialize for Subjects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let tenant = self.0.settings.tenant();
        self.0.each_subject(None, |id, actor_type| {
            list.serialize_element(&spelling::Subject {
                id: Joined::subject(id),
                subject_type: spelling::subject_type(actor_type),
                tenant,
            })
        })?;
        list.end()
    }
}

/// The members of the group of one type.
struct Members<'a>(&'a Snapshot<'a>, ActorType);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, actor_type) = *self;
        let mut list = serializer.serialize_seq(None)?;
        snapshot.each_subject(Some(actor_type), |id, _| {
            list.serialize_element(&Joined::subject(id))
        })?;
        list.end()
    }
}

/// A string of JSON in two parts, joined without asking for memory: there are several for each actor.
struct Joined<'a>(&'static str, &'a str);

/// Room for every prefix here and the longest name of an actor.
const JOINED_BYTES: usize = 96;

impl<'a> Joined<'a> {
    fn resource(entry: &'a Entry<'_>) -> Self {
        Self(RESOURCE_PREFIX, entry.name().as_str())
    }

    fn subject(id: SubjectId<'a>) -> Self {
        Self(if id.iam { IAM_PREFIX } else { "" }, id.text)
    }
}

impl Serialize for Joined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(prefix, text) = *self;
        if prefix.is_empty() {
            return serializer.serialize_str(text);
        }
        let mut buffer = [0; JOINED_BYTES];
        let joined = buffer
            .get_mut(..prefix.len() + text.len())
            .and_then(|into| {
                let (first, second) = into.split_at_mut(prefix.len());
                first.copy_from_slice(prefix.as_bytes());
                second.copy_from_slice(text.as_bytes());
                std::str::from_utf8(into).ok()
            });
        match joined {
            Some(joined) => serializer.serialize_str(joined),
            None => serializer.collect_str(&format_args!("{prefix}{text}")),
        }
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
