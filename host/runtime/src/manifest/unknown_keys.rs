//! The reader of a manifest's text. It finds several unknown keys at once: it leaves each out, and reads the rest.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::problem::nearest;
use super::schema::Manifest;

/// Maximum number of unknown keys that are found: for each, the whole text is read again.
const MOST: usize = 20;

/// The manifest in this text; or the unknown keys in it, and the first other fault.
pub(super) fn written(text: &str) -> Result<Manifest, Vec<Error>> {
    let mut table = DeTable::parse(text).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    // The table before a key was left out of it, and the place of the key.
    let mut before: Option<(Spanned<DeTable<'_>>, Range<usize>)> = None;
    loop {
        let error = match Manifest::deserialize(Deserializer::from(table.clone())) {
            Ok(manifest) if errors.is_empty() => return Ok(manifest),
            Ok(_) => return Err(errors),
            Err(error) => error,
        };
        if let Some((whole, place)) = before.take()
            && let Some(meant) = missing(&error).filter(|meant| nearest(&text[place.clone()], [*meant]).is_some())
        {
            // It was meant as a key that is needed: with its right name, the rest can be read.
            table = whole;
            replace(table.get_mut(), &place, Some(meant));
            continue;
        }
        let place = error.span().filter(|_| error.message().starts_with("unknown field"));
        errors.push(error);
        let Some(place) = place.filter(|_| errors.len() < MOST) else { return Err(errors) };
        let whole = table.clone();
        if !replace(table.get_mut(), &place, None) {
            return Err(errors);
        }
        before = Some((whole, place));
    }
}

/// The key that is missing.
fn missing(error: &Error) -> Option<&str> {
    error.message().strip_prefix("missing field `")?.strip_suffix('`')
}

/// Gives the key at this place another name, or removes it. Returns whether it was there.
fn replace(table: &mut DeTable<'_>, place: &Range<usize>, name: Option<&str>) -> bool {
    let Some(key) = table.keys().find(|key| key.span() == *place).cloned() else {
        return table.iter_mut().any(|(_, value)| replace_within(value, place, name));
    };
    if let Some((value, name)) = table.remove(&key).zip(name) {
        table.insert(Spanned::new(place.clone(), name.to_owned().into()), value);
    }
    true
}

fn replace_within(value: &mut Spanned<DeValue<'_>>, place: &Range<usize>, name: Option<&str>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => replace(table, place, name),
        DeValue::Array(values) => values.iter_mut().any(|value| replace_within(value, place, name)),
        _ => false,
    }
}
