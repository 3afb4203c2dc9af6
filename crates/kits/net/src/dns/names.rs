//! Names of record types, classes and response codes (IANA's registry, in the spelling of upstream's DNS library).

/// The internet.
pub const CLASS_IN: u16 = 1;
/// An address of IPv4.
pub const TYPE_A: u16 = 1;
/// A name server.
pub const TYPE_NS: u16 = 2;
/// The start of a zone.
pub const TYPE_SOA: u16 = 6;
/// Who takes mail.
pub const TYPE_MX: u16 = 15;
/// An address of IPv6.
pub const TYPE_AAAA: u16 = 28;
/// Where a service is.
pub const TYPE_SRV: u16 = 33;
/// What a message says of itself (EDNS).
pub const TYPE_OPT: u16 = 41;
/// In a question, all types.
pub const TYPE_ANY: u16 = 255;

/// Every type that a question or a record can name.
const TYPES: [(&str, u16); 88] = [
    ("None", 0),
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("DNAME", 39),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("NXNAME", 128),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("TA", 32768),
    ("DLV", 32769),
    ("Reserved", 65535),
];

const CLASSES: [(&str, u16); 6] = [("IN", 1), ("CS", 2), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];

const RCODES: [(&str, u16); 20] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADSIG", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

fn number(table: &[(&str, u16)], name: &str) -> Option<u16> {
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

fn name(table: &'static [(&'static str, u16)], number: u16) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The number of a record type.
pub fn record_type(name: &str) -> Option<u16> {
    number(&TYPES, name)
}

/// The name of a record type; `TYPE123` if it has none.
pub fn type_name(number: u16) -> String {
    name(&TYPES, number).map_or_else(|| format!("TYPE{number}"), str::to_string)
}

/// The number of a class.
pub fn class(name: &str) -> Option<u16> {
    number(&CLASSES, name)
}

/// The name of a class; `CLASS123` if it has none.
pub fn class_name(number: u16) -> String {
    name(&CLASSES, number).map_or_else(|| format!("CLASS{number}"), str::to_string)
}

/// The number of a response code. `BADVERS` is `BADSIG`'s other name.
pub fn rcode(name: &str) -> Option<u16> {
    number(&RCODES, if name == "BADVERS" { "BADSIG" } else { name })
}

/// The name of a response code.
pub fn rcode_name(number: u16) -> String {
    name(&RCODES, number).map_or_else(|| format!("RCODE{number}"), str::to_string)
}
