//! Disks that are reached by several paths: device mapper and NVMe subsystems.

use crate::page::Page;
use crate::{Error, Run};

const SECTOR_BYTES: f64 = 512.0;

pub(super) fn device_mapper(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("block");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for sysfs_name in run.files.names(&base).iter().filter(|name| name.starts_with("dm-")) {
        let folder = base.join(sysfs_name);
        let uuid = run.files.line(&folder.join("dm/uuid")).filter(|uuid| uuid.starts_with("mpath-"));
        let Some(uuid) = uuid.map(str::to_string) else { continue };
        let missing = || Error::malformed(&folder.to_string_lossy());
        let name = run.files.line(&folder.join("dm/name")).ok_or_else(missing)?.to_string();
        let suspended = run.files.number(&folder.join("dm/suspended")).ok_or_else(missing)?;
        let sectors = run.files.number(&folder.join("size")).ok_or_else(missing)?;
        let info = [("device", name.as_str()), ("sysfs_name", sysfs_name), ("uuid", &uuid)];
        page.gauge("node_dmmultipath_device_info", "A disk with several paths.", &info, 1.0);
        let (mut paths, mut active) = (0.0, 0.0);
        for path in run.files.names(&folder.join("slaves")) {
            let state = run.files.line(&base.join(&path).join("device/state")).ok_or_else(missing)?;
            paths += 1.0;
            active += f64::from(u8::from(matches!(state, "running" | "live")));
            let labels = [("device", name.as_str()), ("path", &path), ("state", state)];
            page.gauge("node_dmmultipath_path_state", "The state of a path to a disk.", &labels, 1.0);
        }
        let labels = [("device", name.as_str()), ("sysfs_name", sysfs_name)];
        for (metric, value, help) in [
            ("active", f64::from(u8::from(suspended != 1.0)), "Whether a disk is in use, not suspended."),
            ("size_bytes", sectors * SECTOR_BYTES, "Size of a disk with several paths."),
            ("paths", paths, "Paths to a disk."),
            ("paths_active", active, "Paths to a disk that work."),
            ("paths_failed", paths - active, "Paths to a disk that do not work."),
        ] {
            page.gauge(&["node_dmmultipath_device_", metric].concat(), help, &labels, value);
        }
    }
    Ok(())
}

/// The states that are shown; all others are `unknown`.
const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

pub(super) fn nvme_subsystem(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/nvme-subsystem");
    if !run.files.is_folder(&base) {
        return Err(Error::NoData);
    }
    for name in run.files.names(&base).iter().filter(|name| name.starts_with("nvme-subsys")) {
        let folder = base.join(name);
        let mut text = |file: &str| run.files.line(&folder.join(file)).unwrap_or("").to_string();
        let (nqn, model, serial, policy) =
            (text("subsysnqn"), text("model"), text("serial"), text("iopolicy"));
        let info = [
            ("iopolicy", policy.as_str()),
            ("model", &model),
            ("nqn", &nqn),
            ("serial", &serial),
            ("subsystem", name),
        ];
        page.gauge("node_nvmesubsystem_info", "An NVMe subsystem.", &info, 1.0);
        let (mut paths, mut live) = (0.0, 0.0);
        for entry in run.files.names(&folder) {
            let Some(rest) = entry.strip_prefix("nvme").filter(|rest| !rest.is_empty()) else { continue };
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if rest.split_once('n').is_some_and(|(device, id)| is_number(device) && is_number(id)) {
                let labels = [("device", entry.as_str()), ("subsystem", name)];
                let help = "A block device of an NVMe subsystem.";
                page.gauge("node_nvmesubsystem_namespace_info", help, &labels, 1.0);
            } else if is_number(rest) {
                let folder = folder.join(&entry);
                let transport = run.files.line(&folder.join("transport")).unwrap_or("").to_string();
                let state = match run.files.line(&folder.join("state")).unwrap_or("") {
                    "deleting (no IO)" => "deleting",
                    state => STATES.into_iter().find(|known| *known == state).unwrap_or("unknown"),
                };
                paths += 1.0;
                live += f64::from(u8::from(state == "live"));
                for known in STATES {
                    let labels = [
                        ("controller", entry.as_str()),
                        ("state", known),
                        ("subsystem", name),
                        ("transport", &transport),
                    ];
                    let is_state = f64::from(u8::from(known == state));
                    let help = "The state of a path to an NVMe subsystem.";
                    page.gauge("node_nvmesubsystem_path_state", help, &labels, is_state);
                }
            }
        }
        let labels = [("subsystem", name.as_str())];
        page.gauge("node_nvmesubsystem_paths", "Paths to an NVMe subsystem.", &labels, paths);
        let help = "Paths to an NVMe subsystem that work.";
        page.gauge("node_nvmesubsystem_paths_live", help, &labels, live);
    }
    Ok(())
}
