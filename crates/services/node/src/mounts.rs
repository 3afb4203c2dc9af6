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

#[derive(Default)]
pub(crate) struct Mounts {
    worker: Option<Worker>,
    /// Mount points that do not answer, with the thread that waits for each.
    stuck: HashMap<PathBuf, Worker>,
}

struct Worker {
    jobs: SyncSender<Arc<[PathBuf]>>,
    answers: Receiver<rustix::io::Result<StatFs>>,
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let (jobs, todo) = sync_channel::<Arc<[PathBuf]>>(1);
        let (answer, answers) = sync_channel(ANSWERS);
        std::thread::Builder::new().name("node-statfs".to_string()).spawn(move || {
            while let Ok(paths) = todo.recv() {
                for path in paths.iter() {
                    if answer.send(rustix::fs::statfs(path.as_path())).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Worker { jobs, answers })
    }
}

impl Mounts {
    /// One answer a path, in their order. Waits at most `timeout` for each mount point that
    /// answered until now, and not at all for those that did not.
    pub(crate) fn ask(&mut self, paths: &[PathBuf], timeout: Duration) -> Vec<Answer> {
        // A thread that got its answer after all ends when its channels are dropped.
        self.stuck.retain(|_, worker| worker.answers.try_recv().is_err());
        let mut answers: Vec<Answer> = paths.iter().map(|_| Answer::Stuck).collect();
        let mut wanted: Vec<usize> =
            (0..paths.len()).filter(|at| paths.get(*at).is_some_and(|p| !self.is_stuck(p))).collect();
        while !wanted.is_empty() && self.stuck.len() < STUCK_LIMIT {
            let batch: Arc<[PathBuf]> = wanted.iter().filter_map(|at| paths.get(*at).cloned()).collect();
            let worker = match self.worker.take().map_or_else(Worker::start, Ok) {
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
                        if let Some(answer) = answers.get_mut(*at) {
                            *answer = match stat {
                                Ok(stat) => Answer::Stat(stat),
                                Err(errno) => Answer::Failed(errno.into()),
                            };
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
                    if let Some(path) = paths.get(at) {
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
