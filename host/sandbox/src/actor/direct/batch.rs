//! The functions of the interfaces `batch`, `member`, `metrics` and `state`.

use std::time::Duration;

use super::functions::{Call, Imports};
use super::memory::{Host, in_bounds, text};
use crate::actor::imports::recorded_in;
use crate::contract::{
    BATCH, BadFrame, End, MEMBER, METRICS, MetricError, Resolved, STATE, SendError, SpawnError, StateError,
    StateLimits, StopError, count, record, whole_millis,
};

pub(super) fn add_to(imports: &mut Imports) -> wasmtime::Result<()> {
    add_batch_to(imports)?;
    add_metrics_to(imports)?;
    add_state_to(imports)
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
            in_bounds(host.memory, [(name, name_length, 1), (plugin, plugin_length, 1)])?;
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
