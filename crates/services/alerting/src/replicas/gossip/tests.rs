//! Three replicas on loopback.

use std::future::Future;
use std::sync::atomic::AtomicBool;

use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome};

use super::*;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = anyhow::Result<T>> + Send + 'a>>;

/// A socket that can be cut off.
struct Cut {
    socket: Box<dyn Socket>,
    is_cut: Arc<AtomicBool>,
}

impl Socket for Cut {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn send<'s, 'a>(&'s mut self, to: SocketAddr, envelope: ChitchatEnvelope) -> Boxed<'a, SendOutcome>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            if self.is_cut.load(Ordering::SeqCst) {
                return Ok(SendOutcome { num_bytes_sent: 0 });
            }
            self.socket.send(to, envelope).await
        })
    }

    fn recv<'s, 'a>(&'s mut self) -> Boxed<'a, RecvOutcome>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(async move {
            loop {
                let received = self.socket.recv().await?;
                if !self.is_cut.load(Ordering::SeqCst) {
                    return Ok(received);
                }
            }
        })
    }
}

struct Node {
    gossip: Gossip,
    is_cut: Arc<AtomicBool>,
    heard: Mutex<HashMap<(EntryKind, String), Entry>>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<Vec<Entry>>>,
}

impl Node {
    async fn start(name: &str, label: &str, peers: &[&Node]) -> Node {
        let socket = chitchat::transport::UdpSocket::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let settings = GossipSettings {
            name: name.into(),
            label: label.into(),
            peers: peers.iter().map(|peer| peer.gossip.address().to_string()).collect(),
            interval: Duration::from_millis(20),
            ..GossipSettings::default()
        };
        let cut = Cut { socket: Box::new(socket), is_cut: is_cut.clone() };
        let gossip = Gossip::start_on(settings, Clock::system(), Box::new(cut)).await.unwrap();
        let receiver = tokio::sync::Mutex::new(gossip.subscribe());
        Node { gossip, is_cut, heard: Mutex::default(), receiver }
    }

    fn healthy(&self) -> Vec<String> {
        let members = self.gossip.members();
        members.list.into_iter().filter(|member| member.is_healthy).map(|member| member.name).collect()
    }

    async fn until_healthy(&self, names: &[&str]) {
        until(&format!("{} sees {names:?}", self.gossip.members().name), || async {
            self.healthy() == names
        })
        .await;
    }

    async fn until_heard(&self, expected: &[Entry]) {
        until("it has heard", || async {
            while let Ok(batch) = self.receiver.lock().await.try_recv() {
                for entry in batch {
                    let mut heard = self.heard.lock();
                    let known = heard.get(&(entry.kind, entry.key.clone()));
                    if known.is_none_or(|known| entry.is_newer_than(known)) {
                        heard.insert((entry.kind, entry.key.clone()), entry);
                    }
                }
            }
            let heard = self.heard.lock();
            expected.iter().all(|entry| heard.get(&(entry.kind, entry.key.clone())) == Some(entry))
        })
        .await;
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..6_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within a minute: {what}");
}

fn entry(key: &str, updated_at_ms: i64, size: usize) -> Entry {
    let body = (0..size).map(|at| (at as i64 + updated_at_ms) as u8).collect();
    Entry { kind: EntryKind::Ledger, key: key.into(), updated_at_ms, expires_at_ms: i64::MAX, body }
}

async fn three() -> [Node; 3] {
    let a = Node::start("a", "", &[]).await;
    let b = Node::start("b", "", &[&a]).await;
    let c = Node::start("c", "", &[&a]).await;
    for node in [&a, &b, &c] {
        node.until_healthy(&["a", "b", "c"]).await;
    }
    [a, b, c]
}

#[tokio::test]
async fn three_find_each_other_and_share_what_they_told_small_and_large() {
    let [a, b, c] = three().await;
    let turns: Vec<i64> = [&a, &b, &c].map(|node| node.gossip.turn_ms()).to_vec();
    assert_eq!(turns, [0, 15_000, 30_000]);
    let many: Vec<Entry> = (0..2_000).map(|at| entry(&format!("{at}\ngroup"), 5, 100)).collect();
    a.gossip.share(many.clone()).await.unwrap();
    let large = entry(&"large ".repeat(1_000), 5, 300_000);
    let Claim::Granted { token, told: None } = b.gossip.claim(&large.key, 1_000).await else { panic!() };
    b.gossip.release(&large.key, token, Some(large.clone())).await;
    for node in [&a, &b, &c] {
        node.until_heard(&many).await;
        node.until_heard(std::slice::from_ref(&large)).await;
        let claim = node.gossip.claim(&large.key, 1_000).await;
        assert!(
            matches!(&claim, Claim::Granted { told, .. } if told.as_ref() == Some(&large)),
            "its turn shows it"
        );
    }
    // A newer one that is smaller leaves nothing behind; an older one changes nothing.
    let newer = entry(&large.key, 7, 10);
    c.gossip.share(vec![newer.clone(), entry(&large.key, 6, 20_000)]).await.unwrap();
    b.gossip.share(vec![entry(&large.key, 6, 20)]).await.unwrap();
    for node in [&a, &b, &c] {
        node.until_heard(std::slice::from_ref(&newer)).await;
    }
    let Claim::Granted { told, .. } = a.gossip.claim(&large.key, 1_000).await else { panic!() };
    assert_eq!(told, Some(newer));
}

#[tokio::test]
async fn one_that_is_cut_off_tells_by_itself_and_hears_the_rest_afterwards() {
    let [a, b, c] = three().await;
    c.is_cut.store(true, Ordering::SeqCst);
    a.until_healthy(&["a", "b"]).await;
    c.until_healthy(&["c"]).await;
    assert_eq!(
        (c.gossip.turn_ms(), b.gossip.turn_ms()),
        (0, 15_000),
        "it does not wait for who is not there"
    );
    let missing: Vec<Member> =
        a.gossip.members().list.into_iter().filter(|member| !member.is_healthy).collect();
    assert_eq!(missing.len(), 1);
    a.gossip.share(vec![entry("by a", 5, 10), entry("both", 5, 10)]).await.unwrap();
    c.gossip.share(vec![entry("by c", 5, 10), entry("both", 6, 10)]).await.unwrap();
    c.is_cut.store(false, Ordering::SeqCst);
    for node in [&a, &b, &c] {
        node.until_healthy(&["a", "b", "c"]).await;
        node.until_heard(&[entry("by a", 5, 10), entry("by c", 5, 10), entry("both", 6, 10)]).await;
    }
}

#[tokio::test]
async fn what_one_told_before_it_went_is_known_to_those_that_come_later() {
    let [a, b, c] = three().await;
    c.gossip.share(vec![entry("by c", 5, 30_000)]).await.unwrap();
    a.until_heard(&[entry("by c", 5, 30_000)]).await;
    drop(c);
    a.until_healthy(&["a", "b"]).await;
    let again = Node::start("c", "", &[&b]).await;
    again.until_heard(&[entry("by c", 5, 30_000)]).await;
    again.until_healthy(&["a", "b", "c"]).await;
    a.until_healthy(&["a", "b", "c"]).await;
    again.gossip.settled().await;
    assert_eq!(again.gossip.members().status, MembersStatus::Ready);
}

#[tokio::test]
async fn replicas_with_another_label_are_strangers() {
    let a = Node::start("a", "one", &[]).await;
    let b = Node::start("b", "two", &[&a]).await;
    let c = Node::start("c", "one", &[&a, &b]).await;
    a.gossip.share(vec![entry("key", 5, 10)]).await.unwrap();
    c.until_heard(&[entry("key", 5, 10)]).await;
    c.until_healthy(&["a", "c"]).await;
    assert_eq!(b.healthy(), ["b"]);
    assert!(matches!(b.gossip.claim("key", 1).await, Claim::Granted { told: None, .. }));
}

#[tokio::test]
async fn what_has_expired_or_is_too_large_is_not_told() {
    let [a, b, c] = three().await;
    let expired = Entry { expires_at_ms: 1, ..entry("expired", 5, 10) };
    let large = entry("large", 5, SIZE_MAX_BYTES + 1);
    let refused = a.gossip.share(vec![expired, large, entry("good", 5, 10)]).await;
    assert!(matches!(refused, Err(ReplicaError::TooLarge { .. })));
    for node in [&b, &c] {
        node.until_heard(&[entry("good", 5, 10)]).await;
        assert_eq!(node.heard.lock().len(), 1);
    }
    a.gossip.shared.sweep_once().await;
    assert_eq!(a.gossip.shared.own.lock().len(), 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let a = Node::start("a", "", &[]).await;
    let settings = GossipSettings { listen_address: a.gossip.address(), ..GossipSettings::default() };
    let error = Gossip::start(settings, Clock::system()).await.err().unwrap().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
}

#[test]
fn peers_without_a_port_get_the_usual_one() {
    for (peer, expected) in [
        ("am-0.am", "am-0.am:9094"),
        ("am-0.am:1", "am-0.am:1"),
        ("10.0.0.1", "10.0.0.1:9094"),
        ("::1", "[::1]:9094"),
        ("[::1]", "[::1]:9094"),
        ("[::1]:1", "[::1]:1"),
    ] {
        assert_eq!(with_port(peer), expected, "{peer}");
    }
}
