//! How entries travel, whichever way: their keys made short enough, their bodies with the key that
//! no longer fits beside them.

use super::{Entry, EntryKind, ReplicaError};

/// The longest key that travels as it is.
const KEY_SIZE_MAX_BYTES: usize = 512;

/// The key under which something is stored: itself, or a digest of it if it is long.
pub(super) fn stored_key(key: &str) -> String {
    if key.len() <= KEY_SIZE_MAX_BYTES && !key.is_empty() && !key.contains('\0') && !key.starts_with('#') {
        return key.to_string();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("#{hex}")
}

/// The length of the key in 4 bytes, little-endian, or 0 if it is stored under it; the key; what the
/// owner wrote.
pub(super) fn body_of(entry: &Entry) -> Vec<u8> {
    let stored = stored_key(&entry.key);
    let own_key = if stored == entry.key { "" } else { entry.key.as_str() };
    let mut body = Vec::with_capacity(4 + own_key.len() + entry.body.len());
    body.extend_from_slice(&(own_key.len() as u32).to_le_bytes());
    body.extend_from_slice(own_key.as_bytes());
    body.extend_from_slice(&entry.body);
    body
}

/// The entry of a body, if it is one.
pub(super) fn entry_of(
    kind: EntryKind,
    stored: &str,
    body: &[u8],
    updated_at_ms: i64,
    expires_at_ms: i64,
) -> Option<Entry> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (key, rest) = rest.split_at_checked(length)?;
    let key = if stored.starts_with('#') { std::str::from_utf8(key).ok()? } else { stored };
    Some(Entry { kind, key: key.to_string(), updated_at_ms, expires_at_ms, body: rest.to_vec() })
}

pub(super) fn check_size(entry: &Entry, max_bytes: usize) -> Result<(), ReplicaError> {
    let size_bytes = entry.body.len();
    if size_bytes > max_bytes { Err(ReplicaError::TooLarge { size_bytes, max_bytes }) } else { Ok(()) }
}

/// A replica's name, as far as it can be part of a key.
pub(super) fn name_for_key(name: &str) -> String {
    name.replace('\0', "").chars().take(120).collect()
}

/// What tells this process from all others.
pub(super) fn random() -> u64 {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Still different for each process of a machine.
        bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_as_written_whatever_their_keys() {
        for key in ["a", "", "#a", "a\0b", "Ünïcode", &"x".repeat(512), &"x".repeat(5_000)] {
            let entry = Entry {
                kind: EntryKind::Silence,
                key: key.into(),
                updated_at_ms: 5,
                expires_at_ms: 7,
                body: b"body".to_vec(),
            };
            let stored = stored_key(key);
            assert!(stored.len() <= KEY_SIZE_MAX_BYTES && !stored.is_empty() && !stored.contains('\0'));
            assert_eq!(entry_of(entry.kind, &stored, &body_of(&entry), 5, 7), Some(entry));
        }
        assert_eq!(entry_of(EntryKind::Silence, "a", &[9, 0, 0, 0, b'a'], 0, 0), None);
        assert_eq!(entry_of(EntryKind::Silence, "a", &[0], 0, 0), None);
    }
}
