//! The functions that the bridge itself calls: they give arguments and results to the program, and take its results.

use wasmtime::{Caller, Linker};

use super::bridge::HOST;
use super::entries::constant;
use super::memory::{Host, bytes, number, place};
use super::state::{Given, Passed, Taken, To};
use crate::actor::imports::ActorData;
use crate::contract::{Decision, Directive, Failure};

type Call<'a> = Caller<'a, ActorData>;

pub(super) fn add_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    linker.func_wrap(HOST, "fill", |mut caller: Call<'_>, at: i32| {
        let Host { memory, data, .. } = Host::of(&mut caller)?;
        let (bridge, incarnation) = (&mut data.bridge, &mut data.incarnation);
        let passed = match &bridge.passed {
            Passed::Message => incarnation.turn.get_mut().body(),
            Passed::Frame(frame) => frame,
        };
        let at = at.cast_unsigned();
        place(memory, at, passed.len(), 1)?;
        memory[at as usize..at as usize + passed.len()].copy_from_slice(passed);
        bridge.may_call = true;
        Ok(())
    })?;
    linker.func_wrap(HOST, "next", |mut caller: Call<'_>| {
        let Host { memory, data, .. } = Host::of(&mut caller)?;
        let bridge = &mut data.bridge;
        let Some(given) = &mut bridge.given else { wasmtime::bail!("the host gives no value") };
        let root = matches!(given.to, To::Root(None)).then(|| given.image.root());
        if let Some((size, align)) = given.image.next().or(root) {
            // A size fits into four bytes, since all bytes of a call are bounded.
            let packed = (align as u64) << 32 | size as u64 & u64::from(u32::MAX);
            return Ok(packed.cast_signed());
        }
        if let To::Memory(to) = given.to {
            let root = given.image.root_bytes();
            memory[to as usize..to as usize + root.len()].copy_from_slice(root);
            bridge.given = None;
        }
        bridge.may_call = true;
        Ok(-1)
    })?;
    linker.func_wrap(HOST, "place", |mut caller: Call<'_>, at: i32| {
        let Host { memory, data, .. } = Host::of(&mut caller)?;
        let Some(given) = &mut data.bridge.given else { wasmtime::bail!("the host gives no value") };
        let at = at.cast_unsigned();
        if let Some((size, align)) = given.image.next() {
            place(memory, at, size, align)?;
            let block = given.image.place(at);
            memory[at as usize..at as usize + size].copy_from_slice(&block);
        } else {
            let (size, align) = given.image.root();
            place(memory, at, size, align)?;
            memory[at as usize..at as usize + size].copy_from_slice(given.image.root_bytes());
            given.to = To::Root(Some(at));
        }
        Ok(())
    })?;
    linker.func_wrap(HOST, "root", |caller: Call<'_>| match &caller.data().bridge.given {
        Some(Given { to: To::Root(Some(at)), .. }) => Ok(at.cast_signed()),
        _ => Err(wasmtime::format_err!("the host gives no value")),
    })?;
    linker.func_wrap(HOST, "number", |caller: Call<'_>, at: i32| argument(&caller, at).map(u32::cast_signed))?;
    linker.func_wrap(HOST, "wide-number", |caller: Call<'_>, at: i32| {
        let (low, high) = (argument(&caller, at)?, argument(&caller, at + 4)?);
        Ok((u64::from(high) << 32 | u64::from(low)).cast_signed())
    })?;
    add_takes_to(linker)
}

fn argument(caller: &Call<'_>, at: i32) -> wasmtime::Result<u32> {
    match &caller.data().bridge.given {
        Some(given) => Ok(given.image.number(at.cast_unsigned() as usize)),
        None => wasmtime::bail!("the host gives no value"),
    }
}

/// Takes a result: `read` gets the memory, and the address that the program returned.
fn take(
    linker: &mut Linker<ActorData>,
    name: &str,
    read: fn(&mut Host<'_>, i32) -> wasmtime::Result<Taken>,
) -> wasmtime::Result<()> {
    linker.func_wrap(HOST, name, move |mut caller: Call<'_>, at: i32| {
        let mut host = Host::of(&mut caller)?;
        let taken = read(&mut host, at)?;
        host.data.bridge.taken = taken;
        host.data.bridge.may_call = false;
        Ok(())
    })?;
    Ok(())
}

fn add_takes_to(linker: &mut Linker<ActorData>) -> wasmtime::Result<()> {
    take(linker, "take-reply", |host, at| {
        let value = value(host, at, 16, 4)?;
        Ok(Taken::Reply(match (value[0], value[4]) {
            (0, 0) => Ok(None),
            (0, 1) => Ok(Some(host.owned_bytes(number(&value, 8), number(&value, 12))?)),
            (1, case) => Err(failure(host, case, &value[8..16])?),
            _ => return Err(bad_case()),
        }))
    })?;
    take(linker, "take-frame", |host, at| {
        let value = value(host, at, 8, 4)?;
        Ok(Taken::Frame(host.owned_bytes(number(&value, 0), number(&value, 4))?))
    })?;
    take(linker, "take-hook", |host, at| {
        let value = value(host, at, 12, 4)?;
        Ok(Taken::Hook(match value[0] {
            0 => Ok(()),
            1 => Err(host.owned_text(number(&value, 4), number(&value, 8))?),
            _ => return Err(bad_case()),
        }))
    })?;
    take(linker, "take-noticed", |host, at| {
        let value = value(host, at, 16, 4)?;
        Ok(Taken::Noticed(match (value[0], value[4]) {
            (0, _) => Ok(()),
            (1, case) => Err(failure(host, case, &value[8..16])?),
            _ => return Err(bad_case()),
        }))
    })?;
    take(linker, "take-decision", |host, at| {
        let value = value(host, at, 24, 8)?;
        let low = u64::from(number(&value, 16).cast_unsigned());
        let wait = u64::from(number(&value, 20).cast_unsigned()) << 32 | low;
        Ok(Taken::Decision(match (value[0], value[8]) {
            (0, _) => Decision::Start,
            (1, 0) => Decision::Wait(None),
            (1, 1) => Decision::Wait(Some(wait)),
            _ => return Err(bad_case()),
        }))
    })?;
    take(linker, "take-directive", |_, case| {
        Ok(Taken::Directive(match case {
            0 => Directive::Restart,
            1 => Directive::Stop,
            2 => Directive::Escalate,
            3 => Directive::Default,
            _ => return Err(bad_case()),
        }))
    })
}

/// The fixed part of a result, at the address that the program returned.
fn value(host: &Host<'_>, at: i32, size: usize, align: usize) -> wasmtime::Result<[u8; 24]> {
    place(host.memory, at.cast_unsigned(), size, align)?;
    let mut value = [0; 24];
    value[..size].copy_from_slice(bytes(host.memory, at, constant(size))?);
    Ok(value)
}

fn failure(host: &mut Host<'_>, case: u8, text_at: &[u8]) -> wasmtime::Result<Failure> {
    let make = match case {
        0 => Failure::Reject,
        1 => Failure::Retry,
        _ => return Err(bad_case()),
    };
    Ok(make(host.owned_text(number(text_at, 0), number(text_at, 4))?))
}

fn bad_case() -> wasmtime::Error {
    wasmtime::format_err!("the guest returned a case that its type does not have")
}
