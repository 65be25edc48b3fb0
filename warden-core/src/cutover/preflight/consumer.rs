//! Judges a key file as the service sees it that is to sign with it. Pure.
//!
//! - Whether the service can read the key is computed from modes and owners as the kernel does, not
//!   tried: whoever runs the check may be somebody else.
//! - A container is judged by a saved `docker inspect` or `podman inspect`. What it does not say is no.

use super::Owner;
use super::place::Entry;
use crate::cutover::check::Check;
use crate::failure::{Class, Failure};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What an owner looks like that the user namespace does not know.
const UNMAPPED: u32 = 65534;

/// Who signs with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its user.
    pub uid: u32,
    /// Its groups, the first one first.
    pub groups: Vec<u32>,
}

impl Service {
    /// Whether it holds this one of the rights 4 (read) and 1 (search).
    fn may(&self, right: u32, entry: &Entry) -> bool {
        let class = if self.uid == entry.uid {
            6
        } else if self.groups.contains(&entry.gid) {
            3
        } else {
            0
        };
        self.uid == 0 || entry.mode & (right << class) != 0
    }
}

/// The service can search every directory on the way and read the file.
pub(super) fn readable(service: &Service, directories: &[Entry], file: &Entry) -> Check {
    let blocked = directories
        .iter()
        .find(|directory| !service.may(1, directory))
        .or_else(|| (!service.may(4, file)).then_some(file));
    let check = Check::of(blocked.is_none(), "consumer_key_readable").with("uid", service.uid);
    match blocked {
        None => check,
        Some(entry) => check
            .with("blocked_at", entry.path.display())
            .with("mode", format!("{:04o}", entry.mode))
            .with("owner", Owner::of(entry)),
    }
}

/// Owner and group are known here. In a rootless container a file of the host's root shows another
/// owner, so that nothing can be said about it from inside.
pub(super) fn mapped(found: Owner) -> Check {
    let is_known = found.uid != UNMAPPED && found.gid != UNMAPPED;
    Check::of(is_known, "consumer_owner_mapped").with("got", found)
}

/// What an inspection says of a container, as far as it concerns the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    mounts: Vec<ContainerMount>,
    privileged: Option<bool>,
    user: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerMount {
    #[serde(default)]
    source: PathBuf,
    #[serde(default)]
    destination: PathBuf,
    #[serde(rename = "RW")]
    writable: Option<bool>,
}

/// Why an inspection cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the inspection cannot be used: {detail}")]
pub struct InspectError {
    detail: String,
}

impl Failure for InspectError {
    fn class(&self) -> Class {
        Class::Malformed
    }

    fn reason(&self) -> &'static str {
        "inspect_malformed"
    }

    fn hints(&self) -> Vec<String> {
        vec!["write it with `docker inspect CONTAINER > FILE`, for one container".to_owned()]
    }
}

impl Container {
    /// Reads what `docker inspect` or `podman inspect` wrote about one container.
    ///
    /// # Errors
    /// If it is not JSON of that form, or about none or several.
    pub fn from_json(text: &[u8]) -> Result<Self, InspectError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            mounts: Vec<ContainerMount>,
            host_config: Option<HostConfig>,
            config: Option<Config>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct HostConfig {
            privileged: Option<bool>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            user: Option<String>,
        }
        let unusable = |detail: String| InspectError { detail };
        let list: Vec<Inspected> = serde_json::from_slice(text).map_err(|error| {
            // serde's own message may quote a value; an inspection holds the environment.
            unusable(format!(
                "not a list of containers with `Mounts`, at line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        let count = list.len();
        let mut list = list.into_iter();
        let (Some(one), None) = (list.next(), list.next()) else {
            return Err(unusable(format!("it is about {count} containers, not one")));
        };
        Ok(Self {
            mounts: one.mounts,
            privileged: one.host_config.and_then(|config| config.privileged),
            user: one.config.and_then(|config| config.user),
        })
    }

    /// Its user and group, if they are numbers. No user is root.
    pub fn user(&self) -> Option<Owner> {
        match self.user.as_deref()? {
            "" => Some(Owner { uid: 0, gid: 0 }),
            text => {
                let (uid, gid) = text.split_once(':').unwrap_or((text, "0"));
                Some(Owner {
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                })
            }
        }
    }

    /// Every mount that brings the key into the container is read-only. The path is the host's.
    pub(super) fn mount_read_only(&self, key: &Path) -> Check {
        let code = "consumer_container_mount_ro";
        let mut bringing = self
            .mounts
            .iter()
            .filter(|mount| !mount.source.as_os_str().is_empty() && key.starts_with(&mount.source))
            .peekable();
        if bringing.peek().is_none() {
            return Check::fail(code)
                .with("want", "ro")
                .with("got", "key-not-mounted");
        }
        match bringing.find(|mount| mount.writable != Some(false)) {
            None => Check::pass(code).with("want", "ro").with("got", "ro"),
            Some(mount) => Check::fail(code)
                .with("destination", mount.destination.display())
                .with("want", "ro")
                .with("got", "rw"),
        }
    }

    /// It is not privileged.
    pub(super) fn not_privileged(&self) -> Check {
        let got = self
            .privileged
            .map_or("unknown".to_owned(), |is| is.to_string());
        Check::of(
            self.privileged == Some(false),
            "consumer_container_privileged",
        )
        .with("want", false)
        .with("got", got)
    }

    /// Its user is a number, and the service's. Where users are mapped the host knows it under another
    /// number, so a difference is a warning.
    pub(super) fn runs_as(&self, service: Option<&Service>) -> Check {
        let code = "consumer_container_user";
        let got = self.user.as_deref().unwrap_or("unknown");
        match (self.user(), service) {
            // A name means something only inside the image.
            (None, _) => Check::fail(code).with("want", "a-number"),
            (Some(user), Some(service)) if user.uid != service.uid => {
                Check::warn(code).with("want", service.uid)
            }
            (Some(_), _) => Check::pass(code),
        }
        .with("got", got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cutover::check::Verdict;
    use serde_json::{Value, json};

    fn entry(path: &str, uid: u32, gid: u32, mode: u32) -> Entry {
        Entry {
            path: path.into(),
            uid,
            gid,
            mode,
            links: 1,
        }
    }

    #[test]
    fn whether_a_service_can_read_follows_mode_owner_and_the_way() {
        let way = |mode| vec![entry("/", 0, 0, 0o755), entry("/ca", 0, 30, mode)];
        let root = || entry("/ca/key", 0, 0, 0o600);
        let own = || entry("/ca/key", 1000, 1000, 0o400);
        let group = || entry("/ca/key", 0, 30, 0o440);
        let table = [
            // The trap: a key of root and a service that is not.
            (0, vec![0], way(0o755), root(), Ok(())),
            (1000, vec![1000], way(0o755), root(), Err("/ca/key")),
            (1000, vec![1000], way(0o755), own(), Ok(())),
            (1000, vec![1000], way(0o700), own(), Err("/ca")),
            (1000, vec![1000], way(0o710), own(), Err("/ca")),
            (1000, vec![30], way(0o710), own(), Ok(())),
            (1000, vec![5, 30], way(0o710), own(), Ok(())),
            // The group's bits count for the group, not the rest's.
            (1000, vec![30], way(0o701), own(), Err("/ca")),
            (1000, vec![1000], way(0o701), own(), Ok(())),
            // Reading a directory is not searching it.
            (1000, vec![1000], way(0o704), own(), Err("/ca")),
            (1001, vec![30], way(0o755), group(), Ok(())),
            (1001, vec![31], way(0o755), group(), Err("/ca/key")),
            (0, vec![0], way(0o000), entry("/ca/key", 5, 5, 0), Ok(())),
            // The owner's bits count for the owner even where others have more.
            (
                1000,
                vec![1000],
                way(0o755),
                entry("/ca/key", 1000, 0, 0o044),
                Err("/ca/key"),
            ),
        ];
        for (uid, groups, way, file, expected) in table {
            let service = Service { uid, groups };
            let check = readable(&service, &way, &file);
            let blocked = check.facts.iter().find(|(key, _)| *key == "blocked_at");
            assert_eq!(
                blocked.map(|(_, path)| path.as_str()),
                expected.err(),
                "{service:?} {check}"
            );
            assert_eq!(
                check.verdict == Verdict::Pass,
                expected.is_ok(),
                "{service:?} {check}"
            );
        }
    }

    #[test]
    fn an_owner_the_namespace_does_not_know_fails() {
        for (uid, gid, verdict) in [
            (0, 0, Verdict::Pass),
            (1000, 1000, Verdict::Pass),
            (65534, 65534, Verdict::Fail),
            (65534, 0, Verdict::Fail),
            (0, 65534, Verdict::Fail),
        ] {
            assert_eq!(mapped(Owner { uid, gid }).verdict, verdict, "{uid}:{gid}");
        }
    }

    fn inspection() -> Value {
        json!([{
            "Id": "0123", "Config": {"User": "1000:1000", "Env": ["TOKEN=planted"]},
            "HostConfig": {"Privileged": false, "ReadonlyRootfs": true},
            "Mounts": [
                {"Type": "bind", "Source": "/srv/ca/key", "Destination": "/run/secrets/ca", "Mode": "ro", "RW": false},
                {"Type": "volume", "Source": "/var/lib/docker/volumes/x", "Destination": "/data", "RW": true},
                {"Type": "tmpfs", "Source": "", "Destination": "/tmp", "RW": true}
            ]
        }])
    }

    fn verdicts(inspected: &Value, uid: u32) -> [Verdict; 3] {
        let container = Container::from_json(inspected.to_string().as_bytes()).unwrap();
        let service = Service {
            uid,
            groups: vec![uid],
        };
        [
            container.mount_read_only(Path::new("/srv/ca/key")).verdict,
            container.not_privileged().verdict,
            container.runs_as(Some(&service)).verdict,
        ]
    }

    #[test]
    fn each_fault_of_a_container_changes_one_verdict() {
        use Verdict::{Fail, Pass, Warn};
        assert_eq!(verdicts(&inspection(), 1000), [Pass; 3]);
        assert_eq!(verdicts(&inspection(), 1001), [Pass, Pass, Warn]);
        let table: [(&str, Value, [Verdict; 3]); 11] = [
            ("/0/Mounts/0/RW", json!(true), [Fail, Pass, Pass]),
            ("/0/Mounts/0/RW", json!(null), [Fail, Pass, Pass]),
            (
                "/0/Mounts/0/Source",
                json!("/srv/ca/other"),
                [Fail, Pass, Pass],
            ),
            (
                "/0/Mounts/0/Source",
                json!("/srv/ca/ke"),
                [Fail, Pass, Pass],
            ),
            // A directory that brings it in, and a second mount that is writable.
            ("/0/Mounts/0/Source", json!("/srv/ca"), [Pass, Pass, Pass]),
            ("/0/Mounts/1/Source", json!("/srv"), [Fail, Pass, Pass]),
            ("/0/HostConfig/Privileged", json!(true), [Pass, Fail, Pass]),
            ("/0/HostConfig", json!({}), [Pass, Fail, Pass]),
            ("/0/Config/User", json!("signer"), [Pass, Pass, Fail]),
            ("/0/Config/User", json!(""), [Pass, Pass, Warn]),
            ("/0/Config", json!({}), [Pass, Pass, Fail]),
        ];
        for (at, value, expected) in table {
            let mut inspected = inspection();
            *inspected.pointer_mut(at).unwrap() = value.clone();
            assert_eq!(verdicts(&inspected, 1000), expected, "{at} {value}");
        }
    }

    #[test]
    fn an_inspection_is_about_one_container_and_is_never_quoted() {
        for text in [
            "",
            "{}",
            "[]",
            "[{}]",
            "[{\"Mounts\": \"planted\"}]",
            "[{\"Mounts\":[],\"Config\":{\"User\":[\"planted\"]}}]",
            "planted",
            &json!([inspection()[0], inspection()[0]]).to_string(),
        ] {
            let error = Container::from_json(text.as_bytes()).unwrap_err();
            assert_eq!(error.reason(), "inspect_malformed");
            assert!(!error.to_string().contains("planted"), "{error}");
        }
    }
}
