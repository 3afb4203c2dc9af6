//! Graphics cards (`/sys/class/drm`), of AMD.

use crate::page::Page;
use crate::{Error, Run};

pub(super) fn drm(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let base = run.files.sys_path("class/drm");
    for card in run.files.names(&base) {
        let is_card =
            card.strip_prefix("card").is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
        if !is_card {
            // Outputs, and the same cards for computing.
            continue;
        }
        let folder = base.join(&card).join("device");
        let path = folder.join("uevent");
        let driver = run.files.text(&path)?;
        if !driver.contains("DRIVER=amdgpu") {
            continue;
        }
        let mut text = |file: &str| run.files.line(&folder.join(file)).unwrap_or("").to_string();
        let (memory, level, id) =
            (text("mem_info_vram_vendor"), text("power_dpm_force_performance_level"), text("unique_id"));
        let info = [
            ("card", card.as_str()),
            ("memory_vendor", &memory),
            ("power_performance_level", &level),
            ("unique_id", &id),
            ("vendor", "amd"),
        ];
        page.gauge("node_drm_card_info", "What a graphics card is.", &info, 1.0);
        for (file, metric, help) in [
            ("gpu_busy_percent", "gpu_busy_percent", "How busy a card is."),
            ("mem_info_gtt_total", "memory_gtt_size_bytes", "Main memory a card can use."),
            ("mem_info_gtt_used", "memory_gtt_used_bytes", "Main memory a card uses."),
            ("mem_info_vram_total", "memory_vram_size_bytes", "Memory of a card."),
            ("mem_info_vram_used", "memory_vram_used_bytes", "Memory of a card in use."),
            ("mem_info_vis_vram_total", "memory_vis_vram_size_bytes", "Memory of a card processors see."),
            ("mem_info_vis_vram_used", "memory_vis_vram_used_bytes", "Memory processors see in use."),
        ] {
            let value = run.files.number(&folder.join(file)).unwrap_or(0.0);
            page.gauge(&["node_drm_", metric].concat(), help, &[("card", &card)], value);
        }
    }
    Ok(())
}
