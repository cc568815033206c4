//! The functions of the host for a program that is called without its component: the same as those of `actor/imports.rs`, for the types
//! of core functions. A component that imports another function is run as a component.

use std::collections::HashMap;
use std::time::Duration;

use wasmtime::{Caller, Engine, IntoFunc, Linker, Trap};

use super::bridge::{HOST, HostFunction};
use super::memory::{Host, bytes, list, number, text};
use super::shape::Source;
use super::{bridge_host, wasi};
use crate::actor::imports::{ActorData, LONGEST_ASK, SetTimer, SetTimerWith, recorded_in, running_in};
use crate::contract::{
    ActorState, AskError, BATCH, BadFrame, End, Envelope, KERNEL, MEMBER, METRICS, MetricError, Reply, Resolved, STATE,
    SendError, SpawnError, StateError, StateLimits, StopError, TimerError, WatchError, count, record, whole_millis,
};
use crate::run::Panic;

pub(super) type Call<'a> = Caller<'a, ActorData>;

/// The functions of the host, by interface and name.
pub(crate) struct Imports {
    pub(super) linker: Linker<ActorData>,
    /// Whether a function returns whether its result needs memory.
    allocates: HashMap<String, bool>,
}

/// The name of a function in the linker. Interfaces of one minor version are compatible.
fn key(interface: &str, name: &str) -> String {
    let end = interface.rfind('.').filter(|_| interface.contains('@')).unwrap_or(interface.len());
    format!("{} {name}", &interface[..end])
}

impl Imports {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut imports = Self { linker: Linker::new(engine), allocates: HashMap::new() };
        bridge_host::add_to(&mut imports.linker)?;
        add_kernel_to(&mut imports)?;
        add_children_to(&mut imports)?;
        add_timers_to(&mut imports)?;
        add_batch_to(&mut imports)?;
        add_metrics_to(&mut imports)?;
        add_state_to(&mut imports)?;
        wasi::add_to(&mut imports)?;
        Ok(imports)
    }

    /// The function behind an import of a program, if the host has it.
    pub(super) fn find(&self, source: Source<'_>) -> Option<HostFunction> {
        let name = match source {
            Source::Function { interface, name } => key(interface, name),
            Source::Drop { interface, resource } => key(interface, &format!("[resource-drop]{resource}")),
        };
        let allocates = *self.allocates.get(&name)?;
        Some(HostFunction { name, allocates })
    }

    /// A function whose result needs no memory.
    pub(super) fn plain<P, R>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl IntoFunc<ActorData, P, R>,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, false);
        self.linker.func_wrap(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// A function that gives its result to the program.
    pub(super) fn giving<P>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl IntoFunc<ActorData, P, wasmtime::Result<i32>>,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, true);
        self.linker.func_wrap(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// As `giving`, for a function that waits.
    pub(super) fn waiting<P: wasmtime::WasmTyList + 'static>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl for<'a> Fn(Call<'a>, P) -> Box<dyn Future<Output = wasmtime::Result<i32>> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, true);
        self.linker.func_wrap_async(HOST, &key(interface, name), function)?;
        Ok(())
    }

    /// As `waiting`, for a function without a result.
    pub(super) fn dropping<P: wasmtime::WasmTyList + 'static>(
        &mut self,
        interface: &str,
        name: &str,
        function: impl for<'a> Fn(Call<'a>, P) -> Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a>
        + Send
        + Sync
        + 'static,
    ) -> wasmtime::Result<()> {
        self.add(interface, name, false);
        self.linker.func_wrap_async(HOST, &key(interface, name), function)?;
        Ok(())
    }

    fn add(&mut self, interface: &str, name: &str, allocates: bool) {
        self.allocates.insert(key(interface, name), allocates);
    }
}

fn add_kernel_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving(KERNEL, "address", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let address = host.data.incarnation.turn.get_mut().address().to_string();
        host.give(to, address)
    })?;
    imports.plain(KERNEL, "incarnation", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(host.data.incarnation.turn.get_mut().incarnation().cast_signed())
    })?;
    imports.giving(KERNEL, "config", |mut caller: Call<'_>, key: i32, length: i32, to: i32| {
        let host = Host::called(&mut caller)?;
        let value = host.data.incarnation.config.get(text(host.memory, key, length)?).cloned();
        host.give(to, value)
    })?;
    imports.giving(KERNEL, "message", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let envelope = Envelope::of(host.data.incarnation.turn.get_mut());
        host.give(to, envelope)
    })?;
    imports.giving(
        KERNEL,
        "tell",
        |mut caller: Call<'_>, to: i32, to_length: i32, body: i32, body_length: i32, result: i32| {
            let host = Host::called(&mut caller)?;
            let (to, body) = (text(host.memory, to, to_length)?, bytes(host.memory, body, body_length)?);
            let told = recorded_in(host.data, |turn| turn.tell(to, body))?;
            host.give_done(result, told.map_err(SendError::from))
        },
    )?;
    imports.giving(
        KERNEL,
        "tell-with",
        |mut caller: Call<'_>,
         to: i32,
         to_length: i32,
         body: i32,
         body_length: i32,
         pairs: i32,
         pair_count: i32,
         result: i32| {
            let mut host = Host::called(&mut caller)?;
            let metadata = match host.metadata(pairs, pair_count)? {
                Ok(metadata) => metadata,
                Err(error) => return host.give_done(result, Err(error)),
            };
            let (to, body) = (text(host.memory, to, to_length)?, bytes(host.memory, body, body_length)?);
            let told = recorded_in(host.data, |turn| turn.tell_with(to, &metadata, body))?;
            host.give_done(result, told.map_err(SendError::from))
        },
    )?;
    imports.waiting(
        KERNEL,
        "tell-all",
        |mut caller, (to, to_length, body, body_length, result): (i32, i32, i32, i32, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let turn = host.data.incarnation.turn.get_mut();
                let told = turn.tell_all(&to, &body).await;
                turn.within_limits()?;
                host.give(result, told.map(count).map_err(SendError::from))
            })
        },
    )?;
    imports.waiting(
        KERNEL,
        "tell-all-with",
        |mut caller,
         (to, to_length, body, body_length, pairs, pair_count, result): (i32, i32, i32, i32, i32, i32, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let metadata = match host.metadata(pairs, pair_count)? {
                    Ok(metadata) => metadata,
                    Err(error) => return host.give(result, Err::<u32, _>(error)),
                };
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let turn = host.data.incarnation.turn.get_mut();
                let told = turn.tell_all_with(&to, &metadata, &body).await;
                turn.within_limits()?;
                host.give(result, told.map(count).map_err(SendError::from))
            })
        },
    )?;
    imports.giving(KERNEL, "reply-metadata", |mut caller: Call<'_>, pairs: i32, pair_count: i32, result: i32| {
        let mut host = Host::called(&mut caller)?;
        let set = host.metadata(pairs, pair_count)?;
        let set = set.map(|metadata| host.data.incarnation.reply_metadata = metadata);
        host.give_done(result, set)
    })?;
    imports.waiting(
        KERNEL,
        "ask",
        |mut caller, (to, to_length, body, body_length, timeout_ms, result): (i32, i32, i32, i32, i64, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let timeout = Duration::from_millis(timeout_ms.cast_unsigned()).min(LONGEST_ASK);
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let answer = running_in(host.data)?.ask(&to, &body, timeout).await;
                host.give(result, answer.map_err(AskError::from))
            })
        },
    )?;
    imports.waiting(
        KERNEL,
        "ask-with",
        |mut caller,
         (to, to_length, body, body_length, pairs, pair_count, timeout_ms, result): (
            i32,
            i32,
            i32,
            i32,
            i32,
            i32,
            i64,
            i32,
        )| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let timeout = Duration::from_millis(timeout_ms.cast_unsigned()).min(LONGEST_ASK);
                let metadata = match host.metadata(pairs, pair_count)? {
                    Ok(metadata) => metadata,
                    Err(error) => return host.give(result, Err::<Reply, _>(AskError::NotSent(error))),
                };
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let answer = running_in(host.data)?.ask_with(&to, &metadata, &body, timeout).await;
                host.give(result, answer.map(Reply::from).map_err(AskError::from))
            })
        },
    )?;
    imports.giving(KERNEL, "watch", |mut caller: Call<'_>, to: i32, to_length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let to = text(host.memory, to, to_length)?;
        let watch = recorded_in(host.data, |turn| turn.watch(to))?;
        host.give(result, watch.map_err(WatchError::from))
    })?;
    imports.plain(KERNEL, "unwatch", |mut caller: Call<'_>, watch: i64| {
        let host = Host::called(&mut caller)?;
        recorded_in(host.data, |turn| turn.unwatch(watch.cast_unsigned()))
    })?;
    imports.plain(
        KERNEL,
        "panicked",
        |mut caller: Call<'_>, message: i32, length: i32, lines: i32, line_count: i32| -> wasmtime::Result<()> {
            let host = Host::called(&mut caller)?;
            let message = text(host.memory, message, length)?;
            let lines = list(host.memory, lines, line_count, 8)?.chunks_exact(8);
            let lines = lines.map(|line| text(host.memory, number(line, 0), number(line, 4)));
            host.data.panic = Some(Panic::of(message, lines)?);
            Err(Trap::UnreachableCodeReached.into())
        },
    )
}

fn add_children_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving(
        KERNEL,
        "spawn",
        |mut caller: Call<'_>,
         name: i32,
         name_length: i32,
         plugin: i32,
         plugin_length: i32,
         config: i32,
         config_count: i32,
         result: i32| {
            let mut host = Host::called(&mut caller)?;
            let config = host.config(config, config_count)?;
            let (name, plugin) = (text(host.memory, name, name_length)?, text(host.memory, plugin, plugin_length)?);
            let spawned = recorded_in(host.data, |turn| turn.spawn(name, plugin, config))?;
            host.give_done(result, spawned.map_err(SpawnError::from))
        },
    )?;
    imports.giving(KERNEL, "stop", |mut caller: Call<'_>, child: i32, length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let child = text(host.memory, child, length)?;
        let stopped = recorded_in(host.data, |turn| turn.stop(child))?;
        host.give_done(result, stopped.map_err(StopError::from))
    })?;
    imports.giving(KERNEL, "children", |mut caller: Call<'_>, result: i32| {
        let host = Host::called(&mut caller)?;
        let children = host.data.incarnation.turn.get_mut().children();
        host.give(result, children)
    })?;
    imports.giving(KERNEL, "lookup", |mut caller: Call<'_>, path: i32, length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let path = text(host.memory, path, length)?;
        let found = host.data.incarnation.turn.get_mut().lookup(path);
        host.give(result, found.map(|address| address.to_string()))
    })?;
    imports.waiting(KERNEL, "status", |mut caller, (path, length, result): (i32, i32, i32)| {
        Box::new(async move {
            let mut host = Host::called(&mut caller)?;
            let path = host.owned_text(path, length)?;
            let state = host.data.incarnation.turn.get_mut().state(&path).await;
            host.give(result, state.map(ActorState::from))
        })
    })
}

fn add_timers_to(imports: &mut Imports) -> wasmtime::Result<()> {
    use playhouse_kernel::Turn;
    for (name, set) in [("tell-after", Turn::tell_after as SetTimer), ("tell-every", Turn::tell_every)] {
        imports.giving(
            KERNEL,
            name,
            move |mut caller: Call<'_>,
                  to: i32,
                  to_length: i32,
                  body: i32,
                  body_length: i32,
                  wait_ms: i64,
                  result: i32| {
                let host = Host::called(&mut caller)?;
                let wait = Duration::from_millis(wait_ms.cast_unsigned());
                let (to, body) = (text(host.memory, to, to_length)?, bytes(host.memory, body, body_length)?);
                let timer = recorded_in(host.data, |turn| set(turn, to, body, wait))?;
                host.give(result, timer.map_err(TimerError::from))
            },
        )?;
    }
    for (name, set) in
        [("tell-after-with", Turn::tell_after_with as SetTimerWith), ("tell-every-with", Turn::tell_every_with)]
    {
        imports.giving(
            KERNEL,
            name,
            move |mut caller: Call<'_>,
                  to: i32,
                  to_length: i32,
                  body: i32,
                  body_length: i32,
                  pairs: i32,
                  pair_count: i32,
                  wait_ms: i64,
                  result: i32| {
                let mut host = Host::called(&mut caller)?;
                let wait = Duration::from_millis(wait_ms.cast_unsigned());
                let metadata = match host.metadata(pairs, pair_count)? {
                    Ok(metadata) => metadata,
                    Err(error) => return host.give(result, Err::<u64, _>(TimerError::NotSent(error))),
                };
                let (to, body) = (text(host.memory, to, to_length)?, bytes(host.memory, body, body_length)?);
                let timer = recorded_in(host.data, |turn| set(turn, to, &metadata, body, wait))?;
                host.give(result, timer.map_err(TimerError::from))
            },
        )?;
    }
    imports.plain(KERNEL, "cancel", |mut caller: Call<'_>, timer: i64| {
        let host = Host::called(&mut caller)?;
        recorded_in(host.data, |turn| turn.cancel(timer.cast_unsigned()))
    })
}

fn add_batch_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving(BATCH, "resolve", |mut caller: Call<'_>, to: i32, length: i32, message: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let to = text(host.memory, to, length)?;
        let message = message.cast_unsigned() as usize;
        let resolved = host.data.incarnation.turn.get_mut().bulk().resolve(to, message);
        host.give(result, resolved.map(Resolved::from).map_err(SendError::from))
    })?;
    imports.giving(
        BATCH,
        "spawn",
        |mut caller: Call<'_>,
         name: i32,
         name_length: i32,
         plugin: i32,
         plugin_length: i32,
         config: i32,
         config_count: i32,
         message: i32,
         result: i32| {
            let mut host = Host::called(&mut caller)?;
            let config = host.config(config, config_count)?;
            let (name, plugin) = (text(host.memory, name, name_length)?, text(host.memory, plugin, plugin_length)?);
            let message = message.cast_unsigned() as usize;
            let reserved = recorded_in(host.data, |turn| turn.bulk().reserve(name, plugin, config, message))?;
            host.give(result, reserved.map_err(SpawnError::from))
        },
    )?;
    imports.giving(BATCH, "stop", |mut caller: Call<'_>, child: i32, length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let child = text(host.memory, child, length)?;
        let found = host.data.incarnation.turn.get_mut().bulk().find_child(child);
        host.give(result, found.map_err(StopError::from))
    })?;
    imports.giving(BATCH, "own-route", |mut caller: Call<'_>, result: i32| {
        let host = Host::called(&mut caller)?;
        let route = host.data.incarnation.turn.get_mut().bulk().resolve_own();
        host.give(result, Resolved::from(route))
    })?;
    imports.giving(BATCH, "timers-left", |mut caller: Call<'_>, result: i32| {
        let host = Host::called(&mut caller)?;
        let (left, most) = host.data.incarnation.turn.get_mut().bulk().timer_capacity();
        host.give(result, (count(left), count(most)))
    })?;
    imports.plain(BATCH, "timer-base", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(host.data.incarnation.turn.get_mut().bulk().timer_base().cast_signed())
    })?;
    imports.giving(BATCH, "sender", |mut caller: Call<'_>, message: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let sender = host.data.incarnation.turn.get_mut().bulk().sender_of(message.cast_unsigned() as usize);
        host.give(result, sender.map(|address| address.to_string()))
    })?;
    imports.giving(BATCH, "time-left", |mut caller: Call<'_>, message: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let left = host.data.incarnation.turn.get_mut().bulk().time_left_of(message.cast_unsigned() as usize);
        host.give(result, left.map(whole_millis))
    })?;
    imports.plain(BATCH, "hand-over", |mut caller: Call<'_>, frame: i32, length: i32| {
        let mut host = Host::called(&mut caller)?;
        let frame = host.owned_bytes(frame, length)?;
        if !host.data.in_turns {
            return Err(BadFrame::NoTurns.into());
        }
        record(host.data.incarnation.turn.get_mut(), frame, End::Open)?;
        Ok(())
    })?;
    imports.plain(MEMBER, "current", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(host.data.incarnation.number.cast_signed())
    })
}

fn add_metrics_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving(METRICS, "resolve", |mut caller: Call<'_>, name: i32, length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let name = text(host.memory, name, length)?;
        let number = host.data.incarnation.turn.get_mut().metric(name);
        host.give(result, number.map_err(MetricError::from))
    })?;
    imports.giving(METRICS, "count", |mut caller: Call<'_>, metric: i32, by: i64, result: i32| {
        let host = Host::called(&mut caller)?;
        let counted = recorded_in(host.data, |turn| turn.count_metric(metric.cast_unsigned(), by.cast_unsigned()))?;
        host.give_done(result, counted.map_err(MetricError::from))
    })?;
    imports.giving(METRICS, "observe", |mut caller: Call<'_>, metric: i32, value: f64, result: i32| {
        let host = Host::called(&mut caller)?;
        let observed = recorded_in(host.data, |turn| turn.observe_metric(metric.cast_unsigned(), value))?;
        host.give_done(result, observed.map_err(MetricError::from))
    })
}

fn add_state_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.waiting(STATE, "get", |mut caller, (key, length, result): (i32, i32, i32)| {
        Box::new(async move {
            let mut host = Host::called(&mut caller)?;
            let key = host.owned_text(key, length)?;
            let value = host.data.incarnation.turn.get_mut().state_value(&key).await;
            host.give(result, value.map(|value| value.map(|value| value.to_vec())).map_err(StateError::from))
        })
    })?;
    imports.waiting(
        STATE,
        "set",
        |mut caller, (key, key_length, value, value_length, result): (i32, i32, i32, i32, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let (key, value) = (host.owned_text(key, key_length)?, host.owned_bytes(value, value_length)?);
                let turn = host.data.incarnation.turn.get_mut();
                let set = turn.set_state(&key, &value).await;
                turn.within_limits()?;
                host.give_done(result, set.map_err(StateError::from))
            })
        },
    )?;
    imports.waiting(
        STATE,
        "set-for",
        |mut caller, (key, key_length, value, value_length, wait_ms, result): (i32, i32, i32, i32, i64, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let (key, value) = (host.owned_text(key, key_length)?, host.owned_bytes(value, value_length)?);
                let turn = host.data.incarnation.turn.get_mut();
                let time = Duration::from_millis(wait_ms.cast_unsigned());
                let set = turn.set_state_for(&key, &value, time).await;
                turn.within_limits()?;
                host.give_done(result, set.map_err(StateError::from))
            })
        },
    )?;
    imports.giving(STATE, "delete", |mut caller: Call<'_>, key: i32, length: i32, result: i32| {
        let host = Host::called(&mut caller)?;
        let key = text(host.memory, key, length)?;
        let deleted = recorded_in(host.data, |turn| turn.delete_state(key))?;
        host.give_done(result, deleted.map_err(StateError::from))
    })?;
    imports.waiting(
        STATE,
        "keys",
        |mut caller,
         (prefix, prefix_length, has_after, after, after_length, most, result): (i32, i32, i32, i32, i32, i32, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let prefix = host.owned_text(prefix, prefix_length)?;
                let after = match has_after {
                    0 => None,
                    1 => Some(host.owned_text(after, after_length)?),
                    _ => wasmtime::bail!("the guest gave a case that its type does not have"),
                };
                let turn = host.data.incarnation.turn.get_mut();
                let keys = turn.state_keys(&prefix, after.as_deref(), most.cast_unsigned() as usize).await;
                host.give(result, keys.map_err(StateError::from))
            })
        },
    )?;
    imports.waiting(STATE, "limits", |mut caller, (result,): (i32,)| {
        Box::new(async move {
            let host = Host::called(&mut caller)?;
            let limits = host.data.incarnation.turn.get_mut().measured_state_limits().await;
            host.give(result, limits.map(StateLimits::from).map_err(StateError::from))
        })
    })
}
