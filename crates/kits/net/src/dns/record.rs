//! What records say, as values and as text: the form of zone files, in the spelling of upstream's DNS library.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{MessageError, Reader};
use super::names;

/// What a record says, for types that programs read. Names end with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of A and AAAA.
    Address(IpAddr),
    /// The host of NS and MX.
    Host(String),
    /// Of SRV.
    Srv {
        /// Where the service is.
        host: String,
        /// Its port.
        port: u16,
    },
    /// The serial number of SOA.
    Serial(u32),
    /// Of any other type, or of a size that its type does not have.
    Other,
}

/// The data of a record as text and as a value.
pub(super) fn read(
    record_type: u16,
    mut data: Reader<'_>,
    raw: &[u8],
) -> Result<(String, Value), MessageError> {
    let mut value = Value::Other;
    let text = match names::type_name(record_type).as_str() {
        "A" => match <[u8; 4]>::try_from(raw) {
            Ok(bytes) => {
                value = Value::Address(bytes.into());
                Ipv4Addr::from(bytes).to_string()
            }
            Err(_) => unknown(raw),
        },
        "AAAA" => match <[u8; 16]>::try_from(raw) {
            Ok(bytes) => {
                value = Value::Address(bytes.into());
                Ipv6Addr::from(bytes).to_string()
            }
            Err(_) => unknown(raw),
        },
        "NS" => {
            let host = data.name()?;
            value = Value::Host(host.clone());
            host
        }
        "MX" => {
            let (preference, host) = (data.u16()?, data.name()?);
            let text = format!("{preference} {host}");
            value = Value::Host(host);
            text
        }
        "SRV" => {
            let (priority, weight, port, host) = (data.u16()?, data.u16()?, data.u16()?, data.name()?);
            let text = format!("{priority} {weight} {port} {host}");
            value = Value::Srv { host, port };
            text
        }
        "CNAME" | "PTR" | "DNAME" | "MB" | "MG" | "MR" | "MD" | "MF" => data.name()?,
        "RT" | "AFSDB" | "KX" => format!("{} {}", data.u16()?, data.name()?),
        "RP" | "MINFO" | "TALINK" => format!("{} {}", data.name()?, data.name()?),
        "PX" => format!("{} {} {}", data.u16()?, data.name()?, data.name()?),
        "SOA" => {
            let (primary, contact) = (data.name()?, data.name()?);
            let number = data.u32()?;
            value = Value::Serial(number);
            format!(
                "{primary} {contact} {number} {} {} {} {}",
                data.u32()?,
                data.u32()?,
                data.u32()?,
                data.u32()?
            )
        }
        "TXT" | "SPF" | "AVC" | "NINFO" | "RESINFO" => strings(&mut data)?.join(" "),
        "HINFO" | "ISDN" | "X25" => strings(&mut data)?.join(" "),
        "CAA" => {
            let flag = data.u8()?;
            let length = usize::from(data.u8()?);
            let tag = String::from_utf8_lossy(data.take(length)?).into_owned();
            format!("{flag} {tag} {}", quoted(rest(&data)))
        }
        "NAPTR" => format!(
            "{} {} {} {} {} {}",
            data.u16()?,
            data.u16()?,
            string(&mut data)?,
            string(&mut data)?,
            string(&mut data)?,
            data.name()?
        ),
        "URI" => format!("{} {} {}", data.u16()?, data.u16()?, quoted(rest(&data))),
        "DS" | "CDS" | "DLV" | "TA" => {
            format!("{} {} {} {}", data.u16()?, data.u8()?, data.u8()?, hex(rest(&data), true))
        }
        "SSHFP" => format!("{} {} {}", data.u8()?, data.u8()?, hex(rest(&data), true)),
        "TLSA" | "SMIMEA" => {
            format!("{} {} {} {}", data.u8()?, data.u8()?, data.u8()?, hex(rest(&data), false))
        }
        "DNSKEY" | "CDNSKEY" | "KEY" | "RKEY" => {
            format!("{} {} {} {}", data.u16()?, data.u8()?, data.u8()?, crate::client::base64(rest(&data)))
        }
        "RRSIG" | "SIG" => {
            let covered = names::type_name(data.u16()?);
            let (algorithm, labels, ttl) = (data.u8()?, data.u8()?, data.u32()?);
            let (expires, begins) = (moment(data.u32()?), moment(data.u32()?));
            let (key, signer) = (data.u16()?, data.name()?);
            let signature = crate::client::base64(rest(&data));
            format!("{covered} {algorithm} {labels} {ttl} {expires} {begins} {key} {signer} {signature}")
        }
        "NSEC" => format!("{}{}", data.name()?, types(rest(&data))),
        "NSEC3" => {
            let (hash, flags, iterations) = (data.u8()?, data.u8()?, data.u16()?);
            let salt = salt(&mut data)?;
            let length = usize::from(data.u8()?);
            let next = base32hex(data.take(length)?);
            format!("{hash} {flags} {iterations} {salt} {next}{}", types(rest(&data)))
        }
        "NSEC3PARAM" => format!("{} {} {} {}", data.u8()?, data.u8()?, data.u16()?, salt(&mut data)?),
        "SVCB" | "HTTPS" => service(&mut data)?,
        "EUI48" | "EUI64" => raw.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join("-"),
        "OPENPGPKEY" | "DHCID" => crate::client::base64(raw),
        "OPT" => String::new(),
        _ => unknown(raw),
    };
    Ok((text, value))
}

fn rest<'a>(data: &Reader<'a>) -> &'a [u8] {
    data.bytes.get(data.at..).unwrap_or_default()
}

/// RFC 3597: data of a type that is not known.
fn unknown(raw: &[u8]) -> String {
    format!("\\# {} {}", raw.len(), hex(raw, false))
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
    }
    out
}

fn strings(data: &mut Reader<'_>) -> Result<Vec<String>, MessageError> {
    let mut out = Vec::new();
    while data.at < data.bytes.len() {
        out.push(string(data)?);
    }
    Ok(out)
}

fn string(data: &mut Reader<'_>) -> Result<String, MessageError> {
    let length = usize::from(data.u8()?);
    Ok(quoted(data.take(length)?))
}

fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
    }
    out.push('"');
    out
}

fn salt(data: &mut Reader<'_>) -> Result<String, MessageError> {
    let length = usize::from(data.u8()?);
    let bytes = data.take(length)?;
    Ok(if bytes.is_empty() { "-".into() } else { hex(bytes, true) })
}

/// Seconds since the epoch as `YYYYMMDDHHMMSS`.
fn moment(seconds: u32) -> String {
    let at = jiff::Timestamp::from_second(i64::from(seconds)).unwrap_or_default();
    at.strftime("%Y%m%d%H%M%S").to_string()
}

/// The types of a bit map, each after a space (RFC 4034, 4.1.2).
fn types(mut bytes: &[u8]) -> String {
    let mut out = String::new();
    while let [window, length, after @ ..] = bytes {
        let (map, next) = after.split_at(usize::from(*length).min(after.len()));
        for (at, byte) in map.iter().enumerate() {
            for bit in 0..8u16 {
                if byte & (0x80 >> bit) != 0 {
                    let number = u16::from(*window) << 8 | (at as u16 * 8 + bit);
                    out.push(' ');
                    out.push_str(&names::type_name(number));
                }
            }
        }
        bytes = next;
    }
    out
}

fn base32hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut out = String::new();
    for group in bytes.chunks(5) {
        let mut bits = 0u64;
        for at in 0..5 {
            bits = bits << 8 | u64::from(group.get(at).copied().unwrap_or(0));
        }
        for digit in 0..(group.len() * 8).div_ceil(5) {
            out.push(char::from(DIGITS[(bits >> (35 - 5 * digit) & 31) as usize]));
        }
    }
    out
}

/// SVCB and HTTPS (RFC 9460).
fn service(data: &mut Reader<'_>) -> Result<String, MessageError> {
    let mut out = format!("{} {}", data.u16()?, data.name()?);
    while data.at < data.bytes.len() {
        let (key, length) = (data.u16()?, usize::from(data.u16()?));
        let value = data.take(length)?;
        let name = match key {
            0 => "mandatory".to_string(),
            1 => "alpn".into(),
            2 => "no-default-alpn".into(),
            3 => "port".into(),
            4 => "ipv4hint".into(),
            5 => "ech".into(),
            6 => "ipv6hint".into(),
            7 => "dohpath".into(),
            _ => format!("key{key}"),
        };
        let text = match key {
            1 => {
                let mut inner = Reader { bytes: value, at: 0 };
                let mut list = Vec::new();
                while inner.at < value.len() {
                    let length = usize::from(inner.u8()?);
                    list.push(String::from_utf8_lossy(inner.take(length)?).into_owned());
                }
                list.join(",")
            }
            3 => match value {
                [high, low] => u16::from_be_bytes([*high, *low]).to_string(),
                _ => hex(value, false),
            },
            4 => value
                .chunks_exact(4)
                .map(|ip| Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]).to_string())
                .collect::<Vec<_>>()
                .join(","),
            5 => crate::client::base64(value),
            6 => value
                .chunks_exact(16)
                .filter_map(|ip| <[u8; 16]>::try_from(ip).ok())
                .map(|ip| Ipv6Addr::from(ip).to_string())
                .collect::<Vec<_>>()
                .join(","),
            _ => String::from_utf8_lossy(value).into_owned(),
        };
        out.push_str(&match key {
            2 => format!(" {name}=\"\""),
            _ => format!(" {name}=\"{text}\""),
        });
    }
    Ok(out)
}
