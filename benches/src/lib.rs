//! This package has only benches; see `paths/main.rs`.
