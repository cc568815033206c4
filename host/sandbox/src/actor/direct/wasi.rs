//! The functions of WASI for a program that is called without its component: those that Rust's library calls to print, and the clocks
//! and random numbers. Wasmtime's own functions do the work. The handle of a resource is its number in the store's table, plus one: no handle is 0.

use wasmtime::component::Resource;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::cli::terminal_input::{HostTerminalInput, TerminalInput};
use wasmtime_wasi::p2::bindings::cli::terminal_output::{HostTerminalOutput, TerminalOutput};
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::io::error::HostError;
use wasmtime_wasi::p2::bindings::io::poll::HostPollable;
use wasmtime_wasi::p2::bindings::io::streams::{self, Host as _, HostOutputStream as _, InputStream, OutputStream};
use wasmtime_wasi::p2::bindings::random::{insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, IoError, StreamError};
use wasmtime_wasi::random::WasiRandomView;
use wasmtime_wasi::{ResourceTable, WasiView};

use super::functions::{Call, Imports};
use super::memory::{Host, in_bounds, text};
use crate::actor::imports::ActorData;
use crate::contract::{Image, ToImage};
use crate::wasi::logging::{LOGGING, Level, Logging};

const STREAMS: &str = "wasi:io/streams@0.2.6";
const POLL: &str = "wasi:io/poll@0.2.6";

pub(super) fn add_to(imports: &mut Imports) -> wasmtime::Result<()> {
    add_cli_to(imports)?;
    add_terminals_to(imports)?;
    add_streams_to(imports)?;
    add_clocks_to(imports)?;
    add_log_to(imports)
}

/// The handle of a resource.
fn handle<T: 'static>(resource: &Resource<T>) -> i32 {
    resource.rep().wrapping_add(1).cast_signed()
}

fn borrowed<T: 'static>(handle: i32) -> Resource<T> {
    Resource::new_borrow(handle.cast_unsigned().wrapping_sub(1))
}

fn owned<T: 'static>(handle: i32) -> Resource<T> {
    Resource::new_own(handle.cast_unsigned().wrapping_sub(1))
}

/// The table of the store, after the line that may be written got its message.
fn table(data: &mut ActorData) -> &mut ResourceTable {
    data.ctx().table
}

fn add_cli_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving("wasi:cli/environment@0.2.6", "get-environment", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let environment = environment::Host::get_environment(&mut host.data.cli())?;
        host.give(to, environment)
    })?;
    imports.plain("wasi:cli/exit@0.2.6", "exit", |mut caller: Call<'_>, status: i32| {
        let host = Host::called(&mut caller)?;
        let status = if status == 0 { Ok(()) } else { Err(()) };
        exit::Host::exit(&mut host.data.cli(), status)
    })?;
    imports.plain("wasi:cli/stdin@0.2.6", "get-stdin", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(handle(&stdin::Host::get_stdin(&mut host.data.cli())?))
    })?;
    imports.plain("wasi:cli/stdout@0.2.6", "get-stdout", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(handle(&stdout::Host::get_stdout(&mut host.data.cli())?))
    })?;
    imports.plain("wasi:cli/stderr@0.2.6", "get-stderr", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(handle(&stderr::Host::get_stderr(&mut host.data.cli())?))
    })
}

fn add_terminals_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.giving("wasi:cli/terminal-stdin@0.2.6", "get-terminal-stdin", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let terminal = terminal_stdin::Host::get_terminal_stdin(&mut host.data.cli())?;
        host.give(to, terminal.map(|terminal| handle(&terminal).cast_unsigned()))
    })?;
    imports.giving("wasi:cli/terminal-stdout@0.2.6", "get-terminal-stdout", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let terminal = terminal_stdout::Host::get_terminal_stdout(&mut host.data.cli())?;
        host.give(to, terminal.map(|terminal| handle(&terminal).cast_unsigned()))
    })?;
    imports.giving("wasi:cli/terminal-stderr@0.2.6", "get-terminal-stderr", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let terminal = terminal_stderr::Host::get_terminal_stderr(&mut host.data.cli())?;
        host.give(to, terminal.map(|terminal| handle(&terminal).cast_unsigned()))
    })?;
    let (input, output) = ("[resource-drop]terminal-input", "[resource-drop]terminal-output");
    imports.plain("wasi:cli/terminal-input@0.2.6", input, |mut caller: Call<'_>, handle: i32| {
        let host = Host::called(&mut caller)?;
        HostTerminalInput::drop(&mut host.data.cli(), owned::<TerminalInput>(handle))
    })?;
    imports.plain("wasi:cli/terminal-output@0.2.6", output, |mut caller: Call<'_>, handle: i32| {
        let host = Host::called(&mut caller)?;
        HostTerminalOutput::drop(&mut host.data.cli(), owned::<TerminalOutput>(handle))
    })
}

/// An error of a stream, as the guest gets it.
enum GuestStreamError {
    Failed(u32),
    Closed,
}

impl ToImage for GuestStreamError {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(self, image: &mut Image, at: usize) {
        match self {
            Self::Failed(error) => {
                image.write(at, [0]);
                error.lower(image, at + 4);
            }
            Self::Closed => image.write(at, [1]),
        }
    }
}

fn stream_result<T>(
    data: &mut ActorData,
    result: Result<T, StreamError>,
) -> wasmtime::Result<Result<T, GuestStreamError>> {
    Ok(match result {
        Ok(value) => Ok(value),
        Err(error) => Err(match data.resources.convert_stream_error(error)? {
            streams::StreamError::LastOperationFailed(error) => {
                GuestStreamError::Failed(handle(&error).cast_unsigned())
            }
            streams::StreamError::Closed => GuestStreamError::Closed,
        }),
    })
}

fn add_streams_to(imports: &mut Imports) -> wasmtime::Result<()> {
    imports.waiting(
        STREAMS,
        "[method]output-stream.blocking-write-and-flush",
        |mut caller, (stream, at, length, result): (i32, i32, i32, i32)| {
            Box::new(async move {
                let mut host = Host::called(&mut caller)?;
                let bytes = host.owned_bytes(at, length)?;
                let stream = borrowed::<OutputStream>(stream);
                let written = table(host.data).blocking_write_and_flush(stream, bytes).await;
                let written = stream_result(host.data, written)?;
                host.give_done(result, written)
            })
        },
    )?;
    imports.giving(
        STREAMS,
        "[method]output-stream.check-write",
        |mut caller: Call<'_>, stream: i32, result: i32| {
            let host = Host::called(&mut caller)?;
            let permitted = table(host.data).check_write(borrowed::<OutputStream>(stream));
            let permitted = stream_result(host.data, permitted)?;
            host.give(result, permitted)
        },
    )?;
    imports.giving(
        STREAMS,
        "[method]output-stream.write",
        |mut caller: Call<'_>, stream: i32, at: i32, length: i32, result: i32| {
            let mut host = Host::called(&mut caller)?;
            let bytes = host.owned_bytes(at, length)?;
            let written = table(host.data).write(borrowed::<OutputStream>(stream), bytes);
            let written = stream_result(host.data, written)?;
            host.give_done(result, written)
        },
    )?;
    imports.waiting(STREAMS, "[method]output-stream.blocking-flush", |mut caller, (stream, result): (i32, i32)| {
        Box::new(async move {
            let host = Host::called(&mut caller)?;
            let flushed = table(host.data).blocking_flush(borrowed::<OutputStream>(stream)).await;
            let flushed = stream_result(host.data, flushed)?;
            host.give_done(result, flushed)
        })
    })?;
    imports.plain(STREAMS, "[method]output-stream.subscribe", |mut caller: Call<'_>, stream: i32| {
        let host = Host::called(&mut caller)?;
        let pollable = streams::HostOutputStream::subscribe(table(host.data), borrowed::<OutputStream>(stream))?;
        Ok(handle(&pollable))
    })?;
    imports.dropping(STREAMS, "[resource-drop]output-stream", |mut caller, (stream,): (i32,)| {
        Box::new(async move {
            let host = Host::called(&mut caller)?;
            streams::HostOutputStream::drop(table(host.data), owned::<OutputStream>(stream)).await
        })
    })?;
    imports.dropping(STREAMS, "[resource-drop]input-stream", |mut caller, (stream,): (i32,)| {
        Box::new(async move {
            let host = Host::called(&mut caller)?;
            streams::HostInputStream::drop(table(host.data), owned::<InputStream>(stream)).await
        })
    })?;
    imports.plain("wasi:io/error@0.2.6", "[resource-drop]error", |mut caller: Call<'_>, error: i32| {
        let host = Host::called(&mut caller)?;
        HostError::drop(table(host.data), owned::<IoError>(error))
    })?;
    imports.dropping(POLL, "[method]pollable.block", |mut caller, (pollable,): (i32,)| {
        Box::new(async move {
            let host = Host::called(&mut caller)?;
            HostPollable::block(table(host.data), borrowed::<DynPollable>(pollable)).await
        })
    })?;
    imports.plain(POLL, "[resource-drop]pollable", |mut caller: Call<'_>, pollable: i32| {
        let host = Host::called(&mut caller)?;
        HostPollable::drop(table(host.data), owned::<DynPollable>(pollable))
    })
}

fn add_log_to(imports: &mut Imports) -> wasmtime::Result<()> {
    for name in LOGGING {
        imports.plain(
            name,
            "log",
            |mut caller: Call<'_>, level: i32, context: i32, context_length: i32, message: i32, message_length: i32| {
                let host = Host::called(&mut caller)?;
                let Some(level) = Level::of(level) else {
                    wasmtime::bail!("the guest gave a case that its type does not have");
                };
                in_bounds(host.memory, [(context, context_length, 1), (message, message_length, 1)])?;
                let logger = host.data.logger();
                // The guest's texts are read only if they are wanted.
                if logger.is_enabled(level.into()) {
                    let context = text(host.memory, context, context_length)?;
                    let message = text(host.memory, message, message_length)?;
                    logger.log(level.into(), matches!(level, Level::Critical), context, message);
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn add_clocks_to(imports: &mut Imports) -> wasmtime::Result<()> {
    const MONOTONIC: &str = "wasi:clocks/monotonic-clock@0.2.6";
    const RANDOM: &str = "wasi:random/random@0.2.6";
    imports.plain(MONOTONIC, "now", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(monotonic_clock::Host::now(&mut host.data.clocks())?.cast_signed())
    })?;
    imports.plain(MONOTONIC, "resolution", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(monotonic_clock::Host::resolution(&mut host.data.clocks())?.cast_signed())
    })?;
    imports.plain(MONOTONIC, "subscribe-instant", |mut caller: Call<'_>, when: i64| {
        let host = Host::called(&mut caller)?;
        Ok(handle(&monotonic_clock::Host::subscribe_instant(&mut host.data.clocks(), when.cast_unsigned())?))
    })?;
    imports.plain(MONOTONIC, "subscribe-duration", |mut caller: Call<'_>, wait: i64| {
        let host = Host::called(&mut caller)?;
        Ok(handle(&monotonic_clock::Host::subscribe_duration(&mut host.data.clocks(), wait.cast_unsigned())?))
    })?;
    imports.giving("wasi:clocks/wall-clock@0.2.6", "now", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let now = wall_clock::Host::now(&mut host.data.clocks())?;
        host.give(to, (now.seconds, now.nanoseconds))
    })?;
    imports.giving("wasi:random/insecure-seed@0.2.6", "insecure-seed", |mut caller: Call<'_>, to: i32| {
        let host = Host::called(&mut caller)?;
        let seed = insecure_seed::Host::insecure_seed(host.data.random())?;
        host.give(to, seed)
    })?;
    imports.plain(RANDOM, "get-random-u64", |mut caller: Call<'_>| {
        let host = Host::called(&mut caller)?;
        Ok(random::Host::get_random_u64(host.data.random())?.cast_signed())
    })?;
    imports.giving(RANDOM, "get-random-bytes", |mut caller: Call<'_>, length: i64, to: i32| {
        let host = Host::called(&mut caller)?;
        let bytes = random::Host::get_random_bytes(host.data.random(), length.cast_unsigned())?;
        host.give(to, bytes)
    })
}
