//! From names to records and addresses: `/etc/hosts`, then the name servers of `/etc/resolv.conf`, asked
//! without a thread each, so that a dead name server holds up nobody but those who need it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use cached::Cached;
use tokio::net::TcpStream;

use super::exchange::{UDP_MAX_BYTES, exchange_stream, is_truncated, receive_udp};
use super::message::{self, Message, Record};
use super::record::Value;
use super::{IpFamily, names, random_u16};

/// How often the files are looked at.
const FILES_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Size of the files.
const FILE_MAX_BYTES: u64 = 4 << 20;
/// Name servers that are asked.
const SERVERS_MAX: usize = 3;
/// Domains that a name is tried under.
const SEARCH_MAX: usize = 32;

/// Why a name was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Every name server that was asked says that there is no such name; the text says which.
    #[error("{0}")]
    NoSuchName(String),
    /// A name server that might know did not answer as it should.
    #[error("{0}")]
    Failed(String),
}

type Result<T> = std::result::Result<T, LookupError>;

/// Finds addresses and records. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    clock: Clock,
    hosts: Arc<Cached<Vec<(String, IpAddr)>>>,
    servers: Arc<Cached<Servers>>,
    /// No question waits longer.
    patience: Duration,
}

#[derive(Clone, Debug)]
struct Servers {
    addresses: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with at least so many dots is tried as it is first.
    dots: usize,
    /// For one question to one server.
    timeout: Duration,
    attempts: usize,
}

/// A file that is read again when it changes.
mod cached {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use parking_lot::Mutex;

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
    pub fn system(clock: &Clock) -> Resolver {
        Resolver::with_files(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf"), clock)
    }

    /// Other files of the same form. A name server's address may have a port there.
    pub fn with_files(hosts: &Path, servers: &Path, clock: &Clock) -> Resolver {
        Resolver {
            clock: clock.clone(),
            hosts: Arc::new(Cached::new(hosts, parse_hosts)),
            servers: Arc::new(Cached::new(servers, parse_servers)),
            patience: Duration::MAX,
        }
    }

    /// With an upper bound on the time that one question to one server takes, whatever the file says.
    pub fn with_patience(self, patience: Duration) -> Resolver {
        Resolver { patience, ..self }
    }

    /// The addresses of a name in this family, or in both; never none. An address as text is itself.
    pub async fn addresses(&self, name: &str, family: Option<IpFamily>) -> Result<Vec<IpAddr>> {
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
            if known.is_empty() { self.ask_addresses(name, family).await? } else { known }
        };
        let fitting: Vec<IpAddr> = found.into_iter().filter(accepts).collect();
        match fitting.is_empty() {
            true => Err(LookupError::NoSuchName(format!("lookup {name}: no suitable address"))),
            false => Ok(fitting),
        }
    }

    /// The records of a type (see `names`) that name servers have for a name, tried under each search domain;
    /// none if every one of them says that there are none. Looks into no hosts file.
    pub async fn records(&self, name: &str, record_type: u16) -> Result<Vec<Record>> {
        let servers = self.servers.get(&self.clock);
        let mut failure = None;
        for candidate in candidates(&servers, name) {
            match self.ask_servers(&servers, name, &candidate, record_type).await {
                Ok(records) if !records.is_empty() => return Ok(records),
                Ok(_) | Err(LookupError::NoSuchName(_)) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(Vec::new()), Err)
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

    async fn ask_addresses(&self, name: &str, family: Option<IpFamily>) -> Result<Vec<IpAddr>> {
        let servers = self.servers.get(&self.clock);
        let mut failure = LookupError::NoSuchName(format!("lookup {name}: no such host"));
        for candidate in candidates(&servers, name) {
            let question = |record_type| self.ask_servers(&servers, name, &candidate, record_type);
            let (v4, v6) = match family {
                Some(IpFamily::V4) => (question(names::TYPE_A).await, Ok(Vec::new())),
                Some(IpFamily::V6) => (Ok(Vec::new()), question(names::TYPE_AAAA).await),
                None => tokio::join!(question(names::TYPE_A), question(names::TYPE_AAAA)),
            };
            let mut addresses = Vec::new();
            for answer in [v4, v6] {
                match answer {
                    Ok(found) => {
                        addresses.extend(found.into_iter().filter_map(|record| match record.value {
                            Value::Address(address) => Some(address),
                            _ => None,
                        }))
                    }
                    // That a server failed says more than that another knew of none.
                    Err(LookupError::NoSuchName(_)) if matches!(failure, LookupError::Failed(_)) => {}
                    Err(error) => failure = error,
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(failure)
    }

    /// The records of the type that the first server to answer has. `shown` is the name for errors.
    async fn ask_servers(
        &self,
        servers: &Servers,
        shown: &str,
        name: &str,
        record_type: u16,
    ) -> Result<Vec<Record>> {
        let timeout = servers.timeout.min(self.patience);
        let mut failure = format!("lookup {shown}: no name server");
        for _ in 0..servers.attempts {
            for server in &servers.addresses {
                let failed = |why: &dyn std::fmt::Display| format!("lookup {shown} on {server}: {why}");
                failure = match tokio::time::timeout(timeout, ask(*server, name, record_type)).await {
                    Err(_) => failed(&"i/o timeout"),
                    Ok(Err(error)) => failed(&error),
                    Ok(Ok(message)) => match message.rcode {
                        0 => {
                            let [mut answers, ..] = message.sections;
                            // An answer may begin with the aliases that lead to it.
                            answers.retain(|record| record.record_type == record_type);
                            return Ok(answers);
                        }
                        3 => return Err(LookupError::NoSuchName(failed(&"no such host"))),
                        code => failed(&names::rcode_name(code)),
                    },
                }
            }
        }
        Err(LookupError::Failed(failure))
    }
}

/// A name as it is and under the search domains, in the order to try.
fn candidates(servers: &Servers, name: &str) -> Vec<String> {
    let whole = std::iter::once(name.to_string());
    if name.ends_with('.') {
        return whole.collect();
    }
    let searched = servers.search.iter().map(|domain| format!("{name}.{domain}"));
    match name.matches('.').count() >= servers.dots {
        true => whole.chain(searched).collect(),
        false => searched.chain(whole).collect(),
    }
}

async fn ask(server: SocketAddr, name: &str, record_type: u16) -> std::io::Result<Message> {
    let mut question = message::question(random_u16(), name, record_type, names::CLASS_IN, true)
        .map_err(std::io::Error::other)?;
    message::announce_size(&mut question, UDP_MAX_BYTES);
    let answer = receive_udp(server, None, &question).await?;
    if !is_truncated(&answer) {
        return message::parse(&answer).map_err(std::io::Error::other);
    }
    exchange_stream(&mut TcpStream::connect(server).await?, &question).await
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
            Some(keyword @ ("search" | "domain")) => {
                servers.search = words
                    .map(|word| word.trim_matches('.').to_string())
                    .filter(|word| !word.is_empty())
                    .take(if keyword == "domain" { 1 } else { SEARCH_MAX })
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
    use testkit::dns::Answer;

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
        assert_eq!(parse_servers("").addresses, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn a_name_is_tried_under_the_search_domains_in_order() {
        let servers = parse_servers("search a.test b.test\noptions ndots:2\n");
        assert_eq!(candidates(&servers, "x.y"), ["x.y.a.test", "x.y.b.test", "x.y"]);
        assert_eq!(candidates(&servers, "x.y.z"), ["x.y.z", "x.y.z.a.test", "x.y.z.b.test"]);
        assert_eq!(candidates(&servers, "x."), ["x."]);
    }

    /// A resolver that asks one name server, with more lines of its configuration.
    fn asking(server: SocketAddr, lines: &str) -> (Resolver, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        std::fs::write(&file, format!("nameserver {server}\noptions attempts:1\n{lines}\n")).unwrap();
        (Resolver::with_files(Path::new("/nonexistent"), &file, &Clock::system()), folder)
    }

    #[tokio::test]
    async fn search_domains_are_tried_in_turn_and_a_failing_one_leaves_doubt() {
        let server = testkit::dns::serve(|name, _| match name {
            "db.b.test" => Answer::srv(&[("x.test.", 1)]),
            "web.a.test" => Answer::code(2),
            "host.b.test" => Answer::records(&[(5, b"\x01c\0"), (1, &[10, 0, 0, 1])]),
            _ => Answer::code(3),
        })
        .await;
        let (resolver, _folder) = asking(server, "search a.test b.test");
        assert_eq!(resolver.records("db", names::TYPE_SRV).await.unwrap().len(), 1);
        assert_eq!(resolver.records("nobody", names::TYPE_SRV).await.unwrap().len(), 0);
        let error = resolver.records("web", names::TYPE_SRV).await.unwrap_err();
        assert_eq!(error.to_string(), format!("lookup web on {server}: SERVFAIL"));
        assert_eq!(
            resolver.addresses("host", Some(IpFamily::V4)).await.unwrap(),
            [Ipv4Addr::new(10, 0, 0, 1)]
        );
        let error = resolver.addresses("nobody", None).await.unwrap_err();
        assert_eq!(error.to_string(), format!("lookup nobody on {server}: no such host"));
        let error = resolver.addresses("web", None).await.unwrap_err();
        assert!(matches!(error, LookupError::Failed(_)), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_comes_over_tcp() {
        let server = testkit::dns::serve(|_, _| {
            let hosts: Vec<String> = (0..300).map(|at| format!("host-{at}.example.com.")).collect();
            let targets: Vec<(&str, u16)> = hosts.iter().map(|host| (host.as_str(), 1)).collect();
            Answer::srv(&targets)
        })
        .await;
        let (resolver, _folder) = asking(server, "");
        let records = resolver.records("many.test.", names::TYPE_SRV).await.unwrap();
        assert_eq!(records.len(), 300);
        assert_eq!(records[299].value, Value::Srv { host: "host-299.example.com.".into(), port: 1 });
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_makes_room_for_the_next() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = testkit::dns::serve(|_, _| Answer::records(&[(1, &[10, 0, 0, 1])])).await;
        let (resolver, _folder) = asking(silent.local_addr().unwrap(), &format!("nameserver {server}"));
        let resolver = resolver.with_patience(Duration::from_millis(20));
        assert_eq!(resolver.addresses("a.test", Some(IpFamily::V4)).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn names_of_the_hosts_file_and_addresses_need_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "192.0.2.1 shop Shop.example\n2001:db8::1 shop\n").unwrap();
        let resolver = Resolver::with_files(&hosts, Path::new("/nonexistent"), &Clock::system());
        assert_eq!(resolver.addresses("SHOP.example", None).await.unwrap().len(), 1);
        let v6 = resolver.addresses("shop", Some(IpFamily::V6)).await.unwrap();
        assert_eq!(v6, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.addresses("192.0.2.7", None).await.unwrap().len(), 1);
        assert!(resolver.addresses("192.0.2.7", Some(IpFamily::V6)).await.is_err());
        assert!(resolver.addresses("localhost", Some(IpFamily::V4)).await.is_ok());
    }
}
