//! Judges what the engine's token may do, without doing any of it.

use crate::cutover::check::Check;
use crate::failure::Failure;
use crate::sign::openbao::issuers::Engine;
use crate::sign::openbao::roles::RoleDefinition;

/// It signs with every role, reads each for the parity, and is no master of the engine.
pub fn token_scope(engine: &Engine<'_>, roles: &[RoleDefinition]) -> Vec<Check> {
    let path = |kind: &str, role: &RoleDefinition| {
        engine.path_of(&format!("{kind}/{}", role.name.as_str()))
    };
    let wide = ["config/ca", "roles/warden-probe"].map(|rest| engine.path_of(rest));
    let asked = roles
        .iter()
        .flat_map(|role| [path("sign", role), path("roles", role)])
        .chain(wide.iter().cloned());
    let asked: Vec<String> = asked.collect();
    let held = match engine.capabilities(&asked) {
        Ok(held) => held,
        Err(error) => {
            let reason = error.reason();
            return vec![Check::fail("token_signs").with("reason", reason)];
        }
    };
    let mut checks = Vec::new();
    for role in roles {
        let (sign, read) = (path("sign", role), path("roles", role));
        checks.push(Check::of(held.may(&sign, "update"), "token_signs").with("path", sign));
        checks.push(
            match held.may(&read, "read") {
                true => Check::pass("token_reads_role"),
                false => Check::warn("token_reads_role"),
            }
            .with("path", read),
        );
    }
    checks.extend(wide.iter().map(|path| {
        match held.may_change(path) {
            false => Check::pass("token_narrow"),
            true => Check::warn("token_narrow"),
        }
        .with("path", path)
    }));
    checks
}
