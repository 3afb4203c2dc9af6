//! Answers that several clients share: fifty browsers with one dashboard ask the same questions at the same
//! moments. A request says how old an answer it takes, as HTTP does it: `Cache-Control: max-age=5`. Without that,
//! or with `max-age=0`, it is evaluated by itself, so that who writes and then asks reads what was written.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use base::Clock;
use base::clock::Mark;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::sync::watch;

/// An answer that is larger is not shared.
const ANSWER_SIZE_MAX_BYTES: usize = 4 << 20;
/// All answers that are kept, with their questions.
const KEPT_SIZE_MAX_BYTES: usize = 64 << 20;
/// Answers that are kept.
const KEPT_MAX: usize = 4096;
/// How long an answer is kept, whatever age a client would take.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What makes two requests the same question: whom it is for, path and parameters as one text; the body.
pub type Question = (String, Bytes);

struct Whole {
    headers: HeaderMap,
    body: Bytes,
}

enum Entry {
    /// Somebody asks at this moment; what came of it is told to who waits. `None` is told if it cannot be shared.
    Running(watch::Receiver<Option<Arc<Whole>>>),
    Kept(Arc<Whole>),
}

#[derive(Default)]
struct Answers {
    entries: HashMap<Question, (Entry, Mark, u64)>,
    /// Kept ones by their numbers, the oldest first.
    order: VecDeque<(u64, Question)>,
    size_bytes: usize,
    next_number: u64,
}

/// The answers that are shared.
pub struct Shared {
    clock: Clock,
    answers: Mutex<Answers>,
    joined: AtomicU64,
}

impl Shared {
    /// None yet.
    pub fn new(clock: Clock) -> Shared {
        Shared { clock, answers: Mutex::default(), joined: AtomicU64::new(0) }
    }

    /// How many requests were answered with what another one had asked for.
    pub fn joined(&self) -> u64 {
        self.joined.load(Ordering::Relaxed)
    }
}

/// What to do about a question.
enum Turn {
    Answered(Arc<Whole>, u64),
    Wait(watch::Receiver<Option<Arc<Whole>>>, u64),
    Ask(watch::Sender<Option<Arc<Whole>>>, Mark, u64),
}

impl Answers {
    fn turn(&mut self, clock: &Clock, question: &Question, max_age: Duration) -> Turn {
        self.forget_old();
        if let Some((entry, since, _)) = self.entries.get(question) {
            let age = since.elapsed();
            let seconds = age.as_secs();
            match entry {
                Entry::Kept(answer) if age <= max_age => return Turn::Answered(answer.clone(), seconds),
                // Whoever asked may have gone: then nobody will ever tell.
                Entry::Running(told) if age <= max_age && told.has_changed().is_ok() => {
                    return Turn::Wait(told.clone(), seconds);
                }
                _ => self.forget(question),
            }
        }
        let (tell, told) = watch::channel(None);
        let (since, number) = (clock.mark(), self.next_number);
        self.next_number += 1;
        self.entries.insert(question.clone(), (Entry::Running(told), since.clone(), number));
        Turn::Ask(tell, since, number)
    }

    /// Keeps an answer, if its question was not asked anew meanwhile.
    fn keep(&mut self, question: &Question, number: u64, since: Mark, answer: Arc<Whole>) {
        if self.entries.get(question).is_none_or(|(.., current)| *current != number) {
            return;
        }
        self.size_bytes += cost(question, &answer);
        self.entries.insert(question.clone(), (Entry::Kept(answer), since, number));
        self.order.push_back((number, question.clone()));
        while self.size_bytes > KEPT_SIZE_MAX_BYTES || self.order.len() > KEPT_MAX {
            if !self.forget_oldest() {
                break;
            }
        }
    }

    fn forget_old(&mut self) {
        while let Some((number, question)) = self.order.front() {
            let is_young = self
                .entries
                .get(question)
                .is_some_and(|(_, since, current)| current == number && since.elapsed() <= KEPT_FOR);
            if is_young || !self.forget_oldest() {
                return;
            }
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((number, question)) = self.order.pop_front() else { return false };
        if self.entries.get(&question).is_some_and(|(.., current)| *current == number) {
            self.forget(&question);
        }
        true
    }

    /// Its place in the order, if it has one, is passed over later.
    fn forget(&mut self, question: &Question) {
        if let Some((Entry::Kept(answer), ..)) = self.entries.remove(question) {
            self.size_bytes -= cost(question, &answer);
        }
    }

    /// Nobody asks this any more, and there is no answer.
    fn give_up(&mut self, question: &Question, number: u64) {
        if self.entries.get(question).is_some_and(|(.., current)| *current == number) {
            self.forget(question);
        }
    }
}

fn cost((path, body): &Question, answer: &Whole) -> usize {
    2 * (path.len() + body.len()) + answer.body.len() + 256
}

/// Forgets a question when its asker goes away.
struct Asking<'a> {
    shared: &'a Shared,
    question: &'a Question,
    number: u64,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut answers = self.shared.answers.lock();
        let is_running = answers
            .entries
            .get(self.question)
            .is_some_and(|(entry, _, number)| *number == self.number && matches!(entry, Entry::Running(_)));
        if is_running {
            answers.give_up(self.question, self.number);
        }
    }
}

impl Shared {
    /// Answers with what another request asked for, or asks. Only whole answers with status 200 are shared.
    pub async fn answer<Asked: Future<Output = Response>>(
        &self,
        question: Question,
        max_age: Duration,
        ask: impl FnOnce() -> Asked,
    ) -> Response {
        loop {
            let turn = self.answers.lock().turn(&self.clock, &question, max_age);
            match turn {
                Turn::Answered(answer, age_seconds) => {
                    self.joined.fetch_add(1, Ordering::Relaxed);
                    return sent(&answer, age_seconds);
                }
                Turn::Wait(mut told, age_seconds) => {
                    // An error means that whoever asked went away: then somebody else asks.
                    if told.changed().await.is_err() {
                        continue;
                    }
                    let outcome = told.borrow_and_update().clone();
                    match outcome {
                        Some(answer) => {
                            self.joined.fetch_add(1, Ordering::Relaxed);
                            return sent(&answer, age_seconds);
                        }
                        None => return ask().await,
                    }
                }
                Turn::Ask(tell, since, number) => {
                    let _asking = Asking { shared: self, question: &question, number };
                    let response = ask().await;
                    if response.status() != StatusCode::OK {
                        let _ = tell.send(None);
                        return response;
                    }
                    let (head, body) = response.into_parts();
                    let (whole, body) = gathered(body).await;
                    let answer =
                        whole.map(|body| Arc::new(Whole { headers: kept_headers(&head.headers), body }));
                    if let Some(answer) = &answer {
                        self.answers.lock().keep(&question, number, since, answer.clone());
                    }
                    let _ = tell.send(answer);
                    return Response::from_parts(head, body);
                }
            }
        }
    }
}

/// What of an answer's head is shared: all but how its body was sent.
fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::AGE] {
        kept.remove(name);
    }
    kept
}

/// How old an answer a client takes; `None` if it wants one of its own.
pub fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let asked = headers.get(header::CACHE_CONTROL)?.to_str().ok()?;
    let mut found = None;
    for directive in asked.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-cache") || directive.eq_ignore_ascii_case("no-store") {
            return None;
        }
        if let Some((name, value)) = directive.split_once('=')
            && name.trim().eq_ignore_ascii_case("max-age")
        {
            found = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    found.filter(|age| !age.is_zero())
}

fn sent(answer: &Whole, age_seconds: u64) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.headers_mut() = answer.headers.clone();
    response.headers_mut().insert(header::AGE, HeaderValue::from(age_seconds));
    response
}

/// The body, and its bytes if it ended well within the limit. One that does not goes on as it comes.
async fn gathered(mut body: Body) -> (Option<Bytes>, Body) {
    let (mut pieces, mut size_bytes) = (VecDeque::new(), 0);
    let failed = loop {
        match body.frame().await {
            None => {
                let whole = match pieces.len() {
                    1 => pieces.pop_front().unwrap_or_default(),
                    _ => Bytes::from(Vec::from(pieces).concat()),
                };
                return (Some(whole.clone()), Body::from(whole));
            }
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    size_bytes += piece.len();
                    pieces.push_back(piece);
                }
                if size_bytes > ANSWER_SIZE_MAX_BYTES {
                    break None;
                }
            }
            Some(Err(error)) => break Some(error),
        }
    };
    (None, Body::new(Resumed { pieces, failed, rest: body }))
}

/// A body whose beginning was taken out already.
struct Resumed {
    pieces: VecDeque<Bytes>,
    failed: Option<axum::Error>,
    rest: Body,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        Pin::new(&mut self.rest).poll_frame(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    struct Server {
        shared: Shared,
        asked: AtomicUsize,
        turns: Semaphore,
        clock: Clock,
        size_bytes: usize,
    }

    /// What answers how often it was asked before, each time with a permit of `turns`.
    fn server(size_bytes: usize) -> Server {
        let clock = Clock::manual(1_700_000_000_000);
        Server {
            shared: Shared::new(clock.clone()),
            asked: AtomicUsize::new(0),
            turns: Semaphore::new(0),
            clock,
            size_bytes,
        }
    }

    impl Server {
        async fn answer(&self) -> Response {
            let before = self.asked.fetch_add(1, Ordering::SeqCst);
            self.turns.acquire().await.unwrap().forget();
            Response::new(Body::from(format!("{before}{}", " ".repeat(self.size_bytes))))
        }
    }

    async fn ask(server: &Server, uri: &str, cache_control: &str) -> (Option<String>, String) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, cache_control.parse().unwrap());
        let response = match max_age(&headers) {
            Some(age) => server.shared.answer((uri.into(), Bytes::new()), age, || server.answer()).await,
            None => server.answer().await,
        };
        let age = response.headers().get(header::AGE).map(|age| age.to_str().unwrap().to_string());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (age, String::from_utf8_lossy(&body).trim().to_string())
    }

    async fn until(condition: impl Fn() -> bool) {
        tokio::time::timeout(Duration::from_secs(60), async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn fifty_who_ask_the_same_at_once_are_one_query() {
        let server = Arc::new(server(0));
        let asking: Vec<_> = (0..50)
            .map(|_| {
                tokio::spawn({
                    let server = server.clone();
                    async move { ask(&server, "/q?query=up", "max-age=5").await }
                })
            })
            .collect();
        until(|| server.asked.load(Ordering::SeqCst) > 0).await;
        server.turns.add_permits(1);
        for one in asking {
            assert_eq!(one.await.unwrap().1, "0");
        }
        assert_eq!(server.asked.load(Ordering::SeqCst), 1);
        assert_eq!(server.shared.joined(), 49);
    }

    #[tokio::test]
    async fn an_answer_is_taken_no_older_than_the_client_says() {
        let server = server(0);
        server.turns.add_permits(100);
        assert_eq!(ask(&server, "/q", "max-age=5").await, (None, "0".into()));
        server.clock.advance(Duration::from_secs(4));
        assert_eq!(ask(&server, "/q", "max-age=5").await, (Some("4".into()), "0".into()));
        assert_eq!(ask(&server, "/q?other", "max-age=5").await, (None, "1".into()));
        for fresh in ["", "no-cache", "max-age=0", "max-age=5, no-cache", "max-age=x"] {
            assert_eq!(ask(&server, "/q", fresh).await.0, None, "{fresh}");
        }
        assert_eq!(server.asked.load(Ordering::SeqCst), 7);
        server.clock.advance(Duration::from_secs(2));
        assert_eq!(ask(&server, "/q", "max-age=5").await, (None, "7".into()));
        server.clock.advance(KEPT_FOR + Duration::from_secs(1));
        assert_eq!(ask(&server, "/q", "max-age=1000").await, (None, "8".into()));
    }

    #[tokio::test]
    async fn when_the_one_who_asked_goes_away_another_one_asks() {
        let server = Arc::new(server(0));
        let spawn = || {
            let server = server.clone();
            tokio::spawn(async move { ask(&server, "/q", "max-age=5").await })
        };
        let first = spawn();
        until(|| server.asked.load(Ordering::SeqCst) == 1).await;
        let second = spawn();
        first.abort();
        until(|| server.asked.load(Ordering::SeqCst) == 2).await;
        server.turns.add_permits(1);
        assert_eq!(second.await.unwrap().1, "1");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let large = server(ANSWER_SIZE_MAX_BYTES);
        large.turns.add_permits(2);
        assert_eq!(ask(&large, "/q", "max-age=5").await.1, "0");
        assert_eq!(ask(&large, "/q", "max-age=5").await.1, "1");
        let many = server(ANSWER_SIZE_MAX_BYTES / 4);
        many.turns.add_permits(100);
        for at in 0..100 {
            ask(&many, &format!("/q?{at}"), "max-age=60").await;
        }
        assert!(many.shared.answers.lock().size_bytes <= KEPT_SIZE_MAX_BYTES);
        assert_eq!(ask(&many, "/q?99", "max-age=60").await.1, "99");
    }
}
