//! The compose overlay that the guide hands out. No compose is needed to read it: this reads the few
//! forms of YAML that stand in it, and refuses any other.

use std::collections::BTreeMap;
use std::path::Path;
use warden_tests::sandbox::Sandbox;

const VARIABLE: &str = "PLATFORM_RUNTIME_SAFE_SESSION_CA_KEY_FILE";

/// Every value by the way that leads to it: `services/web/volumes/-/type`. One entry of a list at most.
fn values(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut way: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let mut indent = line.len() - bare.len();
        way.retain(|(at, _)| *at < indent);
        let bare = match bare.strip_prefix("- ") {
            Some(entry) => {
                way.push((indent, "-".to_owned()));
                indent += 2;
                entry
            }
            None => bare,
        };
        let (name, value) = bare.split_once(':').unwrap();
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
            "{line}"
        );
        way.push((indent, name.to_owned()));
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').unwrap(),
            None => value,
        };
        assert!(
            !value.contains(['"', '\'', '\\', '#', '&', '*', '{', '|']) || value.starts_with("${"),
            "{line}"
        );
        let names: Vec<_> = way.iter().map(|(_, name)| name.as_str()).collect();
        let before = found.insert(names.join("/"), value.to_owned());
        assert_eq!(before, None, "{line}");
    }
    found
}

#[test]
fn the_overlay_mounts_the_key_read_only_and_wants_the_variable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/safe-session-local-ca.yaml");
    let mut found = values(&std::fs::read_to_string(path).unwrap());
    let service = "services/safe-session-api";
    let mut take = |name: &str| {
        found
            .remove(&format!("{service}/{name}"))
            .unwrap_or_default()
    };
    let source = take("volumes/-/source");
    let target = take("volumes/-/target");
    assert_eq!(take("volumes/-/type"), "bind");
    assert_eq!(take("volumes/-/read_only"), "true");
    assert_eq!(take("volumes/-/bind/create_host_path"), "false");
    assert_eq!(take("privileged"), "false");
    // The service finds the key where it is mounted.
    assert!(target.starts_with('/'), "{target}");
    assert_eq!(take(&format!("environment/{VARIABLE}")), target);
    assert_eq!(
        found,
        BTreeMap::new(),
        "nothing else is changed by the overlay"
    );
    // Compose has the form from the shell, and both mean the same by it.
    let form = format!("${{{VARIABLE}:?");
    assert!(
        source.starts_with(&form) && source.ends_with('}'),
        "{source}"
    );
    let sandbox = Sandbox::new();
    let mounted = |value: Option<&str>| {
        let shell = sandbox
            .program("sh")
            .args(["-c", &format!("printf %s \"{source}\"")]);
        match value {
            Some(value) => shell.env(VARIABLE, value).run(),
            None => shell.run(),
        }
    };
    for refused in [mounted(None), mounted(Some(""))] {
        assert!(
            !refused.succeeded() && refused.stderr.contains(VARIABLE),
            "{refused}"
        );
    }
    assert_eq!(
        mounted(Some("/etc/safe-session/ca_key")).stdout,
        "/etc/safe-session/ca_key"
    );
}
