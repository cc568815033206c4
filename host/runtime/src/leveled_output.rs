//! The output of a play's guests with the levels of their actors.

use std::sync::Arc;

use playhouse_kernel::{Address, BoxFuture};
use playhouse_observe::log::{LogLevels, SpawnedLevel};
use playhouse_sandbox::{LeftOut, LineOrigin, LogRecord, Output};
use tracing::Level;

/// Passes lines on to another output. The level of an actor decides which of its lines are wanted; without one, that output does.
pub(crate) struct LeveledOutput {
    inner: Arc<dyn Output>,
    levels: LogLevels,
    /// The level of the spawned actor that has this output for itself: it ends with the actor.
    _spawned: Option<SpawnedLevel>,
}

impl LeveledOutput {
    /// The output of all actors of a play.
    pub(crate) fn new(inner: Arc<dyn Output>, levels: LogLevels) -> Arc<Self> {
        Arc::new(Self { inner, levels, _spawned: None })
    }

    /// The output of a spawned actor whose plugin has a level.
    pub(crate) fn spawned(&self, actor: &Address, level: Level) -> Arc<Self> {
        let (inner, levels) = (self.inner.clone(), self.levels.clone());
        let spawned = Some(self.levels.spawned(actor, level));
        Arc::new(Self { inner, levels, _spawned: spawned })
    }
}

impl Output for LeveledOutput {
    fn stdout(&self, from: &LineOrigin<'_>, piece: &[u8], ends_line: bool) {
        self.inner.stdout(from, piece, ends_line);
    }

    fn stdout_full(&self) -> bool {
        self.inner.stdout_full()
    }

    fn stdout_closed(&self) -> bool {
        self.inner.stdout_closed()
    }

    fn wait_stdout_space(&self) -> BoxFuture<'_, ()> {
        self.inner.wait_stdout_space()
    }

    fn log_enabled(&self, actor: &Address, level: Level) -> bool {
        // Without a filter, the levels have no effect on lines of stderr either.
        let own = if self.levels.are_in_use() { self.levels.level_of(actor.as_str()) } else { None };
        own.map_or_else(|| self.inner.log_enabled(actor, level), |lowest| level <= lowest)
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        self.inner.stderr(from, line);
    }

    fn log(&self, from: &LineOrigin<'_>, record: &LogRecord<'_>) {
        self.inner.log(from, record);
    }

    fn left_out(&self, from: &Address, left_out: LeftOut) {
        self.inner.left_out(from, left_out);
    }
}
