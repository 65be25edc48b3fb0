//! Any text for the small values: it is refused, or it obeys its grammar and reads back as itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use warden_core::certificate::{Fingerprint, ForceCommand, Principal, SourceAddress, Ttl};
use warden_core::inventory::ActorName;
use warden_core::journal::Head;

fuzz_target!(|text: &str| {
    if let Ok(ttl) = Ttl::parse(text) {
        assert!(ttl.seconds() > 0);
        assert_eq!(Ttl::parse(&ttl.to_string()), Ok(ttl));
    }
    if let Ok(principal) = Principal::new(text) {
        assert_eq!(principal.as_str(), text);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@/+-".contains(&byte);
        assert!(text.bytes().all(allowed) && (1..=64).contains(&text.len()));
    }
    if let Ok(address) = SourceAddress::new(text.split(',')) {
        let shown = address.to_string();
        assert!(
            shown
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || b".:/,".contains(&byte))
        );
        assert!(address.networks().iter().all(|network| network.len() <= 49));
        assert_eq!(SourceAddress::new(shown.split(',')), Ok(address));
    }
    if let Ok(name) = text.parse::<ActorName>() {
        assert!(name.as_str() == text && !text.contains(['/', '.', '\0']));
    }
    if let Some(fingerprint) = Fingerprint::parse(text) {
        assert_eq!(fingerprint.as_str(), text);
    }
    if let Ok(command) = ForceCommand::new(text) {
        assert_eq!(command.as_str(), text);
        assert!(!text.contains(['\0', '\n', '\r']));
    }
    if let Ok(head) = text.parse::<Head>() {
        assert_eq!(head.to_string(), text);
    }
});
