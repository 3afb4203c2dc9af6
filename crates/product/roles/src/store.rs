//! The store: opened, read in, kept in order, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock;
use tokio::sync::watch;
use tsdb::{Db, Options, Retention};

use crate::run::StartError;
use crate::settings::Settings;
use crate::store_settings::StoreSettings;

/// How often blocks are cut, merged and deleted.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// The store and whether its log has been read. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) db: Arc<Db>,
    pub(crate) replayed: Arc<AtomicBool>,
}

/// Opens the store; blocks can be asked at once, the log is read by [`Store::replay`].
pub(crate) fn open(
    settings: &Settings,
    store: &StoreSettings,
    retention: Retention,
    clock: &Clock,
) -> Result<Store, StartError> {
    let options = Options {
        retention_time_ms: retention.time_ms,
        retention_size_bytes: retention.size_bytes,
        retention_disk_percent: retention.disk_percent,
        retention_rules: retention.rules,
        out_of_order_window_ms: store.out_of_order_window_ms,
        exemplars_max: store.exemplars_max,
        start_timestamps: settings.start_timestamps,
        budgets: store.budgets.clone(),
        keeps_blocks: settings.agent.is_none(),
        unsent_max_ms: settings.agent.map_or(tsdb::UNSENT_MAX_MS, |agent| agent.retention_max_ms),
        compaction: settings.merge_blocks,
        clock: clock.clone(),
        ..Options::new(&settings.data_dir)
    };
    let (db, opened) = Db::start(options)?;
    for (path, reason) in &opened.corrupt_blocks {
        tracing::error!(path = %path.display(), reason, "a damaged block has been set aside; the others are served");
    }
    for (path, reason) in &opened.failed_blocks {
        tracing::error!(path = %path.display(), reason, "a block cannot be opened and is left out");
    }
    Ok(Store { db: Arc::new(db), replayed: Arc::new(AtomicBool::new(false)) })
}

impl Store {
    /// Reads the log. Blocks while it works.
    pub(crate) fn replay(&self) -> Result<(), StartError> {
        let replayed = self.db.replay()?;
        self.replayed.store(true, Ordering::Release);
        tracing::info!(
            series = replayed.series,
            samples = replayed.samples,
            seconds = format!("{:.3}", replayed.seconds),
            "read the write-ahead log"
        );
        Ok(())
    }

    /// Makes these the settings in force.
    pub(crate) fn configure(&self, settings: StoreSettings) {
        self.db.set_out_of_order_window(settings.out_of_order_window_ms);
        self.db.set_exemplars_max(settings.exemplars_max);
        self.db.set_xor2(settings.xor2);
        self.db.set_budgets(settings.budgets);
    }

    /// Keeps the store in order until `stop`.
    pub(crate) fn maintain(
        &self,
        clock: Clock,
        mut stop: watch::Receiver<bool>,
    ) -> tokio::task::JoinHandle<()> {
        let db = self.db.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(MAINTENANCE_INTERVAL) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                let (db, now_ms) = (db.clone(), clock.now_ms());
                let done = tokio::task::spawn_blocking(move || db.maintain(now_ms)).await;
                match done {
                    Ok(report) => {
                        for block in &report.cut {
                            tracing::info!(block, "wrote a block");
                        }
                        for block in &report.merged {
                            tracing::info!(block, "merged blocks");
                        }
                        for block in &report.picked_up {
                            tracing::info!(block, "found a new block in the directory");
                        }
                        for block in &report.deleted {
                            tracing::info!(block, "deleted a block beyond the retention");
                        }
                        for error in &report.errors {
                            tracing::error!(
                                error,
                                "maintenance of the store failed; it is tried again in a minute"
                            );
                        }
                    }
                    Err(error) => tracing::error!(%error, "maintenance of the store failed unexpectedly"),
                }
            }
        })
    }
}
