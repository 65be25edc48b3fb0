//! The registry snapshot: what is in it, what is refused, and what is said of two.

mod building;
mod differences;
mod reading;
mod schema;

use crate::scene::{Inventory, NOW};
use std::path::Path;
use warden_core::registry::{RegistrySettings, Snapshot};

pub(crate) const ADMIN: (&str, &str) = (
    "adm/adm-alice.toml",
    "type = \"adm\"\nprincipals = [\"root\", \"deploy\"]\nttl = \"8h\"\nmax_ttl = \"48h\"\n",
);
pub(crate) const AGENT: (&str, &str) = (
    "agt/agt-hub.toml",
    "type = \"agt\"\nprincipals = [\"task\"]\nttl = \"90m\"\nsubjects = [\"iam:agt-hub\", \"kc:hub\"]\n",
);
pub(crate) const BACKUP: (&str, &str) = (
    "atm/atm-backup.toml",
    "type = \"atm\"\nprincipals = [\"backup\"]\n",
);

/// The text of the snapshot of an inventory.
pub(crate) fn text_of(inventory: &Inventory) -> String {
    let whole = inventory.path().load().unwrap();
    let settings = RegistrySettings::default();
    let mut written = Vec::new();
    let snapshot = Snapshot::build(&whole, &settings, NOW);
    snapshot.write(&mut written).unwrap();
    String::from_utf8(written).unwrap()
}

/// The snapshot of three actors.
pub(crate) fn three() -> String {
    text_of(&Inventory::of([ADMIN, AGENT, BACKUP]))
}

pub(crate) fn read(text: &str) -> Snapshot<'static> {
    Snapshot::read(Path::new("r.json"), text.to_owned()).unwrap()
}
