//! A random program over a store, and what has to hold meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use model::storage::{MetricWriter, SeriesRef, Ticket, TimeRange, WriteBatch};
use model::{FloatHistogram, Labels, MatchOp, sample};
use tempfile::TempDir;
use tsdb::{Db, Opened, Options};

use crate::common::{MINUTE_MS, Random, copy_dir, matcher};
use crate::disk::{Faults, SimDisk};
use crate::oracle::{End, Oracle, Value, histogram, read};

/// The range of the first blocks.
const RANGE_MS: i64 = 10 * MINUTE_MS;
const START_MS: i64 = 1_700_006_400_000;
const STEPS: u64 = 220;

/// What may go wrong in a program, besides the loss of power.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faultiness {
    pub(crate) full: bool,
    pub(crate) errors: bool,
    pub(crate) lies: bool,
    pub(crate) flips: bool,
}

impl Faultiness {
    /// Each alone in some seeds, several in others.
    pub(crate) fn of(seed: u64) -> Self {
        let kind = seed % 8;
        Faultiness {
            full: matches!(kind, 1 | 6),
            errors: matches!(kind, 2 | 6 | 7),
            lies: kind == 3,
            flips: matches!(kind, 4 | 7),
        }
    }
}

/// A sample to be written.
struct Sample {
    labels: Labels,
    time_ms: i64,
    value: Value,
    histogram: Option<Arc<FloatHistogram>>,
}

pub(crate) struct Program {
    seed: u64,
    random: Random,
    faultiness: Faultiness,
    prints: bool,
    clock: Clock,
    root: TempDir,
    disk: SimDisk,
    db: Option<Db>,
    oracle: Oracle,
    settings: Options,
    /// Taken and not yet durable.
    waiting: Vec<(Ticket, Vec<(String, i64)>)>,
    /// Deleting reached to this time: nothing is written before it.
    deleted_ms: i64,
    /// Time of the newest sample that was tried.
    newest_ms: i64,
    /// After a flip in a file without a checksum, or a lie, samples may be missing.
    forgiving: bool,
    /// A bit was flipped at some time.
    flipped: bool,
    /// A bit was flipped in a `meta.json`, which has no checksum: a block may claim another time.
    range_unknown: bool,
    histograms: u64,
}

impl Program {
    pub(crate) fn new(seed: u64, faultiness: Faultiness, prints: bool) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let root = folder();
        let disk = SimDisk::new(root.path(), random.next());
        let settings = Options {
            retention_time_ms: (random.below(4) == 0).then(|| (5 + random.below(60) as i64) * RANGE_MS),
            retention_size_bytes: (random.below(8) == 0).then(|| 20_000 + random.below(200_000)),
            block_range_ms: RANGE_MS,
            out_of_order_window_ms: [0, 0, RANGE_MS / 3, 2 * RANGE_MS][random.below(4) as usize],
            wal_segment_size_bytes: 1 << (9 + random.below(7)),
            ..Options::new(root.path())
        };
        Program {
            seed,
            faultiness,
            prints,
            clock: Clock::manual(START_MS + random.below(RANGE_MS as u64) as i64),
            root,
            disk,
            db: None,
            oracle: Oracle::default(),
            settings,
            waiting: Vec::new(),
            deleted_ms: i64::MIN,
            newest_ms: i64::MIN,
            forgiving: false,
            flipped: false,
            range_unknown: false,
            histograms: 0,
            random,
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.prints {
            println!("{} {}", self.disk.operations(), what());
        }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().unwrap()
    }

    pub(crate) fn run(mut self) {
        self.say(|| format!("seed {} {:?}", self.seed, self.faultiness));
        self.open();
        for _ in 0..STEPS {
            self.step();
            if !self.disk.has_power() {
                self.restart(End::Power);
            }
        }
        self.disk.set_faults(Faults::default());
        let end = if self.random.below(2) == 0 { End::Power } else { End::Process };
        self.restart(end);
        self.works_again();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..55 => self.write(),
            55..67 => self.maintain(),
            67..75 => self.query(),
            75..79 => self.turn_clock(),
            79..81 => self.delete(),
            81..84 => self.restart(End::Process),
            84..86 => self.close(),
            86..87 => self.restart(End::Power),
            87..90 => {
                let after = self.random.below(60);
                self.say(|| format!("the power will go after {after} changes"));
                self.disk.lose_power_after(after);
            }
            90..94 => self.change_faults(),
            94..95 => self.works_again(),
            95 => self.clean_tombstones(),
            96 => self.snapshot(),
            _ => self.clock.advance(Duration::from_millis(self.random.below(4 * RANGE_MS as u64))),
        }
    }

    fn change_faults(&mut self) {
        let Faultiness { full, errors, lies, .. } = self.faultiness;
        let on = self.random.below(2) == 0;
        let mut faults = Faults::default();
        if on {
            faults.full = full && self.random.below(2) == 0;
            faults.failing_syncs = if errors { [0, 30, 300][self.random.below(3) as usize] } else { 0 };
            faults.failing_changes = if errors { [0, 10, 100][self.random.below(3) as usize] } else { 0 };
            faults.failing_reads = if errors { [0, 0, 200][self.random.below(3) as usize] } else { 0 };
            faults.lying_syncs = if lies { 50 } else { 0 };
        }
        self.say(|| format!("{faults:?}"));
        self.disk.set_faults(faults);
    }

    // -- writing

    fn series(&mut self) -> Labels {
        // Which series there are changes with time.
        let epoch = (self.clock.now_ms() - START_MS).div_euclid(5 * RANGE_MS).rem_euclid(7);
        let number = self.random.below(9);
        let (job, instance) = (format!("job-{}", number % 3), format!("host-{number}-{epoch}:9100"));
        Labels::from_pairs([("__name__", "requests_total"), ("job", &job), ("instance", &instance)])
    }

    fn sample(&mut self, labels: &Labels, time_ms: i64) -> Sample {
        let histograms = labels.get("instance").is_some_and(|instance| instance.starts_with("host-8"));
        let kind = self.random.below(20);
        let (value, histogram) = if (histograms && kind > 0) || kind == 19 {
            self.histograms += 1;
            let histogram = histogram(self.histograms);
            (Value::of(&histogram), Some(histogram))
        } else {
            let float = match kind {
                0 => sample::stale_nan(),
                1..8 => self.random.below(1_000) as f64,
                8..12 => time_ms as f64 / 1_000.0,
                12..16 => 42.0,
                _ => f64::from_bits(self.random.next()),
            };
            (Value::Float(float.to_bits()), None)
        };
        Sample { labels: labels.clone(), time_ms, value, histogram }
    }

    fn write(&mut self) {
        self.clock.advance(Duration::from_millis(self.random.below(60_000)));
        let now_ms = self.clock.now_ms();
        let time_ms = match self.random.below(40) {
            0 => now_ms + self.random.below(3 * RANGE_MS as u64) as i64,
            1..4 => now_ms - self.random.below(2 * RANGE_MS as u64) as i64,
            _ => now_ms,
        };
        let (mut samples, mut seen) = (Vec::new(), BTreeSet::new());
        for _ in 0..1 + self.random.below(8) {
            let labels = self.series();
            if !seen.insert(labels.to_string()) {
                continue;
            }
            for _ in 0..1 + self.random.below(8) / 7 * 3 {
                let time_ms = time_ms + samples.len() as i64;
                samples.push(self.sample(&labels, time_ms));
            }
        }
        if self.random.below(4) == 0 {
            // A client that got no answer sends the same again.
            let resent = self.some_visible();
            samples.extend(resent.filter(|sample| seen.insert(sample.labels.to_string())));
        }
        samples.retain(|sample| sample.time_ms > self.deleted_ms);
        if self.append(&samples) && self.random.below(5) < 2 {
            self.wait();
        }
    }

    /// A float sample that is there already.
    fn some_visible(&mut self) -> Option<Sample> {
        let count = self.oracle.visible().count() as u64;
        let at = self.random.below(count.max(1)) as usize;
        // Among the newest: what is long in a block would be refused.
        let at = at.max((count as usize).saturating_sub(1 + self.random.below(20) as usize));
        let (series, time_ms, value) = self.oracle.visible().nth(at)?;
        let Value::Float(_) = value else { return None };
        let value = value.clone();
        let labels = parse(series);
        Some(Sample { labels, time_ms, value, histogram: None })
    }

    /// Whether the store took the batch.
    fn append(&mut self, samples: &[Sample]) -> bool {
        if samples.is_empty() {
            return false;
        }
        let errors = self.disk.errors();
        self.newest_ms = samples.iter().map(|s| s.time_ms).max().unwrap_or(i64::MIN).max(self.newest_ms);
        let labels: Vec<_> = samples.iter().map(|sample| sample.labels.clone()).collect();
        let mut refs = Vec::new();
        if let Err(error) = self.db().resolve(&labels, &mut refs) {
            self.say(|| format!("no new series: {error}"));
            assert!(self.disk.errors() > errors || !self.disk.has_power() || self.torn(), "{error}");
            return false;
        }
        let mut batch = WriteBatch::default();
        for (sample, &series) in samples.iter().zip(&refs) {
            assert_ne!(series, SeriesRef::NONE);
            match (&sample.histogram, &sample.value) {
                (Some(histogram), _) => batch.histograms.push((series, sample.time_ms, histogram.clone())),
                (None, Value::Float(bits)) => batch.push(series, sample.time_ms, f64::from_bits(*bits)),
                _ => unreachable!(),
            }
        }
        let range = TimeRange {
            start_ms: samples.iter().map(|sample| sample.time_ms).min().unwrap_or(0),
            end_ms: samples.iter().map(|sample| sample.time_ms).max().unwrap_or(0),
        };
        let result = self.db().append(&batch);
        self.say(|| format!("write {} samples in {range:?}: {result:?}", samples.len()));
        match result {
            Ok(appended) => {
                assert!(appended.unknown.is_empty());
                let found = read(self.db(), range, &[]).unwrap();
                let (mut taken, mut known_before) = (Vec::new(), Vec::new());
                // A late sample may be taken although there is another at that time; one of them counts.
                let mut beside = 0;
                for sample in samples {
                    let series = sample.labels.to_string();
                    let is = found.get(&series).and_then(|samples| samples.get(&sample.time_ms));
                    let known = self.oracle.value(&series, sample.time_ms).cloned();
                    match (is, known) {
                        (Some(is), Some(known)) if known == sample.value && *is == known => {
                            known_before.push((series, sample.time_ms));
                        }
                        (Some(is), None) if *is == sample.value => {
                            self.oracle.accepted(&series, sample.time_ms, sample.value.clone());
                            taken.push((series, sample.time_ms));
                        }
                        (Some(is), Some(_)) if appended.late > 0 => {
                            self.oracle.contested(&series, sample.time_ms, sample.value.clone(), is);
                            beside += 1;
                        }
                        (is, known) => assert_eq!(is, known.as_ref(), "{series} at {}", sample.time_ms),
                    }
                }
                let new = taken.len() as u64;
                let again =
                    appended.accepted.checked_sub(new).unwrap_or_else(|| panic!("{appended:?}, {new} new"));
                let known = known_before.len() as u64 + beside;
                assert!(again <= known, "{appended:?}, {new} new, {known} known");
                if again == known {
                    // What was there is acknowledged anew.
                    taken.extend(known_before);
                }
                self.waiting.push((appended.ticket, taken));
                true
            }
            Err(error) => {
                assert!(self.disk.errors() > errors || !self.disk.has_power() || self.torn(), "{error}");
                for sample in samples {
                    self.oracle.failed(&sample.labels.to_string(), sample.time_ms, sample.value.clone());
                }
                false
            }
        }
    }

    /// Whether faults are going on.
    fn torn(&self) -> bool {
        let faults = self.disk.faults();
        faults.full || faults.failing_changes > 0
    }

    /// Waits for what was written last. Whether it worked.
    fn wait(&mut self) -> bool {
        let Some(&(ticket, _)) = self.waiting.last() else { return true };
        match self.db().wait_durable(ticket) {
            Ok(()) => {
                self.say(|| "durable".into());
                for (_, samples) in std::mem::take(&mut self.waiting) {
                    samples.iter().for_each(|(series, time_ms)| self.oracle.durable(series, *time_ms));
                }
                true
            }
            Err(error) => {
                self.say(|| format!("not durable: {error}"));
                false
            }
        }
    }

    /// Once the disk is well, maintenance makes up for what it did, and writes are taken and made durable.
    fn works_again(&mut self) {
        self.disk.set_faults(Faults::default());
        self.maintain();
        if !self.disk.has_power() {
            return;
        }
        // Time has caught up with what claimed to be from the future.
        if self.clock.now_ms() <= self.newest_ms {
            self.clock.jump_to_ms(self.newest_ms + 1_000);
        }
        let labels = self.series();
        let sample = self.sample(&labels, self.clock.now_ms().max(self.deleted_ms + 1));
        let (series, time_ms) = (labels.to_string(), sample.time_ms);
        let taken = self.append(&[sample]);
        let durable = taken && self.wait();
        if self.disk.has_power() {
            assert!(taken && durable, "the disk is well but the store takes nothing");
            assert!(self.oracle.value(&series, time_ms).is_some(), "the newest sample was refused");
        }
        self.check_all();
    }

    // -- maintenance, deleting, time

    fn maintain(&mut self) {
        let errors = self.disk.errors();
        let now_ms = self.clock.now_ms();
        if let Some(retention_ms) = self.settings.retention_time_ms {
            // Blocks end at multiples of their range, at most so much behind their last sample.
            let newest_ms = self.newest_ms.saturating_add(retention_ms).min(now_ms);
            self.oracle.may_go_before(newest_ms.saturating_sub(retention_ms));
        }
        if self.settings.retention_size_bytes.is_some() {
            self.oracle.may_go_before(i64::MAX);
        }
        let report = self.db().maintain(now_ms);
        self.say(|| format!("maintain at {now_ms}: {report:?}"));
        if self.disk.errors() == errors && self.disk.has_power() && !self.forgiving && !self.flipped {
            assert!(report.errors.is_empty(), "{report:?}");
        }
        self.check_all();
    }

    fn delete(&mut self) {
        let part = format!("job=\"job-{}\"", self.random.below(3));
        let end_ms = self.clock.now_ms() - self.random.below(3 * RANGE_MS as u64) as i64;
        let range = TimeRange { start_ms: end_ms - self.random.below(2 * RANGE_MS as u64) as i64, end_ms };
        let job = part.trim_start_matches("job=").trim_matches('"');
        let result = self.db().delete_series(range, &[vec![matcher(MatchOp::Equal, "job", job)]]);
        self.say(|| format!("delete {part} in {range:?}: {result:?}"));
        self.deleted_ms = self.deleted_ms.max(range.end_ms);
        self.oracle.deleted(&part, range, result.is_ok());
        self.check_all();
    }

    fn clean_tombstones(&mut self) {
        let errors = self.disk.errors();
        let result = self.db().clean_tombstones();
        self.say(|| format!("clean tombstones: {result:?}"));
        if self.disk.errors() == errors && self.disk.has_power() && !self.forgiving && !self.flipped {
            assert!(result.is_ok(), "{result:?}");
        }
        self.check_all();
    }

    /// A snapshot holds what the store holds.
    fn snapshot(&mut self) {
        let result = self.db().snapshot(false);
        self.say(|| format!("snapshot: {result:?}"));
        if let Ok(name) = result {
            let copy = folder();
            copy_dir(&self.root.path().join("snapshots").join(name), copy.path());
            let options = Options { clock: self.clock.clone(), ..Options::new(copy.path()) };
            let (db, _) = Db::open(options).unwrap();
            let forgiving = self.forgiving || self.flipped;
            let found = read(&db, TimeRange::ALL, &[]).unwrap();
            self.oracle
                .check(&found, TimeRange::ALL, "", forgiving)
                .unwrap_or_else(|error| panic!("{error}"));
        }
        self.check_all();
    }

    fn turn_clock(&mut self) {
        let now_ms = self.clock.now_ms();
        let to_ms = match self.random.below(8) {
            0..4 => now_ms + self.random.below(6 * RANGE_MS as u64) as i64,
            4..6 => now_ms - self.random.below(6 * RANGE_MS as u64) as i64,
            6 => now_ms + 366 * 86_400_000,
            // Back to where time is.
            _ => self.newest_ms.max(START_MS) + 1,
        };
        self.say(|| format!("the clock jumps from {now_ms} to {to_ms}"));
        self.clock.jump_to_ms(to_ms);
    }

    // -- asking

    fn query(&mut self) {
        if self.range_unknown {
            return;
        }
        let start_ms = self.clock.now_ms() - self.random.below(8 * RANGE_MS as u64) as i64;
        let range = TimeRange { start_ms, end_ms: start_ms + self.random.below(6 * RANGE_MS as u64) as i64 };
        let job = format!("job-{}", self.random.below(3));
        self.check(range, &job);
    }

    fn check_all(&mut self) {
        let forgiving = self.forgiving || self.flipped;
        let found = read(self.db(), TimeRange::ALL, &[]).unwrap();
        self.oracle.check(&found, TimeRange::ALL, "", forgiving).unwrap_or_else(|error| panic!("{error}"));
    }

    fn check(&mut self, range: TimeRange, job: &str) {
        let found = read(self.db(), range, &[matcher(MatchOp::Equal, "job", job)]).unwrap();
        let part = format!("job=\"{job}\"");
        let forgiving = self.forgiving || self.flipped;
        self.oracle.check(&found, range, &part, forgiving).unwrap_or_else(|error| panic!("{error}"));
    }

    // -- ending and beginning

    fn close(&mut self) {
        let result = self.db().close();
        self.say(|| format!("close: {result:?}"));
        if result.is_ok() {
            self.oracle.all_durable();
        }
        self.restart(End::Process);
    }

    /// Ends the store without a word and starts it again.
    fn restart(&mut self, end: End) {
        let mut end = if self.disk.has_power() { end } else { End::Power };
        self.say(|| format!("end of the {end:?}"));
        self.db = None;
        self.waiting.clear();
        self.disk.end_process();
        let mut flipped = None;
        if end == End::Power {
            flipped = self.lose_power();
        }
        let mut tries = 0;
        let opened = loop {
            tries += 1;
            if self.random.below(5) == 0 {
                self.disk.lose_power_after(self.random.below(20));
            }
            if self.faultiness.errors && tries == 1 && self.random.below(2) == 0 {
                let faults = Faults { failing_reads: 1 + self.random.below(100), ..self.disk.faults() };
                self.disk.set_faults(faults);
            }
            let errors = self.disk.errors();
            match self.try_open() {
                // What could not be read is not there, and nothing was done to it: next time it is.
                Ok(opened) if self.disk.errors() > errors && !opened.failed_blocks.is_empty() => {
                    self.say(|| format!("opens in part: {opened:?}"));
                    assert!(opened.corrupt_blocks.is_empty() || self.flipped || self.forgiving, "{opened:?}");
                    self.db = None;
                    self.disk.end_process();
                    self.disk.set_faults(Faults::default());
                    if !self.disk.has_power() {
                        end = End::Power;
                        flipped = self.lose_power().or(flipped);
                    }
                }
                Ok(opened) => break opened,
                Err(error) => {
                    self.say(|| format!("does not open: {error}"));
                    let well = self.disk.errors() == errors;
                    if !self.disk.has_power() {
                        end = End::Power;
                        flipped = self.lose_power().or(flipped);
                    } else {
                        assert!(!well, "the store does not open: {error}");
                        self.disk.set_faults(Faults::default());
                    }
                }
            }
        };
        self.say(|| format!("{opened:?}"));
        // What was set aside at the first try is not told again.
        let flipped = flipped.map(|path| (path, tries > 1));
        self.compare(end, flipped, &opened);
    }

    fn compare(&mut self, end: End, flipped: Option<(PathBuf, bool)>, opened: &Opened) {
        let found = read(self.db(), TimeRange::ALL, &[]).unwrap();
        let forgiving = self.forgiving || flipped.is_some();
        let missing = self.oracle.restarted(&found, end, forgiving).unwrap_or_else(|error| panic!("{error}"));
        if !self.forgiving && !self.flipped {
            assert!(opened.corrupt_blocks.is_empty() && opened.failed_blocks.is_empty(), "{opened:?}");
        }
        if let Some((path, _)) = flipped.filter(|(_, told)| missing > 0 && !told && !self.forgiving) {
            let stats = self.db().stats();
            let noticed = !opened.corrupt_blocks.is_empty()
                || !opened.failed_blocks.is_empty()
                || !opened.replay.damages.is_empty()
                || stats.chunks_corrupt > 0;
            // Prometheus's format has no checksum for it.
            assert!(
                noticed || path.ends_with("meta.json"),
                "{missing} samples missing, {} flipped",
                path.display()
            );
        }
    }

    /// Puts what a loss of power left in the place of the folder. Now and then a bit of it is flipped.
    fn lose_power(&mut self) -> Option<PathBuf> {
        let left = folder();
        self.disk.after_power_loss(left.path());
        self.forgiving |= self.disk.has_lied();
        let faults = self.disk.faults();
        self.root = left;
        let flips = self.faultiness.flips && self.random.below(2) == 0;
        let flipped = flips.then(|| flip(self.root.path(), &mut self.random)).flatten();
        self.flipped |= flipped.is_some();
        if let Some(path) = &flipped {
            self.range_unknown |= path.ends_with("meta.json");
            self.say(|| format!("a bit flips in {}", path.display()));
        }
        self.disk = SimDisk::new(self.root.path(), self.random.next());
        self.disk.set_faults(faults);
        flipped
    }

    fn try_open(&mut self) -> Result<Opened, tsdb::Error> {
        let options = Options {
            dir: self.root.path().to_path_buf(),
            clock: self.clock.clone(),
            disk: Arc::new(self.disk.clone()),
            ..self.settings.clone()
        };
        let (db, opened) = Db::open(options)?;
        self.db = Some(db);
        Ok(opened)
    }

    fn open(&mut self) {
        self.try_open().unwrap();
    }
}

/// A new folder, in memory where there is such a place: nothing here depends on a real disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Flips one bit in one file.
fn flip(root: &Path, random: &mut Random) -> Option<PathBuf> {
    let mut files = Vec::new();
    list(root, &mut files);
    let path = files.get(random.below(files.len().max(1) as u64) as usize)?.clone();
    let mut bytes = fs::read(&path).unwrap();
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
    fs::write(&path, bytes).unwrap();
    Some(path)
}

/// Files that are not empty.
fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            list(&path, files);
        } else if path.metadata().unwrap().len() > 0 {
            files.push(path);
        }
    }
}

/// Labels of their text `{a="b", c="d"}`; none of ours needs escaping.
fn parse(text: &str) -> Labels {
    let inner = text.find('{').map_or("", |at| &text[at + 1..]).trim_end_matches('}');
    let mut pairs: Vec<(&str, &str)> = inner
        .split(',')
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.trim_matches('"'), value.trim_matches('"')))
        .collect();
    let name = text.split('{').next().unwrap_or_default();
    if !name.is_empty() {
        pairs.push(("__name__", name));
    }
    Labels::from_pairs(pairs)
}
