//! The WASI context of one incarnation, made when its guest first calls a function of WASI. Most guests call none unless they print.

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;

use super::incarnation::IncarnationData;
use super::resources::ActorResources;
use crate::output::{CurrentLines, Lines};
use crate::run::bare_wasi;

/// The context, and the parts that it is made of. A context has two generators of random numbers with their seeds and a dozen
/// blocks of memory, so that a start without it is cheaper.
pub(crate) struct WasiContext {
    made: Option<Box<WasiCtx>>,
    resources: Arc<ActorResources>,
    plugin: Arc<str>,
    streams: Streams,
}

/// Where standard output and error go.
enum Streams {
    /// To the lines of the one incarnation.
    Own(Lines, Lines),
    /// To those of the incarnation that calls, of several that share the instance.
    Shared(CurrentLines, CurrentLines),
}

impl WasiContext {
    /// `plugin` is the name that the guest sees as its first argument. `shared`: whether several incarnations share the instance, of
    /// which `stdout` and `stderr` are those of the first one.
    pub(super) fn new(
        resources: Arc<ActorResources>,
        plugin: Arc<str>,
        stdout: &Lines,
        stderr: &Lines,
        shared: bool,
    ) -> Self {
        let streams = if shared {
            Streams::Shared(CurrentLines::new(stdout), CurrentLines::new(stderr))
        } else {
            Streams::Own(stdout.clone(), stderr.clone())
        };
        Self { made: None, resources, plugin, streams }
    }

    /// Lets the streams of a shared instance be those of this incarnation.
    pub(super) fn write_to(&self, incarnation: &IncarnationData) {
        if let Streams::Shared(stdout, stderr) = &self.streams {
            stdout.set(&incarnation.stdout);
            stderr.set(&incarnation.stderr);
        }
    }

    /// The context, which the first call makes.
    pub(super) fn get(&mut self) -> &mut WasiCtx {
        let Self { made, resources, plugin, streams } = self;
        made.get_or_insert_with(|| {
            let mut builder = match streams {
                Streams::Own(stdout, stderr) => bare_wasi(plugin, stdout, stderr),
                Streams::Shared(stdout, stderr) => bare_wasi(plugin, stdout, stderr),
            };
            Box::new(resources.wasi_context(&mut builder))
        })
    }
}

#[cfg(test)]
mod tests {
    use playhouse_kernel::Address;

    use super::*;
    use crate::grants::Grants;
    use crate::limits::Account;
    use crate::output::{Kind, LineOrigin, Output, Writer};

    struct Silent;

    impl Output for Silent {
        fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
        fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
    }

    #[test]
    fn context_is_made_once_at_its_first_use() {
        let descriptors = Arc::new(Account::new("the test", 0, None));
        let resources = Arc::new(ActorResources::new(Grants::default(), &Arc::default(), &descriptors));
        let writer = Writer::new(Address::root(), "test".into(), None);
        let lines = Lines::new(Kind::Stdout(None), writer, Arc::new(Silent));
        let mut context = WasiContext::new(resources, "test".into(), &lines, &lines, false);
        assert!(context.made.is_none());
        let first: *const WasiCtx = context.get();
        assert!(std::ptr::eq(first, context.get()), "it keeps its generators of random numbers");
    }
}
