//! The supervision tree alone: its rules one by one, and any order of events against a checker that knows nothing of its
//! code.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]
#![allow(clippy::unchecked_time_subtraction)] // a test that is wrong about time may panic

mod any_order;
mod boots;
mod children;
mod circuit;
mod directives;
mod families;
mod house;
mod instances;
mod order;
mod passivated;
mod passivation;
mod rules;
mod stops;
mod watchful;
