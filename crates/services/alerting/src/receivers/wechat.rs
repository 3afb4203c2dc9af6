//! WeChat Work: a message by an application, with a token that is fetched and kept for two hours.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use std::sync::Arc;

use config::{HttpClientConfig, Node, Result};
use gocompat::template::escape::url_query;
use parking_lot::Mutex;
use serde_json::Value;

use super::answer::{outcome_of_error, reason_of, refused, try_again};
use super::decode::{http_url, take_secret, template, with_slash};
use super::exchange::JSON;
use super::{Attempt, Context, Delivery, Memory, Notifier, SecretSource};
use crate::dispatch::Outcome;
use crate::json::Object;

/// How long a token is used.
const TOKEN_MAX_AGE_MS: i64 = 2 * 3_600_000;
/// The token has expired.
const TOKEN_EXPIRED: i64 = 42_001;

/// The settings of one WeChat receiver. All texts are templates, except the type of the message.
#[derive(Debug)]
pub struct Wechat {
    send_resolved: bool,
    http: Arc<HttpClientConfig>,
    api_url: String,
    secret: SecretSource,
    corp_id: String,
    message: String,
    to_user: String,
    to_party: String,
    to_tag: String,
    agent_id: String,
    is_markdown: bool,
    token: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    fetched_at_ms: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("fetched_at_ms", &self.fetched_at_ms).finish_non_exhaustive()
    }
}

/// Decodes one entry of `wechat_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let (send_resolved, http) = (fields.or("send_resolved", false, Node::boolean)?, context.http(fields)?);
    let api_url = fields.optional("api_url", http_url)?;
    let kind = template(fields, "message_type", "")?;
    if !["", "text", "markdown"].contains(&kind.as_str()) {
        return Err(fields
            .error(format!("weChat message type {kind:?} does not match valid options ^(text|markdown)$")));
    }
    let secret = take_secret(fields, context.base, ("api_secret", "api_secret_file"))?
        .or_else(|| context.global.wechat_api_secret.clone());
    let corp_id = template(fields, "corp_id", "")?;
    let corp_id = if corp_id.is_empty() { context.global.wechat_api_corp_id.clone() } else { corp_id };
    let wechat = Wechat {
        send_resolved,
        http,
        api_url: with_slash(api_url.unwrap_or_else(|| context.global.wechat_api_url.clone())),
        secret: secret
            .ok_or_else(|| fields.error("no global Wechat Api Secret set either inline or in a file"))?,
        corp_id,
        message: template(fields, "message", r#"{{ template "wechat.default.message" . }}"#)?,
        to_user: template(fields, "to_user", r#"{{ template "wechat.default.to_user" . }}"#)?,
        to_party: template(fields, "to_party", r#"{{ template "wechat.default.to_party" . }}"#)?,
        to_tag: template(fields, "to_tag", r#"{{ template "wechat.default.to_tag" . }}"#)?,
        agent_id: template(fields, "agent_id", r#"{{ template "wechat.default.agent_id" . }}"#)?,
        is_markdown: kind == "markdown",
        token: Mutex::default(),
    };
    if wechat.corp_id.is_empty() {
        return Err(fields.error("no global Wechat CorpID set"));
    }
    taken.finish()?;
    Ok(Arc::new(wechat))
}

impl Wechat {
    /// The token at hand, or a new one.
    async fn token(&self, delivery: &Delivery<'_>) -> std::result::Result<String, Outcome> {
        if let Some(token) = &*self.token.lock()
            && delivery.now_ms.saturating_sub(token.fetched_at_ms) <= TOKEN_MAX_AGE_MS
        {
            return Ok(token.text.clone());
        }
        let secret = delivery.secret(&self.secret, "api_secret_file").await?;
        let (secret, corp_id) = (delivery.text(&secret)?, delivery.text(&self.corp_id)?);
        let query = format!("corpid={}&corpsecret={}", url_query(&corp_id), url_query(&secret));
        let url = format!("{}gettoken?{query}", self.api_url);
        let mut request = delivery.request(&self.http, http::Method::GET, url, "", "");
        request.headers.retain(|(name, _)| name != "content-type");
        let answer = delivery.send(request).await.map_err(|error| outcome_of_error(&error))?;
        if answer.status / 100 == 5 || answer.status == 429 {
            return Err(unexpected(answer.status));
        }
        let said: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| refused("other", format!("cannot read the answer with the token: {error}")))?;
        match said.get("access_token").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => {
                let token = Token { text: text.to_string(), fetched_at_ms: delivery.now_ms };
                *self.token.lock() = Some(token);
                Ok(text.to_string())
            }
            _ => Err(refused("other", format!("invalid APISecret for CorpID: {corp_id}"))),
        }
    }

    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let token = self.token(delivery).await?;
        let message = delivery.text(&self.message)?;
        let content = |is_it: bool| Object::new().text("content", if is_it { &message } else { "" }).end();
        let body = Object::new()
            .json("text", &content(!self.is_markdown))
            .text_if_any("touser", &delivery.text(&self.to_user)?)
            .text_if_any("toparty", &delivery.text(&self.to_party)?)
            .text_if_any("totag", &delivery.text(&self.to_tag)?)
            .text_if_any("agentid", &delivery.text(&self.agent_id)?)
            .text("safe", "0")
            .text("msgtype", if self.is_markdown { "markdown" } else { "text" })
            .json("markdown", &content(self.is_markdown))
            .end();
        let url = format!("{}message/send?access_token={}", self.api_url, url_query(&token));
        let answer = delivery.post(&self.http, url, JSON, body).await;
        let answer = answer.map_err(|error| outcome_of_error(&error))?;
        if answer.status != 200 {
            return Err(unexpected(answer.status));
        }
        let said: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| try_again("other", format!("cannot read the answer: {error}")))?;
        let message = said.get("errmsg").and_then(Value::as_str).unwrap_or_default();
        match said.get("errcode").and_then(Value::as_i64).unwrap_or(0) {
            0 => Ok(Outcome::Taken(Memory::new())),
            TOKEN_EXPIRED => {
                *self.token.lock() = None;
                Err(try_again("other", message))
            }
            _ => Err(refused("other", message)),
        }
    }
}

/// Whatever the status, it may be another one next time.
fn unexpected(status: u16) -> Outcome {
    try_again(reason_of(status), format!("unexpected status code {status}"))
}

impl Notifier for Wechat {
    fn kind(&self) -> &'static str {
        "wechat"
    }

    fn sends_resolved(&self) -> bool {
        self.send_resolved
    }

    fn notify<'a>(&'a self, delivery: &'a Delivery<'a>) -> Attempt<'a> {
        Box::pin(async { self.attempt(delivery).await.unwrap_or_else(|failed| failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::testing::{again, decoded, given_up, notifier, refuses, taken, tell};
    use crate::settings::Global;
    use config::Secret;
    use serde_json::json;
    use testkit::http::{Reply, Server};

    fn yaml(server: &Server, more: &str) -> String {
        format!("{{api_url: '{}/cgi-bin', api_secret: s&t, corp_id: corp, {more}}}", server.url())
    }

    fn body(server: &Server, at: usize) -> Value {
        serde_json::from_slice(&server.requests()[at].body).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_used() {
        let server = Server::start(|request| match request.path.as_str() {
            "/cgi-bin/gettoken" => Reply::json(&json!({"errcode": 0, "access_token": "t 1"})),
            _ => Reply::json(&json!({"errcode": 0, "errmsg": "ok"})),
        })
        .await;
        let wechat = notifier(decode, &yaml(&server, "message: m, to_user: '@all', agent_id: 7"));
        assert!(!wechat.sends_resolved());
        taken(tell(&wechat).await);
        taken(tell(&wechat).await);
        assert_eq!(
            server.targets(),
            [
                "/cgi-bin/gettoken?corpid=corp&corpsecret=s%26t",
                "/cgi-bin/message/send?access_token=t+1",
                "/cgi-bin/message/send?access_token=t+1"
            ]
        );
        assert_eq!(
            body(&server, 1),
            json!({"text": {"content": "m"}, "touser": "@all", "agentid": "7", "safe": "0", "msgtype": "text",
                "markdown": {"content": ""}})
        );
        let markdown = notifier(decode, &yaml(&server, "message: m, message_type: markdown"));
        taken(tell(&markdown).await);
        assert_eq!(
            body(&server, 4),
            json!({"text": {"content": ""}, "safe": "0", "msgtype": "markdown", "markdown": {"content": "m"}})
        );
    }

    #[tokio::test]
    async fn an_expired_token_is_fetched_again() {
        let server = Server::start(|request| match request.query.as_str() {
            query if query.contains("corpsecret") => Reply::json(&json!({"access_token": "old"})),
            _ => Reply::json(&json!({"errcode": 42001, "errmsg": "access_token expired"})),
        })
        .await;
        let wechat = notifier(decode, &yaml(&server, "message: m"));
        for _ in 0..2 {
            assert_eq!(again(tell(&wechat).await).message, "access_token expired");
        }
        assert_eq!(server.requests().iter().filter(|request| request.method == "GET").count(), 2);
    }

    #[tokio::test]
    async fn failures_are_told() {
        let server = Server::start(|request| match (request.path.as_str(), request.query.contains("bad")) {
            ("/cgi-bin/gettoken", true) => Reply::json(&json!({"errcode": 40013})),
            ("/cgi-bin/gettoken", false) => Reply::json(&json!({"access_token": "t"})),
            _ if request.text().contains("offline") => Reply::new(502, "x"),
            _ if request.text().contains("odd") => Reply::new(200, "<html>"),
            _ => Reply::json(&json!({"errcode": 81013, "errmsg": "user & party & tag all invalid"})),
        })
        .await;
        let failure = given_up(tell(&notifier(decode, &yaml(&server, "message: m"))).await);
        assert_eq!(failure.message, "user & party & tag all invalid");
        let failure = again(tell(&notifier(decode, &yaml(&server, "message: offline"))).await);
        assert_eq!((failure.reason, &failure.message[..]), ("serverError", "unexpected status code 502"));
        again(tell(&notifier(decode, &yaml(&server, "message: odd"))).await);
        let bad = yaml(&server, "message: m").replace("corp_id: corp", "corp_id: bad");
        let failure = given_up(tell(&notifier(decode, &bad)).await);
        assert_eq!(failure.message, "invalid APISecret for CorpID: bad");
        assert!(!format!("{:?}", notifier(decode, &bad)).contains("s&t"));
    }

    #[test]
    fn settings_are_checked() {
        refuses(
            decode,
            &Global::default(),
            &[
                (
                    "{message_type: x}",
                    "weChat message type \"x\" does not match valid options ^(text|markdown)$",
                ),
                (
                    "{api_secret: a, api_secret_file: b}",
                    "at most one of api_secret & api_secret_file must be configured",
                ),
                ("{corp_id: c}", "no global Wechat Api Secret set either inline or in a file"),
                ("{api_secret: a}", "no global Wechat CorpID set"),
            ],
        );
        let secret = Some(SecretSource::Inline(Secret::new("x".into())));
        let global =
            Global { wechat_api_secret: secret, wechat_api_corp_id: "c".into(), ..Global::default() };
        assert!(decoded(decode, "{}", &global).is_ok());
    }
}
