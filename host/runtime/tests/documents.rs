//! The manifests that documents show are sound: each TOML block that begins with `[play]`, `[[actor]]` or `[[plugin]]` is read
//! as a whole manifest.

use std::path::Path;

use playhouse_runtime::manifest::{PluginFolder, Source, understand};

const DOCUMENTS: [&str; 4] = ["README.md", "docs/actors.md", "docs/coming-from-aplay.md", "docs/families.md"];

fn manifests(document: &str) -> impl Iterator<Item = &str> {
    document.split("```toml\n").skip(1).map(|block| block.split_once("```").expect("a block ends").0)
}

/// The plugins that the manifest names, as if their files existed.
fn plugins(manifest: &str) -> Vec<String> {
    let named =
        manifest.lines().filter_map(|line| line.strip_prefix("plugin = ").or_else(|| line.strip_prefix("name = ")));
    let mut names: Vec<_> = named.map(|name| name.trim_matches('"').to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn manifests_that_documents_show_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("host/runtime lies two folders down");
    for name in DOCUMENTS {
        let document = std::fs::read_to_string(root.join(name)).expect("readable");
        let mut count = 0;
        for manifest in manifests(&document) {
            count += 1;
            let source = Source::new(Path::new("playhouse.toml"), manifest.to_owned());
            let understood = understand(source, Path::new(""), |_| PluginFolder { names: Ok(plugins(manifest)) });
            if let Err(problems) = understood {
                panic!("{name}:\n{}", problems.render(false));
            }
        }
        assert!(count > 0, "{name} shows no manifest");
    }
}
