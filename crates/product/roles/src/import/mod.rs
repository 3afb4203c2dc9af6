//! `promontory import`: samples of the past from another system, slice by slice of time, into blocks of a data
//! directory or into a running server. What was done is kept in a small file, so that an import that was
//! stopped goes on where it was.

mod source;
mod state;
mod target;
mod victoria;

use std::path::PathBuf;
use std::time::Duration;

use base::Clock;
use base::units::format_duration_ms;
use config::http_client::HttpClientConfig;
use model::Matcher;
use model::storage::TimeRange;

use crate::directory::Output;
use source::{Fetch, Source};
use state::State;
use target::Target;

/// Slices are not cut smaller than this when an answer would be too large.
const SLICE_MIN_MS: i64 = 60_000;
/// How far back an import begins where nothing says when the data begins.
const START_DEFAULT_MS: i64 = 15 * 24 * 3_600_000;
/// Attempts at one slice, and how long is waited after the first that failed; each wait is twice as long.
const ATTEMPTS: u32 = 5;
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// How often progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Where samples come from.
#[derive(Clone, Debug)]
pub enum From {
    /// A data directory of Prometheus, which is left as it is.
    Directory(PathBuf),
    /// Remote read at this URL.
    RemoteRead(String),
    /// The export API of VictoriaMetrics at this URL.
    VictoriaMetrics(String),
}

/// Where samples go.
#[derive(Clone, Debug)]
pub enum To {
    /// Blocks in a data directory; a server that runs on it finds them within a minute.
    Directory(PathBuf),
    /// A server that takes remote write at this URL.
    RemoteWrite(String),
}

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// Where samples come from.
    pub from: From,
    /// Where samples go.
    pub to: To,
    /// Selectors; a series that matches one of them is imported. Without any, all are.
    pub selectors: Vec<String>,
    /// The first time; where the data begins, or 15 days ago, if it is not given.
    pub start_ms: Option<i64>,
    /// The last time; now if it is not given.
    pub end_ms: Option<i64>,
    /// How much time is read at once.
    pub slice_ms: i64,
    /// Where the progress is kept; beside the data if it is not given.
    pub state_file: Option<PathBuf>,
    /// How the source is reached; the target, if the source is a directory.
    pub http: HttpClientConfig,
}

impl Import {
    fn state_file(&self) -> PathBuf {
        match (&self.state_file, &self.to) {
            (Some(file), _) => file.clone(),
            (None, To::Directory(dir)) => dir.join("import.json"),
            (None, To::RemoteWrite(_)) => PathBuf::from("promontory-import.json"),
        }
    }

    /// Names what is imported, where it goes and between which times, so that a state is not used for something
    /// else: what it says is done would be left out.
    fn identity(&self) -> String {
        let from = match &self.from {
            From::Directory(dir) => dir.display().to_string(),
            From::RemoteRead(url) | From::VictoriaMetrics(url) => url.clone(),
        };
        let to = match &self.to {
            To::Directory(dir) => dir.display().to_string(),
            To::RemoteWrite(url) => url.clone(),
        };
        let mut identity = format!("{from} to {to}");
        for (name, time_ms) in [("start", self.start_ms), ("end", self.end_ms)] {
            if let Some(time_ms) = time_ms {
                identity.push_str(&format!(" {name} {time_ms}"));
            }
        }
        for selector in &self.selectors {
            identity.push_str(&format!(" {selector}"));
        }
        identity
    }
}

/// Imports, or goes on with an import that was stopped. Blocks until it is done.
pub fn run(import: &Import, output: &mut Output<'_>) -> Result<(), String> {
    if import.slice_ms < SLICE_MIN_MS {
        return Err("--slice: a minute is the least".into());
    }
    let mut sets: Vec<Vec<Matcher>> = Vec::new();
    for selector in &import.selectors {
        sets.push(promql::parse_selector(selector).map_err(|error| format!("{selector}: {error}"))?);
    }
    if sets.is_empty() {
        let any = Matcher::new(model::MatchOp::NotEqual, model::METRIC_NAME, "");
        sets.push(vec![any.map_err(|error| error.to_string())?]);
    }
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    // What the source is told is not the target's business.
    let to_http = match &import.from {
        From::Directory(_) => import.http.clone(),
        From::RemoteRead(_) | From::VictoriaMetrics(_) => HttpClientConfig::default(),
    };
    let mut target = Target::open(&import.to, &to_http)?;
    let mut source = Source::open(import, sets)?;
    let file = import.state_file();
    let state = match State::read(&file)? {
        Some(state) if state.identity == import.identity() => {
            // Said at once, and also where nobody watches the progress.
            writeln!(output.out, "going on after {} samples", state.samples)
                .and_then(|()| output.out.flush())
                .map_err(|error| format!("cannot write: {error}"))?;
            state
        }
        Some(state) => {
            return Err(format!(
                "{} holds the state of another import ({}); finish that one first, or remove the file",
                file.display(),
                state.identity
            ));
        }
        None => {
            let bounds = source.bounds();
            let end_ms = import.end_ms.or(bounds.map(|range| range.end_ms)).unwrap_or_else(|| clock.now_ms());
            let start_ms = import.start_ms.or(bounds.map(|range| range.start_ms));
            let start_ms = start_ms.unwrap_or(end_ms.saturating_sub(START_DEFAULT_MS));
            State { identity: import.identity(), start_ms, next_ms: start_ms, end_ms, samples: 0 }
        }
    };
    if state.start_ms > state.end_ms {
        return Err("start time is not before end time".into());
    }
    let slices = Slices {
        import,
        source: &mut source,
        target: &mut target,
        runtime: &runtime,
        file: &file,
        clock: clock.clone(),
    };
    let mark = clock.mark();
    let samples = slices.run(state, output)?;
    std::fs::remove_file(&file).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(format!("{}: {error}", file.display())),
    })?;
    let took = format_duration_ms((mark.elapsed_seconds() * 1000.0) as i64);
    writeln!(output.out, "imported {samples} samples, the last part in {took}")
        .map_err(|error| format!("cannot write: {error}"))
}

struct Slices<'a> {
    import: &'a Import,
    source: &'a mut Source,
    target: &'a mut Target,
    runtime: &'a tokio::runtime::Runtime,
    file: &'a std::path::Path,
    clock: Clock,
}

impl Slices<'_> {
    /// All slices that are left; gives how many samples there were altogether.
    fn run(mut self, mut state: State, output: &mut Output<'_>) -> Result<u64, String> {
        let mark = self.clock.mark();
        let (before, first_ms) = (state.samples, state.next_ms);
        let mut shown = None::<base::clock::Mark>;
        while state.next_ms <= state.end_ms {
            // Slices end where blocks do.
            let slice_ms = self.import.slice_ms;
            let slice_end_ms = state.next_ms - state.next_ms.rem_euclid(slice_ms) + slice_ms;
            let range = TimeRange {
                start_ms: state.next_ms,
                end_ms: slice_end_ms.saturating_sub(1).min(state.end_ms),
            };
            let mut samples = 0;
            self.slice(range, &mut samples, output)?;
            self.target.finish_slice(self.runtime)?;
            state.samples += samples;
            state.next_ms = range.end_ms.saturating_add(1);
            state.write(self.file)?;
            if shown.as_ref().is_none_or(|mark| mark.elapsed() >= PROGRESS_INTERVAL) {
                shown = Some(self.clock.mark());
                let seconds = mark.elapsed_seconds().max(0.001);
                let done =
                    (state.next_ms - state.start_ms) as f64 / (state.end_ms - state.start_ms).max(1) as f64;
                let pace = (state.next_ms - first_ms) as f64 / seconds;
                let left_ms = (state.end_ms - state.next_ms).max(0) as f64 / pace.max(1.0) * 1000.0;
                (output.progress)(&format!(
                    "{:.1} %, {} samples, {:.0} samples/s, {} left",
                    (done * 100.0).min(100.0),
                    state.samples,
                    (state.samples - before) as f64 / seconds,
                    format_duration_ms((left_ms / 1000.0).round() as i64 * 1000)
                ));
            }
        }
        Ok(state.samples)
    }

    /// Reads a slice and hands it on; in halves if its answer would be too large.
    fn slice(&mut self, range: TimeRange, samples: &mut u64, output: &mut Output<'_>) -> Result<(), String> {
        let mut wait = RETRY_WAIT;
        let mut attempt = 1;
        loop {
            let (target, runtime) = (&mut *self.target, self.runtime);
            let mut take = |labels: &model::Labels, points: &model::Samples| {
                *samples += points.len() as u64;
                target.add(labels, points, runtime)
            };
            let Err(error) = self.source.read(range, runtime, &mut take) else { return Ok(()) };
            match error {
                Fetch::TooLarge(_) if range.end_ms - range.start_ms >= 2 * SLICE_MIN_MS => {
                    let middle_ms = range.start_ms + (range.end_ms - range.start_ms) / 2;
                    self.slice(TimeRange { end_ms: middle_ms, ..range }, samples, output)?;
                    return self.slice(TimeRange { start_ms: middle_ms + 1, ..range }, samples, output);
                }
                Fetch::TooLarge(error) => {
                    return Err(format!(
                        "{error}; choose fewer series with --match, one part after the other"
                    ));
                }
                Fetch::Failed(error) => return Err(error),
                Fetch::Unavailable(error) if attempt >= ATTEMPTS => {
                    return Err(format!("{error}; the same command goes on from here"));
                }
                Fetch::Unavailable(error) => {
                    (output.progress)(&format!("{error}; trying again in {} s", wait.as_secs()));
                    self.runtime.block_on(tokio::time::sleep(wait));
                    wait *= 2;
                    attempt += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
