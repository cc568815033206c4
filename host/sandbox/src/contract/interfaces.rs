//! The names of the interfaces in `wit/actor.wit`.

/// The version of the contract.
pub(crate) const VERSION: &str = "0.2.0";
/// The version of `playhouse-sdk` that builds for it.
pub(crate) const SDK: &str = "0.2";
/// The export that makes a component an actor.
pub(crate) const HANDLER: &str = "playhouse:actor/handler@0.2.0";
/// The export with the optional hooks.
pub(crate) const LIFECYCLE: &str = "playhouse:actor/lifecycle@0.2.0";
/// The export with the optional hook that decides whether the actor starts.
pub(crate) const GATE: &str = "playhouse:actor/gate@0.2.0";
/// The export with the optional hook in which an actor makes its children.
pub(crate) const CHILDREN: &str = "playhouse:actor/children@0.2.0";
/// The export with the optional hook that decides the directive when a child fails.
pub(crate) const SUPERVISOR: &str = "playhouse:actor/supervisor@0.2.0";
/// The export with the hook that gets the outcome of each message.
pub(crate) const CALLBACK: &str = "playhouse:actor/callback@0.2.0";
/// The export with the function for notices.
pub(crate) const WATCHER: &str = "playhouse:actor/watcher@0.2.0";
/// The export that lets actors share an instance.
pub const SHARED: &str = "playhouse:actor/shared@0.2.0";
/// The import of an actor that exports `SHARED`.
pub(crate) const MEMBER: &str = "playhouse:actor/member@0.2.0";
/// The export with the function for batches.
pub(crate) const TURNS: &str = "playhouse:actor/turns@0.2.0";
/// The import of an actor that exports `TURNS`.
pub(crate) const BATCH: &str = "playhouse:actor/batch@0.2.0";
/// The import of an actor that has metrics of its own.
pub(crate) const METRICS: &str = "playhouse:actor/metrics@0.2.0";
/// The import of an actor that has state in the play's store.
pub(crate) const STATE: &str = "playhouse:actor/state@0.2.0";
/// The import through which an actor reaches the kernel.
pub(crate) const KERNEL: &str = "playhouse:actor/kernel@0.2.0";
/// The export that makes a component a mailbox plugin.
pub(crate) const MAILBOX: &str = "playhouse:actor/mailbox@0.2.0";
/// The interface that a mailbox plugin may import, besides WASI.
pub(crate) const MAILBOX_HOST: &str = "playhouse:actor/mailbox-host@0.2.0";
/// The name of the module between the host and a program that is called without its component. Backtraces leave its functions out.
pub(crate) const BRIDGE: &str = "playhouse:bridge";
/// The names under which a component with a bridge exports its program and the bridge. Descriptions of the component leave them out.
pub(crate) const PARTS: [&str; 2] = ["playhouse-program", "playhouse-bridge"];
