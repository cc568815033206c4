//! Only benches live here; see `paths/main.rs`.
