//! Any file of a host: it is read to its end, and what is taken for CA keys sshd would read whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use warden_core::certificate::{ForceCommand, Principal};
use warden_core::diagnostic::SourceText;
use warden_core::host::ca_keys::{CaKeys, as_sshd_reads};
use warden_core::host::principals::{line, read, read_line};
use warden_core::host::render::headed;
use warden_core::host::sshd_config::Effective;

fuzz_target!(|content: &[u8]| {
    let lines = content.split(|byte| *byte == b'\n').count();
    assert!(read(content).all(|(number, _)| number <= lines));
    let found = as_sshd_reads(content);
    if let Some(head) = headed(content) {
        assert!(head.body.len() < content.len());
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return;
    };
    if let Ok(taken) = CaKeys::read(&SourceText::new(Path::new("user-ca.pub"), text.to_owned())) {
        assert!(found.stopped.is_none() && taken.iter().count() == found.keys.len());
    }
    let _shown = Effective::read(text).values("loglevel");
    if let (Ok(command), Ok(principal)) = (ForceCommand::new(text), Principal::new("principal"))
        && let Ok(written) = line(&principal, Some(&command))
    {
        let read = read_line(written.as_bytes()).unwrap().unwrap();
        assert_eq!(read.options.command.as_deref(), Some(content));
        assert!(read.options.permits.none() && !written.contains('\n'));
    }
});
