//! Amazon SNS: a message to a topic, a phone or an endpoint, signed with Signature Version 4.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use cloud::Surroundings;
use cloud::aws::{Provider, Settings, domain};
use cloud::encoding::form;
use config::{HttpClientConfig, Node, Result};

use super::answer::{accepted_as, cited, during, reason_of, refused, try_again};
use super::decode::{template, templates};
use super::text::{cut_to_chars, hashed, start_in_bytes};
use super::{Attempt, Context, Delivery, Memory, Notifier};
use crate::dispatch::{Failure, Outcome};
use crate::transport::Response;

/// The version of the API that requests are made for.
const VERSION: &str = "2010-03-31";
/// The size of a message, and of one that goes to a phone.
const MESSAGE_SIZE_MAX_BYTES: usize = 256 * 1024;
const SMS_SIZE_MAX_BYTES: usize = 1600;
/// Subjects have fewer than 100 characters.
const SUBJECT_MAX_CHARS: usize = 99;
/// What SNS says, also with 400, where a later attempt may help.
const PASSING: [&str; 6] = [
    "Throttling",
    "ThrottlingException",
    "Throttled",
    "KMSThrottling",
    "RequestLimitExceeded",
    "TooManyRequestsException",
];
/// What SNS says where credentials have grown old while we held them.
const OUTDATED: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// The settings of one SNS receiver. Texts are templates.
#[derive(Clone, Debug)]
pub struct Sns {
    /// Whether it hears of alerts that ended.
    pub send_resolved: bool,
    /// How to reach it.
    pub http: Arc<HttpClientConfig>,
    /// Empty for the region's.
    api_url: String,
    identity: Arc<Identity>,
    topic_arn: String,
    phone_number: String,
    target_arn: String,
    subject: String,
    message: String,
    attributes: Vec<(String, String)>,
}

/// Who we are to Amazon. Looked up at the first use, so that settings load without a network.
struct Identity {
    settings: Settings,
    surroundings: Surroundings,
    provider: OnceLock<std::result::Result<Provider, String>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("region", &self.settings.region).finish_non_exhaustive()
    }
}

impl Identity {
    fn new(settings: Settings, surroundings: Surroundings) -> Arc<Identity> {
        Arc::new(Identity { settings, surroundings, provider: OnceLock::new() })
    }

    fn provider(&self) -> std::result::Result<&Provider, Outcome> {
        let provider = self.provider.get_or_init(|| {
            let provider = Provider::new(self.settings.clone(), self.surroundings.clone());
            provider.map_err(|error| error.to_string())
        });
        provider.as_ref().map_err(|error| refused("other", error.as_str()))
    }
}

/// Decodes one entry of `sns_configs`.
pub fn decode(node: &Node, context: &Context<'_>) -> Result<Arc<dyn Notifier>> {
    sns(node, context, Surroundings::of_process()).map(|sns| Arc::new(sns) as Arc<dyn Notifier>)
}

fn sns(node: &Node, context: &Context<'_>, surroundings: Surroundings) -> Result<Sns> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let identity = fields.or("sigv4", Settings::default(), sigv4)?;
    let sns = Sns {
        send_resolved: fields.or("send_resolved", true, Node::boolean)?,
        http: context.http(fields)?,
        api_url: template(fields, "api_url", "")?,
        identity: Identity::new(identity, surroundings),
        topic_arn: template(fields, "topic_arn", "")?,
        phone_number: template(fields, "phone_number", "")?,
        target_arn: template(fields, "target_arn", "")?,
        subject: template(fields, "subject", r#"{{ template "sns.default.subject" . }}"#)?,
        message: template(fields, "message", r#"{{ template "sns.default.message" . }}"#)?,
        attributes: templates(fields, "attributes")?,
    };
    // There is one client here, which knows the certificates of the settings.
    fields.or("use_aws_http_client", false, Node::boolean)?;
    let empty = [&sns.target_arn, &sns.topic_arn, &sns.phone_number].map(|text| text.is_empty());
    if (empty[0] != empty[1]) != empty[2] {
        return Err(
            fields.error("must provide either a Target ARN, Topic ARN, or Phone Number for SNS config")
        );
    }
    taken.finish()?;
    Ok(sns)
}

fn sigv4(node: &Node) -> Result<Settings> {
    let mut taken = node.fields("config.plain")?;
    let fields = &mut taken;
    let settings = Settings {
        region: template(fields, "region", "")?,
        access_key: template(fields, "access_key", "")?,
        secret_key: fields.or("secret_key", config::Secret::default(), Node::secret)?.expose().to_string(),
        profile: template(fields, "profile", "")?,
        role_arn: template(fields, "role_arn", "")?,
        external_id: template(fields, "external_id", "")?,
        fips_sts: fields.or("use_fips_sts_endpoint", false, Node::boolean)?,
    };
    fields.or("service_name", String::new(), Node::string)?;
    if settings.access_key.is_empty() != settings.secret_key.is_empty() {
        return Err(fields.error(
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
        ));
    }
    taken.finish()?;
    Ok(settings)
}

impl Sns {
    async fn attempt(&self, delivery: &Delivery<'_>) -> std::result::Result<Outcome, Outcome> {
        let own_url = setting(delivery, "api_url", &self.api_url)?;
        let parameters = self.parameters(delivery)?;
        let provider = self.identity.provider()?;
        let url = if own_url.is_empty() {
            let region = provider.region().await.map_err(|error| unknown(&error))?;
            format!("https://sns.{region}.{}/", domain(&region))
        } else {
            own_url
        };
        let body = form(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let mut signed = net::Request::post(url.clone(), kind, body.clone());
        provider.sign(&mut signed, "sns").await.map_err(|error| unknown(&error))?;
        let mut request = delivery.request(&self.http, http::Method::POST, url, kind, body);
        request.headers.extend(signed.headers.into_iter().filter(|(name, _)| name != "content-type"));
        let answer = delivery.send(request).await;
        if let Ok(response) = &answer
            && matches!(response.status, 400 | 401 | 403)
        {
            let code = element(&response.body, "Code");
            if OUTDATED.contains(&code.as_str()) {
                // The next attempt looks for new ones.
                provider.forget().await;
                return Err(try_again("authError", explanation(response)));
            }
            if PASSING.contains(&code.as_str()) {
                return Err(try_again("rateLimited", explanation(response)));
            }
        }
        accepted_as(answer, &[], explanation)?;
        Ok(Outcome::Taken(Memory::new()))
    }

    /// The parameters of the request, in the form the query protocol has for lists.
    fn parameters(&self, delivery: &Delivery<'_>) -> std::result::Result<Vec<(String, String)>, Outcome> {
        let mut attributes = BTreeMap::new();
        for (name, value) in &self.attributes {
            let name = setting(delivery, "attributes", name)?;
            let value = setting(delivery, "attributes", value)?;
            // SNS refuses a message for an attribute without a value.
            if !value.is_empty() {
                attributes.insert(name, value);
            }
        }
        let mut parameters = vec![("Action", "Publish".to_string()), ("Version", VERSION.to_string())];
        let group = hashed(&delivery.notification.group_key);
        let topic = setting(delivery, "topic_arn", &self.topic_arn)?;
        let phone = setting(delivery, "phone_number", &self.phone_number)?;
        let target = setting(delivery, "target_arn", &self.target_arn)?;
        let text = setting(delivery, "message", &self.message)?;
        let size_max = if phone.is_empty() { MESSAGE_SIZE_MAX_BYTES } else { SMS_SIZE_MAX_BYTES };
        let message = start_in_bytes(&text, size_max);
        if message.len() < text.len() {
            attributes.insert("truncated".into(), "true".into());
        }
        if topic.ends_with(".fifo") {
            // SNS drops what has the same number for five minutes. Another attempt must have the same
            // one; what is new to tell about the group must not.
            let told = format!("{group}\n{message}");
            parameters.push(("MessageDeduplicationId", hashed(&told)));
            parameters.push(("MessageGroupId", group));
        }
        for (name, value) in [("TopicArn", topic), ("PhoneNumber", phone), ("TargetArn", target)] {
            if !value.is_empty() {
                parameters.push((name, value));
            }
        }
        parameters.push(("Message", message.to_string()));
        let subject = subject(setting(delivery, "subject", &self.subject)?);
        if !subject.is_empty() {
            parameters.push(("Subject", subject));
        }
        let mut parameters: Vec<(String, String)> =
            parameters.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        for (at, (name, value)) in attributes.into_iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", at + 1);
            parameters.push((format!("{entry}.Name"), name));
            parameters.push((format!("{entry}.Value.DataType"), "String".into()));
            parameters.push((format!("{entry}.Value.StringValue"), value));
        }
        Ok(parameters)
    }
}

fn setting(delivery: &Delivery<'_>, name: &str, template: &str) -> std::result::Result<String, Outcome> {
    delivery.setting(name, template).map_err(|failed| match failed {
        Outcome::Refused(failure) => Outcome::Refused(Failure { reason: "clientError", ..failure }),
        other => other,
    })
}

/// A subject as SNS takes it: one line, short.
fn subject(text: String) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut_to_chars(line.trim().to_string(), SUBJECT_MAX_CHARS)
}

/// What it means that we cannot say who we are.
fn unknown(error: &cloud::Error) -> Outcome {
    let outcome = match error {
        cloud::Error::Refused { status, .. } if status / 100 == 4 && *status != 429 => {
            refused(reason_of(*status), error.to_string())
        }
        cloud::Error::Refused { status, .. } => try_again(reason_of(*status), error.to_string()),
        _ => try_again("other", error.to_string()),
    };
    during("credentials", outcome)
}

/// What SNS finds wrong with a request.
fn explanation(response: &Response) -> String {
    let message = element(&response.body, "Message");
    match message.is_empty() {
        true => cited(&response.body),
        false => format!("{}: {message}", element(&response.body, "Code")),
    }
}

/// The text of an element of SNS's XML, whose elements have unambiguous names.
fn element(xml: &[u8], name: &str) -> String {
    let text = cited(xml);
    let inside = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    inside.map_or("", |(inside, _)| inside).to_string()
}

impl Notifier for Sns {
    fn kind(&self) -> &'static str {
        "sns"
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
    use crate::receivers::testing::{again, decoded, given_up, refuses, taken, tell};
    use crate::settings::Global;
    use config::http_client::PathBase;
    use testkit::http::{Reply, Server};

    const KEYS: &str = "sigv4: {region: eu-west-1, access_key: AK, secret_key: SK}, subject: s";

    fn notifier(server: &Server, yaml: &str) -> Arc<dyn Notifier> {
        let base = PathBase::new(std::path::Path::new("/"));
        let context = Context { base: &base, global: &Global::default() };
        let here = Surroundings::made_up(&[], &server.url());
        let yaml = format!("{{api_url: '{}/sns', {yaml}}}", server.url());
        Arc::new(sns(&Node::parse(&yaml).unwrap(), &context, here).unwrap())
    }

    fn form_of(request: &testkit::http::Request) -> BTreeMap<String, String> {
        let text = request.text();
        let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (testkit::http::decoded(name), testkit::http::decoded(value))).collect()
    }

    async fn good() -> Server {
        Server::start(|request| match request.path.as_str() {
            "/sns" => Reply::new(200, "<PublishResponse/>"),
            _ => Reply::new(
                200,
                "<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken>\
                 <Expiration>2999-01-01T00:00:00Z</Expiration>",
            ),
        })
        .await
    }

    #[tokio::test]
    async fn a_topic_gets_a_signed_message_with_attributes() {
        let server = good().await;
        let yaml = format!(
            "topic_arn: 'arn:{{{{ .Receiver }}}}', message: 'm & n', attributes: {{b: '{{{{ .Receiver }}}}', a: x, c: ''}}, {KEYS}"
        );
        taken(tell(&notifier(&server, &yaml)).await);
        let request = server.requests().remove(0);
        let expected = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TopicArn", "arn:team"),
            ("Message", "m & n"),
            ("Subject", "s"),
            ("MessageAttributes.entry.1.Name", "a"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", "x"),
            ("MessageAttributes.entry.2.Name", "b"),
            ("MessageAttributes.entry.2.Value.DataType", "String"),
            ("MessageAttributes.entry.2.Value.StringValue", "team"),
        ];
        assert_eq!(form_of(&request), expected.map(|(name, value)| (name.into(), value.into())).into());
        let authorization = request.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{authorization}");
        assert!(authorization.contains("/eu-west-1/sns/aws4_request"), "{authorization}");
        assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date,"), "{authorization}");
    }

    #[tokio::test]
    async fn a_role_is_taken_on() {
        let server = good().await;
        let yaml = "target_arn: t, message: m, subject: '', sigv4: {region: r, access_key: AK, secret_key: SK, role_arn: 'arn:role', external_id: ex}";
        taken(tell(&notifier(&server, yaml)).await);
        let requests = server.requests();
        assert!(
            requests[0].text().contains("Action=AssumeRole&") && requests[0].text().contains("ExternalId=ex")
        );
        assert_eq!(requests[1].header("x-amz-security-token"), "tok");
        let form = form_of(&requests[1]);
        assert_eq!((form["TargetArn"].as_str(), form.contains_key("Subject")), ("t", false));
    }

    #[tokio::test]
    async fn fifo_topics_tell_attempts_from_news() {
        let server = good().await;
        for message in ["one", "one", "two"] {
            taken(
                tell(&notifier(&server, &format!("topic_arn: 'a.fifo', message: {message}, {KEYS}"))).await,
            );
        }
        let forms: Vec<_> = server.requests().iter().map(form_of).collect();
        assert_eq!(forms[0]["MessageGroupId"], hashed("1"));
        assert_eq!(forms[0]["MessageDeduplicationId"], forms[1]["MessageDeduplicationId"]);
        assert_ne!(forms[0]["MessageDeduplicationId"], forms[2]["MessageDeduplicationId"]);
    }

    #[tokio::test]
    async fn what_is_too_long_is_cut_and_marked() {
        let server = good().await;
        let long = "é".repeat(140_000);
        let subject = format!("{}, subject: \"a\\nb{}\"", KEYS.replace(", subject: s", ""), "x".repeat(200));
        taken(tell(&notifier(&server, &format!("topic_arn: a, message: {long}, {subject}"))).await);
        taken(tell(&notifier(&server, &format!("phone_number: '+1', message: x{long}, {KEYS}"))).await);
        let forms: Vec<_> = server.requests().iter().map(form_of).collect();
        assert_eq!((forms[0]["Message"].len(), forms[1]["Message"].len()), (256 * 1024, 1599));
        assert_eq!(forms[1]["PhoneNumber"], "+1");
        for form in &forms {
            assert_eq!(form["MessageAttributes.entry.1.Name"], "truncated");
            assert_eq!(form["MessageAttributes.entry.1.Value.StringValue"], "true");
        }
        assert!(forms[0]["Subject"].starts_with("a bx") && forms[0]["Subject"].ends_with("x…"));
        assert_eq!(forms[0]["Subject"].chars().count(), 99);
    }

    #[tokio::test]
    async fn what_sns_says_decides_whether_to_try_again() {
        let server = Server::start(|request| {
            let form = form_of(request);
            let (status, code) = form["Message"].split_once(' ').unwrap();
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>so it is</Message></Error></ErrorResponse>"
            );
            Reply::new(status.parse().unwrap(), body)
        })
        .await;
        let tell_with = async |message: &str| {
            tell(&notifier(&server, &format!("topic_arn: a, message: '{message}', {KEYS}"))).await
        };
        let failure = given_up(tell_with("400 InvalidParameter").await);
        assert_eq!(failure.message, "unexpected status code 400: InvalidParameter: so it is");
        assert_eq!(given_up(tell_with("403 AuthorizationError").await).reason, "authError");
        assert_eq!(again(tell_with("400 Throttling").await).reason, "rateLimited");
        assert_eq!(again(tell_with("403 ExpiredToken").await).reason, "authError");
        assert_eq!(again(tell_with("500 InternalError").await).reason, "serverError");
    }

    #[tokio::test]
    async fn a_template_that_fails_is_named() {
        let server = good().await;
        let broken = "'{{ nope }}'";
        for (name, yaml) in [
            ("attributes", format!("topic_arn: a, message: m, attributes: {{a: {broken}}}, {KEYS}")),
            ("topic_arn", format!("topic_arn: {broken}, message: m, {KEYS}")),
            ("phone_number", format!("phone_number: {broken}, message: m, {KEYS}")),
            ("target_arn", format!("target_arn: {broken}, message: m, {KEYS}")),
            ("message", format!("topic_arn: a, message: {broken}, {KEYS}")),
            (
                "subject",
                format!(
                    "topic_arn: a, message: m, {}",
                    KEYS.replace("subject: s", &format!("subject: {broken}"))
                ),
            ),
        ] {
            let failure = given_up(tell(&notifier(&server, &yaml)).await);
            assert!(
                failure.message.starts_with(&format!("execute '{name}' template: ")),
                "{}",
                failure.message
            );
            assert_eq!(failure.reason, "clientError");
        }
        assert!(server.requests().is_empty());
    }

    #[test]
    fn settings_are_checked() {
        let destination = "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config";
        let keys = "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config";
        refuses(
            decode,
            &Global::default(),
            &[
                ("{}", destination),
                ("{topic_arn: t, target_arn: t}", destination),
                ("{topic_arn: t, phone_number: p}", destination),
                ("{topic_arn: t, sigv4: {access_key: a}}", keys),
                ("{topic_arn: t, sigv4: {secret_key: a}}", keys),
            ],
        );
        for yaml in ["{topic_arn: t}", "{target_arn: t}", "{phone_number: p, use_aws_http_client: true}"] {
            let sns = decoded(decode, yaml, &Global::default()).unwrap();
            assert!(sns.sends_resolved());
        }
    }
}
