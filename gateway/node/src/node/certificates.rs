//! The certificate that a node shows and the lists of revoked ones: read at the start, and again when their files change.

use super::{config::NodeFile, node_key};
use anyhow::{Context as _, Result, anyhow};
use catenary_links::peers::{
    Identity, Trust,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
};
use catenary_types::Organisation;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What stands in the files.
pub struct Certificates {
    certificate: PathBuf,
    tls_key: PathBuf,
    revoked: Option<PathBuf>,
    shown: (Vec<u8>, Vec<u8>),
    lists: Vec<Vec<u8>>,
    identity: Identity,
    trust: Trust,
}

impl Certificates {
    /// Reads all files.
    pub fn read(file: &NodeFile) -> Result<Self> {
        let (certificate, tls_key) = (file.peers.certificate.clone(), file.peers.tls_key.clone());
        let revoked = file.peers.revoked.clone();
        let shown = (read(&certificate)?, read(&tls_key)?);
        let (certificates, key) = parse(&shown)?;
        let identity = Identity::new(node_key(file)?, certificates, &key)?;
        let lists = read_lists(revoked.as_deref())?;
        let trust = Trust::default();
        believe(&trust, &lists)?;
        Ok(Self { certificate, tls_key, revoked, shown, lists, identity, trust })
    }

    /// What the node shows.
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// Whose node it is.
    pub fn organisation(&self) -> Organisation {
        self.identity.name().organisation.clone()
    }

    /// Whom it believes.
    pub fn trust(&self) -> Trust {
        self.trust.clone()
    }

    /// Takes up what has changed. Files that do not read are said, and what was read before stays.
    pub fn look(&mut self) {
        for outcome in [self.look_at_own(), self.look_at_lists()] {
            if let Err(error) = outcome {
                tracing::error!("certificates stay as they were: {error:#}");
            }
        }
    }

    fn look_at_own(&mut self) -> Result<()> {
        let shown = (read(&self.certificate)?, read(&self.tls_key)?);
        if shown != self.shown {
            let (certificates, key) = parse(&shown)?;
            self.identity.renew(certificates, &key)?;
            tracing::warn!("the node shows another certificate from now on");
            self.shown = shown;
        }
        Ok(())
    }

    fn look_at_lists(&mut self) -> Result<()> {
        let lists = read_lists(self.revoked.as_deref())?;
        if lists != self.lists {
            believe(&self.trust, &lists)?;
            tracing::warn!("the lists of revoked certificates have changed");
            self.lists = lists;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn parse(
    (certificate, tls_key): &(Vec<u8>, Vec<u8>),
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let certificates = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>();
    let certificates = certificates.map_err(|error| anyhow!("the certificate is no PEM: {error}"))?;
    let key =
        PrivateKeyDer::from_pem_slice(tls_key).map_err(|error| anyhow!("the TLS key is no PEM: {error}"))?;
    Ok((certificates, key))
}

/// The files of the folder in order of their names.
fn read_lists(folder: Option<&Path>) -> Result<Vec<Vec<u8>>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "pem")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn believe(trust: &Trust, lists: &[Vec<u8>]) -> Result<()> {
    let parsed = lists.iter().flat_map(|list| CertificateRevocationListDer::pem_slice_iter(list));
    let parsed = parsed.collect::<Result<Vec<_>, _>>();
    let parsed = parsed.map_err(|error| anyhow!("a list of revoked certificates is no PEM: {error}"))?;
    trust.set_revoked(&parsed).map_err(|error| anyhow!("a list of revoked certificates: {error}"))
}
