use config::Secret as Hidden;
use config::http_client::SecretSource as Source;
use testkit::smtp::{Behaviour, CERTIFICATE, Instead, Mail, Server};

use super::*;
use crate::receivers::testing::{again, decoded, firing, given_up, refuses, resolved, taken, tell, tell_of};
use crate::settings::{Global, Smtp};

/// Settings without default templates.
const PLAIN: &str = "headers: {Subject: s}, html: '<p>{{ .Receiver }}</p>', text: 'to {{ .Receiver }}'";

/// Global settings that lead to a server and trust its certificate.
fn global(server: &Server) -> Global {
    let ca = Some(Source::Inline(Hidden::new(CERTIFICATE.into())));
    let smtp = Smtp {
        from: "Alerts <am@example.org>".into(),
        smarthost: server.address().to_string(),
        tls: TlsConfig { ca, ..TlsConfig::default() },
        ..Smtp::default()
    };
    Global { smtp, ..Global::default() }
}

fn notifier(server: &Server, yaml: &str) -> Arc<dyn Notifier> {
    decoded(decode, &format!("{{to: 'a@b', {PLAIN}, {yaml}}}"), &global(server)).unwrap()
}

fn only(server: &Server) -> Mail {
    let mut mails = server.mails();
    assert_eq!(mails.len(), 1);
    mails.remove(0)
}

/// Without TLS, for a server that is as it is.
const OPEN: &str = "require_tls: false";

#[tokio::test]
async fn a_mail_has_headers_and_two_alternatives() {
    let server = Server::start(Behaviour::default()).await;
    let yaml = format!(
        "{{to: 'Jürgen <j@b>, c@d', html: '<p>é {{{{ .Receiver }}}}</p>', text: \".\\ndot\", hello: me.example, {OPEN}, \
         headers: {{sUbject: 'Grüße an {{{{ .Receiver }}}}', x-own: v, Message-ID: '<own@id>'}}}}"
    );
    taken(tell(&decoded(decode, &yaml, &global(&server)).unwrap()).await);
    let mail = only(&server);
    assert_eq!(
        (mail.hello.as_str(), mail.from.as_str(), mail.is_secure),
        ("me.example", "am@example.org", false)
    );
    assert_eq!(mail.recipients, ["j@b", "c@d"]);
    for (name, expected) in [
        ("From", "Alerts <am@example.org>"),
        ("To", "=?utf-8?q?J=C3=BCrgen?= <j@b>, c@d"),
        ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe_an_team?="),
        ("X-Own", "v"),
        ("Message-Id", "<own@id>"),
        ("Date", "Wed, 01 Jan 2020 00:00:00 +0000"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(mail.header(name).as_deref(), Some(expected), "{name}");
    }
    assert!(mail.text.is_ascii());
    assert_eq!(mail.header("References"), None);
    let part = |kind: &str, text: &str| (format!("text/{kind}; charset=UTF-8"), text.to_string());
    assert_eq!(mail.parts(), [part("plain", ".\ndot"), part("html", "<p>é team</p>")]);
}

#[tokio::test]
async fn tls_is_started_and_the_server_must_prove_itself() {
    let behaviour = || Behaviour { offers_start_tls: true, ..Behaviour::default() };
    let server = Server::start(behaviour()).await;
    taken(tell(&notifier(&server, "")).await);
    assert!(only(&server).is_secure);
    assert_eq!(server.commands()[..3], ["EHLO localhost", "STARTTLS", "EHLO localhost"]);

    let server = Server::start(behaviour()).await;
    let failure = again(tell(&notifier(&server, "tls_config: {server_name: other.example}")).await);
    assert!(failure.message.starts_with("send STARTTLS command: "), "{}", failure.message);
    let failure = given_up(tell(&notifier(&server, "tls_config: {ca_file: /nowhere/ca}")).await);
    assert!(failure.message.starts_with("parse TLS configuration: "), "{}", failure.message);
    taken(
        tell(&notifier(&server, "tls_config: {server_name: other.example, insecure_skip_verify: true}"))
            .await,
    );
    assert_eq!(server.mails().len(), 1);

    let server = Server::start(Behaviour::default()).await;
    let failure = again(tell(&notifier(&server, "")).await);
    assert!(failure.message.ends_with("does not advertise the STARTTLS extension"), "{}", failure.message);
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn tls_may_be_spoken_from_the_first_byte_on() {
    let server = Server::start(Behaviour { is_implicit_tls: true, ..Behaviour::default() }).await;
    taken(tell(&notifier(&server, "force_implicit_tls: true")).await);
    assert!(only(&server).is_secure);
    let failure = again(
        tell(&notifier(&server, "force_implicit_tls: true, tls_config: {server_name: x.example}")).await,
    );
    assert!(failure.message.starts_with("establish TLS connection to server: "), "{}", failure.message);
    let of_port = |smarthost: &str, more: &str| {
        let yaml = format!("{{to: a@b, from: a@b, smarthost: '{smarthost}'{more}}}");
        let base = config::http_client::PathBase::new(std::path::Path::new("/"));
        let context = Context { base: &base, global: &Global::default() };
        email(&Node::parse(&yaml).unwrap(), &context).unwrap().server.is_implicit_tls
    };
    assert!(of_port("mail:465", "") && of_port("mail:smtps", "") && !of_port("mail:587", ""));
    assert!(!of_port("mail:465", ", force_implicit_tls: false"));
}

#[tokio::test]
async fn all_three_ways_to_log_in_work() {
    for (mechanisms, yaml, way) in [
        ("PLAIN LOGIN", "auth_password: pass", "PLAIN"),
        ("LOGIN PLAIN", "auth_password: pass", "LOGIN"),
        ("PLAIN CRAM-MD5", "auth_secret: pass", "CRAM-MD5"),
        ("XOAUTH2 CRAM-MD5 LOGIN", "auth_secret: pass, auth_password: other", "CRAM-MD5"),
    ] {
        let behaviour = Behaviour {
            mechanisms,
            offers_start_tls: true,
            hides_mechanisms: true,
            needs_login: true,
            ..Behaviour::default()
        };
        let server = Server::start(behaviour).await;
        taken(tell(&notifier(&server, &format!("auth_username: user, {yaml}"))).await);
        assert_eq!(only(&server).login, Some((way.into(), "user".into())));
        let failure = given_up(tell(&notifier(&server, &format!("auth_username: nobody, {yaml}"))).await);
        assert_eq!(failure.reason, "authError");
        assert_eq!(failure.message, format!("{way} auth: 535 5.7.8 Invalid username or password"));
    }
}

#[tokio::test]
async fn passwords_are_read_again_at_each_use() {
    let server =
        Server::start(Behaviour { mechanisms: "LOGIN", needs_login: true, ..Behaviour::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let yaml =
        format!("auth_username: user, auth_password: old, auth_password_file: '{}', {OPEN}", file.display());
    let email = notifier(&server, &yaml);
    let failure = again(tell(&email).await);
    assert!(failure.message.starts_with("find auth mechanism: could not read "), "{}", failure.message);
    std::fs::write(&file, "wrong").unwrap();
    assert_eq!(given_up(tell(&email).await).reason, "authError");
    std::fs::write(&file, "pass\n").unwrap();
    taken(tell(&email).await);
    let failure = given_up(tell(&notifier(&server, OPEN)).await);
    assert_eq!(failure.message, "send MAIL command: 530 authentication Required");
}

#[tokio::test]
async fn mails_of_a_group_hang_together() {
    let server = Server::start(Behaviour::default()).await;
    for by in ["none", "daily"] {
        let email = notifier(&server, &format!("threading: {{enabled: true, thread_by_date: {by}}}, {OPEN}"));
        taken(tell(&email).await);
        taken(tell_of(&email, vec![resolved(&[("alertname", "Up")])], Memory::new()).await);
    }
    let mails = server.mails();
    let roots =
        ["<alert-6b86b273ff34fce1-@alertmanager>", "<alert-6b86b273ff34fce1-2020-01-01@alertmanager>"];
    for (mail, root) in mails.iter().zip([roots[0], roots[0], roots[1], roots[1]]) {
        assert_eq!(mail.header("References").as_deref(), Some(root));
        assert_eq!(mail.header("In-Reply-To").as_deref(), Some(root));
    }
    let ids: std::collections::BTreeSet<_> =
        mails.iter().map(|mail| mail.header("Message-Id").unwrap()).collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.starts_with('<') && id.contains('@') && id.ends_with('>')));
}

#[tokio::test]
async fn what_the_server_says_is_told_and_decides_whether_to_try_again() {
    let say = |to: &'static str, text: &'static str| Behaviour {
        instead: Box::new(move |command| match command == to {
            true => Instead::Say(text),
            false => Instead::Nothing,
        }),
        ..Behaviour::default()
    };
    for (behaviour, message) in [
        (say("", "421 4.3.2 not now"), "create SMTP client: 421 4.3.2 not now"),
        (
            say("RCPT TO:<a@b>", "450-4.2.1 wait\n450 4.2.1 a bit"),
            "send RCPT command: 450 4.2.1 wait 4.2.1 a bit",
        ),
        (say(".", "452 4.3.1 full"), "delivery failure: 452 4.3.1 full"),
    ] {
        let server = Server::start(behaviour).await;
        assert_eq!(again(tell(&notifier(&server, OPEN)).await).message, message);
        assert!(server.mails().is_empty());
    }
    for (behaviour, message) in [
        (say("RCPT TO:<a@b>", "550 5.1.1 nobody here"), "send RCPT command: 550 5.1.1 nobody here"),
        (say("DATA", "554 5.7.1 no"), "send DATA command: 554 5.7.1 no"),
        (say(".", "552 5.3.4 too large"), "delivery failure: 552 5.3.4 too large"),
    ] {
        let server = Server::start(behaviour).await;
        assert_eq!(given_up(tell(&notifier(&server, OPEN)).await).message, message);
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_drops_or_hangs_is_tried_again() {
    let at = |to: &'static str, close: bool| Behaviour {
        instead: Box::new(move |command| match (command == to, close) {
            (false, _) => Instead::Nothing,
            (true, true) => Instead::Close,
            (true, false) => Instead::Hang,
        }),
        ..Behaviour::default()
    };
    let server = Server::start(at("DATA", true)).await;
    let failure = again(tell(&notifier(&server, OPEN)).await);
    assert!(failure.message.starts_with("send DATA command: "), "{}", failure.message);
    let address = server.address();
    let global = global(&server);
    drop(server);
    let yaml = format!("{{to: a@b, {PLAIN}, {OPEN}}}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let smtp = Smtp { smarthost: closed.to_string(), ..global.smtp.clone() };
    let failure = again(tell(&decoded(decode, &yaml, &Global { smtp, ..global }).unwrap()).await);
    assert!(
        failure.message.starts_with("establish connection to server: "),
        "{address}: {}",
        failure.message
    );
}

#[tokio::test]
async fn a_mail_that_was_taken_is_not_late_because_of_the_goodbye() {
    let behaviour = Behaviour {
        instead: Box::new(|command| if command == "QUIT" { Instead::Hang } else { Instead::Nothing }),
        ..Behaviour::default()
    };
    let server = Server::start(behaviour).await;
    tokio::time::timeout(Duration::from_secs(60), async { taken(tell(&notifier(&server, OPEN)).await) })
        .await
        .unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_server_of_old_takes_mail() {
    let server = Server::start(Behaviour { is_old: true, ..Behaviour::default() }).await;
    taken(tell(&notifier(&server, OPEN)).await);
    assert_eq!(only(&server).hello, "localhost");
}

#[tokio::test]
async fn what_cannot_be_sent_does_not_reach_the_server() {
    let server = Server::start(Behaviour::default()).await;
    let nope = "'{{ nope }}'";
    for (yaml, expected) in [
        (format!("to: a@b, from: {nope}"), "execute 'from' template: "),
        ("to: a@b, from: a@".into(), "parse 'from' addresses: "),
        ("to: a@b, from: 'a@b, c@d'".into(), "must be exactly one 'from' address (got: 2)"),
        (format!("to: {nope}"), "execute 'to' template: "),
        ("to: 'a@'".into(), "parse 'to' addresses: "),
        (format!("to: a@b, headers: {{Subject: {nope}}}"), "execute \"Subject\" header template: "),
        (format!("to: a@b, headers: {{Subject: s}}, text: {nope}"), "execute text template: "),
        (format!("to: a@b, headers: {{Subject: s}}, html: {nope}"), "execute html template: "),
        ("to: a@b, headers: {Subject: s}, html: h, hello: \"a\\r\\nb\"".into(), "send EHLO command: "),
    ] {
        let email = decoded(decode, &format!("{{{yaml}, {OPEN}}}"), &global(&server)).unwrap();
        let failure = given_up(tell_of(&email, vec![firing(&[])], Memory::new()).await);
        assert!(failure.message.starts_with(expected), "{yaml}: {}", failure.message);
    }
    assert!(server.commands().is_empty());
}

#[test]
fn settings_are_checked() {
    refuses(
        decode,
        &Global::default(),
        &[
            ("{to: ''}", "missing to address in email config"),
            ("{to: a@b}", "no global SMTP smarthost set"),
            ("{to: a@b, smarthost: 'x:25'}", "no global SMTP from set"),
            ("{to: a@b, from: a@b, smarthost: x}", "address x: missing port in address"),
            ("{to: a@b, from: a@b, smarthost: 'x:'}", "address \"x:\": port cannot be empty"),
            ("{to: a@b, headers: {Subject: a, sUbject: b}}", "duplicate header \"Subject\" in email config"),
            (
                "{to: a@b, headers: {references: x}, threading: {enabled: true, thread_by_date: none}}",
                "conflicting configuration: threading.enabled conflicts with custom References header",
            ),
            (
                "{to: a@b, headers: {in-reply-to: x}, threading: {enabled: true, thread_by_date: none}}",
                "conflicting configuration: threading.enabled conflicts with custom In-Reply-To header",
            ),
            (
                "{to: a@b, threading: {enabled: true, thread_by_date: weekly}}",
                "threading.thread_by_date must be either 'none' or 'daily'",
            ),
        ],
    );
    assert_eq!(host_and_port("[::1]:25"), Ok(("::1".into(), 25)));
    assert_eq!(host_and_port(":submission"), Ok(("localhost".into(), 587)));
    let smtp = Smtp { from: "a@b".into(), smarthost: "m:25".into(), ..Smtp::default() };
    let email = decoded(decode, "{to: 'a@'}", &Global { smtp, ..Global::default() }).unwrap();
    assert!(!email.sends_resolved());
}

/// What a server says, and addresses and headers that templates yield, broken in every way.
#[test]
fn fuzz_mail() {
    let server = b"220 hi\r\n250-mail\r\n250-SIZE 1\r\n250 AUTH LOGIN CRAM-MD5\r\n334 VXNlcm5hbWU6\r\n334 \r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n";
    let addresses = "J\u{fc}rgen \"a\\\"b\" <a@b>, team: c@d (x(y)), =?utf-8?q?=C3=BC_?= <e@[127.0.0.1]>;";
    let tokens = [
        "\r\n",
        "250 ",
        "250-",
        "334 ",
        "235 ",
        "=?utf-8?b?",
        "?=",
        "<",
        ">",
        "@",
        "(",
        ")",
        "\"",
        "\\",
        ",",
        ";",
        ":",
    ];
    let fuzz = testkit::fuzz::Fuzz::new("mail", vec![server.to_vec(), addresses.as_bytes().to_vec()])
        .tokens(&tokens);
    fuzz.run(|input| {
        let mut replies = Replies::default();
        replies.push(input);
        let login = Login {
            username: "u".into(),
            password: Ok("p".into()),
            secret: Ok("s".into()),
            ..Login::default()
        };
        let plan =
            Plan { needs_tls: false, login: Some(login), recipients: vec!["a@b".into()], ..Plan::default() };
        let mut dialogue = Dialogue::new(plan);
        let mut steps = 0;
        while let Ok(Some(reply)) = replies.next() {
            steps += 1;
            match dialogue.on_reply(&reply) {
                Ok(Step::StartTls) => drop(dialogue.secured()),
                Ok(Step::Send(text)) => assert!(text.ends_with("\r\n")),
                Ok(Step::Done) | Err(_) => break,
            }
        }
        let text = String::from_utf8_lossy(input);
        let found = address::list(&text).map_or(0, |list| {
            for address in &list {
                // Nothing in an address gets out of its command.
                assert!(!address.mailbox.contains(['\r', '\n']), "{address:?}");
                assert!(address.mailbox.contains('@'));
            }
            list.len()
        });
        let headers = [("Subject".to_string(), text.to_string()), ("To".to_string(), text.to_string())];
        let mail = Message { headers: &headers, boundary: "B", text: &text, html: "" }.encoded();
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        for line in head.split("\r\n") {
            assert!(!line.contains(['\r', '\n']) && line.len() < 998, "{line:?}");
        }
        assert_eq!(head.split("\r\n").filter(|line| !line.starts_with(' ')).count(), 4, "{head:?}");
        (steps, found)
    });
}
