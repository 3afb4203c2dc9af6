//! Signatures with RSA keys, and the tokens (JWT, RFC 7519) that are signed with them.

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use crate::Error;
use crate::encoding::base64_url;

/// A private key.
pub struct Key(RsaKeyPair);

/// Which digest is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256: `RS256`.
    Sha256,
    /// SHA-512: `RS512`.
    Sha512,
}

impl Key {
    /// A key as PEM, PKCS #1 or PKCS #8. One with a passphrase is refused.
    pub fn from_pem(pem: &str) -> Result<Key, Error> {
        if pem.contains("ENCRYPTED") {
            return Err(Error::Config(
                "the private key has a passphrase, which is not supported; store the key without one".into(),
            ));
        }
        let bad =
            |why: &dyn std::fmt::Display| Error::Config(format!("the private key is not usable: {why}"));
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(&error))? {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(bad(&"it is not an RSA key")),
        };
        Ok(Key(key.map_err(|error| bad(&error))?))
    }

    /// Signs bytes.
    pub fn sign(&self, digest: Digest, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let encoding: &dyn RsaEncoding = match digest {
            Digest::Sha256 => &RSA_PKCS1_SHA256,
            Digest::Sha512 => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(encoding, &SystemRandom::new(), bytes, &mut signature)
            .map_err(|_| Error::Config("the private key cannot sign".into()))?;
        Ok(signature)
    }

    /// A signed token; `header` holds what is said besides algorithm and type.
    pub fn token(&self, digest: Digest, header: &[(&str, &str)], claims: &Value) -> Result<String, Error> {
        let algorithm = if digest == Digest::Sha256 { "RS256" } else { "RS512" };
        let mut head = serde_json::json!({"alg": algorithm, "typ": "JWT"});
        for (name, value) in header {
            head[*name] = Value::String((*value).to_string());
        }
        let part = |value: &Value| base64_url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&head), part(claims));
        let signature = self.sign(digest, signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64_url(&signature)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// A key that nothing trusts.
    pub(crate) const KEY: &str = include_str!("../testdata/pkcs8.pem");

    /// Whether the test's key signed these bytes.
    pub(crate) fn is_signed(bytes: &[u8], signature: &[u8]) -> bool {
        let key = Key::from_pem(KEY).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.0.public().as_ref())
            .verify(bytes, signature)
            .is_ok()
    }

    #[test]
    fn keys_of_both_forms_sign_alike() {
        for pem in [KEY, include_str!("../testdata/pkcs1.pem")] {
            let signature = Key::from_pem(pem).unwrap().sign(Digest::Sha256, b"text").unwrap();
            assert!(is_signed(b"text", &signature));
        }
        let token = Key::from_pem(KEY)
            .unwrap()
            .token(Digest::Sha512, &[("kid", "k")], &serde_json::json!({}))
            .unwrap();
        assert_eq!(token.split('.').count(), 3);
    }

    #[test]
    fn what_is_no_key_is_named() {
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
        assert!(Key::from_pem(locked).err().unwrap().to_string().contains("has a passphrase"));
        assert!(Key::from_pem("x").is_err());
    }
}
