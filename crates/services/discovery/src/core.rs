//! The watch-and-merge core: every section has a slot, a reader fills it, and a job's view is its
//! slots put together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use exposition::Registry;
use model::target::BoxFuture;
use model::{TargetGroup, TargetGroups, TargetSource};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::config::{Config, Section};
use crate::file::FileReader;
use crate::kinds::Feeds;
use crate::stats::Stats;

/// Looks for the targets of all jobs. Readers run as tasks of the runtime they were started in
/// and end when their section is gone or the last handle is dropped.
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    stats: Stats,
    /// Watches that sections share.
    feeds: Arc<Feeds>,
    clock: Clock,
    jobs: Mutex<Jobs>,
    /// Counts changes of any job; whoever waits looks again.
    changes: watch::Sender<u64>,
    /// Counts what sections tell, also where nothing changes.
    progress: watch::Sender<u64>,
}

#[derive(Default)]
struct Jobs {
    by_name: HashMap<String, Job>,
    /// Versions are not used twice, also not by a job that went and came back.
    last_version: u64,
}

struct Job {
    slots: Vec<Arc<Slot>>,
    view: Arc<TargetGroups>,
}

/// What one section has found.
struct Slot {
    section: Section,
    content: Mutex<Content>,
    reader: Mutex<Option<AbortHandle>>,
    gone: AtomicBool,
}

#[derive(Default)]
struct Content {
    groups: Option<Vec<Arc<TargetGroup>>>,
    /// Whether the groups are the reader's own, not those of the one it replaced.
    published: bool,
    problems: Vec<String>,
    /// Since when there is something wrong, milliseconds since the epoch.
    wrong_since_ms: Option<i64>,
}

impl Content {
    fn tell(&mut self, problems: Vec<String>, now_ms: i64) {
        self.wrong_since_ms = (!problems.is_empty()).then(|| self.wrong_since_ms.unwrap_or(now_ms));
        self.problems = problems;
    }
}

/// Something that keeps a section's targets from being up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The job.
    pub job: String,
    /// What is wrong; names the file or server.
    pub message: String,
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
}

/// Where a reader puts what it finds.
#[derive(Clone)]
pub(crate) struct Publisher {
    inner: Weak<Inner>,
    slot: Arc<Slot>,
    job: Arc<str>,
}

/// One kind of discovery: looks until it is dropped and publishes what it finds.
pub(crate) trait Reader: Send {
    fn run(self: Box<Self>, publisher: Publisher) -> BoxFuture<'static, ()>;
}

impl Publisher {
    /// Replaces everything this section has found and what is wrong with it. False once nobody
    /// wants to know.
    pub(crate) fn publish(&self, groups: Vec<Arc<TargetGroup>>, problems: Vec<String>) -> bool {
        let Some(inner) = self.inner.upgrade() else { return false };
        let mut content = self.slot.content.lock();
        (content.groups, content.published) = (Some(groups), true);
        content.tell(problems, inner.clock.now_ms());
        drop(content);
        inner.stats.received.with(&[inner.stats.purpose]).inc();
        inner.merge(|job| job.slots.iter().any(|slot| Arc::ptr_eq(slot, &self.slot)));
        inner.told();
        self.is_wanted()
    }

    /// Says what is wrong; what was found before stays. False once nobody wants to know.
    pub(crate) fn report(&self, problems: Vec<String>) -> bool {
        let Some(inner) = self.inner.upgrade() else { return false };
        self.slot.content.lock().tell(problems, inner.clock.now_ms());
        inner.told();
        self.is_wanted()
    }

    /// Whether anybody still wants to know.
    pub(crate) fn is_wanted(&self) -> bool {
        self.inner.strong_count() > 0 && !self.slot.gone.load(Ordering::Relaxed)
    }

    /// Watches that sections share, while there are sections.
    pub(crate) fn feeds(&self) -> Option<Arc<Feeds>> {
        self.inner.upgrade().map(|inner| inner.feeds.clone())
    }

    /// The job that the section belongs to.
    pub(crate) fn job(&self) -> &str {
        &self.job
    }

    /// Counts one question to a source of this kind.
    pub(crate) fn observe_refresh(&self, mechanism: &str, seconds: f64, succeeded: bool) {
        self.count(|stats| {
            stats.refresh_duration.with(&[mechanism]).observe(seconds);
            stats.refresh_durations.with(&[mechanism, &self.job]).observe(seconds);
            let failures = stats.refresh_failures.with(&[mechanism, &self.job]);
            if !succeeded {
                failures.inc();
                stats.count_failure(mechanism);
            }
        });
    }

    /// Counts something in the metrics.
    pub(crate) fn count(&self, count: impl FnOnce(&Stats)) {
        if let Some(inner) = self.inner.upgrade() {
            count(&inner.stats);
        }
    }

    /// Whether this reader has published anything yet.
    pub(crate) fn has_published(&self) -> bool {
        self.slot.content.lock().published
    }

    /// Counts files that could not be read.
    pub(crate) fn count_file_read_errors(&self, count: usize) {
        self.count(|stats| stats.file_read_errors.add(count as u64));
    }
}

impl Discovery {
    /// A discovery without jobs. `purpose` tells in its metrics what the targets are for: `scrape`
    /// or `notify`.
    pub fn new(purpose: &'static str, registry: &Registry) -> Self {
        let stats = Stats::new(purpose, registry);
        let (changes, progress) = (watch::Sender::new(0), watch::Sender::new(0));
        Discovery(Arc::new(Inner {
            stats,
            feeds: Arc::default(),
            clock: Clock::system(),
            jobs: Mutex::default(),
            changes,
            progress,
        }))
    }

    /// Makes these the jobs. Sections that a job had before go on undisturbed. Must be called
    /// inside a tokio runtime.
    pub fn apply(&self, jobs: Vec<(String, Config)>) {
        let mut state = self.0.jobs.lock();
        let mut before = std::mem::take(&mut state.by_name);
        let mut started = Vec::new();
        for (name, config) in jobs {
            let (mut old_slots, view) =
                before.remove(&name).map_or_else(Default::default, |job| (job.slots, job.view));
            let new_at = started.len();
            let slots = config.sections.into_iter().map(|section| {
                match old_slots.iter().position(|slot| slot.section == section) {
                    Some(at) => old_slots.swap_remove(at),
                    None => {
                        let slot = Arc::new(Slot::new(section));
                        started.push((Arc::<str>::from(name.as_str()), slot.clone()));
                        slot
                    }
                }
            });
            let slots = slots.collect();
            // What the replaced readers found stays until the first new one knows better.
            let replaced = old_slots.iter().filter(|slot| !matches!(slot.section, Section::Static(_)));
            let found: Vec<_> =
                replaced.flat_map(|slot| slot.content.lock().groups.clone()).flatten().collect();
            let is_reader = |slot: &&Arc<Slot>| !matches!(slot.section, Section::Static(_));
            if let Some(reader) = started[new_at..].iter().map(|(_, slot)| slot).find(is_reader)
                && !found.is_empty()
            {
                reader.content.lock().groups = Some(found);
            }
            old_slots.iter().for_each(|slot| slot.end());
            state.by_name.insert(name, Job { slots, view });
        }
        before.values().flat_map(|job| &job.slots).for_each(|slot| slot.end());
        for name in before.keys() {
            self.0.stats.discovered_targets.remove(&[self.0.stats.purpose, name]);
            self.0.stats.last_update.remove(&[self.0.stats.purpose, name]);
        }
        drop(state);
        for (job, slot) in started {
            slot.start(Publisher { inner: Arc::downgrade(&self.0), slot: slot.clone(), job });
        }
        self.0.merge(|_| true);
        self.0.told();
    }

    /// What keeps targets from being up to date, job by job.
    pub fn problems(&self) -> Vec<Problem> {
        let state = self.0.jobs.lock();
        let mut problems: Vec<Problem> = state
            .by_name
            .iter()
            .flat_map(|(name, job)| job.slots.iter().map(move |slot| (name, slot)))
            .flat_map(|(name, slot)| {
                let content = slot.content.lock();
                let since_ms = content.wrong_since_ms.unwrap_or(0);
                let messages = content.problems.clone();
                messages.into_iter().map(move |message| Problem { job: name.clone(), message, since_ms })
            })
            .collect();
        problems.sort_by(|a, b| (&a.job, &a.message).cmp(&(&b.job, &b.message)));
        problems
    }
}

impl Inner {
    /// A section found something or told what is wrong: counts the sections that fail.
    fn told(&self) {
        let state = self.jobs.lock();
        let slots = state.by_name.values().flat_map(|job| &job.slots);
        let failing = slots.filter(|slot| !slot.content.lock().problems.is_empty()).count();
        self.stats.failing.with(&[self.stats.purpose]).set(failing as f64);
        drop(state);
        self.progress.send_modify(|count| *count += 1);
    }

    /// Puts the slots of these jobs together again.
    fn merge(&self, concerns: impl Fn(&Job) -> bool) {
        let mut changed = false;
        {
            let mut state = self.jobs.lock();
            let Jobs { by_name, last_version } = &mut *state;
            for (name, job) in by_name.iter_mut().filter(|(_, job)| concerns(job)) {
                let mut groups = Vec::new();
                let mut known = false;
                for slot in &job.slots {
                    let content = slot.content.lock();
                    known |= content.groups.is_some();
                    groups.extend(content.groups.iter().flatten().cloned());
                }
                known |= job.slots.is_empty();
                if known && (job.view.version == 0 || job.view.groups != groups) {
                    let targets: usize = groups.iter().map(|group| group.targets.len()).sum();
                    self.stats.discovered_targets.with(&[self.stats.purpose, name]).set(targets as f64);
                    self.stats.last_update.with(&[self.stats.purpose, name]).set(self.clock.now_seconds());
                    self.stats.updates.with(&[self.stats.purpose]).inc();
                    *last_version += 1;
                    job.view = Arc::new(TargetGroups { version: *last_version, groups });
                    changed = true;
                }
            }
        }
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs.get_mut().by_name.values().flat_map(|job| &job.slots).for_each(|slot| slot.end());
    }
}

impl Slot {
    fn new(section: Section) -> Self {
        let groups = match &section {
            Section::Static(groups) => Some(groups.iter().cloned().map(Arc::new).collect()),
            Section::File(_) | Section::Kind(_) => None,
        };
        Slot {
            section,
            content: Mutex::new(Content { groups, ..Content::default() }),
            reader: Mutex::new(None),
            gone: AtomicBool::new(false),
        }
    }

    fn start(&self, publisher: Publisher) {
        let reader: Box<dyn Reader> = match &self.section {
            Section::Static(_) => return,
            Section::File(config) => Box::new(FileReader::new(config.clone())),
            Section::Kind(settings) => settings.reader(),
        };
        *self.reader.lock() = Some(tokio::spawn(reader.run(publisher)).abort_handle());
    }

    fn end(&self) {
        self.gone.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.lock().take() {
            reader.abort();
        }
    }
}

/// Looks once for the targets of one job: what its sections name, and what is wrong with those that
/// do not answer. A section that says nothing within `timeout` is a problem too. Must be called inside
/// a tokio runtime; nothing goes on behind it.
pub async fn discover_once(config: Config, timeout: Duration) -> (Vec<Arc<TargetGroup>>, Vec<Problem>) {
    const JOB: &str = "once";
    let discovery = Discovery::new("check", &Registry::new());
    let mut progress = discovery.0.progress.subscribe();
    discovery.apply(vec![(JOB.into(), config)]);
    let slots = discovery.0.jobs.lock().by_name.get(JOB).map(|job| job.slots.clone()).unwrap_or_default();
    let is_done = |slot: &Arc<Slot>| {
        let content = slot.content.lock();
        content.groups.is_some() || !content.problems.is_empty()
    };
    let all_done = progress.wait_for(|_| slots.iter().all(is_done));
    let in_time = tokio::time::timeout(timeout, all_done).await.is_ok();
    let mut problems = discovery.problems();
    if !in_time {
        let silent = slots.iter().filter(|slot| !is_done(slot)).count();
        let message = format!("{silent} of {} sections did not answer within {timeout:?}", slots.len());
        problems.push(Problem { job: JOB.into(), message, since_ms: discovery.0.clock.now_ms() });
    }
    // The last to answer may not have been put to the others yet.
    discovery.0.merge(|_| true);
    (discovery.current(JOB).groups.clone(), problems)
}

impl TargetSource for Discovery {
    fn current(&self, job: &str) -> Arc<TargetGroups> {
        self.0.jobs.lock().by_name.get(job).map_or_else(Arc::default, |job| job.view.clone())
    }

    fn changed<'a>(&'a self, job: &'a str, seen_version: u64) -> BoxFuture<'a, ()> {
        let mut changes = self.0.changes.subscribe();
        Box::pin(async move {
            while self.current(job).version == seen_version {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::config::Node;
    use ::config::http_client::PathBase;

    use super::*;

    fn config(yaml: &str, folder: &Path) -> Config {
        Config::decode(&Node::parse(yaml).unwrap(), "config.ScrapeConfig", &PathBase::new(folder)).unwrap()
    }

    fn addresses(discovery: &Discovery, job: &str) -> Vec<String> {
        let groups = discovery.current(job);
        let targets = groups.groups.iter().flat_map(|group| &group.targets);
        targets.map(|labels| labels.value("__address__").to_string()).collect()
    }

    #[tokio::test]
    async fn static_targets_are_there_at_once_and_change_on_reload() {
        let discovery = Discovery::new("scrape", &Registry::new());
        let folder = Path::new("");
        discovery.apply(vec![("a".into(), config("static_configs: [{targets: [x, y]}]", folder))]);
        assert_eq!(addresses(&discovery, "a"), ["x", "y"]);
        let version = discovery.current("a").version;

        let waiting = tokio::spawn({
            let discovery = discovery.clone();
            async move { discovery.changed("a", version).await }
        });
        discovery.apply(vec![("a".into(), config("static_configs: [{targets: [x, y]}]", folder))]);
        assert_eq!(discovery.current("a").version, version, "nothing changed");
        discovery.apply(vec![("a".into(), config("static_configs: [{targets: [z]}]", folder))]);
        waiting.await.unwrap();
        assert_eq!(addresses(&discovery, "a"), ["z"]);
        discovery.apply(vec![]);
        assert_eq!(discovery.current("a").version, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_section_keeps_its_targets_until_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yml"), "- targets: [one]").unwrap();
        std::fs::write(folder.path().join("b.yml"), "- targets: [two]").unwrap();
        let discovery = Discovery::new("scrape", &Registry::new());
        discovery.apply(vec![("a".into(), config("file_sd_configs: [{files: ['a.yml']}]", folder.path()))]);
        discovery.changed("a", 0).await;
        let version = discovery.current("a").version;
        discovery.apply(vec![("a".into(), config("file_sd_configs: [{files: ['*.yml']}]", folder.path()))]);
        assert_eq!(addresses(&discovery, "a"), ["one"]);
        discovery.changed("a", version).await;
        assert_eq!(addresses(&discovery, "a"), ["one", "two"]);
    }

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_noticed_and_broken_ones_keep_the_last_good_targets() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.json", r#"[{"targets": ["one"], "labels": {"env": "x"}}]"#);
        let discovery = Discovery::new("scrape", &Registry::new());
        discovery.apply(vec![(
            "a".into(),
            config("file_sd_configs: [{files: ['*.json', '*.yml']}]", folder.path()),
        )]);
        discovery.changed("a", 0).await;
        assert_eq!(addresses(&discovery, "a"), ["one"]);
        let group = discovery.current("a").groups[0].clone();
        let path = folder.path().join("a.json").display().to_string();
        assert_eq!((group.labels.value("env"), group.labels.value("__meta_filepath")), ("x", path.as_str()));
        assert_eq!(group.source, format!("{path}:0"));

        write("a.json", "[{");
        write("b.yml", "- targets: [two]");
        discovery.changed("a", discovery.current("a").version).await;
        assert_eq!(addresses(&discovery, "a"), ["one", "two"]);
        let problems = discovery.problems();
        assert!(problems[0].message.starts_with(&path), "{problems:?}");

        std::fs::remove_file(folder.path().join("a.json")).unwrap();
        discovery.changed("a", discovery.current("a").version).await;
        assert_eq!((addresses(&discovery, "a"), discovery.problems()), (vec!["two".to_string()], vec![]));
    }
}
