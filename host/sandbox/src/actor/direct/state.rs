//! The part of a store's data that a program without its component needs: values on their way into the program and out of it.

use std::sync::Arc;

use wasmtime::Memory;

use crate::contract::{Decision, Directive, Failure, Image};

/// The part of a store's data that the bridge needs.
#[derive(Default)]
pub(crate) struct Bridge {
    /// The program's memory, once it is made.
    pub(super) memory: Option<Memory>,
    /// Whether the program may call the host: not while it allocates memory for the host, or frees it.
    pub(super) may_call: bool,
    /// The bytes that the call passes, if they are its one argument.
    pub(super) passed: Passed,
    /// A value that the program gets.
    pub(super) given: Option<Given>,
    /// The result of the call that ends.
    pub(super) taken: Taken,
}

/// The bytes that a call passes.
#[derive(Default)]
pub(super) enum Passed {
    /// The body of the current message.
    #[default]
    Message,
    Frame(Arc<Vec<u8>>),
}

/// A value on its way into the program.
pub(super) struct Given {
    pub(super) image: Image,
    pub(super) to: To,
}

/// The place of the fixed part of a value.
pub(super) enum To {
    /// Memory that the program gave.
    Memory(u32),
    /// The arguments of a call.
    Arguments,
    /// Memory that the program allocates, in which a call finds its arguments; known once it is there.
    Root(Option<u32>),
}

/// The result that the program of a call returned.
#[derive(Default)]
pub(in crate::actor) enum Taken {
    #[default]
    Nothing,
    Reply(Result<Option<Vec<u8>>, Failure>),
    Frame(Vec<u8>),
    Hook(Result<(), String>),
    Decision(Decision),
    Directive(Directive),
    Noticed(Result<(), Failure>),
}
