//! Which certificates are accepted, and for which chains: what the chains say of their members, and lists of revoked ones.

use super::certificate::{NameError, NodeName};
use catenary_crypto::{Hash, sha256};
use catenary_types::{ChainId, Organisation};
use rustls::{
    CertificateError, OtherError,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};

/// An authority and the organisation that it certifies, as chains record them.
pub type Authority = (Organisation, Hash);

/// A certificate that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whose it is.
    pub node: NodeName,
    /// SHA-256 of the root that it leads to.
    pub root: Hash,
}

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no certificate of a node.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It came without the root that it leads to.
    #[error("expected the certificate with those that lead to its root, the root last")]
    NoRoot,
    /// No chain here has this root for this organisation.
    #[error("no chain of this node has the root {root} for {organisation}")]
    Unknown {
        /// Whose node it claims to be.
        organisation: Organisation,
        /// Its root.
        root: Hash,
    },
    /// It does not lead to its root, is not valid now, not for this use, or revoked.
    #[error("the certificate of {node} does not verify: {reason}")]
    Invalid {
        /// Whose it claims to be.
        node: NodeName,
        /// Why.
        reason: String,
    },
}

impl From<Refused> for rustls::Error {
    fn from(refused: Refused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
    }
}

/// Whom a node believes; cheap to clone, and all clones show the same.
#[derive(Clone, Default)]
pub struct Trust(Arc<RwLock<Arc<Content>>>);

struct Content {
    authorities: BTreeMap<Authority, BTreeSet<ChainId>>,
    revoked: Arc<[CertRevocationList<'static>]>,
}

impl Default for Content {
    fn default() -> Self {
        Self { authorities: BTreeMap::new(), revoked: Arc::new([]) }
    }
}

/// The side that shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It connected.
    Dialled,
    /// It was connected to.
    Listened,
}

impl Trust {
    fn content(&self) -> Arc<Content> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, change: impl FnOnce(&Content) -> Content) {
        let mut content = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = change(&content);
        *content = Arc::new(new);
    }

    /// Replaces what the chains say: which of them have which authority.
    pub fn set_authorities(&self, authorities: BTreeMap<Authority, BTreeSet<ChainId>>) {
        self.replace(|content| Content { authorities, revoked: content.revoked.clone() });
    }

    /// Replaces the lists of revoked certificates. One that does not read is an error, and then all stays as it was.
    pub fn set_revoked(&self, lists: &[CertificateRevocationListDer<'_>]) -> Result<(), String> {
        let read = |list: &CertificateRevocationListDer<'_>| {
            let list = BorrowedCertRevocationList::from_der(list).map_err(|error| error.to_string())?;
            list.to_owned().map(CertRevocationList::from).map_err(|error| error.to_string())
        };
        let revoked = lists.iter().map(read).collect::<Result<_, _>>()?;
        self.replace(|content| Content { authorities: content.authorities.clone(), revoked });
        Ok(())
    }

    /// Whether what is accepted under this authority may hear and say something of a chain.
    pub fn covers(&self, admitted: &Admitted, chain: &ChainId) -> bool {
        let authority = (admitted.node.organisation.clone(), admitted.root);
        self.content().authorities.get(&authority).is_some_and(|chains| chains.contains(chain))
    }

    /// Judges a certificate. What leads to its root follows it, the root last.
    pub(crate) fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<Admitted, Refused> {
        let node = NodeName::of(certificate)?;
        let (root, between) = rest.split_last().ok_or(Refused::NoRoot)?;
        let content = self.content();
        let authority = (node.organisation.clone(), sha256(root));
        if !content.authorities.contains_key(&authority) {
            let (organisation, root) = authority;
            return Err(Refused::Unknown { organisation, root });
        }
        let usage = match side {
            Side::Dialled => KeyUsage::client_auth(),
            Side::Listened => KeyUsage::server_auth(),
        };
        let lists: Vec<_> = content.revoked.iter().collect();
        // Who has no list yet is believed; a list that is out of date still counts, or a dead authority would stop the network.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let verify = || {
            let anchor = anchor_from_trusted_cert(root)?;
            let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
            let certificate = EndEntityCert::try_from(certificate)?;
            certificate
                .verify_for_usage(algorithms, &[anchor], between, now, usage, revocation, None)
                .map(drop)
        };
        let root = authority.1;
        match verify() {
            Ok(()) => Ok(Admitted { node, root }),
            Err(error) => Err(Refused::Invalid { node, reason: error.to_string() }),
        }
    }
}
