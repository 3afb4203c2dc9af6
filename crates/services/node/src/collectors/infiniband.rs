//! InfiniBand and RDMA over Ethernet (`/sys/class/infiniband`).

use std::path::Path;

use crate::page::Page;
use crate::{Error, Run};

/// What a port counts: folder, file, metric, units in one of the file's.
const COUNTERS: [(&str, &str, &str, u64); 58] = [
    ("counters_ext", "port_multicast_rcv_packets", "legacy_multicast_packets_received_total", 1),
    ("counters_ext", "port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total", 1),
    ("counters_ext", "port_rcv_data_64", "legacy_data_received_bytes_total", 4),
    ("counters_ext", "port_rcv_packets_64", "legacy_packets_received_total", 1),
    ("counters_ext", "port_unicast_rcv_packets", "legacy_unicast_packets_received_total", 1),
    ("counters_ext", "port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total", 1),
    ("counters_ext", "port_xmit_data_64", "legacy_data_transmitted_bytes_total", 4),
    ("counters_ext", "port_xmit_packets_64", "legacy_packets_transmitted_total", 1),
    ("counters", "excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total", 1),
    ("counters", "link_downed", "link_downed_total", 1),
    ("counters", "link_error_recovery", "link_error_recovery_total", 1),
    ("counters", "local_link_integrity_errors", "local_link_integrity_errors_total", 1),
    ("counters", "multicast_rcv_packets", "multicast_packets_received_total", 1),
    ("counters", "multicast_xmit_packets", "multicast_packets_transmitted_total", 1),
    ("counters", "port_rcv_constraint_errors", "port_constraint_errors_received_total", 1),
    ("counters", "port_xmit_constraint_errors", "port_constraint_errors_transmitted_total", 1),
    // The hardware counts in words of four bytes.
    ("counters", "port_rcv_data", "port_data_received_bytes_total", 4),
    ("counters", "port_xmit_data", "port_data_transmitted_bytes_total", 4),
    ("counters", "port_rcv_discards", "port_discards_received_total", 1),
    ("counters", "port_xmit_discards", "port_discards_transmitted_total", 1),
    ("counters", "port_rcv_errors", "port_errors_received_total", 1),
    ("counters", "port_rcv_packets", "port_packets_received_total", 1),
    ("counters", "port_xmit_packets", "port_packets_transmitted_total", 1),
    ("counters", "port_xmit_wait", "port_transmit_wait_total", 1),
    ("counters", "unicast_rcv_packets", "unicast_packets_received_total", 1),
    ("counters", "unicast_xmit_packets", "unicast_packets_transmitted_total", 1),
    ("counters", "port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total", 1),
    ("counters", "port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total", 1),
    ("counters", "symbol_error", "symbol_error_total", 1),
    ("counters", "VL15_dropped", "vl15_dropped_total", 1),
    ("hw_counters", "duplicate_request", "duplicate_requests_packets_total", 1),
    ("hw_counters", "implied_nak_seq_err", "implied_nak_seq_errors_total", 1),
    ("hw_counters", "local_ack_timeout_err", "local_ack_timeout_errors_total", 1),
    ("hw_counters", "np_cnp_sent", "np_cnp_packets_sent_total", 1),
    ("hw_counters", "np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received_total", 1),
    ("hw_counters", "out_of_buffer", "out_of_buffer_drops_total", 1),
    ("hw_counters", "out_of_sequence", "out_of_sequence_packets_received_total", 1),
    ("hw_counters", "packet_seq_err", "packet_sequence_errors_total", 1),
    ("hw_counters", "req_cqe_error", "req_cqes_errors_total", 1),
    ("hw_counters", "req_cqe_flush_error", "req_cqes_flush_errors_total", 1),
    ("hw_counters", "req_remote_access_errors", "req_remote_access_errors_total", 1),
    ("hw_counters", "req_remote_invalid_request", "req_remote_invalid_request_errors_total", 1),
    ("hw_counters", "resp_cqe_error", "resp_cqes_errors_total", 1),
    ("hw_counters", "resp_cqe_flush_error", "resp_cqes_flush_errors_total", 1),
    ("hw_counters", "resp_local_length_error", "resp_local_length_errors_total", 1),
    ("hw_counters", "resp_remote_access_errors", "resp_remote_access_errors_total", 1),
    ("hw_counters", "rnr_nak_retry_err", "rnr_nak_retry_packets_received_total", 1),
    ("hw_counters", "roce_adp_retrans", "roce_adp_retransmits_total", 1),
    ("hw_counters", "roce_adp_retrans_to", "roce_adp_retransmits_timeout_total", 1),
    ("hw_counters", "roce_slow_restart", "roce_slow_restart_used_total", 1),
    ("hw_counters", "roce_slow_restart_cnps", "roce_slow_restart_cnps_total", 1),
    ("hw_counters", "roce_slow_restart_trans", "roce_slow_restart_total", 1),
    ("hw_counters", "rp_cnp_handled", "rp_cnp_packets_handled_total", 1),
    ("hw_counters", "rp_cnp_ignored", "rp_cnp_ignored_packets_received_total", 1),
    ("hw_counters", "rx_atomic_requests", "rx_atomic_requests_total", 1),
    ("hw_counters", "rx_dct_connect", "rx_dct_connect_requests_total", 1),
    ("hw_counters", "rx_read_requests", "rx_read_requests_total", 1),
    ("hw_counters", "rx_write_requests", "rx_write_requests_total", 1),
];

/// 1 Gb/s in bytes.
const GIGABIT_BYTES: f64 = 125_000_000.0;

pub(super) fn infiniband(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/infiniband");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for device in run.files.names(&base) {
        if !run.filters.infiniband_devices.takes(&device) {
            continue;
        }
        let folder = base.join(&device);
        let mut text = |file: &str| run.files.line(&folder.join(file)).unwrap_or("").to_string();
        let (board, firmware, kind) = (text("board_id"), text("fw_ver"), text("hca_type"));
        let info = [
            ("board_id", board.as_str()),
            ("device", &device),
            ("firmware_version", &firmware),
            ("hca_type", &kind),
        ];
        page.gauge("node_infiniband_info", "What an InfiniBand device is.", &info, 1.0);
        for port in run.files.names(&folder.join("ports")) {
            self::port(run, page, &device, &port, &folder.join("ports").join(&port))?;
        }
    }
    Ok(())
}

fn port(run: &mut Run<'_>, page: &mut Page, device: &str, port: &str, folder: &Path) -> Result<(), Error> {
    let malformed = || Error::malformed(&folder.to_string_lossy());
    let labels = [("device", device), ("port", port)];
    for (file, metric, help) in [
        ("state", "node_infiniband_state_id", "The logical state of a port: 1 down to 4 active."),
        ("phys_state", "node_infiniband_physical_state_id", "The physical state of a port: 5 is up."),
    ] {
        // "4: ACTIVE"
        let state = run.files.line(&folder.join(file)).and_then(|text| text.split_once(':'));
        let state = state.and_then(|(id, _)| id.trim().parse::<u32>().ok()).ok_or_else(malformed)?;
        page.gauge(metric, help, &labels, f64::from(state));
    }
    // "40 Gb/sec (4X QDR)", "2.5 Gb/sec (1X SDR)"
    let rate = run.files.line(&folder.join("rate")).and_then(|text| text.split_once(' '));
    let rate = rate.and_then(|(gigabits, _)| gigabits.parse::<f64>().ok()).ok_or_else(malformed)?;
    let help = "The highest rate of a port, in bytes.";
    page.gauge("node_infiniband_rate_bytes_per_second", help, &labels, (rate * GIGABIT_BYTES).trunc());
    let mut count = |folder_name: &str, file: &str| {
        // Counters without hardware behind them say "N/A (no PMA)" or refuse to be read.
        run.files.line(&folder.join(folder_name).join(file))?.parse::<u64>().ok()
    };
    if let Some(ms) = count("hw_counters", "lifespan") {
        let help = "How long the hardware may answer with counts it has read before.";
        page.gauge("node_infiniband_lifespan_seconds", help, &labels, (ms / 1000) as f64);
    }
    for (folder_name, file, metric, unit) in COUNTERS {
        if let Some(value) = count(folder_name, file) {
            let name = ["node_infiniband_", metric].concat();
            let value = value.wrapping_mul(unit) as f64;
            page.counter(&name, "What an InfiniBand port counts.", &labels, value);
        }
    }
    Ok(())
}
