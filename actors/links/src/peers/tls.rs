//! TLS 1.3 between nodes: both show a certificate, and both learn what binds their greeting to this very session.

use super::{
    identity::Identity,
    trust::{Admitted, Side, Trust},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::TLS13,
};
use std::{fmt, io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// What HTTP/2 is called within TLS.
const PROTOCOL: &[u8] = b"h2";
/// Names what the greeting is bound to; see `peer_service.proto`.
const BINDING_LABEL: &[u8] = b"EXPORTER-catenary-peer-1";
/// No name is looked up: a certificate names a node, not a host.
const NO_HOST: &str = "node.invalid";

/// Bytes that no other session has.
pub(crate) type Binding = [u8; 32];

/// A session with whoever showed an accepted certificate.
pub(crate) struct Session {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) shown: Shown,
}

/// What the other side of a session showed.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) admitted: Admitted,
    pub(crate) binding: Binding,
    certificates: Arc<[CertificateDer<'static>]>,
    side: Side,
}

impl Shown {
    /// Judges the certificate once more: it may have run out or been revoked since.
    pub(crate) fn is_still_good(&self, trust: &Trust) -> Result<(), super::Refused> {
        let (certificate, rest) = self.certificates.split_first().ok_or(super::Refused::NoRoot)?;
        trust.judge(certificate, rest, self.side, UnixTime::now()).map(drop)
    }
}

/// Both halves of TLS for one node.
#[derive(Clone)]
pub(crate) struct Tls {
    trust: Trust,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    pub(crate) fn new(identity: &Identity, trust: &Trust) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier { trust: trust.clone(), provider: provider.clone() });
        let identity = Arc::new(identity.clone());
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(identity.clone());
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A resumed session would skip the look at the certificate.
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(identity);
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            trust: trust.clone(),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Session> {
        let stream = self.acceptor.accept(stream).await?;
        self.session(TlsStream::Server(stream), Side::Dialled)
    }

    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<Session> {
        let host = ServerName::try_from(NO_HOST).expect("a well-formed name");
        let stream = self.connector.connect(host, stream).await?;
        self.session(TlsStream::Client(stream), Side::Listened)
    }

    /// `side` is the other's.
    fn session(&self, stream: TlsStream<TcpStream>, side: Side) -> io::Result<Session> {
        let (_, connection) = stream.get_ref();
        let shown = match &connection {
            _ if connection.alpn_protocol() != Some(PROTOCOL) => None,
            _ => connection.peer_certificates(),
        };
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP/2, or no certificate");
        let certificates: Arc<[_]> =
            shown.ok_or_else(missing)?.iter().map(|one| one.clone().into_owned()).collect();
        let (certificate, rest) = certificates.split_first().ok_or_else(missing)?;
        let admitted = self
            .trust
            .judge(certificate, rest, side, UnixTime::now())
            .map_err(|refused| io::Error::new(io::ErrorKind::PermissionDenied, refused))?;
        let binding = match &stream {
            TlsStream::Client(stream) => {
                stream.get_ref().1.export_keying_material([0; 32], BINDING_LABEL, None)
            }
            TlsStream::Server(stream) => {
                stream.get_ref().1.export_keying_material([0; 32], BINDING_LABEL, None)
            }
        };
        let binding = binding.map_err(io::Error::other)?;
        Ok(Session { stream, shown: Shown { admitted, binding, certificates, side } })
    }
}

/// Asks [`Trust`] about certificates, whichever side shows them.
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.trust.judge(end_entity, intermediates, Side::Listened, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.trust.judge(end_entity, intermediates, Side::Dialled, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
