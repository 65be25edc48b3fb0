//! What a host needs to trust certificates: its files, read as sshd reads them, and written safely.

pub mod trust;
