//! Who a certificate stands for: one URI among its names, `catenary:node:<organisation>:<node key in hex>`.

use catenary_crypto::PublicKey;
use catenary_types::Organisation;
use std::fmt;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// A node of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName {
    /// Whose node it is.
    pub organisation: Organisation,
    /// The key that proves it.
    pub key: PublicKey,
}

/// What a certificate says that names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The bytes are no certificate.
    #[error("no X.509 certificate")]
    Malformed,
    /// It names somebody else: a client, a browser, nobody.
    #[error("expected one URI catenary:node:<organisation>:<key> among its names, got {0:?}")]
    NoNode(Vec<String>),
}

/// The serial number of a certificate, which lists of revoked ones name.
pub fn serial_number(certificate: &[u8]) -> Result<Vec<u8>, NameError> {
    Ok(read(certificate)?.raw_serial().to_vec())
}

fn read(certificate: &[u8]) -> Result<X509Certificate<'_>, NameError> {
    let read = X509Certificate::from_der(certificate);
    read.map(|(_, certificate)| certificate).map_err(|_| NameError::Malformed)
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "catenary:node:{}:{}", self.organisation, self.key)
    }
}

impl NodeName {
    /// Reads the name of a node, as certificates write it.
    pub fn parse(uri: &str) -> Option<Self> {
        let (organisation, key) = uri.strip_prefix("catenary:node:")?.split_once(':')?;
        Some(Self { organisation: organisation.parse().ok()?, key: key.parse().ok()? })
    }

    /// The node of a certificate.
    pub fn of(certificate: &[u8]) -> Result<Self, NameError> {
        let certificate = read(certificate)?;
        let names = certificate.subject_alternative_name().map_err(|_| NameError::Malformed)?;
        let names = names.map(|names| &*names.value.general_names).unwrap_or_default();
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uris: Vec<_> = uris.collect();
        let named = match uris[..] {
            [uri] => Self::parse(uri),
            _ => None,
        };
        named.ok_or_else(|| NameError::NoNode(uris.into_iter().take(4).map(str::to_owned).collect()))
    }
}
