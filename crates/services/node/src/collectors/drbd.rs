//! DRBD: disks mirrored to another machine (`/proc/drbd`, of its version 8).

use model::MetricType::{self, Counter, Gauge};

use crate::page::Page;
use crate::{Error, Run};

/// Key, metric, and how many of its units one of the file's is.
const NUMBERS: [(&str, &str, MetricType, f64, &str); 12] = [
    ("ns", "network_sent_bytes_total", Counter, 1024.0, "Bytes sent to the other machine."),
    // In KiB like the others, but shown as it stands since ever.
    ("nr", "network_received_bytes_total", Counter, 1.0, "Received from the other machine."),
    ("dw", "disk_written_bytes_total", Counter, 1024.0, "Bytes written to the disk here."),
    ("dr", "disk_read_bytes_total", Counter, 1024.0, "Bytes read from the disk here."),
    ("al", "activitylog_writes_total", Counter, 1.0, "Updates of the activity log."),
    ("bm", "bitmap_writes_total", Counter, 1.0, "Updates of the bitmap."),
    ("lo", "local_pending", Gauge, 1.0, "Requests to the disk here that are open."),
    ("pe", "remote_pending", Gauge, 1.0, "Requests to the other machine that are open."),
    ("ua", "remote_unacknowledged", Gauge, 1.0, "Requests of the other machine that are open."),
    ("ap", "application_pending", Gauge, 1.0, "Requests to DRBD that are open."),
    ("ep", "epochs", Gauge, 1.0, "Epochs under way."),
    ("oos", "out_of_sync_bytes", Gauge, 1024.0, "Bytes that differ between the machines."),
];

pub(super) fn drbd(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let text = run.files.proc("drbd")?;
    let mut device = "unknown".to_string();
    for field in text.split_ascii_whitespace() {
        let Some((key, value)) = field.split_once(':').filter(|(_, value)| !value.contains(':')) else {
            continue;
        };
        if value.is_empty()
            && let Ok(number) = key.parse::<u64>()
        {
            device = format!("drbd{number}");
            continue;
        }
        let labels = [("device", device.as_str())];
        if let Some((_, name, metric_type, unit, help)) = NUMBERS.iter().find(|(known, ..)| *known == key) {
            let value: f64 = value.parse().map_err(|_| Error::malformed("drbd"))?;
            page.add(&["node_drbd_", name].concat(), *metric_type, help, &labels, value * unit);
            continue;
        }
        let (name, good, help) = match key {
            "ro" => ("node_drbd_node_role_is_primary", "Primary", "Whether a machine has the leading role."),
            "ds" => {
                ("node_drbd_disk_state_is_up_to_date", "UpToDate", "Whether a machine's disk is current.")
            }
            "cs" => {
                let connected = f64::from(u8::from(value == "Connected"));
                let help = "Whether the machines are connected.";
                page.gauge("node_drbd_connected", help, &labels, connected);
                continue;
            }
            _ => continue,
        };
        let Some((local, remote)) = value.split_once('/') else { return Err(Error::malformed("drbd")) };
        for (node, state) in [("local", local), ("remote", remote)] {
            let labels = [("device", device.as_str()), ("node", node)];
            page.gauge(name, help, &labels, f64::from(u8::from(state == good)));
        }
    }
    Ok(())
}
