//! A table with an unknown name, such as `[[htp]]`. The tables below the right name, such as `[[http.route]]`, then have none to
//! belong to, and the reader of TOML finds fault with them instead.

use std::ops::Range;

use super::problem::Problem;
use super::schema::Manifest;

/// The problem behind an error about tables: the first table whose name is not known, if there is one.
pub(super) fn unknown_table(text: &str, error: &toml::de::Error) -> Option<Problem> {
    let message = error.message();
    let is_about_tables = message.contains("duplicate key") || message.contains("expected a sequence");
    headers(text).filter(|_| is_about_tables).find_map(|(name, place)| {
        // The reader knows the names.
        let line = format!("{name} = 0\n");
        let error =
            toml::from_str::<Manifest>(&line).err().filter(|error| error.message().starts_with("unknown field"))?;
        let mut problem = Problem::from_toml(&error, &line);
        problem.labels.iter_mut().for_each(|(at, _)| *at = place.clone());
        Some(problem)
    })
}

/// The first names of all headers of tables, with their places.
fn headers(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut next = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = next;
        next += line.len();
        let name = line.trim_start().trim_start_matches('[');
        let before = line.len() - name.len();
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))?];
        let is_header = line[..before].trim_start().starts_with('[') && !name.is_empty();
        is_header.then_some((name, start + before..start + before + name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_their_names_and_places() {
        let text = "a = [1]\n[play]\n  [[htp]] # [x]\nb = 1\n[[http.route]]\n[ \"quoted\" ]\n[]";
        let found: Vec<_> = headers(text).map(|(name, place)| (name, &text[place])).collect();
        assert_eq!(found, [("play", "play"), ("htp", "htp"), ("http", "http")]);
    }
}
