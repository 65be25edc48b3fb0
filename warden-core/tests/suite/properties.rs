//! What holds for any actor and any request.

mod cutover;
pub(crate) mod plan;

use crate::forger::{CA, ca};
use crate::scene::public_blob;
use plan::{Plan, plan, tightening};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use warden_core::authorize::{Authorization, Decision, authorize};
use warden_core::certificate::UnixTime;
use warden_core::clock::FixedClock;
use warden_core::inventory::{ActorName, Inventory};
use warden_core::issue::{Issuer, Outcome, issue};
use warden_core::journal::{Entry, Journal, JournalError, Recorded};
use warden_core::revocation::Revocations;
use warden_core::sign::local::{CaKey, LocalCa};

/// A journal in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<Entry>>);

impl Journal for Memory {
    fn append_with(
        &self,
        entry: &mut dyn FnMut() -> Entry,
        _: UnixTime,
    ) -> Result<Recorded, JournalError> {
        let mut entries = self.0.lock().unwrap();
        entries.push(entry());
        Ok(Recorded {
            seq: entries.len() as u64,
            event_id: serde_json::from_str("\"00\"").unwrap(),
        })
    }
}

fn decide(plan: &Plan) -> Decision {
    decide_from(&plan.inventory(), plan)
}

fn decide_from(inventory: &crate::scene::Inventory, plan: &Plan) -> Decision {
    let standing = inventory.path().standing_of(&plan.actor()).unwrap();
    authorize(plan.request(), &standing, &Revocations::none(), plan.now())
}

/// The terms, and what the inventory says about the actor.
fn allowed(plan: &Plan) -> Option<(Authorization, Inventory)> {
    match decide(plan) {
        Decision::Allow(terms) => Some((terms, plan.inventory().path().load().unwrap())),
        Decision::Deny(_) => None,
    }
}

/// The certificate that is issued, as another library reads it, and its one record.
fn issued(plan: &Plan) -> Option<(ssh_key::Certificate, Entry)> {
    let inventory = plan.inventory();
    let journal = Memory::default();
    let by = Issuer {
        revocations: &warden_core::revocation::Revocations::none(),
        gating: warden_core::gate::Gating::Off,
        subject: None,
        inventory: inventory.path(),
        backend: &LocalCa::with_key(CaKey::from_ed25519_seed(&[CA; 32]).unwrap()),
        journal: &journal,
        clock: &FixedClock(plan.now()),
    };
    let outcome = issue(plan.request(), &by).unwrap();
    let entries = journal.0.into_inner().unwrap();
    let [entry] = &entries[..] else {
        panic!("not one record");
    };
    match outcome {
        Outcome::Issued(issued) => {
            let certificate = issued.to_openssh().parse().unwrap();
            Some((certificate, entry.clone()))
        }
        Outcome::Denied(..) => None,
    }
}

fn known(inventory: &Inventory, name: &ActorName) -> warden_core::inventory::Actor {
    inventory.actor(name).unwrap().clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_allowed_lies_inside_the_bounds(plan in plan()) {
        if let Some((terms, inventory)) = allowed(&plan) {
            let actor = known(&inventory, terms.holder().actor().unwrap());
            let bounds = inventory.types().of(terms.holder().actor().unwrap().actor_type());
            let mut left = actor.principals().iter();
            for one in terms.principals().iter() {
                prop_assert!(left.any(|next| next == one), "{one} is missing or out of order");
            }
            prop_assert!(terms.ttl() <= actor.max_ttl());
            prop_assert!(actor.max_ttl() <= bounds.max_ttl);
            prop_assert!(bounds.max_ttl <= terms.holder().actor().unwrap().actor_type().ceiling());
            prop_assert!(terms.extensions().is_subset(&bounds.extensions));
            prop_assert_eq!(terms.extensions(), actor.extensions());
            prop_assert_eq!(terms.critical_options(), actor.critical_options());
            prop_assert!(!actor.disabled());
            if let Some(end) = actor.expires() {
                prop_assert!(plan.now().plus(terms.ttl().seconds()) <= end);
            }
            if let Some(asked) = plan.request().ttl() {
                prop_assert_eq!(terms.ttl(), asked);
                prop_assert!(actor.min_ttl().is_none_or(|shortest| shortest <= asked));
            }
            if let Some(asked) = plan.request().principals() {
                prop_assert_eq!(terms.principals().len(), asked.len());
                prop_assert!(asked.iter().all(|one| terms.principals().contains(one)));
            }
            if let Some(pinned) = actor.public_keys() {
                prop_assert!(pinned.contains(terms.public_key().fingerprint()));
            }
        }
    }

    #[test]
    fn deciding_twice_gives_the_same(plan in plan()) {
        let inventory = plan.inventory();
        let decide = || format!("{:?}", decide_from(&inventory, &plan));
        prop_assert_eq!(decide(), decide());
    }

    #[test]
    fn lowering_a_bound_never_turns_a_denial_into_a_certificate(
        plan in plan(),
        tightening in tightening(),
    ) {
        let tighter = plan.tightened(&tightening);
        let before = allowed(&plan);
        if let Some((after, _)) = allowed(&tighter) {
            prop_assert!(before.is_some(), "{tightening:?} turned a denial into a certificate");
            let (before, _) = before.unwrap();
            prop_assert!(after.ttl() <= before.ttl());
            prop_assert!(after.extensions().is_subset(before.extensions()));
            prop_assert!(after.principals().iter().all(|one| before.principals().contains(one)));
        }
    }

    #[test]
    fn what_is_issued_is_what_was_authorized(plan in plan()) {
        let allowed = allowed(&plan);
        let issued = issued(&plan);
        prop_assert_eq!(allowed.is_some(), issued.is_some());
        if let (Some((terms, _)), Some((certificate, entry))) = (allowed, issued) {
            let now = plan.now().0;
            prop_assert_eq!(certificate.cert_type(), ssh_key::certificate::CertType::User);
            prop_assert_eq!(certificate.key_id(), terms.holder().as_str());
            prop_assert_ne!(certificate.serial(), 0);
            prop_assert_eq!(certificate.valid_principals(), &terms.principals().to_strings()[..]);
            prop_assert_eq!(certificate.valid_after(), now - 30);
            prop_assert_eq!(certificate.valid_before(), now + terms.ttl().seconds());
            let options: BTreeMap<_, _> = certificate.critical_options().iter().collect();
            let wanted = terms.critical_options().to_map();
            prop_assert_eq!(options.len(), wanted.len());
            for (name, value) in options {
                prop_assert_eq!(Some(value), wanted.get(name.as_str()));
            }
            let extensions: Vec<_> = certificate.extensions().iter().collect();
            prop_assert!(extensions.iter().all(|(_, data)| data.is_empty()));
            let names: Vec<_> = extensions.iter().map(|(name, _)| name.as_str()).collect();
            let wanted: Vec<_> = terms.extensions().iter().map(|one| one.as_str()).collect();
            prop_assert_eq!(names, wanted);
            let key = ssh_key::PublicKey::from(certificate.public_key().clone());
            prop_assert_eq!(key.to_openssh().unwrap(), terms.public_key().to_openssh());
            let signer = certificate.signature_key().fingerprint(ssh_key::HashAlg::Sha256);
            let expected = ca(&public_blob(CA)).fingerprint().to_string();
            prop_assert_eq!(signer.to_string(), expected);
            prop_assert!(certificate.validate_at(now, [&signer]).is_ok());

            let facts = entry.facts;
            prop_assert_eq!(facts.serial.unwrap(), certificate.serial().to_string());
            prop_assert_eq!(facts.key_id.unwrap(), certificate.key_id());
            prop_assert_eq!(facts.principals.unwrap(), certificate.valid_principals());
            prop_assert_eq!(facts.ttl_seconds.unwrap(), terms.ttl().seconds());
            let window = (facts.valid_after.unwrap(), facts.valid_before.unwrap());
            let (after, before) = (certificate.valid_after(), certificate.valid_before());
            prop_assert_eq!(window, (UnixTime(after).to_string(), UnixTime(before).to_string()));
        }
    }
}

#[test]
fn the_plans_are_neither_all_allowed_nor_all_denied() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let plans = (0..200).map(|_| plan().new_tree(&mut runner).unwrap().current());
    let allowed = plans.filter(|plan| allowed(plan).is_some()).count();
    assert!((40..160).contains(&allowed), "{allowed} of 200");
}
