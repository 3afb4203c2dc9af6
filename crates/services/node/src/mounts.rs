//! Asks file systems for their size without ever hanging on a dead one: `statfs` runs on a thread of
//! its own, and a mount point that does not answer in time is left to that thread until it does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rustix::fs::StatFs;

/// The most threads that may wait for dead mount points; beyond it, mount points that are not
/// known to answer are reported as not answering.
const STUCK_LIMIT: usize = 16;

/// The most answers that wait to be read.
const ANSWERS: usize = 256;

/// What a file system said.
pub(crate) enum Answer {
    /// Its numbers.
    Stat(StatFs),
    /// The error of the call.
    Failed(std::io::Error),
    /// Nothing in time, now or since an earlier collection.
    Stuck,
}

/// The call that may hang.
type Statfs = fn(&Path) -> rustix::io::Result<StatFs>;

pub(crate) struct Mounts {
    statfs: Statfs,
    worker: Option<Worker>,
    /// Mount points that do not answer, with the thread that waits for each.
    stuck: HashMap<PathBuf, Worker>,
}

impl Default for Mounts {
    fn default() -> Self {
        Mounts { statfs: |path| rustix::fs::statfs(path), worker: None, stuck: HashMap::new() }
    }
}

struct Worker {
    jobs: SyncSender<Arc<[PathBuf]>>,
    answers: Receiver<rustix::io::Result<StatFs>>,
}

impl Worker {
    fn start(statfs: Statfs) -> std::io::Result<Self> {
        let (jobs, todo) = sync_channel::<Arc<[PathBuf]>>(1);
        let (answer, answers) = sync_channel(ANSWERS);
        std::thread::Builder::new().name("node-statfs".to_string()).spawn(move || {
            while let Ok(paths) = todo.recv() {
                for path in paths.iter() {
                    if answer.send(statfs(path)).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Worker { jobs, answers })
    }
}

impl Mounts {
    /// One answer a path, in their order. Those that never hang are asked right here, without another
    /// thread. Waits at most `timeout` for each other mount point that answered until now, and not at
    /// all for those that did not.
    pub(crate) fn ask(&mut self, paths: &[(PathBuf, bool)], timeout: Duration) -> Vec<Answer> {
        // A thread that got its answer after all ends when its channels are dropped.
        self.stuck.retain(|_, worker| worker.answers.try_recv().is_err());
        let answer = |stat: rustix::io::Result<StatFs>| match stat {
            Ok(stat) => Answer::Stat(stat),
            Err(errno) => Answer::Failed(errno.into()),
        };
        let mut answers: Vec<Answer> = paths
            .iter()
            .map(|(path, never_hangs)| match never_hangs {
                true => answer((self.statfs)(path)),
                false => Answer::Stuck,
            })
            .collect();
        let may_hang =
            |at: &usize| paths.get(*at).is_some_and(|(path, never)| !never && !self.is_stuck(path));
        let mut wanted: Vec<usize> = (0..paths.len()).filter(may_hang).collect();
        while !wanted.is_empty() && self.stuck.len() < STUCK_LIMIT {
            let batch: Arc<[PathBuf]> =
                wanted.iter().filter_map(|at| Some(paths.get(*at)?.0.clone())).collect();
            let worker = match self.worker.take().map_or_else(|| Worker::start(self.statfs), Ok) {
                Ok(worker) => worker,
                Err(_) => break,
            };
            if worker.jobs.send(batch).is_err() {
                break;
            }
            let mut answered = 0;
            let outcome = loop {
                let Some(at) = wanted.get(answered) else { break Ok(()) };
                match worker.answers.recv_timeout(timeout) {
                    Ok(stat) => {
                        if let Some(known) = answers.get_mut(*at) {
                            *known = answer(stat);
                        }
                        answered += 1;
                    }
                    Err(RecvTimeoutError::Timeout) => break Err(*at),
                    Err(RecvTimeoutError::Disconnected) => return answers,
                }
            };
            match outcome {
                Ok(()) => {
                    self.worker = Some(worker);
                    break;
                }
                Err(at) => {
                    if let Some((path, _)) = paths.get(at) {
                        self.stuck.insert(path.clone(), worker);
                    }
                    // The mount points after it get a thread that does not wait.
                    wanted.drain(..=answered);
                }
            }
        }
        answers
    }

    fn is_stuck(&self, path: &Path) -> bool {
        self.stuck.contains_key(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_mount_point_costs_one_timeout_and_never_again() {
        // The thread that asks for a dead mount point never comes back.
        fn statfs(path: &Path) -> rustix::io::Result<StatFs> {
            while path == Path::new("/dead") {
                std::thread::park();
            }
            if path == Path::new("/gone") { Err(rustix::io::Errno::NOENT) } else { rustix::fs::statfs("/") }
        }
        let mut mounts = Mounts { statfs, ..Mounts::default() };
        let paths = ["/a", "/dead", "/gone", "/b"].map(|path| (PathBuf::from(path), path == "/b"));
        let shown = |answers: Vec<Answer>| {
            answers
                .iter()
                .map(|answer| match answer {
                    Answer::Stat(_) => "stat",
                    Answer::Failed(_) => "failed",
                    Answer::Stuck => "stuck",
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(shown(mounts.ask(&paths, Duration::from_millis(200))), "stat stuck failed stat");
        // With an hour's patience it would hang here if the dead one were asked again.
        assert_eq!(shown(mounts.ask(&paths, Duration::from_secs(3_600))), "stat stuck failed stat");
        assert_eq!(mounts.stuck.len(), 1);
    }
}
