//! The whole play, read for operators and programs.

use playhouse_kernel::Kernel;
use playhouse_sandbox::Sandbox;

use super::views::{ActorLine, Tree, UsageView, fates};

/// Reads a running play.
#[derive(Clone)]
pub(crate) struct WholeTree {
    kernel: Kernel,
    play: String,
    sandbox: Option<Sandbox>,
}

impl WholeTree {
    pub(crate) fn new(kernel: Kernel, play: String, sandbox: Option<Sandbox>) -> Self {
        Self { kernel, play, sandbox }
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) async fn read(&self) -> Tree {
        let usage = |(used, most)| UsageView { used, most };
        Tree {
            play: self.play.clone(),
            actors: self.kernel.actors().await.iter().map(ActorLine::from).collect(),
            dead_letters: fates(&self.kernel.dead_letter_counts()),
            memory_pressure: self.kernel.memory_pressure().map(|why| why.to_string()),
            guest_memory: self.sandbox.as_ref().map(|sandbox| usage(sandbox.memory())),
            guest_descriptors: self.sandbox.as_ref().map(|sandbox| usage(sandbox.descriptors())),
        }
    }
}
