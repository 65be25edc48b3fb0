//! sshd's configuration as files in a tree, and what `sshd -T` says is in effect.
//!
//! - `Include` is followed inside the tree: a path of the host is looked for below the tree's root.
//! - Each file becomes a copy in which `Include` names copies, so that sshd can be asked about a tree
//!   that is not in place. What the copies are called is undone in everything sshd says.
//! - Which lines set a keyword, and whether only some connections see them, is found by reading;
//!   what counts in the end is sshd's own answer.

pub(super) mod pattern;
mod words;

use super::render::{Directive, Prefix};
use crate::file::{self, FileError, Links};
use pattern::Component;
use std::collections::BTreeMap;
use std::path::Path;
use words::words;

/// sshd's main configuration, from the root of the host.
pub const MAIN: &str = "etc/ssh/sshd_config";

/// How deep files may include each other; sshd itself stops at 16.
const MAX_DEPTH: usize = 16;

/// How many files a configuration may have.
const MAX_FILES: usize = 1000;

/// The largest configuration file, in bytes.
const MAX_CONFIG_BYTES: usize = 1024 * 1024;

/// Every file of a configuration, the main one first.
#[derive(Debug, Clone, Default)]
pub struct ConfigFiles(Vec<ConfigFile>);

/// One file of a configuration.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it stands on the host.
    pub path: String,
    /// The copy, in which `Include` names copies.
    copy: String,
    settings: Vec<Setting>,
    unread: Vec<Unread>,
}

/// An `Include` that could not be followed: what it names is not part of what is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its line, from 1.
    pub line: usize,
    /// What it names.
    pub named: String,
    /// Why it was not followed.
    pub why: String,
}

/// One line that sets a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its line, from 1.
    pub line: usize,
    /// The keyword in lower case.
    pub keyword: String,
    /// What follows it, without quotes and comment.
    pub value: String,
    /// Whether it stands below a `Match`.
    pub conditional: bool,
    /// When sshd comes to it; it keeps the first value of a keyword.
    order: usize,
}

/// Where the files of a configuration are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    /// The directory that stands for the root of the host.
    pub root: &'a Path,
    /// What paths on the host begin with.
    pub prefix: &'a Prefix,
    /// Files that are about to be written, by their path from the root.
    pub overlay: &'a [(&'a str, &'a [u8])],
}

impl Tree<'_> {
    fn read(&self, path: &str) -> Result<Option<String>, FileError> {
        if let Some((_, content)) = self.overlay.iter().find(|(name, _)| *name == path) {
            return Ok(Some(String::from_utf8_lossy(content).into_owned()));
        }
        match file::read_bounded(&self.root.join(path), MAX_CONFIG_BYTES, Links::Follow) {
            Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The files a pattern of `Include` names, from the root, in sshd's order; or why that is not known.
    fn expand(&self, pattern: &str) -> Result<Result<Vec<String>, String>, FileError> {
        let absolute = match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => self.prefix.on_host(&format!("etc/ssh/{pattern}")),
        };
        let Some(inside) = self.prefix.inside(&absolute) else {
            return Ok(Err("it is outside of the tree".to_owned()));
        };
        if pattern.starts_with('~') {
            return Ok(Err("sshd does not expand `~`".to_owned()));
        }
        let mut found = vec![String::new()];
        for part in inside
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            let component = match Component::read(part.as_bytes()) {
                Some(component) if part != ".." => component,
                _ => return Ok(Err(format!("`{part}` is not judged here"))),
            };
            let mut next = Vec::new();
            for directory in &found {
                let names = match component.name() {
                    Some(name) => vec![name],
                    None => self.names_in(directory)?,
                };
                let named = names
                    .into_iter()
                    .filter(|name| component.matches(name.as_bytes()));
                let path = |name: String| match directory.as_str() {
                    "" => name,
                    _ => format!("{directory}/{name}"),
                };
                next.extend(named.map(path).filter(|path| self.is_there(path)));
                if next.len() > MAX_FILES {
                    return Ok(Err(format!("it names more than {MAX_FILES} files")));
                }
            }
            found = next;
        }
        found.sort_unstable();
        Ok(Ok(found))
    }

    /// What stands in a directory; nothing if it is none.
    fn names_in(&self, directory: &str) -> Result<Vec<String>, FileError> {
        let place = self.root.join(directory);
        let mut names = match place.is_dir() {
            true => super::tree::names_in(&place)?,
            false => Vec::new(),
        };
        names.extend(self.overlay.iter().filter_map(|(path, _)| {
            let below = match directory {
                "" => *path,
                _ => path.strip_prefix(directory)?.strip_prefix('/')?,
            };
            below.split('/').next().map(str::to_owned)
        }));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Whether there is something, be it a link that leads nowhere.
    fn is_there(&self, path: &str) -> bool {
        let overlaid = self.overlay.iter().any(|(name, _)| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        overlaid || self.root.join(path).symlink_metadata().is_ok()
    }
}

impl ConfigFiles {
    /// Reads the main file of a tree and what it includes. Without a main file, the file `instead` is
    /// taken for it.
    ///
    /// `copies` is the directory the copies will stand in.
    ///
    /// # Errors
    /// If a file that is there cannot be read.
    pub fn read(tree: &Tree<'_>, instead: &str, copies: &Path) -> Result<Self, FileError> {
        let mut files = Self::default();
        let main = match tree.read(MAIN)? {
            Some(text) => (MAIN, text),
            None => (instead, tree.read(instead)?.unwrap_or_default()),
        };
        files.add(tree, main, false, copies, 0, &mut 0)?;
        Ok(files)
    }

    /// Adds a file and what it includes; gives its number.
    fn add(
        &mut self,
        tree: &Tree<'_>,
        (path, text): (&str, String),
        conditional: bool,
        copies: &Path,
        depth: usize,
        order: &mut usize,
    ) -> Result<usize, FileError> {
        let number = self.0.len();
        self.0.push(ConfigFile {
            path: tree.prefix.on_host(path),
            copy: String::new(),
            settings: Vec::new(),
            unread: Vec::new(),
        });
        let mut unread = Vec::new();
        let mut settings = Vec::new();
        let mut copy = String::new();
        let mut below_match = conditional;
        for (index, line) in text.split('\n').enumerate() {
            let (keyword, value) = keyword_and_value(line);
            match keyword.as_str() {
                // sshd refuses an `Include` of nothing, as it does one that is too deep.
                "include" if depth >= MAX_DEPTH || self.0.len() >= MAX_FILES => {
                    copy += "Include";
                    unread.push(Unread {
                        line: index + 1,
                        named: value.clone(),
                        why: format!(
                            "files include each other more than {MAX_DEPTH} deep, or there are more than {MAX_FILES}"
                        ),
                    });
                }
                "include" => {
                    let mut names = String::new();
                    let mut not_followed = |named: &str, why: String| {
                        unread.push(Unread {
                            line: index + 1,
                            named: named.to_owned(),
                            why,
                        });
                    };
                    let patterns = words(&value);
                    if patterns.is_none() {
                        not_followed(&value, "a quote is not closed".to_owned());
                    }
                    for pattern in patterns.unwrap_or_default() {
                        let paths = match tree.expand(&pattern)? {
                            Ok(paths) => paths,
                            Err(why) => {
                                not_followed(&pattern, why);
                                continue;
                            }
                        };
                        for path in paths {
                            let Some(text) = tree.read(&path)? else {
                                let path = tree.prefix.on_host(&path);
                                not_followed(&path, "it leads nowhere".to_owned());
                                continue;
                            };
                            let file = (path.as_str(), text);
                            let one =
                                self.add(tree, file, below_match, copies, depth + 1, order)?;
                            names += &format!(" {}", copies.join(one.to_string()).display());
                        }
                    }
                    if !names.is_empty() {
                        copy += &format!("Include{names}");
                    }
                }
                "match" => {
                    below_match = conditional || !value.eq_ignore_ascii_case("all");
                    copy += line;
                }
                _ => copy += line,
            }
            copy.push('\n');
            if !keyword.is_empty() {
                *order += 1;
                settings.push(Setting {
                    line: index + 1,
                    keyword,
                    value: words(&value).map_or(value, |words| words.join(" ")),
                    conditional: below_match,
                    order: *order,
                });
            }
        }
        if let Some(file) = self.0.get_mut(number) {
            file.copy = copy;
            file.settings = settings;
            file.unread = unread;
        }
        Ok(number)
    }

    /// The copies, each under its name.
    pub fn copies(&self) -> impl Iterator<Item = (String, &str)> {
        let numbered = self.0.iter().enumerate();
        numbered.map(|(number, file)| (number.to_string(), file.copy.as_str()))
    }

    /// What sshd says about copies, about the files themselves.
    pub fn in_its_own_names(&self, said: &str, copies: &Path) -> String {
        let mut said = said.to_owned();
        for (number, file) in self.0.iter().enumerate().rev() {
            let copy = copies.join(number.to_string()).display().to_string();
            said = said.replace(&format!("{copy} "), &format!("{} ", file.path));
            said = said.replace(&format!("{copy}:"), &format!("{}:", file.path));
        }
        said
    }

    /// The main file, as the host names it.
    pub fn main(&self) -> &str {
        self.0.first().map_or(MAIN, |file| file.path.as_str())
    }

    /// A file that is part of the configuration, as the host names it; `path` is from the root.
    pub fn named_as(&self, path: &str) -> Option<&str> {
        let is_it = |name: &&str| name.strip_suffix(path).is_some_and(|at| at.ends_with('/'));
        self.0.iter().map(|file| file.path.as_str()).find(is_it)
    }

    /// The lines that set a keyword, each with its file, in the order in which sshd reads them.
    pub fn that_set<'a>(
        &'a self,
        keyword: &str,
    ) -> impl Iterator<Item = (&'a ConfigFile, &'a Setting)> {
        let every = self
            .0
            .iter()
            .flat_map(|file| file.settings.iter().map(move |setting| (file, setting)));
        let mut set: Vec<_> = every
            .filter(|(_, setting)| setting.keyword.eq_ignore_ascii_case(keyword))
            .collect();
        set.sort_by_key(|(_, setting)| setting.order);
        set.into_iter()
    }

    /// Every `Include` that could not be followed, with its file.
    pub fn unread(&self) -> impl Iterator<Item = (&ConfigFile, &Unread)> {
        let files = self.0.iter();
        files.flat_map(|file| file.unread.iter().map(move |unread| (file, unread)))
    }
}

/// The keyword of a line in lower case, empty for none, and what follows it. A keyword may stand
/// between quotes.
fn keyword_and_value(line: &str) -> (String, String) {
    let line = line.trim();
    if line.starts_with('#') {
        return (String::new(), String::new());
    }
    let between = |c: char| c.is_whitespace() || c == '=';
    let quoted = line
        .strip_prefix('"')
        .and_then(|quoted| quoted.split_once('"'));
    let (keyword, rest) =
        quoted.unwrap_or_else(|| line.split_at(line.find(between).unwrap_or(line.len())));
    let value = rest.trim_start_matches(between).trim();
    (keyword.to_ascii_lowercase(), value.to_owned())
}

/// What `sshd -T` says is in effect, each keyword in lower case with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective(BTreeMap<String, Vec<String>>);

impl Effective {
    /// Reads what `sshd -T` prints.
    pub fn read(text: &str) -> Self {
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (keyword, value) = keyword_and_value(line);
            said.entry(keyword).or_default().push(value);
        }
        Self(said)
    }

    /// The values of a keyword.
    pub fn values(&self, keyword: &str) -> &[String] {
        let found = self.0.get(&keyword.to_ascii_lowercase());
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether a directive is in effect. Several host certificates may be; an sshd built without GSSAPI
    /// or Kerberos does not name them.
    pub fn holds(&self, directive: &Directive) -> bool {
        match self.values(directive.keyword) {
            [] => matches!(
                directive.keyword,
                "GSSAPIAuthentication" | "KerberosAuthentication"
            ),
            [only] => *only == directive.value,
            several => directive.keyword == "HostCertificate" && several.contains(&directive.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn includes_are_followed_inside_the_tree_and_named_as_the_host_names_them() {
        let root = tree(&[
            (
                MAIN,
                "# x\nInclude /etc/ssh/sshd_config.d/*.conf\nMatch User a\n  include more\nMatch all\nLogLevel=INFO\n",
            ),
            ("etc/ssh/sshd_config.d/b.conf", "TrustedUserCAKeys /b\n"),
            ("etc/ssh/sshd_config.d/.a.conf", "TrustedUserCAKeys /a\n"),
            ("etc/ssh/more", "TrustedUserCAKeys /more\n"),
        ]);
        let overlay = [(
            "etc/ssh/sshd_config.d/c.conf",
            &b"trustedusercakeys /c\n"[..],
        )];
        let prefix = Prefix::default();
        let tree = Tree {
            root: root.path(),
            prefix: &prefix,
            overlay: &overlay,
        };
        let copies = Path::new("/copies");
        let files = ConfigFiles::read(&tree, "none", copies).unwrap();
        let found: Vec<_> = files
            .that_set("TrustedUserCAKeys")
            .map(|(file, setting)| {
                (
                    file.path.as_str(),
                    setting.value.as_str(),
                    setting.conditional,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("/etc/ssh/sshd_config.d/b.conf", "/b", false),
                ("/etc/ssh/sshd_config.d/c.conf", "/c", false),
                ("/etc/ssh/more", "/more", true),
            ]
        );
        let (_, main) = files.copies().next().unwrap();
        assert!(main.contains("Include /copies/1 /copies/2\n"), "{main}");
        assert!(main.contains("Match User a\nInclude /copies/3\n"), "{main}");
        assert_eq!(
            files.in_its_own_names("/copies/1 line 3: bad; /copies/3: worse", copies),
            "/etc/ssh/sshd_config.d/b.conf line 3: bad; /etc/ssh/more: worse"
        );
        let level = files.that_set("loglevel").next().unwrap().1;
        assert_eq!(
            (level.line, level.value.as_str(), level.conditional),
            (6, "INFO", false)
        );
    }

    #[test]
    fn every_pattern_that_sshd_follows_is_followed_and_no_other_is_dropped() {
        let root = tree(&[
            (MAIN, ""),
            ("etc/ssh/sshd_config.d/00.conf", "Banner /a\n"),
            ("etc/ssh/other.d/01.conf", "Banner /b\n"),
            ("etc/ssh/with space.conf", "Banner /c\n"),
        ]);
        let prefix = Prefix::default();
        let tree = Tree {
            root: root.path(),
            prefix: &prefix,
            overlay: &[("etc/ssh/new.d/02.conf", b"Banner /d")],
        };
        let found = |main: &str| {
            std::fs::write(root.path().join(MAIN), main).unwrap();
            let files = ConfigFiles::read(&tree, "none", Path::new("/c")).unwrap();
            let set = files.that_set("Banner");
            let values: Vec<_> = set.map(|(_, one)| one.value.clone()).collect();
            (values.join(" "), files.unread().count())
        };
        for (main, expected) in [
            ("Include /etc/ssh/[s]shd_config.d/*.conf", "/a"),
            ("Include /etc/*/*.d/*.conf", "/d /b /a"),
            ("Include /etc/ssh/[!s]*.d/0[1-9].conf", "/d /b"),
            ("Include sshd_config.d/* other.d/*.conf # no.d/*", "/a /b"),
            ("Include \"/etc/ssh/with space.conf\" 'other.d/*'", "/c /b"),
            ("\"Include\" /etc/ssh/with\\ space.conf", "/c"),
            ("Include=//etc/./ssh/other.d/01.conf", "/b"),
            ("Include /etc/ssh/nothing/*.conf /etc/ssh/none", ""),
        ] {
            assert_eq!(found(main), (expected.to_owned(), 0), "{main}");
        }
        for main in [
            "Include /etc/ssh/[[:alpha:]]*.d/*.conf",
            "Include /etc/ssh/../ssh/other.d/*",
            "Include ~root/x",
            "Include \"/etc/ssh/other.d/*",
        ] {
            assert_eq!(found(main), (String::new(), 1), "{main}");
        }
        let first = "Banner /0\nInclude other.d/*\nBanner \"/1\" # x\n";
        assert_eq!(found(first).0, "/0 /b /1");
        std::os::unix::fs::symlink("nowhere", root.path().join("etc/ssh/other.d/x")).unwrap();
        assert_eq!(found("Include other.d/*"), ("/b".to_owned(), 1));
        let elsewhere = Prefix::new("/srv/hub").unwrap();
        let tree = Tree {
            prefix: &elsewhere,
            ..tree
        };
        let files = ConfigFiles::read(&tree, "none", Path::new("/c")).unwrap();
        assert_eq!(files.unread().count(), 1);
        std::fs::write(root.path().join(MAIN), "Include /etc/ssh/other.d/*").unwrap();
        let files = ConfigFiles::read(&tree, "none", Path::new("/c")).unwrap();
        let (file, unread) = files.unread().next().unwrap();
        assert_eq!(
            (file.path.as_str(), unread.line),
            ("/srv/hub/etc/ssh/sshd_config", 1)
        );
        assert_eq!(unread.why, "it is outside of the tree");
    }

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let root = tree(&[(MAIN, "Include /etc/ssh/sshd_config\n")]);
        let prefix = Prefix::default();
        let tree = Tree {
            root: root.path(),
            prefix: &prefix,
            overlay: &[],
        };
        let files = ConfigFiles::read(&tree, "none", Path::new("/c")).unwrap();
        assert_eq!(files.copies().count(), MAX_DEPTH + 1);
        let last = files.copies().last().unwrap().1;
        assert_eq!(last, "Include\n\n");
        let twice = "Include sshd_config sshd_config\n".repeat(9);
        std::fs::write(root.path().join(MAIN), twice).unwrap();
        let files = ConfigFiles::read(&tree, "none", Path::new("/c")).unwrap();
        assert!(files.copies().count() < MAX_FILES + 300);
    }

    #[test]
    fn what_is_in_effect_is_compared_by_value() {
        let effective =
            Effective::read("loglevel VERBOSE\nhostcertificate /a\nhostcertificate /b\n");
        let says = |keyword, value: &str| {
            effective.holds(&Directive {
                keyword,
                value: value.to_owned(),
            })
        };
        assert!(says("LogLevel", "VERBOSE") && says("HostCertificate", "/b"));
        assert!(!says("LogLevel", "INFO") && !says("RevokedKeys", "/x"));
        // What sshd was built without is not named, and cannot be on.
        assert!(says("GSSAPIAuthentication", "no") && says("KerberosAuthentication", "no"));
        assert!(!says("HostbasedAuthentication", "no"));
    }
}
