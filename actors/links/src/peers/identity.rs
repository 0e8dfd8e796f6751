//! What a node shows of itself: its certificate, which may be replaced while it runs, and its key.

use super::certificate::{NameError, NodeName};
use catenary_crypto::SigningKey;
use rustls::{
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is none.
    #[error("expected a certificate with those that lead to its root, the root last")]
    Empty,
    /// It is not a node's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is another node's.
    #[error("the certificate is of {certificate}, the node key is {key}")]
    OtherKey {
        /// Whose it is.
        certificate: NodeName,
        /// The key of this node.
        key: catenary_crypto::PublicKey,
    },
    /// The TLS key is not the one in the certificate, or of a kind that is not supported.
    #[error("TLS key: {0}")]
    TlsKey(#[from] rustls::Error),
}

/// A node's key and its current certificate; cheap to clone, and all clones show the same.
#[derive(Clone)]
pub struct Identity {
    key: Arc<SigningKey>,
    name: NodeName,
    shown: Arc<RwLock<Arc<CertifiedKey>>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.key.public_key()).finish()
    }
}

impl Identity {
    /// A node with its key. The certificate comes with those that lead to its root, the root last.
    pub fn new(
        key: Arc<SigningKey>,
        certificates: Vec<CertificateDer<'static>>,
        tls_key: &PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let name = NodeName::of(certificates.first().ok_or(IdentityError::Empty)?)?;
        let certified = certified(&key, certificates, tls_key)?;
        Ok(Self { key, name, shown: Arc::new(RwLock::new(Arc::new(certified))) })
    }

    /// Shows another certificate of the same node from now on.
    pub fn renew(
        &self,
        certificates: Vec<CertificateDer<'static>>,
        tls_key: &PrivateKeyDer<'static>,
    ) -> Result<(), IdentityError> {
        let certified = certified(&self.key, certificates, tls_key)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        Ok(())
    }

    /// Who the node is, as its first certificate says.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The same certificate with a key that is not the one in it.
    #[cfg(test)]
    pub(crate) fn with_key(self, key: SigningKey) -> Self {
        Self { key: Arc::new(key), ..self }
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn certified(
    key: &SigningKey,
    certificates: Vec<CertificateDer<'static>>,
    tls_key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, IdentityError> {
    let certificate = NodeName::of(certificates.first().ok_or(IdentityError::Empty)?)?;
    let key = key.public_key();
    if certificate.key != key {
        return Err(IdentityError::OtherKey { certificate, key });
    }
    let signer = rustls::crypto::ring::sign::any_supported_type(tls_key)?;
    let certified = CertifiedKey::new(certificates, signer);
    certified.keys_match()?;
    Ok(certified)
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
