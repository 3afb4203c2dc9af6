//! SELinux: whether it is on, and whether it enforces.

use crate::page::Page;
use crate::{Error, Run};

pub(super) fn selinux(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let folder = run.files.sys_path("fs/selinux");
    let enforces = run.files.number(&folder.join("enforce"));
    // Before a policy is loaded every process is the kernel's.
    let label = run.files.proc("self/attr/current").unwrap_or("");
    let is_on = enforces.is_some() && label.trim_matches(['\0', '\n', ' ']) != "kernel";
    page.gauge("node_selinux_enabled", "Whether SELinux is on.", &[], f64::from(u8::from(is_on)));
    let Some(enforces) = enforces.filter(|_| is_on) else { return Ok(()) };
    let config = run.config.paths.rootfs.join("etc/selinux/config");
    let configured = match run.files.text(&config).ok().and_then(|text| {
        text.lines().filter_map(|line| line.trim().strip_prefix("SELINUX=")).next_back().map(str::trim)
    }) {
        Some("enforcing") => 1.0,
        Some("permissive") => 0.0,
        _ => -1.0,
    };
    let help = "What SELinux shall do: 1 enforce, 0 warn, -1 nothing.";
    page.gauge("node_selinux_config_mode", help, &[], configured);
    page.gauge("node_selinux_current_mode", "Whether SELinux enforces or warns.", &[], enforces);
    Ok(())
}
