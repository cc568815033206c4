//! The folder of a play.

use anyhow::Result;
use tempfile::TempDir;

/// A folder with a manifest, and the free port that it names.
pub fn manifest(text: &str) -> Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let plugins = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").canonicalize()?;
    let play = format!("[play]\nname = \"bench\"\nplugins = \"{}\"\n", plugins.display());
    std::fs::write(
        folder.path().join("playhouse.toml"),
        text.replace("[play]\n", &play).replace("PORT", &port.to_string()),
    )?;
    Ok((folder, format!("127.0.0.1:{port}")))
}
