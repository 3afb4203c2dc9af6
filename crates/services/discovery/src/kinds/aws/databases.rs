//! Databases of RDS and caches of ElastiCache.

use model::{Labels, TargetGroup};

use super::{Amazon, copy, elasticache_labels, filter_fields, rds_labels, tags};
use crate::api::Result;
use crate::kinds::{Filter, Settings};
use crate::meta::{Meta, one_group};
use crate::poll::Poll;
use crate::xml::Element;

pub(super) struct Rds(Amazon);

const RDS_VERSION: (&str, &str) = ("Version", "2014-10-31");

impl Poll for Rds {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Rds(Amazon::new(settings)?))
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.0.region().await?;
        let wanted = self.0.settings.texts("clusters");
        let mut pages = Vec::new();
        for cluster in wanted {
            let fields = [("Action", "DescribeDBClusters"), RDS_VERSION, ("DBClusterIdentifier", cluster)];
            pages.push(self.0.query("rds", &fields).await?);
        }
        if wanted.is_empty() {
            let fields = [("Action", "DescribeDBClusters"), RDS_VERSION];
            pages = self.0.query_all("rds", &fields, "Marker", "DescribeDBClustersResult.Marker").await?;
        }
        let mut targets = Vec::new();
        for cluster in
            pages.iter().flat_map(|page| page.all("DescribeDBClustersResult.DBClusters", "DBCluster"))
        {
            let of_cluster =
                Filter { name: "db-cluster-id".into(), values: vec![cluster.text_at("DBClusterArn").into()] };
            let mut filters = vec![of_cluster];
            filters.extend_from_slice(self.0.settings.filters("filters"));
            let filters = filter_fields(&filters, "Filters.Filter", "Values.Value");
            let mut fields = vec![("Action", "DescribeDBInstances"), RDS_VERSION];
            fields.extend(filters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let pages =
                self.0.query_all("rds", &fields, "Marker", "DescribeDBInstancesResult.Marker").await?;
            let instances =
                pages.iter().flat_map(|page| page.all("DescribeDBInstancesResult.DBInstances", "DBInstance"));
            targets.extend(instances.map(|instance| self.target(cluster, instance)));
        }
        Ok(one_group(&region, targets))
    }
}

impl Rds {
    fn target(&self, cluster: &Element, instance: &Element) -> Labels {
        let mut meta = Meta::new("__meta_rds_");
        copy(&mut meta, cluster, rds_labels::CLUSTER);
        copy(&mut meta, instance, rds_labels::INSTANCE);
        meta.set_pairs("cluster_tag_", "", tags(cluster, "TagList", "Tag"));
        meta.set_pairs("instance_tag_", "", tags(instance, "TagList", "Tag"));
        let id = instance.text_at("DBInstanceIdentifier");
        let mut members = cluster.all("DBClusterMembers", "DBClusterMember");
        let member = members.find(|member| member.text_at("DBInstanceIdentifier") == id);
        meta.set_some("instance_is_cluster_writer", member.map(|member| member.text_at("IsClusterWriter")));
        let host = instance.text_at("Endpoint.Address");
        if !host.is_empty() && !instance.text_at("Endpoint.Port").is_empty() {
            meta.address(host, self.0.port());
        }
        meta.build()
    }
}

pub(super) struct Elasticache(Amazon);

const ELASTICACHE_VERSION: (&str, &str) = ("Version", "2015-02-02");

impl Poll for Elasticache {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Elasticache(Amazon::new(settings)?))
    }

    async fn look(&mut self) -> Result<Vec<TargetGroup>> {
        let region = self.0.region().await?;
        // `arn:aws:elasticache:REGION:ACCOUNT:serverlesscache:NAME`, or `…:replicationgroup:ID`.
        let named = |kind: &str| -> Vec<&str> {
            let parts =
                self.0.settings.texts("clusters").iter().map(|arn| arn.split(':').collect::<Vec<_>>());
            parts
                .filter(|parts| parts.get(5) == Some(&kind))
                .filter_map(|parts| parts.get(6).copied())
                .collect()
        };
        let (serverless, clusters) = (named("serverlesscache"), named("replicationgroup"));
        let mut targets = Vec::new();
        for cache in
            self.all("DescribeServerlessCaches", "ServerlessCacheName", "NextToken", &serverless, &[]).await?
        {
            for cache in cache.all("DescribeServerlessCachesResult.ServerlessCaches", "member") {
                targets.push(self.serverless(cache).await?);
            }
        }
        for is_alone in ["false", "true"] {
            let more = [("ShowCacheNodeInfo", "true"), ("ShowCacheClustersNotInReplicationGroups", is_alone)];
            for page in
                self.all("DescribeCacheClusters", "CacheClusterId", "Marker", &clusters, &more).await?
            {
                for cluster in page.all("DescribeCacheClustersResult.CacheClusters", "CacheCluster") {
                    self.add_cluster(cluster, &mut targets).await?;
                }
            }
        }
        Ok(one_group(&region, targets))
    }
}

impl Elasticache {
    /// All of something, or what is named.
    async fn all(
        &self,
        action: &str,
        name: &str,
        token: &str,
        wanted: &[&str],
        more: &[(&str, &str)],
    ) -> Result<Vec<Element>> {
        let mut fields = vec![("Action", action), ELASTICACHE_VERSION];
        fields.extend_from_slice(more);
        if wanted.is_empty() {
            let next = format!("{action}Result.{token}");
            return self.0.query_all("elasticache", &fields, token, &next).await;
        }
        let mut pages = Vec::new();
        for one in wanted {
            let fields: Vec<_> = fields.iter().copied().chain([(name, *one)]).collect();
            pages.push(self.0.query("elasticache", &fields).await?);
        }
        Ok(pages)
    }

    async fn tags(&self, arn: &str) -> Result<Vec<(String, String)>> {
        if arn.is_empty() {
            return Ok(Vec::new());
        }
        let fields = [("Action", "ListTagsForResource"), ELASTICACHE_VERSION, ("ResourceName", arn)];
        let answer = self.0.query("elasticache", &fields).await?;
        let found = tags(&answer, "ListTagsForResourceResult.TagList", "Tag");
        Ok(found.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    async fn serverless(&self, cache: &Element) -> Result<Labels> {
        let mut meta = Meta::new("__meta_elasticache_");
        meta.set("deployment_option", "serverless");
        copy(&mut meta, cache, elasticache_labels::SERVERLESS);
        for (list, item, label) in [
            ("SecurityGroupIds", "SecurityGroupId", "serverless_cache_security_group_id"),
            ("SubnetIds", "member", "serverless_cache_subnet_id"),
        ] {
            for (at, id) in cache.all(list, item).enumerate() {
                meta.set(&format!("{label}_{at}"), &id.text);
            }
        }
        meta.set_pairs("serverless_cache_tag_", "", self.tags(cache.text_at("ARN")).await?);
        let (host, port) = (cache.text_at("Endpoint.Address"), cache.text_at("Endpoint.Port"));
        if !host.is_empty() && !port.is_empty() {
            meta.address(host, port);
        }
        Ok(meta.build())
    }

    /// A target for each node.
    async fn add_cluster(&self, cluster: &Element, targets: &mut Vec<Labels>) -> Result<()> {
        let mut common = Meta::new("__meta_elasticache_");
        common.set("deployment_option", "node");
        copy(&mut common, cluster, elasticache_labels::CLUSTER);
        let removed = cluster.all("PendingModifiedValues.CacheNodeIdsToRemove", "CacheNodeId");
        let removed: Vec<&str> = removed.map(|id| id.text.as_str()).collect();
        common.set("cache_cluster_pending_modified_values_cache_node_ids_to_remove", removed.join(","));
        let logs = cluster.all("LogDeliveryConfigurations", "LogDeliveryConfiguration");
        for (at, log) in logs.enumerate() {
            for (label, path) in [
                ("destination_type", "DestinationType"),
                ("log_format", "LogFormat"),
                ("log_type", "LogType"),
                ("status", "Status"),
                ("message", "Message"),
                ("log_group", "DestinationDetails.CloudWatchLogsDetails.LogGroup"),
                ("delivery_stream", "DestinationDetails.KinesisFirehoseDetails.DeliveryStream"),
            ] {
                common.set(
                    &format!("cache_cluster_log_delivery_configuration_{label}_{at}"),
                    log.text_at(path),
                );
            }
        }
        for (at, group) in cluster.all("SecurityGroups", "member").enumerate() {
            for (label, path) in [("id", "SecurityGroupId"), ("status", "Status")] {
                common.set(
                    &format!("cache_cluster_security_group_membership_{label}_{at}"),
                    group.text_at(path),
                );
            }
        }
        common.set_pairs("cache_cluster_tag_", "", self.tags(cluster.text_at("ARN")).await?);
        for node in cluster.all("CacheNodes", "CacheNode") {
            let mut meta = common.clone();
            copy(&mut meta, node, elasticache_labels::NODE);
            let (host, port) = (node.text_at("Endpoint.Address"), node.text_at("Endpoint.Port"));
            if !host.is_empty() && !port.is_empty() {
                meta.address(host, port);
            }
            targets.push(meta.build());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use testkit::http::{Reply, Server};

    use super::super::KINDS;
    use super::*;

    #[tokio::test]
    async fn instances_of_database_clusters_are_targets() {
        let server = Server::start(|request| {
            let body = request.text();
            if body.contains("DescribeDBClusters") {
                return Reply::new(200, "<r><DescribeDBClustersResult><DBClusters><DBCluster><DBClusterArn>arn:c</DBClusterArn>\
                    <DBClusterIdentifier>c</DBClusterIdentifier><ClusterCreateTime>2024-01-02T03:04:05.678Z</ClusterCreateTime>\
                    <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>i</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers>\
                    <TagList><Tag><Key>env</Key><Value>prod</Value></Tag></TagList></DBCluster></DBClusters></DescribeDBClustersResult></r>");
            }
            assert!(body.contains("Filters.Filter.1.Name=db-cluster-id&Filters.Filter.1.Values.Value.1=arn%3Ac"), "{body}");
            Reply::new(200, "<r><DescribeDBInstancesResult><DBInstances><DBInstance><DBInstanceIdentifier>i</DBInstanceIdentifier>\
                <Engine>postgres</Engine><Endpoint><Address>i.example.com</Address><Port>5432</Port></Endpoint></DBInstance></DBInstances></DescribeDBInstancesResult></r>")
        })
        .await;
        let kind = KINDS.iter().find(|kind| kind.name == "rds_sd_configs").unwrap();
        let yaml = "{region: r, access_key: k, secret_key: s, port: 9187}";
        assert_eq!(
            crate::kinds::targets::<Rds>(kind, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="i.example.com:9187", __meta_rds_cluster_arn="arn:c", __meta_rds_cluster_cluster_create_time="2024-01-02T03:04:05Z", __meta_rds_cluster_identifier="c", __meta_rds_cluster_tag_env="prod", __meta_rds_instance_endpoint_address="i.example.com", __meta_rds_instance_endpoint_port="5432", __meta_rds_instance_engine="postgres", __meta_rds_instance_identifier="i", __meta_rds_instance_is_cluster_writer="true"}"#
            ]
        );
    }

    #[tokio::test]
    async fn caches_of_both_kinds_are_targets() {
        let server = Server::start(|request| {
            let body = request.text();
            Reply::new(200, if body.contains("ListTags") {
                "<r><ListTagsForResourceResult><TagList><Tag><Key>a.b</Key><Value>c</Value></Tag></TagList></ListTagsForResourceResult></r>"
            } else if body.contains("DescribeServerlessCaches") {
                "<r><DescribeServerlessCachesResult><ServerlessCaches><member><ARN>arn:s</ARN><ServerlessCacheName>s</ServerlessCacheName>\
                 <Endpoint><Address>s.example.com</Address><Port>6379</Port></Endpoint><SubnetIds><member>subnet-1</member></SubnetIds></member></ServerlessCaches></DescribeServerlessCachesResult></r>"
            } else if body.contains("NotInReplicationGroups=true") {
                "<r><DescribeCacheClustersResult/></r>"
            } else {
                "<r><DescribeCacheClustersResult><CacheClusters><CacheCluster><CacheClusterId>c</CacheClusterId><Engine>redis</Engine><CacheNodes><CacheNode>\
                 <CacheNodeId>0001</CacheNodeId><Endpoint><Address>c.example.com</Address><Port>6379</Port></Endpoint></CacheNode></CacheNodes></CacheCluster></CacheClusters></DescribeCacheClustersResult></r>"
            })
        })
        .await;
        let kind = KINDS.iter().find(|kind| kind.name == "elasticache_sd_configs").unwrap();
        let yaml = "{region: r, access_key: k, secret_key: s}";
        assert_eq!(
            crate::kinds::targets::<Elasticache>(kind, yaml, &server.url()).await.unwrap(),
            [
                r#"{__address__="s.example.com:6379", __meta_elasticache_deployment_option="serverless", __meta_elasticache_serverless_cache_arn="arn:s", __meta_elasticache_serverless_cache_endpoint_address="s.example.com", __meta_elasticache_serverless_cache_endpoint_port="6379", __meta_elasticache_serverless_cache_name="s", __meta_elasticache_serverless_cache_subnet_id_0="subnet-1", __meta_elasticache_serverless_cache_tag_a_b="c"}"#,
                r#"{__address__="c.example.com:6379", __meta_elasticache_cache_cluster_cache_cluster_id="c", __meta_elasticache_cache_cluster_engine="redis", __meta_elasticache_cache_cluster_node_endpoint_address="c.example.com", __meta_elasticache_cache_cluster_node_endpoint_port="6379", __meta_elasticache_cache_cluster_node_id="0001", __meta_elasticache_deployment_option="node"}"#,
            ]
        );
    }
}
