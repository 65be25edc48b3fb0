//! sshd's configuration as files in a tree, and what `sshd -T` says is in effect.
//!
//! - `Include` is followed inside the tree: a path of the host is looked for below the tree's root.
//! - Each file becomes a copy in which `Include` names copies, so that sshd can be asked about a tree
//!   that is not in place. What the copies are called is undone in everything sshd says.
//! - Which lines set a keyword, and whether only some connections see them, is found by reading;
//!   what counts in the end is sshd's own answer.

use super::render::{Directive, Prefix};
use crate::file::{self, FileError, Links};
use std::collections::BTreeMap;
use std::path::Path;

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
}

/// One line that sets a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its line, from 1.
    pub line: usize,
    /// The keyword in lower case.
    pub keyword: String,
    /// What follows it.
    pub value: String,
    /// Whether it stands below a `Match`.
    pub conditional: bool,
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

    /// The files a pattern of `Include` names, from the root, in sshd's order.
    fn expand(&self, pattern: &str) -> Result<Vec<String>, FileError> {
        let absolute = match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => self.prefix.on_host(&format!("etc/ssh/{pattern}")),
        };
        let Some((directory, last)) = self
            .prefix
            .inside(&absolute)
            .and_then(|path| path.rsplit_once('/'))
        else {
            return Ok(Vec::new());
        };
        let mut names = super::tree::names_in(&self.root.join(directory))?;
        let overlaid = self.overlay.iter().filter_map(|(path, _)| {
            let (parent, name) = path.rsplit_once('/')?;
            (parent == directory).then(|| name.to_owned())
        });
        names.extend(overlaid);
        names.sort_unstable();
        names.dedup();
        names.retain(|name| glob(last.as_bytes(), name.as_bytes()));
        Ok(names
            .into_iter()
            .map(|name| format!("{directory}/{name}"))
            .collect())
    }
}

/// Whether a name is of a pattern with `*` and `?`; a leading dot must be named.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                (0..=name.len()).any(|skipped| matches(rest, &name[skipped..]))
            }
            (Some((one, rest)), Some((byte, others))) => {
                (*one == b'?' || one == byte) && matches(rest, others)
            }
            _ => false,
        }
    }
    let hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
    !hidden && matches(pattern, name)
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
        files.add(tree, main, false, copies, 0)?;
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
    ) -> Result<usize, FileError> {
        let number = self.0.len();
        self.0.push(ConfigFile {
            path: tree.prefix.on_host(path),
            copy: String::new(),
            settings: Vec::new(),
        });
        let mut settings = Vec::new();
        let mut copy = String::new();
        let mut below_match = conditional;
        for (index, line) in text.split('\n').enumerate() {
            let (keyword, value) = keyword_and_value(line);
            match keyword.as_str() {
                // sshd refuses an `Include` of nothing, as it does one that is too deep.
                "include" if depth >= MAX_DEPTH || self.0.len() >= MAX_FILES => {
                    copy += "Include";
                }
                "include" => {
                    let mut names = String::new();
                    for pattern in value.split_whitespace() {
                        for path in tree.expand(pattern.trim_matches('"'))? {
                            let Some(text) = tree.read(&path)? else {
                                continue;
                            };
                            let one =
                                self.add(tree, (&path, text), below_match, copies, depth + 1)?;
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
                settings.push(Setting {
                    line: index + 1,
                    keyword,
                    value,
                    conditional: below_match,
                });
            }
        }
        if let Some(file) = self.0.get_mut(number) {
            file.copy = copy;
            file.settings = settings;
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

    /// The lines that set a keyword, each with its file.
    pub fn that_set<'a>(
        &'a self,
        keyword: &str,
    ) -> impl Iterator<Item = (&'a ConfigFile, &'a Setting)> {
        let keyword = keyword.to_ascii_lowercase();
        let every = self
            .0
            .iter()
            .flat_map(|file| file.settings.iter().map(move |setting| (file, setting)));
        every.filter(move |(_, setting)| setting.keyword == keyword)
    }
}

/// The keyword of a line in lower case, empty for none, and what follows it.
fn keyword_and_value(line: &str) -> (String, String) {
    let line = line.trim();
    if line.starts_with('#') {
        return (String::new(), String::new());
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let value = line[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    (line[..end].to_ascii_lowercase(), value.trim().to_owned())
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

    /// Whether a directive is in effect. Several host certificates may be.
    pub fn holds(&self, directive: &Directive) -> bool {
        match self.values(directive.keyword) {
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
    }
}
