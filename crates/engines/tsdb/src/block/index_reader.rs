//! Reading a block's `index`, versions 1 to 3. Versions 2 and 3 count symbols and divide series
//! references by 16; version 1 uses offsets in the file for both.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use model::label_table::PairId;
use model::{LabelTable, Labels};

use super::decode::{Fields, section};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::postings::{ListRef, PostingIndex};

pub(crate) const INDEX_FILE: &str = "index";
pub(crate) const MAGIC: u32 = 0xBAAA_D700;
/// Sections of the table of contents and its checksum.
pub(crate) const TOC_BYTES: usize = 6 * 8 + 4;
/// Of so many values one position is kept in memory.
const STRIDE: usize = 32;
/// The same of symbols: every label of a selection is looked up among them.
const SYMBOL_STRIDE: usize = 8;

/// Where a chunk lies and which times it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkMeta {
    pub(crate) min_ms: i64,
    pub(crate) max_ms: i64,
    pub(crate) reference: u64,
}

/// From the numbers of names and values in an index to pairs in the table of a query.
pub(crate) struct PairNumbers<'a> {
    index: &'a IndexReader,
    /// By number of a value: the number of the name it was first met with, and the pair. Empty for a small
    /// selection, and in version 1.
    dense: Vec<(u32, Option<PairId>)>,
    others: HashMap<(u64, u64), PairId, foldhash::fast::RandomState>,
    /// The names met, by number.
    names: BTreeMap<u64, &'a str>,
}

impl<'a> PairNumbers<'a> {
    /// For a selection of so many series.
    pub(crate) fn new(index: &'a IndexReader, series: usize) -> Self {
        let symbols = index.symbols.count;
        // Worth its memory where most of it is going to be used.
        let dense = index.version > 1 && symbols / 16 < series && u32::try_from(symbols).is_ok();
        PairNumbers {
            index,
            dense: if dense { vec![(0, None); symbols] } else { Vec::new() },
            others: HashMap::default(),
            names: BTreeMap::new(),
        }
    }

    #[inline]
    fn get(&mut self, name: u64, value: u64, labels: &mut LabelTable) -> Result<PairId, Error> {
        let slot = usize::try_from(value).ok().and_then(|value| self.dense.get(value));
        match slot {
            Some((first, Some(pair))) if u64::from(*first) == name => Ok(*pair),
            _ => self.look_up(name, value, labels),
        }
    }

    fn look_up(&mut self, name: u64, value: u64, labels: &mut LabelTable) -> Result<PairId, Error> {
        if let Some(pair) = self.others.get(&(name, value)) {
            return Ok(*pair);
        }
        let text = match self.names.get(&name) {
            Some(text) => *text,
            None => {
                let text = self.index.symbol(name)?;
                self.check_order(name, text)?;
                self.names.insert(name, text);
                text
            }
        };
        let pair = labels.pair(text, self.index.symbol(value)?);
        match self.dense.get_mut(value as usize) {
            Some(slot @ (_, None)) => *slot = (name as u32, Some(pair)),
            _ => drop(self.others.insert((name, value), pair)),
        }
        Ok(pair)
    }

    /// Fails if a name is not numbered in its order, on which the order of a series' labels rests. Version 1
    /// promises none.
    fn check_order(&self, number: u64, name: &str) -> Result<(), Error> {
        let before = self.names.range(..number).next_back();
        let after = self.names.range(number..).next();
        let is_ordered =
            before.is_none_or(|(_, other)| *other < name) && after.is_none_or(|(_, other)| *other > name);
        match is_ordered || self.index.version == 1 {
            true => Ok(()),
            false => Err(self.index.corrupt("symbols that are not in order")),
        }
    }
}

/// An opened index.
pub(crate) struct IndexReader {
    path: PathBuf,
    file: Mapping,
    version: u8,
    symbols: SymbolTable,
    names: BTreeMap<String, Values>,
}

struct SymbolTable {
    /// Where the first entry stands.
    start: usize,
    count: usize,
    /// Position of every [`SYMBOL_STRIDE`]th symbol, relative to `start`.
    offsets: Vec<u32>,
}

/// The values of one label name in the postings offset table.
enum Values {
    /// Positions of every [`STRIDE`]th entry and how many entries there are; they follow each other
    /// in order of the value.
    Sorted { offsets: Vec<usize>, count: usize },
    /// Version 1 promises no order.
    Listed(BTreeMap<String, ListRef>),
}

impl IndexReader {
    /// Nothing of the file stays in memory until it is looked at again.
    pub(crate) fn release_file(&self) {
        self.file.release();
    }

    /// Opens an index of the version it says, or of the one that is known better.
    pub(crate) fn open(path: &Path, version: Option<u8>) -> Result<Self, Error> {
        let file = Mapping::open(path)?;
        let parsed = parse(&file, version).map_err(|what| Error::corrupt(path, what))?;
        let (version, symbols, names) = parsed;
        Ok(IndexReader { path: path.to_path_buf(), file, version, symbols, names })
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::corrupt(&self.path, what)
    }

    fn symbol(&self, number: u64) -> Result<&str, Error> {
        let find = || {
            let number = usize::try_from(number).ok()?;
            if self.version == 1 {
                return Fields(self.file.get(number..)?).text();
            }
            if number >= self.symbols.count {
                return None;
            }
            let offset = *self.symbols.offsets.get(number / SYMBOL_STRIDE)? as usize;
            let mut fields = Fields(self.file.get(self.symbols.start + offset..)?);
            for _ in 0..number % SYMBOL_STRIDE {
                let length = usize::try_from(fields.uvarint()?).ok()?;
                fields.bytes(length)?;
            }
            fields.text()
        };
        find().ok_or_else(|| self.corrupt("a symbol that is not there"))
    }

    /// Labels and chunks of a series. `chunks` is cleared first.
    pub(crate) fn series(&self, reference: u32, chunks: &mut Vec<ChunkMeta>) -> Result<Labels, Error> {
        let malformed = || self.corrupt("a malformed series");
        let mut fields = self.series_fields(reference).ok_or_else(malformed)?;
        let count = fields.uvarint().ok_or_else(malformed)?;
        let mut pairs = Vec::with_capacity(count.min(64) as usize);
        for _ in 0..count {
            let name = fields.uvarint().ok_or_else(malformed)?;
            let value = fields.uvarint().ok_or_else(malformed)?;
            pairs.push((self.symbol(name)?, self.symbol(value)?));
        }
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(malformed());
        }
        chunks.clear();
        read_chunks(&mut fields, chunks).ok_or_else(malformed)?;
        Ok(Labels::from_sorted(pairs))
    }

    /// Label pairs and chunks of a series; what was in `into` and `chunks` before is cleared.
    pub(crate) fn series_pairs(
        &self,
        reference: u32,
        known: &mut PairNumbers<'_>,
        labels: &mut LabelTable,
        into: &mut Vec<PairId>,
        chunks: &mut Vec<ChunkMeta>,
    ) -> Result<(), Error> {
        let malformed = || self.corrupt("a malformed series");
        into.clear();
        chunks.clear();
        let mut fields = self.series_fields(reference).ok_or_else(malformed)?;
        let count = fields.uvarint().ok_or_else(malformed)?;
        let (mut last, mut is_sorted) = (None, true);
        for _ in 0..count {
            let name = fields.uvarint().ok_or_else(malformed)?;
            let value = fields.uvarint().ok_or_else(malformed)?;
            into.push(known.get(name, value, labels)?);
            is_sorted &= last < Some(name);
            last = Some(name);
        }
        if self.version == 1 {
            is_sorted = into.is_sorted_by(|a, b| labels.pair_text(*a).0 < labels.pair_text(*b).0);
        }
        if !is_sorted {
            return Err(malformed());
        }
        read_chunks(&mut fields, chunks).ok_or_else(malformed)
    }

    fn series_fields(&self, reference: u32) -> Option<Fields<'_>> {
        let at = reference as usize * if self.version == 1 { 1 } else { 16 };
        let mut fields = Fields(self.file.get(at..)?);
        let length = usize::try_from(fields.uvarint()?).ok()?;
        let content = fields.bytes(length)?;
        (fields.u32()? == crc32c::crc32c(content)).then_some(Fields(content))
    }

    /// All symbols, sorted in versions 2 and 3.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        let mut fields = Fields(self.file.get(self.symbols.start..).unwrap_or_default());
        (0..self.symbols.count).map_while(move |_| fields.text())
    }

    /// All label names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// An entry of the postings table: value, list, and where the next one is.
    #[inline]
    fn entry(&self, at: usize) -> Option<(&[u8], ListRef, usize)> {
        let mut fields = Fields(self.file.get(at..)?);
        let before = fields.0.len();
        fields.uvarint()?;
        let mut text = || {
            let length = usize::try_from(fields.uvarint()?).ok()?;
            fields.bytes(length)
        };
        // The name is known.
        text()?;
        let value = text()?;
        let list = fields.uvarint()?;
        Some((value, list, at + before - fields.0.len()))
    }
}

impl PostingIndex for IndexReader {
    fn all(&self) -> Result<Vec<u32>, Error> {
        let mut all = Vec::new();
        if let Some(list) = self.find("", "")? {
            self.read(list, &mut all)?;
        }
        Ok(all)
    }

    fn find(&self, name: &str, value: &str) -> Result<Option<ListRef>, Error> {
        let malformed = || self.corrupt("a malformed postings table");
        match self.names.get(name) {
            None => Ok(None),
            Some(Values::Listed(values)) => Ok(values.get(value).copied()),
            Some(Values::Sorted { offsets, count }) => {
                let (mut low, mut high) = (0, offsets.len());
                while low + 1 < high {
                    let middle = low.midpoint(high);
                    if self.entry(offsets[middle]).ok_or_else(malformed)?.0 <= value.as_bytes() {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                let Some(&start) = offsets.get(low) else { return Ok(None) };
                let mut at = start;
                for _ in low * STRIDE..(*count).min((low + 1) * STRIDE) {
                    let (entry, list, next) = self.entry(at).ok_or_else(malformed)?;
                    if entry == value.as_bytes() {
                        return Ok(Some(list));
                    }
                    at = next;
                }
                Ok(None)
            }
        }
    }

    fn visit_values<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a str, ListRef)) -> Result<(), Error> {
        match self.names.get(name) {
            None => {}
            Some(Values::Listed(values)) => values.iter().for_each(|(value, &list)| visit(value, list)),
            Some(Values::Sorted { offsets, count }) => {
                let mut at = offsets.first().copied().unwrap_or_default();
                for _ in 0..*count {
                    let malformed = || self.corrupt("a malformed postings table");
                    let (value, list, next) = self.entry(at).ok_or_else(malformed)?;
                    visit(std::str::from_utf8(value).map_err(|_| malformed())?, list);
                    at = next;
                }
            }
        }
        Ok(())
    }

    fn count(&self, list: ListRef) -> Result<usize, Error> {
        let malformed = || self.corrupt("a malformed postings list");
        let at = usize::try_from(list).ok().and_then(|at| at.checked_add(4)).ok_or_else(malformed)?;
        let count = self.file.get(at..).and_then(|rest| Fields(rest).u32()).ok_or_else(malformed)?;
        Ok(count as usize)
    }

    fn read(&self, list: ListRef, into: &mut Vec<u32>) -> Result<(), Error> {
        let malformed = || self.corrupt("a malformed postings list");
        let mut fields = section(&self.file, list).ok_or_else(malformed)?;
        let count = fields.u32().ok_or_else(malformed)? as usize;
        let entries = fields.bytes(count.checked_mul(4).ok_or_else(malformed)?).ok_or_else(malformed)?;
        into.extend(entries.as_chunks::<4>().0.iter().map(|&entry| u32::from_be_bytes(entry)));
        Ok(())
    }
}

type Parsed = (u8, SymbolTable, BTreeMap<String, Values>);

fn parse(file: &[u8], version: Option<u8>) -> Result<Parsed, &'static str> {
    let mut head = Fields(file);
    if head.u32() != Some(MAGIC) {
        return Err("not an index");
    }
    let version = match head.u8() {
        Some(said @ 1..=3) => version.unwrap_or(said),
        _ => return Err("an index of an unknown version"),
    };
    let toc =
        file.len().checked_sub(TOC_BYTES).and_then(|at| file.get(at..)).ok_or("the index is too short")?;
    let (content, checksum) = toc.split_at(TOC_BYTES - 4);
    if Fields(checksum).u32() != Some(crc32c::crc32c(content)) {
        return Err("the index ends without its table of contents");
    }
    let mut toc = Fields(content);
    let mut next = || toc.u64().unwrap_or_default();
    let (symbols_at, _series, _label_indices, _label_table, _postings, postings_table_at) =
        (next(), next(), next(), next(), next(), next());
    let symbols = parse_symbols(file, symbols_at).ok_or("a malformed symbol table")?;
    let names = if postings_table_at == 0 {
        BTreeMap::new()
    } else {
        parse_postings_table(file, postings_table_at, version).ok_or("a malformed postings table")?
    };
    Ok((version, symbols, names))
}

fn parse_symbols(file: &[u8], at: u64) -> Option<SymbolTable> {
    if at == 0 {
        return Some(SymbolTable { start: 0, count: 0, offsets: Vec::new() });
    }
    let mut fields = section(file, at)?;
    let count = fields.u32()? as usize;
    let start = usize::try_from(at).ok()? + 8;
    let whole = fields.0.len();
    let mut offsets = Vec::with_capacity((count / SYMBOL_STRIDE + 1).min(whole));
    for number in 0..count {
        if number % SYMBOL_STRIDE == 0 {
            offsets.push((whole - fields.0.len()) as u32);
        }
        let length = usize::try_from(fields.uvarint()?).ok()?;
        fields.bytes(length)?;
    }
    Some(SymbolTable { start, count, offsets })
}

fn parse_postings_table(file: &[u8], at: u64, version: u8) -> Option<BTreeMap<String, Values>> {
    let mut fields = section(file, at)?;
    let start = usize::try_from(at).ok()? + 4;
    let whole = fields.0.len();
    let mut names: BTreeMap<String, Values> = BTreeMap::new();
    let mut current: Option<(&str, Vec<usize>, usize)> = None;
    for _ in 0..fields.u32()? {
        let position = start + whole - fields.0.len();
        if fields.uvarint()? != 2 {
            return None;
        }
        let (name, value) = (fields.text()?, fields.text()?);
        let list = fields.uvarint()?;
        if version == 1 {
            let values = names.entry(name.to_string()).or_insert_with(|| Values::Listed(BTreeMap::new()));
            if let Values::Listed(values) = values {
                values.insert(value.to_string(), list);
            }
            continue;
        }
        match &mut current {
            Some((same, offsets, count)) if *same == name => {
                if *count % STRIDE == 0 {
                    offsets.push(position);
                }
                *count += 1;
            }
            _ => {
                if let Some((name, offsets, count)) = current.replace((name, vec![position], 1)) {
                    names.insert(name.to_string(), Values::Sorted { offsets, count });
                }
            }
        }
    }
    if let Some((name, offsets, count)) = current {
        names.insert(name.to_string(), Values::Sorted { offsets, count });
    }
    Some(names)
}

fn read_chunks(fields: &mut Fields<'_>, into: &mut Vec<ChunkMeta>) -> Option<()> {
    let count = fields.uvarint()?;
    let (mut time_ms, mut reference) = (0i64, 0u64);
    for at in 0..count {
        let min_ms = match at {
            0 => fields.varint()?,
            _ => time_ms.checked_add_unsigned(fields.uvarint()?)?,
        };
        let max_ms = min_ms.checked_add_unsigned(fields.uvarint()?)?;
        reference = match at {
            0 => fields.uvarint()?,
            _ => reference.checked_add_signed(fields.varint()?)?,
        };
        into.push(ChunkMeta { min_ms, max_ms, reference });
        time_ms = max_ms;
    }
    Some(())
}
