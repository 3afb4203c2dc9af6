//! The queues in front of network devices.

use std::collections::BTreeMap;

use model::MetricType::{self, Counter, Gauge};
use serde_json::Value;

use crate::netlink::{Socket, attributes, links, text, u32_at, u64_at};
use crate::page::Page;
use crate::{Error, Run};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
/// Of `tcmsg`.
const MESSAGE_BYTES: usize = 20;
/// The parent of a queue that stands right at the device.
const ROOT: u32 = u32::MAX;
const TCA_KIND: u16 = 1;
const TCA_STATS: u16 = 3;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_PKT64: u16 = 8;

const METRICS: [(&str, MetricType, &str); 7] = [
    ("bytes_total", Counter, "Bytes sent."),
    ("packets_total", Counter, "Packets sent."),
    ("drops_total", Counter, "Packets dropped."),
    ("requeues_total", Counter, "Packets put back because the device was busy."),
    ("overlimits_total", Counter, "How often a limit held packets back."),
    ("current_queue_length", Gauge, "Packets that wait."),
    ("backlog", Gauge, "Bytes that wait."),
];

struct Queue {
    device: String,
    kind: String,
    /// In the order of [`METRICS`].
    values: [u64; 7],
}

pub(super) fn qdisc(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let queues = match &run.config.qdisc_fixtures {
        Some(folder) => recorded(run.files.text(&folder.join("results.json"))?)?,
        None => run.state.sockets.route(queues).map_err(|error| Error::read("netlink", error))?,
    };
    for queue in queues.iter().filter(|queue| run.filters.qdisc_devices.takes(&queue.device)) {
        let labels = [("device", queue.device.as_str()), ("kind", &queue.kind)];
        for ((name, metric_type, help), value) in METRICS.iter().zip(queue.values) {
            page.add(&["node_qdisc_", name].concat(), *metric_type, help, &labels, value as f64);
        }
    }
    Ok(())
}

fn queues(socket: &mut Socket) -> std::io::Result<Vec<Queue>> {
    let names: BTreeMap<u32, String> =
        links(socket)?.into_iter().map(|link| (link.index, link.name)).collect();
    let mut queues = Vec::new();
    socket.dump(RTM_GETQDISC, &[0; MESSAGE_BYTES], |kind, message| {
        if kind == RTM_NEWQDISC {
            queues.extend(read_queue(message, &names));
        }
    })?;
    Ok(queues)
}

/// A queue right at a device; queues within queues are parts of it.
fn read_queue(message: &[u8], names: &BTreeMap<u32, String>) -> Option<Queue> {
    let (link, parent) = (u32_at(message, 4)?, u32_at(message, 12)?);
    if parent != ROOT && parent != 0 {
        return None;
    }
    let mut queue = Queue { device: names.get(&link)?.clone(), kind: String::new(), values: [0; 7] };
    let mut is_new = false;
    for (kind, content) in attributes(message.get(MESSAGE_BYTES..)?) {
        let word = |at: usize| u32_at(content, at).map_or(0, u64::from);
        match kind {
            TCA_KIND => queue.kind = text(content),
            // bytes, packets, drops, overlimits, rates, length, backlog
            TCA_STATS if !is_new => {
                let bytes = u64_at(content, 0).unwrap_or(0);
                queue.values = [bytes, word(8), word(12), 0, word(16), word(28), word(32)];
            }
            TCA_STATS2 => {
                is_new = true;
                for (kind, content) in attributes(content) {
                    let word = |at: usize| u32_at(content, at).map_or(0, u64::from);
                    match kind {
                        TCA_STATS_BASIC => {
                            queue.values[0] = u64_at(content, 0).unwrap_or(0);
                            queue.values[1] = word(8);
                        }
                        TCA_STATS_PKT64 => queue.values[1] = u64_at(content, 0).unwrap_or(0),
                        // length, backlog, drops, requeues, overlimits
                        TCA_STATS_QUEUE => {
                            queue.values[2] = word(8);
                            queue.values[3] = word(12);
                            queue.values[4] = word(16);
                            queue.values[5] = word(0);
                            queue.values[6] = word(4);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(queue)
}

/// Queues from a file, for tests on machines without them.
fn recorded(text: &str) -> Result<Vec<Queue>, Error> {
    let malformed = || Error::malformed("results.json");
    let list: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    let read = |queue: &Value| {
        let keys = ["Bytes", "Packets", "Drops", "Requeues", "Overlimits", "Qlen", "Backlog"];
        Queue {
            device: queue["IfaceName"].as_str().unwrap_or("").to_string(),
            kind: queue["Kind"].as_str().unwrap_or("").to_string(),
            values: keys.map(|key| queue[key].as_u64().unwrap_or(0)),
        }
    };
    let is_root = |queue: &&Value| queue["Parent"].as_u64().unwrap_or(0) == 0;
    Ok(list.as_array().ok_or_else(malformed)?.iter().filter(is_root).map(read).collect())
}
