//! The chunks that Prometheus moved out of its head, `chunks_head/`. The log has their samples too as
//! long as it is whole; where it is damaged they stand in for it.
//!
//! Format: `tsdb/docs/format/head_chunks.md` of Prometheus.

use std::path::Path;

use super::log::numbered;
use crate::block::decode::Fields;
use crate::chunk::Encoding;
use crate::error::Error;
use crate::mapping::Mapping;

const MAGIC: u32 = 0x0130_BC91;
/// The bit of the encoding that marks a chunk of samples that came out of order.
const OUT_OF_ORDER: u8 = 0x80;

/// One chunk and whose it is.
pub(super) struct HeadChunk<'a> {
    /// The number of its series in the log.
    pub(super) series: u64,
    pub(super) min_ms: i64,
    pub(super) max_ms: i64,
    pub(super) out_of_order: bool,
    pub(super) encoding: Encoding,
    pub(super) bytes: &'a [u8],
}

/// Calls with each chunk of a folder. Gives, file by file, where one could not be read any further.
pub(super) fn read(
    dir: &Path,
    mut with: impl FnMut(HeadChunk<'_>) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let mut damages = Vec::new();
    for (_, path) in numbered(dir, "")? {
        let file = Mapping::open(&path)?;
        let mut fields = Fields(&file);
        if fields.u32() != Some(MAGIC) || fields.u8() != Some(1) || fields.bytes(3).is_none() {
            // Prometheus leaves an empty file where it was killed while it began one.
            if !file.iter().all(|&byte| byte == 0) {
                damages.push(format!("{}: not a file of chunks", path.display()));
            }
            continue;
        }
        loop {
            // Room that was taken but not written is zero, and no series has that number.
            if fields.0.iter().take(8).all(|&byte| byte == 0) {
                break;
            }
            match chunk(&mut fields) {
                Some(Some(chunk)) => with(chunk)?,
                Some(None) => {}
                None => {
                    let at = file.len() - fields.0.len();
                    damages.push(format!("{}: a chunk is damaged before {at}", path.display()));
                    break;
                }
            }
        }
    }
    Ok(damages)
}

/// The next chunk; nothing inside if its encoding is not known.
fn chunk<'a>(fields: &mut Fields<'a>) -> Option<Option<HeadChunk<'a>>> {
    let whole = fields.0;
    let series = fields.u64()?;
    let (min_ms, max_ms) = (fields.u64()? as i64, fields.u64()? as i64);
    let encoding = fields.u8()?;
    let length = usize::try_from(fields.uvarint()?).ok()?;
    let bytes = fields.bytes(length)?;
    let checked = whole.get(..whole.len() - fields.0.len())?;
    if fields.u32()? != crc32c::crc32c(checked) {
        return None;
    }
    let out_of_order = encoding & OUT_OF_ORDER != 0;
    Some(Encoding::from_byte(encoding & !OUT_OF_ORDER).ok().map(|encoding| HeadChunk {
        series,
        min_ms,
        max_ms,
        out_of_order,
        encoding,
        bytes,
    }))
}
