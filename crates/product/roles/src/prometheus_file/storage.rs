//! `storage`: how much is kept, and how.

use config::{Node, Result};

/// The `storage` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storage {
    /// What is kept.
    pub retention: Retention,
    /// How far in the past a sample may still be added; 0 is not at all.
    pub out_of_order_time_window_ms: i64,
    /// The share of series without samples, 0 to 1, that makes the head be compacted; 0 is off.
    pub stale_series_compaction_threshold: f64,
    /// Whether floats are encoded as XOR2, or nothing if the file leaves it open.
    pub xor2: Option<bool>,
    /// Exemplars to remember, or nothing if the file leaves it open.
    pub exemplars_max: Option<i64>,
}

/// How much is kept; the limit that is reached first counts. 0 leaves a limit to the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retention {
    /// The age of samples.
    pub time_ms: i64,
    /// The size of all blocks.
    pub size_bytes: u64,
    /// The share of the disk, 0 to 100.
    pub percentage: f64,
}

pub(super) fn decode(node: &Node) -> Result<Storage> {
    let mut fields = node.fields("config.StorageConfig")?;
    let mut storage = fields.or("tsdb", Storage::default(), tsdb)?;
    storage.exemplars_max = fields.optional("exemplars", exemplars)?.flatten();
    fields.finish()?;
    Ok(storage)
}

fn tsdb(node: &Node) -> Result<Storage> {
    let mut fields = node.fields("config.plain")?;
    let storage = Storage {
        retention: fields.or("retention", Retention::default(), retention)?,
        out_of_order_time_window_ms: fields.or("out_of_order_time_window", 0, Node::duration_ms)?,
        stale_series_compaction_threshold: fields.or(
            "stale_series_compaction_threshold",
            0.0,
            Node::float,
        )?,
        xor2: fields.or("chunk_encoding", None, chunk_encoding)?,
        exemplars_max: None,
    };
    fields.finish()?;
    Ok(storage)
}

fn retention(node: &Node) -> Result<Retention> {
    let mut fields = node.fields("config.plain")?;
    let retention = Retention {
        time_ms: fields.or("time", 0, Node::duration_ms)?,
        size_bytes: fields.or("size", 0, Node::bytes)?,
        percentage: fields.or("percentage", 0.0, |node| {
            let percentage = node.float()?;
            if (0.0..=100.0).contains(&percentage) {
                return Ok(percentage);
            }
            Err(node.error(format!(
                "'storage.tsdb.retention.percentage' must be in the range [0, 100], got {percentage}"
            )))
        })?,
    };
    fields.finish()?;
    Ok(retention)
}

fn chunk_encoding(node: &Node) -> Result<Option<bool>> {
    let mut fields = node.fields("config.ChunkEncodingConfig")?;
    let floats = fields.or("floats", None, |node| match node.string()?.as_str() {
        "" => Ok(None),
        "xor" => Ok(Some(false)),
        "xor2" => Ok(Some(true)),
        other => Err(node.error(format!(
            "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted entirely, got \
             {other:?}"
        ))),
    })?;
    fields.finish()?;
    Ok(floats)
}

fn exemplars(node: &Node) -> Result<Option<i64>> {
    let mut fields = node.fields("config.ExemplarsConfig")?;
    let max = fields.optional("max_exemplars", Node::integer)?;
    fields.finish()?;
    Ok(max)
}
