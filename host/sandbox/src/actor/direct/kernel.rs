//! The functions of the interface `kernel`.

use std::time::Duration;

use playhouse_kernel::Turn;
use wasmtime::Trap;

use super::functions::{Call, Imports};
use super::memory::{Host, bytes, in_bounds, list, number, text};
use crate::actor::imports::{LONGEST_ASK, SetTimer, SetTimerWith, recorded_in, running_in};
use crate::contract::{
    ActorState, AskError, Envelope, KERNEL, Reply, SendError, SpawnError, StopError, TimerError, WatchError, count,
};
use crate::run::Panic;

pub(super) fn add_to(imports: &mut Imports) -> wasmtime::Result<()> {
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
            in_bounds(host.memory, [(to, to_length, 1), (body, body_length, 1)])?;
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
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let metadata = match host.metadata(pairs, pair_count)? {
                    Ok(metadata) => metadata,
                    Err(error) => return host.give(result, Err::<u32, _>(error)),
                };
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
                let (to, body) = (host.owned_text(to, to_length)?, host.owned_bytes(body, body_length)?);
                let metadata = match host.metadata(pairs, pair_count)? {
                    Ok(metadata) => metadata,
                    Err(error) => return host.give(result, Err::<Reply, _>(AskError::NotSent(error))),
                };
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
            in_bounds(host.memory, [(message, length, 1), (lines, line_count, 8)])?;
            let message = text(host.memory, message, length)?;
            let lines = list(host.memory, lines, line_count, 8)?.chunks_exact(8);
            let lines = lines.map(|line| text(host.memory, number(line, 0), number(line, 4)));
            host.data.panic = Some(Panic::of(message, lines)?);
            Err(Trap::UnreachableCodeReached.into())
        },
    )?;
    add_children_to(imports)?;
    add_timers_to(imports)
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
            in_bounds(host.memory, [(name, name_length, 1), (plugin, plugin_length, 1)])?;
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
                in_bounds(host.memory, [(to, to_length, 1), (body, body_length, 1)])?;
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
