use super::*;

fn parse(text: &str) -> Result<Modules> {
    Modules::parse(text, &PathBase::new(Path::new("/etc/blackbox")))
}

#[test]
fn a_module_without_a_section_has_the_defaults() {
    let modules = parse("modules: {a: {prober: http, http: }, b: {prober: icmp, timeout: 1m30s}}").unwrap();
    let Probe::Http(http) = &modules.get("a").unwrap().probe else { panic!("not http") };
    assert_eq!((http.method.as_str(), http.client.follow_redirects), ("GET", true));
    assert_eq!(http.ip, IpChoice { preferred: IpFamily::V6, fallback: true });
    let icmp = modules.get("b").unwrap();
    assert_eq!(icmp.timeout, Some(Duration::from_secs(90)));
    let Probe::Icmp(icmp) = &icmp.probe else { panic!("not icmp") };
    assert_eq!(icmp.ttl, 64);
}

#[test]
fn mistakes_say_what_and_where() {
    for (text, expected) in [
        ("modules:\n  a:\n    prober: htp\n", "line 3, column 13: prober 'htp' is not valid"),
        (
            "modules:\n  a:\n    prober: http\n    http: {bodi: x}\n",
            "line 4, column 12: field bodi not found in type config.plain; did you mean body?",
        ),
        (
            "modules: {a: {prober: http, http: {fail_if_body_matches_regexp: [':[']}}}",
            "\"Could not compile regular expression\" regexp=\":[\"",
        ),
        (
            "modules: {a: {prober: http, http: {fail_if_body_json_matches_cel: 'foo.bar'}}}",
            "\"Could not compile CEL program\" expression=\"foo.bar\"",
        ),
        (
            "modules: {a: {prober: http, http: {valid_http_versions: [HTTP/3.0]}}}",
            "HTTP/3 cannot be used as a valid HTTP version when enable_http3 is false",
        ),
        (
            "modules: {a: {prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}}",
            "expect and expect_bytes are mutually exclusive",
        ),
        ("modules: {a: {prober: icmp, icmp: {payload_size: -1}}}", "expected a size from 0 to 65507"),
        ("modules: {a: {prober: icmp, timeout: 5}}", "duration"),
        ("modules: {a: {prober: tcp, dns: {query_type: A}}}", "query name must be set for DNS module"),
        (
            "modules: {a: {prober: http, http: {http_headers: {Host: {values: [x]}}}}}",
            "setting header \"Host\" is not allowed",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n  {error}");
        assert!(error.contains("line "), "{error}");
    }
}

#[test]
fn compression_must_be_accepted() {
    for (compression, accept, expected) in [
        ("", "gzip", true),
        ("gzip", "", true),
        ("gzip", "br, gzip;q=0.1", true),
        ("br", "gzip, compress", false),
        ("br", "gzip, *;q=0.1", true),
        ("br", "gzip, br;q=0.0", false),
        ("br", "*;q=0.0, br;q=0.1", true),
        ("br", " gzip;q=1.0, br; q=0.5, *; q=0.0 ", true),
    ] {
        assert_eq!(super::checks::accepts_encoding(compression, accept), expected, "{compression} {accept}");
    }
}

#[test]
fn secrets_do_not_show() {
    let modules =
        parse("modules: {a: {prober: http, http: {basic_auth: {username: u, password: hunter2}}}}").unwrap();
    assert!(!modules.render().contains("hunter2"));
    assert!(!modules.get("a").unwrap().render().contains("hunter2"));
}

#[test]
fn bytes_that_are_not_text_can_be_sent() {
    let modules =
        parse("modules: {a: {prober: tcp, tcp: {query_response: [{send: !!binary AAAACATSFv8=}]}}}").unwrap();
    let Probe::Tcp(tcp) = &modules.get("a").unwrap().probe else { panic!("not tcp") };
    assert_eq!(tcp.query_response[0].send, [0, 0, 0, 8, 4, 0xd2, 0x16, 0xff]);
}

#[test]
fn built_in_modules_exist() {
    for name in Module::BUILT_IN {
        assert!(Module::built_in(name).is_some(), "{name}");
    }
}
