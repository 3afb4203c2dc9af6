//! Password hashes of bcrypt as they are written: `$2y$`, the cost, `$`, salt and hash in bcrypt's own base 64.

use std::fmt;

const DIGITS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// What bcrypt reads of a password, with the zero behind it.
const PASSWORD_MAX_BYTES: usize = 72;
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// A hash that a password can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    cost: u32,
    salt: [u8; 16],
    /// The last of the 24 bytes that bcrypt computes is never written.
    hash: [u8; 23],
}

impl PasswordHash {
    /// Reads `$2a$`, `$2b$`, `$2x$` or `$2y$`.
    pub fn parse(text: &str) -> Option<PasswordHash> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let (version, cost, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let is_known = matches!(version, "2a" | "2b" | "2x" | "2y") && parts.next().is_none();
        let cost = cost.parse().ok().filter(|cost| is_known && COSTS.contains(cost))?;
        let (salt, hash) = rest.split_at_checked(22)?;
        Some(PasswordHash { cost, salt: decoded(salt)?, hash: decoded(hash)? })
    }

    /// The hash of a password; the cost is from 4 to 31.
    pub fn new(password: &str, cost: u32, salt: [u8; 16]) -> PasswordHash {
        let mut bytes = Vec::with_capacity(password.len() + 1);
        bytes.extend_from_slice(password.as_bytes());
        bytes.push(0);
        bytes.truncate(PASSWORD_MAX_BYTES);
        let mut hash = [0; 23];
        hash.copy_from_slice(&bcrypt::bcrypt(cost, salt, &bytes)[..23]);
        PasswordHash { cost, salt, hash }
    }

    /// Whether this is the hash of a password. Takes long by intent, and as long for every password.
    pub fn is_of(&self, password: &str) -> bool {
        let other = PasswordHash::new(password, self.cost, self.salt);
        self.hash.iter().zip(other.hash).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$2y${:02}${}{}", self.cost, encoded(&self.salt), encoded(&self.hash))
    }
}

fn encoded(bytes: &[u8]) -> String {
    let digits = (bytes.len() * 8).div_ceil(6);
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let digit = |at: usize| (0..6).fold(0, |digit, place| digit << 1 | usize::from(bit(at * 6 + place)));
    (0..digits).map(|at| char::from(DIGITS[digit(at)])).collect()
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let mut out = [0u8; N];
    for (at, digit) in text.bytes().enumerate() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        for place in 0..6 {
            let bit = at * 6 + place;
            if let Some(byte) = out.get_mut(bit / 8) {
                *byte |= ((value >> (5 - place) & 1) as u8) << (7 - bit % 8);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_other_programs_are_understood() {
        // Made by the C library.
        for (password, text) in [
            ("", "$2b$04$DCq7YPn5Rq63x1Lad4cll.gPqnXZmDhhq3zJUTSJckzck53/zZY4W"),
            ("correct horse", "$2y$05$m0CrhHm10qJ3lXRY.5zDGOknTxzcZJmie2xCWBnkhd8lC0LxwF.r2"),
        ] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.is_of(password) && !hash.is_of("b"), "{text}");
            assert_eq!(PasswordHash::parse(&hash.to_string()), Some(hash));
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in [
            "",
            "secret",
            "$2y$10$",
            "$2y$99$DCq7YPn5Rq63x1Lad4cll.gPqnXZmDhhq3zJUTSJckzck53/zZY4W",
            "$1$06$x",
        ] {
            assert_eq!(PasswordHash::parse(text), None, "{text}");
        }
    }
}
