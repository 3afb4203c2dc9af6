use tokio::io::{AsyncWriteExt, duplex};

use super::*;

/// What a server's bytes, in these pieces, come to; the connection ends behind them if `ends`.
async fn answer_to(
    head: &str,
    pieces: &[&[u8]],
    ends: bool,
    max_bytes: u64,
) -> Result<(Incoming, Vec<u8>), Failure> {
    let (ours, mut theirs) = duplex(64 * 1024);
    let mut connection = Connection::new(Box::new(ours));
    let mut buffer = BytesMut::from(&b"left over"[..]);
    let serve = async {
        let mut request = vec![0; head.len()];
        theirs.read_exact(&mut request).await.unwrap();
        assert_eq!(request, head.as_bytes());
        for piece in pieces {
            theirs.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        if ends {
            drop(theirs);
            None
        } else {
            Some(theirs)
        }
    };
    let outgoing = Outgoing { head: head.as_bytes(), body: &[] };
    let (_theirs, answer) = tokio::join!(serve, connection.exchange(outgoing, max_bytes, &mut buffer));
    answer.map(|answer| (answer, buffer.to_vec()))
}

async fn get(pieces: &[&[u8]], ends: bool) -> Result<(Incoming, Vec<u8>), Failure> {
    answer_to("GET / HTTP/1.1\r\n\r\n", pieces, ends, 1000).await
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Closed => "closed".into(),
        Failure::Failed(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says() {
    for whole in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nX: y\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nT: u\r\n\r\n",
    ] {
        for size in [1, 2, 3, 7, 1000] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            let (answer, body) = get(&pieces, false).await.unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), "hello", "in pieces of {size}");
            assert_eq!((answer.status.as_u16(), answer.is_reusable), (200, true));
            assert_eq!(answer.headers["x"], "y");
        }
    }
}

#[tokio::test]
async fn without_a_length_the_body_ends_with_the_connection() {
    let (answer, body) = get(&[b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"], true).await.unwrap();
    assert_eq!((&body[..], answer.is_reusable), (&b"hello"[..], false));
}

#[tokio::test]
async fn some_answers_have_no_body() {
    let (answer, body) =
        get(&[b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"], false).await.unwrap();
    assert!(body.is_empty() && answer.is_reusable);
    let head = "HEAD / HTTP/1.1\r\n\r\n";
    let pieces: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"];
    let (answer, body) = answer_to(head, pieces, false, 1000).await.unwrap();
    assert!(body.is_empty() && answer.is_reusable);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let pieces: &[&[u8]] =
        &[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"];
    let (answer, _) = get(pieces, false).await.unwrap();
    assert_eq!(answer.status.as_u16(), 204);
}

#[tokio::test]
async fn a_connection_is_used_again_only_if_both_sides_know_where_the_answer_ended() {
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nConnection: Foo, Close\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", false),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false,
        ),
    ] {
        let (answer, body) = get(&[head.as_bytes()], false).await.unwrap();
        assert_eq!((&body[..], answer.is_reusable), (&b"ok"[..], expected), "{head}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    for (pieces, expected) in [
        (&b""[..], "closed"),
        (b"HTTP/1.1 200", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "unexpected EOF"),
    ] {
        assert_eq!(text(get(&[pieces], true).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH_9.2\r\n", "malformed HTTP response: invalid HTTP version"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
            "malformed HTTP response: bad Content-Length \"-4\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "malformed HTTP response: two different lengths",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "malformed HTTP response: a chunk without a size",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
            "malformed HTTP response: a chunk is longer than it says",
        ),
    ] {
        assert_eq!(text(get(&[answer.as_bytes()], false).await.unwrap_err()), expected);
    }
    let endless = "A: b\r\n".repeat(60_000);
    let pieces: Vec<&[u8]> =
        std::iter::once(&b"HTTP/1.1 200 OK\r\n"[..]).chain(endless.as_bytes().chunks(50_000)).collect();
    let refused = tokio::time::timeout(std::time::Duration::from_secs(10), get(&pieces[..2], true)).await;
    assert!(refused.unwrap().is_err());
}

#[tokio::test]
async fn a_body_over_the_limit_is_given_up() {
    let long = "x".repeat(2000);
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{long}");
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{long}\r\n0\r\n\r\n");
    let unknown = format!("HTTP/1.1 200 OK\r\n\r\n{long}");
    for answer in [announced, chunked, unknown] {
        let error = get(&[answer.as_bytes()], true).await.unwrap_err();
        assert!(matches!(error, Failure::Failed(ClientError::TooLarge)), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_may_answer_before_it_has_read_everything() {
    let (ours, mut theirs) = duplex(1024);
    let mut connection = Connection::new(Box::new(ours));
    let serve = async {
        let mut some = [0; 100];
        theirs.read_exact(&mut some).await.unwrap();
        theirs.write_all(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        theirs
    };
    let body = vec![b'x'; 100_000];
    let outgoing = Outgoing { head: b"POST / HTTP/1.1\r\n\r\n", body: &body };
    let mut buffer = BytesMut::new();
    let (_theirs, answer) = tokio::join!(serve, connection.exchange(outgoing, 1000, &mut buffer));
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.is_reusable, &buffer[..]), (413, false, &b"no"[..]));
}

#[tokio::test]
async fn an_idle_connection_tells_whether_the_server_has_closed_it() {
    let (ours, theirs) = duplex(64);
    let mut connection = Connection::new(Box::new(ours));
    assert!(connection.is_open().await);
    drop(theirs);
    assert!(!connection.is_open().await);
}
