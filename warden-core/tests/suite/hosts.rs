//! The files of hosts: any inventory renders to what it says, and anything can be read.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use warden_core::diagnostic::SourceText;
use warden_core::host::ca_keys::{CaKeys, as_sshd_reads};
use warden_core::host::listed::Listed;
use warden_core::host::principals;
use warden_core::host::render::{FileKind, Prefix, SSHD_CONFIG, Sources, headed, render};
use warden_core::host::sshd_config::{ConfigFiles, Tree};
use warden_core::host::tree;
use warden_core::inventory::{Host, InventoryPath};

const CA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fn cas() -> CaKeys {
    CaKeys::read(&SourceText::new(Path::new("user-ca.pub"), CA.to_owned())).unwrap()
}

/// A host of this file.
fn host(text: &str) -> Host {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("hosts")).unwrap();
    std::fs::write(directory.path().join("hosts/hub-1.toml"), text).unwrap();
    let standing = InventoryPath::new(directory.path())
        .standing_of_host(&"hub-1".parse().unwrap())
        .unwrap();
    match standing.entry.unwrap() {
        warden_core::inventory::Entry::Host(host) => host,
        warden_core::inventory::Entry::Actor(actor) => panic!("{}", actor.name()),
    }
}

fn sources<'a>(host: &'a Host, cas: &'a CaKeys, prefix: &'a Prefix) -> Sources<'a> {
    Sources {
        host,
        user_cas: cas,
        host_cas: None,
        krl: None,
        host_certificate: None,
        prefix,
        certificates_only: false,
    }
}

/// Accounts, each with principals and perhaps a command for each.
fn lanes() -> impl Strategy<Value = BTreeMap<String, BTreeMap<String, Option<String>>>> {
    let command = proptest::option::of("[ -\"$-\\[\\]-~é]{0,20}[a-z]");
    let of_account = proptest::collection::btree_map("[a-zA-Z0-9._@/+]{1,12}", command, 0..5);
    proptest::collection::btree_map("[a-z_][a-z0-9._-]{0,8}", of_account, 0..5)
        .prop_filter("root is asked for twice", |all| {
            !all.contains_key("root") && !all.contains_key("toor")
        })
}

proptest! {
    #[test]
    fn any_hosts_files_say_what_its_lanes_say(lanes in lanes()) {
        let mut text = "names = [\"hub-1\"]\n".to_owned();
        for (account, principals) in &lanes {
            text += &format!("[accounts.\"{account}\"]\n");
            let free = principals.iter().filter(|(_, command)| command.is_none());
            let free: Vec<_> = free.map(|(principal, _)| format!("{principal:?}")).collect();
            text += &format!("principals = [{}]\n[accounts.\"{account}\".lanes]\n", free.join(", "));
            for (principal, command) in principals {
                if let Some(command) = command {
                    let quoted = serde_json::Value::from(command.as_str());
                    text += &format!("{principal:?} = {{ force_command = {quoted} }}\n");
                }
            }
        }
        let (host, cas, prefix) = (host(&text), cas(), Prefix::default());
        let rendering = render(&sources(&host, &cas, &prefix)).unwrap();
        let mut found = BTreeMap::new();
        for file in &rendering.files {
            file.understood(&file.content).unwrap();
            let head = headed(&file.content).unwrap();
            prop_assert_eq!(head.host, "hub-1");
            prop_assert_eq!(head.digest, rendering.digest.to_string());
            let FileKind::Principals(account) = &file.kind else { continue };
            let mut said = BTreeMap::new();
            for (_, line) in principals::read(&file.content) {
                let line = line.unwrap();
                let command = line.options.command;
                prop_assert_eq!(line.options.permits.none(), command.is_some());
                let command = command.map(|one| String::from_utf8(one).unwrap());
                said.insert(String::from_utf8(line.principal).unwrap(), command);
            }
            found.insert(account.to_string(), said);
        }
        prop_assert_eq!(&found, &lanes);
        let again = render(&sources(&host, &cas, &prefix)).unwrap();
        prop_assert_eq!(again.files, rendering.files);
    }

    #[test]
    fn any_file_of_ca_keys_that_is_taken_is_read_whole_by_sshd(
        before in "(#[ -~]{0,9}\n|\n|[ \t]*|[ -~]{0,9}\n|\u{c}|\r\n){0,3}",
        after in "( [ -~]{0,9}|\t|\r|\u{b})?",
        more in "(\n|#|\n#x|\n[ -~]{0,5})?",
    ) {
        let text = format!("{before}{CA}{after}{more}");
        let source = SourceText::new(Path::new("x"), text.clone());
        if let Ok(keys) = CaKeys::read(&source) {
            let read = as_sshd_reads(text.as_bytes());
            let (fine, stopped) = (read.unsound.is_empty(), read.stopped.is_some());
            prop_assert_eq!((keys.iter().count(), read.keys.len(), fine, stopped), (1, 1, true, false));
        }
    }

    #[test]
    fn any_list_is_read_or_refused(
        text in "([ ]{0,6}(- |-|[a-z]{1,3}:|[a-z]{1,3}: \\[[a-z, \"]{0,6}\\]|hosts:|ssh_principals:|hub-1:|[ -~]{0,5}|\t|---|#x)\n){0,9}",
        bytes in any::<String>(),
    ) {
        static HUB: LazyLock<Host> = LazyLock::new(|| host("names = [\"hub-1\"]\n"));
        for text in [text, bytes] {
            let source = SourceText::new(Path::new("list"), text);
            if let Ok(listed) = Listed::read(&source, &HUB) {
                let accounts: Vec<_> = listed.accounts().collect();
                prop_assert!(accounts.iter().all(|one| listed.principals(one).is_some()));
            }
        }
    }

    #[test]
    fn any_configuration_of_sshd_is_read(text in "((include|Include|Match|LogLevel|#)?[ =\t]?[ -~]{0,12}\n?){0,6}") {
        let directory = tempfile::tempdir().unwrap();
        let overlay = [(SSHD_CONFIG, text.as_bytes())];
        let prefix = Prefix::default();
        let tree = Tree { root: directory.path(), prefix: &prefix, overlay: &overlay };
        let files = ConfigFiles::read(&tree, SSHD_CONFIG, directory.path()).unwrap();
        prop_assert!(files.copies().count() >= 1);
    }
}

#[test]
fn what_is_written_is_the_rendering_and_written_twice_it_is_the_same() {
    let (host, cas, prefix) = (
        host("names = [\"hub-1\"]\n[accounts.a]\nprincipals = [\"p\"]\n"),
        cas(),
        Prefix::default(),
    );
    let rendering = render(&sources(&host, &cas, &prefix)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let steps = |plan: tree::Plan| plan.into_iter().map(|(_, step)| step).collect::<Vec<_>>();
    let planned = tree::plan(&rendering, directory.path()).unwrap();
    assert_eq!(tree::write(&rendering, directory.path()).unwrap(), planned);
    assert_eq!(steps(planned), [tree::Step::New; 3]);
    assert_eq!(
        steps(tree::write(&rendering, directory.path()).unwrap()),
        [tree::Step::Same; 3]
    );
    for file in &rendering.files {
        let found = std::fs::read(directory.path().join(&file.path)).unwrap();
        assert_eq!(found, *file.content);
    }
}
