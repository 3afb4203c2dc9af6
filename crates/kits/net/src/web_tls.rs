//! TLS of a server: certificate, versions, and which clients it takes.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

/// What the file says.
pub(crate) struct Settings {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) client_ca: Option<Vec<u8>>,
    pub(crate) client_auth: String,
    pub(crate) allowed_names: Vec<String>,
    /// 0 is TLS 1.0, 3 is TLS 1.3.
    pub(crate) versions: RangeInclusive<u8>,
}

pub(crate) fn build(settings: Settings, provider: CryptoProvider) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider);
    let known = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    let wanted = known.into_iter().filter(|(rank, _)| settings.versions.contains(rank));
    let versions: Vec<_> = wanted.map(|(_, version)| version).collect();
    if versions.is_empty() {
        return Err("min_version and max_version leave neither TLS 1.2 nor TLS 1.3".to_string());
    }
    let unusable = |what: &str, error: &dyn std::fmt::Display| format!("the {what} is not usable: {error}");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| unusable("range of TLS versions", &error))?;

    let (asks, verifies, must) = match settings.client_auth.as_str() {
        "" | "NoClientCert" => (false, false, false),
        "RequestClientCert" => (true, false, false),
        "RequireAnyClientCert" | "RequireClientCert" => (true, false, true),
        "VerifyClientCertIfGiven" => (true, true, false),
        "RequireAndVerifyClientCert" => (true, true, true),
        other => return Err(format!("invalid ClientAuth: {other}")),
    };
    if settings.client_ca.is_some() && !asks {
        return Err("client CA's have been configured without a Client Auth Policy".to_string());
    }
    let builder = if asks {
        let roots = match settings.client_ca {
            Some(pem) if verifies => Some(roots(&pem).map_err(|error| unusable("client CA", &error))?),
            _ if verifies => Some(system_roots()),
            _ => None,
        };
        let inner = match roots {
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                let verifier = if must { verifier } else { verifier.allow_unauthenticated() };
                Some(verifier.build().map_err(|error| unusable("client CA", &error))?)
            }
            None => None,
        };
        let names = settings.allowed_names;
        builder.with_client_cert_verifier(Arc::new(Clients { inner, must, names, provider }))
    } else {
        builder.with_no_client_auth()
    };
    let chain = CertificateDer::pem_slice_iter(&settings.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(&settings.key).map_err(|error| unusable("key", &error))?;
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| unusable("certificate with its key", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| rustls::Error::General(error.to_string()))?;
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Asks clients for a certificate.
#[derive(Debug)]
struct Clients {
    /// Who verifies it; without one any will do.
    inner: Option<Arc<dyn ClientCertVerifier>>,
    must: bool,
    /// If not empty, one of these must be among the certificate's names.
    names: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.must
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.as_ref().map_or(&[], |inner| inner.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(inner) = &self.inner {
            inner.verify_client_cert(certificate, intermediates, now)?;
        }
        if !self.names.is_empty() {
            let parsed = ParsedCertificate::try_from(certificate)?;
            let has = |name: &String| {
                ServerName::try_from(name.as_str())
                    .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
            };
            if !self.names.iter().any(has) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
