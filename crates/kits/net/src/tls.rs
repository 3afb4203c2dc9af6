//! TLS settings of a client, from configuration to rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use config::http_client::{SecretSource, TlsConfig};
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::client::ClientError;

/// A rustls configuration, the authorities it trusts and the files it was made from.
pub(crate) struct Built {
    pub(crate) config: rustls::ClientConfig,
    /// DER; empty where any certificate is trusted.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    pub(crate) files: Vec<(PathBuf, Option<SystemTime>)>,
}

/// When a file was last changed, if it can be told.
pub(crate) fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The authorities that the machine trusts.
struct Native {
    authorities: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
}

/// Read once for all clients: there are hundreds of files and, with many jobs, hundreds of clients. A machine that
/// has none is looked at again.
fn native() -> Arc<Native> {
    static NATIVE: Mutex<Option<Arc<Native>>> = Mutex::new(None);
    let mut kept = NATIVE.lock();
    if let Some(native) = kept.as_ref().filter(|native| !native.roots.is_empty()) {
        return native.clone();
    }
    let authorities = rustls_native_certs::load_native_certs().certs;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned());
    kept.insert(Arc::new(Native { authorities, roots: Arc::new(roots) })).clone()
}

pub(crate) fn build(tls: &TlsConfig) -> Result<Built, ClientError> {
    let provider = Arc::new(ring::default_provider());
    let mut files = Vec::new();
    let mut read = |source: &SecretSource, what: &str| -> Result<Vec<u8>, ClientError> {
        match source {
            SecretSource::Inline(text) => Ok(text.expose().as_bytes().to_vec()),
            SecretSource::File(path) => {
                files.push((path.clone(), modified(path)));
                std::fs::read(path).map_err(|error| {
                    ClientError::Config(format!("cannot read the {what} file {}: {error}", path.display()))
                })
            }
        }
    };
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        ClientError::Config(format!("the {what} is not usable: {error}"))
    };

    let versions: Vec<&rustls::SupportedProtocolVersion> = {
        let rank = |text: &str, default| match text {
            "TLS10" => 0,
            "TLS11" => 1,
            "TLS12" => 2,
            "TLS13" => 3,
            _ => default,
        };
        let (min, max) = (rank(&tls.min_version, 0), rank(&tls.max_version, 3));
        let known = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
        known.into_iter().filter(|(rank, _)| (min..=max).contains(rank)).map(|(_, version)| version).collect()
    };
    if versions.is_empty() {
        return Err(ClientError::Config(
            "min_version and max_version leave neither TLS 1.2 nor TLS 1.3".into(),
        ));
    }
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| bad("TLS version range", &error))?;

    let mut authorities = Vec::new();
    let verifier: Arc<dyn ServerCertVerifier> = if tls.insecure_skip_verify {
        Arc::new(AcceptAny(provider.clone()))
    } else {
        let roots = match &tls.ca {
            Some(source) => {
                let mut roots = RootCertStore::empty();
                let pem = read(source, "CA")?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|error| bad("CA", &error))?;
                    roots.add(certificate.clone()).map_err(|error| bad("CA", &error))?;
                    authorities.push(certificate);
                }
                Arc::new(roots)
            }
            None => {
                let native = native();
                authorities.clone_from(&native.authorities);
                native.roots.clone()
            }
        };
        if roots.is_empty() {
            Arc::new(NoAuthorities(provider.clone()))
        } else {
            WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| bad("CA", &error))?
        }
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let cert = read(cert, "client certificate")?;
            let key = read(key, "client key")?;
            let chain = CertificateDer::pem_slice_iter(&cert)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| bad("client certificate", &error))?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| bad("client key", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| bad("client certificate", &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Built { config, authorities, files })
}

/// Trusts any certificate: what `insecure_skip_verify` asks for.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Trusts nothing, because the machine has no authorities: says so instead of failing obscurely.
#[derive(Debug)]
struct NoAuthorities(Arc<CryptoProvider>);

impl ServerCertVerifier for NoAuthorities {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General(
            "this machine has no certificate authorities; install the package ca-certificates or set tls_config.ca_file"
                .into(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("no certificate authorities".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("no certificate authorities".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
