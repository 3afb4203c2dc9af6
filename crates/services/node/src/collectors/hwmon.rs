//! Sensors: what `/sys/class/hwmon` holds, as lm-sensors shows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::MetricType;

use crate::files::number;
use crate::page::Page;
use crate::{Error, Run};

const TYPES: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// The properties of one sensor: file name after the sensor's, and content.
type Sensor = BTreeMap<String, String>;

struct Chip {
    folder: PathBuf,
    base: String,
    name_file: String,
}

pub(super) fn hwmon(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/hwmon");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    let mut chips = Vec::new();
    for entry in run.files.names(&base) {
        let folder = base.join(entry);
        if !folder.is_dir() {
            continue;
        }
        let name_file = run.files.line(&folder.join("name")).unwrap_or("").to_string();
        let Some(base) = chip_name(&folder, &name_file) else { continue };
        chips.push(Chip { folder, base, name_file });
    }
    for chip in &chips {
        // Several folders may belong to one device: then the name file or the folder tells them apart.
        let same_base = chips.iter().filter(|other| other.base == chip.base);
        let mut name = chip.base.clone();
        if same_base.clone().count() > 1 {
            let is_unique = same_base.filter(|other| other.name_file == chip.name_file).count() == 1;
            let folder = chip.folder.file_name().map_or(String::new(), |name| clean(&name.to_string_lossy()));
            let suffix = Some(clean(&chip.name_file)).filter(|suffix| is_unique && !suffix.is_empty());
            name = format!("{name}_{}", suffix.unwrap_or(folder));
        }
        if run.filters.hwmon_chips.takes(&name) {
            sensors(run, page, chip, &name);
        }
    }
    Ok(())
}

/// Lower case, with `_` for what does not belong into a metric name, and none at the ends.
fn clean(text: &str) -> String {
    let is_part = |c: char| matches!(c, 'a'..='z' | '0'..='9' | ':' | '_');
    let cleaned: String =
        text.chars().map(|c| c.to_ascii_lowercase()).map(|c| if is_part(c) { c } else { '_' }).collect();
    cleaned.trim_matches('_').to_string()
}

/// A name that stays the same from start to start: from the device's path, else from the name file.
fn chip_name(folder: &Path, name_file: &str) -> Option<String> {
    if let Ok(device) = folder.join("device").canonicalize() {
        let part = |path: Option<&Path>| {
            path.and_then(Path::file_name).map_or(String::new(), |name| clean(&name.to_string_lossy()))
        };
        let (name, kind) = (part(Some(&device)), part(device.parent()));
        if !name.is_empty() {
            return Some(if kind.is_empty() { name } else { format!("{kind}_{name}") });
        }
    }
    let name = clean(name_file);
    if !name.is_empty() {
        return Some(name);
    }
    let folder = folder.canonicalize().ok()?;
    Some(clean(&folder.file_name()?.to_string_lossy())).filter(|name| !name.is_empty())
}

/// Takes `temp1_input` apart: type, number, property.
fn split_name(file: &str) -> Option<(&str, &str, &str)> {
    let digits = file.find(|c: char| c.is_ascii_digit());
    let (kind, rest) = match digits {
        Some(at) => file.split_at(at),
        // Without a number everything is the type.
        None => (file, ""),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, property) = rest.split_at(end);
    if property.is_empty() {
        return Some((kind, number, ""));
    }
    property.strip_prefix('_').filter(|p| !p.is_empty()).map(|property| (kind, number, property))
}

fn sensors(run: &mut Run<'_>, page: &mut Page, chip: &Chip, chip_name: &str) {
    let mut sensors: BTreeMap<String, (String, Sensor)> = BTreeMap::new();
    for folder in [chip.folder.clone(), chip.folder.join("device")] {
        for file in run.files.names(&folder) {
            let Some((kind, number, property)) = split_name(&file) else { continue };
            if !TYPES.contains(&kind) {
                continue;
            }
            let Ok(content) = run.files.text(&folder.join(&file)) else { continue };
            let content = content.trim_matches('\n').to_string();
            let number: u32 = number.parse().unwrap_or(0);
            let sensor =
                sensors.entry(format!("{kind}{number}")).or_insert_with(|| (kind.to_string(), Sensor::new()));
            sensor.1.insert(property.to_string(), content);
        }
    }
    let human = clean(&chip.name_file);
    if !human.is_empty() {
        let labels = [("chip", chip_name), ("chip_name", human.as_str())];
        page.gauge("node_hwmon_chip_names", "Names of sensor chips.", &labels, 1.0);
    }
    for (name, (kind, properties)) in &sensors {
        if !run.filters.hwmon_sensors.takes(&format!("{chip_name};{name}")) {
            continue;
        }
        sensor(page, chip_name, name, kind, properties);
    }
}

fn sensor(page: &mut Page, chip: &str, name: &str, kind: &str, properties: &Sensor) {
    let labels = [("chip", chip), ("sensor", name)];
    if let Some(label) = properties.get("label") {
        let labels = [("chip", chip), ("label", label.as_str()), ("sensor", name)];
        page.gauge("node_hwmon_sensor_label", "Labels of sensors.", &labels, 1.0);
    }
    let own = properties.get("").and_then(|value| number(value));
    match kind {
        "beep_enable" => {
            let is_on = f64::from(u8::from(own == Some(1.0)));
            page.gauge("node_hwmon_beep_enabled", "Whether the chip may beep.", &labels, is_on);
            return;
        }
        "vrm" => {
            own.into_iter().for_each(|v| {
                page.gauge(
                    "node_hwmon_voltage_regulator_version",
                    "Version of the voltage regulator.",
                    &labels,
                    v,
                );
            });
            return;
        }
        "update_interval" => {
            own.into_iter().for_each(|v| {
                let help = "How often the chip measures.";
                page.gauge("node_hwmon_update_interval_seconds", help, &labels, v * 0.001);
            });
            return;
        }
        _ => {}
    }
    for (property, value) in properties {
        if property == "label" {
            continue;
        }
        let Ok(value) = value.trim().parse::<f64>() else { continue };
        let mut metric = format!("node_hwmon_{kind}");
        let is_input = property == "input";
        if is_input && properties.contains_key("") {
            metric.push_str("_input");
        } else if !is_input && !property.is_empty() {
            metric.push('_');
            metric.push_str(&clean(property));
        }
        // 1000 of most units are one, a million for power; each type has its own name of the unit.
        let (suffix, metric_type, value) = match (kind, property.as_str()) {
            (_, "fault" | "alarm") => ("", MetricType::Gauge, value),
            (_, "beep") => ("_enabled", MetricType::Gauge, value),
            ("in" | "cpu", _) => ("_volts", MetricType::Gauge, value * 0.001),
            ("temp", p) if p != "type" => ("_celsius", MetricType::Gauge, value * 0.001),
            ("curr", _) => ("_amps", MetricType::Gauge, value * 0.001),
            ("energy", _) => ("_joule_total", MetricType::Counter, value / 1_000_000.0),
            ("power", "accuracy") | ("humidity", _) => ("", MetricType::Gauge, value / 1_000_000.0),
            ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
                ("_seconds", MetricType::Gauge, value * 0.001)
            }
            ("power", _) => ("_watt", MetricType::Gauge, value / 1_000_000.0),
            ("fan", "input" | "min" | "max" | "target") => ("_rpm", MetricType::Gauge, value),
            ("freq", "input") => {
                if let Some(label) = properties.get("label") {
                    let labels = [("chip", chip), ("sensor", &clean(label))];
                    let help = "Frequencies measured by chips, in MHz.";
                    page.gauge(&format!("{metric}_freq_mhz"), help, &labels, value / 1_000_000.0);
                }
                continue;
            }
            _ => ("", MetricType::Gauge, value),
        };
        metric.push_str(suffix);
        page.add(&metric, metric_type, "What a sensor chip measures or is set to.", &labels, value);
    }
}
