//! What the store is told: how late samples may be, how many exemplars and series it holds.

use config::{Fields, Node};
use tsdb::{Budgets, EXEMPLARS_MAX_DEFAULT};

use crate::prometheus_file::Storage;

/// Bytes of memory that stand for one series when the number of series follows from the memory.
const BYTES_PER_SERIES: u64 = 1 << 10;
/// No machine gets a smaller budget than this, and none a larger one unless it is told.
const SERIES_MAX_RANGE: (u64, u64) = (100_000, 20_000_000);
/// The share of all series that one group may have unless it is told, in percent: so none takes all.
const GROUP_SHARE_PERCENT: usize = 80;

/// Settings of the store that a reload can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// How far behind the newest sample one may be that is older than the last of its series; 0 for not
    /// at all.
    pub out_of_order_window_ms: i64,
    /// Exemplars that are kept; 0 for none.
    pub exemplars_max: usize,
    /// Whether floats in new blocks are encoded as XOR2, which Prometheus reads from 3.11 on.
    pub xor2: bool,
    /// How many series there may be and what their labels may be like.
    pub budgets: Budgets,
}

impl Default for StoreSettings {
    fn default() -> Self {
        let mut budgets = Budgets { series_max: series_max_of_memory(memory_bytes()), ..Budgets::default() };
        budgets.group_series_max = budgets.series_max / 100 * GROUP_SHARE_PERCENT;
        StoreSettings {
            out_of_order_window_ms: 0,
            exemplars_max: EXEMPLARS_MAX_DEFAULT,
            xor2: false,
            budgets,
        }
    }
}

impl StoreSettings {
    /// The keys of a `promontory.yml` that are read here.
    pub(crate) const FILE_KEYS: [&str; 3] = ["out_of_order_window", "exemplars_max", "series"];

    /// Takes over what a `promontory.yml` says.
    pub(crate) fn decode(&mut self, fields: &mut Fields<'_>) -> config::Result<()> {
        let count = |node: &Node| Ok(usize::try_from(node.unsigned()?).unwrap_or(usize::MAX));
        let size = |node: &Node| Ok(usize::try_from(node.bytes()?).unwrap_or(usize::MAX));
        self.out_of_order_window_ms =
            fields.or("out_of_order_window", self.out_of_order_window_ms, Node::duration_ms)?;
        self.exemplars_max = fields.or("exemplars_max", self.exemplars_max, count)?;
        let Some(node) = fields.take("series") else { return Ok(()) };
        let mut series = node.fields("series")?;
        let budgets = &mut self.budgets;
        if let Some(max) = series.optional("max", count)? {
            budgets.series_max = max;
            budgets.group_series_max = max / 100 * GROUP_SHARE_PERCENT;
        }
        budgets.group_label = series.or("group_by", budgets.group_label.clone(), |node| {
            let label = node.string()?;
            match label.is_empty() {
                true => Err(node.error("expected the name of a label, found nothing")),
                false => Ok(label),
            }
        })?;
        budgets.group_series_max = series.or("max_per_group", budgets.group_series_max, count)?;
        budgets.labels_max = series.or("labels_max", budgets.labels_max, count)?;
        budgets.label_name_max_bytes =
            series.or("label_name_max_size", budgets.label_name_max_bytes, size)?;
        budgets.label_value_max_bytes =
            series.or("label_value_max_size", budgets.label_value_max_bytes, size)?;
        series.finish()
    }

    /// With what a `prometheus.yml` says, which goes before the rest.
    pub(crate) fn with_prometheus(mut self, storage: Option<&Storage>) -> Self {
        if let Some(storage) = storage {
            if storage.out_of_order_time_window_ms > 0 {
                self.out_of_order_window_ms = storage.out_of_order_time_window_ms;
            }
            if let Some(max) = storage.exemplars_max {
                // Less than none is none.
                self.exemplars_max = usize::try_from(max).unwrap_or(0);
            }
            self.xor2 = storage.xor2.unwrap_or(self.xor2);
        }
        self
    }
}

/// What this process may take: the limit of its control group, or what the machine has.
fn memory_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let limit = |text: String| text.trim().parse::<u64>().ok();
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = groups.into_iter().find_map(|path| read(path).and_then(limit));
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
    });
    group.unwrap_or(u64::MAX).min(machine.unwrap_or(u64::MAX))
}

fn series_max_of_memory(bytes: u64) -> usize {
    (bytes / BYTES_PER_SERIES).clamp(SERIES_MAX_RANGE.0, SERIES_MAX_RANGE.1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> config::Result<StoreSettings> {
        let root = Node::parse(text)?;
        let mut fields = root.fields("promontory.yml")?;
        let mut settings = StoreSettings::default();
        settings.decode(&mut fields)?;
        fields.finish()?;
        Ok(settings)
    }

    #[test]
    fn the_file_sets_what_it_names() {
        let settings = decode(
            "out_of_order_window: 30m\n\
             exemplars_max: 5\n\
             series: {max: 1000, group_by: tenant, labels_max: 30, label_value_max_size: 1KB}\n",
        )
        .unwrap();
        assert_eq!((settings.out_of_order_window_ms, settings.exemplars_max), (1_800_000, 5));
        let budgets = settings.budgets;
        assert_eq!((budgets.series_max, budgets.group_series_max), (1_000, 800), "a share of all");
        assert_eq!((budgets.group_label.as_str(), budgets.labels_max), ("tenant", 30));
        assert_eq!(budgets.label_value_max_bytes, 1_024);
        assert_eq!(decode("series: {max: 10, max_per_group: 0}\n").unwrap().budgets.group_series_max, 0);
        let error = decode("series: {group_by: ''}\n").unwrap_err().to_string();
        assert!(error.contains("1:20") || error.contains("name of a label"), "{error}");
    }

    #[test]
    fn a_prometheus_yml_goes_first() {
        let storage = Storage {
            out_of_order_time_window_ms: 5,
            exemplars_max: Some(-1),
            xor2: Some(true),
            ..Storage::default()
        };
        let settings = StoreSettings::default().with_prometheus(Some(&storage));
        assert_eq!((settings.out_of_order_window_ms, settings.exemplars_max, settings.xor2), (5, 0, true));
        assert_eq!(StoreSettings::default().with_prometheus(None), StoreSettings::default());
    }

    #[test]
    fn the_number_of_series_follows_from_the_memory() {
        assert_eq!(series_max_of_memory(2 << 30), 2 << 20);
        assert_eq!(series_max_of_memory(0), 100_000);
        assert_eq!(series_max_of_memory(u64::MAX), 20_000_000);
        assert!(memory_bytes() > 64 << 20);
    }
}
