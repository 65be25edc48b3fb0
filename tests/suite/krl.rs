//! Key revocation lists beside OpenSSH's own: what is written it reads, and about each list it wrote
//! both say the same.

mod logins;
mod oracle;
mod state;
