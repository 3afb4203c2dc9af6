//! A disk that fails as disks do.
//!
//! Every change is made in a real folder at once, so that the store can read and map what it wrote, and
//! is remembered here until it is flushed. When the power goes, [`SimDisk::after_power_loss`] makes
//! another folder, as the disk may look then: what was flushed is there; of the rest some got there and
//! some did not, sector by sector and name by name, in no order.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tsdb::{Disk, DiskFile};

use crate::common::Random;

/// A disk writes so much at once, or nothing of it.
const SECTOR_BYTES: u64 = 512;

/// What goes wrong, apart from the power.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// There is no room.
    pub(crate) full: bool,
    /// Of a thousand flushes, how many fail.
    pub(crate) failing_syncs: u64,
    /// Of a thousand flushes, how many do nothing and say that they did.
    pub(crate) lying_syncs: u64,
    /// Of a thousand other changes, how many fail.
    pub(crate) failing_changes: u64,
    /// Of a thousand reads, how many fail.
    pub(crate) failing_reads: u64,
}

/// See the head of this module.
#[derive(Clone)]
pub(crate) struct SimDisk {
    root: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    random: Random,
    faults: Faults,
    nodes: Vec<Node>,
    /// How many changes are made before the power goes.
    left: Option<u64>,
    off: bool,
    /// A flush lied or failed so that what it should have flushed is gone.
    lied: bool,
    /// Errors given so far.
    errors: u64,
    operations: u64,
}

enum Node {
    File { base: Vec<u8>, changes: Vec<(Change, Safety)> },
    Folder { now: Names, base: Names, changes: Vec<(Naming, Safety)> },
}

type Names = BTreeMap<OsString, usize>;

#[derive(Clone, Copy, PartialEq)]
enum Safety {
    Unsafe,
    Durable,
    /// Its flush failed: a later flush does not try again.
    Dropped,
}

enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Clone)]
enum Naming {
    Add(OsString, usize),
    Remove(OsString),
    Rename(OsString, OsString, usize),
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Naming::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Naming::Remove(name) => {
                names.remove(name);
            }
            Naming::Rename(from, to, node) => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

fn apply(change: &Change, content: &mut Vec<u8>) {
    match change {
        Change::Write(offset, bytes) => put(content, *offset, bytes),
        Change::Cut(length) => content.resize(*length as usize, 0),
    }
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// How much of what was not flushed survives.
#[derive(Clone, Copy)]
enum Survival {
    None,
    All,
    /// The first so many changes.
    First,
    /// Any.
    Some,
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

fn broken() -> io::Error {
    io::Error::other("the disk does not answer")
}

/// `EIO`
fn unreadable() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl State {
    /// Counts one change; an error if it is not to be made. `Ok(false)`: nobody will see what comes of it.
    fn begin(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.left {
            _ if self.off => return Err(no_power()),
            Some(0) => self.off = true,
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    fn chance(&mut self, of_thousand: u64) -> bool {
        of_thousand > 0 && self.random.below(1_000) < of_thousand
    }

    fn fail<T>(&mut self, error: io::Error) -> io::Result<T> {
        self.errors += 1;
        Err(error)
    }

    /// Begins a change that may need room.
    fn begin_change(&mut self, needs_room: bool) -> io::Result<()> {
        self.begin()?;
        if needs_room && self.faults.full && self.random.below(8) > 0 {
            return self.fail(io::ErrorKind::StorageFull.into());
        }
        match self.chance(self.faults.failing_changes) {
            true => self.fail(broken()),
            false => Ok(()),
        }
    }

    /// Whether the change got through although the power went during it. The caller is told nothing.
    fn end(&mut self) -> io::Result<()> {
        if self.off { Err(no_power()) } else { Ok(()) }
    }

    fn folder(&mut self, node: usize) -> Option<&mut Names> {
        match &mut self.nodes[node] {
            Node::Folder { now, .. } => Some(now),
            Node::File { .. } => None,
        }
    }

    fn find(&mut self, relative: &Path) -> Option<usize> {
        let mut node = 0;
        for part in relative {
            node = *self.folder(node)?.get(part)?;
        }
        Some(node)
    }

    fn change_names(&mut self, folder: usize, naming: Naming) {
        if let Node::Folder { now, changes, .. } = &mut self.nodes[folder] {
            naming.apply(now);
            changes.push((naming, Safety::Unsafe));
        }
    }

    fn change_file(&mut self, node: usize, change: Change) {
        if let Node::File { changes, .. } = &mut self.nodes[node] {
            changes.push((change, Safety::Unsafe));
        }
    }

    /// A flush of a file or folder.
    fn sync(&mut self, node: usize) -> io::Result<()> {
        self.begin()?;
        let survives = !self.off || self.random.below(2) == 0;
        if self.chance(self.faults.failing_syncs) || (self.faults.full && self.random.below(8) == 0) {
            let full = self.faults.full;
            if let Node::File { changes, .. } = &mut self.nodes[node] {
                for (_, safety) in changes.iter_mut().filter(|(_, safety)| *safety == Safety::Unsafe) {
                    *safety = Safety::Dropped;
                }
            }
            return self.fail(if full { io::ErrorKind::StorageFull.into() } else { broken() });
        }
        if self.chance(self.faults.lying_syncs) {
            self.lied = true;
            return self.end();
        }
        if survives {
            match &mut self.nodes[node] {
                Node::File { base, changes } => {
                    flush(changes);
                    drain_durable(changes, |change| apply(change, base));
                }
                Node::Folder { base, changes, .. } => {
                    flush(changes);
                    drain_durable(changes, |naming| naming.apply(base));
                }
            }
        }
        self.end()
    }
}

fn flush<T>(changes: &mut [(T, Safety)]) {
    for (_, safety) in changes.iter_mut().filter(|(_, safety)| *safety == Safety::Unsafe) {
        *safety = Safety::Durable;
    }
}

fn drain_durable<T>(changes: &mut Vec<(T, Safety)>, mut apply: impl FnMut(&T)) {
    let count = changes.iter().take_while(|(_, safety)| *safety == Safety::Durable).count();
    changes.drain(..count).for_each(|(change, _)| apply(&change));
}

impl SimDisk {
    /// A disk that holds what is in a folder, all of it flushed.
    pub(crate) fn new(root: &Path, seed: u64) -> Self {
        let mut nodes = vec![Node::Folder { now: Names::new(), base: Names::new(), changes: Vec::new() }];
        load(root, 0, &mut nodes);
        let state = State {
            random: Random::new(seed),
            faults: Faults::default(),
            nodes,
            left: None,
            off: false,
            lied: false,
            errors: 0,
            operations: 0,
        };
        SimDisk { root: root.to_path_buf(), state: Arc::new(Mutex::new(state)) }
    }

    /// Sets what goes wrong from now on.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    pub(crate) fn faults(&self) -> Faults {
        self.state.lock().faults
    }

    /// Lets the power go during the change that comes after so many others.
    pub(crate) fn lose_power_after(&self, changes: u64) {
        self.state.lock().left = Some(changes);
    }

    pub(crate) fn has_power(&self) -> bool {
        !self.state.lock().off
    }

    /// Whether a flush said that it did what it did not.
    pub(crate) fn has_lied(&self) -> bool {
        self.state.lock().lied
    }

    /// How many errors were given.
    pub(crate) fn errors(&self) -> u64 {
        self.state.lock().errors
    }

    /// The process ended. What a flush failed to write is tried again by the next one: a process cannot know
    /// of the failures before it, and a disk that goes on failing is not simulated across processes.
    pub(crate) fn end_process(&self) {
        for node in &mut self.state.lock().nodes {
            if let Node::File { changes, .. } = node {
                let dropped = changes.iter_mut().filter(|(_, safety)| *safety == Safety::Dropped);
                dropped.for_each(|(_, safety)| *safety = Safety::Unsafe);
            }
        }
    }

    /// How many changes were asked for.
    pub(crate) fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Fills an empty folder with what may be on the disk after the power went.
    pub(crate) fn after_power_loss(&self, into: &Path) {
        let state = &mut *self.state.lock();
        state.off = true;
        let overall = match state.random.below(6) {
            0 => Some(Survival::None),
            1 => Some(Survival::All),
            2 => Some(Survival::First),
            _ => None,
        };
        let State { random, nodes, .. } = state;
        write_out(nodes, 0, into, random, overall);
    }

    fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or_else(|_| panic!("{} is outside", path.display()))
    }

    /// The folder's node and the name in it.
    fn place<'a>(&self, state: &mut State, path: &'a Path) -> io::Result<(usize, &'a OsStr)> {
        let relative = self.relative(path);
        let (Some(parent), Some(name)) = (relative.parent(), relative.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok((state.find(parent).ok_or(io::ErrorKind::NotFound)?, name))
    }
}

fn load(dir: &Path, folder: usize, nodes: &mut Vec<Node>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let node = nodes.len();
        let name = path.file_name().unwrap().to_os_string();
        if path.is_dir() {
            nodes.push(Node::Folder { now: Names::new(), base: Names::new(), changes: Vec::new() });
            load(&path, node, nodes);
        } else {
            nodes.push(Node::File { base: fs::read(&path).unwrap(), changes: Vec::new() });
        }
        if let Node::Folder { now, base, .. } = &mut nodes[folder] {
            now.insert(name.clone(), node);
            base.insert(name, node);
        }
    }
}

fn survival(overall: Option<Survival>, random: &mut Random) -> Survival {
    overall.unwrap_or_else(|| match random.below(5) {
        0 => Survival::None,
        1 => Survival::All,
        2 => Survival::First,
        _ => Survival::Some,
    })
}

/// Which of the changes survive.
fn survivors<T>(changes: &[(T, Safety)], survival: Survival, random: &mut Random) -> Vec<bool> {
    let first = random.below(changes.len() as u64 + 1) as usize;
    let survives = |(at, (_, safety)): (usize, &(T, Safety))| {
        *safety == Safety::Durable
            || match survival {
                Survival::None => false,
                Survival::All => *safety == Safety::Unsafe || random.below(2) == 0,
                Survival::First => at < first,
                Survival::Some => random.below(2) == 0,
            }
    };
    changes.iter().enumerate().map(survives).collect()
}

fn write_out(nodes: &[Node], folder: usize, into: &Path, random: &mut Random, overall: Option<Survival>) {
    let Node::Folder { base, changes, .. } = &nodes[folder] else { return };
    let mut names = base.clone();
    let kept = survivors(changes, survival(overall, random), random);
    for ((naming, _), _) in changes.iter().zip(kept).filter(|(_, kept)| *kept) {
        naming.apply(&mut names);
    }
    for (name, node) in by_node(names) {
        let path = into.join(name);
        match &nodes[node] {
            Node::Folder { .. } => {
                fs::create_dir(&path).unwrap();
                write_out(nodes, node, &path, random, overall);
            }
            Node::File { base, changes } => {
                fs::write(&path, content(base, changes, survival(overall, random), random)).unwrap();
            }
        }
    }
}

/// Names in the order in which their files were made: names of blocks are random, and a seed is to give
/// the same run each time.
fn by_node(names: Names) -> Vec<(OsString, usize)> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|(_, node)| *node);
    names
}

fn content(base: &[u8], changes: &[(Change, Safety)], survival: Survival, random: &mut Random) -> Vec<u8> {
    let mut content = base.to_vec();
    let kept = survivors(changes, survival, random);
    for ((change, safety), kept) in changes.iter().zip(kept) {
        match (change, survival) {
            (Change::Write(offset, bytes), Survival::Some | Survival::First)
                if *safety != Safety::Durable && random.below(3) > 0 =>
            {
                tear(&mut content, *offset, bytes, random);
            }
            _ if kept => apply(change, &mut content),
            _ => {}
        }
    }
    content
}

/// Some sectors of a write get there. The file may be longer than what got there.
fn tear(content: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Random) {
    let end = offset + bytes.len() as u64;
    if random.below(2) == 0 && (content.len() as u64) < end {
        let before = content.len();
        content.resize(end as usize, 0);
        if random.below(8) == 0 {
            // What was there before the file was.
            content[before..].fill_with(|| random.next() as u8);
        }
    }
    let mut at = offset;
    while at < end {
        let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
        if random.below(2) == 0 {
            put(content, at, &bytes[(at - offset) as usize..(next - offset) as usize]);
        }
        at = next;
    }
}

/// Fails now and then. What was read before is what is there.
struct SimReader {
    disk: SimDisk,
    file: File,
}

impl Read for SimReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.disk.state.lock();
        match state.chance(state.faults.failing_reads) {
            true => state.fail(unreadable()),
            false => self.file.read(into),
        }
    }
}

struct SimFile {
    disk: SimDisk,
    node: usize,
    file: File,
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let state = &mut *self.disk.state.lock();
        let began = state.begin_change(true);
        // After an error any part may be there.
        let part = match began {
            Ok(()) => bytes.len(),
            Err(_) => state.random.below(bytes.len() as u64 + 1) as usize,
        };
        if !state.off || began.is_ok() {
            self.file.write_all_at(&bytes[..part], offset)?;
            state.change_file(self.node, Change::Write(offset, bytes[..part].to_vec()));
        }
        began?;
        state.end()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let state = &mut *self.disk.state.lock();
        state.begin_change(false)?;
        self.file.set_len(length)?;
        state.change_file(self.node, Change::Cut(length));
        state.end()
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state.lock().sync(self.node)
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state.lock();
        state.begin_change(true)?;
        let (folder, name) = self.place(state, path)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let known = state.folder(folder).and_then(|names| names.get(name).copied());
        let node = known.unwrap_or(state.nodes.len());
        match known {
            Some(node) => state.change_file(node, Change::Cut(0)),
            None => {
                state.nodes.push(Node::File { base: Vec::new(), changes: Vec::new() });
                state.change_names(folder, Naming::Add(name.to_os_string(), node));
            }
        }
        state.end()?;
        Ok(Arc::new(SimFile { disk: self.clone(), node, file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state.lock();
        let node = state.find(self.relative(path)).ok_or(io::ErrorKind::NotFound)?;
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), node, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.begin_change(false)?;
        let (folder, old) = self.place(state, from)?;
        let (other, new) = self.place(state, to)?;
        assert_eq!(folder, other, "renaming from folder to folder is not simulated");
        fs::rename(from, to)?;
        let node = state.find(self.relative(from)).ok_or(io::ErrorKind::NotFound)?;
        state.change_names(folder, Naming::Rename(old.to_os_string(), new.to_os_string(), node));
        state.end()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.begin_change(false)?;
        let (folder, name) = self.place(state, path)?;
        fs::remove_file(path)?;
        state.change_names(folder, Naming::Remove(name.to_os_string()));
        state.end()
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.begin_change(false)?;
        let (folder, name) = self.place(state, path)?;
        fs::remove_dir(path)?;
        state.change_names(folder, Naming::Remove(name.to_os_string()));
        state.end()
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.begin_change(true)?;
        let (folder, name) = self.place(state, to)?;
        let node = state.find(self.relative(from)).ok_or(io::ErrorKind::NotFound)?;
        fs::hard_link(from, to)?;
        state.change_names(folder, Naming::Add(name.to_os_string(), node));
        state.end()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        state.begin_change(true)?;
        let (folder, name) = self.place(state, path)?;
        fs::create_dir(path)?;
        let node = state.nodes.len();
        state.nodes.push(Node::Folder { now: Names::new(), base: Names::new(), changes: Vec::new() });
        state.change_names(folder, Naming::Add(name.to_os_string(), node));
        state.end()
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(SimReader { disk: self.clone(), file: File::open(path)? }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let state = &mut *self.state.lock();
        let node = state.find(self.relative(dir)).ok_or(io::ErrorKind::NotFound)?;
        state.sync(node)
    }
}
