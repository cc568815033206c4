//! The part of a store's data that belongs to one incarnation. In an instance that several actors share, each call exchanges it.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use playhouse_kernel::{Config, Metadata, ResourceUse, Turn};

use crate::output::{Kind, Lines, LogMeter, Logger, Output, Writer};

/// The data of one incarnation.
pub(crate) struct IncarnationData {
    /// The actor's side of the kernel. In a cell, so that an import can read the guest's memory and write here without a copy
    /// between.
    pub(crate) turn: RefCell<Turn>,
    pub(crate) logger: Logger,
    pub(crate) config: Arc<Config>,
    /// The metadata of the reply to the current message, which is handled alone.
    pub(crate) reply_metadata: Metadata,
    pub(super) stdout: Lines,
    pub(super) stderr: Lines,
    /// The last single message sent so many messages that one frame is cheaper than an import each: the next single message goes
    /// through `turns` as well.
    pub(super) sends_much: bool,
    /// Its number among the incarnations that share the instance; 0 in an instance of its own.
    pub(crate) number: u32,
    /// The counts of the actor, for readers.
    pub(super) uses: Arc<ResourceUse>,
    /// Whether it has ended, and only its value is dropped.
    pub(crate) has_ended: bool,
}

impl IncarnationData {
    /// `number`: its number among the incarnations that share the instance.
    pub(super) fn new(
        plugin: Arc<str>,
        config: Arc<Config>,
        output: &Arc<dyn Output>,
        log: &Arc<LogMeter>,
        turn: Turn,
        number: u32,
    ) -> Box<Self> {
        let writer = Writer::new(turn.address().clone(), plugin, Some(turn.incarnation()));
        let lines = |kind| Lines::new(kind, writer.clone(), output.clone());
        let (stdout, stderr) = (lines(Kind::Stdout(Some(turn.host_wait("stdout")))), lines(Kind::Stderr(log.clone())));
        Box::new(Self {
            logger: Logger::new(writer, output.clone(), log.clone()),
            config,
            reply_metadata: Metadata::new(),
            stdout,
            stderr,
            sends_much: false,
            number,
            uses: turn.resource_use(),
            has_ended: false,
            turn: RefCell::new(turn),
        })
    }

    pub(super) fn finish_lines(&self) {
        self.stdout.finish();
        self.stderr.finish();
    }
}

impl Drop for IncarnationData {
    fn drop(&mut self) {
        self.finish_lines();
    }
}

/// The incarnation in a store: in an instance of its own always the same, in a shared one that of the call, and none between calls.
pub(crate) struct Current(pub(super) Option<Box<IncarnationData>>);

/// No code of a guest runs between calls, so that no import reads this then.
const DURING_CALLS: &str = "a store has an incarnation during each call";

impl Deref for Current {
    type Target = IncarnationData;

    fn deref(&self) -> &IncarnationData {
        self.0.as_ref().expect(DURING_CALLS)
    }
}

impl DerefMut for Current {
    fn deref_mut(&mut self) -> &mut IncarnationData {
        self.0.as_mut().expect(DURING_CALLS)
    }
}
