//! Asks name servers for records of one type, as the C library's configuration says: its servers and
//! search domains. UDP first, TCP for an answer that does not fit (RFC 1035, EDNS RFC 6891).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::api::{Failure, Result};

/// Where the C library is configured.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The largest answer over UDP that we announce.
const UDP_SIZE_MAX_BYTES: usize = 4096;
/// Jumps within a name; more is a loop.
const JUMPS_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordType {
    A = 1,
    Ns = 2,
    Mx = 15,
    Aaaa = 28,
    Srv = 33,
}

/// What a record says; names end with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    Srv { host: String, port: u16 },
    Mx(String),
    Ns(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with at least so many dots is tried as it is first.
    ndots: usize,
    /// For one question to one server.
    timeout: Duration,
}

/// An answer: no error and some records, or a name that does not exist.
enum Found {
    Records(Vec<Record>),
    NoSuchName,
}

impl Resolver {
    /// The operating system's.
    pub(crate) fn system(timeout: Duration) -> Result<Resolver> {
        let text = std::fs::read_to_string(RESOLV_CONF)
            .map_err(|error| Failure::new(format!("could not load resolv.conf: {error}")))?;
        Ok(Resolver::of_resolv_conf(&text, timeout))
    }

    fn of_resolv_conf(text: &str, timeout: Duration) -> Resolver {
        let mut resolver = Resolver { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone (`fe80::1%eth0`) is not something that an address can hold.
                    let address =
                        words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
                    resolver.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                Some("domain") => resolver.search = words.take(1).map(str::to_string).collect(),
                Some("search") => resolver.search = words.map(str::to_string).collect(),
                Some("options") => {
                    for option in words {
                        if let Some(dots) = option.strip_prefix("ndots:").and_then(|dots| dots.parse().ok()) {
                            resolver.ndots = usize::min(dots, 15);
                        }
                    }
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
        }
        resolver
    }

    /// The records of a name; none if there is no such name. The name is tried under each search
    /// domain. Fails if a server that might know did not answer.
    pub(crate) async fn lookup(
        &self,
        name: &str,
        record_type: RecordType,
    ) -> std::result::Result<Vec<Record>, String> {
        let mut failure = None;
        for name in self.names(name) {
            match self.ask_any(&name, record_type).await {
                Ok(Found::Records(records)) => return Ok(records),
                Ok(Found::NoSuchName) => {}
                Err(message) => failure = Some(message),
            }
        }
        match failure {
            None => Ok(Vec::new()),
            Some(why) => Err(format!("could not resolve {name:?}: {why}")),
        }
    }

    /// A name as it is and under the search domains, in the order to try.
    fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_string()];
        }
        let dots = name.matches('.').count();
        let whole = format!("{name}.");
        let searched = self.search.iter().map(|domain| {
            let domain = domain.trim_matches('.');
            if domain.is_empty() { whole.clone() } else { format!("{whole}{domain}.") }
        });
        if dots >= self.ndots {
            std::iter::once(whole.clone()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(whole.clone())).collect()
        }
    }

    async fn ask_any(&self, name: &str, record_type: RecordType) -> std::result::Result<Found, String> {
        let mut failure = String::from("no servers");
        for server in &self.servers {
            match tokio::time::timeout(self.timeout * 2, self.ask(*server, name, record_type)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(why)) => failure = format!("{server}: {why}"),
                Err(_) => failure = format!("{server}: no answer"),
            }
        }
        Err(failure)
    }

    async fn ask(
        &self,
        server: SocketAddr,
        name: &str,
        record_type: RecordType,
    ) -> std::result::Result<Found, String> {
        let id = RandomState::new().build_hasher().finish() as u16;
        let question = question(id, name, record_type)?;
        let message = tokio::time::timeout(self.timeout, over_udp(server, &question))
            .await
            .map_err(|_| "no answer".to_string())?
            .map_err(|error| error.to_string())?;
        let is_truncated = message.get(2).is_some_and(|flags| flags & 0x02 != 0);
        let message = if is_truncated {
            over_tcp(server, &question).await.map_err(|error| error.to_string())?
        } else {
            message
        };
        parse(&message, id, record_type)
    }
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; UDP_SIZE_MAX_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Something else may have strayed here.
        if buffer.get(..2) == question.get(..2) && length >= 12 {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut framed = (question.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(question);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn question(id: u16, name: &str, record_type: RecordType) -> std::result::Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&id.to_be_bytes());
    // Recursion desired; one question, one additional record.
    out.extend_from_slice(&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    let start = out.len();
    for label in name.trim_end_matches('.').split('.').filter(|_| name != ".") {
        if label.is_empty() || label.len() > 63 {
            return Err(format!("{name:?} is not a name"));
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    if out.len() - start > 255 {
        return Err(format!("{name:?} is too long"));
    }
    out.extend_from_slice(&(record_type as u16).to_be_bytes());
    out.extend_from_slice(&1u16.to_be_bytes());
    // EDNS: the root name, type 41, and how large an answer may be.
    out.extend_from_slice(&[0, 0, 41]);
    out.extend_from_slice(&(UDP_SIZE_MAX_BYTES as u16).to_be_bytes());
    out.extend_from_slice(&[0; 6]);
    Ok(out)
}

fn parse(message: &[u8], id: u16, wanted: RecordType) -> std::result::Result<Found, String> {
    let bad = || "the answer cannot be read".to_string();
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    if number(0) != Some(id) || message.get(2).is_none_or(|flags| flags & 0x80 == 0) {
        return Err("the answer is to another question".into());
    }
    match message.get(3).ok_or_else(bad)? & 0x0f {
        0 => {}
        3 => return Ok(Found::NoSuchName),
        code => {
            let known = ["", "FORMERR", "SERVFAIL", "", "NOTIMP", "REFUSED"];
            let shown = known.get(usize::from(code)).filter(|text| !text.is_empty());
            return Err(shown.map_or_else(|| format!("RCODE {code}"), |text| (*text).to_string()));
        }
    }
    let (questions, answers) = (number(4).ok_or_else(bad)?, number(6).ok_or_else(bad)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name_at(message, at).ok_or_else(bad)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        let (_, after) = name_at(message, at).ok_or_else(bad)?;
        let record_type = number(after).ok_or_else(bad)?;
        let length = usize::from(number(after + 8).ok_or_else(bad)?);
        let start = after + 10;
        let data = message.get(start..start + length).ok_or_else(bad)?;
        at = start + length;
        // An answer may begin with the aliases that lead to it.
        if record_type != wanted as u16 {
            continue;
        }
        let name = |offset: usize| name_at(message, start + offset).map(|(name, _)| name);
        let record = match wanted {
            RecordType::A => <[u8; 4]>::try_from(data).ok().map(|bytes| Record::Address(bytes.into())),
            RecordType::Aaaa => <[u8; 16]>::try_from(data).ok().map(|bytes| Record::Address(bytes.into())),
            RecordType::Ns => name(0).map(Record::Ns),
            RecordType::Mx => name(2).map(Record::Mx),
            RecordType::Srv => number(start + 4).zip(name(6)).map(|(port, host)| Record::Srv { host, port }),
        };
        records.push(record.ok_or_else(bad)?);
    }
    Ok(Found::Records(records))
}

/// The name at a place, and where what follows it stands.
fn name_at(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut after = None;
    for _ in 0..JUMPS_MAX * 8 {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => {
                if name.is_empty() {
                    name.push('.');
                }
                return Some((name, after.unwrap_or(at + 1)));
            }
            0xc0.. => {
                let low = usize::from(*message.get(at + 1)?);
                after.get_or_insert(at + 2);
                at = (length & 0x3f) << 8 | low;
            }
            64.. => return None,
            _ => {
                let label = message.get(at + 1..at + 1 + length)?;
                for byte in label {
                    match byte {
                        b'.' | b'\\' => name.extend(['\\', char::from(*byte)]),
                        0x21..=0x7e => name.push(char::from(*byte)),
                        other => name.push_str(&format!("\\{other:03}")),
                    }
                }
                name.push('.');
                at += 1 + length;
            }
        }
        if name.len() > 1024 {
            return None;
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;

    /// What a name server of a test answers.
    pub(crate) struct Answer {
        code: u8,
        records: Vec<(u16, Vec<u8>)>,
    }

    impl Answer {
        pub(crate) fn code(code: u8) -> Answer {
            Answer { code, records: Vec::new() }
        }

        pub(crate) fn records(records: &[(u16, &[u8])]) -> Answer {
            Answer { code: 0, records: records.iter().map(|(kind, data)| (*kind, data.to_vec())).collect() }
        }

        pub(crate) fn srv(targets: &[(&str, u16)]) -> Answer {
            let record = |(host, port): &(&str, u16)| {
                let mut data = vec![0, 1, 0, 2];
                data.extend_from_slice(&port.to_be_bytes());
                for label in host.trim_end_matches('.').split('.') {
                    data.push(label.len() as u8);
                    data.extend_from_slice(label.as_bytes());
                }
                data.push(0);
                (33, data)
            };
            Answer { code: 0, records: targets.iter().map(record).collect() }
        }

        /// The message; over UDP an answer that does not fit is cut.
        fn message(&self, question: &[u8], is_udp: bool) -> Vec<u8> {
            let end = name_at(question, 12).unwrap().1 + 4;
            let mut out = question[..2].to_vec();
            out.extend_from_slice(&[0x81, 0x80 | self.code, 0, 1]);
            out.extend_from_slice(&(self.records.len() as u16).to_be_bytes());
            out.extend_from_slice(&[0, 0, 0, 0]);
            out.extend_from_slice(&question[12..end]);
            for (kind, data) in &self.records {
                out.extend_from_slice(&[0xc0, 0x0c]);
                out.extend_from_slice(&kind.to_be_bytes());
                out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
                out.extend_from_slice(&(data.len() as u16).to_be_bytes());
                out.extend_from_slice(data);
            }
            if is_udp && out.len() > UDP_SIZE_MAX_BYTES {
                out.truncate(end);
                out[2] |= 0x02;
                out[6..8].fill(0);
            }
            out
        }
    }

    /// A name server, UDP and TCP, and a resolver that asks it.
    pub(crate) async fn server(answer: impl Fn(&str, u16) -> Answer + Send + Sync + 'static) -> Resolver {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let answer = Arc::new(move |question: &[u8], is_udp: bool| {
            let (name, end) = name_at(question, 12).unwrap();
            let record_type = u16::from_be_bytes([question[end], question[end + 1]]);
            answer(name.trim_end_matches('.'), record_type).message(question, is_udp)
        });
        let over_tcp = answer.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, peer) = udp.recv_from(&mut buffer).await.unwrap();
                udp.send_to(&answer(&buffer[..length], true), peer).await.unwrap();
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                let message = over_tcp(&question, false);
                stream.write_u16(message.len() as u16).await.unwrap();
                stream.write_all(&message).await.unwrap();
            }
        });
        let timeout = Duration::from_secs(5);
        Resolver { servers: vec![address], search: Vec::new(), ndots: 1, timeout }
    }

    #[test]
    fn the_c_librarys_configuration_is_understood() {
        let text = "# comment\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a.test b.test\noptions ndots:2\n";
        let resolver = Resolver::of_resolv_conf(text, Duration::from_secs(1));
        assert_eq!(resolver.servers, ["10.0.0.1:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!(resolver.names("x.y"), ["x.y.a.test.", "x.y.b.test.", "x.y."]);
        assert_eq!(resolver.names("x.y.z"), ["x.y.z.", "x.y.z.a.test.", "x.y.z.b.test."]);
        assert_eq!(resolver.names("x."), ["x."]);
    }

    #[tokio::test]
    async fn search_domains_are_tried_in_turn_and_a_failing_one_leaves_doubt() {
        let mut resolver = server(|name, _| match name {
            "db.b.test" => Answer::srv(&[("x.test.", 1)]),
            "web.a.test" => Answer::code(2),
            _ => Answer::code(3),
        })
        .await;
        resolver.search = vec!["a.test".into(), "b.test".into()];
        assert_eq!(resolver.lookup("db", RecordType::Srv).await.unwrap().len(), 1);
        assert_eq!(resolver.lookup("nobody", RecordType::Srv).await.unwrap(), []);
        let error = resolver.lookup("web", RecordType::Srv).await.unwrap_err();
        assert!(error.contains("SERVFAIL"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_comes_over_tcp() {
        let resolver = server(|_, _| {
            let hosts: Vec<String> = (0..300).map(|at| format!("host-{at}.example.com.")).collect();
            let targets: Vec<(&str, u16)> = hosts.iter().map(|host| (host.as_str(), 1)).collect();
            Answer::srv(&targets)
        })
        .await;
        assert_eq!(resolver.lookup("many.test.", RecordType::Srv).await.unwrap().len(), 300);
    }

    #[test]
    fn damaged_answers_are_refused() {
        let question = question(7, "example.com.", RecordType::A).unwrap();
        let good = Answer::records(&[(1, &[10, 0, 0, 1])]).message(&question, true);
        assert!(matches!(parse(&good, 7, RecordType::A), Ok(Found::Records(records)) if records.len() == 1));
        assert!(parse(&good, 8, RecordType::A).is_err(), "another question");
        for length in 0..good.len() {
            assert!(
                !matches!(parse(&good[..length], 7, RecordType::A), Ok(Found::Records(r)) if !r.is_empty())
            );
        }
        let mut looping = good.clone();
        looping[12] = 0xc0;
        looping[13] = 12;
        assert!(parse(&looping, 7, RecordType::A).is_err());
        assert!(super::question(1, "a..b", RecordType::A).is_err());
    }
}
