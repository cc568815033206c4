//! Only benches live here; see `paths.rs`.
