//! Amazon: instances of EC2 and Lightsail, tasks of ECS, brokers of MSK, databases of RDS and caches of
//! ElastiCache; each under its own name, or as a role of `aws`.

mod databases;
mod ec2;
mod ecs;
mod elasticache_labels;
mod lightsail;
mod msk;
mod rds_labels;

use cloud::aws::Provider;
use cloud::encoding::form;
use model::TargetGroup;
use net::{Request, Response};
use serde_json::Value;

use self::databases::{Elasticache, Rds};
use self::ec2::Ec2;
use self::ecs::Ecs;
use self::lightsail::Lightsail;
use self::msk::Msk;
use super::{
    Entry, Filters, IntegerOr, Kind, OneOf, Outcome, PORT, REFRESH, Secret, Settings, Text, Texts, ensure,
    no_rules,
};
use crate::api::{Api, Failure, PAGES_MAX, Result, refused};
use crate::meta::Meta;
use crate::poll::{Poll, poll};
use crate::xml::{self, Element};

const ROLES: &[&str] = &["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"];

/// The kinds differ only in their further fields.
macro_rules! aws {
    ($name:literal, $reader:ty, $rules:expr, [$($field:expr),*]) => {
        Kind {
            name: $name,
            type_name: "aws.plain",
            http: true,
            fields: &[
                ("endpoint", Text),
                ("region", Text),
                ("access_key", Text),
                ("secret_key", Secret),
                ("profile", Text),
                ("role_arn", Text),
                ("external_id", Text),
                REFRESH,
                PORT,
                $($field),*
            ],
            rules: $rules,
            reader: poll::<$reader>,
        }
    };
}

pub(super) const KINDS: &[&Kind] = &[
    &aws!(
        "aws_sd_configs",
        Role,
        |entry| ensure(entry.has("role"), "", "unknown AWS SD role \"\""),
        [("role", OneOf(ROLES, "unknown AWS SD role \"{}\"")), ("filters", Filters), ("clusters", Texts)]
    ),
    &EC2,
    &aws!("ecs_sd_configs", Ecs, no_rules, [("clusters", Texts), ("request_concurrency", IntegerOr(20))]),
    &aws!(
        "elasticache_sd_configs",
        Elasticache,
        no_rules,
        [("clusters", Texts), ("request_concurrency", IntegerOr(10))]
    ),
    &aws!("lightsail_sd_configs", Lightsail, no_rules, []),
    &aws!("msk_sd_configs", Msk, no_rules, [("clusters", Texts), ("request_concurrency", IntegerOr(10))]),
    &aws!(
        "rds_sd_configs",
        Rds,
        no_rules,
        [("clusters", Texts), ("filters", Filters), ("request_concurrency", IntegerOr(10))]
    ),
];

const EC2: Kind = aws!("ec2_sd_configs", Ec2, filters_have_values, [("filters", Filters)]);

fn filters_have_values(entry: &Entry<'_>) -> Outcome {
    let empty = entry.node.get("filters").is_some_and(|list| {
        list.list(|filter| {
            Ok(filter.get("values").is_none_or(|values| values.strings().is_ok_and(|v| v.is_empty())))
        })
        .is_ok_and(|found| found.contains(&true))
    });
    ensure(!empty, "filters", "EC2 SD configuration filter values cannot be empty")
}

/// Whatever the section's role says.
enum Role {
    Ec2(Ec2),
    Ecs(Ecs),
    Elasticache(Elasticache),
    Lightsail(Lightsail),
    Msk(Msk),
    Rds(Rds),
}

impl Poll for Role {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(match settings.text("role") {
            "ecs" => Role::Ecs(Ecs::new(settings)?),
            "elasticache" => Role::Elasticache(Elasticache::new(settings)?),
            "lightsail" => Role::Lightsail(Lightsail::new(settings)?),
            "msk" => Role::Msk(Msk::new(settings)?),
            "rds" => Role::Rds(Rds::new(settings)?),
            _ => Role::Ec2(Ec2::new(settings)?),
        })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        match self {
            Role::Ec2(source) => source.look().await,
            Role::Ecs(source) => source.look().await,
            Role::Elasticache(source) => source.look().await,
            Role::Lightsail(source) => source.look().await,
            Role::Msk(source) => source.look().await,
            Role::Rds(source) => source.look().await,
        }
    }
}

/// What asks services of a region.
struct Amazon {
    api: Api,
    provider: Provider,
    settings: Settings,
}

impl Amazon {
    fn new(settings: &Settings) -> Result<Amazon> {
        let text = |name: &str| settings.text(name).to_string();
        let of_settings = cloud::aws::Settings {
            fips_sts: false,
            access_key: text("access_key"),
            secret_key: text("secret_key"),
            profile: text("profile"),
            role_arn: text("role_arn"),
            external_id: text("external_id"),
            region: text("region"),
        };
        Ok(Amazon {
            api: Api::new(&settings.http, settings.refresh_interval())?,
            provider: Provider::new(of_settings, settings.surroundings())?,
            settings: settings.clone(),
        })
    }

    fn port(&self) -> i64 {
        self.settings.integer("port")
    }

    async fn region(&self) -> Result<String> {
        Ok(self.provider.region().await?)
    }

    /// Where a service is, without a slash at the end.
    async fn url(&self, service: &str) -> Result<String> {
        let own = self.settings.text("endpoint").trim_end_matches('/');
        if !own.is_empty() {
            return Ok(own.to_string());
        }
        let region = self.region().await?;
        let here = format!("https://{service}.{region}.{}", cloud::aws::domain(&region));
        Ok(self.settings.endpoint(&here))
    }

    async fn send(&self, mut request: Request, service: &str) -> Result<Response> {
        self.provider.sign(&mut request, service).await?;
        let url = request.url.clone();
        let answer = self.api.answer(request).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        if matches!(answer.status.as_u16(), 401 | 403) {
            // Perhaps the credentials have changed.
            self.provider.forget().await;
        }
        let mut failure = refused(&url, &answer);
        if String::from_utf8_lossy(&answer.body).contains("RequestLimitExceeded") {
            failure.retry_after = failure.retry_after.or(Some(std::time::Duration::from_secs(10)));
        }
        Err(failure)
    }

    /// An action of an API that takes a form and answers in XML.
    async fn query(&self, service: &str, fields: &[(&str, &str)]) -> Result<Element> {
        let url = format!("{}/", self.url(service).await?);
        let body = form(fields.iter().copied());
        let request = Request::post(url, "application/x-www-form-urlencoded; charset=utf-8", body);
        let answer = self.send(request, service).await?;
        xml::parse(&String::from_utf8_lossy(&answer.body)).map_err(Failure::new)
    }

    /// All pages of such an action; `next` is where a page names the following one, which is asked for by
    /// the field `field`.
    async fn query_all(
        &self,
        service: &str,
        fields: &[(&str, &str)],
        field: &str,
        next: &str,
    ) -> Result<Vec<Element>> {
        let mut pages: Vec<Element> = Vec::new();
        loop {
            let token = pages.last().map_or("", |page| page.text_at(next)).to_string();
            if !pages.is_empty() && token.is_empty() {
                return Ok(pages);
            }
            if pages.len() >= PAGES_MAX {
                return Err(Failure::new(format!("more than {PAGES_MAX} pages")));
            }
            let more = (!token.is_empty()).then_some((field, token.as_str()));
            let all: Vec<(&str, &str)> = fields.iter().copied().chain(more).collect();
            let page = self.query(service, &all).await?;
            pages.push(page);
        }
    }

    /// An action of an API that takes JSON and answers in JSON.
    async fn json(&self, service: &str, action: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/", self.url(service).await?);
        let request = Request::post(url, "application/x-amz-json-1.1", body.to_string());
        let answer = self.send(request.header("x-amz-target", action), service).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

/// Filters as the fields of a form.
fn filter_fields(filters: &[super::Filter], name: &str, value: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (at, filter) in filters.iter().enumerate() {
        let place = format!("{name}.{}", at + 1);
        fields.push((format!("{place}.Name"), filter.name.clone()));
        for (at, text) in filter.values.iter().enumerate() {
            fields.push((format!("{place}.{value}.{}", at + 1), text.clone()));
        }
    }
    fields
}

/// Sets labels from an element; a moment loses its fractions of a second.
fn copy(meta: &mut Meta, from: &Element, labels: &[(&str, &str)]) {
    for (name, path) in labels {
        let text = from.text_at(path);
        let is_moment = text.len() > 20 && text.ends_with('Z') && text.as_bytes().get(19) == Some(&b'.');
        match text.get(..19).filter(|_| is_moment) {
            Some(seconds) => _ = meta.set(name, format!("{seconds}Z")),
            None => _ = meta.set(name, text),
        }
    }
}

/// Tags as `Key` and `Value` in elements of a name.
fn tags<'a>(from: &'a Element, path: &str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    from.all(path, name).map(|tag| (tag.text_at("Key"), tag.text_at("Value"))).collect()
}
