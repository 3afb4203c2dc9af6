//! Replicas without a database: each tells the others what it told, by gossip (the library
//! chitchat, over UDP). There is no shared truth, so that a claim is no more than a turn: a replica
//! waits [`Replicas::turn_ms`] by its place among those that live, and looks again at what it has
//! heard. While they cannot reach each other, each tells by itself.

mod chunks;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base::Clock;
use chitchat::transport::Socket;
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};

use super::encoding::{check_size, name_for_key};
use super::*;
use chunks::{PREFIX, Place, SIZE_MAX_BYTES, cut, join};

/// The port that peers are expected on if they are named without one.
pub const GOSSIP_PORT: u16 = 9094;
/// How long the state of one that is gone is kept for those that come: as long as silences are.
const GONE_KEPT: Duration = Duration::from_secs(120 * 3600);
/// How long the others are told that something is no longer there.
const TOMBSTONES_KEPT: Duration = Duration::from_secs(3600);
/// How often expired entries are taken back.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// Entries sent to a subscriber at once.
const BATCH_MAX: usize = 500;
/// Entries that this replica tells the others.
const ENTRIES_MAX: usize = WAITING_ENTRIES_MAX;
/// How often in a row those who are there must be the same, when it starts.
const SETTLE_LOOKS: u32 = 3;

/// Where replicas are found.
#[derive(Clone, Debug)]
pub struct GossipSettings {
    /// This replica's name, which gives its place.
    pub name: String,
    /// Where to listen, UDP.
    pub listen_address: SocketAddr,
    /// Where the others reach us, if that is not where we listen.
    pub advertise_address: Option<SocketAddr>,
    /// Some of the others: names or addresses, with ports.
    pub peers: Vec<String>,
    /// Only replicas with the same label talk to each other.
    pub label: String,
    /// How often to gossip.
    pub interval: Duration,
    /// How long one before us in the order may take.
    pub peer_timeout: Duration,
    /// How long the start waits for the others at most.
    pub settle_timeout: Duration,
}

impl Default for GossipSettings {
    fn default() -> Self {
        GossipSettings {
            name: String::new(),
            listen_address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), GOSSIP_PORT),
            advertise_address: None,
            peers: Vec::new(),
            label: String::new(),
            interval: Duration::from_millis(200),
            peer_timeout: Duration::from_secs(15),
            settle_timeout: Duration::from_secs(60),
        }
    }
}

/// Replicas that gossip. What it does in the background ends with it.
pub struct Gossip {
    shared: Arc<Shared>,
    handle: ChitchatHandle,
    tasks: Vec<tokio::task::AbortHandle>,
}

struct Shared {
    settings: GossipSettings,
    clock: Clock,
    own_id: ChitchatId,
    chitchat: Arc<tokio::sync::Mutex<Chitchat>>,
    /// What we tell the others: when it was made, when it expires, its chunks.
    own: Mutex<HashMap<Place, (i64, i64, usize)>>,
    subscribers: Mutex<Vec<Arc<Subscriber>>>,
    members: Mutex<(Vec<Member>, usize)>,
    settled: watch::Sender<bool>,
    next_token: AtomicI64,
}

/// What a subscriber has not been told yet. Bounded by what there is.
#[derive(Default)]
struct Subscriber {
    changed: Mutex<BTreeSet<Place>>,
    wake: Notify,
}

impl Gossip {
    /// Takes part, on the current tokio runtime. None of the others need be there.
    pub async fn start(settings: GossipSettings, clock: Clock) -> Result<Gossip, ReplicaError> {
        let socket =
            chitchat::transport::UdpSocket::open(settings.listen_address).await.map_err(|error| {
                ReplicaError::Settings(format!("cannot listen on {}: {error:#}", settings.listen_address))
            })?;
        Gossip::start_on(settings, clock, Box::new(socket)).await
    }

    async fn start_on(
        settings: GossipSettings,
        clock: Clock,
        socket: Box<dyn Socket>,
    ) -> Result<Gossip, ReplicaError> {
        let failed =
            |error: &dyn std::fmt::Display| ReplicaError::Settings(format!("cannot gossip: {error:#}"));
        let bound = socket.local_addr().map_err(|error| failed(&error))?;
        let advertised = match settings.advertise_address {
            Some(address) if address.port() == 0 => SocketAddr::new(address.ip(), bound.port()),
            Some(address) => address,
            None if bound.ip().is_unspecified() => {
                SocketAddr::new(own_address(&settings.peers).await, bound.port())
            }
            None => bound,
        };
        // A replica that was started anew is another one to the others; the later one counts.
        let generation = clock.now_ms().unsigned_abs();
        let own_id = ChitchatId::new(name_for_key(&settings.name), generation, advertised);
        let config = ChitchatConfig {
            chitchat_id: own_id.clone(),
            cluster_id: format!("promontory alerting {}", name_for_key(&settings.label)),
            gossip_interval: settings.interval.max(Duration::from_millis(10)),
            listen_addr: bound,
            seed_nodes: settings.peers.iter().map(|peer| with_port(peer)).collect(),
            failure_detector_config: FailureDetectorConfig {
                dead_node_grace_period: GONE_KEPT,
                initial_interval: settings.interval * 5,
                ..Default::default()
            },
            marked_for_deletion_grace_period: TOMBSTONES_KEPT,
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V0,
        };
        let transport = socket::Opened::new(socket);
        let handle =
            chitchat::spawn_chitchat(config, Vec::new(), &transport).await.map_err(|error| failed(&error))?;
        let shared = Arc::new(Shared {
            settings,
            clock,
            own_id,
            chitchat: handle.chitchat(),
            own: Mutex::new(HashMap::new()),
            subscribers: Mutex::new(Vec::new()),
            members: Mutex::new((Vec::new(), 0)),
            settled: watch::channel(false).0,
            next_token: AtomicI64::new(1),
        });
        let listener = Arc::downgrade(&shared);
        handle
            .with_chitchat(|chitchat| {
                let listener = listener.clone();
                chitchat.subscribe_event(PREFIX, move |event| {
                    if let (Some(shared), Some(place)) = (listener.upgrade(), Place::of_key(event.key)) {
                        shared.note_change(&place);
                    }
                })
            })
            .await
            .forever();
        shared.look_around().await;
        let tasks = vec![
            tokio::spawn(shared.clone().keep_looking()).abort_handle(),
            tokio::spawn(shared.clone().settle()).abort_handle(),
            tokio::spawn(shared.clone().sweep()).abort_handle(),
        ];
        Ok(Gossip { shared, handle, tasks })
    }

    /// Where the others reach us.
    pub fn address(&self) -> SocketAddr {
        self.shared.own_id.gossip_advertise_addr
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
        let _ = self.handle.initiate_shutdown();
    }
}

impl Replicas for Gossip {
    fn claim<'a>(&'a self, key: &'a str, _lease_ms: i64) -> Answer<'a, Claim> {
        Box::pin(async move {
            let place = Place::of(EntryKind::Ledger, key);
            let told = self.shared.newest(std::slice::from_ref(&place)).await.pop();
            Claim::Granted { token: Token(self.shared.next_token.fetch_add(1, Ordering::Relaxed)), told }
        })
    }

    fn release<'a>(&'a self, _key: &'a str, _token: Token, told: Option<Entry>) -> Answer<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.shared.publish(told.into_iter().collect()).await {
                tracing::warn!(%error, "the other replicas are not told what was told");
            }
        })
    }

    fn share(&self, entries: Vec<Entry>) -> Answer<'_, Result<(), ReplicaError>> {
        Box::pin(self.shared.publish(entries))
    }

    fn subscribe(&self) -> mpsc::Receiver<Vec<Entry>> {
        let (sender, receiver) = mpsc::channel(SUBSCRIPTION_BATCHES_MAX);
        let subscriber = Arc::new(Subscriber::default());
        self.shared.subscribers.lock().push(subscriber.clone());
        tokio::spawn(follow(Arc::downgrade(&self.shared), subscriber, sender));
        receiver
    }

    fn settled(&self) -> Answer<'_, ()> {
        let mut settled = self.shared.settled.subscribe();
        Box::pin(async move {
            let _ = settled.wait_for(|is_settled| *is_settled).await;
        })
    }

    fn turn_ms(&self) -> i64 {
        let position = i64::try_from(self.shared.members.lock().1).unwrap_or(i64::MAX);
        position.saturating_mul(self.shared.settings.peer_timeout.as_millis() as i64)
    }

    fn members(&self) -> Members {
        let (list, position) = self.shared.members.lock().clone();
        let is_settled = *self.shared.settled.borrow();
        let status = if is_settled { MembersStatus::Ready } else { MembersStatus::Settling };
        Members { name: self.shared.settings.name.clone(), list, position, status }
    }
}

impl Shared {
    fn note_change(&self, place: &Place) {
        for subscriber in self.subscribers.lock().iter() {
            subscriber.changed.lock().insert(place.clone());
            subscriber.wake.notify_one();
        }
    }

    /// The newest entries of these places that anyone has told, of those that have not expired.
    async fn newest(&self, places: &[Place]) -> Vec<Entry> {
        let now_ms = self.clock.now_ms();
        let chitchat = self.chitchat.lock().await;
        let mut found = Vec::new();
        for place in places {
            let mut newest: Option<Entry> = None;
            for node in chitchat.node_states().values() {
                let Some(entry) = join(place, |key| node.get(key)) else { continue };
                if entry.expires_at_ms > now_ms
                    && newest.as_ref().is_none_or(|known| entry.is_newer_than(known))
                {
                    newest = Some(entry);
                }
            }
            found.extend(newest);
        }
        found
    }

    /// Tells the others, each entry on its own: one that does not fit does not stop the rest.
    async fn publish(&self, entries: Vec<Entry>) -> Result<(), ReplicaError> {
        let mut result = Ok(());
        for some in entries.chunks(BATCH_MAX) {
            let mut chitchat = self.chitchat.lock().await;
            let node = chitchat.self_node_state();
            for entry in some {
                let told = check_size(entry, SIZE_MAX_BYTES).and_then(|()| self.note_own(entry));
                match told {
                    Ok(None) => {}
                    Ok(Some(chunks_before)) => {
                        let place = Place::of(entry.kind, &entry.key);
                        let values = cut(entry);
                        let count = values.len();
                        for (chunk, value) in values.into_iter().enumerate() {
                            node.set(place.key(chunk), value);
                        }
                        for chunk in count..chunks_before {
                            node.delete(&place.key(chunk));
                        }
                    }
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    /// Notes what we are about to tell. `None` if we tell something at least as new; else how many
    /// chunks were told before.
    fn note_own(&self, entry: &Entry) -> Result<Option<usize>, ReplicaError> {
        let place = Place::of(entry.kind, &entry.key);
        let mut own = self.own.lock();
        let count = own.len();
        let noted = (entry.updated_at_ms, entry.expires_at_ms, cut(entry).len());
        match own.entry(place) {
            std::collections::hash_map::Entry::Occupied(known) if known.get().0 >= entry.updated_at_ms => {
                Ok(None)
            }
            std::collections::hash_map::Entry::Occupied(mut known) => Ok(Some(known.insert(noted).2)),
            std::collections::hash_map::Entry::Vacant(_) if count >= ENTRIES_MAX => {
                Err(ReplicaError::TooMany(count))
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(noted);
                Ok(Some(0))
            }
        }
    }

    async fn keep_looking(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.interval).await;
            self.look_around().await;
        }
    }

    /// Notes who is there.
    async fn look_around(&self) {
        let (mut present, mut gone) = (BTreeSet::new(), BTreeSet::new());
        {
            let chitchat = self.chitchat.lock().await;
            present.extend(chitchat.live_nodes().cloned());
            gone.extend(chitchat.dead_nodes().cloned());
        }
        // Of several lives of one replica only the last counts.
        let is_last = |id: &ChitchatId, all: &BTreeSet<ChitchatId>| {
            !all.iter().any(|other| {
                other.node_id == id.node_id
                    && other.gossip_advertise_addr == id.gossip_advertise_addr
                    && other.generation_id > id.generation_id
            })
        };
        let healthy: Vec<ChitchatId> = present.iter().filter(|id| is_last(id, &present)).cloned().collect();
        let position = healthy.iter().position(|id| *id == self.own_id).unwrap_or(0);
        let member = |id: &ChitchatId, is_healthy| Member {
            name: id.node_id.to_string(),
            address: id.gossip_advertise_addr.to_string(),
            is_healthy,
        };
        let mut list: Vec<Member> = healthy.iter().map(|id| member(id, true)).collect();
        for id in &gone {
            if !list.iter().any(|known| known.name == *id.node_id) {
                list.push(member(id, false));
            }
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        *self.members.lock() = (list, position);
    }

    /// Waits until who is there, and what they have told, has been the same for a while.
    async fn settle(self: Arc<Self>) {
        let looks = async {
            let (mut before, mut same) = (None, 0);
            while same < SETTLE_LOOKS {
                tokio::time::sleep(self.settings.interval * 10).await;
                let chitchat = self.chitchat.lock().await;
                let others = chitchat.node_states().iter().filter(|(id, _)| **id != self.own_id);
                let told: u64 = others.map(|(_, node)| node.max_version()).sum();
                let now = Some((chitchat.live_nodes().count(), told));
                same = if now == before { same + 1 } else { 0 };
                before = now;
            }
        };
        let _ = tokio::time::timeout(self.settings.settle_timeout, looks).await;
        self.settled.send_replace(true);
    }

    /// Takes back what has expired.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.sweep_once().await;
        }
    }

    async fn sweep_once(&self) {
        let now_ms = self.clock.now_ms();
        let mut chitchat = self.chitchat.lock().await;
        let node = chitchat.self_node_state();
        self.own.lock().retain(|place, (_, expires_at_ms, count)| {
            let stays = *expires_at_ms > now_ms;
            if !stays {
                (0..*count).for_each(|chunk| node.delete(&place.key(chunk)));
            }
            stays
        });
    }
}

/// Sends a subscriber everything there is, then what changes.
async fn follow(
    shared: std::sync::Weak<Shared>,
    subscriber: Arc<Subscriber>,
    sender: mpsc::Sender<Vec<Entry>>,
) {
    if let Some(shared) = shared.upgrade() {
        let chitchat = shared.chitchat.lock().await;
        let mut changed = subscriber.changed.lock();
        for node in chitchat.node_states().values() {
            let keys = node.iter_prefix(PREFIX).filter_map(|(key, _)| key.strip_prefix(PREFIX));
            changed.extend(keys.filter_map(Place::of_key));
        }
    }
    loop {
        let some: Vec<Place> = {
            let mut changed = subscriber.changed.lock();
            let some: Vec<Place> = changed.iter().take(BATCH_MAX).cloned().collect();
            some.iter().for_each(|place| {
                changed.remove(place);
            });
            some
        };
        if some.is_empty() {
            tokio::select! {
                () = subscriber.wake.notified() => continue,
                () = sender.closed() => break,
            }
        }
        let Some(strong) = shared.upgrade() else { return };
        let entries = strong.newest(&some).await;
        drop(strong);
        if !entries.is_empty() && sender.send(entries).await.is_err() {
            break;
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.subscribers.lock().retain(|known| !Arc::ptr_eq(known, &subscriber));
    }
}

/// A peer with the port it is expected on.
fn with_port(peer: &str) -> String {
    let has_port = match peer.rsplit_once(':') {
        Some((before, port)) => {
            port.bytes().all(|b| b.is_ascii_digit()) && (!before.contains(':') || before.ends_with(']'))
        }
        None => false,
    };
    match (has_port, peer.contains(':') && !peer.starts_with('[')) {
        (true, _) => peer.to_string(),
        (false, true) => format!("[{peer}]:{GOSSIP_PORT}"),
        (false, false) => format!("{peer}:{GOSSIP_PORT}"),
    }
}

/// The address that this machine reaches the others from. Nothing is sent to find out.
async fn own_address(peers: &[String]) -> IpAddr {
    let mut targets: Vec<String> = peers.iter().map(|peer| with_port(peer)).collect();
    // Of a range that documentation uses: any address behind the default route will do.
    targets.push("192.0.2.1:9".into());
    for target in targets {
        let Ok(addresses) = tokio::net::lookup_host(&target).await else { continue };
        for address in addresses {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            if let Ok(socket) = UdpSocket::bind(any).await
                && socket.connect(address).await.is_ok()
                && let Ok(own) = socket.local_addr()
            {
                return own.ip();
            }
        }
    }
    Ipv4Addr::LOCALHOST.into()
}
