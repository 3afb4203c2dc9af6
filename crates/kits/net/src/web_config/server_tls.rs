//! TLS settings of the listener, from configuration to rustls.

use std::sync::Arc;

use config::http_client::SecretSource;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    ServerConfig, SignatureScheme, client::danger::HandshakeSignatureValid,
};

use super::{ClientAuth, ServerTls};

fn read(source: &SecretSource, what: &str) -> Result<Vec<u8>, String> {
    match source {
        SecretSource::Inline(text) => Ok(text.expose().as_bytes().to_vec()),
        SecretSource::File(path) => std::fs::read(path)
            .map_err(|error| format!("cannot read the {what} file {}: {error}", path.display())),
    }
}

/// The settings as rustls wants them. Errors say what cannot be used.
pub(super) fn build(tls: &ServerTls) -> Result<ServerConfig, String> {
    let bad = |what: &str, error: &dyn std::fmt::Display| format!("the {what} is not usable: {error}");
    let provider = Arc::new(provider(tls)?);
    let rank = |text: &str| match text {
        "TLS12" => 2,
        "TLS13" => 3,
        // Older ones are not spoken any more.
        _ => 0,
    };
    let (min, max) = (rank(&tls.min_version), rank(&tls.max_version));
    let known = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    let versions: Vec<&rustls::SupportedProtocolVersion> = known
        .into_iter()
        .filter(|(rank, _)| (min..=max).contains(rank))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        return Err("min_version and max_version leave neither TLS 1.2 nor TLS 1.3".into());
    }
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| bad("TLS version range", &error))?;
    let chain = read(&tls.cert, "certificate")?;
    let chain = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad("certificate", &error))?;
    let key = read(&tls.key, "key")?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| bad("key", &error))?;
    let builder = builder.with_client_cert_verifier(verifier(tls, &provider)?);
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| bad("certificate or its key", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The suites and curves that are allowed.
fn provider(tls: &ServerTls) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        let all = provider.cipher_suites.clone();
        let is_named = |suite: &rustls::SupportedCipherSuite| {
            let name = format!("{:?}", suite.suite());
            // The suites of TLS 1.3 cannot be chosen.
            name.starts_with("TLS13_")
                || tls.cipher_suites.iter().any(|wanted| {
                    let wanted = wanted.trim_end_matches("_SHA256").trim_end_matches("_SHA384");
                    name.trim_end_matches("_SHA256").trim_end_matches("_SHA384") == wanted
                })
        };
        provider.cipher_suites = all.into_iter().filter(is_named).collect();
        if provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()) && tls.max_version == "TLS12" {
            return Err("none of the cipher_suites is available".into());
        }
    }
    if !tls.curves.is_empty() {
        let mut groups = Vec::new();
        for curve in &tls.curves {
            let group = match curve.as_str() {
                "CurveP256" => NamedGroup::secp256r1,
                "CurveP384" => NamedGroup::secp384r1,
                "X25519" => NamedGroup::X25519,
                // Known upstream, and not available here: the others do.
                "CurveP521" | "X25519MLKEM768" => continue,
                other => return Err(format!("unknown curve: {other}")),
            };
            groups.extend(provider.kx_groups.iter().copied().filter(|known| known.name() == group));
        }
        if groups.is_empty() {
            return Err("none of the curve_preferences is available".into());
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

fn verifier(tls: &ServerTls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    match tls.client_auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Request | ClientAuth::RequireAny => {
            let mandatory = tls.client_auth == ClientAuth::RequireAny;
            return Ok(Arc::new(AnyCertificate { provider: provider.clone(), mandatory }));
        }
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {}
    }
    let mut roots = RootCertStore::empty();
    if let Some(source) = &tls.client_ca {
        let pem = read(source, "client CA")?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(|error| format!("the client CA is not usable: {error}"))?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match tls.client_auth {
        ClientAuth::VerifyIfGiven => builder.allow_unauthenticated(),
        _ => builder,
    };
    let inner = builder.build().map_err(|error| format!("the client CA is not usable: {error}"))?;
    if tls.client_sans.is_empty() {
        return Ok(inner);
    }
    let mut names = Vec::new();
    for name in &tls.client_sans {
        let name = ServerName::try_from(name.clone())
            .map_err(|_| format!("client_allowed_sans: {name:?} is no name of a host, nor an address"))?;
        names.push(name);
    }
    Ok(Arc::new(NamedCertificate { inner, names }))
}

/// A certificate of our authorities for one of these names.
#[derive(Debug)]
struct NamedCertificate {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<ServerName<'static>>,
}

impl ClientCertVerifier for NamedCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        match self.names.iter().any(|name| verify_server_name(&certificate, name).is_ok()) {
            true => Ok(verified),
            false => Err(Error::InvalidCertificate(CertificateError::NotValidForName)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Any certificate, of whomever: what `RequestClientCert` and `RequireAnyClientCert` ask for.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
    mandatory: bool,
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
