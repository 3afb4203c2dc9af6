//! `meta.json` of a block, and the names of blocks.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::error::Error;

/// The name of the file.
pub(crate) const META_FILE: &str = "meta.json";

/// What a block says about itself. Fields of others (Thanos) are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) ulid: String,
    /// Inclusive, milliseconds.
    pub(crate) min_time: i64,
    /// Exclusive, milliseconds.
    pub(crate) max_time: i64,
    #[serde(default)]
    pub(crate) stats: MetaStats,
    #[serde(default)]
    pub(crate) compaction: MetaCompaction,
    /// 1. A 2 is a mistake of Prometheus 2.1: such a block's index is of version 2, although it says 1.
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) others: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MetaStats {
    pub(crate) num_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) num_float_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) num_histogram_samples: u64,
    pub(crate) num_series: u64,
    pub(crate) num_chunks: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) num_tombstones: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MetaCompaction {
    pub(crate) level: u32,
    pub(crate) sources: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) deletable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parents: Vec<MetaParent>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) failed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hints: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MetaParent {
    pub(crate) ulid: String,
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

impl Meta {
    /// Of a block that is made from samples, not from other blocks. `end_ms` is exclusive.
    pub(crate) fn first(ulid: String, start_ms: i64, end_ms: i64) -> Meta {
        Meta {
            ulid: ulid.clone(),
            min_time: start_ms,
            max_time: end_ms,
            compaction: MetaCompaction { level: 1, sources: vec![ulid], ..Default::default() },
            version: 1,
            ..Meta::default()
        }
    }

    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Meta, Error> {
        let path = dir.join(META_FILE);
        let text = match disk.read_file(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::corrupt(&path, "is missing"));
            }
            Err(error) => return Err(Error::io("reading", &path)(error)),
        };
        let meta: Meta = serde_json::from_slice(&text).map_err(|error| Error::corrupt(&path, error))?;
        match meta.version {
            1 | 2 if meta.max_time >= meta.min_time => Ok(meta),
            1 | 2 => Err(Error::corrupt(&path, "it ends before it begins")),
            version => Err(Error::corrupt(&path, format!("unknown version {version}"))),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = dir.join(META_FILE);
        let temporary = dir.join("meta.json.tmp");
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        self.serialize(&mut serializer).map_err(|error| Error::corrupt(&path, error))?;
        disk.replace_file(&path, &temporary, &text).map_err(Error::io("writing", &path))
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new block name: 48 bits of time and 80 random bits in Crockford's base 32.
pub(crate) fn new_ulid(now_ms: i64) -> String {
    let random = || std::hash::RandomState::new().build_hasher().finish();
    let number =
        (now_ms.max(0) as u128) << 80 | (u128::from(random()) << 64 | u128::from(random())) & ((1 << 80) - 1);
    (0..26).map(|at| char::from(CROCKFORD[(number >> (125 - 5 * at)) as usize & 31])).collect()
}

/// Whether a name is that of a block.
pub(crate) fn is_ulid(name: &str) -> bool {
    name.len() == 26 && name.bytes().all(|byte| CROCKFORD.contains(&byte)) && name.as_bytes()[0] <= b'7'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_are_well_formed() {
        let (early, late) = (new_ulid(1_000), new_ulid(1_700_000_000_000));
        assert!(early < late && is_ulid(&early) && is_ulid(&late));
        assert!(late.starts_with("01HF7YAT00"), "{late}");
        assert!(!is_ulid("01BZJ9WJQPWHGNC2W4J9TA62K") && !is_ulid("lock"));
    }

    #[test]
    fn fields_of_others_survive() {
        let text = r#"{"ulid":"X","minTime":1,"maxTime":2,"version":1,"thanos":{"labels":{"a":"b"}}}"#;
        let meta: Meta = serde_json::from_str(text).unwrap();
        let value = serde_json::to_value(&meta).unwrap();
        assert_eq!(value["thanos"]["labels"]["a"], "b");
    }
}
