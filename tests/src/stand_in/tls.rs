//! Identities for https, right and wrong.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;

/// A CA for TLS, made for one test.
pub struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// What a server shows.
pub struct Server {
    certificate: CertificateDer<'static>,
    pem: String,
    key_pem: String,
    key: PrivateKeyDer<'static>,
    clients: Option<CertificateDer<'static>>,
}

/// What a client shows: a certificate and its key, as PEM.
pub struct Client {
    /// The file for `vault.client_cert`.
    pub pem: String,
}

#[track_caller]
fn made<T, E: std::fmt::Display>(made: Result<T, E>) -> T {
    match made {
        Ok(made) => made,
        Err(error) => panic!("cannot make an identity for TLS: {error}"),
    }
}

impl Pki {
    /// A new CA.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        let mut params = made(CertificateParams::new(Vec::new()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = made(KeyPair::generate());
        Self {
            ca: made(CertifiedIssuer::self_signed(params, key)),
        }
    }

    /// The file for `vault.ca_cert`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.ca.pem()
    }

    /// A server with this name, which may be an address.
    #[track_caller]
    #[must_use]
    pub fn server(&self, name: &str) -> Server {
        self.signed(made(CertificateParams::new(vec![name.to_owned()])))
    }

    /// The same, but its certificate has expired.
    #[track_caller]
    #[must_use]
    pub fn expired_server(&self, name: &str) -> Server {
        let mut params = made(CertificateParams::new(vec![name.to_owned()]));
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.signed(params)
    }

    /// A client for a server that wants one.
    #[track_caller]
    #[must_use]
    pub fn client(&self) -> Client {
        let mut params = made(CertificateParams::new(vec!["warden".to_owned()]));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.ca));
        Client {
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
        }
    }

    #[track_caller]
    fn signed(&self, params: CertificateParams) -> Server {
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.ca));
        Server::new(&certificate, &key)
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server that vouches for itself.
    #[track_caller]
    #[must_use]
    pub fn self_signed(name: &str) -> Self {
        let key = made(KeyPair::generate());
        let params = made(CertificateParams::new(vec![name.to_owned()]));
        let certificate = made(params.self_signed(&key));
        Self::new(&certificate, &key)
    }

    #[track_caller]
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: made(PrivateKeyDer::try_from(key.serialize_der())),
            clients: None,
        }
    }

    /// Its own certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its own key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Lets in only clients of this CA.
    #[must_use]
    pub fn wanting_clients_of(mut self, pki: &Pki) -> Self {
        self.clients = Some(pki.ca.der().clone());
        self
    }

    #[track_caller]
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = made(builder.with_safe_default_protocol_versions());
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                made(roots.add(ca.clone()));
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(made(verifier.build()))
            }
        };
        let chain = vec![self.certificate.clone()];
        Arc::new(made(builder.with_single_cert(chain, self.key.clone_key())))
    }
}
