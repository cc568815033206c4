//! An instance: its store, and the calls into it. No call enters a store again after it trapped.

use std::sync::Arc;

use playhouse_frame::{trailer, trailer_without_routes};
use playhouse_kernel::{
    Behavior, BoxFuture, ChildFailed, Crash, CrashReason, Directive, Gate, Metadata, Outcome, Reply, ResourceUse,
    TaskDone, Turn,
};
use wasmtime::Store;

use super::direct::state::Bridge;
use super::exports::{ComponentExports, Exports, Hook};
use super::imports::ActorData;
use super::incarnation::{Current, IncarnationData};
use super::setup::{ActorSetup, InstanceSetup, Loaded};
use super::wasi_context::WasiContext;
use crate::contract::{self, End, Task};
use crate::limits::{CpuMeter, Held, MemoryLimiter};
use crate::run::{self, Admission, confined, metered, resources};
use crate::wasi::http::Http;

/// A buffer for bodies is dropped if it grew beyond this.
const KEPT_BODY_BYTES: usize = 1 << 20;

/// An instance of a plugin: of one incarnation, or of several that share it. The order of the fields is the order of the drop: the store
/// first, later the count of its memory and its admission.
pub(crate) struct Guest {
    store: Store<ActorData>,
    exports: Exports,
    /// The buffer for the body of the current message, used again for the next one.
    body: Arc<Vec<u8>>,
    pub(super) meter: Arc<CpuMeter>,
    plugin: Arc<Loaded>,
    _held: Arc<Held>,
    _admission: Admission,
}

/// A call has the CPU time of all its messages, but of no more than this number: an endless loop in a large batch must be found
/// within seconds. Only short handlers get batches of this size.
const MOST_BUDGETS: usize = 64;

/// With this number of sends or more, a single message is cheaper through `turns` than through `handler`.
const MANY_SENDS: usize = 2;

/// The data of an incarnation during a call of its instance: in the store, and back home after it, also when the call is cut off.
pub(super) struct Visit<'a> {
    store: &'a mut Store<ActorData>,
    home: &'a mut Option<Box<IncarnationData>>,
}

impl<'a> Visit<'a> {
    fn begin(store: &'a mut Store<ActorData>, home: &'a mut Option<Box<IncarnationData>>) -> Self {
        store.data_mut().incarnation.0 = home.take();
        Self { store, home }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        *self.home = self.store.data_mut().incarnation.0.take();
    }
}

impl Guest {
    /// Makes the instance of one incarnation. The only code of the actor that runs is that which its component needs to be instantiated.
    pub(crate) async fn launch(setup: &ActorSetup, turn: Turn) -> Result<Self, Crash> {
        let mut incarnation = Some(setup.incarnation(turn, 0));
        let mut guest = Self::make(&setup.instance, &mut incarnation, None).await?;
        guest.store.data_mut().incarnation.0 = incarnation;
        Ok(guest)
    }

    /// Makes an instance on behalf of an incarnation; `shared_use`: for this one and others, whose common counts these are.
    pub(super) async fn make(
        setup: &InstanceSetup,
        incarnation: &mut Option<Box<IncarnationData>>,
        shared_use: Option<&Arc<ResourceUse>>,
    ) -> Result<Self, Crash> {
        let shared = shared_use.is_some();
        let (plugin, limits) = (&setup.plugin, *setup.limits);
        let admission =
            plugin.sandbox.instances.admit().map_err(|message| Crash::new(CrashReason::Start { message }))?;
        let first = incarnation.as_mut().expect("the caller has it");
        let (writer, uses) = (first.logger.writer().clone(), first.uses.clone());
        // The memory of a shared instance is no single actor's.
        let held_by = shared_use.unwrap_or(&uses).clone();
        let held = Held::new(setup.accounts.memory(), &held_by);
        let actor = &setup.resources;
        let wasi = WasiContext::new(actor.clone(), plugin.name.clone(), &first.stdout, &first.stderr, shared);
        let patience = first.turn.get_mut().timeout();
        let http = Http::new(held_by, patience, writer.clone(), actor.outgoing.clone(), limits.request_head_bytes);
        let memory = MemoryLimiter::new(&limits, held.clone(), plugin.sandbox.stack_bytes);
        let data = ActorData {
            incarnation: Current(None),
            in_turns: false,
            memory: if shared { memory.of_several() } else { memory },
            panic: None,
            wasi,
            files: actor.no_files(),
            http,
            resources: resources(&limits),
            bridge: Bridge::default(),
        };
        let (mut store, meter) = confined(&plugin.sandbox, &limits, uses, data, |data| &mut data.memory);
        let files = actor.files(&writer, &meter);
        if let Some(files) = files {
            store.data_mut().files = files;
        }
        let checked = &plugin.checked;
        let made: wasmtime::Result<Exports> = {
            let visit = Visit::begin(&mut store, incarnation);
            let store = &mut *visit.store;
            metered(&meter, async {
                if let Some(direct) = &plugin.direct {
                    return Ok(Exports::Direct(direct.instantiate(store).await?));
                }
                let instance = checked.pre.instantiate_async(&mut *store).await?;
                Ok(Exports::Component(ComponentExports::of(store, &instance, checked)?))
            })
            .await
        };
        let first = incarnation.as_ref().expect("the visit is over");
        let exports = made.map_err(|error| {
            first.finish_lines();
            run::failed_launch(&error, store.data(), &plugin.names, limits.cpu, &first.stderr)
        })?;
        let (plugin, body) = (plugin.clone(), Arc::default());
        Ok(Self { store, exports, body, meter, plugin, _held: held, _admission: admission })
    }

    /// Puts the data of an incarnation into the store of a shared instance.
    pub(super) fn enter(&mut self, incarnation: &mut Option<Box<IncarnationData>>) {
        if let Some(incarnation) = incarnation {
            self.meter.count_for(&incarnation.uses);
        }
        self.store.data_mut().incarnation.0 = incarnation.take();
    }

    /// Takes the data of an incarnation out of the store of a shared instance.
    pub(super) fn exit(&mut self) -> Option<Box<IncarnationData>> {
        self.store.data_mut().incarnation.0.take()
    }

    /// Prepares the next call: it has the whole budget, and facts about the failure of an earlier message are cleared.
    fn refresh(&mut self, messages: usize) {
        self.meter.restart(u32::try_from(messages).unwrap_or(u32::MAX));
        self.store.set_epoch_deadline(1);
        let data = self.store.data_mut();
        data.memory.refused = None;
        data.panic = None;
    }

    fn incarnation(&self) -> &IncarnationData {
        &self.store.data().incarnation
    }

    fn turn(&mut self) -> &mut Turn {
        self.store.data_mut().incarnation.turn.get_mut()
    }

    pub(super) async fn handle_all(&mut self) -> Result<(), Crash> {
        let takes_batches = self.plugin.checked.turns.is_some() && self.plugin.sandbox.turns;
        if self.turn().bulk().has_notices() {
            // Each notice is a call of its own. Stale routes stay until the next batch: only a frame can say that routes are
            // void.
            return self.handle_one_by_one().await;
        }
        let anew = self.turn().bulk().has_stale_routes();
        if anew {
            self.turn().bulk().give_up_routes();
        }
        // Only a frame can say that routes are void. A frame shows metadata with the message; `handler` would have to ask for them.
        if takes_batches
            && (self.incarnation().sends_much || anew || self.turn().len() > 1 || self.turn().has_metadata())
        {
            self.handle_batch(anew).await?;
        } else {
            self.handle_one_by_one().await?;
        }
        self.finish_line_when_idle();
        let turn = self.turn();
        let sends_much = turn.len() == 1 && turn.bulk().recorded() >= MANY_SENDS;
        self.store.data_mut().incarnation.sends_much = sends_much;
        Ok(())
    }

    /// The outcome of a message that the guest handled alone, with the metadata that it set for its reply.
    fn reply(&mut self, reply: Option<Vec<u8>>) -> Outcome {
        let metadata = &mut self.store.data_mut().incarnation.reply_metadata;
        if metadata.is_empty() {
            return Outcome::Done(reply);
        }
        let metadata = std::mem::take(metadata);
        reply.map_or(Outcome::Done(None), |body| Outcome::DoneWith(Box::new(Reply { body, metadata })))
    }

    async fn handle_batch(&mut self, anew: bool) -> Result<(), Crash> {
        let messages = self.turn().len();
        self.refresh(messages.min(MOST_BUDGETS));
        let count = u32::try_from(messages).expect("a batch is far smaller");
        let end = if anew { trailer_without_routes(count) } else { trailer(count) };
        let frame = self.turn().bulk().flat(&end);
        self.store.data_mut().in_turns = true;
        let called = self.exports.handle_batch(&mut self.store, frame).await;
        self.store.data_mut().in_turns = false;
        let frame = called.map_err(|error| self.crash_report(&error))?;
        contract::record(self.turn(), frame, End::Whole).map_err(|bad| {
            self.incarnation().finish_lines();
            Crash { stderr: self.incarnation().stderr.tail(), ..Crash::new((&bad).into()) }
        })
    }

    async fn handle_one_by_one(&mut self) -> Result<(), Crash> {
        // Effects of each message take memory here. When the turn is full, the other messages come again after a commit.
        while self.turn().current().is_some() && !self.turn().is_full() {
            self.refresh(1);
            if self.plugin.checked.noticed.is_some()
                && let Some(notice) = self.turn().notice()
            {
                let called = self.exports.noticed(&mut self.store, notice.into()).await;
                let outcome = match called.map_err(|error| self.crash_report(&error))? {
                    Ok(()) => Outcome::Done(None),
                    Err(failure) => Outcome::Failed(failure.into()),
                };
                self.turn().finish(outcome);
                continue;
            }
            // A hook, or a message that failed, may have left metadata for a reply.
            if !self.incarnation().reply_metadata.is_empty() {
                self.store.data_mut().incarnation.reply_metadata = Metadata::new();
            }
            let called = self.exports.handle(&mut self.store, &mut self.body).await;
            let outcome = match called {
                Ok((Ok(reply),)) => self.reply(reply),
                Ok((Err(failure),)) => Outcome::Failed(failure.into()),
                Err(error) => return Err(self.crash_report(&error)),
            };
            if self.body.capacity() > KEPT_BODY_BYTES {
                self.body = Arc::default();
            }
            self.turn().finish(outcome);
        }
        Ok(())
    }

    async fn hook(&mut self, hook: Hook) -> Result<Result<(), String>, Crash> {
        let checked = &self.plugin.checked;
        let index = match hook {
            Hook::Init => checked.init,
            Hook::PrepareChildren => checked.prepare_children,
            Hook::Shutdown => checked.shutdown,
        };
        if index.is_none() {
            return Ok(Ok(()));
        }
        self.refresh(1);
        match self.exports.hook(&mut self.store, hook).await {
            Ok(answer) => {
                self.finish_line_when_idle();
                Ok(answer)
            }
            Err(error) => Err(self.crash_report(&error)),
        }
    }

    /// Keeps a line on stdout that has no end yet until the actor is idle: the next call may end the line.
    fn finish_line_when_idle(&mut self) {
        if self.incarnation().stdout.is_open() {
            let stdout = self.incarnation().stdout.clone();
            self.turn().when_idle(move || stdout.finish());
        }
    }

    /// The crash report for a hook that returned an error.
    fn failed(&self, reason: CrashReason) -> Crash {
        self.incarnation().stderr.finish();
        Crash { stderr: self.incarnation().stderr.tail(), ..Crash::new(reason) }
    }

    fn crash_report(&self, error: &wasmtime::Error) -> Crash {
        let incarnation = self.incarnation();
        incarnation.finish_lines();
        run::crash(error, self.store.data(), &self.plugin.names, self.meter.budget(), &incarnation.stderr)
    }

    pub(super) async fn gate(&mut self) -> Result<Gate, Crash> {
        if self.plugin.checked.gate.is_none() {
            return Ok(Gate::Start);
        }
        self.refresh(1);
        let called = self.exports.decide_to_start(&mut self.store).await;
        called.map(Gate::from).map_err(|error| self.crash_report(&error))
    }

    pub(super) async fn start_hook(&mut self, hook: Hook) -> Result<(), Crash> {
        let answer = self.hook(hook).await?;
        answer.map_err(|message| self.failed(CrashReason::Start { message }))
    }

    pub(super) async fn directive(&mut self, failure: &ChildFailed) -> Result<Directive, Crash> {
        if self.plugin.checked.child_failed.is_none() {
            return Ok(Directive::Default);
        }
        self.refresh(1);
        let called = self.exports.child_failed(&mut self.store, failure.into()).await;
        self.finish_line_when_idle();
        called.map(Directive::from).map_err(|error| self.crash_report(&error))
    }

    pub(super) async fn tell_done(&mut self, done: &[TaskDone]) -> Result<(), Crash> {
        if self.plugin.checked.task_done.is_none() {
            return Ok(());
        }
        self.refresh(done.len());
        let tasks = done.iter().map(Task::from).collect();
        self.exports.task_done(&mut self.store, tasks).await.map_err(|error| self.crash_report(&error))?;
        self.finish_line_when_idle();
        Ok(())
    }

    pub(super) async fn shut_down(&mut self) -> Result<(), Crash> {
        let answer = self.hook(Hook::Shutdown).await?;
        answer.map_err(|message| self.failed(CrashReason::Shutdown { message }))
    }

    /// Drops the value of the current incarnation, which has ended, in a shared instance.
    pub(super) async fn forget(&mut self) -> Result<(), Crash> {
        self.refresh(1);
        let number = self.incarnation().number;
        self.exports.forget(&mut self.store, number).await.map_err(|error| self.crash_report(&error))
    }
}

impl Behavior for Guest {
    fn turn(&mut self) -> &mut Turn {
        Self::turn(self)
    }

    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        Box::pin(metered(self.meter.clone(), self.gate()))
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(metered(self.meter.clone(), self.start_hook(Hook::Init)))
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(metered(self.meter.clone(), self.start_hook(Hook::PrepareChildren)))
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(metered(self.meter.clone(), self.handle_all()))
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        Box::pin(metered(self.meter.clone(), self.directive(failure)))
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(metered(self.meter.clone(), self.tell_done(done)))
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(metered(self.meter.clone(), self.shut_down()))
    }
}
