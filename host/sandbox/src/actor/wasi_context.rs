//! The WASI context of one incarnation, made when its guest first calls a function of WASI. Most guests call none unless they print.

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;

use super::resources::ActorResources;
use crate::output::Lines;
use crate::run::bare_wasi;

/// The context, and the parts that it is made of. A context has two generators of random numbers with their seeds and a dozen
/// blocks of memory, so that a start without it is cheaper.
pub(crate) struct WasiContext {
    made: Option<Box<WasiCtx>>,
    resources: Arc<ActorResources>,
    plugin: Arc<str>,
    stdout: Lines,
    stderr: Lines,
}

impl WasiContext {
    /// `plugin` is the name that the guest sees as its first argument.
    pub(super) fn new(resources: Arc<ActorResources>, plugin: Arc<str>, stdout: Lines, stderr: Lines) -> Self {
        Self { made: None, resources, plugin, stdout, stderr }
    }

    /// The context, which the first call makes.
    pub(super) fn get(&mut self) -> &mut WasiCtx {
        let Self { made, resources, plugin, stdout, stderr } = self;
        made.get_or_insert_with(|| Box::new(resources.wasi_context(&mut bare_wasi(plugin, stdout, stderr))))
    }
}
