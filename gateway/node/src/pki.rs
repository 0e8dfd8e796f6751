//! Certificate authorities, certificates of nodes and lists of revoked ones, for test networks. Organisations that have an
//! authority of their own need none of this: see docs/operator.md for what a node's certificate must say.

use crate::keys::write_secret;
use anyhow::{Context as _, Result, anyhow};
use catenary_crypto::{Hash, sha256};
use catenary_links::peers::{
    NodeName,
    pki_types::{CertificateDer, pem::PemObject},
    serial_number,
};
use catenary_types::Organisation;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use time::{Duration, OffsetDateTime};

/// The files of an authority.
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
/// How long an authority and what it certifies are valid.
const AUTHORITY_DAYS: i64 = 3_650;
const NODE_DAYS: i64 = 365;
/// Clocks differ: what is made now is valid a little earlier.
const BACKDATED: Duration = Duration::hours(1);

/// An organisation's authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    root: Hash,
}

/// A certificate with its key, in PEM.
pub struct Certified {
    /// The certificate, then its authority's.
    pub certificates: String,
    /// Its TLS key.
    pub key: String,
}

impl Authority {
    /// A new authority.
    pub fn new(organisation: &Organisation) -> Result<Self> {
        let mut params = valid_for(AUTHORITY_DAYS)?;
        params.distinguished_name.push(DnType::CommonName, format!("{organisation} root"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let (pem, root) = (certificate.pem(), sha256(certificate.der()));
        Ok(Self { issuer: Issuer::new(params, key), pem, root })
    }

    /// The authority whose certificate and key lie in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (pem, key) = (read(CERTIFICATE)?, KeyPair::from_pem(&read(KEY)?)?);
        let root =
            sha256(&CertificateDer::from_pem_slice(pem.as_bytes()).context("the certificate is no PEM")?);
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&pem, key)?, pem, root })
    }

    /// Writes certificate and key into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join(CERTIFICATE), &self.pem)?;
        write_secret(&folder.join(KEY), &self.issuer.key().serialize_pem())
    }

    /// What chains record.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Certifies a node.
    pub fn certify(&self, node: &NodeName) -> Result<Certified> {
        let mut params = valid_for(NODE_DAYS)?;
        params.distinguished_name.push(DnType::CommonName, format!("node of {}", node.organisation));
        params.subject_alt_names = vec![SanType::URI(node.to_string().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certified { certificates: certificate.pem() + &self.pem, key: key.serialize_pem() })
    }

    /// A list that says that these certificates are revoked, and no other.
    pub fn revoke(&self, certificates: &[CertificateDer<'_>]) -> Result<String> {
        let now = OffsetDateTime::now_utc();
        let revoked = |certificate: &CertificateDer<'_>| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from(serial_number(certificate)?),
                revocation_time: now,
                reason_code: None,
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: now + Duration::days(NODE_DAYS),
            crl_number: SerialNumber::from(u64::try_from(now.unix_timestamp())?),
            issuing_distribution_point: None,
            revoked_certs: certificates.iter().map(revoked).collect::<Result<_>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    certificates.map_err(|error| anyhow!("{} is no PEM: {error}", path.display()))
}

/// Gives the node of a certificate a new one and a new TLS key, in the same files.
pub fn renew(authority: &Path, certificate: &Path, tls_key: &Path) -> Result<NodeName> {
    let old = certificates(certificate)?;
    let node = NodeName::of(old.first().context("the file holds no certificate")?)?;
    let new = Authority::read(authority)?.certify(&node)?;
    // A node that looks between the two finds a pair that does not match, and looks again.
    for (path, content) in [(tls_key, new.key), (certificate, new.certificates)] {
        let draft = path.with_extension("draft");
        let _ = fs::remove_file(&draft);
        write_secret(&draft, &content)?;
        fs::rename(&draft, path)?;
    }
    Ok(node)
}

/// The list of an authority that revokes the certificates of these files.
pub fn revoke(authority: &Path, revoked: &[PathBuf]) -> Result<String> {
    let mut all = Vec::new();
    for path in revoked {
        all.extend(certificates(path)?.into_iter().next());
    }
    Authority::read(authority)?.revoke(&all)
}

fn valid_for(days: i64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - BACKDATED, now + Duration::days(days));
    Ok(params)
}
