//! Files of the operator, served at `/user/`.

use std::path::{Component, Path, PathBuf};

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A larger file is not served.
const FILE_SIZE_MAX_BYTES: u64 = 64 << 20;

/// The route of the files in a folder.
pub(crate) fn router(folder: PathBuf) -> Router {
    Router::new().route("/user/{*path}", get(show)).with_state(folder)
}

async fn show(State(folder): State<PathBuf>, UrlPath(path): UrlPath<String>) -> Response {
    let found = tokio::task::spawn_blocking(move || read(&folder, Path::new(&path))).await;
    match found {
        Ok(Some((content_type, content))) => {
            ([(header::CONTENT_TYPE, content_type)], content).into_response()
        }
        _ => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}

/// A file inside the folder, with its type. Links that lead out of the folder are not followed.
fn read(folder: &Path, path: &Path) -> Option<(&'static str, Vec<u8>)> {
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let file = folder.join(path).canonicalize().ok()?;
    let metadata = file.metadata().ok()?;
    if !file.starts_with(&folder) || !metadata.is_file() || metadata.len() > FILE_SIZE_MAX_BYTES {
        return None;
    }
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let content_type = match extension.as_deref() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    Some((content_type, std::fs::read(file).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_served() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("assets");
        std::fs::create_dir_all(folder.join("a")).unwrap();
        std::fs::write(folder.join("a/page.html"), "x").unwrap();
        std::fs::write(dir.path().join("secret"), "y").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), folder.join("link")).unwrap();
        assert_eq!(
            read(&folder, Path::new("a/page.html")),
            Some(("text/html; charset=utf-8", b"x".to_vec()))
        );
        for path in ["../secret", "/etc/passwd", "link", "a", "none"] {
            assert_eq!(read(&folder, Path::new(path)), None, "{path}");
        }
    }
}
