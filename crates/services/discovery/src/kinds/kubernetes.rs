//! Kubernetes.

use ::config::{Node, Result};

use super::{Entry, Field, Kind, OneOf, Outcome, Text, ensure};

const ROLES: &[&str] = &["node", "pod", "service", "endpoints", "endpointslice", "ingress"];
const UNKNOWN_ROLE: &str = "unknown Kubernetes SD role \"{}\"";

pub(super) const KIND: Kind = Kind {
    name: "kubernetes_sd_configs",
    type_name: "kubernetes.plain",
    http: true,
    fields: &[
        ("api_server", Text),
        ("role", OneOf(ROLES, UNKNOWN_ROLE)),
        ("kubeconfig_file", Text),
        ("namespaces", Field::Section(namespaces)),
        ("selectors", Field::Section(selectors)),
        ("attach_metadata", Field::Section(attach_metadata)),
    ],
    rules,
    reader: None,
};

fn namespaces(node: &Node) -> Result<()> {
    let mut fields = node.fields("kubernetes.plain")?;
    fields.optional("own_namespace", Node::boolean)?;
    fields.optional("names", Node::strings)?;
    fields.finish()
}

fn attach_metadata(node: &Node) -> Result<()> {
    let mut fields = node.fields("kubernetes.AttachMetadataConfig")?;
    for name in ["node", "namespace", "deployment", "job", "cronjob"] {
        fields.optional(name, Node::boolean)?;
    }
    fields.finish()
}

fn selectors(node: &Node) -> Result<()> {
    node.list(|node| {
        let mut fields = node.fields("kubernetes.SelectorConfig")?;
        fields.optional("role", |node| {
            let role = node.string()?;
            let known = ROLES.contains(&role.as_str());
            if known { Ok(()) } else { Err(node.error(UNKNOWN_ROLE.replace("{}", &role))) }
        })?;
        fields.optional("label", |node| label_selector(&node.string()?).map_err(|why| node.error(why)))?;
        fields.optional("field", |node| field_selector(&node.string()?).map_err(|why| node.error(why)))?;
        fields.finish()
    })
    .map(drop)
}

fn rules(entry: &Entry<'_>) -> Outcome {
    entry.require("role", "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)")?;
    let (server, file) = (entry.has("api_server"), entry.has("kubeconfig_file"));
    if server {
        entry.url("api_server")?;
    }
    let own_namespace = entry
        .node
        .get("namespaces")
        .and_then(|node| node.get("own_namespace"))
        .is_some_and(|node| node.boolean().is_ok_and(|own| own));
    ensure(
        !(server && file),
        "kubeconfig_file",
        "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
    )?;
    ensure(
        !(file && entry.has_http),
        "kubeconfig_file",
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    )?;
    ensure(
        server || !entry.has_http,
        "",
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    )?;
    for (set, name) in [(server, "api_server"), (file, "kubeconfig_file")] {
        ensure(
            !(set && own_namespace),
            "namespaces",
            format!("cannot use '{name}' and 'namespaces.own_namespace' simultaneously"),
        )?;
    }
    selector_roles(entry)
}

fn selector_roles(entry: &Entry<'_>) -> Outcome {
    let role = entry.text("role");
    let allowed: &[&str] = match role.as_str() {
        "pod" => &["pod", "node"],
        "service" => &["service"],
        "endpointslice" => &["pod", "service", "endpointslice"],
        "endpoints" => &["pod", "service", "endpoints"],
        "node" => &["node"],
        _ => &["ingress"],
    };
    let selectors = entry
        .node
        .get("selectors")
        .and_then(|list| list.list(|node| node.get("role").map_or(Ok(String::new()), Node::string)).ok());
    let selectors = selectors.unwrap_or_default();
    for (at, selector) in selectors.iter().enumerate() {
        let twice = selectors[..at].contains(selector);
        ensure(!twice, "selectors", format!("duplicated selector role: {selector}"))?;
        ensure(
            allowed.contains(&selector.as_str()),
            "selectors",
            format!("{role} role supports only {} selectors", allowed.join(", ")),
        )?;
    }
    Ok(())
}

/// `a=b,c!=d`; the values are free, `\` takes the next character as it is.
fn field_selector(text: &str) -> std::result::Result<(), String> {
    let terms = text.split(',').filter(|term| !term.is_empty());
    for term in terms {
        if !term.contains('=') {
            return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
        }
    }
    Ok(())
}

/// `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a>1`, `a<1`, joined by commas.
fn label_selector(text: &str) -> std::result::Result<(), String> {
    let fail = |term: &str| Err(format!("unable to parse requirement: {text:?}: can't understand {term:?}"));
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma inside parentheses belongs to the term.
        let mut depth = 0_i32;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        let term = rest[..end.unwrap_or(rest.len())].trim();
        rest = end.map_or("", |at| rest[at + 1..].trim_start());
        let is_name = |name: &str| {
            let name = name.trim();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        };
        let is_value = |value: &str| value.trim().is_empty() || is_name(value);
        let set = term.strip_suffix(')').and_then(|term| term.split_once('('));
        let good = if let Some((left, values)) = set {
            let name = left.trim().strip_suffix(" in").or_else(|| left.trim().strip_suffix(" notin"));
            name.is_some_and(is_name) && values.split(',').all(is_value)
        } else if let Some((name, value)) = term.split_once("!=") {
            is_name(name) && is_value(value)
        } else if let Some((name, value)) = term.split_once('=') {
            is_name(name) && is_value(value.strip_prefix('=').unwrap_or(value))
        } else if let Some((name, value)) = term.split_once(['<', '>']) {
            is_name(name) && value.trim().parse::<i64>().is_ok()
        } else {
            is_name(term.strip_prefix('!').unwrap_or(term))
        };
        if !good {
            return fail(term);
        }
    }
    Ok(())
}
