//! Who may do what, on the real program: every route of the table with every role, and the ways in.

use std::path::Path;
use std::time::Duration;

use net::client::{Client, Limits, Request, Response};
use roles::access;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::harness::{SOON, Server, file, promontory, run, until};

const PASSWORD: &str = "correct horse";
const LIMITS: Limits = Limits { timeout: Duration::from_secs(60), body_size_max_bytes: 64 << 20 };

/// Asks, following no redirects.
struct Asker {
    runtime: tokio::runtime::Runtime,
    client: Client,
    base: String,
}

impl Asker {
    fn of(server: &Server) -> Asker {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = config::HttpClientConfig { follow_redirects: false, ..Default::default() };
        let client = runtime.block_on(async { Client::new(&config) }).unwrap();
        Asker { runtime, client, base: format!("http://{}", server.address) }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = Request::get(format!("{}{path}", self.base));
        request.method = method.parse().unwrap();
        request.body = body.to_string().into();
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let answer = self.runtime.block_on(self.client.send(request, LIMITS));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn status(&self, method: &str, path: &str, token: Option<&str>) -> u16 {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        self.ask(method, path, &headers, "").status.as_u16()
    }
}

fn basic(login: &str, password: &str) -> String {
    format!("Basic {}", net::client::base64(format!("{login}:{password}").as_bytes()))
}

fn json_of(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

/// A program whose administrator has a known password, and where everybody has to say who they are.
fn guarded(dir: &Path, more: &[&str]) -> Server {
    file(dir, "promontory.yml", "machine: {watch: false, alerts: false}\n");
    file(dir, "password", PASSWORD);
    let args = ["--listen", "127.0.0.1:0", "--config", "promontory.yml", "--admin-password-file", "password"];
    Server::ready(promontory(dir, &args).arg("--require-login").args(more))
}

/// A token with a role.
fn token(asker: &Asker, role: &str) -> String {
    let admin = basic("admin", PASSWORD);
    let body = json!({"name": role, "role": role}).to_string();
    let account = asker.ask("POST", "/api/serviceaccounts", &[("authorization", &admin)], &body);
    let path = format!("/api/serviceaccounts/{}/tokens", json_of(&account)["id"]);
    let made = asker.ask("POST", &path, &[("authorization", &admin)], r#"{"name":"t"}"#);
    json_of(&made)["key"].as_str().unwrap().to_string()
}

#[test]
fn every_route_is_open_to_those_whom_the_table_names_and_closed_to_all_others() {
    let dir = tempdir().unwrap();
    let server = guarded(dir.path(), &["--pushgateway.prefix", "/pushed"]);
    let asker = Asker::of(&server);
    let roles: [(model::Role, String); 4] =
        ["None", "Viewer", "Editor", "Admin"].map(|role| (role.parse().unwrap(), token(&asker, role)));
    let table = access::table(Some("/pushed"));
    // What ends, changes or never ends the run is asked last, or not by those who may.
    let is_final = |path: &str| ["/-/quit", "/-/reload", "/api/v1/notifications/live"].contains(&path);
    let mut walked = 0;
    // Stand-ins alone have it.
    let is_here = |pattern: &str| pattern != "/user/{*path}";
    for (methods, pattern, access) in table.rows().filter(|(_, pattern, _)| is_here(pattern)) {
        let path: String = pattern
            .split('/')
            .map(|part| match part {
                // It is known for some only.
                "{what}" => "datasources",
                part if part.starts_with('{') => "4711",
                part => part,
            })
            .collect::<Vec<_>>()
            .join("/");
        for method in methods.split(' ').filter(|method| *method != "*") {
            walked += 1;
            let needed: Option<model::Role> = access.role();
            let without = asker.status(method, &path, None);
            match needed {
                None => assert!(
                    ![401, 403].contains(&without) || path.starts_with("/login"),
                    "{method} {path}: {without}"
                ),
                Some(_) => assert_eq!(without, 401, "{method} {path} without saying who one is"),
            }
            for (role, token) in &roles {
                let may = needed.is_none_or(|needed| *role >= needed);
                if may && is_final(&path) {
                    continue;
                }
                let status = asker.status(method, &path, Some(token));
                let is_refused_by_role = {
                    let bearer = format!("Bearer {token}");
                    status == 403
                        && String::from_utf8_lossy(
                            &asker.ask(method, &path, &[("authorization", &bearer)], "").body,
                        )
                        .contains("this needs the role")
                };
                assert_eq!(is_refused_by_role, !may, "{method} {path} as {role}: {status}");
                assert_ne!(status, 401, "{method} {path} as {role}");
            }
        }
    }
    assert!(walked > 150, "{walked}");
    let (_, admin) = &roles[3];
    assert_eq!(asker.status("POST", "/-/reload", Some(admin)), 200);
    assert_eq!(asker.status("POST", "/-/quit", Some(admin)), 200);
}

/// Every path that the sources give a router, with the file.
fn routes_of(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            routes_of(&path, found);
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".rs") || name.ends_with("_tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text);
        for rest in code.split(".route(").skip(1) {
            let rest = rest.trim_start();
            let rest = rest.strip_prefix("&format!(").unwrap_or(rest);
            // One that is put together from parts cannot be read here; without a row it is for administrators.
            let route = rest.strip_prefix('"').and_then(|rest| rest.split('"').next());
            if let Some(route) = route.filter(|route| route.starts_with('/')) {
                found.push((route.to_string(), path.display().to_string()));
            }
        }
    }
}

#[test]
fn no_route_of_the_sources_is_missing_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for part in ["services", "product/roles/src", "product/page/src"] {
        routes_of(&root.join(part), &mut found);
    }
    // Programs of their own, which have no accounts.
    let stand_alone = |file: &str| {
        [
            "exporter.rs",
            "node_exporter.rs",
            "blackbox_exporter.rs",
            "roles/src/pushgateway.rs",
            "roles/src/alertmanager.rs",
        ]
        .iter()
        .any(|end| file.ends_with(end))
            || file.contains("/tests/")
    };
    let table = access::table(Some("/gateway"));
    let mut missing = Vec::new();
    let mut seen = 0;
    for (route, file) in found.into_iter().filter(|(_, file)| !stand_alone(file)) {
        seen += 1;
        // Where a router is nested, the file does not say; a route that is there under any of them is known.
        let prefixes = match &*file {
            file if file.contains("alerting/src/api/") => &["/api/v2", "/api/v1/alerting"][..],
            file if file.contains("ingest/src/gateway/") => &["/gateway"][..],
            _ => &[""][..],
        };
        if !prefixes.iter().any(|prefix| table.has(&format!("{prefix}{route}"))) {
            missing.push(format!("{route} ({file})"));
        }
    }
    assert!(seen > 120, "{seen} routes were found");
    assert!(missing.is_empty(), "not in roles/src/access.rs:\n{}", missing.join("\n"));
}

#[test]
fn beyond_this_machine_one_has_to_log_in_and_the_first_password_is_told_once() {
    let dir = tempdir().unwrap();
    file(dir.path(), "promontory.yml", "machine: {watch: false, alerts: false}\n");
    let start = |args: &[&str]| {
        let all =
            [&["--listen", "0.0.0.0:0", "--config", "promontory.yml", "--log.format", "json"], args].concat();
        let program = crate::harness::Program::spawn(&mut promontory(dir.path(), &all));
        let port = program.line("a start", |line| {
            let (_, rest) = line.split_once("Promontory ")?.1.split_once("://")?;
            let (_, rest) = rest.split_once(' ')?.0.rsplit_once(':')?;
            Some(rest.to_string())
        });
        Server { program, address: format!("127.0.0.1:{port}") }
    };
    let server = start(&[]);
    let log = server.program.log();
    let password =
        log.lines().find_map(|line| line.trim().strip_prefix("password ")).unwrap().trim().to_string();
    assert_eq!(log.matches(&password).count(), 1);
    assert!(!log.lines().any(|line| line.starts_with('{') && line.contains(&password)), "{log}");
    let asker = Asker::of(&server);
    assert_eq!(asker.status("GET", "/api/v1/query?query=1", None), 401);
    let authorization = basic("admin", &password);
    let as_admin = [("authorization", authorization.as_str())];
    assert_eq!(asker.ask("GET", "/api/v1/query?query=1", &as_admin, "").status, 200);
    assert_eq!(
        asker.ask("GET", "/api/v1/query?query=1", &[("authorization", &basic("admin", "admin"))], "").status,
        401
    );
    server.terminate();

    let server = start(&[]);
    assert!(!server.program.log().contains("administrator"), "{}", server.program.log());
    assert_eq!(Asker::of(&server).ask("GET", "/api/v1/query?query=1", &as_admin, "").status, 200);
    server.terminate();

    let server = start(&["--anonymous-role", "viewer"]);
    assert_eq!(Asker::of(&server).status("GET", "/api/v1/query?query=1", None), 200);
    assert_eq!(Asker::of(&server).status("POST", "/api/v1/write", None), 403);
    server.terminate();

    let server = start(&["--allow-unauthenticated"]);
    assert_eq!(Asker::of(&server).status("POST", "/-/reload", None), 200);
}

#[test]
fn at_this_machine_nothing_has_to_be_set_up_unless_somebody_else_asks_through_a_proxy() {
    let dir = tempdir().unwrap();
    let server = Server::quiet(dir.path(), &[]);
    let asker = Asker::of(&server);
    let who = json_of(&asker.ask("GET", "/api/user", &[], ""));
    assert_eq!((&who["login"], &who["orgRole"]), (&"local".into(), &"Admin".into()));
    assert_eq!(asker.ask("GET", "/api/user", &[("x-forwarded-for", "192.0.2.1")], "").status, 401);
    server.terminate();
    // Who names an address that others know means them, too.
    let mut command = promontory(dir.path(), &["--listen", "127.0.0.1:0", "--config", "promontory.yml"]);
    command.args(["--external-url", "http://127.0.0.1:9/"]).env("PROMONTORY_ADMIN_PASSWORD", PASSWORD);
    let program = crate::harness::Program::spawn(&mut command);
    program.line("a start", |line| line.contains("Promontory ").then_some(()));
    let told = "the password of admin is the one that was told";
    assert!(program.log().contains(told) && !program.log().contains(PASSWORD), "{}", program.log());
}

#[test]
fn a_page_of_another_site_can_do_nothing_with_a_session_and_show_nothing_of_ours() {
    let dir = tempdir().unwrap();
    let server = guarded(dir.path(), &[]);
    let asker = Asker::of(&server);
    let body = json!({"user": "admin", "password": PASSWORD}).to_string();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        assert_eq!(asker.ask("POST", "/login", &[(name, value)], &body).status, 403, "{name}");
    }
    let answer = asker.ask("POST", "/login", &[("sec-fetch-site", "same-origin")], &body);
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_string();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    for (method, path) in [
        ("POST", "/api/teams"),
        ("DELETE", "/api/admin/users/1"),
        ("PUT", "/api/user/password"),
        ("POST", "/api/v2/silences"),
        ("POST", "/logout"),
        ("POST", "/api/dashboards/db"),
    ] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let headers = [("cookie", cookie), (name, value)];
            assert_eq!(
                asker.ask(method, path, &headers, "{}").status,
                403,
                "{method} {path} {name}: {value}"
            );
        }
    }
    assert_eq!(asker.ask("GET", "/api/user", &[("cookie", cookie)], "").status, 200);
    for path in ["/", "/login", "/explore", "/d/x", "/api/user", "/nothing", "/assets/x"] {
        for headers in [&[][..], &[("cookie", cookie)][..]] {
            let answer = asker.ask("GET", path, headers, "");
            let text =
                |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            let policy = text("content-security-policy");
            assert!(
                policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"),
                "{path}: {policy}"
            );
            assert_eq!(
                (text("x-frame-options"), text("x-content-type-options")),
                ("DENY", "nosniff"),
                "{path}"
            );
            assert_eq!(text("referrer-policy"), "same-origin", "{path}");
        }
    }
    let html = [("accept", "text/html")];
    let answer = asker.ask("GET", "/explore?expr=up", &html, "");
    assert_eq!(answer.status, 303);
    assert_eq!(answer.headers["location"], "/login?next=%2Fexplore%3Fexpr%3Dup");
    assert_eq!(asker.ask("GET", "/login", &html, "").status, 200);
}

#[test]
fn a_stand_in_for_prometheus_knows_no_people() {
    let dir = tempdir().unwrap();
    file(dir.path(), "prometheus.yml", "");
    let server = Server::prometheus(dir.path(), &["--storage.tsdb.path=d"]);
    let asker = Asker::of(&server);
    assert_eq!(asker.status("GET", "/api/user", None), 404);
    assert_eq!(
        asker.ask("GET", "/api/v1/query?query=1", &[("x-forwarded-for", "192.0.2.1")], "").status,
        200
    );
    assert!(!dir.path().join("d/state.db").exists());
}

#[test]
fn users_of_the_web_configuration_file_are_administrators() {
    let dir = tempdir().unwrap();
    let hash = net::web_config::PasswordHash::new("secret", 4, [9; 16]);
    file(dir.path(), "web.yml", &format!("basic_auth_users: {{ops: {hash}}}\n"));
    let server = Server::quiet(dir.path(), &["--web.config.file", "web.yml"]);
    let asker = Asker::of(&server);
    assert_eq!(asker.status("GET", "/api/user", None), 401);
    let answer = asker.ask("GET", "/api/user", &[("authorization", &basic("ops", "secret"))], "");
    assert_eq!((&json_of(&answer)["login"], &json_of(&answer)["orgRole"]), (&"ops".into(), &"Admin".into()));
}

#[test]
fn accounts_are_changed_from_the_command_line_while_the_server_runs() {
    let dir = tempdir().unwrap();
    assert!(run(dir.path(), &["users", "list"]).stderr.contains("no accounts are kept in promontory-data"));
    let server = guarded(dir.path(), &[]);
    let asker = Asker::of(&server);
    let said = |args: &[&str]| {
        let ended = run(dir.path(), &[&["users"], args].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    };
    let made = said(&["add", "ada", "--role", "editor"]);
    let password = made.trim().strip_prefix("password ").unwrap();
    let who = |login: &str, password: &str| {
        asker.ask("GET", "/api/user", &[("authorization", &basic(login, password))], "")
    };
    until("the server knows her", SOON, || (who("ada", password).status == 200).then_some(()));
    said(&["set-role", "ada", "admin"]);
    until("she may do more", SOON, || (json_of(&who("ada", password))["orgRole"] == "Admin").then_some(()));
    file(dir.path(), "new", "battery staple\n");
    assert_eq!(said(&["set-password", "ada", "--password-file", "new"]), "");
    until("the new password counts", SOON, || (who("ada", "battery staple").status == 200).then_some(()));
    let token = said(&["token", "ci", "--role", "viewer", "--lifetime", "1d"]);
    until("the token counts", SOON, || {
        (asker.status("GET", "/api/v1/query?query=1", Some(token.trim())) == 200).then_some(())
    });
    assert_eq!(said(&["list"]), "LOGIN  ROLE    STATE\nadmin  Admin   active\nada    Admin   active\n");
    let ended = run(dir.path(), &["users", "set-role", "nobody", "viewer"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("user not found"), "{}", ended.stderr);
}

#[test]
fn who_may_come_in_and_data_sources_are_read_again_and_what_needs_a_restart_is_named() {
    let dir = tempdir().unwrap();
    let server = guarded(dir.path(), &[]);
    let asker = Asker::of(&server);
    let authorization = basic("admin", PASSWORD);
    let as_admin = [("authorization", authorization.as_str())];
    let reload = || asker.ask("POST", "/-/reload", &as_admin, "");
    let config = |more: &str| {
        file(dir.path(), "promontory.yml", &format!("machine: {{watch: false, alerts: false}}\n{more}"));
    };
    let sources = || {
        let list = json_of(&asker.ask("GET", "/api/datasources", &as_admin, ""));
        let names =
            list.as_array().unwrap().iter().map(|source| source["name"].as_str().unwrap().to_string());
        names.filter(|name| !name.starts_with("Promontory")).collect::<Vec<_>>()
    };
    assert_eq!(asker.status("GET", "/api/v1/query?query=1", None), 401);
    assert_eq!(sources(), [""; 0]);

    config(
        "auth: {anonymous_role: viewer}\n\
         data_sources: {sources: [{name: Far, url: 'http://127.0.0.1:9'}, {name: Farther, url: 'http://127.0.0.1:9'}]}\n",
    );
    let answer = reload();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
    assert_eq!(asker.status("GET", "/api/v1/query?query=1", None), 200);
    assert_eq!(asker.status("POST", "/-/reload", None), 403, "and no more than that");
    assert_eq!(sources(), ["Far", "Farther"]);

    // What cannot be used changes nothing, also not what could be.
    config(
        "auth: {oidc: {issuer: 'http://127.0.0.1:9', client_id: a, default_role: viewer, tls_config: {ca_file: missing}}}\n",
    );
    let answer = reload();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 500, "{text}");
    assert!(text.contains("auth: ") && text.contains("missing"), "{text}");
    assert_eq!(asker.status("GET", "/api/v1/query?query=1", None), 200);
    assert_eq!(sources(), ["Far", "Farther"]);

    // What the command line says stays: one still has to log in at this machine.
    file(
        dir.path(),
        "promontory.yml",
        "machine: {watch: false}\nlisten: 127.0.0.1:1\ndata_sources: {sources: [{name: Far, url: 'http://127.0.0.1:9'}]}\n",
    );
    server.program.signal(rustix::process::Signal::HUP);
    let named =
        |line: &str| line.contains("listen has changed, which counts after a restart alone").then_some(());
    server.program.line("what needs a restart", named);
    assert_eq!(asker.status("GET", "/api/v1/query?query=1", None), 401);
    assert_eq!(sources(), ["Far"]);
    let text = String::from_utf8_lossy(&reload().body).into_owned();
    assert_eq!(
        text.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>(),
        ["listen", "machine"]
    );
}
