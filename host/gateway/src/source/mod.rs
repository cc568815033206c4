//! Sources: messages that come from a broker or a file, acknowledged there when they have ended here.
//!
//! | file | content |
//! |---|---|
//! | `supply` | settings, and the traits of the kinds |
//! | `actor` | the native actor `/gate/NAME`, and its orderly stop |
//! | `worker` | the connection: pulls what fits, keeps alive, acknowledges |
//! | `required` | the start of a play that needs the broker |
//! | `deliver` | the way into the mailbox, one message after another |
//! | `table` | what was taken and has not ended |
//! | `kept` | what the play's store keeps of the source, if the receiver is stored |

mod actor;
mod deliver;
mod kept;
mod required;
mod supply;
mod table;
mod worker;

use std::sync::Arc;

use playhouse_kernel::{ActorSpec, NativeLauncher, SupervisionSpec};

use crate::{Common, Placed};
#[cfg(feature = "redis")]
pub(crate) use supply::PLUGIN;
pub use supply::{Connected, Handle, Place, Position, SourceSettings, Supplier, Supply, Taken};

/// Places a source.
pub fn place(settings: SourceSettings, supply: Arc<dyn Supply>, common: &Common, placed: &mut Placed) {
    if let Some(address) = settings.required.clone() {
        placed.sinks.insert(0, required::spec(address, &settings.address, supply.clone()));
    }
    let counts = common.traffic.source(&settings.address, supply.kind());
    let (statuses, stop) = (common.statuses.clone(), common.stop);
    let address = settings.address.clone();
    let tell = settings.tell.clone();
    let made = move || actor::Source::new(settings.clone(), supply.clone(), statuses.clone(), counts.clone(), stop);
    let mut spec = ActorSpec::new(address, NativeLauncher::new(made));
    spec.grants.sends_to = vec![tell];
    // The hook that stops the source waits for what was taken: the supervisor's limit ends it.
    spec.limits.timeout = stop.max(SupervisionSpec::default().shutdown) * 2;
    placed.gates.push(spec);
}
