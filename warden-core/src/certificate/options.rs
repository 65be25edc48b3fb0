//! Critical options and extensions: what a certificate may do, and under which restraint.
//!
//! - Only OpenSSH's three critical options and six extensions exist; a server refuses an unknown
//!   critical option and ignores an unknown extension, so neither may be built.
//! - On the wire names stand in byte order, each once, and a flag has empty data. \[CERT\]
//! - A forced command is carried byte for byte; a source address is strict CIDR without host bits,
//!   as sshd's `addr_match_cidr_list` demands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The longest forced command, in bytes. OpenSSH has no limit of its own; with this one the whole
/// certificate stays far below the 256 KiB of an SSH packet.
const MAX_FORCE_COMMAND_BYTES: usize = 8192;

/// The most entries of a source address. OpenSSH has no limit of its own.
const MAX_SOURCE_ADDRESSES: usize = 64;

/// Something a session may do; each is refused by sshd when absent. Ordered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extension {
    /// A FIDO key need not be touched. Without effect where the host lists principals in a file,
    /// unless the line there says `no-touch-required` too.
    NoTouchRequired,
    /// X11 forwarding.
    PermitX11Forwarding,
    /// Agent forwarding.
    PermitAgentForwarding,
    /// Port forwarding.
    PermitPortForwarding,
    /// A terminal.
    PermitPty,
    /// Running `~/.ssh/rc`.
    PermitUserRc,
}

impl Extension {
    /// All six, in wire order.
    pub const ALL: [Self; 6] = [
        Self::NoTouchRequired,
        Self::PermitX11Forwarding,
        Self::PermitAgentForwarding,
        Self::PermitPortForwarding,
        Self::PermitPty,
        Self::PermitUserRc,
    ];

    /// OpenSSH's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoTouchRequired => "no-touch-required",
            Self::PermitX11Forwarding => "permit-X11-forwarding",
            Self::PermitAgentForwarding => "permit-agent-forwarding",
            Self::PermitPortForwarding => "permit-port-forwarding",
            Self::PermitPty => "permit-pty",
            Self::PermitUserRc => "permit-user-rc",
        }
    }

    /// The extension of that name; letter case counts.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of extensions; the empty set grants nothing beyond running a command.
pub type Extensions = BTreeSet<Extension>;

/// Why a value is not a critical option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// An empty forced command would run the login shell.
    #[error("the forced command is empty; leave the key out to force none")]
    EmptyCommand,
    /// A newline or NUL in a forced command.
    #[error(
        "the forced command holds {character:?}, which cannot be carried to the host unchanged"
    )]
    CommandCharacter {
        /// The character.
        character: char,
    },
    /// A forced command over 8,192 bytes.
    #[error("the forced command is {found} bytes long; at most 8192 are allowed")]
    CommandTooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// An empty list of addresses.
    #[error("the list of source addresses is empty; leave the key out to allow any address")]
    NoAddresses,
    /// More than 64 entries.
    #[error("{found} source addresses; at most 64 are allowed")]
    TooManyAddresses {
        /// How many there are.
        found: usize,
    },
    /// Not an address or a network.
    #[error("`{text}` is not an address or a network in CIDR form, such as 10.0.0.0/8")]
    Address {
        /// The entry.
        text: String,
    },
    /// Bits beyond the prefix are set.
    #[error("`{text}` has bits set beyond its prefix; the network is {network}")]
    HostBits {
        /// The entry.
        text: String,
        /// The network that was probably meant.
        network: String,
    },
    /// The same network twice.
    #[error("source address {text} stands twice in the list")]
    DuplicateAddress {
        /// The network.
        text: String,
    },
}

/// A command sshd runs whatever the client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForceCommand(String);

impl ForceCommand {
    /// Takes a command byte for byte.
    ///
    /// # Errors
    /// For an empty command, a newline or NUL, or more than 8,192 bytes.
    pub fn new(text: &str) -> Result<Self, OptionError> {
        if text.is_empty() {
            return Err(OptionError::EmptyCommand);
        }
        if let Some(character) = text.chars().find(|c| matches!(c, '\n' | '\r' | '\0')) {
            return Err(OptionError::CommandCharacter { character });
        }
        if text.len() > MAX_FORCE_COMMAND_BYTES {
            return Err(OptionError::CommandTooLong { found: text.len() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The command.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The networks a certificate may be used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddress(Vec<String>);

impl SourceAddress {
    /// Reads a list of addresses and networks. A bare address becomes /32 or /128.
    ///
    /// # Errors
    /// For an empty or overlong list, a duplicate, a bad entry, or bits set beyond a prefix.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, OptionError> {
        let mut networks: Vec<String> = Vec::new();
        for entry in entries {
            let network = network(entry)?;
            if networks.contains(&network) {
                return Err(OptionError::DuplicateAddress { text: network });
            }
            networks.push(network);
        }
        match networks.len() {
            0 => Err(OptionError::NoAddresses),
            1..=MAX_SOURCE_ADDRESSES => Ok(Self(networks)),
            found => Err(OptionError::TooManyAddresses { found }),
        }
    }

    /// The networks in the order given, each `address/prefix`.
    pub fn networks(&self) -> &[String] {
        &self.0
    }

    /// Whether an address is in one of the networks. An IPv4 address written as IPv6 is IPv4, as it is
    /// to sshd.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| {
            let (base, prefix) = network.split_once('/').unwrap_or((network, ""));
            let same_width = base
                .parse::<IpAddr>()
                .is_ok_and(|base| base.is_ipv4() == address.is_ipv4());
            let masked = prefix.parse().ok().and_then(|prefix| mask(address, prefix));
            same_width && masked.is_some_and(|masked| masked.to_string() == base)
        })
    }
}

/// The comma-separated form of the wire.
impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// An address without the bits beyond a prefix; `None` for a prefix longer than the address.
fn mask(address: IpAddr, prefix: u32) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let beyond = u32::MAX.checked_shr(prefix).unwrap_or(0);
            (prefix <= 32).then(|| IpAddr::V4((u32::from(v4) & !beyond).into()))?
        }
        IpAddr::V6(v6) => {
            let beyond = u128::MAX.checked_shr(prefix).unwrap_or(0);
            (prefix <= 128).then(|| IpAddr::V6((u128::from(v6) & !beyond).into()))?
        }
    })
}

/// One entry in canonical form.
fn network(text: &str) -> Result<String, OptionError> {
    let malformed = || OptionError::Address {
        text: text.to_owned(),
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => width,
        Some(digits) => {
            let number: u32 = digits.parse().map_err(|_| malformed())?;
            // `+8` and `08` parse as numbers, but sshd refuses them.
            if number > width || number.to_string() != digits {
                return Err(malformed());
            }
            number
        }
    };
    let masked = mask(address, prefix).ok_or_else(malformed)?;
    if masked != address {
        let network = format!("{masked}/{prefix}");
        return Err(OptionError::HostBits {
            text: text.to_owned(),
            network,
        });
    }
    Ok(format!("{masked}/{prefix}"))
}

/// The critical options of a certificate. A server refuses a certificate whose options it does not
/// know, so only OpenSSH's three exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriticalOptions {
    /// The command sshd runs whatever the client asks for.
    pub force_command: Option<ForceCommand>,
    /// The networks the certificate may be used from.
    pub source_address: Option<SourceAddress>,
    /// A FIDO key must have verified its user (a PIN or a fingerprint).
    pub verify_required: bool,
}

impl CriticalOptions {
    /// Name and value of each, in wire order; a flag has an empty value.
    pub fn to_map(&self) -> BTreeMap<&'static str, String> {
        let mut map = BTreeMap::new();
        if let Some(command) = &self.force_command {
            map.insert("force-command", command.as_str().to_owned());
        }
        if let Some(address) = &self.source_address {
            map.insert("source-address", address.to_string());
        }
        if self.verify_required {
            map.insert("verify-required", String::new());
        }
        map
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_or_not() {
        let networks = SourceAddress::new(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]).unwrap();
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.0.2.7",
            "2001:db8::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "11.0.0.0",
            "9.255.255.255",
            "192.0.2.6",
            "2001:db9::",
            "::1",
            "::a00:1",
        ] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        let all = SourceAddress::new(["0.0.0.0/0"]).unwrap();
        assert!(
            all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap())
        );
    }
    use proptest::prelude::*;

    fn one(text: &str) -> Result<String, OptionError> {
        SourceAddress::new([text]).map(|list| list.to_string())
    }

    #[test]
    fn extensions_stand_in_byte_order() {
        let names: Vec<_> = Extension::ALL.iter().map(|one| one.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        assert!(Extension::ALL.is_sorted());
        assert_eq!(
            Extension::parse("permit-X11-forwarding"),
            Some(Extension::PermitX11Forwarding)
        );
        assert_eq!(Extension::parse("permit-x11-forwarding"), None);
    }

    #[test]
    fn a_bare_address_becomes_a_network_of_one() {
        assert_eq!(one("10.1.2.3").unwrap(), "10.1.2.3/32");
        assert_eq!(one("2001:db8::1").unwrap(), "2001:db8::1/128");
        assert_eq!(one("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(one("::/0").unwrap(), "::/0");
    }

    #[test]
    fn host_bits_are_an_error_that_names_the_network_meant() {
        let network = |text| match one(text) {
            Err(OptionError::HostBits { network, .. }) => network,
            other => panic!("{other:?}"),
        };
        assert_eq!(network("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(network("2001:db8::1/32"), "2001:db8::/32");
        assert_eq!(network("1.2.3.4/0"), "0.0.0.0/0");
    }

    #[test]
    fn nothing_but_strict_networks_is_an_address() {
        let bad = [
            "",
            "host.example",
            "10.0.0.0/33",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0/8",
            "!10.0.0.0/8",
            " 10.0.0.0/8",
            "10.0.0.0/8,11.0.0.0/8",
            "fe80::1%eth0",
            "10.0.0.0/8/8",
            "010.0.0.0/8",
            "*",
        ];
        for text in bad {
            assert!(
                matches!(one(text), Err(OptionError::Address { .. })),
                "{text:?}"
            );
        }
        assert_eq!(SourceAddress::new([]), Err(OptionError::NoAddresses));
        assert!(matches!(
            SourceAddress::new(["10.0.0.1", "10.0.0.1/32"]),
            Err(OptionError::DuplicateAddress { .. })
        ));
    }

    #[test]
    fn a_forced_command_is_kept_byte_for_byte() {
        let command = r#"/bin/echo "a, b"  'c' \ é #x"#;
        assert_eq!(ForceCommand::new(command).unwrap().as_str(), command);
        for bad in ["", "a\nb", "a\0b", "a\r"] {
            assert!(ForceCommand::new(bad).is_err(), "{bad:?}");
        }
        assert!(ForceCommand::new(&"x".repeat(8193)).is_err());
    }

    proptest! {
        #[test]
        fn a_network_reads_back_as_itself(bits in any::<u32>(), prefix in 0u32..=32) {
            let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) };
            let text = format!("{}/{prefix}", std::net::Ipv4Addr::from(bits & mask));
            prop_assert_eq!(one(&text).unwrap(), text);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Ok(network) = one(&text) {
                prop_assert!(network.bytes().all(|b| b.is_ascii_hexdigit() || b".:/".contains(&b)));
            }
        }
    }
}
