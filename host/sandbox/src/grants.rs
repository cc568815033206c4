//! Grants: the resources outside of the host that an actor may use, and the parts of WASI that need a grant.
//!
//! | file | contents |
//! |---|---|
//! | `actor`, `narrowing` | all grants of one actor, and the rule for a child |
//! | `hosts`, `addresses` | the targets that HTTP requests may have; the addresses that a name may lead to |
//! | `allowed` | the check of one target and of its addresses |
//! | `secrets` | secrets that requests carry and guests do not know |
//! | `folder`, `growth` | a granted folder, and the bound on its growth |
//! | `needs` | the imports of a component, and the grants that they need |

mod actor;
mod addresses;
mod allowed;
mod folder;
mod growth;
mod hosts;
mod narrowing;
mod needs;
mod secrets;

pub use actor::{Grants, Variable};
pub use addresses::{Network, NetworkError};
pub use folder::Folder;
#[cfg(test)]
pub(crate) use growth::Growth;
pub(crate) use growth::{ENTRY_BYTES, Quota};
pub(crate) use hosts::Target;
pub use hosts::{Host, HostError};
pub use needs::{Access, Missing, Part};
pub use secrets::{HeaderError, SealError, SealedSecret, SecretGrant};
