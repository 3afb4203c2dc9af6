//! Signatures with RSA keys, and the tokens (JWT, RFC 7519) that are signed with them.

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::client::{ClientError, base64_url};

/// A private key.
pub struct Key(RsaKeyPair);

/// Which digest is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256: `RS256`.
    Sha256,
    /// SHA-384: `RS384`.
    Sha384,
    /// SHA-512: `RS512`.
    Sha512,
}

impl Digest {
    /// What a token calls the signature over this digest (RFC 7518, 3.1).
    pub fn algorithm(self) -> &'static str {
        match self {
            Digest::Sha256 => "RS256",
            Digest::Sha384 => "RS384",
            Digest::Sha512 => "RS512",
        }
    }

    /// The digest of an algorithm; SHA-256 for a name that is not known.
    pub fn of_algorithm(name: &str) -> Digest {
        match name {
            "RS384" => Digest::Sha384,
            "RS512" => Digest::Sha512,
            _ => Digest::Sha256,
        }
    }
}

impl Key {
    /// A key as PEM, PKCS #1 or PKCS #8. One with a passphrase is refused.
    pub fn from_pem(pem: &str) -> Result<Key, ClientError> {
        if pem.contains("ENCRYPTED") {
            return Err(ClientError::Config(
                "the private key has a passphrase, which is not supported; store the key without one".into(),
            ));
        }
        let bad = |why: &dyn std::fmt::Display| {
            ClientError::Config(format!("the private key is not usable: {why}"))
        };
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(&error))? {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(bad(&"it is not an RSA key")),
        };
        Ok(Key(key.map_err(|error| bad(&error))?))
    }

    /// The public key (PKCS #1, DER).
    pub fn public_der(&self) -> &[u8] {
        self.0.public().as_ref()
    }

    /// Signs bytes.
    pub fn sign(&self, digest: Digest, bytes: &[u8]) -> Result<Vec<u8>, ClientError> {
        let encoding: &dyn RsaEncoding = match digest {
            Digest::Sha256 => &RSA_PKCS1_SHA256,
            Digest::Sha384 => &RSA_PKCS1_SHA384,
            Digest::Sha512 => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(encoding, &SystemRandom::new(), bytes, &mut signature)
            .map_err(|_| ClientError::Config("the private key cannot sign".into()))?;
        Ok(signature)
    }

    /// A signed token; `header` holds what is said besides algorithm and type.
    pub fn token(
        &self,
        digest: Digest,
        header: &[(&str, &str)],
        claims: &Value,
    ) -> Result<String, ClientError> {
        let mut head = serde_json::json!({"alg": digest.algorithm(), "typ": "JWT"});
        for (name, value) in header {
            head[*name] = Value::String((*value).to_string());
        }
        let part = |value: &Value| base64_url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&head), part(claims));
        let signature = self.sign(digest, signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64_url(&signature)))
    }
}
