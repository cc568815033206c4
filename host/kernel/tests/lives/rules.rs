//! The promises one by one, each in a small play.
