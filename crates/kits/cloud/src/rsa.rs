//! RSA keys and the tokens that are signed with them; their home is [`net::jwt`].

pub use net::jwt::{Digest, Key};

#[cfg(test)]
pub(crate) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// A key that nothing trusts.
    pub(crate) const KEY: &str = include_str!("../testdata/pkcs8.pem");

    /// Whether the test's key signed these bytes.
    pub(crate) fn is_signed(bytes: &[u8], signature: &[u8]) -> bool {
        let key = Key::from_pem(KEY).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_der()).verify(bytes, signature).is_ok()
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
