//! From names to addresses: `/etc/hosts`, then the name servers of `/etc/resolv.conf`, asked without a thread
//! each, so that a dead name server holds up nobody but those who need it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::Clock;
use cached::Cached;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::config::IpFamily;
use crate::dns::{message, names};

/// How often the files are looked at.
const FILES_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Size of the files.
const FILE_MAX_BYTES: u64 = 4 << 20;
/// Name servers that are asked.
const SERVERS_MAX: usize = 3;
/// Size of an answer over UDP.
const UDP_MAX_BYTES: usize = 4_096;

/// Finds addresses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolver {
    clock: Clock,
    hosts: Arc<Cached<Vec<(String, IpAddr)>>>,
    servers: Arc<Cached<Servers>>,
}

#[derive(Clone, Debug)]
struct Servers {
    addresses: Vec<SocketAddr>,
    search: Vec<String>,
    dots: usize,
    timeout: Duration,
    attempts: usize,
}

/// A file that is read again when it changes.
mod cached {
    use super::*;

    pub(super) struct Cached<T> {
        path: PathBuf,
        parse: fn(&str) -> T,
        state: Mutex<State<T>>,
    }

    struct State<T> {
        value: Arc<T>,
        modified: Option<SystemTime>,
        checked: Option<base::clock::Mark>,
    }

    impl<T> Cached<T> {
        pub(super) fn new(path: &Path, parse: fn(&str) -> T) -> Self {
            let state = State { value: Arc::new(parse("")), modified: None, checked: None };
            Cached { path: path.to_path_buf(), parse, state: Mutex::new(state) }
        }

        pub(super) fn get(&self, clock: &Clock) -> Arc<T> {
            let mut state = self.state.lock();
            let is_fresh = state.checked.as_ref().is_some_and(|mark| mark.elapsed() < FILES_CHECK_INTERVAL);
            if !is_fresh {
                state.checked = Some(clock.mark());
                let metadata = std::fs::metadata(&self.path).ok().filter(|file| file.len() <= FILE_MAX_BYTES);
                let modified = metadata.and_then(|file| file.modified().ok());
                if modified.is_none() || modified != state.modified {
                    state.modified = modified;
                    let text = modified.and_then(|_| std::fs::read_to_string(&self.path).ok());
                    state.value = Arc::new((self.parse)(&text.unwrap_or_default()));
                }
            }
            state.value.clone()
        }
    }
}

impl Resolver {
    /// The machine's files.
    pub(crate) fn system(clock: &Clock) -> Resolver {
        Resolver::with_files(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf"), clock)
    }

    /// Other files of the same form.
    pub(crate) fn with_files(hosts: &Path, servers: &Path, clock: &Clock) -> Resolver {
        Resolver {
            clock: clock.clone(),
            hosts: Arc::new(Cached::new(hosts, parse_hosts)),
            servers: Arc::new(Cached::new(servers, parse_servers)),
        }
    }

    /// The addresses of a name in this family, or in both.
    pub(crate) async fn lookup(&self, name: &str, family: Option<IpFamily>) -> Result<Vec<IpAddr>, String> {
        let accepts = |address: &IpAddr| match family {
            None => true,
            Some(IpFamily::V4) => address.is_ipv4(),
            Some(IpFamily::V6) => address.is_ipv6(),
        };
        let literal = name.split('%').next().unwrap_or(name);
        let found = if let Ok(address) = literal.parse::<IpAddr>() {
            vec![address]
        } else {
            let known = self.known(name);
            if known.is_empty() { self.ask(name, family).await? } else { known }
        };
        let fitting: Vec<IpAddr> = found.into_iter().filter(accepts).collect();
        match fitting.is_empty() {
            true => Err(format!("lookup {name}: no suitable address")),
            false => Ok(fitting),
        }
    }

    fn known(&self, name: &str) -> Vec<IpAddr> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let hosts = self.hosts.get(&self.clock);
        let known: Vec<IpAddr> =
            hosts.iter().filter(|(own, _)| *own == name).map(|(_, address)| *address).collect();
        // RFC 6761: this name never leaves the machine.
        if known.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        known
    }

    async fn ask(&self, name: &str, family: Option<IpFamily>) -> Result<Vec<IpAddr>, String> {
        let servers = self.servers.get(&self.clock);
        let mut candidates = Vec::new();
        let is_full = name.ends_with('.');
        let is_long = name.matches('.').count() >= servers.dots;
        if is_full || is_long {
            candidates.push(name.to_string());
        }
        if !is_full {
            candidates.extend(servers.search.iter().map(|domain| format!("{name}.{domain}")));
            if !is_long {
                candidates.push(name.to_string());
            }
        }
        let mut failure = format!("lookup {name}: no such host");
        for candidate in candidates {
            let question = |record_type| self.question(&servers, name, candidate.clone(), record_type);
            let (v4, v6) = match family {
                Some(IpFamily::V4) => (question(names::TYPE_A).await, Ok(Vec::new())),
                Some(IpFamily::V6) => (Ok(Vec::new()), question(names::TYPE_AAAA).await),
                None => tokio::join!(question(names::TYPE_A), question(names::TYPE_AAAA)),
            };
            let mut addresses = Vec::new();
            for answer in [v4, v6] {
                match answer {
                    Ok(found) => addresses.extend(found),
                    Err(why) => failure = why,
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(failure)
    }

    /// The addresses that the first server to answer says; none if it says that there is none.
    async fn question(
        &self,
        servers: &Servers,
        shown: &str,
        name: String,
        record_type: u16,
    ) -> Result<Vec<IpAddr>, String> {
        let mut failure = format!("lookup {shown}: no name server");
        for _ in 0..servers.attempts {
            for server in &servers.addresses {
                let asked = tokio::time::timeout(servers.timeout, ask(*server, &name, record_type)).await;
                match asked {
                    Err(_) => failure = format!("lookup {shown} on {server}: i/o timeout"),
                    Ok(Err(error)) => failure = format!("lookup {shown} on {server}: {error}"),
                    Ok(Ok(answer)) => match answer.rcode {
                        0 => {
                            return Ok(answer.sections[0]
                                .iter()
                                .filter_map(|record| record.address)
                                .collect());
                        }
                        3 => return Err(format!("lookup {shown} on {server}: no such host")),
                        code => {
                            failure = format!("lookup {shown} on {server}: {}", names::rcode_name(code));
                        }
                    },
                }
            }
        }
        Err(failure)
    }
}

async fn ask(server: SocketAddr, name: &str, record_type: u16) -> std::io::Result<message::Message> {
    let invalid = |error: message::MessageError| std::io::Error::other(error.to_string());
    let id = random_u16();
    let question = message::question(id, name, record_type, names::CLASS_IN, true).map_err(invalid)?;
    let answer = exchange_udp(server, None, &question, id).await?;
    if !answer.truncated {
        return Ok(answer);
    }
    let mut stream = TcpStream::connect(server).await?;
    exchange_stream(&mut stream, &question).await
}

/// Sends a question over UDP and waits for the answer that belongs to it.
pub(crate) async fn exchange_udp(
    server: SocketAddr,
    source: Option<IpAddr>,
    question: &[u8],
    id: u16,
) -> std::io::Result<message::Message> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; UDP_MAX_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer =
            message::parse(&buffer[..length]).map_err(|error| std::io::Error::other(error.to_string()))?;
        if answer.id == id && answer.is_response {
            return Ok(answer);
        }
    }
}

/// Sends a question over a stream, with its length before it, and reads the answer.
pub(crate) async fn exchange_stream<S>(stream: &mut S, question: &[u8]) -> std::io::Result<message::Message>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    message::parse(&answer).map_err(|error| std::io::Error::other(error.to_string()))
}

/// A number that others cannot guess.
pub(crate) fn random_u16() -> u16 {
    let mut bytes = [0; 2];
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u16::from_be_bytes(bytes)
}

fn parse_hosts(text: &str) -> Vec<(String, IpAddr)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    lines
        .flat_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
            words.filter_map(move |name| Some((name.trim_end_matches('.').to_ascii_lowercase(), address?)))
        })
        .collect()
}

fn parse_servers(text: &str) -> Servers {
    let mut servers = Servers {
        addresses: Vec::new(),
        search: Vec::new(),
        dots: 1,
        timeout: Duration::from_secs(5),
        attempts: 2,
    };
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or("").split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let word = words.next().unwrap_or("");
                let plain = word.split('%').next().and_then(|word| word.parse::<IpAddr>().ok());
                let address = plain.map(|ip| SocketAddr::new(ip, 53)).or_else(|| word.parse().ok());
                servers.addresses.extend(address.filter(|_| servers.addresses.len() < SERVERS_MAX));
            }
            Some("search" | "domain") => {
                servers.search = words
                    .map(|word| word.trim_matches('.').to_string())
                    .filter(|word| !word.is_empty())
                    .collect();
            }
            Some("options") => {
                for word in words {
                    let number = |name: &str| -> Option<u64> { word.strip_prefix(name)?.parse().ok() };
                    if let Some(dots) = number("ndots:") {
                        servers.dots = dots.min(15) as usize;
                    } else if let Some(seconds) = number("timeout:") {
                        servers.timeout = Duration::from_secs(seconds.clamp(1, 30));
                    } else if let Some(attempts) = number("attempts:") {
                        servers.attempts = attempts.clamp(1, 5) as usize;
                    }
                }
            }
            _ => {}
        }
    }
    if servers.addresses.is_empty() {
        servers.addresses.push(SocketAddr::from(([127, 0, 0, 1], 53)));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_system_does() {
        let hosts = parse_hosts("127.0.0.1 localhost  me # comment\n::1 localhost\nfe80::1%lo0 link\n");
        assert_eq!(hosts[1], ("me".into(), "127.0.0.1".parse().unwrap()));
        assert_eq!((hosts[2].1.is_ipv6(), hosts.len()), (true, 4));
        let servers = parse_servers(
            "search a.example b.example.\nnameserver 10.0.0.1\nnameserver ::1\noptions ndots:5 timeout:2\n",
        );
        assert_eq!(servers.addresses.len(), 2);
        assert_eq!(servers.search, ["a.example", "b.example"]);
        assert_eq!((servers.dots, servers.timeout), (5, Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn names_of_the_hosts_file_and_addresses_need_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "192.0.2.1 shop Shop.example\n2001:db8::1 shop\n").unwrap();
        let resolver = Resolver::with_files(&hosts, Path::new("/nonexistent"), &Clock::system());
        assert_eq!(resolver.lookup("SHOP.example", None).await.unwrap().len(), 1);
        let v6 = resolver.lookup("shop", Some(IpFamily::V6)).await.unwrap();
        assert_eq!(v6, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.lookup("192.0.2.7", None).await.unwrap().len(), 1);
        assert!(resolver.lookup("192.0.2.7", Some(IpFamily::V6)).await.is_err());
        assert!(resolver.lookup("localhost", Some(IpFamily::V4)).await.is_ok());
    }
}
