//! Any configuration: it is read, or its problem has a place that can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use warden_core::config::Config;
use warden_core::diagnostic::SourceText;

fuzz_target!(|text: &str| {
    let source = SourceText::new(Path::new("/etc/warden/config.toml"), text.to_owned());
    for home in [None, Some(Path::new("/home/somebody"))] {
        match Config::from_toml(&source, home) {
            Ok(config) => assert!(config.inventory_path.is_absolute()),
            Err(problem) => drop((problem.to_string(), problem.excerpt())),
        }
    }
});
