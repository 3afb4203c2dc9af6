//! What a certificate says: just enough of X.509 (RFC 5280) to name it and to tell when it and its chain expire.

use net::dial::TlsSession;

/// The time of nothing: what upstream's language yields for a time that was never set.
pub(crate) const NO_TIME_SECONDS: i64 = -62_135_596_800;
/// Certificates of a chain.
const CHAIN_MAX: usize = 10;
/// Certificates that are looked at while chains are sought.
const STEPS_MAX: usize = 1_000;

/// A certificate, read.
#[derive(Debug, Clone)]
pub(crate) struct Certificate<'a> {
    der: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    not_before: i64,
    /// Seconds since the epoch.
    pub(crate) not_after: i64,
    dns_names: Vec<String>,
    key_id: Option<&'a [u8]>,
    authority_key_id: Option<&'a [u8]>,
}

/// An element of DER: its tag, what it holds, and itself as a whole.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

fn element<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let all = *input;
    let (&tag, rest) = all.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        rest = after;
        bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    };
    let (content, after) = rest.split_at_checked(length)?;
    *input = after;
    Some(Element { tag, content, whole: &all[..all.len() - after.len()] })
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut input = der;
        let mut outer = element(&mut input)?.content;
        let mut body = element(&mut outer)?.content;
        let mut serial = element(&mut body)?;
        if serial.tag == 0xa0 {
            serial = element(&mut body)?;
        }
        let _algorithm = element(&mut body)?;
        let issuer = element(&mut body)?.whole;
        let mut validity = element(&mut body)?.content;
        let not_before = time(&element(&mut validity)?)?;
        let not_after = time(&element(&mut validity)?)?;
        let subject = element(&mut body)?.whole;
        let mut certificate = Certificate {
            der,
            serial: serial.content,
            issuer,
            subject,
            not_before,
            not_after,
            dns_names: Vec::new(),
            key_id: None,
            authority_key_id: None,
        };
        while let Some(part) = element(&mut body) {
            if part.tag == 0xa3 {
                let mut list = element(&mut &*part.content)?.content;
                while let Some(extension) = element(&mut list) {
                    certificate.extension(extension.content);
                }
            }
        }
        Some(certificate)
    }

    fn extension(&mut self, mut input: &'a [u8]) -> Option<()> {
        let id = element(&mut input)?.content;
        let mut value = element(&mut input)?;
        if value.tag == 0x01 {
            value = element(&mut input)?;
        }
        let mut inner = value.content;
        match id {
            // subjectKeyIdentifier
            [0x55, 0x1d, 0x0e] => self.key_id = Some(element(&mut inner)?.content),
            // subjectAltName
            [0x55, 0x1d, 0x11] => {
                let mut names = element(&mut inner)?.content;
                while let Some(name) = element(&mut names) {
                    if name.tag == 0x82 {
                        self.dns_names.push(String::from_utf8_lossy(name.content).into_owned());
                    }
                }
            }
            // authorityKeyIdentifier
            [0x55, 0x1d, 0x23] => {
                let mut parts = element(&mut inner)?.content;
                while let Some(part) = element(&mut parts) {
                    if part.tag == 0x80 {
                        self.authority_key_id = Some(part.content);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// SHA-256 of the certificate, in hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        hex(ring::digest::digest(&ring::digest::SHA256, self.der).as_ref())
    }

    /// The serial number in hexadecimal digits, whole bytes.
    pub(crate) fn serial(&self) -> String {
        let start = self.serial.iter().position(|byte| *byte != 0).unwrap_or(self.serial.len());
        hex(&self.serial[start..])
    }

    /// The names it is for, separated by commas.
    pub(crate) fn dns_names(&self) -> String {
        self.dns_names.join(",")
    }

    /// Whose it is.
    pub(crate) fn subject(&self) -> String {
        distinguished_name(self.subject)
    }

    /// Who vouches for it.
    pub(crate) fn issuer(&self) -> String {
        distinguished_name(self.issuer)
    }

    /// Whether the other one may have signed this one.
    fn may_be_issued_by(&self, other: &Certificate<'_>) -> bool {
        self.issuer == other.subject
            && match (self.authority_key_id, other.key_id) {
                (Some(wanted), Some(key)) => wanted == key,
                _ => true,
            }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since the epoch of a UTCTime or GeneralizedTime.
fn time(element: &Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let text = match element.tag {
        // Two digits of a year mean 1950 to 2049.
        0x17 => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        _ => text.to_string(),
    };
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let at = jiff::civil::DateTime::new(
        part(0, 4)?,
        i8::try_from(part(4, 6)?).ok()?,
        i8::try_from(part(6, 8)?).ok()?,
        i8::try_from(part(8, 10)?).ok()?,
        i8::try_from(part(10, 12)?).ok()?,
        i8::try_from(part(12, 14)?).ok()?,
        0,
    );
    Some(at.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Attributes of names that have a short form, in the order in which upstream writes them.
const ATTRIBUTES: [(u8, &str); 9] = [
    (5, "SERIALNUMBER"),
    (3, "CN"),
    (17, "POSTALCODE"),
    (9, "STREET"),
    (8, "ST"),
    (7, "L"),
    (11, "OU"),
    (10, "O"),
    (6, "C"),
];

/// A name as upstream writes it: known attributes in a fixed order, equal ones joined by `+`, then the others by
/// their numbers, last one first.
fn distinguished_name(der: &[u8]) -> String {
    let mut known: Vec<(u8, String)> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut input = der;
    let mut sets = element(&mut input).map_or(&[][..], |name| name.content);
    while let Some(set) = element(&mut sets) {
        let mut pairs = set.content;
        while let Some(pair) = element(&mut pairs) {
            let mut pair = pair.content;
            let (Some(id), Some(value)) = (element(&mut pair), element(&mut pair)) else { continue };
            let text = string(&value);
            match id.content {
                [0x55, 0x04, number] if ATTRIBUTES.iter().any(|(known, _)| known == number) => {
                    known.push((*number, text));
                }
                id => others.push(format!("{}=#{}", object_id(id), encoded(&text))),
            }
        }
    }
    let mut parts: Vec<String> = Vec::new();
    for (number, name) in ATTRIBUTES {
        let values: Vec<String> = known
            .iter()
            .filter(|(own, _)| *own == number)
            .map(|(_, text)| format!("{name}={}", escaped(text)))
            .collect();
        if values.is_empty() {
            continue;
        }
        // These two have one value, of several the last.
        let single = matches!(number, 3 | 5);
        parts.push(if single { values.last().cloned().unwrap_or_default() } else { values.join("+") });
    }
    parts.extend(others.into_iter().rev());
    parts.join(",")
}

fn string(value: &Element<'_>) -> String {
    match value.tag {
        // BMPString
        0x1e => {
            let units = value.content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
        }
        // T61String, read as Latin-1
        0x14 => value.content.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value.content).into_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    let count = text.chars().count();
    for (at, c) in text.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (c == ' ' && (at == 0 || at + 1 == count))
            || (c == '#' && at == 0);
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text in DER, hexadecimal: a PrintableString where it can be one.
fn encoded(text: &str) -> String {
    let printable = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte));
    let mut out = vec![if printable { 0x13 } else { 0x0c }];
    match text.len() {
        length @ 0..0x80 => out.push(length as u8),
        length @ 0x80..0x100 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(text.as_bytes());
    hex(&out)
}

fn object_id(bytes: &[u8]) -> String {
    let mut parts: Vec<u64> = Vec::new();
    let mut value = 0u64;
    for byte in bytes {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if parts.is_empty() {
                let first = (value / 40).min(2);
                parts.extend([first, value - first * 40]);
            } else {
                parts.push(value);
            }
            value = 0;
        }
    }
    parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// When the first of the certificates that the server sent expires, seconds since the epoch.
pub(crate) fn earliest_expiry(session: &TlsSession) -> i64 {
    let parsed = session.certificates.iter().filter_map(|der| Certificate::parse(der));
    parsed.map(|certificate| certificate.not_after).min().unwrap_or(NO_TIME_SECONDS)
}

/// When the last of the chains from the server's certificate to a trusted authority expires: a chain expires
/// with the first of its certificates. Without verification there is no chain.
pub(crate) fn last_chain_expiry(session: &TlsSession, now_seconds: i64) -> i64 {
    let sent: Vec<Certificate<'_>> =
        session.certificates.iter().filter_map(|der| Certificate::parse(der)).collect();
    let authorities: Vec<Certificate<'_>> =
        session.authorities.iter().filter_map(|der| Certificate::parse(der)).collect();
    let Some(leaf) = sent.first() else { return NO_TIME_SECONDS };
    let mut search = Search { sent: &sent, authorities: &authorities, now_seconds, steps: 0, last: None };
    search.from(leaf, leaf.not_after, &mut vec![leaf.der]);
    search.last.unwrap_or(NO_TIME_SECONDS)
}

struct Search<'a> {
    sent: &'a [Certificate<'a>],
    authorities: &'a [Certificate<'a>],
    now_seconds: i64,
    steps: usize,
    last: Option<i64>,
}

impl<'a> Search<'a> {
    fn from(&mut self, certificate: &Certificate<'a>, expiry: i64, path: &mut Vec<&'a [u8]>) {
        self.steps += 1;
        if self.steps > STEPS_MAX || path.len() > CHAIN_MAX {
            return;
        }
        let is_valid = |one: &Certificate<'_>| (one.not_before..=one.not_after).contains(&self.now_seconds);
        let (sent, authorities, now) = (self.sent, self.authorities, self.now_seconds);
        if path.len() == 1 && authorities.iter().any(|authority| authority.der == certificate.der) {
            self.last = self.last.max(Some(expiry));
        }
        for authority in authorities.iter().filter(|one| certificate.may_be_issued_by(one) && is_valid(one)) {
            if !path.contains(&authority.der) {
                self.last = self.last.max(Some(expiry.min(authority.not_after)));
            }
        }
        for next in sent.iter().skip(1).filter(|one| certificate.may_be_issued_by(one)) {
            let usable = (next.not_before..=next.not_after).contains(&now) && !path.contains(&next.der);
            if usable && !authorities.iter().any(|authority| authority.der == next.der) {
                path.push(next.der);
                self.from(next, expiry.min(next.not_after), path);
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_certificates_are_no_certificates() {
        for broken in
            [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80, 0, 0]]
        {
            assert!(Certificate::parse(broken).is_none());
        }
    }

    #[test]
    fn names_are_written_as_upstream_does() {
        // O=A+B, CN="a,b", emailAddress
        let der = [
            0x30, 0x32, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x01, b'A', 0x31, 0x0c,
            0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x03, b'a', b',', b'b', 0x31, 0x16, 0x30, 0x14,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01, 0x16, 0x07, b'a', b'@', b'b',
            b'.', b'o', b'r', b'g',
        ];
        assert_eq!(distinguished_name(&der), "CN=a\\,b,O=A,1.2.840.113549.1.9.1=#0c076140622e6f7267");
    }
}
