//! The request for a certificate that only tries the way.

use crate::certificate::{PublicKey, Ttl};
use crate::inventory::{ActorName, InventoryPath};
use crate::request::CertificateRequest;

/// Asks for so many seconds, or for fewer where the actor's certificates may not live that long.
pub fn request(
    actor: &ActorName,
    key: PublicKey,
    seconds: u64,
    inventory: &InventoryPath,
) -> CertificateRequest {
    // What is wrong with an inventory is said by whoever decides about the request.
    let standing = inventory.standing_of(actor).ok();
    let longest = standing
        .as_ref()
        .and_then(|standing| standing.actor())
        .map_or(seconds, |actor| actor.max_ttl().seconds());
    let request = CertificateRequest::new(actor.clone(), key);
    match Ttl::from_seconds(seconds.min(longest)) {
        Some(ttl) => request.with_ttl(ttl),
        None => request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_lives_no_longer_than_the_actors_certificates_may() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("agt")).unwrap();
        let inventory = InventoryPath::new(directory.path());
        let actor: ActorName = "agt-x".parse().unwrap();
        let key = || {
            let line =
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5LpRQWhqWy+9GjE0vqXYZkgMxWwGIXZEOKXiZs4Zqg";
            PublicKey::from_openssh(line.as_bytes()).unwrap()
        };
        let asked = || {
            request(&actor, key(), 60, &inventory)
                .ttl()
                .map(Ttl::seconds)
        };
        assert_eq!(asked(), Some(60), "nobody of that name: the bounds say so");
        for (max_ttl, expected) in [("15s", 15), ("1m", 60), ("2h", 60)] {
            let text = format!("type = \"agt\"\nprincipals = [\"a\"]\nmax_ttl = \"{max_ttl}\"\n");
            std::fs::write(directory.path().join("agt/agt-x.toml"), text).unwrap();
            assert_eq!(asked(), Some(expected), "{max_ttl}");
        }
    }
}
