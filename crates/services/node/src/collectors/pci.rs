//! PCI devices (`/sys/bus/pci/devices`), with names from `pci.ids` if wanted.

use std::collections::BTreeMap;
use std::path::Path;

use crate::page::Page;
use crate::{Error, Run};

/// Where distributions keep the list of names.
const IDS_FILES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

const POWER_STATES: [&str; 7] = ["D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error"];

/// Names of vendors (`1022`), devices (`1022:1634`), devices as built in (`1022:1634:17aa:5095`) and
/// classes (`C06`, `C0604`, `C060400`).
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

pub(super) fn pcidevice(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("bus/pci/devices");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    if run.config.pci_names && run.state.pci_names.is_none() {
        run.state.pci_names = Some(names(run));
    }
    for device in run.files.names(&base) {
        self::device(run, page, &base.join(device))?;
    }
    Ok(())
}

/// Segment, bus, device and function of `0000:00:02.1`.
fn location(name: &str) -> Option<[String; 4]> {
    let (front, function) = name.rsplit_once('.')?;
    let mut parts = front.split(':');
    let (segment, bus, device) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    if parts.next().is_some() {
        return None;
    }
    Some([
        format!("{:04x}", number(segment)?),
        format!("{:02x}", number(bus)?),
        format!("{:02x}", number(device)?),
        format!("{:x}", number(function)?),
    ])
}

fn device(run: &mut Run<'_>, page: &mut Page, path: &Path) -> Result<(), Error> {
    let malformed = || Error::malformed(&path.to_string_lossy());
    // The link leads through the bridges: ../../../devices/pci0000:00/0000:00:02.5/0000:04:00.0
    let target = std::fs::read_link(path).map_err(|error| Error::read(&path.to_string_lossy(), error))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map_or(String::new(), |name| name.to_string_lossy().into_owned())
    };
    let place = location(&name(Some(&target))).ok_or_else(malformed)?;
    let parent = name(target.parent());
    let parent = if parent.starts_with("pci") {
        ["*"; 4].map(str::to_string)
    } else {
        location(&parent).ok_or_else(malformed)?
    };
    let mut hex = |file: &str| {
        let text = run.files.line(&path.join(file))?;
        u32::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
    };
    let mut id = |file: &str| hex(file).ok_or_else(malformed);
    let class = format!("0x{:06x}", id("class")?);
    let vendor = format!("0x{:04x}", id("vendor")?);
    let model = format!("0x{:04x}", id("device")?);
    let sub_vendor = format!("0x{:04x}", id("subsystem_vendor")?);
    let sub_model = format!("0x{:04x}", id("subsystem_device")?);
    let revision = format!("0x{:02x}", id("revision")?);
    let [segment, bus, slot, function] = &place;
    let names = run.state.pci_names.as_ref().map(|names| {
        let key = |text: &str| text.trim_start_matches("0x").to_string();
        let (v, d, sv, sd, c) = (key(&vendor), key(&model), key(&sub_vendor), key(&sub_model), key(&class));
        let find = |key: String| names.0.get(&key).cloned();
        [
            ("class_name", class_name(names, &c)),
            ("device_name", find(format!("{v}:{d}")).unwrap_or_else(|| d.clone())),
            ("subsystem_device_name", find(format!("{v}:{d}:{sv}:{sd}")).unwrap_or(sd)),
            ("subsystem_vendor_name", find(sv.clone()).unwrap_or(sv)),
            ("vendor_name", find(v.clone()).unwrap_or(v)),
        ]
    });
    let mut info = vec![
        ("bus", bus.as_str()),
        ("class_id", &class),
        ("device", slot),
        ("device_id", &model),
        ("function", function),
        ("parent_bus", &parent[1]),
        ("parent_device", &parent[2]),
        ("parent_function", &parent[3]),
        ("parent_segment", &parent[0]),
        ("revision", &revision),
        ("segment", segment),
        ("subsystem_device_id", &sub_model),
        ("subsystem_vendor_id", &sub_vendor),
        ("vendor_id", &vendor),
    ];
    if let Some(names) = &names {
        info.extend(names.iter().map(|(label, name)| (*label, name.as_str())));
        info.sort_unstable();
    }
    page.gauge("node_pcidevice_info", "What a PCI device is.", &info, 1.0);

    let labels = [("bus", bus.as_str()), ("device", slot), ("function", function), ("segment", segment)];
    // Bridges may know no link: -1.
    let mut link = |file: &str| {
        let text = run.files.line(&path.join(file))?;
        Some(text.to_string()).filter(|text| !text.is_empty() && !text.starts_with("Unknown"))
    };
    for (file, metric) in [
        ("max_link_speed", "node_pcidevice_max_link_transfers_per_second"),
        ("current_link_speed", "node_pcidevice_current_link_transfers_per_second"),
    ] {
        let speed = match link(file) {
            // "8.0 GT/s PCIe"
            Some(text) => {
                let number =
                    text.strip_suffix(" GT/s PCIe").and_then(|number| number.trim().parse::<f64>().ok());
                number.ok_or_else(malformed)? * 1e9
            }
            None => -1.0,
        };
        page.gauge(metric, "Transfers a second of a link: the most, and now.", &labels, speed);
    }
    for (file, metric) in [
        ("max_link_width", "node_pcidevice_max_link_width"),
        ("current_link_width", "node_pcidevice_current_link_width"),
    ] {
        let width = match link(file) {
            Some(text) => text.parse::<i64>().map_err(|_| malformed())? as f64,
            None => -1.0,
        };
        page.gauge(metric, "Lanes of a link: the most, and now.", &labels, width);
    }
    for (file, metric, help) in [
        ("d3cold_allowed", "d3cold_allowed", "Whether a device may be switched off."),
        ("sriov_drivers_autoprobe", "sriov_drivers_autoprobe", "Whether virtual functions get drivers."),
        ("sriov_numvfs", "sriov_numvfs", "Virtual functions in use."),
        ("sriov_totalvfs", "sriov_totalvfs", "Virtual functions a device can have."),
        ("sriov_vf_total_msix", "sriov_vf_total_msix", "Interrupt vectors for virtual functions."),
    ] {
        let mut value = match link(file) {
            Some(text) => text.parse::<u64>().map_err(|_| malformed())? as f64,
            None => 0.0,
        };
        if matches!(file, "d3cold_allowed" | "sriov_drivers_autoprobe") {
            value = f64::from(u8::from(value != 0.0));
        }
        page.gauge(&["node_pcidevice_", metric].concat(), help, &labels, value);
    }
    if let Some(node) = run.files.line(&path.join("numa_node")).and_then(|text| text.parse::<i32>().ok())
        && node != -1
    {
        page.gauge("node_pcidevice_numa_node", "The NUMA node of a device.", &labels, f64::from(node));
    }
    let state = run.files.line(&path.join("power_state")).filter(|state| !state.is_empty());
    if let Some(state) = state {
        for known in POWER_STATES {
            let labels = [labels[0], labels[1], labels[2], labels[3], ("state", known)];
            let is_state = f64::from(u8::from(state == known));
            page.gauge("node_pcidevice_power_state", "The power state of a device.", &labels, is_state);
        }
    }
    Ok(())
}

fn class_name(names: &Names, class: &str) -> String {
    let find = |digits: usize| names.0.get(&["C", class.get(..digits)?].concat()).cloned();
    find(6).or_else(|| find(4)).or_else(|| find(2)).unwrap_or_else(|| format!("Unknown class ({class})"))
}

fn names(run: &mut Run<'_>) -> Names {
    let text = match &run.config.pci_ids_file {
        Some(file) => run.files.text(file).ok(),
        None => {
            let file = IDS_FILES.into_iter().find(|file| Path::new(file).is_file());
            file.and_then(|file| run.files.text(Path::new(file)).ok())
        }
    };
    parse_names(text.unwrap_or(""))
}

/// The list has vendors, behind one tab their devices, behind two those as others build them in; and
/// likewise classes, marked with a `C`.
fn parse_names(text: &str) -> Names {
    let mut names = Names::default();
    let (mut first, mut second) = (String::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let depth = line.bytes().take_while(|byte| *byte == b'\t').count();
        let Some((id, name)) = line.trim_start_matches('\t').split_once("  ") else { continue };
        let (id, name) = (id.trim(), name.trim().to_string());
        let is_class = first.starts_with('C');
        let key = match depth {
            0 => {
                first = id.strip_prefix("C ").map_or(id.to_string(), |class| format!("C{}", class.trim()));
                second.clear();
                first.clone()
            }
            1 if first.is_empty() => continue,
            1 => {
                second = if is_class { format!("{first}{id}") } else { format!("{first}:{id}") };
                second.clone()
            }
            2 if !second.is_empty() && is_class => format!("{second}{id}"),
            2 if !second.is_empty() => match id.split_once(' ') {
                Some((vendor, device)) => format!("{second}:{}:{}", vendor.trim(), device.trim()),
                None => continue,
            },
            _ => continue,
        };
        names.0.insert(key, name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_vendors_and_devices_get_the_nearest_name_there_is() {
        let names = parse_names(
            "# comment\nC 01  Storage\n\t08  Flash\n\t\t02  NVM Express\n\n1022  Vendor [V]\n\t1634  Bridge\n\
             \t\t17aa 5095  As built in\n",
        );
        for (class, name) in [("010802", "NVM Express"), ("010801", "Flash"), ("010500", "Storage")] {
            assert_eq!(class_name(&names, class), name);
        }
        assert_eq!(class_name(&names, "020000"), "Unknown class (020000)");
        for (key, name) in
            [("1022", "Vendor [V]"), ("1022:1634", "Bridge"), ("1022:1634:17aa:5095", "As built in")]
        {
            assert_eq!(names.0.get(key).map(String::as_str), Some(name));
        }
    }
}
