//! Any text, read as an address, and as a path below one.

use playhouse_kernel::{Address, AddressError, MAX_SEGMENT_BYTES, MAX_SEGMENTS};

/// The first line is an address; the text after it is a path as an actor at this address would write it.
pub fn address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, path) = text.split_once('\n').unwrap_or((&text, ""));
    let whole = Address::parse(first);
    assert_eq!(whole.is_ok(), is_address(first), "{first:?}");
    read(&whole, first);
    read(&Address::parse(path), path);
    let base = whole.unwrap_or_else(|_| Address::root());
    let below = if base.is_root() { "" } else { base.as_str() };
    let meant = if path.starts_with('/') { path.to_owned() } else { format!("{below}/{path}") };
    let resolved = base.resolve(path);
    if path.is_empty() {
        assert!(resolved.is_err());
    } else {
        assert_eq!(resolved, Address::parse(&meant));
    }
    if let Ok(child) = base.child(path) {
        assert_eq!((child.parent(), child.name()), (Some(base.clone()), path));
        assert!(child.is_below(&base) && !base.is_below(&child));
    }
}

fn read(read: &Result<Address, AddressError>, text: &str) {
    match read {
        Ok(address) => {
            assert_eq!(address.as_str(), text);
            assert_eq!(Address::parse(address.as_str()).as_ref(), Ok(address));
            assert_eq!(address.is_root(), text == "/");
            if let Some(parent) = address.parent() {
                assert_eq!(parent.child(address.name()).as_ref(), Ok(address));
                assert!(address.is_below(&parent) && address.is_below(&Address::root()));
            }
            assert!(!address.is_below(address));
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control) && said.len() < 2000, "{said:?}");
        }
    }
}

/// A second implementation of the rule in the documents.
fn is_address(text: &str) -> bool {
    let good = |segment: &str| {
        (1..=MAX_SEGMENT_BYTES).contains(&segment.len())
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let segments: Vec<_> = text.split('/').skip(1).collect();
    text == "/"
        || text.starts_with('/') && (1..=MAX_SEGMENTS).contains(&segments.len()) && segments.into_iter().all(good)
}
