//! `poll` of `wasi:io/poll`, in the place of wasmtime's own, which copies a list of any length, since it may name one pollable
//! many times, and keeps the copy until a pollable is ready. This one bounds the list first.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::Host;

/// The interface with the version of wasmtime's own function.
const POLL: &str = "wasi:io/poll@0.2.12";

/// The error when a guest waits for more pollables than it may have open.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{listed} pollables in one list, and {most} resources may be open")]
pub(crate) struct LongList {
    listed: usize,
    most: usize,
}

impl LongList {
    /// The limit that the guest exceeded.
    pub(crate) fn more_than(&self) -> String {
        format!("{} pollables in one list (limits.resources)", self.most)
    }
}

/// Adds the function to `linker`. `most_resources` gives the bound on the list: `limits.resources` of the guest.
pub(crate) fn add_to<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    most_resources: fn(&T) -> usize,
) -> wasmtime::Result<()> {
    type List = WasmList<Resource<DynPollable>>;
    linker.allow_shadowing(true);
    linker.instance(POLL)?.func_wrap_async("poll", move |mut store: StoreContextMut<'_, T>, (list,): (List,)| {
        Box::new(async move {
            let (listed, most) = (list.len(), most_resources(store.data()));
            if listed > most {
                return Err(LongList { listed, most }.into());
            }
            let pollables = list.iter(&mut store)?.collect::<Result<_, _>>()?;
            Ok((Host::poll(store.data_mut().ctx().table, pollables).await?,))
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
