//! The words of the kernel: addresses, messages, ids, reasons, states and errors as plain data; the clock, and limits in time.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod crash;
pub(crate) mod dead_letter;
pub(crate) mod decision;
#[macro_use]
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod failed;
pub(crate) mod failure;
pub(crate) mod grants;
pub(crate) mod keyed_state;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod metric_names;
pub(crate) mod name_pattern;
pub(crate) mod notice;
pub(crate) mod observed;
pub(crate) mod outcome;
pub(crate) mod overrun;
pub(crate) mod portable_message;
pub(crate) mod random;
pub(crate) mod resource_use;
pub(crate) mod restart;
pub(crate) mod secret;
pub(crate) mod send_error;
pub(crate) mod state;
pub(crate) mod totals;
pub(crate) mod waiting_numbers;
pub(crate) mod watchdog;
