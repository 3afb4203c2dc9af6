//! Instances of EC2.

use std::collections::HashMap;

use model::TargetGroup;

use super::{Amazon, filter_fields};
use crate::api::Result;
use crate::kinds::Settings;
use crate::meta::{Meta, one_group};
use crate::poll::Poll;
use crate::xml::Element;

pub(super) const VERSION: (&str, &str) = ("Version", "2016-11-15");

pub(super) struct Ec2 {
    amazon: Amazon,
    /// Identifiers of zones by name, once they are known.
    zones: Option<HashMap<String, String>>,
}

impl Poll for Ec2 {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Ec2 { amazon: Amazon::new(settings)?, zones: None })
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.amazon.region().await?;
        let zones = match &self.zones {
            Some(zones) => zones,
            // Whoever may not ask for zones still has instances.
            None => self.zones.insert(self.zones().await.unwrap_or_default()),
        };
        let filters = filter_fields(self.amazon.settings.filters("filters"), "Filter", "Value");
        let mut fields = vec![("Action", "DescribeInstances"), VERSION];
        fields.extend(filters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let pages = self.amazon.query_all("ec2", &fields, "NextToken", "nextToken").await?;
        let mut targets = Vec::new();
        for reservation in pages.iter().flat_map(|page| page.all("reservationSet", "item")) {
            for instance in reservation.all("instancesSet", "item") {
                let mut meta = Meta::new("__meta_ec2_");
                meta.set("region", &region).set("owner_id", reservation.text_at("ownerId"));
                if !describe(&mut meta, instance, zones, self.amazon.port()) {
                    continue;
                }
                targets.push(meta.build());
            }
        }
        Ok(one_group(&region, targets))
    }
}

impl Ec2 {
    async fn zones(&self) -> Result<HashMap<String, String>> {
        let answer = self.amazon.query("ec2", &[("Action", "DescribeAvailabilityZones"), VERSION]).await?;
        let zones = answer.all("availabilityZoneInfo", "item");
        Ok(zones.map(|zone| (zone.text_at("zoneName").into(), zone.text_at("zoneId").into())).collect())
    }
}

/// The labels of an instance; false if it has no address.
fn describe(meta: &mut Meta, instance: &Element, zones: &HashMap<String, String>, port: i64) -> bool {
    let is_in_vpc = !instance.text_at("vpcId").is_empty();
    let cards: Vec<&Element> = instance
        .all("networkInterfaceSet", "item")
        .filter(|card| is_in_vpc && !card.text_at("subnetId").is_empty())
        .collect();
    let mut all_ipv6 = Vec::new();
    // Primary addresses stand at the index of their card.
    let mut primary_ipv6: Vec<&str> = Vec::new();
    for card in &cards {
        for address in card.all("ipv6AddressesSet", "item") {
            let text = address.text_at("ipv6Address");
            all_ipv6.push(text);
            if address.text_at("isPrimaryIpv6") == "true" {
                let at = card.text_at("attachment.deviceIndex").parse::<usize>().unwrap_or(0).min(256);
                if primary_ipv6.len() <= at {
                    primary_ipv6.resize(at + 1, "");
                }
                primary_ipv6[at] = text;
            }
        }
    }
    let default_ipv6 = primary_ipv6.iter().chain(&all_ipv6).find(|address| !address.is_empty()).copied();
    let private = instance.text_at("privateIpAddress");
    let Some(host) = Some(private).filter(|ip| !ip.is_empty()).or(default_ipv6) else { return false };
    meta.address(host, port);
    meta.set_some("default_ipv6_address", default_ipv6);
    meta.set_list("primary_ipv6_addresses", ",", &primary_ipv6);
    meta.set_list("ipv6_addresses", ",", &all_ipv6);
    for (name, path) in [
        ("instance_id", "instanceId"),
        ("private_ip", "privateIpAddress"),
        ("private_dns_name", "privateDnsName"),
        ("platform", "platform"),
        ("ami", "imageId"),
        ("availability_zone", "placement.availabilityZone"),
        ("instance_state", "instanceState.name"),
        ("instance_type", "instanceType"),
        ("instance_lifecycle", "instanceLifecycle"),
        ("architecture", "architecture"),
    ] {
        meta.set(name, instance.text_at(path));
    }
    if !instance.text_at("ipAddress").is_empty() {
        meta.set("public_ip", instance.text_at("ipAddress"));
        meta.set("public_dns_name", instance.text_at("dnsName"));
    }
    meta.set_some("availability_zone_id", zones.get(instance.text_at("placement.availabilityZone")));
    if is_in_vpc {
        meta.set("vpc_id", instance.text_at("vpcId"));
        meta.set("primary_subnet_id", instance.text_at("subnetId"));
        let mut subnets: Vec<&str> = Vec::new();
        for subnet in cards.iter().map(|card| card.text_at("subnetId")) {
            if !subnets.contains(&subnet) {
                subnets.push(subnet);
            }
        }
        meta.set("subnet_id", format!(",{},", subnets.join(",")));
    }
    let tags = instance.all("tagSet", "item").map(|tag| (tag.text_at("key"), tag.text_at("value")));
    meta.set_pairs("tag_", "", tags);
    true
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::super::EC2;
    use super::*;

    const FIRST: &str = r#"<DescribeInstancesResponse><reservationSet><item><ownerId>owner</ownerId><instancesSet><item>
        <instanceId>i-1</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name></instanceState>
        <privateDnsName>ip-10-0-0-1</privateDnsName><dnsName>public.example.com</dnsName><instanceType>t3.micro</instanceType>
        <placement><availabilityZone>eu-west-1a</availabilityZone></placement><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
        <privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>1.2.3.4</ipAddress><architecture>x86_64</architecture>
        <networkInterfaceSet><item><subnetId>subnet-1</subnetId><attachment><deviceIndex>0</deviceIndex></attachment>
        <ipv6AddressesSet><item><ipv6Address>2001::1</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item>
        <item><ipv6Address>2001::2</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item></ipv6AddressesSet></item></networkInterfaceSet>
        <tagSet><item><key>Name</key><value>a &amp; b</value></item></tagSet></item></instancesSet></item></reservationSet>
        <nextToken>more</nextToken></DescribeInstancesResponse>"#;
    const SECOND: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet>\
        <item><instanceId>i-2</instanceId><privateIpAddress>10.0.0.2</privateIpAddress></item>\
        <item><instanceId>terminated</instanceId></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
    const ZONES: &str = "<DescribeAvailabilityZonesResponse><availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName>\
        <zoneId>euw1-az1</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>";

    #[tokio::test]
    async fn instances_come_in_signed_pages() {
        let server = Server::start(|request| {
            let authorization = request.header("authorization");
            assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{authorization}");
            assert!(authorization.contains("/eu-west-1/ec2/aws4_request"), "{authorization}");
            let body = request.text();
            if body.contains("DescribeAvailabilityZones") {
                return Reply::new(200, ZONES);
            }
            assert!(
                body.contains("Filter.1.Name=tag%3Aenv&Filter.1.Value.1=prod&Filter.1.Value.2=dev"),
                "{body}"
            );
            Reply::new(200, if body.contains("NextToken=more") { SECOND } else { FIRST })
        })
        .await;
        let yaml = "{region: eu-west-1, access_key: key, secret_key: s, port: 9100, \
                    filters: [{name: 'tag:env', values: [prod, dev]}]}";
        assert_eq!(
            crate::kinds::targets::<Ec2>(&EC2, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="10.0.0.1:9100", __meta_ec2_ami="ami-1", __meta_ec2_architecture="x86_64", __meta_ec2_availability_zone="eu-west-1a", __meta_ec2_availability_zone_id="euw1-az1", __meta_ec2_default_ipv6_address="2001::2", __meta_ec2_instance_id="i-1", __meta_ec2_instance_state="running", __meta_ec2_instance_type="t3.micro", __meta_ec2_ipv6_addresses=",2001::1,2001::2,", __meta_ec2_owner_id="owner", __meta_ec2_primary_ipv6_addresses=",2001::2,", __meta_ec2_primary_subnet_id="subnet-1", __meta_ec2_private_dns_name="ip-10-0-0-1", __meta_ec2_private_ip="10.0.0.1", __meta_ec2_public_dns_name="public.example.com", __meta_ec2_public_ip="1.2.3.4", __meta_ec2_region="eu-west-1", __meta_ec2_subnet_id=",subnet-1,", __meta_ec2_tag_Name="a & b", __meta_ec2_vpc_id="vpc-1"}"#,
                r#"{__address__="10.0.0.2:9100", __meta_ec2_instance_id="i-2", __meta_ec2_private_ip="10.0.0.2", __meta_ec2_region="eu-west-1"}"#,
            ]
        );
    }

    #[tokio::test]
    async fn throttling_and_refusal_are_told() {
        let server = Server::start(|request| match request.text().contains("DescribeInstances") {
            false => Reply::new(200, ZONES),
            true => Reply::new(
                503,
                "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>",
            ),
        })
        .await;
        let yaml = "{region: r, access_key: k, secret_key: s}";
        let failure = crate::kinds::targets::<Ec2>(&EC2, yaml, &server.url()).await.unwrap_err();
        assert!(failure.message.contains("RequestLimitExceeded"), "{failure}");
        assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(10)));
    }
}
