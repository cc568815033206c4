//! The play that a manifest gives, or the message that an operator sees instead.

use std::path::Path;

use expect_test::Expect;
use playhouse_runtime::manifest::{PlaySettings, PluginFolder, Problems, Source, understand};

const PLUGINS: [&str; 3] = ["count", "report", "split"];

pub fn understood(text: &str) -> Result<PlaySettings, Problems> {
    let source = Source::new(Path::new("playhouse.toml"), text.to_owned());
    let names = PLUGINS.map(str::to_owned).into();
    understand(source, Path::new(""), |_| PluginFolder { names: Ok(names) })
}

/// The message for a manifest, which begins after the first line end of `text`.
pub fn check(text: &str, expected: Expect) {
    let message = match understood(text.trim_start_matches('\n')) {
        Ok(_) => "fine\n".to_owned(),
        // The first line has no indentation, so that the snapshots keep the indentation of the other lines.
        Err(problems) => format!("stderr:\n{}", problems.render(false)),
    };
    assert!(!message.contains('\u{1b}'), "no colours without a terminal");
    expected.assert_eq(&message);
}

/// Like [`check`], for lines added to an actor that is sound.
pub fn check_actor(lines: &str, expected: Expect) {
    check(&format!("[[actor]]\naddress = \"/a\"\nplugin = \"count\"\n{lines}\n"), expected);
}
