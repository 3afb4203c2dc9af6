//! ID tokens: JSON Web Tokens (RFC 7519) signed with RS256 or ES256 (RFC 7518), and the keys they are checked with
//! (RFC 7517).

use net::client::base64_decoded;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// How far the provider's clock may be from ours.
const CLOCK_DIFFERENCE_MAX_S: i64 = 60;
/// Keys of a provider that are taken.
const KEYS_MAX: usize = 100;
/// The largest token that is looked at.
const TOKEN_SIZE_MAX_BYTES: usize = 256 * 1024;

enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point that is not compressed.
    P256(Vec<u8>),
}

/// The keys of a provider that we can use.
pub(super) struct Keys(Vec<(Option<String>, Key)>);

/// A token, not yet believed.
pub(super) struct Parsed {
    algorithm: String,
    key_id: Option<String>,
    signed: String,
    signature: Vec<u8>,
    claims: Value,
}

/// What a good token says.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now_s: i64,
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    base64_decoded(&text.replace('-', "+").replace('_', "/"))
}

impl Keys {
    /// Reads a set of keys; those of kinds we do not know are left out.
    pub(super) fn read(document: &Value) -> Keys {
        let list = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let key = |key: &Value| {
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            if text("use").is_some_and(|usage| usage != "sig") {
                return None;
            }
            let part = |name: &str| text(name).and_then(decoded);
            let usable = match text("kty")? {
                "RSA" => Key::Rsa { n: part("n")?, e: part("e")? },
                "EC" if text("crv") == Some("P-256") => {
                    let (x, y) = (part("x")?, part("y")?);
                    if (x.len(), y.len()) != (32, 32) {
                        return None;
                    }
                    Key::P256([&[4][..], &x, &y].concat())
                }
                _ => return None,
            };
            Some((text("kid").map(String::from), usable))
        };
        Keys(list.iter().filter_map(key).take(KEYS_MAX).collect())
    }

    /// Whether there is a key that the token may be signed with.
    pub(super) fn has(&self, token: &Parsed) -> bool {
        self.of(token).next().is_some()
    }

    fn of<'a>(&'a self, token: &'a Parsed) -> impl Iterator<Item = &'a Key> {
        self.0
            .iter()
            .filter(|(id, key)| {
                let fits = match key {
                    Key::Rsa { .. } => token.algorithm == "RS256",
                    Key::P256(_) => token.algorithm == "ES256",
                };
                fits && (token.key_id.is_none() || *id == token.key_id)
            })
            .map(|(_, key)| key)
    }
}

/// Takes a token apart.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let bad = || "it is not a signed token".to_string();
    if text.len() > TOKEN_SIZE_MAX_BYTES {
        return Err("it is too large".into());
    }
    let (signed, signature) = text.rsplit_once('.').ok_or_else(bad)?;
    let (head, claims) = signed.split_once('.').ok_or_else(bad)?;
    let json = |part: &str| -> Option<Value> { serde_json::from_slice(&decoded(part)?).ok() };
    let head = json(head).ok_or_else(bad)?;
    let text = |name: &str| head.get(name).and_then(Value::as_str).map(String::from);
    Ok(Parsed {
        algorithm: text("alg").ok_or_else(bad)?,
        key_id: text("kid"),
        signed: signed.to_string(),
        signature: decoded(signature).ok_or_else(bad)?,
        claims: json(claims).ok_or_else(bad)?,
    })
}

/// The claims of a token that is good.
pub(super) fn verify(token: &Parsed, keys: &Keys, expected: &Expected<'_>) -> Result<Value, String> {
    if !matches!(&*token.algorithm, "RS256" | "ES256") {
        return Err(format!("it is signed with {:?}; RS256 and ES256 are taken", token.algorithm));
    }
    let is_signed_by = |key: &Key| match key {
        Key::Rsa { n, e } => RsaPublicKeyComponents { n, e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, token.signed.as_bytes(), &token.signature)
            .is_ok(),
        Key::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(token.signed.as_bytes(), &token.signature)
            .is_ok(),
    };
    if !keys.of(token).any(is_signed_by) {
        return Err("no key of the provider has signed it".into());
    }
    let claims = &token.claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss").map(|issuer| issuer.trim_end_matches('/')) != Some(expected.issuer.trim_end_matches('/')) {
        return Err("another provider issued it".into());
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_party = text("azp").is_none_or(|party| party == expected.client_id);
    if !audience.contains(&expected.client_id) || !is_party {
        return Err("it is for somebody else".into());
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now_s = expected.now_s as f64;
    let difference_s = CLOCK_DIFFERENCE_MAX_S as f64;
    if time("exp").is_none_or(|end_s| end_s + difference_s <= now_s) {
        return Err("it has expired".into());
    }
    if ["nbf", "iat"].iter().any(|name| time(name).is_some_and(|from_s| from_s - difference_s > now_s)) {
        return Err("it is not valid yet; do the clocks agree?".into());
    }
    if text("nonce") != Some(expected.nonce) {
        return Err("it is from another sign-in".into());
    }
    Ok(claims.clone())
}
