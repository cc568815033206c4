//! The commands that the pages for operators show are commands of this binary, with options that it has.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use clap::Parser;
use playhouse::args::Cli;

/// The commands between backticks on a page.
fn commands(page: &str) -> impl Iterator<Item = &str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("playhouse ") && !text.contains('\n'))
}

#[test]
fn commands_of_the_operators_pages_parse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operation");
    let mut parsed = 0;
    for page in ["README.md", "alerts.md"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        for command in commands(&text) {
            let concrete = command.replace("ADDR", "/a").replace("ID", "0a1b").replace('\'', "");
            let said = Cli::try_parse_from(concrete.split(' ')).map(drop);
            let is_fine = said.as_ref().map_or_else(|error| !error.use_stderr(), |()| true);
            assert!(is_fine, "{page}: `{command}`: {}", said.unwrap_err());
            parsed += 1;
        }
    }
    assert!(parsed > 30, "{parsed} commands");
}
