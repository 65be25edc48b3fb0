//! What somebody asks for, every field well formed.
//!
//! - Building a request reads no inventory and decides nothing.
//! - A request can only ask for less than the inventory gives: fewer principals, a shorter time.

use crate::certificate::{CertType, Principals, PublicKey, Ttl};
use crate::inventory::Holder;

/// A well-formed request for a certificate: for a user if it names an actor, for a host if a host.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    holder: Holder,
    public_key: PublicKey,
    principals: Option<Principals>,
    ttl: Option<Ttl>,
}

impl CertificateRequest {
    /// Asks for everything the inventory gives `holder`, for this key.
    pub fn new(holder: impl Into<Holder>, public_key: PublicKey) -> Self {
        Self {
            holder: holder.into(),
            public_key,
            principals: None,
            ttl: None,
        }
    }

    /// Asks for these principals only. The certificate keeps the inventory's order.
    #[must_use]
    pub fn with_principals(mut self, principals: Principals) -> Self {
        self.principals = Some(principals);
        self
    }

    /// Asks for this time to live instead of the default.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Whom the certificate is for.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The principals asked for, if fewer than all.
    pub fn principals(&self) -> Option<&Principals> {
        self.principals.as_ref()
    }

    /// The time to live asked for.
    pub fn ttl(&self) -> Option<Ttl> {
        self.ttl
    }

    /// User or host.
    pub fn cert_type(&self) -> CertType {
        self.holder.cert_type()
    }
}
