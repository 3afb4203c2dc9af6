//! The clock: time, zone, and how it is disciplined.

use model::MetricType::{Counter, Gauge};

use crate::page::Page;
use crate::{Error, Run, adjtimex};

pub(super) fn time(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let now = run.clock.now_seconds();
    page.gauge("node_time_seconds", "The machine's time, in seconds since 1970.", &[], now);
    let zone = jiff::tz::TimeZone::system();
    if let Ok(timestamp) = jiff::Timestamp::from_second(now as i64) {
        let info = zone.to_offset_info(timestamp);
        let labels = [("time_zone", info.abbreviation())];
        let seconds = f64::from(info.offset().seconds());
        page.gauge("node_time_zone_offset_seconds", "How far local time is ahead of UTC.", &labels, seconds);
    }
    let base = run.files.sys_path("devices/system/clocksource");
    for folder in run.files.names(&base) {
        let Some(device) = folder.strip_prefix("clocksource") else { continue };
        if let Some(available) = run.files.line(&base.join(&folder).join("available_clocksource")) {
            for source in available.split_ascii_whitespace() {
                let labels = [("clocksource", source), ("device", device)];
                page.gauge("node_time_clocksource_available_info", "Clock sources there are.", &labels, 1.0);
            }
        }
        if let Some(source) = run.files.line(&base.join(&folder).join("current_clocksource")) {
            let labels = [("clocksource", source), ("device", device)];
            page.gauge("node_time_clocksource_current_info", "Clock source in use.", &labels, 1.0);
        }
    }
    Ok(())
}

/// The flag that says that offsets count nanoseconds, not microseconds.
const STA_NANO: i32 = 0x2000;

/// Frequencies are in parts per million, shifted left by 16 bits.
const SCALED_PPM: f64 = 1_000_000.0 * 65_536.0;

pub(super) fn timex(_: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let (timex, is_synchronised) = match adjtimex::read() {
        Ok(answer) => answer,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Err(Error::NoData),
        Err(error) => return Err(Error::read("adjtimex", error)),
    };
    let unit = if timex.status & STA_NANO != 0 { 1e9 } else { 1e6 };
    let n = |value: i64| value as f64;
    for (name, metric_type, value, help) in [
        (
            "sync_status",
            Gauge,
            f64::from(u8::from(is_synchronised)),
            "Whether the clock follows a reliable one.",
        ),
        ("offset_seconds", Gauge, n(timex.offset) / unit, "How far the clock is from its reference."),
        (
            "frequency_adjustment_ratio",
            Gauge,
            1.0 + n(timex.freq) / SCALED_PPM,
            "How the clock's speed is adjusted.",
        ),
        ("maxerror_seconds", Gauge, n(timex.maxerror) / 1e6, "The most the clock can be wrong."),
        ("estimated_error_seconds", Gauge, n(timex.esterror) / 1e6, "How wrong the clock probably is."),
        ("status", Gauge, f64::from(timex.status), "The kernel's status bits of the clock."),
        ("loop_time_constant", Gauge, n(timex.constant), "Time constant of the phase-locked loop."),
        ("tick_seconds", Gauge, n(timex.tick) / 1e6, "Time between two ticks."),
        ("pps_frequency_hertz", Gauge, n(timex.ppsfreq) / SCALED_PPM, "Frequency of the pulse per second."),
        ("pps_jitter_seconds", Gauge, n(timex.jitter) / unit, "Jitter of the pulse per second."),
        ("pps_shift_seconds", Gauge, f64::from(timex.shift), "Interval of the pulse per second."),
        ("pps_stability_hertz", Gauge, n(timex.stabil) / SCALED_PPM, "Stability of the pulse per second."),
        ("pps_jitter_total", Counter, n(timex.jitcnt), "Pulses with too much jitter."),
        ("pps_calibration_total", Counter, n(timex.calcnt), "Calibrations by the pulse per second."),
        ("pps_error_total", Counter, n(timex.errcnt), "Calibrations that failed."),
        ("pps_stability_exceeded_total", Counter, n(timex.stbcnt), "Pulses that were not stable enough."),
        ("tai_offset_seconds", Gauge, f64::from(timex.tai), "How far TAI is ahead of UTC."),
    ] {
        page.add(&["node_timex_", name].concat(), metric_type, help, &[], value);
    }
    Ok(())
}
