//! A producer for Kafka: as much of its protocol as it takes to append records to one partition of a
//! topic. All records have one key, the name of this machine, so all go to the same partition, the
//! one that Kafka's own clients choose for that key. <https://kafka.apache.org/protocol>

use std::io::{self, Write};
use std::time::Duration;

use config::http_client::TlsConfig;
use flate2::Compression;
use flate2::write::GzEncoder;
use net::dial::TlsClient;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::queue::Item;
use crate::dispatch::record::{put_signed, put_unsigned};

/// The largest answer that is read: the description of a topic with very many partitions.
const ANSWER_SIZE_MAX_BYTES: usize = 16 << 20;
/// How long connecting, and each exchange, may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests and their versions: the oldest that brokers of version 4 still answer.
const PRODUCE: (i16, i16) = (0, 3);
const METADATA: (i16, i16) = (3, 4);

/// A topic that events are appended to.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaOutput {
    /// Brokers to ask first: host and port.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// What brokers are told of who asks.
    pub client_id: String,
    /// Whether events are in binary, not JSON.
    pub is_binary: bool,
    /// Who must have written an event: nobody (0), the leader (1), all replicas (-1).
    pub acks: i16,
    /// Whether events are compressed with gzip.
    pub gzip: bool,
    /// Events that wait.
    pub queue_events_max: usize,
    /// TLS settings; without them connections are plain.
    pub tls: Option<TlsConfig>,
}

/// Why records were not appended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The word that metrics have for it.
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// Whether another try may help.
    pub(super) may_pass: bool,
}

impl Failure {
    fn network(what: &str, error: impl std::fmt::Display) -> Failure {
        Failure { kind: "network", message: format!("{what}: {error}"), may_pass: true }
    }

    /// An error that a broker answered. These pass: a leader that moved or is not chosen yet, replicas that lag,
    /// a topic that is being made.
    fn code(code: i16) -> Failure {
        let may_pass = [3, 5, 6, 7, 13, 14, 15, 16, 19, 20, 56].contains(&code);
        let message = match code {
            3 => "there is no such topic (3)".into(),
            10 => "the record is larger than the broker takes (10)".into(),
            29 => "not allowed to write to the topic (29)".into(),
            other => format!("the broker answered error {other}"),
        };
        Failure { kind: "broker", message, may_pass }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Appends to the topic; connected to the leader of the partition once it was found.
pub(super) struct Producer {
    settings: KafkaOutput,
    key: String,
    tls: Option<TlsClient>,
    leader: Option<(Box<dyn Stream>, i32)>,
    correlation: i32,
}

impl Producer {
    pub(super) fn new(settings: KafkaOutput, key: String) -> Producer {
        Producer { settings, key, tls: None, leader: None, correlation: 0 }
    }

    /// Appends these as records of this time.
    pub(super) async fn append(&mut self, items: &[Item], now_ms: i64) -> Result<(), Failure> {
        let appended = self.try_to_append(items, now_ms).await;
        if appended.is_err() {
            // Whoever leads now is asked for anew.
            self.leader = None;
        }
        appended
    }

    async fn try_to_append(&mut self, items: &[Item], now_ms: i64) -> Result<(), Failure> {
        if self.leader.is_none() {
            self.leader = Some(self.find_leader().await?);
        }
        let records = batch(self.key.as_bytes(), items, now_ms, self.settings.gzip);
        let request = |partition: i32, correlation: i32| {
            let mut out = head(PRODUCE, correlation, &self.settings.client_id);
            out.put_i16(-1); // no transaction
            out.put_i16(self.settings.acks);
            out.put_i32(i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX));
            out.put_i32(1);
            out.put_text(&self.settings.topic);
            out.put_i32(1);
            out.put_i32(partition);
            out.put_i32(i32::try_from(records.len()).unwrap_or(i32::MAX));
            out.0.extend_from_slice(&records);
            out
        };
        self.correlation = self.correlation.wrapping_add(1);
        let Some((stream, partition)) = &mut self.leader else { return Ok(()) };
        let request = request(*partition, self.correlation);
        if self.settings.acks == 0 {
            return timed("produce", send(stream, request)).await;
        }
        let answer = timed("produce", exchange(stream, request)).await?;
        let mut answer = Answer(&answer);
        let code = (|| {
            answer.i32()?; // correlation
            answer.i32()?; // one topic
            answer.text()?;
            answer.i32()?; // one partition
            answer.i32()?;
            answer.i16()
        })();
        match code {
            Some(0) => Ok(()),
            Some(code) => Err(Failure::code(code)),
            None => Err(Failure::network("produce", "the answer is cut off")),
        }
    }

    /// Asks the brokers in turn who leads the partition, and connects to that one.
    async fn find_leader(&mut self) -> Result<(Box<dyn Stream>, i32), Failure> {
        let mut last = Failure::network("brokers", "there are none");
        for broker in self.settings.brokers.clone() {
            match self.ask_for_leader(&broker).await {
                Ok((leader, partition)) => return Ok((self.connect(&leader).await?, partition)),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn ask_for_leader(&mut self, broker: &str) -> Result<(String, i32), Failure> {
        let mut stream = self.connect(broker).await?;
        self.correlation = self.correlation.wrapping_add(1);
        let mut out = head(METADATA, self.correlation, &self.settings.client_id);
        out.put_i32(1);
        out.put_text(&self.settings.topic);
        out.0.push(1); // the topic may be made
        let answer = timed("metadata", exchange(&mut stream, out)).await?;
        let topic = topic_of(&answer);
        let (code, mut partitions) =
            topic.ok_or_else(|| Failure::network("metadata", "the answer is cut off"))?;
        if code != 0 {
            return Err(Failure::code(code));
        }
        partitions.sort_unstable_by_key(|(number, _)| *number);
        let hash = murmur2(self.key.as_bytes()) & 0x7fff_ffff;
        let chosen = (hash as usize).checked_rem(partitions.len()).and_then(|at| partitions.get(at));
        match chosen {
            Some((number, Some(leader))) => Ok((leader.clone(), *number)),
            Some((_, None)) => Err(Failure::code(5)),
            None => Err(Failure::code(3)),
        }
    }

    async fn connect(&mut self, address: &str) -> Result<Box<dyn Stream>, Failure> {
        let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port): (&str, u16) = parts.unwrap_or((address, 9092));
        let tcp = tokio::time::timeout(TIMEOUT, net::dial::tcp(host, port)).await;
        let tcp = tcp.map_err(|_| Failure::network(address, "no connection in time"))?;
        let tcp = tcp.map_err(|error| Failure::network(address, error))?;
        let Some(settings) = &self.settings.tls else { return Ok(Box::new(tcp)) };
        let known = self.tls.take().filter(|client| !client.is_outdated());
        let client = match known {
            Some(client) => client,
            None => TlsClient::new(settings, &[]).map_err(|error| Failure::network("tls_config", error))?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::time::timeout(TIMEOUT, client.connect(tcp, host)).await;
        self.tls = Some(client);
        let stream = stream.map_err(|_| Failure::network(address, "no handshake in time"))?;
        Ok(Box::new(stream.map_err(|error| Failure::network(address, error))?))
    }
}

async fn timed<T>(what: &str, work: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(TIMEOUT + Duration::from_secs(1), work).await {
        Ok(result) => result.map_err(|error| Failure::network(what, error)),
        Err(_) => {
            Err(Failure { kind: "timeout", message: format!("{what}: no answer in time"), may_pass: true })
        }
    }
}

async fn send(stream: &mut Box<dyn Stream>, request: Out) -> io::Result<()> {
    let size = i32::try_from(request.0.len()).map_err(io::Error::other)?;
    stream.write_all(&size.to_be_bytes()).await?;
    stream.write_all(&request.0).await?;
    stream.flush().await
}

async fn exchange(stream: &mut Box<dyn Stream>, request: Out) -> io::Result<Vec<u8>> {
    send(stream, request).await?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).await?;
    let size = usize::try_from(i32::from_be_bytes(size)).map_err(io::Error::other)?;
    if size > ANSWER_SIZE_MAX_BYTES {
        return Err(io::Error::other("the answer is too large"));
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The error of the topic, and its partitions with the addresses of their leaders.
#[allow(clippy::type_complexity)] // Only read once.
fn topic_of(answer: &[u8]) -> Option<(i16, Vec<(i32, Option<String>)>)> {
    let mut answer = Answer(answer);
    answer.i32()?; // correlation
    answer.i32()?; // throttled for
    let mut brokers = Vec::new();
    for _ in 0..answer.i32()? {
        let (id, host, port) = (answer.i32()?, answer.text()?.to_string(), answer.i32()?);
        answer.text()?; // rack
        brokers.push((id, format!("{host}:{port}")));
    }
    answer.text()?; // cluster
    answer.i32()?; // controller
    if answer.i32()? < 1 {
        return Some((3, Vec::new()));
    }
    let code = answer.i16()?;
    answer.text()?;
    answer.take(1)?; // internal
    let mut partitions = Vec::new();
    for _ in 0..answer.i32()? {
        answer.i16()?;
        let (number, leader) = (answer.i32()?, answer.i32()?);
        for _ in 0..2 {
            for _ in 0..answer.i32()? {
                answer.i32()?;
            }
        }
        let leader = brokers.iter().find(|(id, _)| *id == leader).map(|(_, address)| address.clone());
        partitions.push((number, leader));
    }
    Some((code, partitions))
}

/// Records as a batch of version 2.
fn batch(key: &[u8], items: &[Item], now_ms: i64, gzip: bool) -> Vec<u8> {
    let mut records = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut record = vec![0]; // attributes
        put_signed(&mut record, 0); // later than the first by
        put_signed(&mut record, at as i64);
        for bytes in [key, &item.body] {
            put_signed(&mut record, bytes.len() as i64);
            record.extend_from_slice(bytes);
        }
        put_unsigned(&mut record, 0); // headers
        put_signed(&mut records, record.len() as i64);
        records.extend_from_slice(&record);
    }
    let mut attributes = 0;
    if gzip && let Some(smaller) = compressed(&records) {
        (records, attributes) = (smaller, 1);
    }
    let count = i32::try_from(items.len()).unwrap_or(i32::MAX);
    let mut checked = Out(Vec::with_capacity(records.len() + 40));
    checked.put_i16(attributes);
    checked.put_i32(count - 1);
    checked.put_i64(now_ms);
    checked.put_i64(now_ms);
    checked.put_i64(-1); // no producer with a number
    checked.put_i16(-1);
    checked.put_i32(-1);
    checked.put_i32(count);
    checked.0.extend_from_slice(&records);
    let mut out = Out(Vec::with_capacity(checked.0.len() + 21));
    out.put_i64(0);
    out.put_i32(i32::try_from(checked.0.len() + 9).unwrap_or(i32::MAX));
    out.put_i32(-1);
    out.0.push(2);
    out.0.extend_from_slice(&crc32c::crc32c(&checked.0).to_be_bytes());
    out.0.extend_from_slice(&checked.0);
    out.0
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The hash by which Kafka's clients choose a partition.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ word >> 24).wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

fn head((request, version): (i16, i16), correlation: i32, client_id: &str) -> Out {
    let mut out = Out(Vec::new());
    out.put_i16(request);
    out.put_i16(version);
    out.put_i32(correlation);
    out.put_text(client_id);
    out
}

/// What is sent.
struct Out(Vec<u8>);

impl Out {
    fn put_i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn put_i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn put_text(&mut self, text: &str) {
        let text = text.get(..text.floor_char_boundary(i16::MAX as usize)).unwrap_or_default();
        self.put_i16(text.len() as i16);
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// What is left to read of an answer; nothing of it is trusted.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// Empty if there is none.
    fn text(&mut self) -> Option<&'a str> {
        match self.i16()? {
            length if length < 0 => Some(""),
            length => std::str::from_utf8(self.take(length.unsigned_abs().into())?).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::net::{TcpListener, TcpStream};

    /// The body of a request behind its head.
    async fn request(stream: &mut TcpStream) -> Option<((i16, i16), i32, Vec<u8>)> {
        let mut size = [0; 4];
        stream.read_exact(&mut size).await.ok()?;
        let mut bytes = vec![0; i32::from_be_bytes(size) as usize];
        stream.read_exact(&mut bytes).await.ok()?;
        let mut answer = Answer(&bytes);
        let kind = (answer.i16()?, answer.i16()?);
        let correlation = answer.i32()?;
        assert_eq!(answer.text()?, "me");
        Some((kind, correlation, answer.0.to_vec()))
    }

    async fn answer(stream: &mut TcpStream, correlation: i32, body: Out) {
        let size = body.0.len() as i32 + 4;
        for bytes in [&size.to_be_bytes()[..], &correlation.to_be_bytes(), &body.0] {
            stream.write_all(bytes).await.unwrap();
        }
    }

    /// A broker that leads all three partitions and answers these codes one after the other; gives the records it got.
    async fn broker(codes: Vec<i16>) -> (String, tokio::sync::mpsc::Receiver<(i32, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = tokio::sync::mpsc::channel(100);
        let codes = std::sync::Arc::new(parking_lot::Mutex::new(codes.into_iter()));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (sender, codes) = (sender.clone(), codes.clone());
                tokio::spawn(async move {
                    while let Some((kind, correlation, body)) = request(&mut stream).await {
                        let mut out = Out(Vec::new());
                        if kind == METADATA {
                            out.put_i32(0);
                            out.put_i32(1);
                            out.put_i32(7);
                            out.put_text("127.0.0.1");
                            out.put_i32(address.port().into());
                            out.put_i16(-1);
                            out.put_i16(-1);
                            out.put_i32(7);
                            out.put_i32(1);
                            out.put_i16(0);
                            out.put_text("events");
                            out.0.push(0);
                            out.put_i32(3);
                            for partition in [2, 0, 1] {
                                out.put_i16(0);
                                out.put_i32(partition);
                                out.put_i32(7);
                                for _ in 0..2 {
                                    out.put_i32(1);
                                    out.put_i32(7);
                                }
                            }
                        } else {
                            assert_eq!(kind, PRODUCE);
                            let mut asked = Answer(&body);
                            asked.i16().unwrap();
                            assert_eq!(asked.i16(), Some(-1), "all replicas");
                            asked.take(8).unwrap();
                            assert_eq!(asked.text(), Some("events"));
                            asked.take(4).unwrap();
                            let partition = asked.i32().unwrap();
                            asked.take(4).unwrap();
                            sender.try_send((partition, asked.0.to_vec())).unwrap();
                            out.put_i32(1);
                            out.put_text("events");
                            out.put_i32(1);
                            out.put_i32(partition);
                            out.put_i16(codes.lock().next().unwrap_or(0));
                            out.put_i64(0);
                            out.put_i64(-1);
                            out.put_i32(0);
                        }
                        answer(&mut stream, correlation, out).await;
                    }
                });
            }
        });
        (address.to_string(), got)
    }

    fn producer(brokers: &[&str], gzip: bool) -> Producer {
        let settings = KafkaOutput {
            brokers: brokers.iter().map(|broker| broker.to_string()).collect(),
            topic: "events".into(),
            client_id: "me".into(),
            is_binary: false,
            acks: -1,
            gzip,
            queue_events_max: 10,
            tls: None,
        };
        Producer::new(settings, "am-1".into())
    }

    fn items(texts: &[&'static str]) -> Vec<Item> {
        texts.iter().map(|text| Item { kind: "k", body: Bytes::from_static(text.as_bytes()) }).collect()
    }

    #[tokio::test]
    async fn records_go_to_the_partition_of_their_key_and_one_broker_that_is_away_does_not_matter() {
        let (address, mut got) = broker(Vec::new()).await;
        let mut producer = producer(&["127.0.0.1:1", &address], false);
        producer.append(&items(&["one", "two"]), 1_000).await.unwrap();
        producer.append(&items(&["three"]), 2_000).await.unwrap();
        let (partition, records) = got.recv().await.unwrap();
        assert_eq!(partition, (murmur2(b"am-1") & 0x7fff_ffff) as i32 % 3);
        let mut batch = Answer(&records);
        batch.take(8).unwrap();
        assert_eq!(batch.i32(), Some(records.len() as i32 - 12));
        batch.take(4).unwrap();
        assert_eq!(batch.take(1), Some(&[2][..]));
        let check = u32::from_be_bytes(batch.take(4).unwrap().try_into().unwrap());
        assert_eq!(check, crc32c::crc32c(batch.0));
        assert_eq!((batch.i16(), batch.i32()), (Some(0), Some(1)));
        assert_eq!(batch.take(8), Some(&1_000i64.to_be_bytes()[..]));
        batch.take(22).unwrap();
        assert_eq!(batch.i32(), Some(2));
        // Length, attributes, two differences, key and value with their lengths, headers.
        assert_eq!(batch.0, b"\x1a\0\0\0\x08am-1\x06one\0\x1a\0\0\x02\x08am-1\x06two\0");
        assert_eq!(got.recv().await.unwrap().0, partition);
    }

    #[tokio::test]
    async fn an_error_of_the_broker_is_told_apart_by_whether_it_passes() {
        let (address, mut got) = broker(vec![6, 10]).await;
        let mut producer = producer(&[&address], true);
        let moved = producer.append(&items(&["one"]), 0).await.unwrap_err();
        assert!(moved.may_pass && moved.kind == "broker", "{moved:?}");
        let large = producer.append(&items(&["one"]), 0).await.unwrap_err();
        assert!(!large.may_pass && large.message.contains("larger"), "{large:?}");
        producer.append(&items(&["one"]), 0).await.unwrap();
        let (_, records) = got.recv().await.unwrap();
        assert_eq!((records[22], &records[61..63]), (1, &[0x1f, 0x8b][..]), "compressed, and marked so");
    }

    #[test]
    fn the_hash_is_that_of_kafka() {
        // Kafka's own test vectors.
        for (key, hash) in
            [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }
}
