//! The parts of an act, and the steps that several acts share.

use playhouse_sdk::{Context, Directive, Message, Result, SpawnError, SpawnOptions};

/// A hostile actor: the function for each of its hooks.
pub(crate) struct Act {
    pub(crate) init: fn(&Context) -> Result,
    pub(crate) prepare_children: fn(&Context) -> Result,
    pub(crate) handle: fn(&Message, &Context) -> Result,
    pub(crate) shutdown: fn(&Context) -> Result,
    pub(crate) child_failed: fn(&Context) -> Directive,
    pub(crate) noticed: fn(&Context) -> Result,
}

/// Does no harm.
pub(crate) const QUIET: Act = Act {
    init: |_| Ok(()),
    prepare_children: |_| Ok(()),
    handle: |_, _| Ok(()),
    shutdown: |_| Ok(()),
    child_failed: |_| Directive::Stop,
    noticed: |_| Ok(()),
};

/// Loops endlessly.
pub(crate) fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// Replies whether the attempt was refused.
#[allow(clippy::unnecessary_wraps)] // the last expression of a handler
pub(crate) fn verdict(ctx: &Context, refused: bool) -> Result {
    ctx.reply(if refused { "refused" } else { "got through" });
    Ok(())
}

/// Spawns another hostile actor.
pub(crate) fn spawn(ctx: &Context, name: &str, act: &str) -> Result<(), SpawnError> {
    ctx.spawn_with(name, "recursive", &SpawnOptions::new().config("act", act))
}

/// Has a child that crashes at once.
pub(crate) fn lose_a_child(ctx: &Context) -> Result {
    spawn(ctx, "victim", "panic_in_handler")?;
    Ok(ctx.tell("victim", "go")?)
}

/// Gets a notice at once.
pub(crate) fn watch_nobody(ctx: &Context) -> Result {
    ctx.watch("nobody")?;
    Ok(())
}
