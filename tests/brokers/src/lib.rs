//! The clients of brokers, without any code. `cargo xtask features` checks builds of the host without a broker. With this crate beside
//! them, the other dependencies have the features that they have in a whole build, and are not built again.
