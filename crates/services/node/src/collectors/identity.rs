//! What the machine and its system are.

use std::collections::BTreeMap;

use crate::page::Page;
use crate::{Error, Run};

pub(super) fn uname(_: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (domain, machine, node) = (text(uname.domainname()), text(uname.machine()), text(uname.nodename()));
    let (release, system, version) = (text(uname.release()), text(uname.sysname()), text(uname.version()));
    let labels = [
        ("domainname", domain.as_str()),
        ("machine", &machine),
        ("nodename", &node),
        ("release", &release),
        ("sysname", &system),
        ("version", &version),
    ];
    page.gauge("node_uname_info", "What uname(2) says.", &labels, 1.0);
    Ok(())
}

pub(super) fn os(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let root = run.config.paths.rootfs.clone();
    let path = ["etc/os-release", "usr/lib/os-release"].map(|path| root.join(path));
    let path = path.iter().find(|path| path.exists()).ok_or(Error::NoData)?;
    let text = run.files.text(path)?;
    let fields: BTreeMap<&str, String> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.trim().split_once('='))
        .map(|(name, value)| (name, unquote(value)))
        .collect();
    let get = |name: &str| fields.get(name).map_or("", String::as_str);
    let labels = [
        ("build_id", get("BUILD_ID")),
        ("id", get("ID")),
        ("id_like", get("ID_LIKE")),
        ("image_id", get("IMAGE_ID")),
        ("image_version", get("IMAGE_VERSION")),
        ("name", get("NAME")),
        ("pretty_name", get("PRETTY_NAME")),
        ("variant", get("VARIANT")),
        ("variant_id", get("VARIANT_ID")),
        ("version", get("VERSION")),
        ("version_codename", get("VERSION_CODENAME")),
        ("version_id", get("VERSION_ID")),
    ];
    page.gauge("node_os_info", "What os-release says.", &labels, 1.0);
    let version = get("VERSION_ID");
    let mut points = 0;
    let end = version.find(|c: char| {
        points += usize::from(c == '.');
        !c.is_ascii_digit() && (c != '.' || points > 1)
    });
    let number =
        version.get(..end.unwrap_or(version.len())).and_then(|v| v.trim_end_matches('.').parse().ok());
    if let Some(number) = number.filter(|number| *number > 0.0) {
        let labels = [("id", get("ID")), ("id_like", get("ID_LIKE")), ("name", get("NAME"))];
        page.gauge("node_os_version", "Version of the system, major and minor.", &labels, number);
    }
    if let Ok(day) = get("SUPPORT_END").parse::<jiff::civil::Date>()
        && let Ok(end) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        let seconds = end.timestamp().as_second() as f64;
        page.gauge(
            "node_os_support_end_timestamp_seconds",
            "When support for the system ends.",
            &[],
            seconds,
        );
    }
    Ok(())
}

fn unquote(value: &str) -> String {
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn dmi(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    if run.state.dmi.is_none() {
        let found = dmi_fields(run);
        run.state.dmi = Some(found);
    }
    let found = run.state.dmi.as_deref().unwrap_or_default();
    if found.is_empty() {
        return Err(Error::NoData);
    }
    let labels: Vec<(&str, &str)> = found.iter().map(|(label, value)| (*label, value.as_str())).collect();
    page.gauge("node_dmi_info", "What the firmware says about the machine.", &labels, 1.0);
    Ok(())
}

fn dmi_fields(run: &mut Run<'_>) -> Vec<(&'static str, String)> {
    let base = run.files.sys_path("class/dmi/id");
    let mut found = Vec::new();
    for (label, file) in [
        ("bios_date", "bios_date"),
        ("bios_release", "bios_release"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_family", "product_family"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_sku", "product_sku"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ] {
        if let Some(value) = run.files.line(&base.join(file)) {
            found.push((label, value.to_string()));
        }
    }
    found
}
