//! The whole play, read for operators and programs.

use std::sync::Arc;

use playhouse_gateway::Statuses;
use playhouse_kernel::{ActorView, Address, Kernel, Progress};
use playhouse_observe::Sampler;
use playhouse_sandbox::Sandbox;
use tokio::time::Instant;

use super::views::{ActorLine, StoreView, Tree, UsageView, fates};
use super::why_views::WhyView;

/// Reads a running play.
#[derive(Clone)]
pub(crate) struct WholeTree {
    kernel: Kernel,
    play: String,
    sandbox: Option<Sandbox>,
    statuses: Statuses,
    sampler: Arc<Sampler>,
    /// The folder of the store.
    store: Option<String>,
}

impl WholeTree {
    pub(crate) fn new(kernel: Kernel, play: String, sandbox: Option<Sandbox>, statuses: Statuses) -> Self {
        let sampler = Arc::new(Sampler::new(Instant::now().into_std()));
        Self { kernel, play, sandbox, statuses, sampler, store: None }
    }

    /// Shows the play's store, which is in this folder.
    pub(crate) fn with_store(self, store: Option<String>) -> Self {
        Self { store, ..self }
    }

    /// The folder of the play's store.
    pub(crate) fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The samples of the play's actors.
    pub(crate) fn sampler(&self) -> &Arc<Sampler> {
        &self.sampler
    }

    /// Why an actor does not go on; none when there is no such actor.
    pub(crate) async fn why(&self, address: &Address) -> Option<WhyView> {
        let why = self.kernel.why(address).await?;
        let (now, memory_short) = (Instant::now().into_std(), self.kernel.memory_pressure());
        let recent = |progress: &Progress| self.sampler.recent(progress, now);
        Some(WhyView::new(&why, recent, |of| self.statuses.get(of), memory_short.as_deref()))
    }

    pub(crate) async fn read(&self) -> Tree {
        let (actors, now) = (self.kernel.actors().await, Instant::now().into_std());
        let line = |actor: &ActorView| ActorLine {
            status: self.statuses.get(&actor.address),
            ..ActorLine::new(actor, self.sampler.recent(&actor.progress, now))
        };
        let usage = |(used, most)| UsageView { used, most };
        Tree {
            play: self.play.clone(),
            actors: actors.iter().map(line).collect(),
            dead_letters: fates(&self.kernel.dead_letter_counts()),
            memory_pressure: self.kernel.memory_pressure().map(|why| why.to_string()),
            store: self.store.clone().zip(self.kernel.store_status()).map(|(path, status)| StoreView {
                path,
                runs: status.runs,
                behind: status.behind,
                full: status.full,
            }),
            guest_memory: self.sandbox.as_ref().map(|sandbox| usage(sandbox.memory())),
            guest_descriptors: self.sandbox.as_ref().map(|sandbox| usage(sandbox.descriptors())),
        }
    }
}
