//! Heat, batteries, watchdogs, memory errors.

use crate::page::{Page, name_part};
use crate::{Error, Run};

pub(super) fn thermal_zone(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/thermal");
    // No zone is nothing special: virtual machines have none.
    for name in run.files.names(&base) {
        let folder = base.join(&name);
        let Some(kind) = run.files.line(&folder.join("type")).map(str::to_string) else { continue };
        if let Some(zone) = name.strip_prefix("thermal_zone") {
            // Temperatures may be below zero.
            let temp = run.files.line(&folder.join("temp")).and_then(|text| text.parse::<f64>().ok());
            let Some(temp) = temp else { continue };
            let labels = [("type", kind.as_str()), ("zone", zone)];
            page.gauge(
                "node_thermal_zone_temp",
                "Temperature of a zone, in degrees Celsius.",
                &labels,
                temp / 1000.0,
            );
        } else if let Some(device) = name.strip_prefix("cooling_device") {
            let labels = [("name", device), ("type", kind.as_str())];
            for (file, metric, help) in [
                ("cur_state", "node_cooling_device_cur_state", "How much a device cools now."),
                ("max_state", "node_cooling_device_max_state", "How much a device can cool."),
            ] {
                if let Some(state) = run.files.number(&folder.join(file)) {
                    page.gauge(metric, help, &labels, state);
                }
            }
        }
    }
    Ok(())
}

/// Files of a power supply with numbers: file, metric, how many of its units are one.
const SUPPLY_FILES: [(&str, &str, f64); 49] = [
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("cycle_count", "cyclecount", 1.0),
    ("online", "online", 1.0),
    ("present", "present", 1.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    ("constant_charge_current_max", "constant_charge_current_max", 1e6),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    ("constant_charge_voltage_max", "constant_charge_voltage_max", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("power_now", "power_watt", 1e6),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
];

pub(super) fn power_supply(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/power_supply");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for supply in run.files.names(&base) {
        if !run.filters.power_supplies.takes(&supply) {
            continue;
        }
        let folder = base.join(&supply);
        for (file, metric, unit) in SUPPLY_FILES {
            let value = run.files.line(&folder.join(file)).and_then(|text| text.parse::<i64>().ok());
            if let Some(value) = value {
                let name = ["node_power_supply_", metric].concat();
                let help = "A property of a power supply.";
                page.gauge(&name, help, &[("power_supply", &supply)], value as f64 / unit);
            }
        }
        let mut labels: Vec<(&str, String)> = Vec::new();
        for file in [
            "capacity_level",
            "charge_type",
            "health",
            "manufacturer",
            "model_name",
            "power_supply",
            "scope",
            "serial_number",
            "status",
            "technology",
            "type",
            "usb_type",
        ] {
            let value = match file {
                "power_supply" => supply.clone(),
                file => run.files.line(&folder.join(file)).unwrap_or("").to_string(),
            };
            if !value.is_empty() {
                labels.push((file, value));
            }
        }
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        page.gauge("node_power_supply_info", "What a power supply is.", &labels, 1.0);
    }
    Ok(())
}

pub(super) fn watchdog(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/watchdog");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for name in run.files.names(&base) {
        let folder = base.join(&name);
        for (file, metric, help) in [
            ("bootstatus", "node_watchdog_bootstatus", "What the watchdog says about the last start."),
            ("fw_version", "node_watchdog_fw_version", "Firmware of the watchdog."),
            ("nowayout", "node_watchdog_nowayout", "Whether the watchdog cannot be stopped."),
            ("timeleft", "node_watchdog_timeleft_seconds", "Time until the watchdog acts."),
            ("timeout", "node_watchdog_timeout_seconds", "Time the watchdog waits."),
            ("pretimeout", "node_watchdog_pretimeout_seconds", "Time before it acts at which it warns."),
            ("access_cs0", "node_watchdog_access_cs0", "Whether the first boot source is reachable."),
        ] {
            if let Some(value) = run.files.number(&folder.join(file)) {
                page.gauge(metric, help, &[("name", &name)], value);
            }
        }
        let mut text = |file: &str| run.files.line(&folder.join(file)).unwrap_or("").to_string();
        let (identity, options, governor) = (text("identity"), text("options"), text("pretimeout_governor"));
        let (state, status) = (text("state"), text("status"));
        let labels = [
            ("identity", identity.as_str()),
            ("name", &name),
            ("options", &options),
            ("pretimeout_governor", &governor),
            ("state", &state),
            ("status", &status),
        ];
        page.gauge("node_watchdog_info", "What a watchdog is.", &labels, 1.0);
    }
    Ok(())
}

pub(super) fn edac(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("devices/system/edac/mc");
    let numbered = |name: &str, prefix: &str| {
        name.strip_prefix(prefix).filter(|n| n.bytes().all(|b| b.is_ascii_digit())).map(str::to_string)
    };
    let rows = [
        ("ce", "node_edac_csrow_correctable_errors_total", "Memory errors corrected in a row."),
        ("ue", "node_edac_csrow_uncorrectable_errors_total", "Memory errors not corrected in a row."),
    ];
    for entry in run.files.names(&base) {
        let Some(controller) = numbered(&entry, "mc") else { continue };
        let folder = base.join(&entry);
        for (kind, name, help) in [
            ("ce", "node_edac_correctable_errors_total", "Memory errors corrected."),
            ("ue", "node_edac_uncorrectable_errors_total", "Memory errors not corrected."),
        ] {
            if let Some(count) = run.files.number(&folder.join(format!("{kind}_count"))) {
                page.counter(name, help, &[("controller", &controller)], count);
            }
        }
        for (kind, name, help) in rows {
            if let Some(count) = run.files.number(&folder.join(format!("{kind}_noinfo_count"))) {
                page.counter(name, help, &[("controller", &controller), ("csrow", "unknown")], count);
            }
        }
        for entry in run.files.names(&folder) {
            let Some(row) = numbered(&entry, "csrow") else { continue };
            let folder = folder.join(&entry);
            for (kind, name, help) in rows {
                if let Some(count) = run.files.number(&folder.join(format!("{kind}_count"))) {
                    page.counter(name, help, &[("controller", &controller), ("csrow", &row)], count);
                }
            }
            for file in run.files.names(&folder) {
                let channel = file.strip_suffix("_ce_count").and_then(|name| numbered(name, "ch"));
                let Some(channel) = channel else { continue };
                let label =
                    run.files.line(&folder.join(format!("ch{channel}_dimm_label"))).unwrap_or("unknown");
                // `mc#0csrow#0channel#0` becomes `mc0_csrow0_channel0`.
                let label = label.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel");
                let labels = [
                    ("channel", channel.as_str()),
                    ("controller", &controller),
                    ("csrow", &row),
                    ("dimm_label", &label),
                ];
                for (kind, name, help) in [
                    (
                        "ce",
                        "node_edac_channel_correctable_errors_total",
                        "Memory errors corrected in a channel.",
                    ),
                    (
                        "ue",
                        "node_edac_channel_uncorrectable_errors_total",
                        "Memory errors not corrected in a channel.",
                    ),
                ] {
                    if let Some(count) = run.files.number(&folder.join(format!("ch{channel}_{kind}_count"))) {
                        page.counter(name, help, &labels, count);
                    }
                }
            }
        }
    }
    Ok(())
}

pub(super) fn rapl(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/powercap");
    let zones = run.files.names(&base);
    if zones.is_empty() {
        return Err(Error::NoData);
    }
    let mut seen: Vec<String> = Vec::new();
    for zone in zones {
        let folder = base.join(&zone);
        // The folder of the driver itself has no name.
        let Some(name) = run.files.line(&folder.join("name")).map(str::to_string) else { continue };
        // Only root may read how much energy was used.
        let energy = run.files.number(&folder.join("energy_uj")).ok_or(Error::NoData)?;
        let numbered = name.rsplit_once('-').filter(|(_, index)| index.parse::<u32>().is_ok());
        let (kind, index) = match numbered {
            Some((kind, index)) => (kind.to_string(), index.to_string()),
            None => (name.clone(), seen.iter().filter(|other| **other == name).count().to_string()),
        };
        seen.push(name);
        let path = folder.to_string_lossy();
        let joules = energy / 1e6;
        let help = "Energy used, in joules.";
        if run.config.rapl_zone_label {
            let labels = [("index", index.as_str()), ("path", &*path), ("rapl_zone", &kind)];
            page.counter("node_rapl_joules_total", help, &labels, joules);
        } else {
            let metric = ["node_rapl_", &name_part(&kind), "_joules_total"].concat();
            page.counter(&metric, help, &[("index", &index), ("path", &path)], joules);
        }
    }
    Ok(())
}
