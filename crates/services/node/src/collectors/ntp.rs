//! How far a time server of this machine is from it (RFC 5905).

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::page::Page;
use crate::{Error, Run};

const PATIENCE: Duration = Duration::from_secs(1);
const DAY_SECONDS: f64 = 86_400.0;
/// Between 1900, where the protocol begins, and 1970.
const ERA_SECONDS: f64 = 2_208_988_800.0;
/// Limits of RFC 5905: the worst stratum, the longest time between updates, the most dispersion.
const STRATUM_MAX: u8 = 16;
const POLL_MAX_SECONDS: f64 = 131_072.0;
const DISPERSION_MAX_SECONDS: f64 = 16.0;
/// A leap indicator that says that the server does not know the time.
const NOT_IN_SYNC: u8 = 3;

pub(super) fn ntp(run: &mut Run<'_>, page: &mut Page) -> Result<(), Error> {
    let config = &run.config.ntp;
    let failed = |error| Error::Read { path: config.server.clone(), source: error };
    let server = (config.server.as_str(), config.port).to_socket_addrs().map_err(failed)?.next();
    let server = server.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    let any: IpAddr = match server.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    if server.is_ipv4() {
        socket.set_ttl(u32::from(config.ip_ttl)).map_err(failed)?;
    }
    socket.connect(server).map_err(failed)?;
    let mut request = [0; 48];
    // Version, and 3 for "client".
    request[0] = config.version << 3 | 3;
    let sent = run.clock.now_seconds();
    let mark = run.clock.mark();
    socket.send(&request).map_err(failed)?;
    let mut answer = [0; 48];
    let size = socket.recv(&mut answer).map_err(failed)?;
    let received = sent + mark.elapsed_seconds();
    if size < answer.len() || answer[0] & 7 != 4 {
        return Err(Error::malformed(&config.server));
    }

    let (leap, stratum) = (answer[0] >> 6, answer[1]);
    let short = |at: usize| fixed(&answer, at, 2) / 65_536.0;
    let (root_delay, root_dispersion) = (short(4), short(8));
    let time = |at: usize| {
        let seconds = fixed(&answer, at, 4) / 4_294_967_296.0;
        if seconds == 0.0 { 0.0 } else { seconds - ERA_SECONDS }
    };
    let (reference, arrived, left) = (time(16), time(32), time(40));
    let offset = f64::midpoint(arrived - sent, left - received);
    let round_trip = ((received - sent) - (left - arrived)).max(0.0);
    for (metric, value, help) in [
        ("stratum", f64::from(stratum), "How many servers away the reference clock is."),
        ("leap", f64::from(leap), "Whether a leap second is near."),
        ("rtt_seconds", round_trip, "How long question and answer took on the way."),
        ("offset_seconds", offset, "How far the server's clock is ahead of ours."),
        ("reference_timestamp_seconds", reference.max(0.0), "When the server's clock was set last."),
        ("root_delay_seconds", root_delay, "How long the way to the reference clock takes."),
        ("root_dispersion_seconds", root_dispersion, "How wrong the server's clock may be."),
    ] {
        // No finer than clocks are: whole nanoseconds, as node_exporter has them.
        let value = (value * 1e9).round() / 1e9;
        page.gauge(&["node_ntp_", metric].concat(), help, &[], value);
    }

    let mut tolerance = config.offset_tolerance.as_secs_f64();
    if leap == 1 || leap == 2 {
        run.state.leap_midnight = Some((left / DAY_SECONDS).floor() * DAY_SECONDS + DAY_SECONDS);
    }
    // Around a leap second clocks may be a second apart.
    if run.state.leap_midnight.is_some_and(|midnight| (left - midnight).abs() < DAY_SECONDS) {
        tolerance += 1.0;
    }
    let is_valid = stratum > 0
        && stratum < STRATUM_MAX
        && leap != NOT_IN_SYNC
        && left >= reference
        && left - reference <= POLL_MAX_SECONDS
        && root_delay / 2.0 + root_dispersion <= DISPERSION_MAX_SECONDS;
    let distance = (round_trip + root_delay) / 2.0 + root_dispersion;
    // The least by which the clocks must differ for the answer to come before its question.
    let error = (sent - arrived).max(left - received).max(0.0);
    let is_sane = is_valid && distance <= config.distance_max.as_secs_f64() && error <= tolerance;
    let help = "Whether the server's time can be trusted.";
    page.gauge("node_ntp_sanity", help, &[], f64::from(u8::from(is_sane)));
    Ok(())
}

/// The number in twice `half` bytes, most significant first.
fn fixed(bytes: &[u8], at: usize, half: usize) -> f64 {
    let bytes = bytes.get(at..at + 2 * half).unwrap_or_default();
    bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)) as f64
}
