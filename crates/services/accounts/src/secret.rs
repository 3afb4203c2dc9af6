//! Random secrets, what they look like, and the digests that are kept in their place.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::AccountsError;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// How tokens of service accounts begin, so that they are recognised where they should not be.
pub(crate) const TOKEN_PREFIX: &str = "prom_";
/// Random letters of a token: 190 bits.
const TOKEN_LETTERS: usize = 32;
/// Letters of a password that is made: 142 bits.
const PASSWORD_LETTERS: usize = 24;
/// Letters of an identifier.
const UID_LETTERS: usize = 14;

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| AccountsError::Internal("the system has no random numbers".into()))?;
    Ok(bytes)
}

/// Random letters and digits, each as likely as the others.
fn letters(count: usize, alphabet: &[u8]) -> Result<String, AccountsError> {
    let limit = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(count);
    while text.len() < count {
        for byte in random::<64>()? {
            if usize::from(byte) < limit && text.len() < count {
                text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    Ok(text)
}

/// An identifier: lower case letters and digits, as Grafana's are.
pub(crate) fn uid() -> Result<String, AccountsError> {
    letters(UID_LETTERS, b"abcdefghijklmnopqrstuvwxyz0123456789")
}

/// A password for somebody who has none yet.
pub(crate) fn password() -> Result<String, AccountsError> {
    letters(PASSWORD_LETTERS, LETTERS)
}

/// 256 random bits for a URL or a cookie.
pub(crate) fn nonce() -> Result<String, AccountsError> {
    Ok(net::client::base64_url(&random::<32>()?))
}

/// A token of a service account: prefix, random letters, a checksum that tells a token from a typing error.
pub(crate) fn token() -> Result<String, AccountsError> {
    let body = format!("{TOKEN_PREFIX}{}", letters(TOKEN_LETTERS, LETTERS)?);
    let sum = crc32(body.as_bytes());
    Ok(format!("{body}_{sum:08x}"))
}

/// Whether a text can be a token of ours: only then it is worth looking for.
pub(crate) fn is_token(text: &str) -> bool {
    let Some((body, sum)) = text.rsplit_once('_') else { return false };
    body.strip_prefix(TOKEN_PREFIX).is_some_and(|letters| letters.len() == TOKEN_LETTERS)
        && u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32(body.as_bytes()))
}

/// What is kept of a secret that is random itself: SHA-256, in hexadecimal digits.
pub(crate) fn digest_hex(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// CRC-32 (IEEE).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_typing_error() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let token = token().unwrap();
        assert!(is_token(&token), "{token}");
        let mut wrong = token.clone().into_bytes();
        wrong[10] = if wrong[10] == b'A' { b'B' } else { b'A' };
        assert!(!is_token(std::str::from_utf8(&wrong).unwrap()));
        for text in ["", "prom_", "prom_abc_00000000", "glsa_x", "_"] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn secrets_are_never_the_same() {
        assert_ne!(password().unwrap(), password().unwrap());
        assert_eq!((password().unwrap().len(), uid().unwrap().len(), nonce().unwrap().len()), (24, 14, 43));
    }
}
