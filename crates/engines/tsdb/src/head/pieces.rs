//! Where the beginnings of open chunks lie. A series keeps the last bytes of its open chunk with itself; what
//! does not fit there any more comes here piece by piece, each piece knowing the one before it, until the chunk
//! is closed. Pieces lie one behind the other in pieces of memory that move to files without names when they
//! are full, as those of closed chunks do, and go when no piece in them is needed any more.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;

use super::segments::Memory;
use crate::mapping::Mapping;

/// Capacity of a block of pieces.
const BLOCK_SIZE_BYTES: usize = if cfg!(test) { 4 << 10 } else { 4 << 20 };
/// Before each piece: block and offset of the piece before it, and its length.
const PREFIX_BYTES: usize = 9;

/// The newest piece of an open chunk, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PieceRef {
    /// Blocks count from 1.
    block: u32,
    offset: u32,
}

impl PieceRef {
    /// Nothing of the chunk is here.
    pub(crate) const NONE: PieceRef = PieceRef { block: 0, offset: 0 };
}

/// All pieces. They are added by one writer at a time.
pub(crate) struct Pieces {
    /// Where full blocks go.
    dir: PathBuf,
    list: RwLock<List>,
}

#[derive(Default)]
struct List {
    /// Blocks that are gone.
    gone: u32,
    blocks: VecDeque<Option<Block>>,
    /// Memory of a block that has moved to disk, for the next one.
    spare: Option<Memory>,
}

struct Block {
    /// Shared only while it is being moved.
    memory: Arc<Memory>,
    /// Pieces that are needed.
    alive: u32,
}

impl List {
    fn block(&mut self, number: u32) -> Option<&mut Option<Block>> {
        self.blocks.get_mut(number.checked_sub(self.gone + 1)? as usize)
    }

    /// The piece before a piece, and its bytes.
    fn piece(&self, piece: PieceRef) -> Option<(PieceRef, &[u8])> {
        let block = self.blocks.get(piece.block.checked_sub(self.gone + 1)? as usize)?.as_ref()?;
        let (prefix, rest) =
            block.memory.bytes().get(piece.offset as usize..)?.split_first_chunk::<PREFIX_BYTES>()?;
        let [a, b, c, d, e, f, g, h, length] = *prefix;
        let before =
            PieceRef { block: u32::from_le_bytes([a, b, c, d]), offset: u32::from_le_bytes([e, f, g, h]) };
        Some((before, rest.get(..usize::from(length))?))
    }

    /// Puts the pieces of a chunk, of which this is the last, into their places.
    fn read(&self, mut piece: PieceRef, mut into: &mut [u8]) {
        while let Some((before, bytes)) = self.piece(piece) {
            let Some((rest, end)) = into.len().checked_sub(bytes.len()).map(|at| into.split_at_mut(at))
            else {
                return;
            };
            end.copy_from_slice(bytes);
            (piece, into) = (before, rest);
        }
    }

    fn release(&mut self, mut piece: PieceRef) {
        while let Some((before, _)) = self.piece(piece) {
            let is_newest = piece.block as usize == self.gone as usize + self.blocks.len();
            if let Some(slot) = self.block(piece.block)
                && let Some(block) = slot
            {
                block.alive -= 1;
                if block.alive == 0 && !is_newest {
                    *slot = None;
                }
            }
            piece = before;
        }
        while let Some(None) = self.blocks.front() {
            self.blocks.pop_front();
            self.gone += 1;
        }
    }
}

impl Pieces {
    /// None yet; full blocks will go to files in `dir`, which exists.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Pieces { dir, list: RwLock::default() }
    }

    /// Adds a piece of at most 255 bytes behind another one.
    pub(crate) fn push(&self, before: PieceRef, bytes: &[u8]) -> PieceRef {
        let needed = PREFIX_BYTES + bytes.len();
        let mut list = self.list.write();
        let mut full = None;
        let has_room = |block: &Block| block.memory.bytes().len() + needed <= BLOCK_SIZE_BYTES;
        if !list.blocks.back().is_some_and(|newest| newest.as_ref().is_some_and(has_room)) {
            full = self.number_of_newest(&list);
            let memory = list.spare.take().unwrap_or_else(|| Memory::new(BLOCK_SIZE_BYTES));
            let memory = Arc::new(memory);
            list.blocks.push_back(Some(Block { memory, alive: 0 }));
        }
        let mut piece = PieceRef { block: list.gone + list.blocks.len() as u32, offset: 0 };
        if let Some(Some(block)) = list.blocks.back_mut()
            && let Some(memory) = Arc::get_mut(&mut block.memory)
        {
            piece.offset = memory.bytes().len() as u32;
            let mut prefix = [0; PREFIX_BYTES];
            prefix[..4].copy_from_slice(&before.block.to_le_bytes());
            prefix[4..8].copy_from_slice(&before.offset.to_le_bytes());
            prefix[8] = bytes.len() as u8;
            memory.push(&prefix);
            memory.push(bytes);
            block.alive += 1;
        }
        drop(list);
        if let Some(number) = full {
            self.spill(number);
        }
        piece
    }

    fn number_of_newest(&self, list: &List) -> Option<u32> {
        (!list.blocks.is_empty()).then(|| list.gone + list.blocks.len() as u32)
    }

    /// Moves a full block to disk, or frees it if nothing in it is needed. Without room there it stays in
    /// memory.
    fn spill(&self, number: u32) {
        let memory = {
            let mut list = self.list.write();
            let Some(slot) = list.block(number) else { return };
            slot.take_if(|block| block.alive == 0);
            let Some(block) = slot else { return };
            block.memory.clone()
        };
        // Readers go on while it is written; nobody writes to it any more.
        match Mapping::of_nameless_file(&self.dir.join(format!("p{number:08}")), memory.bytes()) {
            Ok(file) => {
                let length = memory.bytes().len();
                let mut list = self.list.write();
                if let Some(Some(block)) = list.block(number) {
                    block.memory = Arc::new(Memory::in_file(file, length));
                }
                list.spare = Arc::into_inner(memory).map(Memory::emptied);
            }
            Err(error) => {
                tracing::debug!(%error, "the beginnings of open chunks stay in memory");
            }
        }
    }

    /// Fills `into` with the pieces of a chunk, of which this is the last; it is as long as all of them.
    pub(crate) fn read(&self, last: PieceRef, into: &mut [u8]) {
        if last != PieceRef::NONE {
            self.list.read().read(last, into);
        }
    }

    /// The same, and the pieces are not needed any more.
    pub(crate) fn take(&self, last: PieceRef, into: &mut [u8]) {
        if last != PieceRef::NONE {
            let mut list = self.list.write();
            list.read(last, into);
            list.release(last);
        }
    }

    /// Of what is in files nothing stays in memory until it is looked at again.
    pub(crate) fn release_files(&self) {
        self.list.read().blocks.iter().flatten().for_each(|block| block.memory.release());
    }

    /// The pieces of a chunk are not needed any more.
    pub(crate) fn release(&self, last: PieceRef) {
        if last != PieceRef::NONE {
            self.list.write().release(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_many_chunks_come_back_and_leave_nothing_behind() {
        for dir_is_there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let place = if dir_is_there { dir.path().to_path_buf() } else { dir.path().join("missing") };
            let pieces = Pieces::new(place);
            let mut chunks = vec![(PieceRef::NONE, Vec::new()); 50];
            for round in 0..2_000usize {
                let at = round * 7 % 50;
                let (last, bytes): &mut (PieceRef, Vec<u8>) = &mut chunks[at];
                let piece: Vec<u8> = (0..30 + round % 11).map(|n| (n * round) as u8).collect();
                *last = pieces.push(*last, &piece);
                bytes.extend_from_slice(&piece);
                let mut read = vec![0; bytes.len()];
                pieces.read(*last, &mut read);
                assert_eq!(read, *bytes);
                if bytes.len() > 200 + at * 10 {
                    read.fill(0);
                    pieces.take(*last, &mut read);
                    assert_eq!(read, *bytes);
                    (*last, *bytes) = (PieceRef::NONE, Vec::new());
                }
            }
            assert!(pieces.list.read().blocks.len() < 12, "what is taken goes");
            let in_files = |block: &&Block| block.memory.is_file();
            let files = pieces.list.read().blocks.iter().flatten().filter(in_files).count();
            assert_eq!(files > 0, dir_is_there, "without room they stay in memory");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no names are left");
            chunks.iter().for_each(|(last, _)| pieces.release(*last));
            assert!(pieces.list.read().blocks.len() <= 1);
        }
    }
}
