//! Which role a route needs. The table itself is told by who knows the routes.

use http::Method;
use model::Role;

/// Who may use a route, and whether its use changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without saying who they are.
    Public,
    /// Everybody who has an account.
    SignedIn,
    /// Who may look; it only asks, also by POST.
    Ask,
    /// Who may look; other methods than GET change what is theirs.
    Viewer,
    /// Who may change what people work with; sends data, which is not recorded one by one.
    Push,
    /// Who may change what people work with.
    Editor,
    /// Who may change the server.
    Admin,
}

impl Access {
    /// The role it needs; `None` needs nobody to say who they are.
    pub fn role(self) -> Option<Role> {
        match self {
            Access::Public => None,
            Access::SignedIn => Some(Role::None),
            Access::Ask | Access::Viewer => Some(Role::Viewer),
            Access::Push | Access::Editor => Some(Role::Editor),
            Access::Admin => Some(Role::Admin),
        }
    }

    /// Whether a request by this method is kept in the audit log.
    pub fn is_recorded(self, method: &Method) -> bool {
        !is_reading(method) && !matches!(self, Access::Public | Access::Ask | Access::Push)
    }
}

/// Whether a method only reads.
pub(crate) fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A row: methods separated by spaces (`*` for all that no other row of the path names; GET is HEAD too), a path as
/// routers write it, who may.
pub type Row = (&'static str, &'static str, Access);

/// The roles of all routes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    methods: &'static str,
    path: String,
    access: Access,
}

impl Table {
    /// A table of these rows.
    pub fn new(rows: &[Row]) -> Table {
        Table::default().with("", rows)
    }

    /// The same with further rows under a path, such as `/pushgateway`.
    #[must_use]
    pub fn with(mut self, prefix: &str, rows: &[Row]) -> Table {
        self.rows.extend(rows.iter().map(|(methods, path, access)| Pattern {
            methods,
            path: format!("{prefix}{path}"),
            access: *access,
        }));
        self
    }

    /// What a request needs: what the row says whose path fits best, or an administrator.
    pub fn access(&self, method: &Method, path: &str) -> Access {
        let mut best: Option<(&Pattern, bool)> = None;
        for row in &self.rows {
            let Some(is_named) = row.takes(method) else { continue };
            if !fits(&row.path, path) {
                continue;
            }
            let is_better = best.is_none_or(|(other, other_named)| {
                match (closeness(&row.path), is_named).cmp(&(closeness(&other.path), other_named)) {
                    std::cmp::Ordering::Equal => false,
                    order => order.is_gt(),
                }
            });
            if is_better {
                best = Some((row, is_named));
            }
        }
        // A path that is closer decides, even if it does not name the method: so does the router.
        let closest =
            self.rows.iter().filter(|row| fits(&row.path, path)).map(|row| closeness(&row.path)).max();
        match best {
            Some((row, _)) if Some(closeness(&row.path)) == closest => row.access,
            _ => Access::Admin,
        }
    }

    /// Whether the table has a row of exactly this path.
    pub fn has(&self, path: &str) -> bool {
        self.rows.iter().any(|row| row.path == path)
    }

    /// All rows: methods, path, who may.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, Access)> {
        self.rows.iter().map(|row| (row.methods, &*row.path, row.access))
    }
}

impl Pattern {
    /// Whether it is for a method, and if so, whether it names it.
    fn takes(&self, method: &Method) -> Option<bool> {
        if self.methods == "*" {
            return Some(false);
        }
        let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.split(' ').any(|known| known == name).then_some(true)
    }
}

/// Whether a path is one of a pattern's, part by part, as the router compares them.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut parts, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(first)) if part.starts_with("{*") => {
                return !first.is_empty() || given.next().is_some();
            }
            (Some(part), Some(text)) if part.starts_with('{') => {
                if text.is_empty() {
                    return false;
                }
            }
            (Some(part), Some(text)) if part == text => {}
            _ => return false,
        }
    }
}

/// How close a pattern is: what is fixed in a part goes before what is named, and that before the rest of a path.
fn closeness(pattern: &str) -> Vec<u8> {
    let kind = |part: &str| match part {
        part if part.starts_with("{*") => 0,
        part if part.starts_with('{') => 1,
        _ => 2,
    };
    pattern.split('/').map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_row_decides_and_what_is_unknown_is_for_administrators() {
        let table = Table::new(&[
            ("GET", "/", Access::SignedIn),
            ("GET POST", "/api/v1/query", Access::Ask),
            ("GET", "/api/v1/{*path}", Access::Viewer),
            ("*", "/api/users/{id}", Access::Editor),
            ("GET", "/api/users/{id}", Access::Viewer),
            ("GET", "/api/users/lookup", Access::Public),
        ])
        .with("/push", &[("*", "/metrics/{*group}", Access::Push)]);
        for (method, path, expected) in [
            (Method::GET, "/", Access::SignedIn),
            (Method::HEAD, "/", Access::SignedIn),
            (Method::POST, "/", Access::Admin),
            (Method::POST, "/api/v1/query", Access::Ask),
            (Method::DELETE, "/api/v1/query", Access::Admin),
            (Method::GET, "/api/v1/a/b", Access::Viewer),
            (Method::POST, "/api/v1/a", Access::Admin),
            (Method::GET, "/api/users/3", Access::Viewer),
            (Method::DELETE, "/api/users/3", Access::Editor),
            (Method::GET, "/api/users/lookup", Access::Public),
            // The router has no other method there, so the row before must not open it.
            (Method::DELETE, "/api/users/lookup", Access::Admin),
            (Method::GET, "/api/users/", Access::Admin),
            (Method::PUT, "/push/metrics/job/a", Access::Push),
            (Method::PUT, "/metrics/job/a", Access::Admin),
            (Method::GET, "/api/v1/%71uery", Access::Viewer),
        ] {
            assert_eq!(table.access(&method, path), expected, "{method} {path}");
        }
    }
}
