//! Clouds and hosting companies.

use super::{
    Boolean, Duration, Entry, Filters, Integer, Kind, OneOf, Outcome, PORT, REFRESH, Text, TextOr, Texts,
    Tls, ensure, no_rules,
};

const AWS_ROLES: &[&str] = &["ec2", "ecs", "elasticache", "lightsail", "msk", "rds"];

/// The AWS kinds differ only in their further fields.
macro_rules! aws {
    ($name:literal, $type_name:literal, $rules:expr, [$($field:expr),*]) => {
        Kind {
            name: $name,
            type_name: $type_name,
            http: true,
            fields: &[
                ("endpoint", Text),
                ("region", Text),
                ("access_key", Text),
                ("secret_key", Text),
                ("profile", Text),
                ("role_arn", Text),
                ("external_id", Text),
                REFRESH,
                PORT,
                $($field),*
            ],
            rules: $rules,
            reader: None,
        }
    };
}

pub(super) const KINDS: &[Kind] = &[
    aws!(
        "aws_sd_configs",
        "aws.plain",
        |entry| ensure(entry.has("role"), "", "unknown AWS SD role \"\""),
        [("role", OneOf(AWS_ROLES, "unknown AWS SD role \"{}\"")), ("filters", Filters), ("clusters", Texts)]
    ),
    aws!("ec2_sd_configs", "aws.plain", filters_have_values, [("filters", Filters)]),
    aws!("ecs_sd_configs", "aws.plain", no_rules, [("clusters", Texts), ("request_concurrency", Integer)]),
    aws!(
        "elasticache_sd_configs",
        "aws.plain",
        no_rules,
        [("clusters", Texts), ("request_concurrency", Integer)]
    ),
    aws!("lightsail_sd_configs", "aws.plain", no_rules, []),
    aws!("msk_sd_configs", "aws.plain", no_rules, [("clusters", Texts), ("request_concurrency", Integer)]),
    aws!(
        "rds_sd_configs",
        "aws.plain",
        no_rules,
        [("clusters", Texts), ("filters", Filters), ("request_concurrency", Integer)]
    ),
    Kind {
        name: "azure_sd_configs",
        type_name: "azure.plain",
        http: true,
        fields: &[
            ("environment", Text),
            PORT,
            ("subscription_id", Text),
            ("tenant_id", Text),
            ("client_id", Text),
            ("client_secret", Text),
            REFRESH,
            ("authentication_method", TextOr("OAuth")),
            ("resource_group", Text),
        ],
        rules: azure,
        reader: None,
    },
    Kind {
        name: "gce_sd_configs",
        type_name: "gce.plain",
        http: false,
        fields: &[
            ("project", Text),
            ("zone", Text),
            ("filter", Text),
            REFRESH,
            PORT,
            ("tag_separator", Text),
        ],
        rules: |entry| {
            entry.require("project", "GCE SD configuration requires a project")?;
            entry.require("zone", "GCE SD configuration requires a zone")
        },
        reader: None,
    },
    Kind {
        name: "oci_sd_configs",
        type_name: "oci.plain",
        http: true,
        fields: &[
            ("auth", TextOr("api_key")),
            ("tenancy", Text),
            ("user", Text),
            ("fingerprint", Text),
            ("key_file", Text),
            ("key_passphrase", Text),
            ("key_passphrase_file", Text),
            ("region", Text),
            ("compartments", Texts),
            PORT,
            REFRESH,
        ],
        rules: oci,
        reader: None,
    },
    Kind {
        name: "openstack_sd_configs",
        type_name: "openstack.plain",
        http: false,
        fields: &[
            ("identity_endpoint", Text),
            ("username", Text),
            ("userid", Text),
            ("password", Text),
            ("project_name", Text),
            ("project_id", Text),
            ("domain_name", Text),
            ("domain_id", Text),
            ("application_credential_name", Text),
            ("application_credential_id", Text),
            ("application_credential_secret", Text),
            ("role", OneOf(&["hypervisor", "instance", "loadbalancer"], "unknown OpenStack SD role \"{}\"")),
            ("region", Text),
            REFRESH,
            PORT,
            ("all_tenants", Boolean),
            ("tls_config", Tls),
            ("availability", TextOr("public")),
        ],
        rules: |entry| {
            let availability = entry.text("availability");
            ensure(
                matches!(availability.as_str(), "public" | "internal" | "admin"),
                "availability",
                format!("unknown availability {availability}, must be one of admin, internal or public"),
            )?;
            entry.require("role", "role missing (one of: instance, hypervisor, loadbalancer)")?;
            entry.require("region", "openstack SD configuration requires a region")
        },
        reader: None,
    },
    Kind {
        name: "outscale_sd_configs",
        type_name: "outscale.plain",
        http: true,
        fields: &[
            ("endpoint", Text),
            ("region", Text),
            ("access_key", Text),
            ("secret_key", Text),
            ("secret_key_file", Text),
            REFRESH,
            PORT,
        ],
        rules: |entry| {
            entry.require("region", "outscale SD configuration requires a region")?;
            entry.require("access_key", "outscale SD configuration requires access_key")?;
            entry.require_one("secret_key", "secret_key_file")
        },
        reader: None,
    },
    Kind {
        name: "ovhcloud_sd_configs",
        type_name: "ovhcloud.plain",
        http: false,
        fields: &[
            ("endpoint", TextOr("ovh-eu")),
            ("application_key", Text),
            ("application_secret", Text),
            ("consumer_key", Text),
            REFRESH,
            ("service", Text),
        ],
        rules: |entry| {
            entry.require("endpoint", "endpoint can not be empty")?;
            entry.require("application_key", "application key can not be empty")?;
            entry.require("application_secret", "application secret can not be empty")?;
            entry.require("consumer_key", "consumer key can not be empty")?;
            let service = entry.text("service");
            let known = matches!(service.as_str(), "dedicated_server" | "vps");
            ensure(known, "service", format!("unknown service: {service}"))
        },
        reader: None,
    },
    Kind {
        name: "stackit_sd_configs",
        type_name: "stackit.plain",
        http: true,
        fields: &[
            ("project", Text),
            REFRESH,
            PORT,
            ("region", TextOr("eu01")),
            ("endpoint", Text),
            ("service_account_key", Text),
            ("private_key", Text),
            ("service_account_key_path", Text),
            ("private_key_path", Text),
            ("credentials_file_path", Text),
        ],
        rules: |entry| {
            let somewhere = entry.has("endpoint") || entry.has("region");
            ensure(somewhere, "", "stackit_sd: endpoint and region missing")?;
            let endpoint = entry.text("endpoint");
            entry.url("endpoint").map_err(|(field, why)| {
                (field, format!("stackit_sd: invalid endpoint {endpoint:?}: {why}"))
            })?;
            Ok(())
        },
        reader: None,
    },
];

fn filters_have_values(entry: &Entry<'_>) -> Outcome {
    let empty = entry.node.get("filters").is_some_and(|list| {
        list.list(|filter| {
            Ok(filter.get("values").is_none_or(|values| values.strings().is_ok_and(|v| v.is_empty())))
        })
        .is_ok_and(|found| found.contains(&true))
    });
    ensure(!empty, "filters", "EC2 SD configuration filter values cannot be empty")
}

fn azure(entry: &Entry<'_>) -> Outcome {
    let require =
        |name: &'static str| entry.require(name, &format!("azure SD configuration requires a {name}"));
    require("subscription_id")?;
    let method = entry.text("authentication_method");
    match method.as_str() {
        "OAuth" => {
            require("tenant_id")?;
            require("client_id")?;
            require("client_secret")
        }
        "ManagedIdentity" | "SDK" | "WorkloadIdentity" => Ok(()),
        _ => ensure(
            false,
            "authentication_method",
            format!(
                "unknown authentication_type {method:?}. Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" or \
                 \"WorkloadIdentity\""
            ),
        ),
    }
}

fn oci(entry: &Entry<'_>) -> Outcome {
    let own = ["tenancy", "user", "fingerprint", "key_file", "key_passphrase", "key_passphrase_file"];
    entry.require("region", "oci_sd: region is required")?;
    match entry.text("auth").as_str() {
        "api_key" => {
            for name in ["tenancy", "user", "fingerprint", "key_file"] {
                entry.require(name, &format!("oci_sd: api_key auth requires {name}"))?;
            }
            ensure(
                !(entry.has("key_passphrase") && entry.has("key_passphrase_file")),
                "key_passphrase_file",
                "oci_sd: at most one of key_passphrase and key_passphrase_file must be configured",
            )?;
        }
        "instance_principal" => {
            for name in own {
                ensure(
                    !entry.has(name),
                    name,
                    "oci_sd: instance_principal auth must not have tenancy, user, fingerprint, key_file, key_passphrase, \
                     or key_passphrase_file set",
                )?;
            }
        }
        other => {
            return ensure(
                false,
                "auth",
                format!(
                    "oci_sd: unknown auth method {other:?}, expected \"api_key\" or \"instance_principal\""
                ),
            );
        }
    }
    for (at, compartment) in entry.texts("compartments").iter().enumerate() {
        ensure(
            !compartment.is_empty(),
            "compartments",
            format!("oci_sd: compartments[{at}] must not be empty"),
        )?;
    }
    let refresh = entry.text("refresh_interval");
    let positive = !refresh.starts_with('0');
    ensure(positive, "refresh_interval", format!("oci_sd: refresh_interval must be positive, got {refresh}"))
}
