//! The resources that a component takes when it is instantiated, read from its binary form before it is compiled: core instances,
//! memories, tables, and the initial bytes of its memories and tables. One check for every way to load or inspect a component.
//!
//! `definitions` reads the definitions, `instances` follows them, `resources` has the sum and its check.

mod definitions;
mod instances;
mod resources;

pub(crate) use resources::Footprint;
