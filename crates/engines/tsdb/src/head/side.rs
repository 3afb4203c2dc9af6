//! Where what stands beside the samples in order joins the path of a batch: into the log with the
//! samples, into memory after them, back from the log at the start, and into checkpoints.

use model::storage::{Appended, WriteBatch};
use model::{Labels, Samples};

use super::late::one_chunk;
use super::page::PAGE_SERIES;
use super::{Head, HeadReplay, Writer};
use crate::chunk;
use crate::error::Error;
use crate::head::exemplars::Judged;
use crate::wal::side::{self, LoggedStart, Owner, Side};

/// Exemplars that a checkpoint encodes at once.
const EXEMPLARS_PER_RECORDS: usize = 1 << 12;

impl Head {
    /// Takes the exemplars of a batch, finds what is new of its starts and metadata, and encodes their log records.
    /// An exemplar that cannot be logged after all is there until the next start.
    pub(super) fn take_side(&self, writer: &mut Writer, batch: &WriteBatch, appended: &mut Appended) {
        let Writer { side: buffer, starts, metadata, .. } = writer;
        buffer.clear();
        starts.clear();
        metadata.clear();
        let mut taken = Vec::new();
        for (series, exemplar) in &batch.exemplars {
            let Some(id) = u32::try_from(series.0).ok().filter(|&id| id != 0) else { continue };
            match self.exemplars.add(id, exemplar, || self.labels_of(id)) {
                Judged::Taken => taken.push((Owner::Id(id), exemplar.clone())),
                Judged::Passed => {}
                Judged::Refused => appended.exemplars_refused += 1,
            }
        }
        appended.exemplars = taken.len() as u64;
        side::write_exemplars(buffer, &taken);
        self.new_starts(batch, starts);
        side::write_starts(buffer, starts);
        for (at, (metric, said)) in batch.metadata.iter().enumerate() {
            if self.metadata.is_new(metric, said) {
                side::write_metadata(buffer, metric, said);
                metadata.push(at);
            }
        }
    }

    /// Encodes the log records of late samples behind those of the samples in order, and what
    /// [`Head::take_side`] has prepared.
    pub(super) fn log_side(&self, writer: &mut Writer, batch: &WriteBatch) {
        let Writer { buffer, late, side, .. } = writer;
        side::write_late(buffer, &late.floats);
        for &(id, at) in &late.histograms {
            let (_, time_ms, histogram) = &batch.histograms[at];
            if let Some((encoding, bytes)) = one_chunk(*time_ms, histogram) {
                side::write_late_histogram(buffer, id, encoding, &bytes);
            }
        }
        buffer.extend_from_slice(side);
    }

    /// Stores what is logged of what stands beside the samples in order.
    pub(super) fn store_side(&self, writer: &Writer, batch: &WriteBatch) {
        self.starts.note(&writer.starts);
        for (metric, said) in writer.metadata.iter().filter_map(|&at| batch.metadata.get(at)) {
            self.metadata.set(metric, said);
        }
        if writer.late.len() == 0 {
            return;
        }
        let now_ms = self.clock.now_ms();
        self.late.insert(&writer.late.floats, now_ms);
        for &(id, at) in &writer.late.histograms {
            let (_, time_ms, histogram) = &batch.histograms[at];
            self.late.insert_histogram(id, *time_ms, histogram, now_ms);
        }
    }

    /// The labels of a series that is in the head.
    pub(crate) fn labels_of(&self, id: u32) -> Option<Labels> {
        let index = self.index.read();
        let pages = self.pages.read();
        let page = pages.get((id / PAGE_SERIES) as usize)?.as_ref()?.read();
        Some(index.labels(page.pairs(page.record(id)?)))
    }

    /// Adds the late samples and the starts of these series to a checkpoint.
    pub(super) fn log_late(&self, ids: impl Iterator<Item = u32> + Clone, buffer: &mut Vec<u8>) {
        let mut starts = Vec::new();
        self.starts.log(ids.clone(), &mut starts);
        side::write_starts(buffer, &starts);
        self.late.log(ids, |id, chunks| side::write_late_chunks(buffer, id, chunks));
    }

    /// Adds exemplars and metadata to a checkpoint; calls whenever there is something to write.
    pub(super) fn log_exemplars_and_metadata(
        &self,
        mut write: impl FnMut(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut buffer = Vec::new();
        // Written when they are let go of: whoever appends an exemplar waits for them, and all others for that.
        self.exemplars.visit(EXEMPLARS_PER_RECORDS, |part| {
            let owned: Vec<_> =
                part.iter().map(|(labels, e)| (Owner::Labels(labels.clone()), e.clone())).collect();
            side::write_exemplars(&mut buffer, &owned);
        });
        write(&mut buffer)?;
        buffer.clear();
        self.metadata.visit(|metric, metadata| side::write_metadata(&mut buffer, metric, metadata));
        write(&mut buffer)
    }
}

impl HeadReplay<'_> {
    /// Reads a record of what stands beside the samples in order.
    pub(super) fn read_side(&mut self, side: Side<'_>) -> Result<(), Error> {
        let head = self.head;
        let now_ms = head.clock.now_ms();
        match side {
            Side::Late(mut floats) => {
                floats.retain_mut(|float| {
                    float.id = self.id(float.id);
                    self.is_there(float.id)
                });
                self.samples += floats.len() as u64;
                head.late.insert(&floats, now_ms);
            }
            Side::LateHistogram(id, encoding, bytes) => {
                let id = self.id(id);
                let mut samples = Samples::default();
                chunk::decode(encoding, bytes, model::storage::TimeRange::ALL, &mut samples)
                    .map_err(|error| Error::Corrupt(format!("a logged histogram: {error}")))?;
                if self.is_there(id)
                    && let Some(histogram) = samples.histogram(0)
                {
                    self.samples += 1;
                    head.late.insert_histogram(id, samples.timestamps_ms[0], histogram, now_ms);
                }
            }
            Side::LateChunks(logged) => {
                let id = self.id(logged.id);
                if self.is_there(id) {
                    for chunk in logged.chunks.iter().filter(|chunk| chunk.min_ms <= chunk.max_ms) {
                        self.samples += head.late.restore(id, chunk, now_ms);
                    }
                }
            }
            Side::Exemplars(exemplars) => {
                for (owner, exemplar) in exemplars {
                    match owner {
                        Owner::Id(id) => {
                            let id = self.id(id);
                            head.exemplars.add(id, &exemplar, || head.labels_of(id));
                        }
                        Owner::Labels(labels) => head.exemplars.add_to(&labels, &exemplar),
                    }
                }
            }
            Side::Metadata(metric, metadata) => {
                head.metadata.set(metric, &metadata);
            }
            Side::Starts(starts) => {
                let known = |start: LoggedStart| LoggedStart { id: self.id(start.id), ..start };
                let starts: Vec<_> = starts.into_iter().map(known).collect();
                head.starts.note(&starts);
            }
        }
        Ok(())
    }

    /// Whether the head has this series; notes if not.
    fn is_there(&mut self, id: u32) -> bool {
        let pages = self.head.pages.read();
        let is_there = pages
            .get((id / PAGE_SERIES) as usize)
            .and_then(Option::as_ref)
            .is_some_and(|page| page.read().record(id).is_some());
        self.orphans += u64::from(!is_there);
        is_there
    }
}
