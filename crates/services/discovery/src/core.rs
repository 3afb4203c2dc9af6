//! The watch-and-merge core: every section has a slot, a reader fills it, and a job's view is its
//! slots put together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use model::target::BoxFuture;
use model::{TargetGroup, TargetGroups, TargetSource};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::config::{Config, Section};
use crate::file::FileReader;

/// Looks for the targets of all jobs. Readers run as tasks of the runtime they were started in
/// and end when their section is gone or the last handle is dropped.
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    jobs: Mutex<Jobs>,
    /// Counts changes of any job; whoever waits looks again.
    changes: watch::Sender<u64>,
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
    problems: Vec<String>,
}

/// Something that keeps a section's targets from being up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The job.
    pub job: String,
    /// What is wrong; names the file or server.
    pub message: String,
}

/// Where a reader puts what it finds.
#[derive(Clone)]
pub(crate) struct Publisher {
    inner: Weak<Inner>,
    slot: Arc<Slot>,
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
        *self.slot.content.lock() = Content { groups: Some(groups), problems };
        inner.merge(|job| job.slots.iter().any(|slot| Arc::ptr_eq(slot, &self.slot)));
        !self.slot.gone.load(Ordering::Relaxed)
    }
}

impl Discovery {
    /// A discovery without jobs.
    pub fn new() -> Self {
        Discovery(Arc::new(Inner { jobs: Mutex::default(), changes: watch::Sender::new(0) }))
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
            let slots = config.sections.into_iter().map(|section| {
                match old_slots.iter().position(|slot| slot.section == section) {
                    Some(at) => old_slots.swap_remove(at),
                    None => {
                        let slot = Arc::new(Slot::new(section));
                        started.push(slot.clone());
                        slot
                    }
                }
            });
            let slots = slots.collect();
            old_slots.iter().for_each(|slot| slot.end());
            state.by_name.insert(name, Job { slots, view });
        }
        before.values().flat_map(|job| &job.slots).for_each(|slot| slot.end());
        drop(state);
        for slot in started {
            slot.start(Publisher { inner: Arc::downgrade(&self.0), slot: slot.clone() });
        }
        self.0.merge(|_| true);
    }

    /// What keeps targets from being up to date, job by job.
    pub fn problems(&self) -> Vec<Problem> {
        let state = self.0.jobs.lock();
        let mut problems: Vec<Problem> = state
            .by_name
            .iter()
            .flat_map(|(name, job)| job.slots.iter().map(move |slot| (name, slot)))
            .flat_map(|(name, slot)| {
                let messages = slot.content.lock().problems.clone();
                messages.into_iter().map(move |message| Problem { job: name.clone(), message })
            })
            .collect();
        problems.sort_by(|a, b| (&a.job, &a.message).cmp(&(&b.job, &b.message)));
        problems
    }
}

impl Default for Discovery {
    fn default() -> Self {
        Discovery::new()
    }
}

impl Inner {
    /// Puts the slots of these jobs together again.
    fn merge(&self, concerns: impl Fn(&Job) -> bool) {
        let mut changed = false;
        {
            let mut state = self.jobs.lock();
            let Jobs { by_name, last_version } = &mut *state;
            for job in by_name.values_mut().filter(|job| concerns(job)) {
                let mut groups = Vec::new();
                let mut known = false;
                for slot in &job.slots {
                    let content = slot.content.lock();
                    known |= content.groups.is_some();
                    groups.extend(content.groups.iter().flatten().cloned());
                }
                known |= job.slots.is_empty();
                if known && (job.view.version == 0 || job.view.groups != groups) {
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
            Section::File(_) => None,
        };
        Slot {
            section,
            content: Mutex::new(Content { groups, problems: Vec::new() }),
            reader: Mutex::new(None),
            gone: AtomicBool::new(false),
        }
    }

    fn start(&self, publisher: Publisher) {
        let reader: Box<dyn Reader> = match &self.section {
            Section::Static(_) => return,
            Section::File(config) => Box::new(FileReader::new(config.clone())),
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
        let discovery = Discovery::new();
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
    async fn changed_files_are_noticed_and_broken_ones_keep_the_last_good_targets() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.json", r#"[{"targets": ["one"], "labels": {"env": "x"}}]"#);
        let discovery = Discovery::new();
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
