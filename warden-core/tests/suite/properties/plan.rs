//! Makes inventories of one actor, and requests for it, so that about half of them are allowed.

use crate::scene::{Inventory, NOW, actor, principals, user_key};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use warden_core::certificate::{Extension, Ttl, UnixTime};
use warden_core::inventory::{ActorName, ActorType};
use warden_core::request::CertificateRequest;

const POOL: [&str; 6] = ["zulu", "alpha", "mike", "a.b_c@d/e+f-g", "0", "Mike"];

/// An actor, the settings of its type, and a request.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    actor_type: ActorType,
    type_ttl: u64,
    type_extensions: Vec<Extension>,
    principals: Vec<&'static str>,
    ttl: u64,
    max_ttl: u64,
    min_ttl: Option<u64>,
    extensions: Option<Vec<Extension>>,
    force_command: Option<String>,
    source_address: Option<Vec<&'static str>>,
    verify_required: bool,
    disabled: bool,
    /// Days from the midnight after [`NOW`].
    expires: Option<u32>,
    pinned: Option<u8>,
    asked_ttl: Option<u64>,
    asked_principals: Option<Vec<&'static str>>,
    key: u8,
    later: u64,
}

/// A way to give an actor less.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tightening {
    Disable,
    ExpireSooner,
    PinAnotherKey,
    DropPrincipal,
    LowerTtl,
    LowerMaxTtl,
    LowerTypeTtl,
    RaiseMinTtl,
    DropExtension,
    DropTypeExtension,
}

pub(crate) fn tightening() -> impl Strategy<Value = Tightening> {
    use Tightening::*;
    select(vec![
        Disable,
        ExpireSooner,
        PinAnotherKey,
        DropPrincipal,
        LowerTtl,
        LowerMaxTtl,
        LowerTypeTtl,
        RaiseMinTtl,
        DropExtension,
        DropTypeExtension,
    ])
}

prop_compose! {
    /// Type, its longest time, the actor's longest, its default, and its shortest.
    fn times()(
        actor_type in select(ActorType::ALL.to_vec()),
        parts in any::<[prop::sample::Index; 4]>(),
        shortest in any::<bool>(),
    ) -> (ActorType, u64, u64, u64, Option<u64>) {
        let below = |most: u64, part: &prop::sample::Index| {
            1 + part.index(usize::try_from(most).unwrap()) as u64
        };
        let type_ttl = below(actor_type.ceiling().seconds(), &parts[0]);
        let max_ttl = below(type_ttl, &parts[1]);
        let ttl = below(max_ttl, &parts[2]);
        (actor_type, type_ttl, max_ttl, ttl, shortest.then(|| below(ttl, &parts[3])))
    }
}

prop_compose! {
    fn powers()(type_extensions in subsequence(Extension::ALL.to_vec(), 0..=6))
        (
            extensions in of(subsequence(type_extensions.clone(), 0..=type_extensions.len())),
            type_extensions in Just(type_extensions),
            force_command in of("[ -~]{1,40}"),
            source_address in of(subsequence(vec!["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"], 1..=3)),
            verify_required in any::<bool>(),
        ) -> (Vec<Extension>, Option<Vec<Extension>>, Option<String>, Option<Vec<&'static str>>, bool) {
        (type_extensions, extensions, force_command, source_address, verify_required)
    }
}

prop_compose! {
    pub(crate) fn plan()(
        (actor_type, type_ttl, max_ttl, ttl, min_ttl) in times(),
        (type_extensions, extensions, force_command, source_address, verify_required) in powers(),
        principals in subsequence(POOL.to_vec(), 1..=6).prop_shuffle(),
        disabled in prop::bool::weighted(0.05),
        expires in of(0u32..2),
        pinned in of(1u8..3),
        key in prop::bool::weighted(0.2),
        later in 0u64..50_000,
        ask in any::<prop::sample::Index>(),
        ask_ttl in 0u8..5,
        others in prop::bool::weighted(0.1),
        fewer in of(subsequence(vec![0usize, 1, 2, 3, 4, 5], 1..=6).prop_shuffle()),
    ) -> Plan {
        // Mostly inside what may be asked, sometimes on its edges or beyond.
        let asked_ttl = match ask_ttl {
            0 | 1 => None,
            2 => Some(max_ttl + ask.index(3) as u64),
            3 => Some((min_ttl.unwrap_or(1) + 1).saturating_sub(ask.index(3) as u64).max(1)),
            _ => Some(1 + ask.index(usize::try_from(max_ttl).unwrap()) as u64),
        };
        let asked_principals = fewer.map(|fewer| {
            let pool = if others { POOL.to_vec() } else { principals.clone() };
            let asked: Vec<_> = fewer.iter().filter_map(|at| pool.get(*at).copied()).collect();
            if asked.is_empty() { vec![pool[0]] } else { asked }
        });
        Plan {
            actor_type, type_ttl, type_extensions, principals, ttl, max_ttl, min_ttl, extensions,
            force_command, source_address, verify_required, disabled, expires, pinned, asked_ttl,
            asked_principals, key: if key { 2 } else { pinned.unwrap_or(1) }, later,
        }
    }
}

impl Plan {
    pub(crate) fn actor(&self) -> ActorName {
        actor(&format!("{}-any", self.actor_type))
    }

    /// NOW is noon, so this reaches into the next day.
    pub(crate) fn now(&self) -> UnixTime {
        NOW.plus(self.later)
    }

    pub(crate) fn request(&self) -> CertificateRequest {
        let mut request = CertificateRequest::new(self.actor(), user_key(self.key));
        if let Some(seconds) = self.asked_ttl {
            request = request.with_ttl(Ttl::from_seconds(seconds).unwrap());
        }
        if let Some(asked) = &self.asked_principals {
            request = request.with_principals(principals(asked));
        }
        request
    }

    pub(crate) fn inventory(&self) -> Inventory {
        let name = self.actor_type;
        let types = format!(
            "[{name}]\nmax_ttl = \"{}s\"\nextensions = {:?}\n",
            self.type_ttl,
            names(&self.type_extensions)
        );
        let mut text = format!(
            "type = \"{name}\"\nprincipals = {:?}\nttl = \"{}s\"\nmax_ttl = \"{}s\"\n\
             verify_required = {}\ndisabled = {}\n",
            self.principals, self.ttl, self.max_ttl, self.verify_required, self.disabled
        );
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                text += &format!("{key} = {value}\n");
            }
        };
        line("min_ttl", self.min_ttl.map(|one| format!("\"{one}s\"")));
        let extensions = self.extensions.as_deref().map(names);
        line("extensions", extensions.map(|list| format!("{list:?}")));
        line("force_command", self.force_command.as_deref().map(quoted));
        let addresses = self.source_address.as_ref();
        line("source_address", addresses.map(|list| format!("{list:?}")));
        let day = |days: u32| format!("2026-11-{}", 23 + days);
        line("expires", self.expires.map(day));
        let pin = |seed| format!("[\"{}\"]", user_key(seed).fingerprint());
        line("public_keys", self.pinned.map(pin));
        let file = format!("{name}/{name}-any.toml");
        Inventory::of([("types.toml", types.as_str()), (&file, &text)])
    }

    /// The same request to an actor that may be given less.
    pub(crate) fn tightened(&self, how: &Tightening) -> Self {
        let mut plan = self.clone();
        // Never below the shortest: that would be malformed, and to lower the shortest gives more.
        let half = |seconds: u64| seconds.div_ceil(2).max(self.min_ttl.unwrap_or(1));
        match how {
            Tightening::Disable => plan.disabled = true,
            Tightening::ExpireSooner => {
                plan.expires = Some(plan.expires.map_or(1, |days| days.saturating_sub(1)));
            }
            Tightening::PinAnotherKey => plan.pinned = Some(3),
            Tightening::DropPrincipal => {
                if plan.principals.len() > 1 {
                    plan.principals.pop();
                }
            }
            Tightening::LowerTtl => plan.ttl = half(plan.ttl),
            Tightening::LowerMaxTtl => plan.max_ttl = half(plan.max_ttl),
            Tightening::LowerTypeTtl => plan.type_ttl = half(plan.type_ttl),
            Tightening::RaiseMinTtl => plan.min_ttl = Some(plan.ttl),
            Tightening::DropExtension => {
                if let Some(list) = &mut plan.extensions {
                    list.pop();
                }
            }
            Tightening::DropTypeExtension => {
                plan.type_extensions.pop();
            }
        }
        // What would make the file malformed, and so give nobody anything, follows along.
        plan.max_ttl = plan.max_ttl.min(plan.type_ttl);
        plan.ttl = plan.ttl.min(plan.max_ttl);
        if let Some(list) = &mut plan.extensions {
            list.retain(|one| plan.type_extensions.contains(one));
        }
        plan
    }
}

fn names(list: &[Extension]) -> Vec<&'static str> {
    list.iter().map(|one| one.as_str()).collect()
}

/// Printable ASCII as a string of TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
