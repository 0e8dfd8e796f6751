//! Certificate authorities, certificates of nodes and lists of revoked ones, for test networks. Organisations that have an
//! authority of their own need none of this: see docs/operator.md for what a node's certificate must say.

use anyhow::Result;
use catenary_crypto::{Hash, sha256};
use catenary_links::peers::NodeName;
use catenary_types::Organisation;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

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

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
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

    /// A list that says that nothing is revoked.
    pub fn nothing_revoked(&self) -> Result<String> {
        let now = OffsetDateTime::now_utc();
        let list = CertificateRevocationListParams {
            this_update: now - BACKDATED,
            next_update: now + Duration::days(NODE_DAYS),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

fn valid_for(days: i64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - BACKDATED, now + Duration::days(days));
    Ok(params)
}
