//! The files of one server.

use crate::root;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The server's directory, removed when dropped.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    #[track_caller]
    pub(super) fn make(&self, name: &str) {
        let path = self.join(name);
        let args = ["-m".as_ref(), "0755".as_ref(), path.as_os_str()];
        root::outcome("mkdir", args, None).check();
    }

    /// Copies the `etc` of a tree, which then is root's.
    #[track_caller]
    pub(super) fn install(&self, tree: &Path) {
        let from = tree.join("etc");
        let options = ["-r", "--preserve=mode", "--"].map(OsStr::new);
        let args = options
            .into_iter()
            .chain([from.as_os_str(), self.0.as_os_str()]);
        root::outcome("cp", args, None).check();
    }

    #[track_caller]
    pub(super) fn write_lines(&self, name: &str, lines: &[impl AsRef<str>]) {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref().trim_end());
            text.push('\n');
        }
        root::write(&self.join(name), text.as_bytes(), "0644");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        root::remove_directory(&self.0);
    }
}
