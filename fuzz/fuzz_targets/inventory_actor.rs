//! Any inventory in one file: whoever it gives something is inside the ceilings, and every problem has
//! a place that can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use warden_core::inventory::{InventoryError, InventoryPath};
use warden_fuzz::MemoryFile;

fuzz_target!(|content: &[u8]| {
    let file = MemoryFile::new(content);
    let path = InventoryPath::new(file.path());
    match path.load() {
        Ok(inventory) => {
            for actor in inventory.actors() {
                let ceiling = actor.name().actor_type().ceiling();
                assert!(actor.ttl() <= actor.max_ttl() && actor.max_ttl() <= ceiling);
                assert!(
                    actor
                        .min_ttl()
                        .is_none_or(|shortest| shortest <= actor.ttl())
                );
                let bounds = inventory.types().of(actor.name().actor_type());
                assert!(actor.extensions().is_subset(&bounds.extensions));
                let one = path.standing_of(actor.name()).ok();
                assert_eq!(one.as_ref().and_then(|one| one.actor()), Some(actor));
            }
        }
        Err(InventoryError::Problems(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let _shown = (problem.to_string(), problem.excerpt());
            }
        }
        Err(_) => {}
    }
});
